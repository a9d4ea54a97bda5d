// SpinPolicy: what it looks at, and when it gives up. No test here measures time: what is looked at
// is counted, and what is allowed is asked for.

#include "slabpipe/transport/spin.h"

#include <sched.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/tests/testing/watchdog.h"

namespace slabpipe {
namespace {

constexpr uint32_t kElsewhere = ~0u;  // no CPU's number

class SpinTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::sysconf(_SC_NPROCESSORS_ONLN) == 1) GTEST_SKIP() << "one CPU: nobody ever spins";
  }
  // Spins for something that never comes.
  static bool SpinInVain(SpinPolicy& policy, const Deadline& deadline = {}) {
    return policy.Spin(
        deadline, [] { return false; }, [] { return kElsewhere; });
  }
  // Whether something is looked at, at all.
  static bool Looks(SpinPolicy& policy, uint32_t peer_cpu = kElsewhere) {
    return policy.Spin(
        {}, [] { return true; }, [=] { return peer_cpu; });
  }

 private:
  tests::Watchdog watchdog_;
};

TEST_F(SpinTest, WhatIsThereIsSeen) {
  SpinPolicy policy(absl::Microseconds(50));
  EXPECT_TRUE(Looks(policy));
}

TEST_F(SpinTest, WhatComesWhileItLooksIsSeen) {
  SpinPolicy policy(absl::Seconds(1));
  int looks = 0;
  EXPECT_TRUE(policy.Spin(
      {}, [&] { return ++looks == 1000; }, [] { return kElsewhere; }));
  EXPECT_EQ(looks, 1000);
}

TEST_F(SpinTest, WhatAnotherThreadDoesIsSeen) {
  SpinPolicy policy(absl::Seconds(1));
  std::atomic<bool> begun = false, done = false;
  std::thread other([&] {
    while (!begun) std::this_thread::yield();
    done = true;
  });
  // On a busy machine it may take several.
  while (!policy.Spin(
      {}, [&] { return begun = true, done.load(); }, [] { return kElsewhere; })) {
  }
  other.join();
}

TEST_F(SpinTest, WhatNeverComesEndsWithTheBudget) {
  for (const absl::Duration budget : {absl::Nanoseconds(1), absl::Microseconds(50)}) {
    SpinPolicy policy(budget);
    EXPECT_FALSE(SpinInVain(policy)) << budget;
  }
}

TEST_F(SpinTest, ABudgetOfZeroOrLessLooksAtNothing) {
  for (const absl::Duration budget :
       {absl::ZeroDuration(), absl::Seconds(-1), -absl::InfiniteDuration()}) {
    SpinPolicy policy(budget);
    EXPECT_EQ(policy.budget_nanoseconds(), 0) << budget;
    EXPECT_FALSE(Looks(policy)) << budget;
  }
}

TEST_F(SpinTest, ABudgetWithoutEndIsASecond) {
  for (const absl::Duration budget :
       {absl::Seconds(2), absl::Hours(24 * 365 * 500), absl::InfiniteDuration()}) {
    SpinPolicy policy(budget);
    EXPECT_EQ(policy.budget_nanoseconds(), 1'000'000'000) << budget;
  }
  EXPECT_EQ(SpinPolicy(absl::Seconds(1)).budget_nanoseconds(), 1'000'000'000);
  EXPECT_EQ(SpinPolicy(absl::Microseconds(50)).budget_nanoseconds(), 50'000);
}

TEST_F(SpinTest, ADeadlineEndsIt) {
  SpinPolicy policy(absl::Seconds(1));
  EXPECT_FALSE(SpinInVain(policy, Deadline::After(absl::ZeroDuration())));
  const Deadline soon = Deadline::After(absl::Microseconds(100));
  EXPECT_FALSE(SpinInVain(policy, soon));
  EXPECT_TRUE(soon.HasPassed());
}

TEST_F(SpinTest, APeerOnThisCpuIsLeftTheCpu) {
  cpu_set_t before, one;
  ASSERT_EQ(::sched_getaffinity(0, sizeof(before), &before), 0);
  CPU_ZERO(&one);
  CPU_SET(CurrentCpu(), &one);
  ASSERT_EQ(::sched_setaffinity(0, sizeof(one), &one), 0);  // so that it stays this one
  SpinPolicy policy(absl::Seconds(1));
  EXPECT_FALSE(Looks(policy, CurrentCpu()));
  EXPECT_TRUE(Looks(policy, CurrentCpu() + 1));
  // It comes while this side spins.
  int looks = 0;
  const auto comes = [&] { return looks > 100 ? CurrentCpu() : kElsewhere; };
  EXPECT_FALSE(policy.Spin(
      {}, [&] { return ++looks > 10'000'000; }, comes));
  ASSERT_EQ(::sched_setaffinity(0, sizeof(before), &before), 0);
}

TEST_F(SpinTest, TheBudgetHalvesWithEachLongWaitAndIsZeroAfterSeven) {
  SpinPolicy policy(absl::Microseconds(64));
  for (const int64_t expected : {64'000, 32'000, 16'000, 8'000, 4'000, 2'000, 1'000, 0, 0, 0}) {
    EXPECT_EQ(policy.budget_nanoseconds(), expected);
    policy.Slept(1'000'000);
  }
  EXPECT_FALSE(Looks(policy));
}

TEST_F(SpinTest, AShortSleepGivesAllOfTheBudgetBack) {
  SpinPolicy policy(absl::Microseconds(64));
  for (int i = 0; i < 100; ++i) policy.Slept(128'001);
  EXPECT_EQ(policy.budget_nanoseconds(), 0);
  policy.Slept(128'000);
  EXPECT_EQ(policy.budget_nanoseconds(), 64'000);
}

TEST_F(SpinTest, SpinningThatPaidOffGivesAllOfTheBudgetBack) {
  SpinPolicy policy(absl::Microseconds(64));
  policy.Slept(1'000'000);
  policy.Slept(1'000'000);
  EXPECT_EQ(policy.budget_nanoseconds(), 16'000);
  EXPECT_TRUE(Looks(policy));
  EXPECT_EQ(policy.budget_nanoseconds(), 64'000);
}

TEST_F(SpinTest, SpinningInVainTakesNothingUntilTheSleepIsOver) {
  SpinPolicy policy(absl::Microseconds(64));
  EXPECT_FALSE(SpinInVain(policy));
  EXPECT_EQ(policy.budget_nanoseconds(), 64'000);
}

}  // namespace
}  // namespace slabpipe
