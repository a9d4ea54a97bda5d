// Sessions whose segments have names in /dev/shm.

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <cstdio>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/codec/ndarray.h"
#include "slabpipe/session/session.h"
#include "slabpipe/tests/session/session_testing.h"
#include "slabpipe/tests/testing/child_process.h"
#include "slabpipe/tests/testing/process_state.h"
#include "slabpipe/tests/testing/small_disk.h"
#include "slabpipe/tests/testing/status_matchers.h"
#include "slabpipe/transport/posix_segment.h"

namespace slabpipe::tests {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class PosixSessionTest : public SessionTest {
 protected:
  ~PosixSessionTest() override { EXPECT_THAT(Entries(), IsEmpty()); }

  Session Start() {
    SessionOptions options = GoodOptions();
    options.segments = SegmentKind::kPosix;
    return StartGood(std::move(options));
  }
  // Of all sessions of this process.
  static std::vector<std::string> Entries() { return SharedMemoryEntries(PosixSegmentPrefix()); }
};

TEST_F(PosixSessionTest, ArraysGoThereAndComeBackAndNothingIsLeft) {
  {
    Session session = Start();
    EXPECT_EQ(session.Call<double>("arrays.sum", Counting(1000)).value(), SumOfCounting(1000));
    const NdArray<double> mine = *session.NewArray<double>({100});
    auto echo = session.Call<NdArray<const double>>("echo.doubles", mine);
    ASSERT_THAT(echo, IsOk());
    EXPECT_EQ(echo->data(), mine.data());
    auto theirs = session.Call<NdArray<const double>>("arrays.make", 1000, true);
    ASSERT_THAT(theirs, IsOk());
    EXPECT_EQ(theirs->ToVector(), Counting(1000).ToVector());
    EXPECT_THAT(Entries(), SizeIs(3));
  }
  EXPECT_THAT(Entries(), IsEmpty());
}

TEST_F(PosixSessionTest, ACrashLeavesNothingOfTheWorkers) {
  Session session = Start();
  std::optional<NdArray<const double>> kept =
      *session.Call<NdArray<const double>>("arrays.make", 1000, true);
  ASSERT_THAT(Entries(), SizeIs(1));
  EXPECT_FALSE(session.Call("process.die", "kill").ok());
  EXPECT_THAT(Entries(), IsEmpty());
  EXPECT_EQ(kept->ToVector(), Counting(1000).ToVector()) << "what is mapped stays";
  EXPECT_EQ(session.Call<double>("arrays.sum", *kept).value(), SumOfCounting(1000));
}

TEST_F(PosixSessionTest, AForcedShutdownLeavesNothing) {
  Session session = Start();
  ASSERT_THAT(session.Call("arrays.make", 1000, true), IsOk());
  Gate gate;
  GiveUp(session, gate, "time.hang_after");
  EXPECT_THAT(session.Shutdown(absl::Milliseconds(50)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(Entries(), IsEmpty());
}

TEST_F(PosixSessionTest, SessionsSideBySideUseDifferentNames) {
  Session a = Start(), b = Start();
  for (Session* session : {&a, &b}) {
    ASSERT_THAT(session->Call("arrays.sum", Counting(100)), IsOk());
    ASSERT_THAT(session->Call("arrays.make", 100, true), IsOk());
  }
  EXPECT_THAT(Entries(), SizeIs(4));
  EXPECT_FALSE(a.Call("process.die", "kill").ok());
  EXPECT_THAT(b.Call("arrays.make", 100, true), IsOk());
  EXPECT_THAT(b.Call("arrays.sum", Counting(100)), IsOk());
}

TEST_F(PosixSessionTest, AStartSweepsWhatDeadOwnersLeft) {
  const std::string left = absl::StrCat("slabpipe.", ::getpid(), ".1.m.1");  // another start time
  PosixSegmentProvider provider;
  auto segment = provider.Create(left, 4096);
  ASSERT_THAT(segment, IsOk());
  ASSERT_THAT(SharedMemoryEntries(left), SizeIs(1));
  { Session session = Start(); }
  EXPECT_THAT(SharedMemoryEntries(left), IsEmpty());
}

TEST_F(PosixSessionTest, I4ASteadyLoadHasASteadyCost) {
  Session session = Start();
  const auto call = [&] {
    ASSERT_THAT(session.Call("echo.doubles", Counting(100)), IsOk());
    ASSERT_THAT(session.Call("arrays.make", 100, true), IsOk());
  };
  for (int i = 0; i < 10; ++i) call();
  const size_t entries = Entries().size(), descriptors = OpenDescriptors();
  const size_t theirs = OpenDescriptorsOf(session.worker_pid());
  for (int i = 0; i < 500; ++i) call();
  EXPECT_EQ(Entries().size(), entries);
  EXPECT_EQ(OpenDescriptors(), descriptors);
  EXPECT_EQ(OpenDescriptorsOf(session.worker_pid()), theirs);
}

// No byte is left in /dev/shm, before or after a session's start.

class FullDevShmTest : public PosixSessionTest {
 protected:
  // Runs `body` in a child that has a /dev/shm of its own, of 64 KiB.
  void WithSmallDevShm(const std::function<void()>& body) {
    constexpr int kCanNot = 77;
    ChildProcess child([&] {
      if (!MountSmallDisk("/dev/shm")) {
        std::fprintf(stderr, "no mount of its own: %s\n", ::strerror(errno));
        return kCanNot;
      }
      body();
      return HasFailure() ? 1 : 0;
    });
    const int end = child.Wait();
    if (end == kCanNot) GTEST_SKIP() << "this system lets no user mount a small disk of its own";
    EXPECT_EQ(end, 0);
  }
};

TEST_F(FullDevShmTest, I8WhatNeedsMemoryThereIsAStatusAndTheRestGoesOn) {
  WithSmallDevShm([&] {
    Session session = Start();
    FillUp("/dev/shm");
    const auto is_full =
        StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("the size of /dev/shm"));
    EXPECT_THAT(session.NewArray<double>({1000}), is_full);
    EXPECT_THAT(session.Call("arrays.sum", Counting(1000)), is_full);
    EXPECT_THAT(session.Call("arrays.make", 1000, true), is_full) << "the worker's";
    EXPECT_THAT(session.Call("arrays.make", 1000, false), is_full);
    EXPECT_THAT(session.Call<int>("echo.integer", 7), IsOkAndHolds(7));
    EXPECT_THAT(session.Restart(), IsOk());
    EXPECT_THAT(session.Call<int>("echo.integer", 8), IsOkAndHolds(8));
    ASSERT_EQ(::unlink("/dev/shm/full"), 0);
    EXPECT_THAT(session.Call<int>("echo.integer", 9), IsOkAndHolds(9));
  });
}

TEST_F(FullDevShmTest, SegmentsWithoutNamesDoNotNeedIt) {
  WithSmallDevShm([&] {
    FillUp("/dev/shm");
    Session session = StartGood();
    EXPECT_THAT(session.Call<double>("arrays.sum", Counting(100'000)),
                IsOkAndHolds(SumOfCounting(100'000)));
    EXPECT_THAT(session.Call("arrays.make", 100'000, true), IsOk());
    EXPECT_THAT(session.NewArray<double>({100'000}), IsOk());
  });
}

}  // namespace
}  // namespace slabpipe::tests
