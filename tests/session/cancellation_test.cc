// Deadlines, cancellation, progress, and workers that hang.

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/session/session.h"
#include "slabpipe/tests/session/session_testing.h"
#include "slabpipe/tests/testing/status_matchers.h"

namespace slabpipe::tests {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Of calls that the worker is to have begun when it has passed.
constexpr absl::Duration kEnough = absl::Seconds(2);

class CancellationTest : public SessionTest {
 protected:
  // A file that the worker's function makes when it has begun. It is not there yet.
  static std::string Arrival() {
    const std::string path =
        absl::StrCat(::testing::TempDir(), "/arrival.", ::getpid(), ".",
                     ::testing::UnitTest::GetInstance()->current_test_info()->name());
    ::unlink(path.c_str());
    return path;
  }
  // One whose worker is killed at once when it does not go.
  Session StartImpatient() {
    SessionOptions options = LongOptions();
    options.shutdown_grace = absl::Milliseconds(50);
    return StartGood(std::move(options));
  }
  static void Await(const std::string& arrival) {
    while (!std::ifstream(arrival).good()) absl::SleepFor(absl::Milliseconds(1));
  }
};

TEST_F(CancellationTest, AFunctionThatAsksIsToldAndItsAnswerIsTheCalls) {
  Session session = StartLong();
  std::stop_source stop;
  const std::string arrival = Arrival();
  std::thread canceller([&] {
    Await(arrival);
    stop.request_stop();
  });
  EXPECT_THAT(
      session.Call<std::string>({.cancellation = stop.get_token(), .grace = absl::Minutes(1)},
                                "long.until_stopped", arrival),
      IsOkAndHolds("cancelled"));
  canceller.join();
  EXPECT_EQ(session.stats().restarts, 0u);
}

TEST_F(CancellationTest, WithoutAGraceTheCallerGoesAtOnceAndTheFunctionStops) {
  Session session = StartLong();
  std::stop_source stop;
  const std::string arrival = Arrival();
  std::thread canceller([&] {
    Await(arrival);
    stop.request_stop();
  });
  EXPECT_THAT(session.Call({.cancellation = stop.get_token()}, "long.sleep", arrival),
              StatusIs(absl::StatusCode::kCancelled, HasSubstr("long.sleep")));
  canceller.join();
  EXPECT_THAT(session.Call<int64_t>("echo.number", 1), IsOkAndHolds(1));
}

TEST_F(CancellationTest, OneThatIsCancelledBeforeIsNotSent) {
  Session session = StartLong();
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THAT(session.Call({.cancellation = stop.get_token()}, "process.die"),
              StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(session.stats().restarts, 0u);
  EXPECT_THAT(session.Call<int64_t>("echo.number", 1), IsOkAndHolds(1));
}

TEST_F(CancellationTest, OneWhoseDeadlineHasPassedBeforeIsNotSentAndKillsNobody) {
  Session session = StartLong();
  const pid_t worker = session.worker_pid();
  const CallOptions late = {.timeout = absl::ZeroDuration(),
                            .on_deadline = OnDeadline::kKill,
                            .grace = absl::ZeroDuration()};
  EXPECT_THAT(session.Call(late, "process.die"), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(session.Submit(late, "process.die").Get(),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(session.Call<pid_t>("process.pid"), IsOkAndHolds(worker));
}

TEST_F(CancellationTest, OneThatHasNotBegunIsNotRun) {
  Session session = StartLong();
  const std::string arrival = Arrival();
  Future<std::string> first = session.Submit<std::string>("long.until_stopped", arrival);
  Await(arrival);
  Future<> second = session.Submit("process.die");
  second.Cancel();
  EXPECT_THAT(second.Get(), StatusIs(absl::StatusCode::kCancelled));
  first.Cancel();
  EXPECT_THAT(session.Call<int64_t>("echo.number", 1), IsOkAndHolds(1));
  EXPECT_EQ(session.stats().restarts, 0u);
}

TEST_F(CancellationTest, NorIsItBehindAFunctionThatNeverAsks) {
  Session session = StartGood();
  Gate gate;
  Future<> first = session.Submit("time.wait_for", gate.path());
  gate.AwaitArrival();
  Future<> second = session.Submit("process.die", "kill");
  second.Cancel();
  EXPECT_THAT(second.Get(), StatusIs(absl::StatusCode::kCancelled));
  gate.Open();
  EXPECT_THAT(first.Get(), IsOk());
  EXPECT_THAT(session.Call<int64_t>("echo.integer", 1), IsOkAndHolds(1));
  EXPECT_EQ(session.stats().restarts, 0u);
}

TEST_F(CancellationTest, AFunctionKnowsItsDeadline) {
  Session session = StartLong();
  EXPECT_THAT(session.Call<std::string>({.timeout = kEnough, .grace = absl::Minutes(1)},
                                        "long.until_stopped", ""),
              IsOkAndHolds("deadline"));
  EXPECT_THAT(
      session.Call<std::string>({.deadline = Deadline::After(kEnough), .grace = absl::Minutes(1)},
                                "long.sleep", ""),
      IsOkAndHolds("DEADLINE_EXCEEDED"));
}

TEST_F(CancellationTest, ADeadlineKillsAWorkerThatHangsIfAskedTo) {
  Session session = StartLong();
  const pid_t first = session.worker_pid();
  const CallOptions options = {
      .timeout = kEnough, .on_deadline = OnDeadline::kKill, .grace = absl::Milliseconds(50)};
  EXPECT_THAT(session.Call(options, "long.hang", "", false),
              StatusIs(absl::StatusCode::kDeadlineExceeded,
                       AllOf(HasSubstr("long.hang"), HasSubstr("was killed"))));
  ASSERT_TRUE(session.last_end().has_value());
  EXPECT_EQ(DescribeEnd(*session.last_end()),
            "did not answer in time (running 'long.hang') and was killed");
  EXPECT_THAT(session.Call<int64_t>("echo.number", 1), IsOkAndHolds(1));
  EXPECT_NE(session.worker_pid(), first);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_F(CancellationTest, TheStatusShowsWhereItHung) {
  Session session = StartLong();
  EXPECT_THAT(session.Call({.timeout = kEnough,
                            .on_deadline = OnDeadline::kKill,
                            .grace = absl::Seconds(5)},  // once in vain, then to say where it is
                           "long.burn", ""),
              StatusIs(absl::StatusCode::kDeadlineExceeded,
                       AllOf(HasSubstr("it was at"), HasSubstr("Burn"))));
}
#endif

TEST_F(CancellationTest, OneThatIgnoresSigtermIsKilledAllTheSame) {
  Session session = StartLong();
  EXPECT_THAT(
      session.Call(
          {.timeout = kEnough, .on_deadline = OnDeadline::kKill, .grace = absl::Milliseconds(50)},
          "long.hang", "", true),
      StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("was killed")));
  EXPECT_THAT(session.Call<int64_t>("echo.number", 1), IsOkAndHolds(1));
}

TEST_F(CancellationTest, OthersLoseTheirCallsWithTheWorkerThatIsKilled) {
  Session session = StartLong(2);
  const std::string arrival = Arrival();
  Future<bool> other = session.Submit<bool>("long.nap", 3'600'000);
  Future<> hanging = session.Submit(
      {.timeout = kEnough, .on_deadline = OnDeadline::kKill, .grace = absl::ZeroDuration()},
      "long.hang", arrival, false);
  EXPECT_THAT(hanging.Get(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(other.Get(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("long.hang")));
}

TEST_F(CancellationTest, OthersKeepTheirDeadlinesWhileAWorkerIsKilledWithAGrace) {
  Session session = StartLong(3);
  const std::string arrival = Arrival();
  // For so long it may end by itself, and then once more after SIGTERM.
  const absl::Duration grace = absl::Seconds(10);
  Future<> hanging =
      session.Submit({.timeout = kEnough, .on_deadline = OnDeadline::kKill, .grace = grace},
                     "long.hang", arrival, true);
  Await(arrival);
  // Two that run when the worker is given up, and one that comes later.
  Future<bool> submitted =
      session.Submit<bool>({.timeout = grace + absl::Seconds(3)}, "long.nap", 3'600'000);
  EXPECT_THAT(session.Call<bool>({.timeout = grace + absl::Seconds(3)}, "long.nap", 3'600'000),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("running 'long.hang'")));
  EXPECT_THAT(session.Call<bool>({.timeout = absl::Milliseconds(50)}, "long.nap", 0),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("running 'long.hang'")));
  EXPECT_THAT(submitted.Get(),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("running 'long.hang'")));
  EXPECT_FALSE(hanging.ready());
  EXPECT_THAT(session.Shutdown(absl::ZeroDuration()), IsOk()) << "it does not wait for the grace";
  EXPECT_THAT(hanging.Get(), StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST_F(CancellationTest, AStoppedWorkerIsNoticedByItsHeartbeat) {
  Session session = StartLong();
  ASSERT_THAT(session.Call<int64_t>("echo.number", 1), IsOk());
  EXPECT_THAT(session.Call({.hang_timeout = absl::Seconds(2)}, "long.stop"),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("heartbeat")));
  EXPECT_THAT(session.Call<int64_t>("echo.number", 1), IsOkAndHolds(1));
}

TEST_F(CancellationTest, AWorkerThatHangsIsToldApartFromOneThatWorks) {
  Session session = StartImpatient();
  EXPECT_THAT(session.Call({.timeout = absl::Seconds(8), .hang_timeout = absl::Seconds(5)},
                           "long.burn", ""),
              StatusIs(absl::StatusCode::kDeadlineExceeded))
      << "it works";
  EXPECT_THAT(session.Restart(), IsOk());
  EXPECT_THAT(session.Call({.hang_timeout = absl::Seconds(5)}, "long.hang", "", false),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("no sign of life")));
  EXPECT_THAT(session.Call<int64_t>("echo.number", 1), IsOkAndHolds(1));
}

TEST_F(CancellationTest, AWorkerThatWasIdleForLongIsNotTakenForOneThatHangs) {
  Session session = StartLong();
  while (session.health().inactive < absl::Milliseconds(3500)) {
    absl::SleepFor(absl::Milliseconds(10));
  }
  int reports = 0;
  EXPECT_THAT(session.Call<int64_t>({.hang_timeout = absl::Seconds(3),
                                     .progress = [&](const Progress&) { ++reports; }},
                                    "long.report", 3),
              IsOkAndHolds(3));
  EXPECT_GT(reports, 0);
  EXPECT_EQ(session.stats().restarts, 0u);
}

TEST_F(CancellationTest, AFunctionThatSleepsInItsContextDoesNotHang) {
  Session session = StartLong();
  EXPECT_THAT(session.Call<bool>({.hang_timeout = absl::Seconds(3)}, "long.nap", 6500),
              IsOkAndHolds(true));
}

// A busy machine may hold the worker up for so long, but not each time.
TEST_F(CancellationTest, AHangTimeoutOfNothingIsTheLeastThereIs) {
  Session session = StartLong();
  absl::StatusOr<bool> napped = false;
  for (int tries = 0; tries < 10 && !napped.value_or(false); ++tries) {
    napped = session.Call<bool>({.hang_timeout = absl::ZeroDuration()}, "long.nap", 50);
  }
  EXPECT_THAT(napped, IsOkAndHolds(true));
}

TEST_F(CancellationTest, HealthTellsWhatTheWorkerDoes) {
  Session session = StartImpatient();
  const auto await_state = [&](WorkerHealth::State state) {
    while (session.health().state != state) absl::SleepFor(absl::Milliseconds(10));
  };
  await_state(WorkerHealth::State::kIdle);
  Future<> burning = session.Submit("long.burn", "");
  await_state(WorkerHealth::State::kWorking);
  EXPECT_EQ(session.health().target, "long.burn");
  EXPECT_THAT(session.Restart(), IsOk());
  EXPECT_FALSE(burning.Get().ok());
  Future<> hanging = session.Submit("long.hang", "", false);
  await_state(WorkerHealth::State::kBlocked);
  EXPECT_THAT(session.Restart(), IsOk());
  Future<> stopped = session.Submit("long.stop");
  await_state(WorkerHealth::State::kSilent);
  EXPECT_THAT(session.Restart(), IsOk());
  const pid_t killed = session.worker_pid();
  ASSERT_EQ(::kill(killed, SIGKILL), 0);
  await_state(WorkerHealth::State::kEnded);
  EXPECT_THAT(session.Call("long.nap", 0), IsOk()) << "nobody had called it: the next worker does";
  EXPECT_NE(session.worker_pid(), killed);
  session.Shutdown(absl::ZeroDuration()).IgnoreError();
  EXPECT_EQ(session.health().state, WorkerHealth::State::kNone);
}

TEST_F(CancellationTest, ProgressReachesTheCallersThread) {
  Session session = StartLong();
  std::vector<Progress> seen;
  std::thread::id thread;
  EXPECT_THAT(session.Call<int64_t>({.progress =
                                         [&](const Progress& progress) {
                                           seen.push_back(progress);
                                           thread = std::this_thread::get_id();
                                         }},
                                    "long.report", 10),
              IsOkAndHolds(10));
  ASSERT_FALSE(seen.empty());
  EXPECT_EQ(thread, std::this_thread::get_id());
  EXPECT_EQ(seen.back().done, 10);
  EXPECT_EQ(seen.back().total, 10);
  EXPECT_EQ(seen.back().text, "step 10");
  for (size_t i = 1; i < seen.size(); ++i) EXPECT_LT(seen[i - 1].done, seen[i].done);
}

TEST_F(CancellationTest, ProgressOfASubmittedCallComesToo) {
  Session session = StartLong();
  std::atomic<double> last = -1;
  EXPECT_THAT(
      session
          .Submit<int64_t>({.progress = [&](const Progress& progress) { last = progress.done; }},
                           "long.report", 5)
          .Get(),
      IsOkAndHolds(5));
  EXPECT_EQ(last, 5);
}

}  // namespace
}  // namespace slabpipe::tests
