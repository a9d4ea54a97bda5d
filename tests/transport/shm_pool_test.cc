#include "slabpipe/transport/shm_pool.h"

#include <string.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <set>
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
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr size_t kSmall = size_t{64} << 10;  // the smallest slab there is

class ShmPoolTest : public ::testing::Test {
 protected:
  static Block Alloc(ShmPool& pool, size_t size, bool temporary = false) {
    absl::StatusOr<Block> block = pool.Alloc(size, temporary);
    EXPECT_THAT(block, IsOk());
    return block.ok() ? *std::move(block) : Block();
  }
  // Grants `block`'s segment to `pool_`'s counterpart, as a message would.
  static std::shared_ptr<const Lease> Hand(ShmPool& from, const Block& block, ShmPool& to) {
    const SegmentGrantInfo grant = from.heap()->Grant(*block.lease());
    UniqueFd descriptor;
    ReceivedGrant received = {.slot = grant.slot, .generation = grant.generation};
    if (grant.first != nullptr) {
      received.first = true;
      received.name = grant.first->name();
      received.size_bytes = grant.first->size_bytes();
      descriptor.reset(::dup(grant.first->descriptor()));
    }
    return *to.peer()->Accept(received, std::move(descriptor));
  }

  std::shared_ptr<FakeSegmentProvider> provider_ =
      std::make_shared<FakeSegmentProvider>(std::make_shared<MemfdSegmentProvider>());
  ShmPool pool_{{.prefix = "m.", .peer_prefix = "w."}, provider_};
  ShmPool peer_{{.prefix = "w.", .peer_prefix = "m."}, provider_};

 private:
  tests::Watchdog watchdog_;
};

// Behaviour 2: the operations of a pool.

TEST_F(ShmPoolTest, Behaviour2WithoutASlabABlockIsASegmentOfItsOwn) {
  std::set<std::string> names;
  for (int i = 0; i < 5; ++i) {
    Block block = Alloc(pool_, 1000, i % 2 == 1);
    EXPECT_EQ(block.ref().offset, 0u);
    EXPECT_EQ(block.ref().size, 1000u);
    EXPECT_EQ(block.ref().content_size, 1000u);
    EXPECT_EQ(block.ref().temporary, i % 2 == 1);
    EXPECT_EQ(block.mutable_bytes().size(), 1000u);
    names.insert(block.ref().name);
  }
  EXPECT_EQ(names.size(), 5u);
  EXPECT_EQ(pool_.stats().blocks, 5u);
}

TEST_F(ShmPoolTest, Behaviour2AllocBumpsThroughAnOpenSlabAtSixtyFourBytes) {
  ASSERT_THAT(pool_.OpenSlab(4096), IsOk());
  std::vector<Block> blocks;
  for (size_t size : {1, 64, 65, 100}) blocks.push_back(Alloc(pool_, size, size == 65));
  EXPECT_EQ(blocks[0].ref().offset, 0u);
  EXPECT_EQ(blocks[1].ref().offset, 64u);
  EXPECT_EQ(blocks[2].ref().offset, 128u);
  EXPECT_EQ(blocks[3].ref().offset, 256u);
  EXPECT_TRUE(blocks[2].ref().temporary);
  EXPECT_FALSE(blocks[3].ref().temporary);
  for (const Block& block : blocks) EXPECT_EQ(block.ref().name, blocks[0].ref().name);
}

TEST_F(ShmPoolTest, Behaviour2BlocksOfASlabDoNotOverlap) {
  ASSERT_THAT(pool_.OpenSlab(kSmall), IsOk());
  std::vector<Block> blocks;
  for (int i = 0; i < 200; ++i) {
    blocks.push_back(Alloc(pool_, static_cast<size_t>(1 + i)));
    memset(blocks.back().mutable_bytes().data(), i, blocks.back().mutable_bytes().size());
  }
  for (int i = 0; i < 200; ++i) {
    EXPECT_THAT(blocks[i].content(), ::testing::Each(static_cast<std::byte>(i))) << i;
  }
}

TEST_F(ShmPoolTest, Behaviour2AFullSlabIsSealedAndALargerOneOpened) {
  ASSERT_THAT(pool_.OpenSlab(kSmall), IsOk());
  Block first = Alloc(pool_, kSmall - 64);
  Block second = Alloc(pool_, 128);  // does not fit
  Block third = Alloc(pool_, 1);
  EXPECT_NE(first.ref().name, second.ref().name);
  EXPECT_EQ(second.ref().offset, 0u);
  EXPECT_GE(second.lease()->segment().size_bytes(), 2 * kSmall);
  EXPECT_EQ(third.ref().name, second.ref().name) << "the sealed one gets nothing more";
  EXPECT_EQ(pool_.stats().slabs_opened, 2u);

  Block large = Alloc(pool_, 1 << 20);
  EXPECT_GE(large.lease()->segment().size_bytes(), size_t{1} << 20);
}

TEST_F(ShmPoolTest, Behaviour2ASlabThatIsExactlyFullIsNotLeftEarly) {
  ASSERT_THAT(pool_.OpenSlab(kSmall), IsOk());
  for (size_t i = 0; i < kSmall / 64; ++i) Alloc(pool_, 64);
  EXPECT_EQ(pool_.stats().slabs_opened, 1u);
  Alloc(pool_, 1);
  EXPECT_EQ(pool_.stats().slabs_opened, 2u);
}

TEST_F(ShmPoolTest, Behaviour2SealingEndsTheSlab) {
  ASSERT_THAT(pool_.OpenSlab(4096), IsOk());
  Block inside = Alloc(pool_, 100);
  pool_.SealSlab();
  EXPECT_NE(Alloc(pool_, 100).ref().name, inside.ref().name);
  pool_.SealSlab();  // nothing is open: nothing happens
  EXPECT_THAT(pool_.OpenSlab(4096), IsOk());
}

TEST_F(ShmPoolTest, Behaviour2OnlyOneSlabIsOpen) {
  ASSERT_THAT(pool_.OpenSlab(4096), IsOk());
  EXPECT_THAT(pool_.OpenSlab(4096),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("SealSlab")));
}

TEST_F(ShmPoolTest, Behaviour2AllocLastingPassesByAnOpenSlab) {
  ASSERT_THAT(pool_.OpenSlab(4096), IsOk());
  Block inside = Alloc(pool_, 100);
  absl::StatusOr<Block> outside = pool_.AllocLasting(100);
  ASSERT_THAT(outside, IsOk());
  EXPECT_NE(outside->ref().name, inside.ref().name);
  EXPECT_EQ(Alloc(pool_, 100).ref().name, inside.ref().name);
}

TEST_F(ShmPoolTest, Behaviour2AttachingTwiceMapsOnce) {
  ASSERT_THAT(peer_.OpenSlab(4096), IsOk());
  Block a = Alloc(peer_, 100);
  Block b = Alloc(peer_, 100);
  std::shared_ptr<const Lease> lease = Hand(peer_, a, pool_);
  absl::StatusOr<Block> attached_a = pool_.Attach(a.ref());
  absl::StatusOr<Block> attached_b = pool_.Attach(b.ref());
  ASSERT_THAT(attached_a, IsOk());
  ASSERT_THAT(attached_b, IsOk());
  EXPECT_EQ(attached_b->data() - attached_a->data(), 128);
  EXPECT_EQ(provider_->opens(), 1);
  EXPECT_EQ(tests::SegmentMappings(a.ref().name), 2u) << "the owner's and the reader's";
}

TEST_F(ShmPoolTest, Behaviour2AttachChecksTheRef) {
  Block block = Alloc(peer_, 100);
  std::shared_ptr<const Lease> lease = Hand(peer_, block, pool_);
  ShmRef ref = block.ref();
  ref.size = 1 << 20;
  EXPECT_THAT(pool_.Attach(ref), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("size")));
  ref = block.ref();
  ref.generation = 7;
  EXPECT_THAT(pool_.Attach(ref), StatusIs(absl::StatusCode::kNotFound));
  ref = block.ref();
  ref.name = "w.99";
  EXPECT_THAT(pool_.Attach(ref), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(ShmPoolTest, Behaviour2AttachFindsBlocksOfThisSideToo) {
  Block block = Alloc(pool_, 100);
  absl::StatusOr<Block> again = pool_.Attach(block.ref());
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->data(), block.data());
}

TEST_F(ShmPoolTest, Behaviour2ClearOfOneNameDropsItsPinsOnly) {
  const std::string first = Alloc(pool_, 100).ref().name;
  const std::string second = Alloc(pool_, 100).ref().name;
  EXPECT_EQ(pool_.stats().pins, 2u);
  pool_.Clear(first);
  EXPECT_EQ(pool_.stats().pins, 1u);
  EXPECT_EQ(pool_.stats().own.free_bytes, kSmall);
  EXPECT_THAT(pool_.heap()->Find(second, 1), IsOk());
  EXPECT_THAT(pool_.heap()->Find(first, 1), StatusIs(absl::StatusCode::kNotFound));
  pool_.Clear("no such segment");
  EXPECT_EQ(pool_.stats().pins, 1u);
}

TEST_F(ShmPoolTest, Behaviour2CloseAllGivesUpEverythingButLeases) {
  ASSERT_THAT(pool_.OpenSlab(4096), IsOk());
  Block kept = Alloc(pool_, 100);
  pool_.SealSlab();
  Alloc(pool_, 100);
  pool_.CloseAll();
  EXPECT_EQ(pool_.stats().pins, 0u);
  EXPECT_EQ(pool_.stats().own.segments, 1u);
  kept.mutable_bytes()[99] = std::byte{1};
  kept = Block();
  EXPECT_EQ(pool_.stats().own.segments, 0u);
  EXPECT_EQ(tests::SegmentMappings("m."), 0u);
  EXPECT_THAT(pool_.Alloc(1), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(pool_.OpenSlab(1), StatusIs(absl::StatusCode::kFailedPrecondition));
  pool_.CloseAll();
}

TEST_F(ShmPoolTest, Behaviour1ACodecMayUseLessThanItAllocated) {
  Block block = Alloc(peer_, 1000);
  block.set_content_size(10);
  std::shared_ptr<const Lease> lease = Hand(peer_, block, pool_);
  absl::StatusOr<Block> attached = pool_.Attach(block.ref());
  ASSERT_THAT(attached, IsOk());
  EXPECT_EQ(attached->ref(), block.ref());
  EXPECT_EQ(attached->content().size(), 10u);
}

// Behaviour 3: the cost of a message does not depend on how many blocks it has.

TEST_F(ShmPoolTest, Behaviour3HundredsOfBlocksAreOneSegmentAndOneMapping) {
  constexpr int kBlocks = 500;
  const size_t descriptors = tests::OpenDescriptors();
  ASSERT_THAT(peer_.OpenSlab(kBlocks * AlignBlockSize(1000)), IsOk());
  std::vector<Block> blocks, attached;
  for (int i = 0; i < kBlocks; ++i) {
    blocks.push_back(Alloc(peer_, 1000));
    memset(blocks.back().mutable_bytes().data(), i, 1000);
  }
  peer_.SealSlab();
  std::shared_ptr<const Lease> lease = Hand(peer_, blocks[0], pool_);
  for (int i = 0; i < kBlocks; ++i) attached.push_back(*pool_.Attach(blocks[i].ref()));
  EXPECT_EQ(provider_->creates(), 1);
  EXPECT_EQ(provider_->opens(), 1);
  EXPECT_EQ(pool_.stats().pins, 1u);
  EXPECT_EQ(peer_.stats().pins, 1u);
  EXPECT_EQ(tests::SegmentMappings(), 2u) << "one on either side";
  EXPECT_EQ(tests::OpenDescriptors(), descriptors + 1) << "the owner's";
  EXPECT_THAT(attached[499].content(), ::testing::Each(static_cast<std::byte>(499)));
}

// Behaviour 4 and I1: pins.

TEST_F(ShmPoolTest, Behaviour4ThePoolHoldsItsBlocksUntilTheNextClear) {
  const ShmRef ref = Alloc(pool_, 100).ref();
  EXPECT_THAT(pool_.Attach(ref), IsOk()) << "nobody but the pool holds it";
  pool_.Clear();
  EXPECT_EQ(pool_.stats().pins, 0u);
  EXPECT_THAT(pool_.Attach(ref), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(ShmPoolTest, Behaviour4ThePoolHoldsWhatItAttachedUntilTheNextClear) {
  Block block = Alloc(peer_, 100);
  Hand(peer_, block, pool_);
  // That lease is gone already: a message pins what it brings.
  pool_.Clear();
  EXPECT_TRUE(pool_.peer()->HasReturns());
  std::shared_ptr<const Lease> lease = Hand(peer_, block, pool_);
  ASSERT_THAT(pool_.Attach(block.ref()), IsOk());
  pool_.peer()->TakeReturns();
  lease.reset();
  EXPECT_FALSE(pool_.peer()->HasReturns()) << "the pool holds it";
  pool_.Clear();
  EXPECT_TRUE(pool_.peer()->HasReturns());
}

TEST_F(ShmPoolTest, I1ClearingDropsPinsNeverLeases) {
  Block mine = Alloc(pool_, 100);
  Block theirs = Alloc(peer_, 100);
  mine.mutable_bytes()[0] = std::byte{1};
  theirs.mutable_bytes()[0] = std::byte{2};
  Hand(peer_, theirs, pool_);
  std::shared_ptr<const Lease> lease = Hand(peer_, theirs, pool_);
  Block attached = *pool_.Attach(theirs.ref());
  lease.reset();
  for (int i = 0; i < 3; ++i) {
    pool_.Clear();
    pool_.Clear(mine.ref().name);
    pool_.Clear(theirs.ref().name);
  }
  EXPECT_EQ(pool_.stats().pins, 0u);
  EXPECT_EQ(pool_.stats().own.free_bytes, 0u);
  EXPECT_EQ(mine.content()[0], std::byte{1});
  EXPECT_EQ(attached.content()[0], std::byte{2});
  EXPECT_THAT(pool_.Attach(theirs.ref()), IsOk());
}

TEST_F(ShmPoolTest, I1ClearingLeavesAnOpenSlabOpen) {
  ASSERT_THAT(pool_.OpenSlab(4096), IsOk());
  const std::string name = Alloc(pool_, 100).ref().name;
  pool_.Clear();
  Block block = Alloc(pool_, 100);
  EXPECT_EQ(block.ref().name, name);
  EXPECT_EQ(block.ref().offset, 128u);
}

TEST_F(ShmPoolTest, PinHoldsALeaseUntilTheNextClear) {
  Block block = Alloc(pool_, 100);
  pool_.Clear();
  pool_.Pin(block.lease());
  pool_.Pin(block.lease());
  EXPECT_EQ(pool_.stats().pins, 1u);
  block = Block();
  EXPECT_EQ(pool_.stats().own.free_bytes, 0u);
  pool_.Clear();
  EXPECT_EQ(pool_.stats().own.free_bytes, kSmall);
}

// Behaviour 5: blocks belong to those who use them.

TEST_F(ShmPoolTest, Behaviour5BlocksOutliveBothPools) {
  Block mine, attached;
  {
    ShmPool owner({.prefix = "w.", .peer_prefix = "m."}, provider_);
    ShmPool reader({.prefix = "m.", .peer_prefix = "w."}, provider_);
    mine = Alloc(owner, 1000);
    memcpy(mine.mutable_bytes().data(), "alive", 6);
    std::shared_ptr<const Lease> lease = Hand(owner, mine, reader);
    attached = *reader.Attach(mine.ref());
  }
  EXPECT_STREQ(reinterpret_cast<const char*>(mine.data()), "alive");
  mine = Block();
  EXPECT_STREQ(reinterpret_cast<const char*>(attached.data()), "alive");
  attached = Block();
  EXPECT_EQ(tests::SegmentMappings(), 0u);
}

// Errors.

TEST_F(ShmPoolTest, ABlockOfNoBytesIsRefused) {
  EXPECT_THAT(pool_.Alloc(0), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("1 byte")));
  EXPECT_THAT(pool_.AllocLasting(0), StatusIs(absl::StatusCode::kInvalidArgument));
  ASSERT_THAT(pool_.OpenSlab(4096), IsOk());
  EXPECT_THAT(pool_.Alloc(0), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(ShmPoolTest, AnAbsurdSizeIsRefused) {
  constexpr size_t kMax = std::numeric_limits<size_t>::max();
  for (bool slab : {false, true}) {
    if (slab) {
      ASSERT_THAT(pool_.OpenSlab(4096), IsOk());
    }
    for (size_t size : {kMax, kMax - 63, kMax / 2, kMax / 4 + 1}) {
      EXPECT_THAT(pool_.Alloc(size),
                  StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("address space")));
    }
    EXPECT_THAT(pool_.Alloc(kMax / 4), StatusIs(absl::StatusCode::kResourceExhausted));
    EXPECT_THAT(pool_.Alloc(size_t{1} << 45), StatusIs(absl::StatusCode::kResourceExhausted));
  }
  EXPECT_THAT(pool_.Alloc(100), IsOk()) << "the pool is good still";
}

TEST_F(ShmPoolTest, ExhaustionIsReportedAndLeavesThePoolGood) {
  provider_->FailNextCreate(absl::ResourceExhaustedError("ulimit -n"));
  EXPECT_THAT(pool_.Alloc(1), StatusIs(absl::StatusCode::kResourceExhausted, "ulimit -n"));
  provider_->FailNextCreate(absl::ResourceExhaustedError("ulimit -n"));
  EXPECT_THAT(pool_.OpenSlab(1), StatusIs(absl::StatusCode::kResourceExhausted, "ulimit -n"));
  EXPECT_EQ(pool_.stats().blocks, 0u);
  EXPECT_THAT(pool_.OpenSlab(1), IsOk()) << "none is open";
  EXPECT_THAT(pool_.Alloc(1), IsOk());
}

TEST_F(ShmPoolTest, ExhaustionWhenASlabIsFullIsReported) {
  ASSERT_THAT(pool_.OpenSlab(kSmall), IsOk());
  Block first = Alloc(pool_, kSmall);
  provider_->FailNextCreate(absl::ResourceExhaustedError("ulimit -n"));
  EXPECT_THAT(pool_.Alloc(1), StatusIs(absl::StatusCode::kResourceExhausted, "ulimit -n"));
  EXPECT_THAT(pool_.Alloc(1), IsOk());
  pool_.SealSlab();
}

// I4: a steady load.

TEST_F(ShmPoolTest, I4EqualMessagesInARowCreateNothingNew) {
  const auto message = [&] {
    pool_.Clear();
    ASSERT_THAT(pool_.OpenSlab(1 << 20), IsOk());
    for (int i = 0; i < 20; ++i) Alloc(pool_, 50'000);
    pool_.SealSlab();
  };
  message();
  message();
  const int creates = provider_->creates();
  const size_t descriptors = tests::OpenDescriptors();
  const size_t mappings = tests::SegmentMappings();
  for (int i = 0; i < 1000; ++i) message();
  EXPECT_EQ(provider_->creates(), creates);
  EXPECT_EQ(tests::OpenDescriptors(), descriptors);
  EXPECT_EQ(tests::SegmentMappings(), mappings);
}

// Lasting blocks.

class LastingTest : public ShmPoolTest {
 protected:
  static constexpr size_t kFirstSlab = ShmPool::kSharedSlabBytes / 8;

  static Block AllocLasting(ShmPool& pool, size_t size) {
    absl::StatusOr<Block> block = pool.AllocLasting(size);
    EXPECT_THAT(block, IsOk());
    return block.ok() ? *std::move(block) : Block();
  }
  // As a message that `pool` has received would.
  static void GiveBackAll(ShmPool& pool, ShmPool& peer) {
    for (const ReturnedLease& returned : peer.peer()->TakeReturns()) {
      EXPECT_THAT(pool.heap()->Return(returned.slot, returned.generation, returned.count), IsOk());
    }
  }
};

TEST_F(LastingTest, ThousandsOfSmallOnesCostFewSegments) {
  constexpr int kBlocks = 5000;
  const size_t descriptors = tests::OpenDescriptors();
  std::vector<Block> blocks;
  for (int i = 0; i < kBlocks; ++i) {
    blocks.push_back(AllocLasting(pool_, static_cast<size_t>(1 + i % 1000)));
    memset(blocks.back().mutable_bytes().data(), i, blocks.back().size());
    if (i % 100 == 0) pool_.Clear();  // messages are sent meanwhile
  }
  // 3 MB of them: in slabs of 1/2, 1, and 2 MiB.
  EXPECT_LE(provider_->creates(), 3);
  EXPECT_LE(tests::SegmentMappings("m."), 3u);
  EXPECT_LE(tests::OpenDescriptors(), descriptors + 3);
  EXPECT_EQ(pool_.stats().blocks, uint64_t{kBlocks});
  EXPECT_EQ(pool_.stats().slabs_opened, 0u) << "none of a message's";
  for (int i = 0; i < kBlocks; ++i) {
    ASSERT_THAT(blocks[i].content(), ::testing::Each(static_cast<std::byte>(i))) << i;
    ASSERT_EQ(blocks[i].offset() % kBlockAlignmentBytes, 0u);
  }
}

TEST_F(LastingTest, SharedSlabsGrowToFourMebibytesAndNoFurther) {
  std::vector<Block> blocks;
  size_t largest = 0;
  for (int i = 0; i < 400; ++i) {
    blocks.push_back(AllocLasting(pool_, 50'000));
    largest = std::max(largest, blocks.back().lease()->segment().size_bytes());
  }
  EXPECT_EQ(blocks[0].lease()->segment().size_bytes(), kFirstSlab);
  EXPECT_EQ(largest, ShmPool::kSharedSlabBytes);
  EXPECT_LE(provider_->creates(), 8) << "20 MB";
}

TEST_F(LastingTest, LargeOnesAreTheirOwn) {
  Block small = AllocLasting(pool_, 100);
  Block large = AllocLasting(pool_, kFirstSlab);
  Block next = AllocLasting(pool_, 100);
  EXPECT_NE(large.ref().name, small.ref().name);
  EXPECT_EQ(large.offset(), 0u);
  EXPECT_EQ(large.lease()->segment().size_bytes(), kFirstSlab);
  EXPECT_EQ(next.ref().name, small.ref().name) << "and leave the shared slab as it is";
  large = Block();
  pool_.Clear();
  EXPECT_EQ(pool_.stats().own.free_bytes, kFirstSlab) << "and go back on their own";
}

TEST_F(LastingTest, TheLargestThatShareFitASlab) {
  std::set<std::string> names;
  for (int i = 0; i < 5; ++i) names.insert(AllocLasting(pool_, kFirstSlab - 1).ref().name);
  EXPECT_EQ(names.size(), 3u) << "one, two, and two of four";
}

TEST_F(LastingTest, ASharedSlabIsUsedAgainWhenAllThatLayInItIsGone) {
  std::vector<Block> blocks;
  for (int i = 0; i < 10; ++i) blocks.push_back(AllocLasting(pool_, 1000));
  const ShmRef first = blocks[0].ref();
  for (int round = 2; round < 50; ++round) {
    blocks.clear();
    pool_.Clear();
    for (int i = 0; i < 10; ++i) blocks.push_back(AllocLasting(pool_, 1000));
    ASSERT_EQ(blocks[0].ref().name, first.name);
    ASSERT_EQ(blocks[0].ref().offset, 0u) << "from its start";
    ASSERT_EQ(blocks[0].ref().generation, static_cast<uint64_t>(round));
  }
  EXPECT_EQ(provider_->creates(), 1);
}

TEST_F(LastingTest, ASharedSlabIsNotBegunAgainWhileOneBlockOfItLives) {
  Block first = AllocLasting(pool_, 1000);
  Block kept = AllocLasting(pool_, 1000);
  memset(kept.mutable_bytes().data(), 7, 1000);
  first = Block();
  pool_.Clear();
  for (int i = 0; i < 2000; ++i) {
    Block other = AllocLasting(pool_, 1000);
    memset(other.mutable_bytes().data(), 9, 1000);
    pool_.Clear();
  }
  EXPECT_THAT(kept.content(), ::testing::Each(std::byte{7}));
}

TEST_F(LastingTest, I2ASharedSlabIsNotBegunAgainWhileThePeerReadsIt) {
  Block mine = AllocLasting(pool_, 1000);
  memset(mine.mutable_bytes().data(), 7, 1000);
  std::shared_ptr<const Lease> theirs = Hand(pool_, mine, peer_);
  const Block there = *peer_.Attach(mine.ref());
  const std::string name = mine.ref().name;
  mine = Block();
  pool_.Clear();
  Block other = AllocLasting(pool_, 1000);
  memset(other.mutable_bytes().data(), 9, 1000);
  EXPECT_NE(other.ref().name, name);
  EXPECT_THAT(there.content(), ::testing::Each(std::byte{7}));
}

TEST_F(LastingTest, I4EqualLoadsInARowCreateNothingNewWhileThePeerIsASlowReader) {
  std::vector<std::shared_ptr<const Lease>> theirs;
  const auto call = [&](int i) {
    pool_.Clear();
    peer_.Clear();
    Block block = AllocLasting(pool_, 3000);
    theirs.push_back(Hand(pool_, block, peer_));
    if (i % 4 == 3) {
      theirs.clear();
      GiveBackAll(pool_, peer_);
    }
  };
  for (int i = 0; i < 8; ++i) call(i);
  const int creates = provider_->creates();
  const size_t bytes = pool_.stats().own.bytes;
  for (int i = 0; i < 1000; ++i) call(i);
  EXPECT_EQ(provider_->creates(), creates);
  EXPECT_EQ(pool_.stats().own.bytes, bytes);
}

// A free slab that is larger than asked for may be taken, up to four times. What is asked for next
// must not depend on that, or small blocks would sit on ever larger slabs.
TEST_F(LastingTest, ASharedSlabThatWasLargerThanAskedForIsNoMeasureForTheNext) {
  constexpr size_t kLarge = 4 * kFirstSlab;
  { Block large = AllocLasting(pool_, kLarge); }
  pool_.Clear();
  Block small = AllocLasting(pool_, 100);
  ASSERT_EQ(small.lease()->segment().size_bytes(), kLarge) << "it was free";
  std::vector<std::shared_ptr<const Lease>> theirs;
  size_t largest = 0;
  for (size_t larger = 4 * kLarge; larger <= 16 * kLarge; larger *= 4) {
    theirs.push_back(Hand(pool_, small, peer_));  // so that another one must be begun
    { Block free = AllocLasting(pool_, larger); }
    small = Block();
    pool_.Clear();
    small = AllocLasting(pool_, 100);
    largest = std::max(largest, small.lease()->segment().size_bytes());
  }
  EXPECT_LE(largest, 4 * ShmPool::kSharedSlabBytes);
}

TEST_F(LastingTest, CloseAllGivesUpTheSharedSlab) {
  AllocLasting(pool_, 100);
  pool_.CloseAll();
  EXPECT_EQ(pool_.stats().own.segments, 0u);
  EXPECT_EQ(tests::SegmentMappings("m."), 0u);
  EXPECT_THAT(pool_.AllocLasting(100), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(LastingTest, ExhaustionIsReportedAndLeavesThePoolGood) {
  for (const size_t size : {size_t{100}, kFirstSlab}) {
    provider_->FailNextCreate(absl::ResourceExhaustedError("ulimit -n"));
    EXPECT_THAT(pool_.AllocLasting(size),
                StatusIs(absl::StatusCode::kResourceExhausted, "ulimit -n"));
    EXPECT_THAT(pool_.AllocLasting(size), IsOk());
  }
}

// The peer.

TEST_F(ShmPoolTest, RefersToItsOwnAndItsPeersBlocksOnly) {
  Block mine = Alloc(pool_, 1);
  Block theirs = Alloc(peer_, 1);
  std::shared_ptr<const Lease> lease = Hand(peer_, theirs, pool_);
  Block attached = *pool_.Attach(theirs.ref());
  EXPECT_TRUE(pool_.CanRefer(mine));
  EXPECT_TRUE(pool_.CanRefer(attached));
  EXPECT_FALSE(pool_.CanRefer(theirs)) << "the other pool's view of it";
  EXPECT_FALSE(peer_.CanRefer(attached));
}

TEST_F(ShmPoolTest, AnotherPeerKnowsNothingAndHoldsNothing) {
  Block mine = Alloc(pool_, 1);
  EXPECT_NE(pool_.heap()->Grant(*mine.lease()).first, nullptr);
  Block theirs = Alloc(peer_, 1);
  theirs.mutable_bytes()[0] = std::byte{6};
  std::shared_ptr<const Lease> lease = Hand(peer_, theirs, pool_);
  Block attached = *pool_.Attach(theirs.ref());

  pool_.ResetPeer("w2.");
  EXPECT_EQ(pool_.stats().own.grants_out, 0u);
  EXPECT_NE(pool_.heap()->Grant(*mine.lease()).first, nullptr) << "it is told of it anew";
  EXPECT_THAT(pool_.Attach(theirs.ref()), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_FALSE(pool_.CanRefer(attached)) << "its bytes must be copied to go to the next worker";
  EXPECT_EQ(attached.content()[0], std::byte{6}) << "decoded objects stay valid";
  lease.reset();
  attached = Block();
  pool_.Clear();
  EXPECT_FALSE(pool_.peer()->HasReturns()) << "the new peer never granted it";
}

TEST_F(ShmPoolTest, CountsCopies) {
  pool_.CountCopies(1, 100);
  pool_.CountCopies(2, 11);
  EXPECT_EQ(pool_.stats().copies, 3u);
  EXPECT_EQ(pool_.stats().bytes_copied, 111u);
}

TEST_F(ShmPoolTest, ThreadsMayAllocateAndClearAtOnce) {
  constexpr int kThreads = 4, kRounds = 300;
  ASSERT_THAT(pool_.OpenSlab(kSmall), IsOk());
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kRounds; ++i) {
        absl::StatusOr<Block> block = i % 2 == 0 ? pool_.Alloc(500) : pool_.AllocLasting(500);
        ASSERT_TRUE(block.ok()) << block.status();
        memset(block->mutable_bytes().data(), t, 500);
        if (i % 10 == 0) pool_.Clear();
        EXPECT_TRUE(pool_.Attach(block->ref()).ok());
        EXPECT_EQ(block->content()[499], static_cast<std::byte>(t));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(pool_.stats().blocks, uint64_t{kThreads * kRounds});
  pool_.CloseAll();
  EXPECT_EQ(tests::SegmentMappings("m."), 0u);
}

}  // namespace
}  // namespace slabpipe
