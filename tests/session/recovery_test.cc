// What happens after a worker was lost: which calls are repeated, and when a new one starts.

#include <signal.h>
#include <sys/types.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/session/session.h"
#include "slabpipe/session/worker_end.h"
#include "slabpipe/tests/session/session_testing.h"
#include "slabpipe/tests/testing/process_state.h"
#include "slabpipe/tests/testing/status_matchers.h"

namespace slabpipe::tests {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class RecoveryTest : public SessionTest {
 protected:
  ~RecoveryTest() override { ::remove(Counter().c_str()); }
  std::string Counter() const { return absl::StrCat(::testing::TempDir(), "/calls.", ::getpid()); }
  // One that has lost its worker twice, and waits so long before it starts another.
  Session StartAndLoseWorkers(absl::Duration delay) {
    SessionOptions options = LongOptions();
    options.restart = {.first_delay = delay, .max_delay = delay};
    Session session = StartGood(std::move(options));
    EXPECT_THAT(session.Call("process.die"), StatusIs(absl::StatusCode::kUnavailable));
    EXPECT_THAT(session.Call("process.die"),
                StatusIs(absl::StatusCode::kUnavailable, HasSubstr("the next call starts")));
    return session;
  }
};

TEST_F(RecoveryTest, ACallToAWorkerThatDiedIdleIsSentToTheNextOne) {
  Session session = StartGood(LongOptions());
  for (int i = 0; i < 5; ++i) {
    ASSERT_THAT(session.Call<int64_t>("echo.number", i), IsOkAndHolds(i));
    const pid_t worker = session.worker_pid();
    ::kill(worker, SIGKILL);
    AwaitEnd(worker);
  }
  EXPECT_EQ(session.stats().repeats, 4u);
  EXPECT_EQ(session.stats().restarts, 4u);
}

TEST_F(RecoveryTest, ACallThatMayHaveRunIsNotRepeated) {
  Session session = StartGood(LongOptions());
  EXPECT_THAT(session.Call("process.die_at_first", Counter(), 1),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("a new worker is running")));
  EXPECT_EQ(session.stats().repeats, 0u);
  EXPECT_THAT(session.Call<int64_t>("process.die_at_first", Counter(), 1), IsOkAndHolds(2));
}

TEST_F(RecoveryTest, WithoutARingItIsNotRepeatedEither) {
  SessionOptions options = LongOptions();
  options.pipe.ring_bytes = 0;
  Session session = StartGood(options);
  EXPECT_THAT(session.Call("process.die_at_first", Counter(), 1),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(session.stats().repeats, 0u);
}

TEST_F(RecoveryTest, AnIdempotentOneIsRepeated) {
  Session session = StartGood(LongOptions());
  EXPECT_THAT(session.Call<int64_t>({.idempotent = true}, "process.die_at_first", Counter(), 2),
              IsOkAndHolds(3));
  EXPECT_EQ(session.stats().repeats, 2u);
}

TEST_F(RecoveryTest, AnIdempotentOneThatKillsEveryWorkerIsGivenUp) {
  Session session = StartGood(LongOptions());
  EXPECT_THAT(session.Call({.idempotent = true}, "process.die"),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(session.stats().repeats, 2u);
  EXPECT_THAT(session.Call<int64_t>("echo.number", 1), IsOkAndHolds(1));
}

TEST_F(RecoveryTest, OnceIsOnce) {
  SessionOptions options = LongOptions();
  options.restart = RestartPolicy::Once();
  Session session = StartGood(options);
  EXPECT_THAT(session.Call("process.die"), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(session.Call("process.die"),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("no new worker was started")));
  EXPECT_THAT(session.Call("echo.number", 1),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("there is no worker"), HasSubstr("1 restarts"))));
  EXPECT_THAT(session.Restart(), IsOk());
  EXPECT_THAT(session.Call("echo.number", 1), IsOk());
}

TEST_F(RecoveryTest, CallsWaitForADelayedWorkerWithinTheirDeadlines) {
  Session session = StartAndLoseWorkers(absl::Milliseconds(300));
  EXPECT_THAT(session.Call({.timeout = absl::Milliseconds(1)}, "echo.number", 1),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(session.Call<int64_t>("echo.number", 1), IsOkAndHolds(1));
}

TEST_F(RecoveryTest, ACallThatWaitsForADelayedWorkerCanBeCancelled) {
  Session session = StartAndLoseWorkers(absl::Hours(1));
  std::stop_source stop;
  std::thread canceller([&] { stop.request_stop(); });
  EXPECT_THAT(session.Call({.cancellation = stop.get_token()}, "echo.number", 1),
              StatusIs(absl::StatusCode::kCancelled));
  canceller.join();
}

TEST_F(RecoveryTest, AShutdownAlsoEndsTheWaitForADelayedWorker) {
  Session session = StartAndLoseWorkers(absl::InfiniteDuration());
  std::thread ender([&] { session.Shutdown(absl::Seconds(5)).IgnoreError(); });
  absl::Status status = session.Call("echo.number", 1);
  EXPECT_THAT(status.code(), ::testing::AnyOf(absl::StatusCode::kCancelled,
                                              absl::StatusCode::kFailedPrecondition));
  ender.join();
}

TEST_F(RecoveryTest, ARestartAlsoEndsTheWaitForADelayedWorker) {
  Session session = StartAndLoseWorkers(absl::InfiniteDuration());
  std::thread caller(
      [&] { EXPECT_THAT(session.Call<int64_t>("echo.number", 1), IsOkAndHolds(1)); });
  while (session.stats().calls < 3) std::this_thread::yield();
  EXPECT_THAT(session.Restart(), IsOk());
  caller.join();
  EXPECT_THAT(session.Call<int64_t>("echo.number", 2), IsOkAndHolds(2));
}

// A program that is replaced between two starts.
class ReplacedProgram {
 public:
  explicit ReplacedProgram(const std::string& worker) { Replace(worker); }
  ~ReplacedProgram() { std::filesystem::remove(path_); }
  const std::string& path() const { return path_; }
  void Replace(const std::string& worker) {
    std::filesystem::remove(path_);  // it may be running
    std::filesystem::copy_file("tests/workers/" + worker, path_);
  }

 private:
  const std::string path_ = absl::StrCat(::testing::TempDir(), "/replaced.", ::getpid());
};

TEST_F(RecoveryTest, AWorkerThatCanNotBeginForNowIsTriedAgain) {
  ReplacedProgram program("long_worker");
  SessionOptions options = LongOptions();
  options.program = program.path();
  Session session = StartGood(options);
  program.Replace("refuses_for_now");
  EXPECT_THAT(session.Call("process.die"),
              StatusIs(absl::StatusCode::kUnavailable,
                       AllOf(HasSubstr("could not be started"), HasSubstr("no memory left"))));
  ASSERT_TRUE(session.last_end().has_value());
  EXPECT_EQ(*session.last_end(), WorkerEnd(Exited{.code = 4}));
  EXPECT_THAT(session.Call("echo.number", 1),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("no memory left")));
  program.Replace("long_worker");
  EXPECT_THAT(session.Call<int64_t>("echo.number", 1), IsOkAndHolds(1));
}

TEST_F(RecoveryTest, ACallWhoseDeadlineHasPassedLeavesTheNewWorkerToTheNext) {
  Session session = StartGood(LongOptions());
  EXPECT_THAT(session.Call({.timeout = absl::Seconds(2),  // it has begun by then
                            .on_deadline = OnDeadline::kKill,
                            .grace = absl::ZeroDuration()},
                           "long.hang", "", true),
              StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("the next call starts")));
  EXPECT_EQ(session.worker_pid(), -1);
  EXPECT_THAT(session.Call({.timeout = absl::ZeroDuration()}, "echo.number", 1),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(session.stats().restarts, 0u) << "nor does a call start one that has no time for it";
  EXPECT_THAT(session.Call<int64_t>("echo.number", 1), IsOkAndHolds(1));
}

}  // namespace
}  // namespace slabpipe::tests
