#include "slabpipe/transport/peer_segments.h"

#include <unistd.h>

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
#include "slabpipe/transport/memfd_segment.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::FakeSegmentProvider;
using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::StatusIs;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

using LeasePtr = std::shared_ptr<const Lease>;

constexpr size_t kBytes = 8192;

auto IsReturn(uint32_t slot, uint64_t generation, uint64_t count) {
  return ::testing::AllOf(Field("slot", &ReturnedLease::slot, slot),
                          Field("generation", &ReturnedLease::generation, generation),
                          Field("count", &ReturnedLease::count, count));
}

class PeerSegmentsTest : public ::testing::Test {
 protected:
  // The owner's side of a segment.
  static std::unique_ptr<Segment> Make(const std::string& name, size_t bytes = kBytes) {
    return *MemfdSegmentProvider().Create(name, bytes);
  }
  static UniqueFd DescriptorOf(const Segment& segment) {
    return UniqueFd(::dup(segment.descriptor()));
  }
  // In the slot that its name ends with.
  static uint32_t SlotOf(const Segment& segment) {
    return static_cast<uint32_t>(segment.name().back() - '0');
  }
  absl::StatusOr<LeasePtr> AcceptFirst(const Segment& segment, uint64_t generation = 1) {
    return AcceptFirst(segment, generation, SlotOf(segment));
  }
  absl::StatusOr<LeasePtr> AcceptFirst(const Segment& segment, uint64_t generation, uint32_t slot) {
    return peers_->Accept({.slot = slot,
                           .generation = generation,
                           .first = true,
                           .name = segment.name(),
                           .size_bytes = segment.size_bytes()},
                          DescriptorOf(segment));
  }
  absl::StatusOr<LeasePtr> AcceptAgain(const Segment& segment, uint64_t generation) {
    return peers_->Accept({.slot = SlotOf(segment), .generation = generation}, UniqueFd());
  }
  // What is said of a new segment, of which something may be a lie.
  absl::StatusOr<LeasePtr> AcceptNew(const std::string& name, uint64_t size_bytes) {
    return peers_->Accept(
        {.slot = 1, .generation = 1, .first = true, .name = name, .size_bytes = size_bytes},
        DescriptorOf(*segment_));
  }

  std::shared_ptr<FakeSegmentProvider> provider_ =
      std::make_shared<FakeSegmentProvider>(std::make_shared<MemfdSegmentProvider>());
  std::shared_ptr<PeerSegments> peers_ =
      PeerSegments::Create({.name_prefix = "w.", .max_segments = 3}, provider_);
  std::unique_ptr<Segment> segment_ = Make("w.1");

 private:
  tests::Watchdog watchdog_;
};

TEST_F(PeerSegmentsTest, MapsASegmentReadOnlyAtItsFirstGrant) {
  absl::StatusOr<LeasePtr> lease = AcceptFirst(*segment_);
  ASSERT_THAT(lease, IsOk());
  EXPECT_EQ((*lease)->segment().name(), "w.1");
  EXPECT_EQ((*lease)->segment().mutable_data(), nullptr);
  EXPECT_EQ((*lease)->slot(), 1u);
  EXPECT_EQ((*lease)->generation(), 1u);
  EXPECT_EQ((*lease)->origin(), peers_.get());
  segment_->mutable_data()[100] = std::byte{5};
  EXPECT_EQ((*lease)->segment().data()[100], std::byte{5});
}

TEST_F(PeerSegmentsTest, MapsASegmentOnceForAllItsUses) {
  const size_t descriptors = tests::OpenDescriptors();
  AcceptFirst(*segment_)->reset();
  for (uint64_t generation = 2; generation < 50; ++generation) {
    EXPECT_THAT(AcceptAgain(*segment_, generation), IsOk());
  }
  EXPECT_EQ(provider_->opens(), 1);
  EXPECT_EQ(peers_->stats().segments_mapped, 1u);
  EXPECT_EQ(peers_->stats().bytes, kBytes);
  EXPECT_EQ(tests::SegmentMappings("w.1"), 2u) << "the owner's and the reader's";
  EXPECT_EQ(tests::OpenDescriptors(), descriptors);
}

TEST_F(PeerSegmentsTest, GrantsOfOneUseShareALeaseAndAreReturnedTogether) {
  LeasePtr first = *AcceptFirst(*segment_);
  LeasePtr second = *AcceptAgain(*segment_, 1);
  LeasePtr third = *AcceptAgain(*segment_, 1);
  EXPECT_EQ(first, second);
  EXPECT_EQ(first, third);
  EXPECT_EQ(peers_->stats().leases, 1u);
  first.reset();
  second.reset();
  EXPECT_FALSE(peers_->HasReturns());
  third.reset();
  EXPECT_TRUE(peers_->HasReturns());
  EXPECT_THAT(peers_->TakeReturns(), ElementsAre(IsReturn(1, 1, 3)));
  EXPECT_FALSE(peers_->HasReturns());
  EXPECT_THAT(peers_->TakeReturns(), IsEmpty());
}

TEST_F(PeerSegmentsTest, ReturnsOfOneUseAreSummed) {
  AcceptFirst(*segment_)->reset();
  AcceptAgain(*segment_, 1)->reset();
  AcceptAgain(*segment_, 2)->reset();
  EXPECT_THAT(peers_->TakeReturns(), UnorderedElementsAre(IsReturn(1, 1, 2), IsReturn(1, 2, 1)));
}

TEST_F(PeerSegmentsTest, ReturnsThatWereNotSentAreAddedToThoseThatCameMeanwhile) {
  AcceptFirst(*segment_)->reset();
  const std::vector<ReturnedLease> not_sent = peers_->TakeReturns();
  AcceptAgain(*segment_, 1)->reset();
  peers_->RestoreReturns(not_sent);
  EXPECT_THAT(peers_->TakeReturns(), ElementsAre(IsReturn(1, 1, 2)));
}

TEST_F(PeerSegmentsTest, FindsOnlyUsesThatAreHeld) {
  const auto not_found = StatusIs(absl::StatusCode::kNotFound);
  EXPECT_THAT(peers_->Find("w.1", 1), not_found);
  LeasePtr lease = *AcceptFirst(*segment_, 4);
  EXPECT_EQ(*peers_->Find("w.1", 4), lease);
  EXPECT_THAT(peers_->Find("w.1", 3), not_found);
  EXPECT_THAT(peers_->Find("w.1", 5), not_found);
  EXPECT_THAT(peers_->Find("w.2", 4), not_found);
  lease.reset();
  EXPECT_THAT(peers_->Find("w.1", 4), not_found);
}

// Every rule of a grant, violated.

TEST_F(PeerSegmentsTest, RefusesNamesThatAreNotThePeers) {
  for (const std::string& name : {std::string(""), std::string("m.1"), std::string("w"),
                                  std::string("xw.1"), std::string("w./etc"), std::string("w.1 "),
                                  std::string("w.\0x", 4), "w." + std::string(62, '1')}) {
    EXPECT_THAT(AcceptNew(name, kBytes),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("must be named 'w....'")))
        << name;
  }
  EXPECT_EQ(provider_->opens(), 0);
}

TEST_F(PeerSegmentsTest, RefusesASizeThatIsNotTheObjects) {
  for (uint64_t size : {uint64_t{0}, uint64_t{4096}, uint64_t{2 * kBytes}, ~uint64_t{0}}) {
    EXPECT_THAT(AcceptNew("w.1", size), StatusIs(absl::StatusCode::kDataLoss)) << size;
  }
  EXPECT_EQ(peers_->stats().segments, 0u);
}

TEST_F(PeerSegmentsTest, RefusesASlotThatIsNotKnown) {
  const auto unknown = StatusIs(absl::StatusCode::kDataLoss, HasSubstr("not known here"));
  EXPECT_THAT(AcceptAgain(*segment_, 1), unknown);
  AcceptFirst(*segment_)->reset();
  for (const uint32_t slot : {0u, 2u, 1u << 20, std::numeric_limits<uint32_t>::max()}) {
    EXPECT_THAT(peers_->Accept({.slot = slot, .generation = 2}, UniqueFd()), unknown) << slot;
    EXPECT_THAT(peers_->Accept({.slot = slot, .generation = 2}, DescriptorOf(*segment_)), unknown)
        << slot;
  }
}

TEST_F(PeerSegmentsTest, RefusesANewSegmentWithoutADescriptor) {
  EXPECT_THAT(peers_->Accept(
                  {.slot = 1, .generation = 1, .first = true, .name = "w.1", .size_bytes = kBytes},
                  UniqueFd()),
              StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_EQ(peers_->stats().segments, 0u);
}

TEST_F(PeerSegmentsTest, RefusesAnotherSegmentInAKnownSlot) {
  std::unique_ptr<Segment> other = Make("w.2");
  AcceptFirst(*segment_)->reset();
  const size_t descriptors = tests::OpenDescriptors();
  for (Segment* segment : {segment_.get(), other.get()}) {
    EXPECT_THAT(AcceptFirst(*segment, 2, /*slot=*/1),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("'w.1' in slot 1 is known")));
  }
  EXPECT_EQ(tests::OpenDescriptors(), descriptors) << "the descriptor that came is closed";
  EXPECT_EQ(peers_->stats().segments, 1u);
}

TEST_F(PeerSegmentsTest, RefusesAKnownSegmentInAnotherSlot) {
  AcceptFirst(*segment_)->reset();
  EXPECT_THAT(AcceptFirst(*segment_, 1, /*slot=*/2),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("'w.1' once more, in slot 2")));
  EXPECT_EQ(peers_->stats().segments, 1u);
}

TEST_F(PeerSegmentsTest, RefusesADescriptorForAKnownSegment) {
  AcceptFirst(*segment_)->reset();
  const size_t descriptors = tests::OpenDescriptors();
  EXPECT_THAT(peers_->Accept({.slot = 1, .generation = 2}, DescriptorOf(*segment_)),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("another descriptor")));
  EXPECT_EQ(tests::OpenDescriptors(), descriptors) << "it is closed";
}

TEST_F(PeerSegmentsTest, RefusesASlotFarBeyondTheLimitOfSegments) {
  // Three segments are allowed; as many more may be on their way out.
  for (const uint32_t slot : {6u, 1u << 20, std::numeric_limits<uint32_t>::max()}) {
    EXPECT_THAT(AcceptFirst(*segment_, 1, slot),
                StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("max_segments")))
        << slot;
  }
  EXPECT_EQ(provider_->opens(), 0);
  EXPECT_THAT(AcceptFirst(*segment_, 1, 5), IsOk());
}

TEST_F(PeerSegmentsTest, ASlotMayBeUsedAgainOnceItsSegmentIsRetired) {
  std::unique_ptr<Segment> next = Make("w.2");
  AcceptFirst(*segment_, 9)->reset();
  EXPECT_THAT(peers_->Retire(1), IsOk());
  absl::StatusOr<LeasePtr> lease = AcceptFirst(*next, 1, /*slot=*/1);
  ASSERT_THAT(lease, IsOk()) << "its generations are counted anew";
  EXPECT_EQ((*lease)->segment().name(), "w.2");
  EXPECT_EQ((*lease)->generation(), 1u);
}

TEST_F(PeerSegmentsTest, RefusesGenerationZero) {
  EXPECT_THAT(AcceptFirst(*segment_, 0), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(PeerSegmentsTest, RefusesMemoryThatIsStillLeasedHere) {
  LeasePtr lease = *AcceptFirst(*segment_, 5);
  for (uint64_t generation : {uint64_t{0}, uint64_t{4}, uint64_t{6}, ~uint64_t{0}}) {
    EXPECT_THAT(AcceptAgain(*segment_, generation),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("still leased here")))
        << generation;
  }
  lease.reset();
  EXPECT_THAT(peers_->TakeReturns(), ElementsAre(IsReturn(1, 5, 1)))
      << "refused grants are no grants";
}

TEST_F(PeerSegmentsTest, RefusesAGenerationThatIsPast) {
  AcceptFirst(*segment_, 5)->reset();
  EXPECT_THAT(AcceptAgain(*segment_, 4),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("has been here")));
  EXPECT_THAT(AcceptAgain(*segment_, 7), IsOk()) << "uses that only the owner saw";
}

TEST_F(PeerSegmentsTest, RefusesMoreSegmentsThanTheLimit) {
  std::vector<std::unique_ptr<Segment>> segments;
  for (const char* name : {"w.2", "w.3", "w.4", "w.5"}) segments.push_back(Make(name));
  for (int i = 0; i < 3; ++i) EXPECT_THAT(AcceptFirst(*segments[i]), IsOk());
  EXPECT_THAT(AcceptFirst(*segments[3]),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("max_segments")));
  EXPECT_THAT(AcceptAgain(*segments[0], 2), IsOk()) << "known ones are no new ones";
  EXPECT_THAT(peers_->Retire(2), IsOk());
  EXPECT_THAT(AcceptFirst(*segments[3]), IsOk()) << "there is room again";
}

TEST_F(PeerSegmentsTest, SaysWhatTheProviderSays) {
  provider_->FailNextOpen(absl::ResourceExhaustedError("vm.max_map_count"));
  EXPECT_THAT(AcceptFirst(*segment_),
              StatusIs(absl::StatusCode::kResourceExhausted, "vm.max_map_count"));
  EXPECT_EQ(peers_->stats().segments, 0u);
  EXPECT_THAT(AcceptFirst(*segment_), IsOk());
}

TEST_F(PeerSegmentsTest, ARetiredSegmentIsUnmapped) {
  AcceptFirst(*segment_)->reset();
  EXPECT_THAT(peers_->Retire(1), IsOk());
  EXPECT_EQ(tests::SegmentMappings("w.1"), 1u) << "the owner's";
  EXPECT_EQ(peers_->stats().segments, 0u);
  EXPECT_EQ(peers_->stats().bytes, 0u);
}

TEST_F(PeerSegmentsTest, OnlyWhatIsNotLeasedCanBeRetired) {
  segment_->mutable_data()[0] = std::byte{3};
  LeasePtr lease = *AcceptFirst(*segment_);
  EXPECT_THAT(peers_->Retire(1),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("still leased here")));
  segment_.reset();
  EXPECT_EQ(lease->segment().data()[0], std::byte{3});
  lease.reset();
  EXPECT_THAT(peers_->Retire(1), IsOk());
  EXPECT_EQ(tests::SegmentMappings(), 0u);
}

TEST_F(PeerSegmentsTest, RetiringWhatIsNotKnownIsRefused) {
  EXPECT_THAT(peers_->Retire(1),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("slot 1, which is not known")));
  AcceptFirst(*segment_)->reset();
  EXPECT_THAT(peers_->Retire(1), IsOk());
  EXPECT_THAT(peers_->Retire(1), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(peers_->Retire(0), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(peers_->Retire(std::numeric_limits<uint32_t>::max()),
              StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(PeerSegmentsTest, ForgettingDropsMappingsButNotLeases) {
  std::unique_ptr<Segment> other = Make("w.2");
  other->mutable_data()[0] = std::byte{8};
  AcceptFirst(*segment_)->reset();
  LeasePtr lease = *AcceptFirst(*other);
  peers_->Forget();
  EXPECT_EQ(tests::SegmentMappings("w.1"), 1u) << "the owner's";
  EXPECT_EQ(tests::SegmentMappings("w.2"), 2u);
  EXPECT_EQ(peers_->stats().segments, 0u);
  EXPECT_EQ(lease->segment().data()[0], std::byte{8});
  lease.reset();
  EXPECT_EQ(tests::SegmentMappings("w.2"), 1u);
  EXPECT_THAT(peers_->TakeReturns(), IsEmpty()) << "there is nobody to tell";
}

TEST_F(PeerSegmentsTest, LeasesOutliveAllElse) {
  segment_->mutable_data()[0] = std::byte{9};
  LeasePtr lease = *AcceptFirst(*segment_);
  peers_.reset();
  segment_.reset();
  EXPECT_EQ(lease->segment().data()[0], std::byte{9});
  lease.reset();
  EXPECT_EQ(tests::SegmentMappings(), 0u);
}

TEST_F(PeerSegmentsTest, EachGrantIsReturnedOnceHoweverThreadsDropThem) {
  constexpr int kThreads = 4, kRounds = 500;
  AcceptFirst(*segment_)->reset();
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kRounds; ++i) EXPECT_TRUE(AcceptAgain(*segment_, 1).ok());
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(peers_->TakeReturns(), ElementsAre(IsReturn(1, 1, 1 + kThreads * kRounds)));
  EXPECT_EQ(peers_->stats().leases, 0u);
}

}  // namespace
}  // namespace slabpipe
