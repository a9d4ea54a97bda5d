// PlaceProcess: where a worker is pinned, seen from the thread that starts it.

#include "slabpipe/session/placement.h"

#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/tests/testing/child_process.h"
#include "slabpipe/tests/testing/status_matchers.h"
#include "slabpipe/tests/testing/watchdog.h"
#include "slabpipe/transport/spin.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::StatusIs;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::vector<uint32_t> CpusOf(pid_t process) {
  cpu_set_t set;
  EXPECT_EQ(::sched_getaffinity(process, sizeof(set), &set), 0);
  std::vector<uint32_t> cpus;
  for (uint32_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  }
  return cpus;
}

int PinTo(pid_t process, const std::vector<uint32_t>& cpus) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const uint32_t cpu : cpus) CPU_SET(cpu, &set);
  return ::sched_setaffinity(process, sizeof(set), &set);
}

// This thread is pinned to one CPU while a test runs, or "here" would be another place each time.
class PlacementTest : public ::testing::Test {
 protected:
  PlacementTest() : all_(CpusOf(0)) { EXPECT_EQ(PinTo(0, {all_[0]}), 0); }
  ~PlacementTest() override { EXPECT_EQ(PinTo(0, all_), 0); }

  const std::vector<uint32_t> all_;

 private:
  tests::Watchdog watchdog_;
};

// A process that waits to be killed.
int Waits() {
  while (true) ::pause();
}

TEST_F(PlacementTest, AnywhereLeavesItAsItIs) {
  tests::ChildProcess child(Waits);
  const std::vector<uint32_t> before = CpusOf(child.pid());
  EXPECT_THAT(PlaceProcess(child.pid(), Placement::kAny), IsOk());
  EXPECT_EQ(CpusOf(child.pid()), before);
}

TEST_F(PlacementTest, TheSameCoreIsThatOfTheStartingThread) {
  for (const uint32_t cpu : all_) {
    ASSERT_EQ(PinTo(0, {cpu}), 0);
    tests::ChildProcess child(Waits);
    EXPECT_THAT(PlaceProcess(child.pid(), Placement::kSameCore), IsOk());
    EXPECT_THAT(CpusOf(child.pid()), ElementsAre(CurrentCpu()));
  }
}

TEST_F(PlacementTest, AnotherCoreIsAnyButThatOfTheStartingThread) {
  if (all_.size() == 1) GTEST_SKIP() << "there is one CPU only";
  for (const uint32_t cpu : all_) {
    ASSERT_EQ(PinTo(0, {cpu}), 0);
    tests::ChildProcess child(Waits);
    EXPECT_THAT(PlaceProcess(child.pid(), Placement::kOtherCore), IsOk());
    EXPECT_THAT(CpusOf(child.pid()), Not(Contains(CurrentCpu())));
    EXPECT_THAT(CpusOf(child.pid()), Not(IsEmpty()));
  }
}

TEST_F(PlacementTest, AProcessThatIsGoneIsTold) {
  tests::ChildProcess child([] { return 0; });
  child.Wait();
  for (const Placement placement : {Placement::kSameCore, Placement::kOtherCore}) {
    EXPECT_THAT(PlaceProcess(child.pid(), placement),
                StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("can't be placed")));
  }
  EXPECT_THAT(PlaceProcess(child.pid(), Placement::kAny), IsOk());
}

}  // namespace
}  // namespace slabpipe
