// Deadlines, shutdown, restart, and callers on many threads.

#include <signal.h>
#include <sys/types.h>

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/codec/value.h"
#include "slabpipe/session/proxy.h"
#include "slabpipe/session/session.h"
#include "slabpipe/session/worker_end.h"
#include "slabpipe/tests/session/session_testing.h"
#include "slabpipe/tests/testing/process_state.h"
#include "slabpipe/tests/testing/status_matchers.h"

namespace slabpipe::tests {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Optional;

constexpr absl::Duration kLong = absl::Seconds(60);        // is not waited for
constexpr absl::Duration kShort = absl::Milliseconds(50);  // is
constexpr absl::Duration kEnough = absl::Seconds(2);       // is; the function has begun by then

class LifecycleTest : public SessionTest {
 protected:
  static void InThreads(int count, const std::function<void(int)>& work) {
    std::vector<std::thread> threads;
    for (int i = 0; i < count; ++i) threads.emplace_back(work, i);
    for (std::thread& thread : threads) thread.join();
  }
};

// Deadlines.

TEST_F(LifecycleTest, ACallEndsAtItsDeadlineAndTheLateAnswerIsDropped) {
  Session session = StartGood();
  const pid_t worker = session.worker_pid();
  Gate gate;
  EXPECT_THAT(session.Call({.timeout = kEnough}, "time.wait_for", gate.path()),
              StatusIs(absl::StatusCode::kDeadlineExceeded,
                       AllOf(HasSubstr("time.wait_for"), HasSubstr("goes on"))));
  EXPECT_THAT(session.Ping(kShort), StatusIs(absl::StatusCode::kDeadlineExceeded))
      << "it answers after what it runs";
  gate.AwaitArrival();
  gate.Open();
  EXPECT_EQ(session.Call<int>("echo.integer", 5).value(), 5);
  EXPECT_THAT(session.Ping(kLong), IsOk());
  EXPECT_EQ(session.worker_pid(), worker);
  EXPECT_EQ(session.stats().restarts, 0u);
}

TEST_F(LifecycleTest, TheSessionsDeadlineIsForCallsThatSayNothing) {
  SessionOptions options = GoodOptions();
  options.call_timeout = kEnough;
  Session session = StartGood(std::move(options));
  Gate gate;
  EXPECT_THAT(session.Call("time.wait_for", gate.path()),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  gate.AwaitArrival();
  gate.Open();
  EXPECT_THAT(session.Call({.timeout = kLong}, "arguments.none"), IsOk());
}

TEST_F(LifecycleTest, ADeadlineThatHasPassedAlreadyIsExceeded) {
  Session session = StartGood();
  Gate gate;  // which nobody opens: the function is not begun
  EXPECT_THAT(session.Call({.timeout = absl::ZeroDuration()}, "time.wait_for", gate.path()),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(session.Ping(-absl::Seconds(1)), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(session.Ping(kLong), IsOk());
}

TEST_F(LifecycleTest, MemoryOfDroppedAnswersIsUsedAgain) {
  Session session = StartGood();
  for (int i = 0; i < 20; ++i) {
    Gate gate;
    GiveUp(session, gate, "arrays.make_after", 1000);
    gate.Open();
    ASSERT_THAT(session.Ping(kLong), IsOk());  // the dropped answer arrives before the pong
    ASSERT_THAT(session.Ping(kLong), IsOk());  // the pool's pins are cleared
  }
  EXPECT_GE(session.stats().pool.peer.segments_mapped, 1u) << "there were answers";
  EXPECT_LE(session.stats().pool.peer.segments_mapped, 2u);
  EXPECT_EQ(session.stats().pool.peer.leases, 0u);
}

// A large message is one that does not fit the socket's buffer.
const ValueList kLarge(200'000, Value("a text of some length"));

TEST_F(LifecycleTest, WhatIsSaidInALateCallAndALargeRequestDoNotBlockEachOther) {
  Session session = StartGood();
  Gate gate;
  GiveUp(session, gate, "output.log_often_after", 20'000, "a line");
  gate.Open();
  EXPECT_THAT(session.Call({.timeout = kLong}, "echo.value", kLarge), IsOk());
  log.AwaitText("a line");
}

TEST_F(LifecycleTest, WhatIsSaidWhileNobodyWaitsArrivesAllTheSame) {
  constexpr int kLines = 5000;  // more than the ring holds, less than the queue
  Session session = StartGood();
  Gate gate;
  GiveUp(session, gate, "output.log_often_after", kLines, std::string(100, 'x'));
  gate.Open();
  while (log.texts(LogRecord::Source::kLog).size() < kLines) {
    absl::SleepFor(absl::Milliseconds(10));
  }
}

TEST_F(LifecycleTest, ARequestOfWhichHalfIsSentAtItsDeadlineDoesNotDisturbLaterOnes) {
  Session session = StartGood();
  const pid_t worker = session.worker_pid();
  Gate gate;
  std::thread busy([&] { EXPECT_THAT(session.Call("time.wait_for", gate.path()), IsOk()); });
  gate.AwaitArrival();
  EXPECT_THAT(session.Call({.timeout = kShort}, "echo.value", kLarge),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(session.Call({.timeout = kShort}, "arguments.none"),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  gate.Open();
  busy.join();
  EXPECT_EQ(session.Call<int>("echo.integer", 5).value(), 5);
  EXPECT_EQ(session.worker_pid(), worker);
  EXPECT_EQ(session.stats().restarts, 0u);
}

TEST_F(LifecycleTest, ARequestOfWhichAHungWorkerReadsHalfDoesNotHoldUpARestart) {
  SessionOptions options = GoodOptions();
  options.shutdown_grace = kShort;
  Session session = StartGood(std::move(options));
  Gate gate;
  std::thread hung([&] { EXPECT_FALSE(session.Call("time.hang_after", gate.path()).ok()); });
  gate.AwaitArrival();
  gate.Open();
  EXPECT_FALSE(session.Call({.timeout = kShort}, "echo.value", kLarge).ok());
  EXPECT_FALSE(session.Call({.timeout = kShort}, "arguments.none").ok());
  EXPECT_THAT(session.Restart(), IsOk());
  hung.join();
  EXPECT_THAT(session.Call("echo.value", kLarge), IsOk());
}

// Shutdown.

TEST_F(LifecycleTest, AWorkerThatIsAskedToGoExitsWithZero) {
  Session session = StartGood();
  const pid_t worker = session.worker_pid();
  EXPECT_THAT(session.Shutdown(kLong), IsOk());
  EXPECT_FALSE(ProcessExists(worker));
  EXPECT_THAT(session.last_end(), Optional(WorkerEnd(Exited{.code = 0})));
  EXPECT_EQ(session.worker_pid(), -1);
  EXPECT_THAT(session.Call("arguments.none"), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(session.Shutdown(kLong), IsOk()) << "nothing is left to do";
  EXPECT_THAT(session.Restart(), IsOk());
  EXPECT_THAT(session.Call("arguments.none"), IsOk());
}

TEST_F(LifecycleTest, AHungWorkerIsKilledAfterTheGrace) {
  Session session = StartGood();
  const pid_t worker = session.worker_pid();
  Gate gate;
  GiveUp(session, gate, "time.hang_after");
  EXPECT_THAT(session.Shutdown(kShort), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_FALSE(ProcessExists(worker));
  EXPECT_THAT(session.last_end(), Optional(WorkerEnd(TimedOut{.phase = "shutdown"})));
  EXPECT_THAT(session.Call("arguments.none"), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(LifecycleTest, CallsThatAreWaitingGetTheirAnswersBeforeTheEnd) {
  Session session = StartGood();
  Gate gate;
  absl::Status running;
  std::thread caller([&] { running = session.Call("time.wait_for", gate.path()); });
  gate.AwaitArrival();
  absl::Status gone;
  std::thread ender([&] { gone = session.Shutdown(kLong); });
  while (session.Call({.timeout = absl::ZeroDuration()}, "arguments.none").code() !=
         absl::StatusCode::kFailedPrecondition) {
    std::this_thread::yield();  // until the shutdown has begun
  }
  gate.Open();
  caller.join();
  ender.join();
  EXPECT_THAT(running, IsOk());
  EXPECT_THAT(gone, IsOk());
  EXPECT_EQ(session.worker_pid(), -1);
  EXPECT_EQ(session.stats().restarts, 0u);
}

TEST_F(LifecycleTest, AShutdownByForceEndsTheCallsAndStartsNoNewWorker) {
  Session session = StartGood();
  Gate gate;
  absl::Status running;
  std::thread caller([&] { running = session.Call("time.hang_after", gate.path()); });
  gate.AwaitArrival();
  EXPECT_THAT(session.Shutdown(kShort), StatusIs(absl::StatusCode::kDeadlineExceeded));
  caller.join();
  EXPECT_FALSE(running.ok());
  EXPECT_EQ(session.worker_pid(), -1);
  EXPECT_EQ(session.stats().restarts, 0u);
  EXPECT_THAT(session.Call("arguments.none"), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(LifecycleTest, ASecondShutdownLeavesTheFirstItsGrace) {
  Session session = StartGood();
  Gate gate;
  absl::Status running;
  std::thread caller([&] { running = session.Call("time.wait_for", gate.path()); });
  gate.AwaitArrival();
  absl::Status first, second;
  std::thread ender([&] { first = session.Shutdown(kLong); });
  while (session.Call({.timeout = absl::ZeroDuration()}, "arguments.none").code() !=
         absl::StatusCode::kFailedPrecondition) {
    std::this_thread::yield();
  }
  std::atomic<bool> second_is_done = false;
  std::thread another([&] {
    second = session.Shutdown(kLong);
    second_is_done = true;
  });
  EXPECT_TRUE(ProcessExists(session.worker_pid()));
  EXPECT_FALSE(second_is_done);
  gate.Open();
  caller.join();
  ender.join();
  another.join();
  EXPECT_THAT(running, IsOk());
  EXPECT_THAT(first, IsOk());
  EXPECT_THAT(second, IsOk());
  EXPECT_THAT(session.last_end(), Optional(WorkerEnd(Exited{.code = 0})));
}

TEST_F(LifecycleTest, ASessionIsDestroyedThoughItsWorkerHangs) {
  pid_t worker = -1;
  {
    SessionOptions options = GoodOptions();
    options.shutdown_grace = kShort;
    Session session = StartGood(std::move(options));
    worker = session.worker_pid();
    Gate gate;
    GiveUp(session, gate, "time.hang_after");
  }
  EXPECT_FALSE(ProcessExists(worker));
}

TEST_F(LifecycleTest, SessionsLeaveNoDescriptorAndNoProcess) {
  { Session session = StartGood(); }
  const size_t descriptors = OpenDescriptors(), mappings = SegmentMappings();
  for (int i = 0; i < 5; ++i) {
    Session session = StartGood();
    ASSERT_THAT(session.Call("echo.doubles", Counting(1000)), IsOk());
  }
  EXPECT_EQ(OpenDescriptors(), descriptors);
  EXPECT_EQ(SegmentMappings(), mappings);
}

// Restart.

TEST_F(LifecycleTest, ARestartStartsAnewWithAnotherEnvironment) {
  Session session = StartGood();
  const pid_t worker = session.worker_pid();
  const auto variable = [&] {
    return session.Call<std::optional<std::string>>("process.environment", "SLABPIPE_TEST").value();
  };
  ASSERT_THAT(session.Call("process.count"), IsOk());
  EXPECT_EQ(variable(), std::nullopt);
  ASSERT_THAT(session.Restart(EnvironmentChanges{{"SLABPIPE_TEST", "1"}}), IsOk());
  EXPECT_NE(session.worker_pid(), worker);
  EXPECT_FALSE(ProcessExists(worker));
  EXPECT_EQ(variable(), "1");
  EXPECT_EQ(session.Call<int>("process.count").value(), 1) << "it remembers nothing";
  ASSERT_THAT(session.Restart(), IsOk());
  EXPECT_EQ(variable(), "1") << "the environment stays";
  EXPECT_FALSE(session.Call("process.die", "kill").ok());
  EXPECT_EQ(variable(), "1") << "also after a crash";
  ASSERT_THAT(session.Restart(EnvironmentChanges{}), IsOk());
  EXPECT_EQ(variable(), std::nullopt);
  EXPECT_EQ(session.stats().restarts, 4u);
}

TEST_F(LifecycleTest, ARestartEndsAHungWorker) {
  SessionOptions options = GoodOptions();
  options.shutdown_grace = kShort;
  Session session = StartGood(std::move(options));
  Gate gate;
  absl::Status running;
  std::thread caller([&] { running = session.Call("time.hang_after", gate.path()); });
  gate.AwaitArrival();
  EXPECT_THAT(session.Restart(), IsOk());
  caller.join();
  EXPECT_FALSE(running.ok());
  EXPECT_THAT(session.Call("arguments.none"), IsOk());
  EXPECT_EQ(session.stats().restarts, 1u);
}

// Those that come while the old worker goes are for the new one.
TEST_F(LifecycleTest, CallsDuringARestartAreAnswered) {
  SessionOptions options = GoodOptions();
  options.shutdown_grace = kLong;  // those that run are answered
  Session session = StartGood(std::move(options));
  std::atomic<bool> stop = false;
  const auto until_stopped = [&](const std::function<void()>& call) {
    return std::thread([&stop, call] {
      while (!stop) call();
    });
  };
  std::vector<std::thread> callers;
  callers.push_back(
      until_stopped([&] { ASSERT_THAT(session.Call<int>("echo.integer", 1), IsOkAndHolds(1)); }));
  callers.push_back(until_stopped(
      [&] { ASSERT_THAT(session.Submit<int>("echo.integer", 2).Get(), IsOkAndHolds(2)); }));
  callers.push_back(until_stopped([&] {
    ResultStream<int64_t> results = session.Stream<int64_t>("stream.ten");
    while (results.Next()) {
    }
    ASSERT_THAT(results.status(), IsOk());
  }));
  for (int i = 0; i < 20; ++i) {
    const uint64_t calls = session.stats().calls;
    EXPECT_THAT(session.Restart(), IsOk());
    while (session.stats().calls < calls + 10 && !HasFailure()) std::this_thread::yield();
  }
  stop = true;
  for (std::thread& caller : callers) caller.join();
}

// Threads.

TEST_F(LifecycleTest, EightThreadsEachGetTheirOwnAnswers) {
  Session session = StartGood();
  InThreads(8, [&](int thread) {
    for (int i = 0; i < 100; ++i) {
      const int number = 1000 * thread + i;
      ASSERT_EQ(session.Call<int>("echo.integer", number).value(), number);
      const auto array = session.Call<NdArray<const double>>("echo.doubles", Counting(number % 97));
      ASSERT_THAT(array, IsOk());
      ASSERT_EQ(array->size(), number % 97);
      if (i % 10 == 0) {
        ASSERT_FALSE(session.Call("errors.throw", "x").ok());
        ASSERT_THAT(session.Ping(kLong), IsOk());
      }
    }
  });
  EXPECT_EQ(session.stats().calls, 8u * 210);
}

TEST_F(LifecycleTest, CallersWithDeadlinesDoNotTakeOthersAnswers) {
  Session session = StartGood();
  InThreads(8, [&](int thread) {
    for (int i = 0; i < 100; ++i) {
      const int number = 1000 * thread + i;
      const absl::Duration timeout = thread % 2 == 0 ? kLong : absl::Microseconds(i);
      const auto answer = session.Call<int>({.timeout = timeout}, "echo.integer", number);
      if (answer.ok()) {
        ASSERT_EQ(*answer, number);
      } else {
        ASSERT_EQ(thread % 2, 1);
        ASSERT_THAT(answer, StatusIs(absl::StatusCode::kDeadlineExceeded));
      }
    }
  });
  EXPECT_THAT(session.Ping(kLong), IsOk());
  EXPECT_EQ(session.stats().restarts, 0u);
}

TEST_F(LifecycleTest, EveryCallEndsOnceWhileTheWorkerIsKilledAgainAndAgain) {
  Session session = StartGood();
  std::atomic<bool> stop = false;
  std::atomic<int> good = 0, lost = 0;
  std::thread killer([&] {
    for (int kills = 0; kills < 5;) {
      const int before = good;
      while (good < before + 20) std::this_thread::yield();  // calls work in between
      const pid_t worker = session.worker_pid();
      if (worker > 0 && ::kill(worker, SIGKILL) == 0) ++kills;
    }
    stop = true;
  });
  InThreads(8, [&](int thread) {
    for (int number = thread; !stop; ++number) {
      const absl::StatusOr<int> answer = session.Call<int>("echo.integer", number);
      if (answer.ok()) {
        ASSERT_EQ(*answer, number);
        ++good;
      } else {
        // FAILED_PRECONDITION: between the end of one worker and the start of the next.
        ASSERT_TRUE(absl::IsUnavailable(answer.status()) ||
                    absl::IsFailedPrecondition(answer.status()))
            << answer.status();
        ++lost;
      }
    }
  });
  killer.join();
  EXPECT_GT(lost + session.stats().repeats, 0u);
  absl::Status last = session.Call("arguments.none");
  if (absl::IsUnavailable(last)) last = session.Call("arguments.none");
  EXPECT_THAT(last, IsOk());
  EXPECT_LE(session.stats().restarts, 5u) << "one worker for each that was lost";
}

TEST_F(LifecycleTest, ShutdownWhileManyThreadsCallLeavesNoWorker) {
  for (int round = 0; round < 5; ++round) {
    Session session = StartGood();
    std::atomic<int> good = 0;
    std::thread ender([&] {
      while (good < 50) std::this_thread::yield();
      EXPECT_THAT(session.Shutdown(kLong), IsOk());
    });
    InThreads(4, [&](int) {
      absl::Status status;
      while (status.ok()) {
        status = session.Call("arguments.none");
        if (status.ok()) ++good;
      }
      EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition));
    });
    ender.join();
    EXPECT_EQ(session.worker_pid(), -1);
    EXPECT_EQ(session.stats().restarts, 0u);
  }
}

TEST_F(LifecycleTest, OneThatHasBeenMovedFromSaysSo) {
  Session session = StartGood();
  Session other = std::move(session);
  const auto is_refused = StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("moved from"));
  EXPECT_THAT(session.Call("arguments.none"), is_refused);
  EXPECT_THAT(session.Submit("arguments.none").Get(), is_refused);
  ResultStream<int> stream = session.Stream<int>("arguments.none");
  EXPECT_FALSE(stream.Next());
  EXPECT_THAT(stream.status(), is_refused);
  EXPECT_THAT(session.Ping(kLong), is_refused);
  EXPECT_THAT(session.ReleaseHandles(), is_refused);
  EXPECT_THAT(session.Shutdown(kLong), is_refused);
  EXPECT_THAT(session.Restart(), is_refused);
  EXPECT_THAT(session.Restart(Environment{.name = "any"}), is_refused);
  EXPECT_THAT(session.Within(Environment{.name = "any"}).status(), is_refused);
  EXPECT_THAT(session.FlushLogs(kLong), is_refused);
  EXPECT_THAT(session.NewArray<double>({1}).status(), is_refused);
  EXPECT_THAT(session.Module("arguments").status(), is_refused);
  EXPECT_THAT(session.memory()(1).status(), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_TRUE(session.targets().empty());
  EXPECT_EQ(session.worker_pid(), -1);
  EXPECT_EQ(session.health().state, WorkerHealth().state);
  EXPECT_EQ(session.environment(), std::nullopt);
  EXPECT_EQ(session.last_end(), std::nullopt);
  EXPECT_EQ(session.stats().calls, 0u);
  session = std::move(other);
  EXPECT_THAT(session.Call("arguments.none"), IsOk());
}

TEST_F(LifecycleTest, StatisticsMayBeReadWhileWorkersAreExchanged) {
  Session session = StartGood();
  std::atomic<bool> stop = false;
  std::thread reader([&] {
    while (!stop) {
      session.stats();
      session.targets();
      session.worker_pid();
      session.last_end();
    }
  });
  for (int i = 0; i < 5; ++i) ASSERT_THAT(session.Restart(), IsOk());
  stop = true;
  reader.join();
  EXPECT_EQ(session.stats().restarts, 5u);
}

}  // namespace
}  // namespace slabpipe::tests
