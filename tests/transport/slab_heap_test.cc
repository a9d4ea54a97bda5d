#include "slabpipe/transport/slab_heap.h"

#include <string.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/tests/testing/fake_segment_provider.h"
#include "slabpipe/tests/testing/process_state.h"
#include "slabpipe/tests/testing/status_matchers.h"
#include "slabpipe/tests/testing/watchdog.h"
#include "slabpipe/tests/transport/heap_control.h"
#include "slabpipe/transport/lease_log.h"
#include "slabpipe/transport/memfd_segment.h"
#include "slabpipe/transport/posix_segment.h"
#include "slabpipe/transport/wait.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::FakeSegmentProvider;
using ::slabpipe::tests::HeapControl;
using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using LeasePtr = std::shared_ptr<const Lease>;

constexpr size_t kSmall = size_t{64} << 10;  // the smallest slab there is

class SlabHeapTest : public ::testing::Test {
 protected:
  std::shared_ptr<SlabHeap> NewHeap(size_t max_kept_bytes = size_t{1} << 30) {
    return SlabHeap::Create({.name_prefix = "m.", .max_kept_bytes = max_kept_bytes}, provider_);
  }
  static LeasePtr Open(SlabHeap& heap, size_t capacity = kSmall) {
    absl::StatusOr<LeasePtr> lease = heap.Open(capacity);
    EXPECT_THAT(lease, IsOk());
    return lease.ok() ? *std::move(lease) : nullptr;
  }

  std::shared_ptr<FakeSegmentProvider> provider_ =
      std::make_shared<FakeSegmentProvider>(std::make_shared<MemfdSegmentProvider>());

 private:
  tests::Watchdog watchdog_;
};

TEST_F(SlabHeapTest, OpensAWritableSlabOfAtLeastTheCapacity) {
  for (size_t capacity : {size_t{0}, size_t{1}, kSmall, kSmall + 1, size_t{1'000'000}}) {
    std::shared_ptr<SlabHeap> heap = NewHeap();
    LeasePtr lease = Open(*heap, capacity);
    EXPECT_GE(lease->segment().size_bytes(), capacity);
    EXPECT_LE(lease->segment().size_bytes(), std::max(kSmall, capacity + capacity / 4 + 1));
    EXPECT_NE(lease->segment().mutable_data(), nullptr);
    EXPECT_EQ(lease->generation(), 1u);
    EXPECT_EQ(lease->origin(), heap.get());
    EXPECT_TRUE(heap->OwnsName(lease->segment().name()));
  }
}

TEST_F(SlabHeapTest, SlabsInUseAreNotHandedOutAgain) {
  std::shared_ptr<SlabHeap> heap = NewHeap();
  LeasePtr first = Open(*heap);
  LeasePtr second = Open(*heap);
  EXPECT_NE(&first->segment(), &second->segment());
  EXPECT_NE(first->segment().name(), second->segment().name());
  EXPECT_EQ(heap->stats().segments, 2u);
}

TEST_F(SlabHeapTest, AFreeSlabIsUsedAgainInTheNextGeneration) {
  std::shared_ptr<SlabHeap> heap = NewHeap();
  const Segment* segment = &Open(*heap)->segment();
  EXPECT_EQ(heap->stats().free_bytes, kSmall);
  for (uint64_t generation = 2; generation < 10; ++generation) {
    LeasePtr lease = Open(*heap);
    EXPECT_EQ(&lease->segment(), segment);
    EXPECT_EQ(lease->generation(), generation);
  }
  EXPECT_EQ(provider_->creates(), 1);
  EXPECT_EQ(heap->stats().segments_created, 1u);
  EXPECT_EQ(heap->stats().slabs_reused, 8u);
}

TEST_F(SlabHeapTest, MemoryThatIsUsedAgainIsWarm) {
  constexpr size_t kBytes = 8 << 20;
  constexpr int64_t kPages = kBytes / 4096;
  std::shared_ptr<SlabHeap> heap = NewHeap();
  memset(Open(*heap, kBytes)->segment().mutable_data(), 1, kBytes);
  LeasePtr again = Open(*heap, kBytes);
  EXPECT_EQ(again->segment().data()[kBytes - 1], std::byte{1}) << "what the last use left there";
  const int64_t before = tests::PageFaults();
  memset(again->segment().mutable_data(), 2, kBytes);
  EXPECT_LT(tests::PageFaults() - before, kPages / 16);
}

TEST_F(SlabHeapTest, TheBestFitIsTaken) {
  std::shared_ptr<SlabHeap> heap = NewHeap();
  LeasePtr large = Open(*heap, 4 * kSmall);
  LeasePtr medium = Open(*heap, 2 * kSmall);
  const Segment* medium_segment = &medium->segment();
  medium.reset();
  large.reset();
  EXPECT_EQ(&Open(*heap, 2 * kSmall)->segment(), medium_segment);
  EXPECT_EQ(provider_->creates(), 2);
}

TEST_F(SlabHeapTest, ASmallRequestDoesNotTakeABigSlab) {
  std::shared_ptr<SlabHeap> heap = NewHeap();
  Open(*heap, 64 * kSmall).reset();
  LeasePtr small = Open(*heap, 1);
  EXPECT_EQ(small->segment().size_bytes(), kSmall);
}

TEST_F(SlabHeapTest, ALargerSlabIsTakenIfItIsNotMuchLarger) {
  std::shared_ptr<SlabHeap> heap = NewHeap();
  Open(*heap, 4 * kSmall).reset();
  EXPECT_EQ(Open(*heap, 1)->segment().size_bytes(), 4 * kSmall);
}

TEST_F(SlabHeapTest, SimilarRequestsShareASlab) {
  std::shared_ptr<SlabHeap> heap = NewHeap();
  for (size_t capacity = 1'000'000; capacity > 930'000; capacity -= 10'000) {
    EXPECT_NE(Open(*heap, capacity), nullptr);
  }
  EXPECT_EQ(provider_->creates(), 1);
}

TEST_F(SlabHeapTest, ASlabIsFreeOnlyWhenLeasesAndGrantsAreGone) {
  std::shared_ptr<SlabHeap> heap = NewHeap();
  LeasePtr lease = Open(*heap);
  LeasePtr another = *heap->Find("m.1", 1);
  heap->Grant(*lease);
  heap->Grant(*lease);
  lease.reset();
  EXPECT_EQ(heap->stats().free_bytes, 0u);
  another.reset();
  EXPECT_EQ(heap->stats().free_bytes, 0u);
  EXPECT_EQ(heap->stats().grants_out, 2u);
  EXPECT_THAT(heap->Return(0, 1, 1), IsOk());
  EXPECT_EQ(heap->stats().free_bytes, 0u);
  EXPECT_THAT(heap->Return(0, 1, 1), IsOk());
  EXPECT_EQ(heap->stats().free_bytes, kSmall);
  EXPECT_EQ(heap->stats().grants_out, 0u);
}

TEST_F(SlabHeapTest, FindsOnlyUsesThatGoOn) {
  std::shared_ptr<SlabHeap> heap = NewHeap();
  LeasePtr lease = Open(*heap);
  EXPECT_THAT(heap->Find("m.1", 1), IsOk());
  const auto not_found = StatusIs(absl::StatusCode::kNotFound);
  EXPECT_THAT(heap->Find("m.1", 2), not_found);
  EXPECT_THAT(heap->Find("m.2", 1), not_found);
  lease.reset();
  EXPECT_THAT(heap->Find("m.1", 1), not_found) << "that use is over";
  lease = Open(*heap);
  EXPECT_THAT(heap->Find("m.1", 1), not_found) << "stale";
  EXPECT_THAT(heap->Find("m.1", 2), IsOk());
}

TEST_F(SlabHeapTest, AnEchoMustNameWhatThePeerHolds) {
  std::shared_ptr<SlabHeap> heap = NewHeap();
  LeasePtr lease = Open(*heap);
  const auto stale = StatusIs(absl::StatusCode::kDataLoss, HasSubstr("stale"));
  EXPECT_THAT(heap->FindGranted(0, 1), stale) << "in use here, but never granted";
  heap->Grant(*lease);
  EXPECT_THAT(heap->FindGranted(0, 1), IsOk());
  EXPECT_THAT(heap->FindGranted(0, 0), stale);
  EXPECT_THAT(heap->FindGranted(0, 2), stale);
  EXPECT_THAT(heap->FindGranted(1, 1), stale);
  EXPECT_THAT(heap->Return(0, 1, 1), IsOk());
  EXPECT_THAT(heap->FindGranted(0, 1), stale) << "it has given that back";
}

TEST_F(SlabHeapTest, OwnsItsNamesOnly) {
  std::shared_ptr<SlabHeap> heap = NewHeap();
  EXPECT_TRUE(heap->OwnsName("m.1"));
  EXPECT_FALSE(heap->OwnsName("w.1"));
  EXPECT_FALSE(heap->OwnsName("m"));
  EXPECT_FALSE(heap->OwnsName(""));
}

TEST_F(SlabHeapTest, TheSegmentIsAnnouncedOnce) {
  std::shared_ptr<SlabHeap> heap = NewHeap();
  LeasePtr lease = Open(*heap);
  const SegmentGrantInfo first = heap->Grant(*lease);
  EXPECT_EQ(first.slot, lease->slot());
  EXPECT_EQ(first.generation, 1u);
  EXPECT_EQ(first.first.get(), &lease->segment()) << "with its name, size and descriptor";
  EXPECT_EQ(heap->Grant(*lease).first, nullptr);
  lease.reset();
  EXPECT_THAT(heap->Return(0, 1, 2), IsOk());
  lease = Open(*heap);
  const SegmentGrantInfo again = heap->Grant(*lease);
  EXPECT_EQ(again.slot, first.slot);
  EXPECT_EQ(again.generation, 2u);
  EXPECT_EQ(again.first, nullptr) << "the peer has it mapped still";
}

TEST_F(SlabHeapTest, AGrantThatWasNotSentIsTakenBack) {
  std::shared_ptr<SlabHeap> heap = NewHeap();
  LeasePtr lease = Open(*heap);
  const SegmentGrantInfo grant = heap->Grant(*lease);
  heap->Ungrant(grant);
  EXPECT_EQ(heap->stats().grants_out, 0u);
  EXPECT_EQ(heap->Grant(*lease).first, grant.first) << "the peer never got it";
  EXPECT_NE(grant.first, nullptr);
  lease.reset();
  EXPECT_EQ(heap->stats().free_bytes, 0u);
}

TEST_F(SlabHeapTest, TakingTheLastGrantBackFreesTheSlab) {
  std::shared_ptr<SlabHeap> heap = NewHeap();
  LeasePtr lease = Open(*heap);
  const SegmentGrantInfo grant = heap->Grant(*lease);
  lease.reset();
  heap->Ungrant(grant);
  EXPECT_EQ(heap->stats().free_bytes, kSmall);
  heap->Ungrant(grant);  // the second time it means nothing
  EXPECT_EQ(heap->stats().free_bytes, kSmall);
}

TEST_F(SlabHeapTest, ReturnsOfWhatThePeerDoesNotHoldAreRefused) {
  std::shared_ptr<SlabHeap> heap = NewHeap();
  LeasePtr lease = Open(*heap);
  heap->Grant(*lease);
  heap->Grant(*lease);
  const struct {
    uint32_t slot;
    uint64_t generation, count;
  } bad[] = {
      {0, 1, 0}, {0, 1, 3}, {0, 1, std::numeric_limits<uint64_t>::max()}, {0, 0, 1}, {0, 2, 1},
      {1, 1, 1}, {7, 1, 1}, {std::numeric_limits<uint32_t>::max(), 1, 1}};
  for (const auto& b : bad) {
    EXPECT_THAT(
        heap->Return(b.slot, b.generation, b.count),
        StatusIs(absl::StatusCode::kDataLoss,
                 AllOf(HasSubstr("does not hold"), HasSubstr("in slot " + std::to_string(b.slot)))))
        << b.slot << " " << b.generation << " " << b.count;
  }
  EXPECT_EQ(heap->stats().grants_out, 2u);
  EXPECT_THAT(heap->Return(0, 1, 2), IsOk());
  EXPECT_THAT(heap->Return(0, 1, 1), StatusIs(absl::StatusCode::kDataLoss)) << "twice";
}

TEST_F(SlabHeapTest, WhatADeadPeerHeldIsBack) {
  std::shared_ptr<SlabHeap> heap = NewHeap();
  LeasePtr kept = Open(*heap);
  LeasePtr dropped = Open(*heap);
  EXPECT_NE(heap->Grant(*kept).first, nullptr);
  heap->Grant(*dropped);
  dropped.reset();
  heap->PeerGone();
  EXPECT_EQ(heap->stats().grants_out, 0u);
  EXPECT_EQ(heap->stats().free_bytes, kSmall) << "what this side uses itself stays in use";
  EXPECT_NE(heap->Grant(*kept).first, nullptr) << "the next peer has nothing mapped";
}

TEST_F(SlabHeapTest, TheNextPeerIsNotToldOfWhatOnlyTheDeadOneKnew) {
  // Eight slabs are free, and all the room for free ones is taken: when another eight come back
  // from the dead peer, those must go.
  constexpr size_t kSlabs = 8;
  std::shared_ptr<SlabHeap> heap = NewHeap(kSlabs * kSmall);
  std::vector<LeasePtr> leases;
  for (size_t i = 0; i < 2 * kSlabs; ++i) {
    leases.push_back(Open(*heap));
    heap->Grant(*leases.back());
  }
  for (size_t i = 0; i < kSlabs; ++i) {
    EXPECT_THAT(heap->Return(leases[i]->slot(), 1, 1), IsOk());
  }
  leases.clear();
  EXPECT_EQ(heap->stats().free_bytes, kSlabs * kSmall);
  heap->PeerGone();
  EXPECT_EQ(heap->stats().segments, kSlabs);
  EXPECT_THAT(heap->TakeRetired(), IsEmpty());
}

TEST_F(SlabHeapTest, TheNextPeerIsNotToldOfWhatWasRetiredBefore) {
  std::shared_ptr<SlabHeap> heap = NewHeap(0);
  heap->Grant(*Open(*heap));
  EXPECT_THAT(heap->Return(0, 1, 1), IsOk());
  heap->PeerGone();
  EXPECT_THAT(heap->TakeRetired(), IsEmpty());
}

TEST_F(SlabHeapTest, KeepsNoMoreFreeMemoryThanTheCap) {
  std::shared_ptr<SlabHeap> heap = NewHeap(3 * kSmall);
  std::vector<LeasePtr> leases;
  for (int i = 0; i < 5; ++i) leases.push_back(Open(*heap));
  EXPECT_EQ(heap->stats().bytes, 5 * kSmall) << "the cap is on what is free";
  leases.clear();
  EXPECT_EQ(heap->stats().free_bytes, 3 * kSmall);
  EXPECT_EQ(heap->stats().bytes, 3 * kSmall);
  EXPECT_EQ(tests::SegmentMappings(), 3u);
}

TEST_F(SlabHeapTest, TheLeastRecentlyFreedGoFirst) {
  std::shared_ptr<SlabHeap> heap = NewHeap(2 * kSmall);
  std::array<LeasePtr, 3> leases = {Open(*heap), Open(*heap), Open(*heap)};
  leases[1].reset();
  leases[0].reset();
  leases[2].reset();
  EXPECT_EQ(tests::SegmentMappings("m.2"), 0u);
  EXPECT_EQ(tests::SegmentMappings("m.1"), 1u);
  EXPECT_EQ(tests::SegmentMappings("m.3"), 1u);
}

TEST_F(SlabHeapTest, ThePeerIsToldOfWhatItHasMapped) {
  std::shared_ptr<SlabHeap> heap = NewHeap(0);
  LeasePtr granted = Open(*heap);
  heap->Grant(*granted);
  Open(*heap).reset();  // m.2, which the peer never saw
  granted.reset();
  EXPECT_THAT(heap->TakeRetired(), IsEmpty()) << "still granted";
  EXPECT_THAT(heap->Return(0, 1, 1), IsOk());
  EXPECT_THAT(heap->TakeRetired(), ElementsAre(0u));
  EXPECT_THAT(heap->TakeRetired(), IsEmpty()) << "once";
  heap->RestoreRetired({0});
  EXPECT_THAT(heap->TakeRetired(), ElementsAre(0u));
}

TEST_F(SlabHeapTest, ThePeerIsNotToldOfASegmentWhoseGrantWasNotSent) {
  for (bool by_descriptor : {true, false}) {
    std::shared_ptr<SegmentProvider> provider;
    if (by_descriptor) provider = std::make_shared<MemfdSegmentProvider>();
    if (!by_descriptor) provider = std::make_shared<PosixSegmentProvider>();
    auto heap = SlabHeap::Create(
        {.name_prefix = PosixSegmentPrefix() + "heap.", .max_kept_bytes = 0}, provider);
    LeasePtr lease = Open(*heap);
    heap->Ungrant(heap->Grant(*lease));
    lease.reset();
    EXPECT_THAT(heap->TakeRetired(), IsEmpty()) << by_descriptor;
  }
}

TEST_F(SlabHeapTest, TheSecondOfTwoGrantsMayBeTakenBack) {
  std::shared_ptr<SlabHeap> heap = NewHeap(0);
  LeasePtr lease = Open(*heap);
  heap->Grant(*lease);                 // sent
  heap->Ungrant(heap->Grant(*lease));  // not sent
  lease.reset();
  EXPECT_THAT(heap->Return(0, 1, 1), IsOk());
  EXPECT_THAT(heap->TakeRetired(), ElementsAre(0u)) << "the peer has it by the first";
}

TEST_F(SlabHeapTest, ClosingGivesUpWhatIsFreeNowAndLater) {
  std::shared_ptr<SlabHeap> heap = NewHeap();
  LeasePtr kept = Open(*heap);
  Open(*heap).reset();
  heap->Close();
  EXPECT_EQ(heap->stats().segments, 1u);
  EXPECT_EQ(tests::SegmentMappings(), 1u);
  EXPECT_THAT(heap->Open(1), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("closed")));
  kept->segment().mutable_data()[0] = std::byte{1};
  kept.reset();
  EXPECT_EQ(heap->stats().segments, 0u);
  EXPECT_EQ(tests::SegmentMappings(), 0u);
}

TEST_F(SlabHeapTest, LeasesOutliveTheOwnerOfTheHeap) {
  LeasePtr lease;
  {
    std::shared_ptr<SlabHeap> heap = NewHeap();
    lease = Open(*heap);
    heap->Grant(*lease);
    heap->Close();
  }
  lease->segment().mutable_data()[kSmall - 1] = std::byte{1};
  EXPECT_EQ(tests::SegmentMappings(), 1u);
  lease.reset();
  EXPECT_EQ(tests::SegmentMappings(), 0u);
}

TEST_F(SlabHeapTest, ExhaustionIsRetriedOnceTheFreeMemoryIsGivenUp) {
  std::shared_ptr<SlabHeap> heap = NewHeap();
  Open(*heap).reset();  // free, but too small for what follows
  provider_->FailNextCreate(absl::ResourceExhaustedError("first"));
  LeasePtr lease = Open(*heap, 1 << 20);
  ASSERT_NE(lease, nullptr);
  EXPECT_EQ(heap->stats().segments, 1u);
  EXPECT_EQ(heap->stats().free_bytes, 0u);
  EXPECT_EQ(tests::SegmentMappings(), 1u);
  EXPECT_EQ(provider_->creates(), 3);
}

TEST_F(SlabHeapTest, ExhaustionIsReportedWhenNothingCanBeGivenUp) {
  std::shared_ptr<SlabHeap> heap = NewHeap();
  provider_->FailNextCreate(absl::ResourceExhaustedError("ulimit"));
  EXPECT_THAT(heap->Open(1), StatusIs(absl::StatusCode::kResourceExhausted, "ulimit"));
  EXPECT_EQ(provider_->creates(), 1);
  EXPECT_EQ(heap->stats().segments, 0u);
  EXPECT_THAT(heap->Open(1), IsOk()) << "the heap is good still";
}

TEST_F(SlabHeapTest, ExhaustionIsReportedWhenTheRetryFailsToo) {
  std::shared_ptr<SlabHeap> heap = NewHeap();
  Open(*heap).reset();
  provider_->FailNextCreate(absl::ResourceExhaustedError("first"));
  provider_->FailNextCreate(absl::ResourceExhaustedError("second"));
  EXPECT_THAT(heap->Open(1 << 20), StatusIs(absl::StatusCode::kResourceExhausted, "second"));
  EXPECT_EQ(heap->stats().segments, 0u);
  EXPECT_EQ(heap->stats().bytes, 0u);
}

TEST_F(SlabHeapTest, OtherFailuresAreNotRetried) {
  std::shared_ptr<SlabHeap> heap = NewHeap();
  Open(*heap).reset();
  provider_->FailNextCreate(absl::InternalError("broken"));
  EXPECT_THAT(heap->Open(1 << 20), StatusIs(absl::StatusCode::kInternal, "broken"));
  EXPECT_EQ(heap->stats().free_bytes, kSmall) << "nothing was given up for it";
}

TEST_F(SlabHeapTest, ACapacityBeyondAnyAddressSpaceIsRefused) {
  std::shared_ptr<SlabHeap> heap = NewHeap();
  for (size_t capacity : {size_t{1} << 62, std::numeric_limits<size_t>::max() / 2 + 1,
                          std::numeric_limits<size_t>::max()}) {
    EXPECT_THAT(heap->Open(capacity), StatusIs(absl::StatusCode::kResourceExhausted)) << capacity;
  }
  EXPECT_EQ(heap->stats().segments, 0u);
}

// Numbers of segments on the wire.

TEST_F(SlabHeapTest, ASlotIsGivenOutAgainOnlyOnceThePeerHasBeenToldThatItsSegmentIsGone) {
  std::shared_ptr<SlabHeap> heap = NewHeap(0);
  LeasePtr first = Open(*heap);
  ASSERT_EQ(first->slot(), 0u);
  heap->Grant(*first);
  first.reset();
  EXPECT_THAT(heap->Return(0, 1, 1), IsOk());  // nothing is kept: it is destroyed
  EXPECT_TRUE(heap->HasRetired());
  LeasePtr second = Open(*heap);
  EXPECT_EQ(second->slot(), 1u) << "the peer has another segment in slot 0 still";
  EXPECT_THAT(heap->TakeRetired(), ElementsAre(0u));
  EXPECT_FALSE(heap->HasRetired());
  LeasePtr third = Open(*heap);
  EXPECT_EQ(third->slot(), 2u) << "the message that says so may fail";
  heap->RestoreRetired({0});
  EXPECT_TRUE(heap->HasRetired());
  LeasePtr fourth = Open(*heap);
  EXPECT_EQ(fourth->slot(), 3u) << "it has failed";
  EXPECT_THAT(heap->TakeRetired(), ElementsAre(0u));
  heap->RetiredSent({0});
  LeasePtr fifth = Open(*heap);
  EXPECT_EQ(fifth->slot(), 0u);
  EXPECT_EQ(fifth->segment().name(), "m.5") << "names are not used again";
  EXPECT_EQ(fifth->generation(), 1u);
  EXPECT_NE(heap->Grant(*fifth).first, nullptr);
}

TEST_F(SlabHeapTest, ASlotThatThePeerNeverHeardOfIsGivenOutAgainAtOnce) {
  std::shared_ptr<SlabHeap> heap = NewHeap(0);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Open(*heap)->slot(), 0u);
  LeasePtr lease = Open(*heap);
  heap->Ungrant(heap->Grant(*lease));  // was not sent
  lease.reset();
  EXPECT_EQ(Open(*heap)->slot(), 0u);
  EXPECT_THAT(heap->TakeRetired(), IsEmpty());
}

TEST_F(SlabHeapTest, TheNextPeerMayBeGivenTheSlotsThatTheDeadOneKnew) {
  std::shared_ptr<SlabHeap> heap = NewHeap(0);
  heap->Grant(*Open(*heap));
  EXPECT_THAT(heap->Return(0, 1, 1), IsOk());
  heap->PeerGone();  // before it was told
  EXPECT_EQ(Open(*heap)->slot(), 0u);
}

TEST_F(SlabHeapTest, GoneSegmentsAreNotFoundInTheirSlot) {
  std::shared_ptr<SlabHeap> heap = NewHeap(0);
  heap->Grant(*Open(*heap));
  EXPECT_THAT(heap->Return(0, 1, 1), IsOk());
  EXPECT_THAT(heap->FindGranted(0, 1), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("stale")));
  EXPECT_THAT(heap->Return(0, 1, 1), StatusIs(absl::StatusCode::kDataLoss));
}

// What comes back through the log.

class LeaseLogHeapTest : public SlabHeapTest {
 protected:
  static constexpr uint32_t kEntries = 8;

  LeaseLogHeapTest() { Attach(*heap_); }
  // The heap's end of the log, and the peer's.
  void Attach(SlabHeap& heap) {
    heap.AttachLog(std::make_unique<LeaseLogReader>(own_.own(), peer_.peer(), nullptr));
    log_ = std::make_unique<LeaseLogWriter>(peer_.own(), own_.peer(), nullptr);
  }
  // A slab that the peer alone uses, by so many grants.
  static LeasePtr GrantOnly(SlabHeap& heap, int grants) {
    LeasePtr lease = Open(heap);
    for (int i = 0; i < grants; ++i) heap.Grant(*lease);
    return lease;
  }

  HeapControl own_{kEntries}, peer_{kEntries};
  std::shared_ptr<SlabHeap> heap_ = NewHeap();
  std::unique_ptr<LeaseLogWriter> log_;
};

TEST_F(LeaseLogHeapTest, StatsKnowWhatHasComeBack) {
  GrantOnly(*heap_, 3).reset();
  EXPECT_TRUE(log_->Append(0, 2, 0));
  EXPECT_EQ(heap_->stats().grants_out, 1u);
  EXPECT_EQ(heap_->stats().free_bytes, 0u);
  EXPECT_TRUE(log_->Append(0, 1, 0));
  EXPECT_EQ(heap_->stats().grants_out, 0u);
  EXPECT_EQ(heap_->stats().free_bytes, kSmall);
}

TEST_F(LeaseLogHeapTest, MemoryIsUsedAgainWithoutAnyMessage) {
  for (int i = 0; i < 100; ++i) {
    GrantOnly(*heap_, 1).reset();
    EXPECT_TRUE(log_->Append(0, 1, 0));
  }
  EXPECT_EQ(provider_->creates(), 1);
  EXPECT_EQ(heap_->stats().slabs_reused, 99u);
}

TEST_F(LeaseLogHeapTest, WhatHasComeBackIsTakenInWhenTheLogIsDrained) {
  // Nothing is kept, so that HasRetired, which does not look into the log, tells.
  std::shared_ptr<SlabHeap> heap = NewHeap(0);
  Attach(*heap);
  GrantOnly(*heap, 1).reset();
  EXPECT_TRUE(log_->Append(0, 1, 0));
  EXPECT_FALSE(heap->HasRetired());
  heap->DrainLog();
  EXPECT_TRUE(heap->HasRetired());
}

TEST_F(LeaseLogHeapTest, WhatHasComeBackIsTakenInWhenIdleMemoryIsGivenUp) {
  std::shared_ptr<SlabHeap> heap = NewHeap(0);
  Attach(*heap);
  GrantOnly(*heap, 1).reset();
  EXPECT_TRUE(log_->Append(0, 1, 0));
  heap->TrimIdle();
  EXPECT_TRUE(heap->HasRetired());
}

TEST_F(LeaseLogHeapTest, ALeaseIsNotBackBeforeTheMessagesThatMaySpeakOfIt) {
  GrantOnly(*heap_, 1).reset();
  EXPECT_TRUE(log_->Append(0, 1, 2));  // the peer had sent two messages
  EXPECT_EQ(heap_->stats().grants_out, 1u);
  EXPECT_THAT(heap_->MessageAccepted(), IsOk());
  EXPECT_EQ(heap_->stats().grants_out, 1u);
  EXPECT_THAT(heap_->FindGranted(0, 1), IsOk()) << "the second message is an echo of it";
  EXPECT_THAT(heap_->MessageAccepted(), IsOk());
  EXPECT_EQ(heap_->stats().grants_out, 0u);
  EXPECT_THAT(heap_->FindGranted(0, 1), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(LeaseLogHeapTest, MessagesAreCountedFromWhenTheLogIsThere) {
  std::shared_ptr<SlabHeap> heap = NewHeap();
  for (int i = 0; i < 3; ++i) EXPECT_THAT(heap->MessageAccepted(), IsOk());
  Attach(*heap);
  GrantOnly(*heap, 1).reset();
  EXPECT_TRUE(log_->Append(0, 1, 1));
  EXPECT_EQ(heap->stats().grants_out, 1u);
  EXPECT_THAT(heap->MessageAccepted(), IsOk());
  EXPECT_EQ(heap->stats().grants_out, 0u);
}

TEST_F(LeaseLogHeapTest, LogAndMessagesMayEachBringSome) {
  GrantOnly(*heap_, 5).reset();
  EXPECT_TRUE(log_->Append(0, 2, 0));
  EXPECT_THAT(heap_->Return(0, 1, 3), IsOk());
  EXPECT_EQ(heap_->stats().grants_out, 0u);
  EXPECT_THAT(heap_->MessageAccepted(), IsOk());
}

TEST_F(LeaseLogHeapTest, TheLogOfADeadPeerIsNotLookedAtAgain) {
  LeasePtr lease = GrantOnly(*heap_, 1);
  heap_->PeerGone();
  heap_->Grant(*lease);  // to the next one
  EXPECT_TRUE(log_->Append(0, 1, 0));
  EXPECT_EQ(heap_->stats().grants_out, 1u);
  EXPECT_THAT(heap_->MessageAccepted(), IsOk());
  EXPECT_EQ(heap_->stats().grants_out, 1u);
}

struct BadEntry {
  std::string name;
  uint32_t slot, count;
};

class BadEntryTest : public LeaseLogHeapTest, public ::testing::WithParamInterface<BadEntry> {};

TEST_P(BadEntryTest, I5IsRefusedAndGivesNothingBack) {
  LeasePtr lease = GrantOnly(*heap_, 2);
  Open(*heap_).reset();  // slot 1: free
  EXPECT_TRUE(log_->Append(GetParam().slot, GetParam().count, 0));
  EXPECT_TRUE(log_->Append(0, 2, 0));  // behind it: no longer believed
  const auto never_had = StatusIs(
      absl::StatusCode::kDataLoss,
      AllOf(HasSubstr("does not hold"), HasSubstr("in slot " + std::to_string(GetParam().slot))));
  EXPECT_EQ(heap_->stats().grants_out, 2u);
  EXPECT_THAT(heap_->Open(kSmall), IsOk()) << "memory is there for others all the same";
  EXPECT_THAT(heap_->MessageAccepted(), never_had) << "the connection ends with the next message";
  EXPECT_THAT(heap_->MessageAccepted(), never_had);
  EXPECT_EQ(heap_->stats().grants_out, 2u);
  heap_->PeerGone();
  EXPECT_THAT(heap_->MessageAccepted(), IsOk()) << "the next peer has done nothing yet";
}

INSTANTIATE_TEST_SUITE_P(
    Entries, BadEntryTest,
    ::testing::Values(BadEntry{"CountZero", 0, 0}, BadEntry{"CountAboveWhatIsOut", 0, 3},
                      BadEntry{"CountLargest", 0, 0xffffffff}, BadEntry{"SlotThatIsFree", 1, 1},
                      BadEntry{"SlotUnknown", 7, 1}, BadEntry{"SlotLargest", 0xffffffff, 1}),
    [](const auto& info) { return info.param.name; });

TEST_F(LeaseLogHeapTest, I5ALogThatMakesNoSenseEndsTheConnectionWithTheNextMessage) {
  for (const uint64_t written : {uint64_t{kEntries + 1}, std::numeric_limits<uint64_t>::max()}) {
    std::shared_ptr<SlabHeap> heap = NewHeap();
    Attach(*heap);
    LeasePtr lease = GrantOnly(*heap, 1);
    peer_.own().header->log_written = written;
    EXPECT_EQ(heap->stats().grants_out, 1u);
    EXPECT_THAT(heap->Open(kSmall), IsOk());
    EXPECT_THAT(heap->MessageAccepted(),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("lease log")));
    EXPECT_EQ(heap->stats().grants_out, 1u);
  }
}

TEST_F(LeaseLogHeapTest, ThreadsMayGiveBackAndOpenAtOnce) {
  constexpr int kRounds = 5000;
  std::atomic<int> granted = 0;
  std::thread peer([&] {
    for (int i = 0; i < kRounds; ++i) {
      while (granted <= i) std::this_thread::yield();
      while (!log_->Append(0, 1, static_cast<uint64_t>(i))) std::this_thread::yield();
    }
  });
  for (int i = 0; i < kRounds; ++i) {
    LeasePtr lease = Open(*heap_);
    EXPECT_EQ(lease->slot(), 0u);
    lease->segment().mutable_data()[0] = static_cast<std::byte>(i);
    heap_->Grant(*lease);
    lease.reset();
    ++granted;
    EXPECT_THAT(heap_->MessageAccepted(), IsOk());
    while (heap_->stats().grants_out > 0) std::this_thread::yield();
  }
  peer.join();
  EXPECT_EQ(provider_->creates(), 1);
}

// What is free and which of it is taken.

TEST_F(SlabHeapTest, OfManySizesTheSmallestThatFitsIsTaken) {
  std::shared_ptr<SlabHeap> heap = NewHeap();
  std::vector<LeasePtr> leases;
  for (const size_t size : {4 * kSmall, 2 * kSmall, 8 * kSmall, 3 * kSmall, kSmall}) {
    leases.push_back(Open(*heap, size));
    ASSERT_EQ(leases.back()->segment().size_bytes(), size);
  }
  leases.clear();
  const auto taken = [&](size_t capacity) {
    leases.push_back(Open(*heap, capacity));
    return leases.back()->segment().size_bytes();
  };
  EXPECT_EQ(taken(2 * kSmall + 1), 3 * kSmall);
  EXPECT_EQ(taken(2 * kSmall + 1), 4 * kSmall) << "the best of what is left";
  EXPECT_EQ(taken(2 * kSmall + 1), 8 * kSmall);
  EXPECT_EQ(taken(1), kSmall);
  EXPECT_EQ(taken(1), 2 * kSmall);
  EXPECT_EQ(heap->stats().free_bytes, 0u);
  EXPECT_EQ(provider_->creates(), 5);
  taken(1);
  EXPECT_EQ(provider_->creates(), 6);
}

TEST_F(SlabHeapTest, OfEqualSizesTheOneFreedLastIsTaken) {
  std::shared_ptr<SlabHeap> heap = NewHeap();
  std::array<LeasePtr, 3> leases = {Open(*heap), Open(*heap), Open(*heap)};
  leases[2].reset();
  leases[0].reset();
  leases[1].reset();
  leases = {Open(*heap), Open(*heap), Open(*heap)};
  EXPECT_EQ(leases[0]->slot(), 1u) << "the warmest";
  EXPECT_EQ(leases[1]->slot(), 0u);
  EXPECT_EQ(leases[2]->slot(), 2u);
}

// Until the clock shows another time: what was freed before has been idle since.
void AwaitTick() {
  const int64_t now = MonotonicNanoseconds();
  while (MonotonicNanoseconds() == now) {
  }
}

TEST_F(SlabHeapTest, WhatIsIdleForTooLongIsGivenUp) {
  auto heap = SlabHeap::Create({.name_prefix = "m.", .max_idle = absl::ZeroDuration()}, provider_);
  LeasePtr kept = Open(*heap);
  LeasePtr granted = Open(*heap);
  heap->Grant(*granted);
  granted.reset();
  Open(*heap, 2 * kSmall).reset();
  Open(*heap, 16 * kSmall).reset();
  AwaitTick();
  heap->TrimIdle();
  EXPECT_EQ(heap->stats().free_bytes, 0u);
  EXPECT_EQ(heap->stats().segments, 2u) << "what is in use is not idle";
  EXPECT_EQ(tests::SegmentMappings(), 2u);
}

TEST_F(SlabHeapTest, OpeningGivesUpWhatIsIdleButNotWhatItCanUse) {
  auto heap = SlabHeap::Create({.name_prefix = "m.", .max_idle = absl::ZeroDuration()}, provider_);
  { LeasePtr large = Open(*heap, 64 * kSmall), small = Open(*heap); }
  AwaitTick();
  EXPECT_EQ(Open(*heap)->segment().name(), "m.2");
  EXPECT_EQ(provider_->creates(), 2);
  EXPECT_EQ(tests::SegmentMappings("m.1"), 0u);
}

TEST_F(SlabHeapTest, WhatHasJustBecomeFreeIsNotIdle) {
  std::shared_ptr<SlabHeap> heap =
      SlabHeap::Create({.name_prefix = "m.", .max_idle = absl::Hours(1)}, provider_);
  Open(*heap).reset();
  AwaitTick();
  heap->TrimIdle();
  EXPECT_EQ(heap->stats().free_bytes, kSmall);
}

TEST_F(SlabHeapTest, ThreadsMayOpenAndDropAtOnce) {
  constexpr int kThreads = 4, kRounds = 500;
  std::shared_ptr<SlabHeap> heap = NewHeap(4 * kSmall);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kRounds; ++i) {
        LeasePtr lease = *heap->Open(kSmall * static_cast<size_t>(1 + i % 3));
        std::byte* byte = lease->segment().mutable_data();
        *byte = static_cast<std::byte>(t);
        LeasePtr copy = *heap->Find(lease->segment().name(), lease->generation());
        const SegmentGrantInfo grant = heap->Grant(*lease);
        lease.reset();
        EXPECT_EQ(*byte, static_cast<std::byte>(t)) << "another thread has the same slab";
        if (i % 2 == 0) {
          heap->Ungrant(grant);
        } else {
          EXPECT_TRUE(heap->Return(grant.slot, grant.generation, 1).ok());
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const SlabHeapStats stats = heap->stats();
  EXPECT_EQ(stats.grants_out, 0u);
  EXPECT_EQ(stats.bytes, stats.free_bytes);
  EXPECT_LE(stats.free_bytes, 4 * kSmall);
  EXPECT_EQ(stats.segments_created + stats.slabs_reused, uint64_t{kThreads * kRounds});
}

TEST_F(SlabHeapTest, ThreadsMayDropTheLastLeasesAfterTheOwnerLetGo) {
  std::shared_ptr<SlabHeap> heap = NewHeap();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([lease = Open(*heap)]() mutable { lease.reset(); });
  }
  heap.reset();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(tests::SegmentMappings(), 0u);
}

}  // namespace
}  // namespace slabpipe
