#include "slabpipe/transport/wait.h"

#include <poll.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/tests/testing/child_process.h"
#include "slabpipe/tests/testing/status_matchers.h"
#include "slabpipe/tests/testing/watchdog.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::StatusIs;
using ::testing::HasSubstr;

// A pipe with nothing in it.
struct Pipe {
  Pipe() {
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    read_end.reset(ends[0]);
    write_end.reset(ends[1]);
  }
  void Fill() const { EXPECT_EQ(::write(write_end.get(), "x", 1), 1); }
  UniqueFd read_end;
  UniqueFd write_end;
};

class WaitTest : public ::testing::Test {
 protected:
  static Cancellation NewCancellation() { return *Cancellation::Create(); }

 private:
  tests::Watchdog watchdog_;
};

TEST_F(WaitTest, NeverDoesNotPass) {
  EXPECT_TRUE(Deadline::Never().is_never());
  EXPECT_FALSE(Deadline::Never().HasPassed());
  EXPECT_EQ(Deadline::Never().Remaining(), absl::InfiniteDuration());
}

TEST_F(WaitTest, ADeadlineOfZeroOrLessHasPassed) {
  for (absl::Duration timeout :
       {absl::ZeroDuration(), absl::Seconds(-1), -absl::InfiniteDuration()}) {
    EXPECT_TRUE(Deadline::After(timeout).HasPassed()) << timeout;
    EXPECT_EQ(Deadline::After(timeout).Remaining(), absl::ZeroDuration()) << timeout;
  }
}

TEST_F(WaitTest, ADeadlineBeyondTheClockIsNever) {
  EXPECT_TRUE(Deadline::After(absl::InfiniteDuration()).is_never());
  EXPECT_TRUE(Deadline::After(absl::Hours(24 * 365 * 1000)).is_never());
  EXPECT_FALSE(Deadline::After(absl::Hours(24 * 365)).is_never());
}

TEST_F(WaitTest, RemainingTimeIsAtMostTheTimeoutAndShrinks) {
  const Deadline deadline = Deadline::After(absl::Seconds(100));
  const absl::Duration first = deadline.Remaining();
  EXPECT_LE(first, absl::Seconds(100));
  EXPECT_GT(first, absl::ZeroDuration());
  EXPECT_LE(deadline.Remaining(), first);
  EXPECT_FALSE(deadline.HasPassed());
}

TEST_F(WaitTest, TheEarlierOfTwoDeadlinesIsTaken) {
  const Deadline passed = Deadline::After(absl::ZeroDuration());
  const Deadline later = Deadline::After(absl::Hours(1));
  EXPECT_TRUE(Deadline::Earlier(passed, later).HasPassed());
  EXPECT_TRUE(Deadline::Earlier(later, passed).HasPassed());
  EXPECT_FALSE(Deadline::Earlier(later, Deadline::Never()).is_never());
}

TEST_F(WaitTest, ReturnsWhenADescriptorIsReadyAndSaysWhich) {
  Pipe empty, full;
  full.Fill();
  std::array<WaitFd, 2> fds = {{{.fd = empty.read_end.get(), .events = POLLIN, .revents = POLLERR},
                                {.fd = full.read_end.get(), .events = POLLIN}}};
  ASSERT_THAT(WaitForAny(absl::MakeSpan(fds), {.deadline = Deadline::Never()}), IsOk());
  EXPECT_EQ(fds[0].revents, 0);
  EXPECT_EQ(fds[1].revents, POLLIN);
}

TEST_F(WaitTest, ReturnsWhenTheOtherEndIsClosed) {
  Pipe pipe;
  pipe.write_end.reset();
  std::array<WaitFd, 1> fds = {{{.fd = pipe.read_end.get(), .events = POLLIN}}};
  ASSERT_THAT(WaitForAny(absl::MakeSpan(fds), {}), IsOk());
  EXPECT_NE(fds[0].revents & POLLHUP, 0);
}

TEST_F(WaitTest, PassesOverNegativeDescriptors) {
  Pipe full;
  full.Fill();
  std::array<WaitFd, 2> fds = {
      {{.fd = -1, .events = POLLIN}, {.fd = full.read_end.get(), .events = POLLIN}}};
  ASSERT_THAT(WaitForAny(absl::MakeSpan(fds), {}), IsOk());
  EXPECT_EQ(fds[0].revents, 0);
  EXPECT_EQ(fds[1].revents, POLLIN);
}

TEST_F(WaitTest, EndsAtTheDeadline) {
  Pipe pipe;
  std::array<WaitFd, 1> fds = {{{.fd = pipe.read_end.get(), .events = POLLIN}}};
  const Deadline deadline = Deadline::After(absl::Milliseconds(20));
  EXPECT_THAT(WaitForAny(absl::MakeSpan(fds), {.deadline = deadline}),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_TRUE(deadline.HasPassed());
}

TEST_F(WaitTest, APassedDeadlineStillSeesWhatIsReady) {
  Pipe full;
  full.Fill();
  std::array<WaitFd, 1> fds = {{{.fd = full.read_end.get(), .events = POLLIN}}};
  EXPECT_THAT(WaitForAny(absl::MakeSpan(fds), {.deadline = Deadline::After(absl::ZeroDuration())}),
              IsOk());
}

std::atomic<int> signals_seen = 0;

TEST_F(WaitTest, SignalsDoNotEndIt) {
  struct sigaction action = {};
  action.sa_handler = [](int) { signals_seen.fetch_add(1, std::memory_order_relaxed); };
  ASSERT_EQ(::sigaction(SIGUSR1, &action, nullptr), 0);
  sigevent event = {};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGUSR1;
  timer_t timer;
  ASSERT_EQ(::timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
  const timespec millisecond = {.tv_sec = 0, .tv_nsec = 1'000'000};
  const itimerspec period = {.it_interval = millisecond, .it_value = millisecond};
  ASSERT_EQ(::timer_settime(timer, 0, &period, nullptr), 0);

  Pipe pipe;
  std::array<WaitFd, 1> fds = {{{.fd = pipe.read_end.get(), .events = POLLIN}}};
  const Deadline deadline = Deadline::After(absl::Milliseconds(50));
  EXPECT_THAT(WaitForAny(absl::MakeSpan(fds), {.deadline = deadline}),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_TRUE(deadline.HasPassed());
  ::timer_delete(timer);
  ::signal(SIGUSR1, SIG_IGN);
  EXPECT_GT(signals_seen.load(), 0);
}

TEST_F(WaitTest, CancelledOnceIsCancelledForGood) {
  const Cancellation cancellation = NewCancellation();
  EXPECT_FALSE(cancellation.cancelled());
  cancellation.Cancel();
  cancellation.Cancel();
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(cancellation.cancelled());
    EXPECT_THAT(WaitForAny({}, {.cancellation = &cancellation}),
                StatusIs(absl::StatusCode::kCancelled));
  }
}

TEST_F(WaitTest, CancellationMovesWithItsState) {
  Cancellation cancelled = NewCancellation();
  cancelled.Cancel();
  const Cancellation moved = std::move(cancelled);
  EXPECT_TRUE(moved.cancelled());
}

TEST_F(WaitTest, CancellationEndsTheWaitsOfOtherThreads) {
  const Cancellation cancellation = NewCancellation();
  Pipe pipe;
  std::array<absl::Status, 3> results;
  std::vector<std::thread> waiters;
  for (absl::Status& result : results) {
    waiters.emplace_back([&] {
      std::array<WaitFd, 1> fds = {{{.fd = pipe.read_end.get(), .events = POLLIN}}};
      result = WaitForAny(absl::MakeSpan(fds), {.cancellation = &cancellation});
    });
  }
  cancellation.Cancel();
  for (std::thread& waiter : waiters) waiter.join();
  for (const absl::Status& result : results) {
    EXPECT_THAT(result, StatusIs(absl::StatusCode::kCancelled));
  }
}

TEST_F(WaitTest, CancellationWinsOverWhatIsReady) {
  const Cancellation cancellation = NewCancellation();
  cancellation.Cancel();
  Pipe full;
  full.Fill();
  std::array<WaitFd, 1> fds = {{{.fd = full.read_end.get(), .events = POLLIN}}};
  EXPECT_THAT(WaitForAny(absl::MakeSpan(fds), {.cancellation = &cancellation}),
              StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(WaitTest, CancellationNamesTheLimitWhenNoDescriptorIsLeft) {
  if (!tests::CanRunWithoutDescriptors()) GTEST_SKIP() << "not with this sanitizer";
  EXPECT_TRUE(tests::PassesInChild([] {
    tests::ForbidMoreDescriptors();
    EXPECT_THAT(Cancellation::Create(),
                StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("ulimit -n")));
  }));
}

// What is done meanwhile.

// Runs when its pipe has something, takes it, and counts.
class TakesBytes : public Meanwhile {
 public:
  absl::Duration Arm() override {
    ++arms;
    if (on_arm) on_arm();
    return longest;
  }
  int fd() override { return has_fd ? pipe.read_end.get() : -1; }
  void Run() override {
    ++runs;
    char byte;
    if (has_fd && takes) {
      EXPECT_EQ(::read(pipe.read_end.get(), &byte, 1), 1);
    }
    if (then) then();
  }

  Pipe pipe;
  bool has_fd = true;
  bool takes = true;
  absl::Duration longest = absl::InfiniteDuration();
  std::function<void()> then, on_arm;
  int arms = 0, runs = 0;
};

class MeanwhileTest : public WaitTest {
 protected:
  absl::Status Await(const Wait& wait) {
    fds_[0] = {.fd = awaited_.read_end.get(), .events = POLLIN};
    return WaitForAny(absl::MakeSpan(fds_), wait);
  }

  Pipe awaited_;
  std::array<WaitFd, 1> fds_;
  TakesBytes other_;
};

TEST_F(MeanwhileTest, RunsEachTimeThatThereIsSomethingAndTheWaitGoesOn) {
  for (int i = 0; i < 3; ++i) other_.pipe.Fill();
  other_.then = [&] {
    if (other_.runs == 3) awaited_.Fill();
  };
  EXPECT_THAT(Await({.meanwhile = &other_}), IsOk());
  EXPECT_EQ(fds_[0].revents, POLLIN);
  EXPECT_EQ(other_.runs, 3);
  EXPECT_EQ(other_.arms, 4) << "before each sleep";
}

TEST_F(MeanwhileTest, WhatIsAwaitedComesFirst) {
  awaited_.Fill();
  other_.pipe.Fill();
  EXPECT_THAT(Await({.meanwhile = &other_}), IsOk());
  EXPECT_EQ(other_.runs, 0);
}

TEST_F(MeanwhileTest, RunsAtOnceWithoutADescriptorIfArmingSaysSo) {
  other_.has_fd = false;
  other_.longest = absl::ZeroDuration();
  other_.then = [&] {
    if (other_.runs == 5) awaited_.Fill();
  };
  EXPECT_THAT(Await({.meanwhile = &other_}), IsOk());
  EXPECT_EQ(other_.runs, 5);
}

TEST_F(MeanwhileTest, IsArmedAgainAfterThePauseThatItAskedFor) {
  other_.has_fd = false;
  other_.longest = absl::Milliseconds(1);
  other_.on_arm = [&] {
    if (other_.arms == 3) awaited_.Fill();
  };
  const Deadline far = Deadline::After(absl::Hours(1));
  EXPECT_THAT(Await({.deadline = far, .meanwhile = &other_}), IsOk())
      << "a pause is not the deadline";
  EXPECT_EQ(other_.arms, 3);
  EXPECT_EQ(other_.runs, 0) << "there was nothing to do";
}

TEST_F(MeanwhileTest, WithoutAnythingToDoTheDeadlineIsKept) {
  EXPECT_THAT(Await({.deadline = Deadline::After(absl::Milliseconds(20)), .meanwhile = &other_}),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(other_.runs, 0);
}

TEST_F(MeanwhileTest, OneThatAlwaysHasSomethingToDoKeepsNobodyBeyondTheDeadline) {
  other_.pipe.Fill();
  other_.takes = false;
  for (const absl::Duration longest : {absl::InfiniteDuration(), absl::ZeroDuration()}) {
    other_.longest = longest;
    EXPECT_THAT(Await({.deadline = Deadline::After(absl::Milliseconds(20)), .meanwhile = &other_}),
                StatusIs(absl::StatusCode::kDeadlineExceeded));
  }
  EXPECT_GT(other_.runs, 0);
}

TEST_F(MeanwhileTest, OneThatAlwaysHasSomethingToDoIsCancelled) {
  const Cancellation cancellation = NewCancellation();
  other_.pipe.Fill();
  other_.takes = false;
  other_.then = [&] {
    if (other_.runs == 10) cancellation.Cancel();
  };
  EXPECT_THAT(Await({.cancellation = &cancellation, .meanwhile = &other_}),
              StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(other_.runs, 10);
}

TEST_F(MeanwhileTest, APassedDeadlineLeavesItUndone) {
  other_.pipe.Fill();
  EXPECT_THAT(Await({.deadline = Deadline::After(absl::ZeroDuration()), .meanwhile = &other_}),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(other_.runs, 0);
}

TEST_F(MeanwhileTest, WhatAnotherThreadBringsIsDone) {
  constexpr int kBytes = 1000;
  std::thread other([&] {
    for (int i = 0; i < kBytes; ++i) other_.pipe.Fill();
  });
  other_.then = [&] {
    if (other_.runs == kBytes) awaited_.Fill();
  };
  EXPECT_THAT(Await({.meanwhile = &other_}), IsOk());
  other.join();
  EXPECT_EQ(other_.runs, kBytes);
}

}  // namespace
}  // namespace slabpipe
