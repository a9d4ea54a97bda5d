// What applications do around a session: threads, forks, signal settings of their own, descriptors
// that they close. None of it may hang, lose or leave a worker, and a session touches nothing of
// theirs.

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/session/session.h"
#include "slabpipe/session/worker_end.h"
#include "slabpipe/tests/session/session_testing.h"
#include "slabpipe/tests/testing/child_process.h"
#include "slabpipe/tests/testing/process_state.h"
#include "slabpipe/tests/testing/status_matchers.h"
#include "slabpipe/transport/posix_segment.h"

namespace slabpipe::tests {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Optional;

constexpr absl::Duration kLong = absl::Seconds(60);
// Of a process that nobody else would end if the test were ended; in seconds.
constexpr unsigned kLongestLife = 300;

class ApplicationTest : public SessionTest {
 protected:
  void ExpectGood(Session& session) {
    EXPECT_THAT(session.Call<double>({.timeout = kLong}, "arrays.sum", Counting(1000)),
                IsOkAndHolds(SumOfCounting(1000)));
  }
};

// Ends that nobody has looked at.

TEST_F(ApplicationTest, AZombieIsNotTakenForAWorkerThatLives) {
  Session session = StartGood();
  const pid_t worker = session.worker_pid();
  ::kill(worker, SIGKILL);
  AwaitEnd(worker);
  EXPECT_THAT(session.Ping(kLong), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_FALSE(ProcessExists(worker));
  EXPECT_THAT(session.Ping(kLong), IsOk());
}

TEST_F(ApplicationTest, AShutdownReapsAWorkerThatHasEndedUnnoticed) {
  Session session = StartGood();
  const pid_t worker = session.worker_pid();
  ::kill(worker, SIGKILL);
  AwaitEnd(worker);
  EXPECT_THAT(session.Shutdown(kLong), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(session.last_end(), Optional(WorkerEnd(Signalled{.signal = SIGKILL})));
  EXPECT_THAT(Children(), IsEmpty());
}

TEST_F(ApplicationTest, AWorkerThatEndsWhileNobodyCallsIsNoZombieForLong) {
  for (const size_t ring_bytes : {PipeOptions().ring_bytes, size_t{0}}) {
    SessionOptions options = GoodOptions();
    options.pipe.ring_bytes = ring_bytes;
    Session session = StartGood(options);
    ExpectGood(session);
    const pid_t worker = session.worker_pid();
    ::kill(worker, SIGKILL);
    while (ProcessExists(worker)) std::this_thread::yield();
    EXPECT_EQ(session.health().state, WorkerHealth::State::kEnded);
    ExpectGood(session);
    EXPECT_THAT(session.last_end(), Optional(WorkerEnd(Signalled{.signal = SIGKILL})));
    EXPECT_EQ(session.stats().restarts, 1u);
  }
}

// Threads.

TEST_F(ApplicationTest, ASessionMayBeDestroyedOnAnotherThread) {
  const size_t descriptors = OpenDescriptors();
  auto session = std::make_unique<Session>(StartGood());
  ExpectGood(*session);
  std::thread([session = std::move(session)]() mutable { session.reset(); }).join();
  EXPECT_THAT(Children(), IsEmpty());
  EXPECT_EQ(OpenDescriptors(), descriptors);
}

// The kernel may send a parent-death signal when the thread ends that has started a process, not
// when the process does.
TEST_F(ApplicationTest, ASessionOutlivesTheThreadThatStartedIt) {
  std::optional<Session> session;
  std::thread([&] { session.emplace(StartGood()); }).join();
  const pid_t worker = session->worker_pid();
  ExpectGood(*session);
  std::thread([&] { EXPECT_THAT(session->Restart(), IsOk()); }).join();
  ExpectGood(*session);
  std::thread([&] { EXPECT_FALSE(session->Call("process.die", "kill").ok()); }).join();
  ExpectGood(*session);
  EXPECT_FALSE(ProcessExists(worker));
  EXPECT_EQ(session->stats().restarts, 2u) << "nothing else has ended a worker";
}

TEST_F(ApplicationTest, SessionsStartWhileOtherThreadsAllocateAndLock) {
  std::atomic<bool> stop = false;
  std::vector<std::thread> busy;
  std::mutex mutex;
  for (int i = 0; i < 4; ++i) {
    busy.emplace_back([&] {
      while (!stop) {
        std::lock_guard<std::mutex> lock(mutex);
        delete new std::string(1000, 'x');
      }
    });
  }
  for (int i = 0; i < 10; ++i) {
    Session session = StartGood();
    ExpectGood(session);
  }
  stop = true;
  for (std::thread& thread : busy) thread.join();
}

// A tree of sessions: main, a worker, its worker, and that one's.

TEST_F(ApplicationTest, AWorkersWorkerMayHaveAWorkerOfItsOwn) {
  const std::string nested = "tests/workers/nested_worker";
  absl::StatusOr<Session> outer =
      Session::Start({.program = nested, .arguments = {nested, kGoodWorker}});
  ASSERT_THAT(outer, IsOk());
  const absl::StatusOr<pid_t> innermost = outer->Call<pid_t>("nested.start");
  ASSERT_THAT(innermost, IsOk());
  EXPECT_EQ(outer->Call<double>("nested.sum", Counting(1000)).value(), SumOfCounting(1000));
  ::kill(outer->worker_pid(), SIGKILL);
  AwaitEnd(*innermost);
}

// Forks.

TEST_F(ApplicationTest, AForkWhileThreadsCallDisturbsNobody) {
  Session session = StartGood();
  std::atomic<bool> stop = false;
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&] {
      while (!stop) ASSERT_THAT(session.Call("echo.integer", 1), IsOk());
    });
  }
  for (int i = 0; i < 20; ++i) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(0);
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  stop = true;
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(session.stats().restarts, 0u);
}

// An application that forks and goes on without exec has the session twice. The child's is a copy
// that can't be used, and whose end is not that of the worker.
TEST_F(ApplicationTest, AForkedChildCanNeitherUseNorEndTheSession) {
  std::optional<Session> session = StartGood();
  ChildProcess child([&] {
    const absl::Status status = session->Call({.timeout = kLong}, "arguments.none");
    if (status.code() != absl::StatusCode::kFailedPrecondition) return 1;
    session.reset();
    return 0;
  });
  EXPECT_EQ(child.Wait(), 0);
  ExpectGood(*session);
  EXPECT_EQ(session->stats().restarts, 0u);
}

// What it drops is not given back in its parent's name: the worker would write to memory that is
// read here.
TEST_F(ApplicationTest, AForkedChildReturnsNoMemoryToTheWorker) {
  Session session = StartGood();
  const auto make = [&] {
    return session.Call<NdArray<const double>>({.timeout = kLong}, "arrays.make", 100'000, true);
  };
  absl::StatusOr<NdArray<const double>> array = make();
  ASSERT_THAT(array, IsOk());
  ASSERT_THAT(session.Call("arguments.none"), IsOk());  // now nothing else holds its memory
  const std::vector<double> was(array->span().begin(), array->span().end());
  ChildProcess child([&] {
    array = NdArray<const double>();
    return 0;
  });
  EXPECT_EQ(child.Wait(), 0);
  const double* const place = array->span().data();
  for (int i = 0; i < 4; ++i) {
    absl::StatusOr<NdArray<const double>> another = make();
    ASSERT_THAT(another, IsOk());
    EXPECT_NE(another->span().data(), place);
  }
  EXPECT_TRUE(std::equal(was.begin(), was.end(), array->span().begin()));
}

TEST_F(ApplicationTest, AForkedChildEndsNoStream) {
  Session session = StartGood();
  std::optional<ResultStream<Object>> stream =
      session.Stream<Object>({.timeout = kLong, .window = 2}, "stream.ten");
  EXPECT_TRUE(stream->Next());
  ChildProcess child([&] {
    stream.reset();
    return 0;
  });
  EXPECT_EQ(child.Wait(), 0);
  int rest = 0;
  while (stream->Next()) ++rest;
  EXPECT_EQ(rest, 9);
  EXPECT_THAT(stream->status(), IsOk());
  ExpectGood(session);
}

TEST_F(ApplicationTest, AForkedChildGetsNoResultsOfAStream) {
  Session session = StartGood();
  ResultStream<Object> stream =
      session.Stream<Object>({.timeout = kLong, .window = 2}, "stream.ten");
  EXPECT_TRUE(stream.Next());
  EXPECT_TRUE(PassesInChild([&] {
    stream.Cancel();
    EXPECT_FALSE(stream.Next());
    EXPECT_FALSE(stream.Next());
    EXPECT_THAT(stream.status(), StatusIs(absl::StatusCode::kFailedPrecondition));
  }));
  int rest = 0;
  while (stream.Next()) ++rest;
  EXPECT_EQ(rest, 9);
  EXPECT_THAT(stream.status(), IsOk());
}

TEST_F(ApplicationTest, AForkedChildWaitsForNoFuture) {
  Session session = StartGood();
  Gate gate;
  Future<> running = session.Submit({.timeout = kLong}, "time.wait_for", gate.path());
  gate.AwaitArrival();
  const Future<> none;
  EXPECT_TRUE(PassesInChild([&] {
    const auto wrong_process = StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("forked"));
    EXPECT_FALSE(running.ready());
    EXPECT_THAT(running.Get(), wrong_process);
    EXPECT_THAT(running.Wait(), wrong_process);
    EXPECT_THAT(WaitAny({running}), wrong_process);
    EXPECT_THAT(WaitAny({running, none}), IsOkAndHolds(1u));
    EXPECT_THAT(WaitAll({running}), wrong_process);
    running.OnReady([] { ADD_FAILURE() << "it never is"; });
    running.Cancel();
    EXPECT_FALSE(running.ready());
  }));
  gate.Open();
  EXPECT_THAT(running.Get(), IsOk());
}

TEST_F(ApplicationTest, AForkedChildHasTheResultsThatWereThere) {
  Session session = StartGood();
  const Future<int64_t> done = session.Submit<int64_t>({.timeout = kLong}, "echo.integer", 5);
  EXPECT_THAT(done.Get(), IsOkAndHolds(5));
  EXPECT_TRUE(PassesInChild([&] {
    bool told = false;
    done.OnReady([&] { told = true; });
    EXPECT_TRUE(told && done.ready());
    EXPECT_THAT(done.Get(), IsOkAndHolds(5));
  }));
}

TEST_F(ApplicationTest, AForkedChildLeavesNoScope) {
  Session session = StartGood();
  {
    absl::StatusOr<EnvironmentScope> scope = session.Within({.name = "inside"});
    ASSERT_THAT(scope, IsOk());
    ChildProcess child([&] {
      const EnvironmentScope left = *std::move(scope);
      return 0;
    });
    EXPECT_EQ(child.Wait(), 0);
    EXPECT_EQ(session.environment(), "inside");
    ExpectGood(session);
  }
  EXPECT_EQ(session.environment(), std::nullopt);
  ExpectGood(session);
}

// Main is a child of the test, and forks one in its turn, which holds a copy of the connection.
TEST_F(ApplicationTest, AWorkerEndsWithItsMainThoughAForkedChildLives) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ChildProcess main([&] {
    Session session = StartGood();
    const pid_t child = ::fork();
    if (child == 0) ::alarm(kLongestLife), ::pause(), ::_exit(0);
    const pid_t pids[] = {session.worker_pid(), child};
    if (::write(ends[1], pids, sizeof(pids)) != sizeof(pids)) return 1;
    return ::pause();
  });
  pid_t pids[2] = {};
  ASSERT_EQ(::read(ends[0], pids, sizeof(pids)), static_cast<ssize_t>(sizeof(pids)));
  main.Kill();
  AwaitEnd(pids[0]);
  EXPECT_TRUE(ProcessExists(pids[1])) << "the child, and with it main's end of the connection";
  ::kill(pids[1], SIGKILL);
  ::close(ends[0]);
  ::close(ends[1]);
}

// Signals.

// What the application has set for one signal.
struct Disposition {
  void (*handler)(int);
  int flags;
  bool blocked;
  bool operator==(const Disposition&) const = default;
};

std::vector<Disposition> Dispositions() {
  sigset_t mask;
  ::pthread_sigmask(SIG_BLOCK, nullptr, &mask);
  std::vector<Disposition> all;
  for (int signal = 1; signal < NSIG; ++signal) {
    struct sigaction action = {};
    if (::sigaction(signal, nullptr, &action) != 0) continue;
    all.push_back({action.sa_handler, action.sa_flags, ::sigismember(&mask, signal) == 1});
  }
  return all;
}

TEST_F(ApplicationTest, SignalDispositionsAndMasksStayAsTheyAre) {
  const std::vector<Disposition> before = Dispositions();
  {
    Session session = StartGood();
    EXPECT_EQ(Dispositions(), before);
    ExpectGood(session);
    EXPECT_FALSE(session.Call("process.die", "kill").ok());
    ExpectGood(session);
    EXPECT_THAT(session.Restart(), IsOk());
    EXPECT_EQ(Dispositions(), before);
  }
  EXPECT_EQ(Dispositions(), before);
}

// A write to a connection that the other side has closed raises SIGPIPE, which ends a program
// unless somebody sees to it.
TEST_F(ApplicationTest, AWorkerThatDiesWhileMainSendsRaisesNoSigpipe) {
  ASSERT_TRUE(PassesInChild([&] {
    ::signal(SIGPIPE, SIG_DFL);
    SessionOptions options = GoodOptions();
    options.pipe.ring_bytes = 0;  // everything goes through the socket
    Session session = StartGood(std::move(options));
    for (int i = 0; i < 5; ++i) {
      const pid_t worker = session.worker_pid();
      ::kill(worker, SIGKILL);
      AwaitEnd(worker);
      // It was not begun, and goes to the next worker.
      EXPECT_THAT(session.Call("echo.text", std::string(4 << 20, 'x')), IsOk());
      ExpectGood(session);
    }
  }));
}

// Each of these in a child of the test, whose settings go with it.

TEST_F(ApplicationTest, AHandlerThatReapsEverythingMayTakeTheWorkersEnd) {
  ASSERT_TRUE(PassesInChild([&] {
    struct sigaction reap = {};
    reap.sa_handler = [](int) {
      const int saved = errno;
      while (::waitpid(-1, nullptr, WNOHANG) > 0) {
      }
      errno = saved;
    };
    ::sigaction(SIGCHLD, &reap, nullptr);
    Session session = StartGood();
    for (int i = 0; i < 5; ++i) {
      EXPECT_THAT(session.Call("process.die", "exit 7"), StatusIs(absl::StatusCode::kUnavailable));
      EXPECT_THAT(session.last_end(),
                  Optional(AnyOf(WorkerEnd(EndedUnobserved()), WorkerEnd(Exited{.code = 7}))));
      ExpectGood(session);
    }
    EXPECT_THAT(session.Shutdown(kLong), IsOk());
  }));
}

TEST_F(ApplicationTest, SignalsThatInterruptSystemCallsDisturbNoCall) {
  ASSERT_TRUE(PassesInChild([&] {
    struct sigaction nothing = {};
    nothing.sa_handler = [](int) {};  // and no SA_RESTART
    ::sigaction(SIGUSR1, &nothing, nullptr);
    Session session = StartGood();
    std::atomic<bool> stop = false;
    std::thread pest([&stop, main = ::pthread_self()] {
      while (!stop) ::pthread_kill(main, SIGUSR1);
    });
    for (int i = 0; i < 100; ++i) ExpectGood(session);
    EXPECT_THAT(session.Restart(), IsOk());
    ExpectGood(session);
    EXPECT_THAT(session.Shutdown(kLong), IsOk());
    stop = true;
    pest.join();
  }));
}

// Descriptors.

// As daemons do, and careless libraries: with those of the session. The numbers are soon those of
// other files.
TEST_F(ApplicationTest, AnApplicationThatClosesAllDescriptorsGetsErrorsAndKeepsNoWorker) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ChildProcess child([&] {
    Session session = StartGood();
    ExpectGood(session);
    const pid_t worker = session.worker_pid();
    if (::write(ends[1], &worker, sizeof(worker)) != sizeof(worker)) return 1;
    ::syscall(SYS_close_range, 3u, ~0u, 0u);
    AwaitEnd(worker);
    EXPECT_FALSE(session.Call("arguments.none").ok());
    EXPECT_FALSE(session.Call("arrays.sum", Counting(100'000)).ok());
    EXPECT_FALSE(session.Ping(kLong).ok());
    EXPECT_THAT(session.Restart(), StatusIs(absl::StatusCode::kFailedPrecondition));
    EXPECT_THAT(Children(), IsEmpty());
    Session another = StartGood();
    ExpectGood(another);
    return HasFailure() ? 2 : 0;
  });
  pid_t worker = -1;
  ASSERT_EQ(::read(ends[0], &worker, sizeof(worker)), static_cast<ssize_t>(sizeof(worker)));
  EXPECT_EQ(child.Wait(), 0);
  AwaitEnd(worker);
  ::close(ends[0]);
  ::close(ends[1]);
}

// A call that sleeps meanwhile must wake, too: its worker is gone.
TEST_F(ApplicationTest, ACallThatWaitsWhileAllDescriptorsAreClosedEnds) {
  EXPECT_TRUE(PassesInChild([&] {
    Session session = StartGood();
    Gate gate;
    absl::Status status;
    std::thread caller([&] { status = session.Call("time.hang_after", gate.path()); });
    gate.AwaitArrival();
    ::syscall(SYS_close_range, 3u, ~0u, 0u);
    caller.join();
    EXPECT_FALSE(status.ok());
  }));
}

// What is left of sessions of all kinds in /dev/shm.

TEST_F(ApplicationTest, NothingIsLeftInDevShm) {
  const std::string mine = PosixSegmentPrefix();
  {
    Session session = StartGood();
    ExpectGood(session);
    EXPECT_FALSE(session.Call("process.die", "kill").ok());
    ExpectGood(session);
    EXPECT_THAT(SharedMemoryEntries(mine), IsEmpty()) << "not even meanwhile";
  }
  EXPECT_THAT(SharedMemoryEntries(mine), IsEmpty());
}

}  // namespace
}  // namespace slabpipe::tests
