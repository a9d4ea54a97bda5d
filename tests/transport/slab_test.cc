#include "slabpipe/transport/slab.h"

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>

#include "gtest/gtest.h"
#include "slabpipe/tests/testing/process_state.h"
#include "slabpipe/tests/testing/status_matchers.h"
#include "slabpipe/tests/transport/test_lease.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::MakeTestLease;

class SlabTest : public ::testing::Test {
 protected:
  std::shared_ptr<const Lease> lease_ = MakeTestLease("m.1", 4096, 5);
  Slab slab_{lease_};
};

TEST_F(SlabTest, BlocksDescribeThemselves) {
  std::optional<Block> block = slab_.Allocate(100, true);
  ASSERT_TRUE(block.has_value());
  EXPECT_EQ(block->ref(), (ShmRef{.name = "m.1",
                                  .generation = 5,
                                  .offset = 0,
                                  .size = 100,
                                  .content_size = 100,
                                  .temporary = true}));
  EXPECT_THAT(CheckedBlock(block->ref(), lease_), IsOk());
  EXPECT_FALSE(slab_.Allocate(1, false)->ref().temporary);
}

TEST_F(SlabTest, BlocksBeginAtMultiplesOfSixtyFour) {
  uint64_t expected = 0;
  for (size_t size : {1, 63, 64, 65, 127, 128, 200}) {
    std::optional<Block> block = slab_.Allocate(size, false);
    ASSERT_TRUE(block.has_value());
    EXPECT_EQ(block->ref().offset, expected) << size;
    EXPECT_EQ(reinterpret_cast<uintptr_t>(block->data()) % 64, 0u);
    expected = AlignBlockSize(expected + size);
  }
}

TEST_F(SlabTest, UsedBytesCountThePaddingBeforeABlockNotBehindIt) {
  EXPECT_EQ(slab_.used_bytes(), 0u);
  slab_.Allocate(100, false);
  EXPECT_EQ(slab_.used_bytes(), 100u);
  slab_.Allocate(1, false);
  EXPECT_EQ(slab_.used_bytes(), 129u);
}

TEST_F(SlabTest, IsFilledToTheLastByte) {
  EXPECT_TRUE(slab_.Allocate(4096, false).has_value());
  EXPECT_FALSE(slab_.Allocate(1, false).has_value());

  Slab other(MakeTestLease("m.2", 4096, 1));
  EXPECT_TRUE(other.Allocate(4000, false).has_value());
  EXPECT_TRUE(other.Allocate(64, false).has_value()) << "4,032 is a multiple of 64";
  EXPECT_FALSE(other.Allocate(1, false).has_value());
}

TEST_F(SlabTest, EstimatesMustCountThePadding) {
  // 64 blocks of 1 byte fill 4,096 bytes, though they hold 64 only.
  for (int i = 0; i < 64; ++i) EXPECT_TRUE(slab_.Allocate(1, false).has_value()) << i;
  EXPECT_FALSE(slab_.Allocate(1, false).has_value());
}

TEST_F(SlabTest, WhatDoesNotFitLeavesTheSlabAsItWas) {
  slab_.Allocate(64, false);
  EXPECT_FALSE(slab_.Allocate(4033, false).has_value());
  EXPECT_EQ(slab_.used_bytes(), 64u);
  EXPECT_TRUE(slab_.Allocate(4032, false).has_value());
}

TEST_F(SlabTest, SizesThatOverflowDoNotFit) {
  slab_.Allocate(64, false);
  for (size_t size : {std::numeric_limits<size_t>::max(), std::numeric_limits<size_t>::max() - 63,
                      std::numeric_limits<size_t>::max() - 127}) {
    EXPECT_FALSE(slab_.Allocate(size, false).has_value()) << size;
  }
}

TEST_F(SlabTest, ASegmentThatEndsInThePaddingIsFull) {
  Slab odd(MakeTestLease("m.2", 4097, 1));
  EXPECT_TRUE(odd.Allocate(4097, false).has_value());
  EXPECT_FALSE(odd.Allocate(1, false).has_value()) << "the next block would begin past the end";
}

TEST(SlabLifetimeTest, BlocksOutliveTheSlab) {
  std::optional<Block> block;
  {
    Slab slab(MakeTestLease("m.1", 4096, 1));
    block = slab.Allocate(8, false);
  }
  EXPECT_EQ(tests::SegmentMappings(), 1u);
  block->mutable_bytes()[7] = std::byte{9};
  EXPECT_EQ(block->content()[7], std::byte{9});
  block.reset();
  EXPECT_EQ(tests::SegmentMappings(), 0u);
}

}  // namespace
}  // namespace slabpipe
