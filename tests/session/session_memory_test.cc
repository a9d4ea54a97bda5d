// What calls cost in shared memory, and how long decoded values live.

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <iostream>
#include <numeric>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/codec/buffer.h"
#include "slabpipe/codec/ndarray.h"
#include "slabpipe/session/session.h"
#include "slabpipe/tests/session/session_testing.h"
#include "slabpipe/tests/testing/child_process.h"
#include "slabpipe/tests/testing/process_state.h"
#include "slabpipe/tests/testing/sanitizers.h"
#include "slabpipe/tests/testing/status_matchers.h"

namespace slabpipe::tests {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int64_t kSize = 10'000;

class SessionMemoryTest : public SessionTest {
 protected:
  SessionMemoryTest() : session(StartGood()) {}

  NdArray<double> NewCounting(int64_t size) {
    NdArray<double> array = *session.NewArray<double>({size});
    for (int64_t i = 0; i < size; ++i) array(i) = static_cast<double>(i);
    return array;
  }
  NdArray<const double> Make(bool reserved) {
    auto array = session.Call<NdArray<const double>>("arrays.make", kSize, reserved);
    EXPECT_THAT(array, IsOk());
    return *array;
  }

  Session session;
};

// Copies.

TEST_F(SessionMemoryTest, AnArrayInPrivateMemoryIsCopiedOnce) {
  ASSERT_THAT(session.Call<double>("arrays.sum", Counting(kSize)), IsOk());
  EXPECT_EQ(session.stats().pool.copies, 1u);
  EXPECT_EQ(session.stats().pool.bytes_copied, kSize * sizeof(double));
}

TEST_F(SessionMemoryTest, AReservedArrayIsNotCopied) {
  const NdArray<double> array = NewCounting(kSize);
  const ShmPoolStats before = session.stats().pool;
  EXPECT_EQ(session.Call<double>("arrays.sum", array).value(), SumOfCounting(kSize));
  EXPECT_EQ(session.Call<double>("arrays.sum", *array.Slice(0, 5, 10)).value(), 5 + 6 + 7 + 8 + 9);
  EXPECT_EQ(session.stats().pool.copies, before.copies);
  EXPECT_EQ(session.stats().pool.slabs_opened, before.slabs_opened) << "and no slab is opened";
  EXPECT_EQ(session.stats().pool.own.segments_created, before.own.segments_created);
}

TEST_F(SessionMemoryTest, AnEchoOfMainsArrayIsTheVerySameMemory) {
  const NdArray<double> array = NewCounting(kSize);
  auto echo = session.Call<NdArray<const double>>("echo.doubles", array);
  ASSERT_THAT(echo, IsOk());
  EXPECT_EQ(echo->data(), array.data());
  EXPECT_EQ(session.stats().pool.peer.segments_mapped, 0u) << "the worker made no segment";

  auto of_private = session.Call<NdArray<const double>>("echo.doubles", Counting(kSize));
  ASSERT_THAT(of_private, IsOk());
  EXPECT_EQ(of_private->ToVector(), Counting(kSize).ToVector());
  EXPECT_EQ(session.stats().pool.peer.segments_mapped, 0u);
}

TEST_F(SessionMemoryTest, ADecodedArrayIsSentBackWithoutACopy) {
  const NdArray<const double> array = Make(false);
  const ShmPoolStats before = session.stats().pool;
  auto echo = session.Call<NdArray<const double>>("echo.doubles", *array.Slice(0, 10, 20));
  ASSERT_THAT(echo, IsOk());
  EXPECT_EQ(echo->data(), array.data() + 10);
  EXPECT_EQ(session.stats().pool.copies, before.copies);
  EXPECT_EQ(session.stats().pool.peer.segments_mapped, before.peer.segments_mapped);
}

// The worker's own counters can't be seen from here. That nothing was copied is told by writing to
// the worker's array later, which is wrong, and by seeing it in the answer.
TEST_F(SessionMemoryTest, AResultThatTheWorkerHasReservedIsNotCopied) {
  auto reserved = session.Call<NdArray<const double>>("arrays.make_and_keep", kSize, true);
  ASSERT_THAT(reserved, IsOk());
  EXPECT_EQ((*reserved)(3), 3);
  ASSERT_THAT(session.Call("arrays.poke", 3, -1.0), IsOk());
  EXPECT_EQ((*reserved)(3), -1) << "the same memory";

  auto copied = session.Call<NdArray<const double>>("arrays.make_and_keep", kSize, false);
  ASSERT_THAT(copied, IsOk());
  ASSERT_THAT(session.Call("arrays.poke", 3, -1.0), IsOk());
  EXPECT_EQ((*copied)(3), 3) << "a private array's copy is its own";
}

TEST_F(SessionMemoryTest, WhatIsDecodedMayOnlyBeRead) {
  EXPECT_EQ(MappingRights(Make(true).data()), "r--s");
}

// Segments.

TEST_F(SessionMemoryTest, ThousandsOfArraysInOneMessageCostOneSegment) {
  constexpr int64_t kArrays = 2500;
  const std::vector<NdArray<double>> arrays(kArrays, Counting(10));
  const pid_t worker = session.worker_pid();
  const size_t worker_mappings = SegmentMappingsOf(worker), mappings = SegmentMappings();
  EXPECT_EQ(session.Call<double>("arrays.sum_all", arrays).value(), kArrays * SumOfCounting(10));
  EXPECT_EQ(session.stats().pool.own.segments_created, 1u);
  EXPECT_EQ(session.stats().pool.slabs_opened, 1u);
  EXPECT_EQ(session.stats().pool.blocks, static_cast<uint64_t>(kArrays));
  EXPECT_EQ(SegmentMappingsOf(worker), worker_mappings + 1);
  EXPECT_EQ(SegmentMappings(), mappings + 1);

  auto back = session.Call<std::vector<NdArray<const double>>>("arrays.make_many", kArrays, 10);
  ASSERT_THAT(back, IsOk());
  ASSERT_EQ(back->size(), static_cast<size_t>(kArrays));
  EXPECT_EQ(back->back().ToVector(), Counting(10).ToVector());
  EXPECT_EQ(session.stats().pool.peer.segments_mapped, 1u);
  EXPECT_EQ(SegmentMappings(), mappings + 2);
  EXPECT_EQ(SegmentMappingsOf(worker), worker_mappings + 2);
}

// More than the 253 descriptors that one message may bring.
TEST_F(SessionMemoryTest, ThousandsOfReservedArraysTravelInOneMessage) {
  constexpr int64_t kArrays = 2500;
  for (const int64_t size : {10, 1000}) {
    std::vector<NdArray<double>> arrays;
    for (int64_t i = 0; i < kArrays; ++i) {
      arrays.push_back(NewCounting(size));
      arrays.back()(0) = static_cast<double>(i);
    }
    const ShmPoolStats before = session.stats().pool;
    const double own = static_cast<double>(kArrays * (kArrays - 1) / 2);
    EXPECT_EQ(session.Call<double>("arrays.sum_all", arrays).value(),
              kArrays * SumOfCounting(size) + own);
    EXPECT_EQ(session.stats().pool.copies, before.copies);
    EXPECT_EQ(session.stats().pool.slabs_opened, before.slabs_opened);
    EXPECT_LE(before.own.segments, 10u) << "they share slabs";
    EXPECT_EQ(session.stats().pool.own.grants_out, 0u);

    auto back =
        session.Call<std::vector<NdArray<const double>>>("arrays.make_many", kArrays, size, true);
    ASSERT_THAT(back, IsOk());
    ASSERT_EQ(back->size(), static_cast<size_t>(kArrays));
    for (const NdArray<const double>& array : *back) {
      ASSERT_EQ(array(1), 1);
      ASSERT_EQ(array(size - 1), static_cast<double>(size - 1));
    }
    EXPECT_LE(session.stats().pool.peer.segments_mapped, 20u);
  }
}

TEST_F(SessionMemoryTest, I4MessagesWithSmallArraysCreateNoSegmentsOnceWarm) {
  const auto call = [&](int i) {
    NdArray<double> array = *session.NewArray<double>({10 + i % 7});
    std::iota(array.span().begin(), array.span().end(), 0.0);
    EXPECT_EQ(session.Call<double>("arrays.sum", array).value(), SumOfCounting(10 + i % 7));
    EXPECT_EQ(session.Call<double>("arrays.sum", Counting(20)).value(), SumOfCounting(20));
    auto made = session.Call<NdArray<const double>>("arrays.make", 30, i % 2 == 0);
    ASSERT_THAT(made, IsOk());
    ASSERT_EQ((*made)(29), 29);
  };
  for (int i = 0; i < 50; ++i) call(i);
  const ShmPoolStats before = session.stats().pool;
  const size_t descriptors = OpenDescriptors(), mappings = SegmentMappings();
  for (int i = 0; i < 1000; ++i) call(i);
  const ShmPoolStats after = session.stats().pool;
  EXPECT_EQ(after.own.segments_created, before.own.segments_created);
  EXPECT_EQ(after.peer.segments_mapped, before.peer.segments_mapped);
  EXPECT_EQ(OpenDescriptors(), descriptors);
  EXPECT_EQ(SegmentMappings(), mappings);
}

TEST_F(SessionMemoryTest, I1ThePoolIsClearedBeforeEachSend) {
  ASSERT_THAT(session.Call<double>("arrays.sum", Counting(kSize)), IsOk());
  EXPECT_EQ(session.stats().pool.pins, 1u) << "the slab of what was sent";
  const NdArray<const double> kept = Make(false);
  EXPECT_EQ(session.stats().pool.pins, 1u) << "the slab that came, no longer the one that went";
  ASSERT_THAT(session.Ping(absl::Seconds(30)), IsOk());
  EXPECT_EQ(session.stats().pool.pins, 0u);
  EXPECT_EQ(session.stats().pool.peer.leases, 1u) << "pins are dropped, leases never";
  EXPECT_EQ(kept.ToVector(), Counting(kSize).ToVector());
}

// What main frees the worker may use again only if its response was preceded by a clear, too.
TEST_F(SessionMemoryTest, I1TheWorkersPoolIsClearedBeforeEachResponse) {
  for (int i = 0; i < 20; ++i) Make(false);
  EXPECT_LE(session.stats().pool.peer.segments_mapped, 2u);
  for (int i = 0; i < 20; ++i) ASSERT_THAT(session.Call("arrays.sum", Counting(kSize)), IsOk());
  EXPECT_LE(session.stats().pool.own.segments_created, 2u);
}

TEST_F(SessionMemoryTest, WhatTheWorkerKeepsIsNotUsedAgainUntilItLetsGo) {
  ASSERT_THAT(session.Call("arrays.keep", Counting(100)), IsOk());
  for (int i = 0; i < 20; ++i) {
    ASSERT_THAT(session.Call("arrays.sum", *NdArray<double>::Create({100})), IsOk());
  }
  EXPECT_EQ(session.Call<double>("arrays.sum_of_kept").value(), SumOfCounting(100));
  EXPECT_EQ(session.stats().pool.own.grants_out, 1u);
  ASSERT_THAT(session.Call("arrays.drop"), IsOk());
  EXPECT_EQ(session.stats().pool.own.grants_out, 0u) << "the lease came back with the answer";
}

TEST_F(SessionMemoryTest, LeasesOnArgumentsComeBackWithTheAnswer) {
  const NdArray<double> array = NewCounting(kSize);
  ASSERT_THAT(session.Call("arrays.sum", array), IsOk());
  EXPECT_EQ(session.stats().pool.own.grants_out, 0u);
  ASSERT_THAT(session.Call("arrays.sum", Counting(kSize)), IsOk());
  EXPECT_EQ(session.stats().pool.own.grants_out, 0u);
  ASSERT_THAT(session.Call("arrays.make", kSize, true), IsOk());
  ASSERT_FALSE(session.Call("arguments.subtract", array, 1).ok()) << "they do with an error, too";
  EXPECT_EQ(session.stats().pool.own.grants_out, 0u);
}

// The worker gives the lease on its argument back as soon as it has answered, by the log; the
// answer speaks of the same memory, and may be read later. Somebody looks into the log all the
// time.
TEST_F(SessionMemoryTest, AnEchoWhoseLeaseIsGivenBackAtOnceIsNeverStale) {
  constexpr int kEchoes = kSanitized ? 2'000 : 20'000;
  NdArray<double> array = Counting(300);
  std::atomic<bool> over = false;
  std::thread looker([&] {
    while (!over) session.stats();
  });
  absl::Cleanup join = [&] {
    over = true;
    looker.join();
  };
  for (int i = 0; i < kEchoes; ++i) {
    array(0) = i;
    auto echo = session.Call<NdArray<const double>>("echo.doubles", array);
    ASSERT_THAT(echo, IsOk()) << i;
    ASSERT_EQ((*echo)(0), i);
    ASSERT_EQ((*echo)(299), 299);
  }
  EXPECT_EQ(session.stats().restarts, 0u);
  EXPECT_EQ(session.stats().pool.peer.segments_mapped, 0u) << "they were echoes";
}

TEST_F(SessionMemoryTest, EchoesToManyThreadsAreNeverStale) {
  constexpr int kThreads = 4, kEchoes = kSanitized ? 500 : 3'000;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      NdArray<double> array = Counting(100 * (t + 1));
      for (int i = 0; i < kEchoes; ++i) {
        array(0) = i;
        auto echo = session.Call<NdArray<const double>>("echo.doubles", array);
        ASSERT_TRUE(echo.ok()) << echo.status();
        ASSERT_EQ((*echo)(0), i) << "of this thread's own";
        ASSERT_EQ(echo->size(), 100 * (t + 1));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(session.stats().restarts, 0u);
}

TEST_F(SessionMemoryTest, ManyGrantsOfWhatTheWorkerKeepsComeBackTogether) {
  constexpr int kEchoes = 2'000;  // more than the log has entries
  const NdArray<double> array = NewCounting(kSize);
  ASSERT_THAT(session.Call("arrays.keep", array), IsOk());
  for (int i = 0; i < kEchoes; ++i) {
    auto echo = session.Call<NdArray<const double>>("echo.doubles", array);
    ASSERT_THAT(echo, IsOk());
    ASSERT_EQ(echo->data(), array.data());
  }
  EXPECT_EQ(session.stats().pool.own.grants_out, uint64_t{1 + kEchoes});
  ASSERT_THAT(session.Call("arrays.drop"), IsOk());
  EXPECT_EQ(session.stats().pool.own.grants_out, 0u);
  EXPECT_EQ(session.Call<double>("arrays.sum", array).value(), SumOfCounting(kSize));
}

TEST_F(SessionMemoryTest, LeasesComeBackWithoutAnyCall) {
  Gate gate;
  ASSERT_THAT(session.Call("arrays.keep", Counting(kSize)), IsOk());
  ASSERT_THAT(session.Call("arrays.drop_when", gate.path()), IsOk());
  const SlabHeapStats before = session.stats().pool.own;
  EXPECT_EQ(before.grants_out, 1u);
  gate.AwaitArrival();
  gate.Open();
  log.AwaitText("dropped");
  const SlabHeapStats after = session.stats().pool.own;
  EXPECT_EQ(after.grants_out, 0u);
  EXPECT_GE(after.free_bytes, before.free_bytes + kSize * sizeof(double));
  // And the memory is used again at once.
  NdArray<double> next = NewCounting(kSize);
  ASSERT_THAT(session.Call("arrays.sum", Counting(kSize)), IsOk());
  EXPECT_EQ(session.Call<double>("arrays.sum", next).value(), SumOfCounting(kSize));
}

TEST_F(SessionMemoryTest, WithoutARingLeasesComeBackWithTheNextMessage) {
  SessionOptions options = GoodOptions();
  options.pipe.ring_bytes = 0;
  Session ringless = StartGood(std::move(options));
  Gate gate;
  ASSERT_THAT(ringless.Call("arrays.keep", Counting(kSize)), IsOk());
  ASSERT_THAT(ringless.Call("arrays.drop_when", gate.path()), IsOk());
  gate.AwaitArrival();
  gate.Open();
  log.AwaitText("dropped");
  EXPECT_EQ(ringless.stats().pool.own.grants_out, 1u) << "there is no log";
  ASSERT_THAT(ringless.Ping(absl::Seconds(30)), IsOk());
  EXPECT_EQ(ringless.stats().pool.own.grants_out, 0u);
}

struct Usage {
  size_t descriptors, mappings, resident;
  size_t worker_descriptors, worker_mappings, worker_resident;
  uint64_t created, mapped;
};

Usage UsageOf(const Session& session) {
  const pid_t worker = session.worker_pid();
  const ShmPoolStats pool = session.stats().pool;
  return {.descriptors = OpenDescriptors(),
          .mappings = SegmentMappings(),
          .resident = ResidentBytes(),
          .worker_descriptors = OpenDescriptorsOf(worker),
          .worker_mappings = SegmentMappingsOf(worker),
          .worker_resident = ResidentBytesOf(worker),
          .created = pool.own.segments_created,
          .mapped = pool.peer.segments_mapped};
}

TEST_F(SessionMemoryTest, I4TenThousandCallsLeaveEverythingWhereItWas) {
  const NdArray<double> array = Counting(1000);
  const auto call = [&](int i) {
    auto back = session.Call<NdArray<const double>>("echo.doubles", array);
    ASSERT_THAT(back, IsOk());
    ASSERT_EQ((*back)(999), 999);
    if (i % 4 == 0) {
      ASSERT_THAT(session.Call("arrays.make", 2000, i % 8 == 0), IsOk());
    }
    if (i % 16 == 1) {
      ASSERT_FALSE(session.Call("errors.throw", "x").ok());
    }
    if (i % 16 == 2) {
      ASSERT_THAT(session.Call("echo.text", std::string(10'000, 'x')), IsOk());
    }
  };
  for (int i = 0; i < 500; ++i) call(i);
  const Usage before = UsageOf(session);
  constexpr int kCalls = kSanitized ? 2'000 : 10'000;
  for (int i = 0; i < kCalls; ++i) call(i);
  const Usage after = UsageOf(session);
  EXPECT_EQ(after.descriptors, before.descriptors);
  EXPECT_EQ(after.mappings, before.mappings);
  EXPECT_EQ(after.worker_descriptors, before.worker_descriptors);
  EXPECT_EQ(after.worker_mappings, before.worker_mappings);
  EXPECT_EQ(after.created, before.created);
  EXPECT_EQ(after.mapped, before.mapped);
  if (!kSanitized) {                    // which keep freed memory for a while
    constexpr size_t kSlack = 1 << 20;  // of 80 MB that went through each
    EXPECT_LT(after.resident, before.resident + kSlack);
    EXPECT_LT(after.worker_resident, before.worker_resident + kSlack);
  }
}

TEST_F(SessionMemoryTest, FreeMemoryAboveTheCapIsGivenBackOnBothSides) {
  SessionOptions options = GoodOptions();
  options.max_kept_bytes = 0;
  Session frugal = StartGood(std::move(options));
  for (int i = 1; i <= 10; ++i) {
    ASSERT_THAT(frugal.Call<double>("arrays.sum", Counting(10'000 * i)), IsOk());
  }
  ASSERT_THAT(frugal.Ping(absl::Seconds(30)), IsOk());  // clears the pool, tells what is retired
  EXPECT_EQ(frugal.stats().pool.own.free_bytes, 0u);
  ASSERT_THAT(frugal.Ping(absl::Seconds(30)), IsOk());
  EXPECT_LE(SegmentMappingsOf(frugal.worker_pid()), 1u);
}

TEST_F(SessionMemoryTest, MemoryGoesBackWhenTheObjectDies) {
  std::optional<NdArray<const double>> array = Make(false);
  const WeakBuffer watch(array->buffer());
  ASSERT_THAT(session.Ping(absl::Seconds(30)), IsOk());
  EXPECT_FALSE(watch.expired());
  array.reset();
  EXPECT_TRUE(watch.expired());
}

TEST_F(SessionMemoryTest, I2WhatIsHeldNeverChangesUnderItsHolder) {
  std::vector<NdArray<const double>> held;
  for (int i = 0; i < 200; ++i) held.push_back(Make(i % 2 == 0));
  for (const NdArray<const double>& array : held) {
    ASSERT_EQ(array.ToVector(), Counting(kSize).ToVector());
  }
}

// Decoded values outlive what brought them.

class OutliveTest : public SessionMemoryTest {
 protected:
  void SetUp() override {
    theirs = Make(true);
    echo = *session.Call<NdArray<const double>>("echo.doubles", NewCounting(kSize));
    mine = NewCounting(kSize);
  }
  void ExpectUnharmed() {
    const std::vector<double> want = Counting(kSize).ToVector();
    EXPECT_EQ(theirs.ToVector(), want);
    EXPECT_EQ(echo.ToVector(), want);
    EXPECT_EQ(mine.ToVector(), want);
  }
  // Fill all memory that is thought free with something else.
  void UseMuchMemory() {
    for (int i = 0; i < 20; ++i) {
      ASSERT_THAT(session.Call("echo.doubles", *NdArray<double>::Create({kSize})), IsOk());
      ASSERT_THAT(session.Call("arrays.make", 2 * kSize, true), IsOk());
    }
  }

  NdArray<const double> theirs, echo;
  NdArray<double> mine;
};

TEST_F(OutliveTest, I2ValuesOutliveARestart) {
  ASSERT_THAT(session.Restart(), IsOk());
  UseMuchMemory();
  ExpectUnharmed();
  EXPECT_EQ(session.Call<double>("arrays.sum", theirs).value(), SumOfCounting(kSize))
      << "and can be sent to the new worker";
  EXPECT_EQ(session.Call<double>("arrays.sum", mine).value(), SumOfCounting(kSize));
  EXPECT_EQ(session.Call<double>("arrays.sum", echo).value(), SumOfCounting(kSize));
}

TEST_F(OutliveTest, I2ValuesOutliveACrash) {
  EXPECT_THAT(session.Call("process.die", "kill"), StatusIs(absl::StatusCode::kUnavailable));
  UseMuchMemory();
  ExpectUnharmed();
  EXPECT_EQ(session.Call<double>("arrays.sum", theirs).value(), SumOfCounting(kSize));
}

TEST_F(OutliveTest, I2ValuesOutliveAShutdownAndTheSession) {
  ASSERT_THAT(session.Shutdown(absl::Seconds(30)), IsOk());
  ExpectUnharmed();
  { Session gone = std::move(session); }
  ExpectUnharmed();
  mine(0) = 5;
  EXPECT_EQ(mine(0), 5);
}

TEST_F(OutliveTest, AnArrayOfAnotherWorkersTimeCostsACopyThenNoMore) {
  ASSERT_THAT(session.Restart(), IsOk());
  const uint64_t copies = session.stats().pool.copies;
  ASSERT_THAT(session.Call("arrays.sum", mine), IsOk());
  EXPECT_EQ(session.stats().pool.copies, copies) << "main's own is never copied";
  ASSERT_THAT(session.Call("arrays.sum", theirs), IsOk());
  EXPECT_EQ(session.stats().pool.copies, copies + 1) << "the old worker's is";
}

// Limits.

class LimitsTest : public SessionTest {};

TEST_F(LimitsTest, NewArrayRefusesShapesThatAreNone) {
  Session session = StartGood();
  EXPECT_THAT(session.NewArray<double>({-1}), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(session.NewArray<double>({int64_t{1} << 62, 4}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(session.NewArray<double>({0}), IsOk());
}

TEST_F(LimitsTest, I8TooLittleMemoryIsAStatus) {
  Session session = StartGood();
  EXPECT_THAT(session.NewArray<double>({int64_t{1} << 45}),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(session.Call("arrays.make", int64_t{1} << 45, true),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(session.Call("arguments.none"), IsOk());
}

// Starts a session with `limit` descriptors allowed. In a child.
void StartWithDescriptors(int limit, SessionOptions options, absl::Status& result) {
  rlimit descriptors;
  ::getrlimit(RLIMIT_NOFILE, &descriptors);
  descriptors.rlim_cur = static_cast<rlim_t>(limit);
  ::setrlimit(RLIMIT_NOFILE, &descriptors);
  result = Session::Start(std::move(options)).status();
}

TEST_F(LimitsTest, I8AStartWithTooFewDescriptorsIsAStatus) {
  if (!CanRunWithoutDescriptors()) GTEST_SKIP() << "not under this sanitizer";
  int failed = 0;
  bool started = false;
  for (int limit = 3; !started && limit < 64; ++limit) {
    ChildProcess child([&] {
      absl::Status status;
      StartWithDescriptors(limit, GoodOptions(), status);
      const bool clean = Children().empty();
      if (status.ok()) return clean ? 0 : 2;
      if (status.code() != absl::StatusCode::kResourceExhausted) {
        std::cerr << limit << " descriptors: " << status << "\n";
        return 3;
      }
      return clean ? 1 : 4;
    });
    const int end = child.Wait();
    EXPECT_THAT(end, AnyOf(0, 1)) << "with " << limit << " descriptors";
    started = end == 0;
    failed += end == 1 ? 1 : 0;
  }
  EXPECT_TRUE(started);
  EXPECT_GT(failed, 3);
}

TEST_F(LimitsTest, I8ACallWithoutDescriptorsIsAStatusAndSmallOnesStillWork) {
  if (!CanRunWithoutDescriptors()) GTEST_SKIP() << "not under this sanitizer";
  EXPECT_TRUE(PassesInChild([&] {
    Session session = StartGood();
    UseUpDescriptors();
    EXPECT_THAT(session.Call("arrays.sum", Counting(kSize)),
                StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("ulimit -n")));
    EXPECT_THAT(session.NewArray<double>({kSize}), StatusIs(absl::StatusCode::kResourceExhausted));
    EXPECT_EQ(session.Call<int>("echo.integer", 5).value(), 5);
  }));
}

TEST_F(LimitsTest, I8AnAnswerForWhichThereIsNoDescriptorEndsTheCallWithAStatus) {
  if (!CanRunWithoutDescriptors()) GTEST_SKIP() << "not under this sanitizer";
  EXPECT_TRUE(PassesInChild([&] {
    SessionOptions options = GoodOptions();
    options.restart = RestartPolicy::Never();
    Session session = StartGood(std::move(options));
    UseUpDescriptors();
    EXPECT_THAT(session.Call("arrays.make", kSize, true),
                StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("ulimit -n")));
  }));
}

TEST_F(LimitsTest, I8AWorkerWithoutDescriptorsSaysSoAndGoesOn) {
  if (!CanRunWithoutDescriptors()) GTEST_SKIP() << "not under this sanitizer";
  Session session = StartGood();
  ASSERT_THAT(session.Call("process.use_up_descriptors"), IsOk());
  EXPECT_THAT(session.Call("arrays.make", kSize, true),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("ulimit -n")));
  EXPECT_EQ(session.Call<int>("echo.integer", 5).value(), 5);
}

}  // namespace
}  // namespace slabpipe::tests
