#include "slabpipe/transport/shm_pool.h"

#include <string.h>

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
  pool_.CountCopy(100);
  pool_.CountCopy(11);
  EXPECT_EQ(pool_.stats().copies, 2u);
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
