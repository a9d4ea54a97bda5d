// How a worker's process is ended, and what is told of its end.

#include "slabpipe/session/worker_process.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/session/child_process.h"
#include "slabpipe/tests/testing/process_state.h"
#include "slabpipe/tests/testing/status_matchers.h"
#include "slabpipe/tests/testing/test_thread.h"
#include "slabpipe/tests/testing/watchdog.h"
#include "slabpipe/transport/unique_fd.h"
#include "slabpipe/transport/wait.h"

namespace slabpipe {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Optional;

const WorkerEnd kKilled = Signalled{.signal = SIGKILL};

Deadline Now() { return Deadline::After(absl::ZeroDuration()); }

absl::Status Late() { return absl::DeadlineExceededError("running 'fit'"); }

class WorkerProcessTest : public ::testing::Test {
 protected:
  ~WorkerProcessTest() override { EXPECT_THAT(tests::Children(), IsEmpty()) << "zombies"; }

  // The inspector, told to do `what`; what it prints can be read.
  ChildProcess Start(std::vector<std::string> what) {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    reader_.reset(ends[0]);
    const UniqueFd writer(ends[1]);
    absl::StatusOr<ChildProcess> child = ChildProcess::Spawn({.path = "tests/workers/inspector",
                                                              .arguments = std::move(what),
                                                              .descriptors = {{writer.get(), 1}}});
    EXPECT_THAT(child, tests::IsOk());
    return *std::move(child);
  }
  // Its next line.
  std::string ReadLine() {
    std::string line;
    for (char c; ::read(reader_.get(), &c, 1) == 1 && c != '\n';) line += c;
    return line;
  }

  tests::Watchdog watchdog_;
  UniqueFd reader_;
};

TEST_F(WorkerProcessTest, RunsUntilItIsEnded) {
  WorkerProcess process(Start({"hang"}));
  EXPECT_FALSE(process.HasEnded());
  EXPECT_FALSE(process.Reap());
  EXPECT_EQ(process.end(), std::nullopt);
  EXPECT_TRUE(tests::ProcessExists(process.pid()));
  EXPECT_TRUE(process.End(absl::CancelledError("shut down"), Now()));
  EXPECT_THAT(process.end(), Optional(kKilled));
  EXPECT_TRUE(process.HasEnded());
  EXPECT_FALSE(tests::ProcessExists(process.pid()));
}

TEST_F(WorkerProcessTest, TheFirstEndStays) {
  WorkerProcess process(Start({"hang"}));
  EXPECT_TRUE(process.End(absl::DataLossError("nonsense"), Now()));
  EXPECT_THAT(process.end(), Optional(WorkerEnd(Misbehaved{.what = "nonsense"})));
  EXPECT_TRUE(process.End(Late(), Now()));
  EXPECT_FALSE(process.Claim());
  EXPECT_TRUE(process.Reap());
  EXPECT_THAT(process.end(), Optional(WorkerEnd(Misbehaved{.what = "nonsense"})));
}

TEST_F(WorkerProcessTest, TheEndOfOneThatIsLateIsThePhase) {
  WorkerProcess process(Start({"hang"}));
  EXPECT_TRUE(process.End(Late(), Now()));
  EXPECT_THAT(process.end(), Optional(WorkerEnd(TimedOut{.phase = "running 'fit'"})));
}

// It has two seconds. A busy machine may hold it up for so long, but not each time.
TEST_F(WorkerProcessTest, OneThatClosesItsConnectionMayEndByItself) {
  for (const absl::Status& why :
       {absl::UnavailableError("closed"), absl::FailedPreconditionError("refused")}) {
    std::optional<WorkerEnd> end;
    for (int tries = 0; tries < 10 && end != WorkerEnd(Exited{.code = 3}); ++tries) {
      WorkerProcess process(Start({"exit", "3"}));
      EXPECT_TRUE(process.End(why, Now()));
      end = process.end();
    }
    EXPECT_THAT(end, Optional(WorkerEnd(Exited{.code = 3}))) << why;
  }
}

TEST_F(WorkerProcessTest, OneThatClosesItsConnectionAndGoesOnIsKilled) {
  WorkerProcess process(Start({"hang"}));
  EXPECT_TRUE(process.End(absl::UnavailableError("closed"), Now()));
  EXPECT_THAT(process.end(), Optional(::testing::VariantWith<Misbehaved>(
                                 ::testing::Field(&Misbehaved::what, HasSubstr("closed")))));
  EXPECT_FALSE(tests::ProcessExists(process.pid()));
}

TEST_F(WorkerProcessTest, OneWithoutAGraceIsNotAskedToEnd) {
  WorkerProcess process(Start({"deaf"}));
  EXPECT_EQ(ReadLine(), "ready");
  ASSERT_TRUE(process.Claim());
  process.EndClaimed(Late(), absl::ZeroDuration());
  EXPECT_EQ(ReadLine(), "");
}

TEST_F(WorkerProcessTest, AGraceBeginsWithSigterm) {
  WorkerProcess process(Start({"deaf"}));
  EXPECT_EQ(ReadLine(), "ready");
  ASSERT_TRUE(process.Claim());
  process.BeginToEndClaimed(Late(), absl::Hours(1));
  EXPECT_EQ(ReadLine(), "terminated");
  EXPECT_TRUE(tests::ProcessExists(process.pid())) << "it has its grace";
  EXPECT_FALSE(process.End(Late(), Now())) << "another thread ends it";
  process.Hurry();
  EXPECT_TRUE(process.End(Late(), Deadline::Never()));
  EXPECT_THAT(process.end(), Optional(WorkerEnd(TimedOut{.phase = "running 'fit'"})));
}

TEST_F(WorkerProcessTest, OneThatHeedsSigtermHasNoMoreToWaitFor) {
  WorkerProcess process(Start({"hang"}));
  ASSERT_TRUE(process.Claim());
  process.EndClaimed(Late(), absl::Hours(1));  // the watchdog
  EXPECT_THAT(process.end(), Optional(WorkerEnd(TimedOut{.phase = "running 'fit'"})));
}

TEST_F(WorkerProcessTest, OnlyOneThreadEndsIt) {
  WorkerProcess process(Start({"hang"}));
  ASSERT_TRUE(process.Claim());
  EXPECT_FALSE(process.Claim());
  EXPECT_FALSE(process.End(absl::CancelledError("shut down"), Now()));
  bool ended = false;
  tests::TestThread waits(
      [&] { ended = process.End(absl::CancelledError("shut down"), Deadline::Never()); });
  waits.AwaitSleep();
  EXPECT_EQ(process.end(), std::nullopt);
  process.EndClaimed(Late(), absl::ZeroDuration());
  waits.Join();
  EXPECT_TRUE(ended);
  EXPECT_THAT(process.end(), Optional(WorkerEnd(TimedOut{.phase = "running 'fit'"})));
}

TEST_F(WorkerProcessTest, OneThatHasEndedIsReapedWithWhatItLeaves) {
  WorkerProcess process(Start({"leave"}));
  int child = 0;
  ASSERT_TRUE(absl::SimpleAtoi(ReadLine(), &child));
  tests::AwaitEnd(process.pid());
  EXPECT_TRUE(process.HasEnded());
  EXPECT_TRUE(tests::IsZombie(process.pid()));
  EXPECT_TRUE(process.Reap());
  EXPECT_FALSE(tests::ProcessExists(process.pid()));
  tests::AwaitEnd(child);
  EXPECT_TRUE(process.HasEnded());
  EXPECT_THAT(process.end(), Optional(WorkerEnd(Exited{.code = 0})));
}

TEST_F(WorkerProcessTest, OneThatIsBeingEndedIsNotReapedBySomebodyElse) {
  WorkerProcess process(Start({"exit", "3"}));
  tests::AwaitEnd(process.pid());
  ASSERT_TRUE(process.Claim());
  EXPECT_FALSE(process.Reap());
  EXPECT_EQ(process.end(), std::nullopt);
  process.EndClaimed(absl::DataLossError("nonsense"), absl::ZeroDuration());
  EXPECT_THAT(process.end(), Optional(WorkerEnd(Misbehaved{.what = "nonsense"})));
}

}  // namespace
}  // namespace slabpipe
