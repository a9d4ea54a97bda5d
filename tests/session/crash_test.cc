// Workers that are lost in the middle of a call: the call's status says how, a new worker runs, and
// the next call works.

#include <signal.h>
#include <stdlib.h>

#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/session/remote_error.h"
#include "slabpipe/session/session.h"
#include "slabpipe/session/worker_end.h"
#include "slabpipe/session/worker_loss.h"
#include "slabpipe/tests/session/session_testing.h"
#include "slabpipe/tests/testing/process_state.h"
#include "slabpipe/tests/testing/sanitizers.h"
#include "slabpipe/tests/testing/status_matchers.h"
#include "slabpipe/tests/workers/values.h"

namespace slabpipe::tests {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Optional;

class CrashTest : public SessionTest {
 protected:
  // The end of a worker that dies by `signal`; under a sanitizer, which turns faults into reports,
  // any signal or an exit.
  static void ExpectSignalled(const std::optional<WorkerEnd>& end, int signal) {
    ASSERT_TRUE(end.has_value());
    if (kSanitized && !std::holds_alternative<Signalled>(*end)) {
      EXPECT_TRUE(std::holds_alternative<Exited>(*end)) << DescribeEnd(*end);
      return;
    }
    ASSERT_TRUE(std::holds_alternative<Signalled>(*end)) << DescribeEnd(*end);
    if (!kSanitized) {
      EXPECT_EQ(std::get<Signalled>(*end).signal, signal);
    }
  }
};

TEST_F(CrashTest, RestartsTheWorkerAfterACrash) {
  Session session = StartGood();
  const pid_t worker = session.worker_pid();
  Gate gate;
  absl::Status status;
  std::thread caller([&] { status = session.Call("time.hang_after", gate.path()); });
  gate.AwaitArrival();  // in the middle of the call
  ::kill(worker, SIGKILL);
  caller.join();
  const pid_t next = session.worker_pid();
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kUnavailable,
                       AllOf(HasSubstr("signal 9 (SIGKILL)"), HasSubstr(kGoodWorker),
                             HasSubstr("time.hang_after"),
                             HasSubstr(absl::StrCat("a new worker is running (pid ", next, ")")))));
  EXPECT_NE(next, worker);
  EXPECT_FALSE(ProcessExists(worker)) << "not even a zombie";
  EXPECT_THAT(session.last_end(), Optional(WorkerEnd(Signalled{.signal = SIGKILL})));
  EXPECT_EQ(session.stats().restarts, 1u);
  EXPECT_EQ(session.Call<double>("arrays.sum", Counting(1000)).value(), SumOfCounting(1000));
  EXPECT_EQ(session.Call<pid_t>("process.pid").value(), next);
}

struct Death {
  std::string how;
  WorkerEnd end;
  std::string words;  // in the status
};

class DeathTest : public CrashTest, public ::testing::WithParamInterface<Death> {};

TEST_P(DeathTest, IsToldApartWithTheEndOfStderr) {
  Session session = StartGood();
  const pid_t worker = session.worker_pid();
  const absl::Status status =
      session.Call("process.last_words_then_die", "last words\n", GetParam().how);
  // A sanitizer's report may be longer than the tail.
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable,
                               AnyOf(HasSubstr("last words"), HasSubstr("Sanitizer"))));
  const std::optional<WorkerEnd> end = session.last_end();
  ASSERT_TRUE(end.has_value());
  if (const Signalled* signalled = std::get_if<Signalled>(&GetParam().end)) {
    ExpectSignalled(end, signalled->signal);
  } else {
    EXPECT_EQ(*end, GetParam().end) << DescribeEnd(*end);
  }
  if (!kSanitized) {
    EXPECT_THAT(status.message(), HasSubstr(GetParam().words));
  }
  EXPECT_FALSE(ProcessExists(worker));
  EXPECT_THAT(session.Call("arguments.none"), IsOk());
}

INSTANTIATE_TEST_SUITE_P(
    Ways, DeathTest,
    ::testing::Values(Death{"segv", Signalled{.signal = SIGSEGV}, "signal 11 (SIGSEGV)"},
                      Death{"abort", Signalled{.signal = SIGABRT}, "signal 6 (SIGABRT)"},
                      Death{"terminate", Signalled{.signal = SIGABRT}, "signal 6 (SIGABRT)"},
                      Death{"stack", Signalled{.signal = SIGSEGV}, "signal 11 (SIGSEGV)"},
                      Death{"kill", Signalled{.signal = SIGKILL}, "signal 9 (SIGKILL)"},
                      Death{"exit 7", Exited{.code = 7}, "exited with code 7"},
                      Death{"exit 0", Exited{.code = 0}, "exited with code 0"}),
    [](const auto& info) {
      std::string name = info.param.how;
      for (char& c : name) c = c == ' ' ? '_' : c;
      return name;
    });

// While it takes the arguments apart, before the function is called: the request has been read, so
// nobody knows what the codec has done.
TEST_F(CrashTest, ACrashWhileItDecodesIsOneOfTheCall) {
  Session session = StartGood();
  const absl::Status status = session.Call("arrays.sum", Counting(1000), Bomb());
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("arrays.sum")));
  const std::optional<WorkerLoss> loss = GetWorkerLoss(status);
  ASSERT_TRUE(loss.has_value()) << status;
  ExpectSignalled(loss->end, SIGABRT);
  EXPECT_EQ(loss->target, "arrays.sum");
  EXPECT_TRUE(loss->may_have_run);
  EXPECT_TRUE(loss->recovered);
  EXPECT_EQ(session.Call<double>("arrays.sum", Counting(1000)).value(), SumOfCounting(1000));
  EXPECT_EQ(session.stats().restarts, 1u);
}

// Those that wait behind it are lost as well, each once; the one before it has its answer.
TEST_F(CrashTest, ACrashWhileItDecodesEndsTheCallsBehindIt) {
  Session session = StartGood();
  Gate gate;
  const Future<> running = session.Submit("time.wait_for", gate.path());
  gate.AwaitArrival();
  const Future<> bomb = session.Submit("echo.object", Bomb());
  const Future<> behind = session.Submit("echo.integer", 1);
  gate.Open();
  EXPECT_THAT(running.Get(), IsOk());
  for (const Future<>& lost : {bomb, behind}) {
    EXPECT_THAT(lost.Get(), StatusIs(absl::StatusCode::kUnavailable));
  }
  EXPECT_THAT(session.Call("arguments.none"), IsOk());
  EXPECT_EQ(session.stats().restarts, 1u);
}

struct Place {
  std::string how;
  std::string function;  // on the stack
  std::string reason;
};

TEST_F(CrashTest, ASegmentationFaultTellsWhereItWas) {
  Session session = StartGood();
  EXPECT_THAT(session.Call("process.die", "segv"),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("Die")));
}

class CrashPlaceTest : public CrashTest, public ::testing::WithParamInterface<Place> {};

TEST_P(CrashPlaceTest, IsInTheLossWithReasonAndStack) {
  if (kSanitized) GTEST_SKIP() << "sanitizers have reports of their own";
  Session session = StartGood();
  const absl::Status status = session.Call("process.die", GetParam().how);
  const std::optional<WorkerLoss> loss = GetWorkerLoss(status);
  ASSERT_TRUE(loss.has_value()) << status;
  EXPECT_THAT(loss->stack, Contains(HasSubstr(GetParam().function))) << status;
  EXPECT_THAT(loss->crash_reason, HasSubstr(GetParam().reason));
  // Each frame is in the text once.
  EXPECT_THAT(status.message(), AllOf(HasSubstr("it crashed at"), Not(HasSubstr("    @ "))));
}

INSTANTIATE_TEST_SUITE_P(
    Ways, CrashPlaceTest,
    ::testing::Values(Place{"segv", "Die", ""}, Place{"abort", "Die", ""},
                      Place{"terminate", "Die", "terminate called"}, Place{"stack", "Recurse", ""},
                      Place{"throw while unwinding", "ThrowWhileUnwinding", "terminate called"},
                      Place{"what throws", "WhatThrows::what", "std::runtime_error"}),
    [](const auto& info) {
      std::string name = info.param.how;
      for (char& c : name) c = c == ' ' ? '_' : c;
      return name;
    });

TEST_F(CrashTest, TheLossIsAValue) {
  Session session = StartGood();
  const pid_t worker = session.worker_pid();
  const absl::Status status = session.Call("process.last_words_then_die", "last words\n", "exit 7");
  const std::optional<WorkerLoss> loss = GetWorkerLoss(status);
  ASSERT_TRUE(loss.has_value());
  EXPECT_EQ(loss->end, WorkerEnd(Exited{.code = 7}));
  EXPECT_EQ(loss->pid, worker);
  EXPECT_EQ(loss->program, kGoodWorker);
  EXPECT_EQ(loss->target, "process.last_words_then_die");
  EXPECT_NE(loss->call, 0u);
  EXPECT_THAT(loss->stderr_tail, HasSubstr("last words\n"));
  EXPECT_TRUE(loss->may_have_run);
  EXPECT_TRUE(loss->recovered);
  EXPECT_EQ(loss->new_pid, session.worker_pid());
  EXPECT_FALSE(GetRemoteError(status).has_value());
}

TEST_F(CrashTest, TheLossSaysWhyThereIsNoOtherWorker) {
  SessionOptions options = GoodOptions();
  options.restart = RestartPolicy::Never();
  Session session = StartGood(std::move(options));
  const std::optional<WorkerLoss> loss = GetWorkerLoss(session.Call("process.die", "kill"));
  ASSERT_TRUE(loss.has_value());
  EXPECT_EQ(loss->end, WorkerEnd(Signalled{.signal = SIGKILL}));
  EXPECT_FALSE(loss->recovered);
  EXPECT_EQ(loss->new_pid, 0);
  EXPECT_THAT(loss->recovery_note, HasSubstr("no new worker was started"));
}

TEST_F(CrashTest, AnUnavailableOfTheFunctionsOwnIsNoLoss) {
  Session session = StartGood();
  const absl::Status status =
      session.Call("errors.status", static_cast<int>(absl::StatusCode::kUnavailable), "no paper");
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_FALSE(GetWorkerLoss(status).has_value());
  ASSERT_TRUE(GetRemoteError(status).has_value());
  EXPECT_EQ(GetRemoteError(status)->message, "no paper");
}

TEST_F(CrashTest, OnlyTheTailOfALongStderrIsTold) {
  Session session = StartGood();
  const absl::Status status = session.Call("process.last_words_then_die",
                                           std::string(1'000'000, 'x') + "\nthe end\n", "exit 7");
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("the end")));
  EXPECT_LT(status.message().size(), 6000u);
}

TEST_F(CrashTest, AWorkerThatDiesBetweenCallsIsFoundByTheNext) {
  Session session = StartGood();
  const pid_t worker = session.worker_pid();
  ::kill(worker, SIGKILL);
  AwaitEnd(worker);
  EXPECT_THAT(session.Call("arguments.none"), IsOk()) << "by the next one: it had not begun";
  EXPECT_EQ(session.stats().restarts, 1u);
  EXPECT_EQ(session.stats().repeats, 1u);
  EXPECT_THAT(session.last_end(), Optional(testing::VariantWith<Signalled>(testing::_)));
  ::kill(session.worker_pid(), SIGKILL);
  AwaitEnd(session.worker_pid());
  EXPECT_THAT(session.Ping(absl::Seconds(30)),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("signal 9")));
  EXPECT_THAT(session.Ping(absl::Seconds(30)), IsOk());
}

TEST_F(CrashTest, OfACallThatItHadNotBegunTheLossSaysSo) {
  Session session = StartGood();
  ASSERT_THAT(session.Call("arguments.none"), IsOk());
  const pid_t worker = session.worker_pid();
  ::kill(worker, SIGKILL);
  AwaitEnd(worker);
  const absl::Status status = session.Submit("arguments.none").Get();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable, Not(HasSubstr("while it ran"))));
  const std::optional<WorkerLoss> loss = GetWorkerLoss(status);
  ASSERT_TRUE(loss.has_value());
  EXPECT_FALSE(loss->may_have_run);
}

TEST_F(CrashTest, NoNewWorkerIsStartedIfNotWished) {
  SessionOptions options = GoodOptions();
  options.restart = RestartPolicy::Never();
  Session session = StartGood(std::move(options));
  EXPECT_THAT(session.Call("process.die", "exit 7"),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("no new worker was started")));
  EXPECT_EQ(session.worker_pid(), -1);
  EXPECT_TRUE(session.targets().empty());
  EXPECT_THAT(session.Call("arguments.none"),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("exited with code 7"), HasSubstr("Restart"))));
  EXPECT_THAT(session.Ping(absl::Seconds(1)), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(session.Restart(), IsOk());
  EXPECT_THAT(session.Call("arguments.none"), IsOk());
}

TEST_F(CrashTest, AWorkerThatCanNotBeStartedAgainIsTold) {
  const std::string link = ::testing::TempDir() + "/vanishing_worker";
  char* path = ::realpath(kGoodWorker, nullptr);
  ASSERT_EQ(::symlink(path, link.c_str()), 0);
  ::free(path);
  SessionOptions options = GoodOptions();
  options.program = link;
  Session session = StartGood(std::move(options));
  ::unlink(link.c_str());
  EXPECT_THAT(session.Call("process.die", "kill"),
              StatusIs(absl::StatusCode::kUnavailable,
                       AllOf(HasSubstr("signal 9"), HasSubstr("could not be started"),
                             HasSubstr("vanishing_worker"))));
  EXPECT_EQ(session.worker_pid(), -1);
  ASSERT_TRUE(session.last_end().has_value());
  EXPECT_TRUE(std::holds_alternative<FailedToStart>(*session.last_end()));
  EXPECT_THAT(session.Call("arguments.none"), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(CrashTest, WhatTheDeadWorkerHeldIsUsedAgain) {
  Session session = StartGood();
  ASSERT_THAT(session.Call("arrays.keep", Counting(100)), IsOk());
  EXPECT_EQ(session.stats().pool.own.grants_out, 1u);
  EXPECT_FALSE(session.Call("process.die", "kill").ok());
  EXPECT_EQ(session.stats().pool.own.grants_out, 0u);
  const uint64_t created = session.stats().pool.own.segments_created;
  ASSERT_THAT(session.Call("arrays.sum", Counting(100)), IsOk());
  EXPECT_EQ(session.stats().pool.own.segments_created, created);
}

TEST_F(CrashTest, WhatTheDeadWorkerHeldIsFreeThoughNoOtherComes) {
  SessionOptions options = GoodOptions();
  options.restart = RestartPolicy::Never();
  Session session = StartGood(std::move(options));
  ASSERT_THAT(session.Call("arrays.keep", Counting(100)), IsOk());
  EXPECT_FALSE(session.Call("process.die", "kill").ok());
  EXPECT_EQ(session.stats().pool.own.grants_out, 0u);
  EXPECT_EQ(session.stats().pool.peer.segments, 0u);
}

TEST_F(CrashTest, ManyCrashesCostNothingThatStays) {
  Session session = StartGood();
  const auto crash = [&] {
    ASSERT_THAT(session.Call("echo.doubles", Counting(1000)), IsOk());
    ASSERT_FALSE(session.Call("process.die", "kill").ok());
  };
  crash();
  const size_t descriptors = OpenDescriptors(), mappings = SegmentMappings();
  for (int i = 0; i < 10; ++i) crash();
  EXPECT_EQ(OpenDescriptors(), descriptors);
  EXPECT_EQ(SegmentMappings(), mappings);
  EXPECT_EQ(session.stats().restarts, 11u);
  EXPECT_EQ(Children().size(), 1u);
}

TEST_F(CrashTest, TheWorkersChildrenEndWithIt) {
  Session session = StartGood();
  const pid_t grandchild = session.Call<pid_t>("process.grandchild").value();
  ASSERT_GT(grandchild, 0);
  EXPECT_FALSE(session.Call("process.die", "kill").ok());
  AwaitEnd(grandchild);
  const pid_t another = session.Call<pid_t>("process.grandchild").value();
  EXPECT_THAT(session.Shutdown(absl::Seconds(30)), IsOk());
  AwaitEnd(another);
}

TEST_F(CrashTest, AnApplicationThatIgnoresItsChildrenGetsAStatusAsWell) {
  struct sigaction before, ignore = {};
  ignore.sa_handler = SIG_IGN;
  ASSERT_EQ(::sigaction(SIGCHLD, &ignore, &before), 0);
  {
    Session session = StartGood();
    EXPECT_THAT(session.Call("process.die", "exit 7"), StatusIs(absl::StatusCode::kUnavailable));
    EXPECT_THAT(session.last_end(), Optional(WorkerEnd(EndedUnobserved())));
    EXPECT_THAT(session.Call("arguments.none"), IsOk());
  }
  ASSERT_EQ(::sigaction(SIGCHLD, &before, nullptr), 0);
}

}  // namespace
}  // namespace slabpipe::tests
