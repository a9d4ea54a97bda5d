#include "slabpipe/transport/helper_threads.h"

#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <fstream>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "slabpipe/tests/testing/child_process.h"
#include "slabpipe/tests/testing/sanitizers.h"
#include "slabpipe/tests/testing/watchdog.h"

namespace slabpipe {
namespace {

size_t Processors() {
  cpu_set_t usable;
  return ::sched_getaffinity(0, sizeof(usable), &usable) == 0
             ? static_cast<size_t>(CPU_COUNT(&usable))
             : 1;
}

// Lets the calling thread run on one processor alone, for as long as it lives.
class OneProcessor {
 public:
  OneProcessor() {
    EXPECT_EQ(::sched_getaffinity(0, sizeof(before_), &before_), 0);
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(::sched_getcpu(), &one);
    EXPECT_EQ(::sched_setaffinity(0, sizeof(one), &one), 0);
  }
  ~OneProcessor() { ::sched_setaffinity(0, sizeof(before_), &before_); }

 private:
  cpu_set_t before_;
};

// Nobody passes before `count` have come.
class Barrier {
 public:
  explicit Barrier(size_t count) : missing_(count) {}
  void Pass() {
    std::unique_lock<std::mutex> lock(mutex_);
    if (--missing_ == 0) all_here_.notify_all();
    all_here_.wait(lock, [this] { return missing_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable all_here_;
  size_t missing_;
};

// How often each of `count` chunks is done by one ForEach. Not atomic: TSan would tell if what
// helpers do were not visible afterwards.
std::vector<int> TimesDone(HelperThreads& helpers, size_t count) {
  std::vector<int> times(count, 0);
  helpers.ForEach(count, [&](size_t chunk) { ++times[chunk]; });
  return times;
}

class HelperThreadsTest : public ::testing::Test {
  tests::Watchdog watchdog_;
};

TEST_F(HelperThreadsTest, DoesEachChunkOnce) {
  HelperThreads helpers(3, HelpWhen::kAlways);
  for (const size_t count : {0, 1, 2, 3, 7, 1000}) {
    EXPECT_EQ(TimesDone(helpers, count), std::vector<int>(count, 1)) << count;
  }
}

TEST_F(HelperThreadsTest, HasNoThreadBeforeThereIsWorkToShare) {
  HelperThreads helpers(3, HelpWhen::kAlways);
  EXPECT_EQ(helpers.threads(), 0u);
  TimesDone(helpers, 1);
  EXPECT_EQ(helpers.threads(), 0u);
}

TEST_F(HelperThreadsTest, ChunksAreDoneAtTheSameTime) {
  if (Processors() < 2) GTEST_SKIP() << "there is one processor";
  HelperThreads helpers(1, HelpWhen::kAlways);
  for (int round = 0; round < 100; ++round) {
    Barrier both(2);  // one thread alone would wait forever
    helpers.ForEach(2, [&](size_t) { both.Pass(); });
  }
  EXPECT_EQ(helpers.threads(), 1u);
  EXPECT_EQ(helpers.chunks_helped(), 100u);
}

TEST_F(HelperThreadsTest, ThreadsAreFewerThanProcessorsAndWithinTheBound) {
  for (const size_t bound : {0, 1, 2, 100}) {
    HelperThreads helpers(bound, HelpWhen::kAlways);
    TimesDone(helpers, 1000);
    EXPECT_LE(helpers.threads(), bound);
    EXPECT_LT(helpers.threads(), Processors());
  }
}

TEST_F(HelperThreadsTest, OnOneProcessorTheCallerWorksAlone) {
  HelperThreads helpers(3, HelpWhen::kAlways);
  const OneProcessor one;
  EXPECT_EQ(TimesDone(helpers, 1000), std::vector<int>(1000, 1));
  EXPECT_EQ(helpers.threads(), 0u);
}

TEST_F(HelperThreadsTest, AThreadLaterBoundToOneProcessorIsHelpedNoMore) {
  HelperThreads helpers(3, HelpWhen::kAlways);
  TimesDone(helpers, 1000);
  const OneProcessor one;
  const uint64_t helped = helpers.chunks_helped();
  EXPECT_EQ(TimesDone(helpers, 1000), std::vector<int>(1000, 1));
  EXPECT_EQ(helpers.chunks_helped(), helped);
}

TEST_F(HelperThreadsTest, ManyCallersAtOnceGetTheirOwnWorkDone) {
  HelperThreads helpers(3, HelpWhen::kAlways);
  std::vector<std::thread> callers;
  for (size_t caller = 0; caller < 8; ++caller) {
    callers.emplace_back([&, caller] {
      for (size_t round = 0; round < 200; ++round) {
        const size_t count = (caller + 1) * (round % 5);
        EXPECT_EQ(TimesDone(helpers, count), std::vector<int>(count, 1));
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
}

TEST_F(HelperThreadsTest, AForkedChildWorksAlone) {
  HelperThreads helpers(3, HelpWhen::kAlways);
  TimesDone(helpers, 1000);  // whatever threads there are, the child has none of them
  EXPECT_TRUE(tests::PassesInChild([&] {
    const uint64_t helped = helpers.chunks_helped();
    EXPECT_EQ(TimesDone(helpers, 1000), std::vector<int>(1000, 1));
    EXPECT_EQ(helpers.chunks_helped(), helped);
  }));
}

TEST_F(HelperThreadsTest, WhereNoThreadCanBeMadeTheCallerWorksAlone) {
  if (tests::kSanitized) GTEST_SKIP() << "sanitizers need the address space themselves";
  EXPECT_TRUE(tests::PassesInChild([] {
    std::ifstream statm("/proc/self/statm");
    size_t pages = 0;
    statm >> pages;
    const rlim_t limit_bytes =
        pages * static_cast<size_t>(::sysconf(_SC_PAGESIZE)) + (rlim_t{1} << 20);
    const rlimit limit = {.rlim_cur = limit_bytes, .rlim_max = limit_bytes};
    ASSERT_EQ(::setrlimit(RLIMIT_AS, &limit), 0);
    // The C library may have kept the stacks of threads that are no more.
    std::vector<std::thread> hoard;
    EXPECT_THROW(for (;;) hoard.emplace_back([] { ::pause(); }), std::system_error);
    HelperThreads helpers(3, HelpWhen::kAlways);
    EXPECT_EQ(TimesDone(helpers, 1000), std::vector<int>(1000, 1));
    EXPECT_EQ(helpers.threads(), 0u);
    ::_exit(::testing::Test::HasFailure() ? 1 : 0);  // threads that sleep can't be joined
  }));
}

TEST_F(HelperThreadsTest, HelpersTakeNoneOfTheProgramsSignals) {
  if (Processors() < 2) GTEST_SKIP() << "there is one processor";
  HelperThreads helpers(1, HelpWhen::kAlways);
  Barrier both(2);
  std::atomic<int> blocking{0};
  helpers.ForEach(2, [&](size_t) {
    both.Pass();
    sigset_t mask;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    if (::sigismember(&mask, SIGTERM) && ::sigismember(&mask, SIGCHLD)) ++blocking;
  });
  EXPECT_EQ(blocking, 1) << "the helper does, the caller does not";
}

TEST_F(HelperThreadsTest, WhoeverAsksForIdleProcessorsGetsItsWorkDoneWithoutThem) {
  // One thread more than there are processors, all of them computing.
  std::atomic<bool> stop{false};
  std::vector<std::thread> busy;
  for (long i = 0; i <= ::sysconf(_SC_NPROCESSORS_ONLN); ++i) {
    busy.emplace_back([&stop] {
      while (!stop.load(std::memory_order_relaxed)) continue;
    });
  }
  HelperThreads helpers(3, HelpWhen::kProcessorsAreIdle);
  for (const size_t count : {2, 1000}) {
    EXPECT_EQ(TimesDone(helpers, count), std::vector<int>(count, 1));
  }
  stop = true;
  for (std::thread& thread : busy) thread.join();
}

TEST_F(HelperThreadsTest, TheSharedOnesMayBeUsedFromAnywhere) {
  EXPECT_EQ(&HelperThreads::Shared(), &HelperThreads::Shared());
  EXPECT_EQ(TimesDone(HelperThreads::Shared(), 100), std::vector<int>(100, 1));
}

}  // namespace
}  // namespace slabpipe
