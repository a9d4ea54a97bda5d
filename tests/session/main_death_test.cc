// SIGKILL of main: no worker, no child of the worker's and no shared memory is left, whatever the
// worker was doing. Main is a program that the test starts.

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include <string>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/session/child_process.h"
#include "slabpipe/tests/session/session_testing.h"
#include "slabpipe/tests/testing/process_state.h"
#include "slabpipe/tests/testing/read_text.h"
#include "slabpipe/tests/testing/status_matchers.h"
#include "slabpipe/transport/posix_segment.h"
#include "slabpipe/transport/unique_fd.h"

namespace slabpipe::tests {
namespace {

using ::testing::IsEmpty;
using ::testing::Not;

class MainDeathTest : public SessionTest,
                      public ::testing::WithParamInterface<std::tuple<std::string, std::string>> {
 protected:
  std::string kind() const { return std::get<0>(GetParam()); }
  std::string doing() const { return std::get<1>(GetParam()); }
  static std::string PrefixOf(pid_t process) { return absl::StrCat("slabpipe.", process, "."); }
};

TEST_P(MainDeathTest, I3LeavesNoWorkerNoChildOfItsAndNoSharedMemory) {
  Gate gate;
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  UniqueFd reader(ends[0]), writer(ends[1]);
  absl::StatusOr<ChildProcess> main =
      ChildProcess::Spawn({.path = "tests/workers/main_program",
                           .arguments = {kGoodWorker, kind(), doing(), gate.path()},
                           .descriptors = {{writer.get(), 1}}});
  ASSERT_THAT(main, IsOk());
  writer.reset();
  const std::string line = ReadLine(reader.get());
  int worker = 0, child = 0;
  ASSERT_EQ(::sscanf(line.c_str(), "%d %d", &worker, &child), 2) << line;
  ASSERT_TRUE(ProcessExists(worker));
  ASSERT_TRUE(ProcessExists(child));
  if (kind() == "posix") {
    ASSERT_THAT(SharedMemoryEntries(PrefixOf(main->pid())), Not(IsEmpty()));
  } else {
    ASSERT_GE(SegmentMappingsOf(worker), 2u);
  }

  EXPECT_EQ(main->Kill(), WorkerEnd(Signalled{.signal = SIGKILL}));
  AwaitEnd(worker);   // the watchdog says so if it does not end
  AwaitEnd(child);    // it is in the worker's process group
  SweepDeadOwners();  // what the next start does
  EXPECT_THAT(SharedMemoryEntries(PrefixOf(main->pid())), IsEmpty());
  EXPECT_EQ(SegmentMappingsOf(worker), 0u);
}

INSTANTIATE_TEST_SUITE_P(Ways, MainDeathTest,
                         ::testing::Combine(::testing::Values("memfd", "posix"),
                                            ::testing::Values("idle", "calling")),
                         [](const auto& info) {
                           return std::get<0>(info.param) + "_" + std::get<1>(info.param);
                         });

}  // namespace
}  // namespace slabpipe::tests
