#include "slabpipe/transport/block.h"

#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/tests/testing/process_state.h"
#include "slabpipe/tests/testing/status_matchers.h"
#include "slabpipe/tests/transport/test_lease.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::MakeTestLease;
using ::slabpipe::tests::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr uint64_t kSegmentBytes = 8192;
constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();

// A ref that is good for the segment "m.1" of 8,192 bytes in its third use.
ShmRef GoodRef() {
  return {.name = "m.1", .generation = 3, .offset = 128, .size = 100, .content_size = 60};
}

class BlockTest : public ::testing::Test {
 protected:
  std::shared_ptr<const Lease> lease_ = MakeTestLease("m.1", kSegmentBytes, 3);
};

TEST_F(BlockTest, AGoodRefBecomesItsBytes) {
  absl::StatusOr<Block> block = CheckedBlock(GoodRef(), lease_);
  ASSERT_THAT(block, IsOk());
  EXPECT_EQ(block->ref(), GoodRef());
  EXPECT_EQ(block->lease(), lease_);
  EXPECT_EQ(block->data(), lease_->segment().data() + 128);
  EXPECT_EQ(block->content().data(), block->data());
  EXPECT_EQ(block->content().size(), 60u);
  EXPECT_EQ(block->mutable_bytes().data(), block->data());
  EXPECT_EQ(block->mutable_bytes().size(), 100u);
}

TEST_F(BlockTest, RefsAtTheVeryEdgesAreGood) {
  for (auto change : {+[](ShmRef& ref) { ref.offset = 0, ref.size = kSegmentBytes; },
                      +[](ShmRef& ref) {
                        ref.offset = kSegmentBytes - 64;
                        ref.size = ref.content_size = 64;
                      },
                      +[](ShmRef& ref) { ref.content_size = ref.size; },
                      +[](ShmRef& ref) { ref.content_size = 0; },
                      +[](ShmRef& ref) { ref.size = 1, ref.content_size = 1; },
                      +[](ShmRef& ref) { ref.temporary = true; }}) {
    ShmRef ref = GoodRef();
    change(ref);
    EXPECT_THAT(CheckedBlock(ref, lease_), IsOk()) << ref.offset << " " << ref.size;
  }
}

struct Attack {
  std::string name;
  void (*change)(ShmRef& ref);
  std::string says;
};

class BadRefTest : public BlockTest, public ::testing::WithParamInterface<Attack> {};

TEST_P(BadRefTest, IsRefusedWithTheField) {
  ShmRef ref = GoodRef();
  GetParam().change(ref);
  EXPECT_THAT(CheckedBlock(ref, lease_),
              StatusIs(absl::StatusCode::kDataLoss,
                       AllOf(HasSubstr(GetParam().says), HasSubstr("segment 'm.1'"),
                             HasSubstr("'" + ref.name + "'"))));
}

INSTANTIATE_TEST_SUITE_P(
    EveryField, BadRefTest,
    ::testing::Values(
        Attack{"NameOfAnother", [](ShmRef& r) { r.name = "m.2"; }, "name is another"},
        Attack{"NameEmpty", [](ShmRef& r) { r.name = ""; }, "name is another"},
        Attack{"NameLonger", [](ShmRef& r) { r.name = "m.11"; }, "name is another"},
        Attack{"GenerationOld", [](ShmRef& r) { r.generation = 2; }, "generation is stale"},
        Attack{"GenerationNew", [](ShmRef& r) { r.generation = 4; }, "generation is stale"},
        Attack{"GenerationZero", [](ShmRef& r) { r.generation = 0; }, "generation is stale"},
        Attack{"OffsetMisalignedByOne", [](ShmRef& r) { r.offset = 129; }, "multiple of 64"},
        Attack{"OffsetMisalignedByHalf", [](ShmRef& r) { r.offset = 96; }, "multiple of 64"},
        Attack{"OffsetAtTheEnd", [](ShmRef& r) { r.offset = kSegmentBytes; }, "offset lies past"},
        Attack{"OffsetPastTheEnd", [](ShmRef& r) { r.offset = 1 << 20; }, "offset lies past"},
        Attack{"OffsetLargest", [](ShmRef& r) { r.offset = kMax & ~63ull; }, "offset lies past"},
        Attack{"SizeZero", [](ShmRef& r) { r.size = r.content_size = 0; }, "size is 0"},
        Attack{"SizePastTheEnd", [](ShmRef& r) { r.size = kSegmentBytes; }, "offset + size"},
        Attack{"SizeByOnePastTheEnd", [](ShmRef& r) { r.size = kSegmentBytes - r.offset + 1; },
               "offset + size"},
        Attack{"SizeLargest", [](ShmRef& r) { r.size = kMax; }, "offset + size"},
        Attack{"SumOverflowsToZero", [](ShmRef& r) { r.size = kMax - r.offset + 1; },
               "offset + size"},
        Attack{"SumOverflowsIntoTheSegment",
               [](ShmRef& r) { r.offset = 4096, r.size = kMax - 2047; }, "offset + size"},
        Attack{"ContentLargerByOne", [](ShmRef& r) { r.content_size = r.size + 1; },
               "content_size is above"},
        Attack{"ContentLargest", [](ShmRef& r) { r.content_size = kMax; },
               "content_size is above"}),
    [](const auto& info) { return info.param.name; });

TEST_F(BlockTest, ContentSizeCanBeSetLater) {
  Block block = *CheckedBlock(GoodRef(), lease_);
  block.set_content_size(0);
  EXPECT_TRUE(block.content().empty());
  block.set_content_size(100);
  EXPECT_EQ(block.content().size(), 100u);
}

TEST_F(BlockTest, CopiesKeepTheBytesMapped) {
  Block copy;
  {
    Block block = *CheckedBlock(GoodRef(), std::move(lease_));
    block.mutable_bytes()[59] = std::byte{42};
    copy = block;
  }
  EXPECT_EQ(tests::SegmentMappings(), 1u);
  EXPECT_EQ(copy.content()[59], std::byte{42});
  copy = Block();
  EXPECT_EQ(tests::SegmentMappings(), 0u);
}

TEST_F(BlockTest, AReaderHasNothingToWriteTo) {
  MemfdSegmentProvider provider;
  std::unique_ptr<Segment> reader =
      *provider.Open("m.1", kSegmentBytes, UniqueFd(::dup(lease_->segment().descriptor())));
  const auto lease = std::make_shared<tests::TestLease>(std::move(reader), 3);
  EXPECT_TRUE(CheckedBlock(GoodRef(), lease)->mutable_bytes().empty());
}

TEST(AlignBlockSizeTest, RoundsUpToSixtyFour) {
  EXPECT_EQ(AlignBlockSize(0), 0u);
  EXPECT_EQ(AlignBlockSize(1), 64u);
  EXPECT_EQ(AlignBlockSize(64), 64u);
  EXPECT_EQ(AlignBlockSize(65), 128u);
  EXPECT_EQ(AlignBlockSize(kMax - 63), kMax - 63);
}

}  // namespace
}  // namespace slabpipe
