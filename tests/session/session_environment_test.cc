// What a session's worker runs in: options, environments, scopes.

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/session/environment.h"
#include "slabpipe/session/session.h"
#include "slabpipe/session/worker_end.h"
#include "slabpipe/tests/session/session_testing.h"
#include "slabpipe/tests/testing/process_state.h"
#include "slabpipe/tests/testing/sanitizers.h"
#include "slabpipe/tests/testing/status_matchers.h"

namespace slabpipe::tests {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr absl::Duration kLong = absl::Seconds(60);  // is not waited for

class SessionEnvironmentTest : public SessionTest {
 protected:
  using Variable = std::optional<std::string>;
  static Variable VariableOf(Session& session, const std::string& name = "SLABPIPE_TEST") {
    absl::StatusOr<Variable> value = session.Call<Variable>("process.environment", name);
    if (!value.ok()) return absl::StrCat("no answer: ", value.status().ToString());
    return *value;
  }
  // Sets SLABPIPE_TEST to its name.
  static Environment Named(const std::string& name) {
    return {.name = name, .variables = {{"SLABPIPE_TEST", name}}};
  }
  // One that can't be started: not known before.
  static Environment Unstartable() {
    return {.name = "unstartable",
            .start_up_targets = std::vector<std::string>{"errors.throw_int"}};
  }
  // A copy of the good worker, so that it can be taken away.
  static std::string CopyOfTheWorker() {
    const std::string copy = ::testing::TempDir() + "/a_worker";
    std::filesystem::copy_file(kGoodWorker, copy,
                               std::filesystem::copy_options::overwrite_existing);
    return copy;
  }
};

// A process may only get nicer, and this one may be nice already. The nicest is 19.
int NicerThanThis(int by) { return std::min(::getpriority(PRIO_PROCESS, 0) + by, 19); }

// Options.

TEST_F(SessionEnvironmentTest, OptionsSayWhereAndHowTheWorkerRuns) {
  SessionOptions options = GoodOptions();
  options.working_directory = std::filesystem::canonical(::testing::TempDir()).string();
  options.limits.open_files = 222;
  options.niceness = NicerThanThis(3);
  const std::string folder = options.working_directory;
  Session session = StartGood(std::move(options));
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(session.Call<std::string>("process.folder").value(), folder);
    EXPECT_EQ(session.Call<int>("process.open_files").value(), 222);
    EXPECT_EQ(session.Call<int>("process.niceness").value(), NicerThanThis(3));
    EXPECT_FALSE(session.Call("process.crash").ok()) << "and so does the next";
  }
}

TEST_F(SessionEnvironmentTest, OneThatWantsMoreMemoryThanItsLimitGoesOnWithout) {
  if (kSanitized) GTEST_SKIP() << "sanitizers map far more address space than any limit";
  SessionOptions options = GoodOptions();
  options.limits.memory_bytes = uint64_t{2} << 30;
  Session session = StartGood(std::move(options));
  EXPECT_THAT(session.Call<int64_t>("process.raise_memory_use", int64_t{4} << 30),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("std::bad_alloc")));
  EXPECT_EQ(session.Call<int64_t>("process.raise_memory_use", 1000).value(), 1000);
  EXPECT_EQ(session.stats().restarts, 0u);
}

TEST_F(SessionEnvironmentTest, AWorkerWithTooFewDescriptorsToBeginSaysSo) {
  if (kSanitized) GTEST_SKIP() << "sanitizers open files of their own";
  constexpr uint64_t kLeast = 5;  // one more than it is given: the loader opens files
  SessionOptions options = GoodOptions();
  absl::Status status;
  for (options.limits.open_files = kLeast;; ++*options.limits.open_files) {
    status = Session::Start(options).status();
    if (status.ok()) break;
    ASSERT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted,
                                 AllOf(HasSubstr("the worker refuses"), HasSubstr("ulimit -n"),
                                       HasSubstr("exited with code 2"))))
        << *options.limits.open_files;
  }
  EXPECT_GT(*options.limits.open_files, kLeast);
}

TEST_F(SessionEnvironmentTest, WhatTheSystemDoesNotAllowFailsTheStart) {
  SessionOptions options = GoodOptions();
  options.limits.open_files = uint64_t{1} << 40;
  EXPECT_THAT(Session::Start(options),
              StatusIs(absl::StatusCode::kPermissionDenied,
                       AllOf(HasSubstr("open_files"), HasSubstr("allows at most"))));
  options = GoodOptions();
  options.working_directory = "/no/such/folder";
  EXPECT_THAT(Session::Start(options),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("/no/such/folder")));
  EXPECT_THAT(Children(), IsEmpty());
}

TEST_F(SessionEnvironmentTest, WhatNoProgramWouldSeeFailsTheStart) {
  const auto start = [&](EnvironmentChanges variables, std::vector<std::string> arguments) {
    SessionOptions options = GoodOptions();
    options.environment = std::move(variables);
    options.arguments = std::move(arguments);
    return Session::Start(std::move(options)).status();
  };
  const auto invalid = [](const char* words) {
    return StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(words));
  };
  EXPECT_THAT(start({{"A=B", "1"}}, {}), invalid("environment/A=B is no name of a variable"));
  EXPECT_THAT(start({{"", std::nullopt}}, {}), invalid("is no name of a variable"));
  EXPECT_THAT(start({{"A", std::string("a\0b", 3)}}, {}), invalid("environment/A has a NUL"));
  EXPECT_THAT(start({{"SLABPIPE_FD", "9"}}, {}), invalid("slabpipe's own"));
  EXPECT_THAT(start({}, {"", std::string(1, '\0')}), invalid("arguments/1 has a NUL"));
  Session session = StartGood();
  const pid_t worker = session.worker_pid();
  EXPECT_THAT(session.Restart(EnvironmentChanges{{"A=B", "1"}}), invalid("A=B is no name"));
  EXPECT_EQ(session.worker_pid(), worker);
}

// Start-up targets.

TEST_F(SessionEnvironmentTest, StartUpTargetsRunInEveryWorkerBeforeItIsUsed) {
  SessionOptions options = GoodOptions();
  options.start_up_targets = {"process.count", "process.count"};
  Session session = StartGood(std::move(options));
  EXPECT_EQ(session.Call<int>("process.count").value(), 3);
  EXPECT_FALSE(session.Call("process.crash").ok());
  EXPECT_EQ(session.Call<int>("process.count").value(), 3);
  ASSERT_THAT(session.Restart(), IsOk());
  EXPECT_EQ(session.Call<int>("process.count").value(), 3);
  EXPECT_EQ(session.stats().restarts, 2u);
}

TEST_F(SessionEnvironmentTest, AStartUpTargetThatFailsFailsTheStart) {
  const auto start = [&](const std::string& target) {
    SessionOptions options = GoodOptions();
    options.start_up_targets = {"process.count", target};
    return Session::Start(std::move(options)).status();
  };
  EXPECT_THAT(start("errors.throw_int"),
              StatusIs(absl::StatusCode::kUnknown,
                       AllOf(HasSubstr("start-up target"), HasSubstr("errors.throw_int"))));
  EXPECT_THAT(start("no.such_target"),
              StatusIs(absl::StatusCode::kNotFound,
                       AllOf(HasSubstr("start-up target"), HasSubstr("no.such_target"))));
  EXPECT_THAT(start("process.crash"),
              StatusIs(absl::StatusCode::kUnavailable,
                       AllOf(HasSubstr("start-up target"), HasSubstr("process.crash"))));
}

TEST_F(SessionEnvironmentTest, HowAStartUpTargetEndedAWorkerIsKnown) {
  SessionOptions options = GoodOptions();
  Session session = StartGood(std::move(options));
  EXPECT_FALSE(session.Restart(Unstartable()).ok());
  ASSERT_TRUE(session.last_end().has_value());
  ASSERT_TRUE(std::holds_alternative<FailedToStart>(*session.last_end()));
  EXPECT_THAT(std::get<FailedToStart>(*session.last_end()).why, HasSubstr("errors.throw_int"));
  EXPECT_THAT(session.Call("arguments.none"), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(SessionEnvironmentTest, AStartUpTargetThatHangsEndsAtTheTimeout) {
  SessionOptions options = GoodOptions();
  options.start_timeout = absl::Seconds(5);  // enough to come so far
  options.start_up_targets = {"time.hang"};
  EXPECT_THAT(Session::Start(std::move(options)),
              StatusIs(absl::StatusCode::kDeadlineExceeded,
                       AllOf(HasSubstr("start-up target"), HasSubstr("time.hang"))));
}

// A busy machine may hold a worker up for so long, but not each one.
TEST_F(SessionEnvironmentTest, StartUpTargetsRunUnderTheLeastHangTimeout) {
  SessionOptions options = GoodOptions();
  options.hang_timeout = absl::ZeroDuration();
  options.start_up_targets = {"process.count"};
  absl::StatusOr<int> count = 0;
  for (int tries = 0; tries < 10 && count.value_or(0) != 2; ++tries) {
    absl::StatusOr<Session> session = Session::Start(options);
    count = session.ok() ? session->Call<int>("process.count") : session.status();
  }
  EXPECT_THAT(count, IsOkAndHolds(2));
}

TEST_F(SessionEnvironmentTest, AShutdownEndsAStartUpTarget) {
  Session session = StartGood();
  absl::Status restarted;
  std::thread starter([&] {
    restarted = session.Restart(
        Environment{.name = "hangs", .start_up_targets = std::vector<std::string>{"time.hang"}});
  });
  log.AwaitText("hangs");
  EXPECT_THAT(session.Shutdown(kLong), IsOk());
  starter.join();
  EXPECT_THAT(restarted, StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(session.worker_pid(), -1);
  EXPECT_THAT(Children(), IsEmpty());
}

// Environments.

TEST_F(SessionEnvironmentTest, WhatAnEnvironmentDoesNotSayIsAsInTheOptions) {
  SessionOptions options = GoodOptions();
  options.arguments = {"from the options"};
  options.environment = {{"SLABPIPE_A", "1"}, {"SLABPIPE_B", "1"}, {"SLABPIPE_C", "1"}};
  options.limits.open_files = 333;
  options.niceness = NicerThanThis(1);
  Session session = StartGood(std::move(options));
  ASSERT_THAT(session.Restart({.name = "other",
                               .variables = {{"SLABPIPE_B", "2"}, {"SLABPIPE_C", std::nullopt}},
                               .niceness = NicerThanThis(2)}),
              IsOk());
  EXPECT_EQ(session.Call<std::string>("process.argument").value(), "from the options");
  EXPECT_EQ(VariableOf(session, "SLABPIPE_A"), "1");
  EXPECT_EQ(VariableOf(session, "SLABPIPE_B"), "2");
  EXPECT_EQ(VariableOf(session, "SLABPIPE_C"), std::nullopt);
  EXPECT_EQ(session.Call<int>("process.open_files").value(), 333);
  EXPECT_EQ(session.Call<int>("process.niceness").value(), NicerThanThis(2));
}

TEST_F(SessionEnvironmentTest, WhatAnEnvironmentSaysGoesBeforeTheOptions) {
  SessionOptions options = GoodOptions();
  options.program = "no_such_program";
  options.arguments = {"from the options"};
  options.start_up_targets = {"errors.throw_int"};
  options.limits.open_files = 333;
  options.working_directory = "/";
  EXPECT_FALSE(Session::Start(options).ok());
  const std::string folder = std::filesystem::canonical(::testing::TempDir()).string();
  options.program = kGoodWorker;
  options.start_up_targets = {};
  Session session = StartGood(std::move(options));
  ASSERT_THAT(session.Restart({.name = "other",
                               .program = CopyOfTheWorker(),
                               .arguments = std::vector<std::string>{"its own"},
                               .working_directory = folder,
                               .start_up_targets = std::vector<std::string>{"process.count"},
                               .limits = {.open_files = 444}}),
              IsOk());
  EXPECT_EQ(session.Call<std::string>("process.argument").value(), "its own");
  EXPECT_EQ(session.Call<std::string>("process.folder").value(), folder);
  EXPECT_EQ(session.Call<int>("process.count").value(), 2);
  EXPECT_EQ(session.Call<int>("process.open_files").value(), 444);
}

TEST_F(SessionEnvironmentTest, ItStaysTillAnotherIsGiven) {
  Session session = StartGood();
  EXPECT_EQ(session.environment(), std::nullopt);
  ASSERT_THAT(session.Restart(Named("a")), IsOk());
  EXPECT_EQ(session.environment(), "a");
  EXPECT_EQ(VariableOf(session), "a");
  EXPECT_FALSE(session.Call("process.crash").ok());
  EXPECT_EQ(VariableOf(session), "a") << "also after a crash";
  ASSERT_THAT(session.Restart(), IsOk());
  EXPECT_EQ(VariableOf(session), "a");
  ASSERT_THAT(session.Restart(EnvironmentChanges{}), IsOk());
  EXPECT_EQ(VariableOf(session), std::nullopt);
  EXPECT_EQ(session.environment(), std::nullopt);
}

TEST_F(SessionEnvironmentTest, OneThatIsWrongLeavesTheWorkerAlone) {
  Session session = StartGood();
  const pid_t worker = session.worker_pid();
  EXPECT_THAT(session.Restart({.name = "bad", .niceness = 99}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("environment 'bad'"), HasSubstr("/niceness is 99"))));
  EXPECT_THAT(session.Restart({.name = "bad", .program = "no_such_program"}),
              StatusIs(absl::StatusCode::kNotFound,
                       AllOf(HasSubstr("environment 'bad'"), HasSubstr("no_such_program"))));
  EXPECT_EQ(session.worker_pid(), worker);
  EXPECT_EQ(session.environment(), std::nullopt);
}

// Scopes.

TEST_F(SessionEnvironmentTest, AScopeGoesThereAndBack) {
  Session session = StartGood();
  ASSERT_THAT(session.Restart(Named("outer")), IsOk());
  absl::StatusOr<EnvironmentScope> scope = session.Within(Named("inner"));
  ASSERT_THAT(scope, IsOk());
  EXPECT_EQ(VariableOf(session), "inner");
  EXPECT_EQ(session.environment(), "inner");
  EXPECT_THAT(scope->Leave(), IsOk());
  EXPECT_EQ(VariableOf(session), "outer");
  EXPECT_EQ(session.environment(), "outer");
  const pid_t worker = session.worker_pid();
  EXPECT_THAT(scope->Leave(), IsOk()) << "nothing is left to do";
  EXPECT_EQ(session.worker_pid(), worker);
}

TEST_F(SessionEnvironmentTest, AScopeEndsWithItsObject) {
  Session session = StartGood();
  {
    absl::StatusOr<EnvironmentScope> scope = session.Within(Named("inner"));
    ASSERT_THAT(scope, IsOk());
    const EnvironmentScope moved = *std::move(scope);
    EXPECT_EQ(VariableOf(session), "inner");
  }
  EXPECT_EQ(VariableOf(session), std::nullopt);
  EXPECT_EQ(session.stats().restarts, 2u);
}

TEST_F(SessionEnvironmentTest, AWorkerThatIsLostInsideIsFollowedByOneInside) {
  Session session = StartGood();
  absl::StatusOr<EnvironmentScope> scope = session.Within(Named("inner"));
  ASSERT_THAT(scope, IsOk());
  EXPECT_FALSE(session.Call("process.crash").ok());
  EXPECT_EQ(VariableOf(session), "inner");
  ASSERT_THAT(session.Restart(), IsOk());
  EXPECT_EQ(VariableOf(session), "inner");
  ::kill(session.worker_pid(), SIGKILL);
  EXPECT_THAT(scope->Leave(), IsOk());
  EXPECT_EQ(VariableOf(session), std::nullopt);
}

TEST_F(SessionEnvironmentTest, ScopesAreNotNested) {
  Session session = StartGood();
  absl::StatusOr<EnvironmentScope> scope = session.Within(Named("inner"));
  ASSERT_THAT(scope, IsOk());
  const pid_t worker = session.worker_pid();
  const auto refused =
      StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("within the environment 'inner'"));
  EXPECT_THAT(session.Within(Named("another")), refused);
  EXPECT_THAT(session.Within(Named("inner")), refused);
  EXPECT_THAT(session.Restart(Named("another")), refused);
  EXPECT_THAT(session.Restart(EnvironmentChanges{}), refused);
  EXPECT_EQ(session.worker_pid(), worker);
  EXPECT_THAT(scope->Leave(), IsOk());
  EXPECT_THAT(session.Within(Named("another")), IsOk());
}

TEST_F(SessionEnvironmentTest, OneThatCanNotBeEnteredLeavesTheSessionWhereItWas) {
  Session session = StartGood();
  ASSERT_THAT(session.Restart(Named("outer")), IsOk());
  EXPECT_THAT(session.Within(Unstartable()),
              StatusIs(absl::StatusCode::kUnknown,
                       AllOf(HasSubstr("the environment 'unstartable': start-up target"),
                             HasSubstr("is running in the environment 'outer' again (pid "))));
  EXPECT_EQ(VariableOf(session), "outer");
  EXPECT_EQ(session.environment(), "outer");
  const pid_t worker = session.worker_pid();
  EXPECT_THAT(session.Within({.name = "lost", .program = "no_such_program"}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("no_such_program")));
  EXPECT_EQ(session.worker_pid(), worker);
  EXPECT_THAT(session.Within(Named("inner")), IsOk()) << "no scope was left behind";
}

TEST_F(SessionEnvironmentTest, WhereNoWayLeadsBackEntryAndExitSaySo) {
  SessionOptions options = GoodOptions();
  options.program = CopyOfTheWorker();
  const std::string program = options.program;
  Session session = StartGood(std::move(options));
  Environment inner = Named("inner");
  inner.program = kGoodWorker;
  absl::StatusOr<EnvironmentScope> scope = session.Within(inner);
  ASSERT_THAT(scope, IsOk());
  ASSERT_EQ(::unlink(program.c_str()), 0);
  EXPECT_THAT(scope->Leave(),
              StatusIs(absl::StatusCode::kNotFound,
                       AllOf(HasSubstr("there is no worker now"),
                             HasSubstr("the session's own environment"), HasSubstr(program))));
  EXPECT_EQ(session.worker_pid(), -1);
  inner.start_up_targets = {"errors.throw_int"};
  EXPECT_THAT(session.Within(inner),
              StatusIs(absl::StatusCode::kUnknown,
                       AllOf(HasSubstr("errors.throw_int"), HasSubstr("there is no worker now"),
                             HasSubstr(program))));
  CopyOfTheWorker();
  EXPECT_THAT(session.Restart(), IsOk());
  EXPECT_EQ(VariableOf(session), std::nullopt);
}

TEST_F(SessionEnvironmentTest, AnObjectThatCanNotReturnLogsIt) {
  SessionOptions options = GoodOptions();
  options.program = CopyOfTheWorker();
  Session session = StartGood(options);
  Environment inner = Named("inner");
  inner.program = kGoodWorker;
  {
    absl::StatusOr<EnvironmentScope> scope = session.Within(inner);
    ASSERT_THAT(scope, IsOk());
    ASSERT_EQ(::unlink(options.program.c_str()), 0);
  }
  ASSERT_THAT(session.FlushLogs(kLong), IsOk());
  EXPECT_THAT(log.texts(LogRecord::Source::kLog), Contains(HasSubstr("there is no worker now")));
}

TEST_F(SessionEnvironmentTest, AShutdownInsideStaysOne) {
  Session session = StartGood();
  absl::StatusOr<EnvironmentScope> scope = session.Within(Named("inner"));
  ASSERT_THAT(scope, IsOk());
  EXPECT_THAT(session.Shutdown(kLong), IsOk());
  EXPECT_THAT(scope->Leave(), IsOk());
  EXPECT_EQ(session.worker_pid(), -1);
  EXPECT_THAT(session.Restart(), IsOk());
  EXPECT_EQ(VariableOf(session), std::nullopt);
}

TEST_F(SessionEnvironmentTest, AScopeMayOutliveTheSession) {
  std::optional<Session> session = StartGood();
  absl::StatusOr<EnvironmentScope> scope = session->Within(Named("inner"));
  ASSERT_THAT(scope, IsOk());
  session.reset();
  EXPECT_THAT(Children(), IsEmpty());
  EXPECT_THAT(scope->Leave(), IsOk());
  EXPECT_THAT(Children(), IsEmpty());
}

// Threads.

TEST_F(SessionEnvironmentTest, OneOfManyThreadsIsInAScope) {
  Session session = StartGood();
  std::atomic<int> inside = 0, entered = 0;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      const std::string name = absl::StrCat("thread_", thread);
      for (int tries = 0; tries < 3; ++tries) {
        absl::StatusOr<EnvironmentScope> scope = session.Within(Named(name));
        if (!scope.ok()) {
          ASSERT_THAT(scope, StatusIs(absl::StatusCode::kFailedPrecondition,
                                      HasSubstr("within the environment 'thread_")));
          continue;
        }
        ++entered;
        ASSERT_EQ(++inside, 1);
        ASSERT_EQ(VariableOf(session), name);
        --inside;
        ASSERT_THAT(scope->Leave(), IsOk());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(entered, 0);
  EXPECT_EQ(VariableOf(session), std::nullopt);
}

TEST_F(SessionEnvironmentTest, CallsOfOtherThreadsAreInsideOrOutside) {
  Session session = StartGood();
  std::atomic<bool> stop = false;
  std::vector<std::thread> callers;
  for (int thread = 0; thread < 3; ++thread) {
    callers.emplace_back([&] {
      while (!stop) {
        const auto answer = session.Call<Variable>("process.environment", "SLABPIPE_TEST");
        if (answer.ok()) {
          ASSERT_THAT(*answer, AnyOf(std::nullopt, Variable("inner")));
        } else {
          ASSERT_THAT(answer, AnyOf(StatusIs(absl::StatusCode::kFailedPrecondition),
                                    StatusIs(absl::StatusCode::kUnavailable)));
        }
      }
    });
  }
  for (int round = 0; round < 5; ++round) {
    absl::StatusOr<EnvironmentScope> scope = session.Within(Named("inner"));
    ASSERT_THAT(scope, IsOk());
    EXPECT_EQ(VariableOf(session), "inner");
    EXPECT_THAT(scope->Leave(), IsOk());
    EXPECT_EQ(VariableOf(session), std::nullopt);
  }
  stop = true;
  for (std::thread& caller : callers) caller.join();
}

}  // namespace
}  // namespace slabpipe::tests
