#include "slabpipe/codec/array_layout.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/tests/codec/test_arrays.h"
#include "slabpipe/tests/testing/status_matchers.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::NextIndex;
using ::slabpipe::tests::OffsetOf;
using ::slabpipe::tests::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();

TEST(CheckShapeTest, AcceptsWhatFitsAnAddressSpace) {
  EXPECT_THAT(CheckShape({}, 8), IsOk());
  EXPECT_THAT(CheckShape({0}, 8), IsOk());
  EXPECT_THAT(CheckShape({0, 0, 0}, 8), IsOk());
  EXPECT_THAT(CheckShape({kMost}, 1), IsOk());
  EXPECT_THAT(CheckShape({kMost / 8}, 8), IsOk());
  EXPECT_THAT(CheckShape(std::vector<int64_t>(32, 1), 8), IsOk());
}

TEST(CheckShapeTest, RefusesAllElse) {
  const auto refused = [](const std::string& why) {
    return StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(why));
  };
  EXPECT_THAT(CheckShape({3, -1}, 8), refused("extent -1 of axis 1 is negative"));
  EXPECT_THAT(CheckShape({0, -1}, 8), refused("negative")) << "even if there is nothing in it";
  EXPECT_THAT(CheckShape({kLeast}, 8), refused("negative"));
  EXPECT_THAT(CheckShape({kMost}, 2), refused("larger than an address space"));
  EXPECT_THAT(CheckShape({kMost / 8 + 1}, 8), refused("larger than an address space"));
  EXPECT_THAT(CheckShape({int64_t{1} << 32, int64_t{1} << 31}, 1), refused("address space"));
  EXPECT_THAT(CheckShape({int64_t{1} << 60, 0, 16}, 1), refused("address space"));
  EXPECT_THAT(CheckShape(std::vector<int64_t>(33, 1), 8), refused("at most 32 axes, not 33"));
}

TEST(ElementCountTest, IsTheProductOfTheExtents) {
  EXPECT_EQ(ElementCount({}), 1);
  EXPECT_EQ(ElementCount({7}), 7);
  EXPECT_EQ(ElementCount({2, 3, 4}), 24);
  EXPECT_EQ(ElementCount({2, 0, 4}), 0);
}

TEST(ShapeNameTest, ReadsLikeATuple) {
  EXPECT_EQ(ShapeName({}), "()");
  EXPECT_EQ(ShapeName({3}), "(3,)");
  EXPECT_EQ(ShapeName({3, 4}), "(3, 4)");
}

TEST(ContiguousLayoutTest, HasTheStridesOfItsOrder) {
  EXPECT_THAT(ContiguousLayout({2, 3, 4}, 8, Order::kRowMajor).strides, ElementsAre(96, 32, 8));
  EXPECT_THAT(ContiguousLayout({2, 3, 4}, 8, Order::kColumnMajor).strides, ElementsAre(8, 16, 48));
  EXPECT_THAT(ContiguousLayout({}, 8, Order::kRowMajor).strides, IsEmpty());
  EXPECT_THAT(ContiguousLayout({2, 0, 4}, 8, Order::kRowMajor).strides, ElementsAre(32, 32, 8));
}

TEST(IsContiguousTest, ComparesTheStridesOfAxesThatMatter) {
  const auto contiguous = [](Extents shape, Extents strides, Order order) {
    return IsContiguous({.shape = std::move(shape), .strides = std::move(strides)}, 8, order);
  };
  EXPECT_TRUE(contiguous({2, 3}, {24, 8}, Order::kRowMajor));
  EXPECT_FALSE(contiguous({2, 3}, {24, 8}, Order::kColumnMajor));
  EXPECT_TRUE(contiguous({2, 3}, {8, 16}, Order::kColumnMajor));
  EXPECT_FALSE(contiguous({2, 3}, {8, 16}, Order::kRowMajor));
  EXPECT_FALSE(contiguous({2, 3}, {32, 8}, Order::kRowMajor)) << "a gap";
  EXPECT_FALSE(contiguous({2, 3}, {24, -8}, Order::kRowMajor)) << "backwards";
  EXPECT_FALSE(contiguous({2, 3}, {0, 8}, Order::kRowMajor)) << "repeats";
  for (const Order order : {Order::kRowMajor, Order::kColumnMajor}) {
    EXPECT_TRUE(contiguous({}, {}, order));
    EXPECT_TRUE(contiguous({4}, {8}, order));
    EXPECT_FALSE(contiguous({4}, {16}, order));
    EXPECT_TRUE(contiguous({1, 4, 1}, {-99, 8, 0}, order)) << "an extent of 1 needs no stride";
    EXPECT_TRUE(contiguous({3, 0}, {7, 7}, order)) << "no elements";
  }
}

TEST(PackedLayoutTest, ClosesGapsAndKeepsTheOrderOfTheAxes) {
  const auto packed = [](Extents shape, Extents strides) {
    return PackedLayout({.shape = std::move(shape), .strides = std::move(strides)}, 8).strides;
  };
  EXPECT_THAT(packed({2, 3}, {48, 16}), ElementsAre(24, 8));
  EXPECT_THAT(packed({2, 3}, {16, 64}), ElementsAre(8, 16));
  EXPECT_THAT(packed({2, 3}, {-24, -8}), ElementsAre(24, 8)) << "no stride below 0";
  EXPECT_THAT(packed({2, 3, 4}, {32, 64, 8}), ElementsAre(32, 64, 8)) << "neither C nor Fortran";
  EXPECT_THAT(packed({2, 3}, {0, 8}), ElementsAre(8, 16)) << "repeats vary fastest";
  EXPECT_THAT(packed({}, {}), IsEmpty());
  EXPECT_THAT(packed({1, 2}, {kLeast, 8}), ElementsAre(16, 8)) << "no number has its magnitude";
}

// CheckLayout. An array of 3 x 4 float64 in 96 bytes, one thing changed at a time.

absl::Status Check(Extents shape, Extents strides, uint64_t byte_offset = 0,
                   uint64_t content_bytes = 96, size_t element_bytes = 8, size_t alignment = 8) {
  return CheckLayout({.shape = std::move(shape), .strides = std::move(strides)}, element_bytes,
                     alignment, byte_offset, content_bytes);
}

TEST(CheckLayoutTest, AcceptsWhatLiesInside) {
  EXPECT_THAT(Check({3, 4}, {32, 8}), IsOk());
  EXPECT_THAT(Check({4, 3}, {8, 32}), IsOk());
  EXPECT_THAT(Check({3, 4}, {-32, -8}, 88), IsOk());
  EXPECT_THAT(Check({3, 4}, {-32, 8}, 64), IsOk());
  EXPECT_THAT(Check({2, 2}, {64, 24}), IsOk());
  EXPECT_THAT(Check({}, {}, 88), IsOk());
  EXPECT_THAT(Check({1, 1}, {kMost - 7, kLeast}, 88), IsOk()) << "never stepped";
  EXPECT_THAT(Check({11, 2}, {8, 8}), IsOk()) << "rows may overlap";
  EXPECT_THAT(Check({3}, {4}, 4, 20, 8, 4), IsOk()) << "complex64: aligned to its parts";
}

TEST(CheckLayoutTest, AcceptsNoElementsWhereverTheyAre) {
  EXPECT_THAT(Check({0, 4}, {32, 8}, 0, 0), IsOk());
  EXPECT_THAT(Check({4, 0}, {kMost - 7, 8}, kMost, 0), IsOk());
}

TEST(CheckLayoutTest, RefusesTheByteBehindAndTheByteBefore) {
  const auto outside = StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("outside"));
  EXPECT_THAT(Check({3, 4}, {32, 8}, 0, 95), outside);
  EXPECT_THAT(Check({3, 4}, {32, 8}, 8, 103), outside);
  EXPECT_THAT(Check({3, 4}, {32, 8}, 8), outside);
  EXPECT_THAT(Check({3, 4}, {-32, -8}, 80), outside);
  EXPECT_THAT(Check({3, 4}, {-32, 8}, 56), outside);
  EXPECT_THAT(Check({3, 4}, {-32, 8}, 72), outside);
  EXPECT_THAT(Check({}, {}, 96), outside);
  EXPECT_THAT(Check({1}, {8}, 0, 0), outside);
  EXPECT_THAT(Check({1}, {8}, 0, 7), outside);
}

TEST(CheckLayoutTest, RefusesNumbersThatOverflow) {
  const auto outside = StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("outside"));
  const int64_t most = kMost - 7;
  EXPECT_THAT(Check({2}, {most}), outside);
  EXPECT_THAT(Check({2}, {kLeast}), outside);
  EXPECT_THAT(Check({3}, {most}), outside) << "the product wraps";
  EXPECT_THAT(Check({3}, {kLeast}), outside);
  EXPECT_THAT(Check({2, 2}, {most, most}), outside) << "the sum wraps";
  EXPECT_THAT(Check({2, 2}, {kLeast, kLeast}), outside) << "to 0, even";
  EXPECT_THAT(Check({2, 2}, {most, -most}), outside) << "must not cancel out";
  EXPECT_THAT(Check({5}, {int64_t{1} << 62}), outside) << "wraps to 0";
  EXPECT_THAT(Check({kMost / 8}, {8}), outside);
  EXPECT_THAT(Check({1}, {8}, std::numeric_limits<uint64_t>::max() - 7), outside);
  EXPECT_THAT(Check({1}, {8}, uint64_t{1} << 63), outside);
  EXPECT_THAT(Check({1}, {8}, static_cast<uint64_t>(most), kMost), outside) << "its end wraps";
  EXPECT_THAT(Check({1}, {8}, 0, std::numeric_limits<uint64_t>::max()), outside)
      << "no block is so large";
}

TEST(CheckLayoutTest, RefusesStridesThatAreNone) {
  const auto refused = [](const std::string& why) {
    return StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(why));
  };
  EXPECT_THAT(Check({3, 4}, {32}), refused("1 strides for 2 axes"));
  EXPECT_THAT(Check({3, 4}, {32, 8, 8}), refused("3 strides for 2 axes"));
  EXPECT_THAT(Check({3, 4}, {32, 4}), refused("stride 4 of axis 1 is no multiple of 8"));
  EXPECT_THAT(Check({3, 4}, {-31, 8}), refused("stride -31 of axis 0"));
  EXPECT_THAT(Check({3, 4}, {0, 8}), refused("stride of axis 0 is 0, its extent 3"));
  EXPECT_THAT(Check({3, 4}, {32, 8}, 4), refused("byteOffset 4 is no multiple of 8"));
  EXPECT_THAT(Check({-3, 4}, {32, 8}), refused("negative"));
}

// Every layout of a small family, against a walk over all its elements.
TEST(CheckLayoutTest, AgreesWithAWalkOverAllElements) {
  constexpr int64_t kContent = 12;
  int inside_count = 0, outside_count = 0;
  for (int64_t offset = 0; offset <= kContent; ++offset) {
    for (int64_t extent = 1; extent <= 4; ++extent) {
      for (int64_t s0 = -5; s0 <= 5; ++s0) {
        for (int64_t s1 = -5; s1 <= 5; ++s1) {
          if ((s0 == 0 && extent > 1) || s1 == 0) continue;
          const ArrayLayout layout = {.shape = {extent, 2}, .strides = {s0, s1}};
          bool inside = true;
          Extents index(2, 0);
          do {
            const int64_t at = offset + OffsetOf(layout, index);
            inside = inside && at >= 0 && at + 2 <= kContent;
          } while (NextIndex(layout.shape, index));
          ++(inside ? inside_count : outside_count);
          EXPECT_EQ(CheckLayout(layout, 2, 1, static_cast<uint64_t>(offset), kContent).ok(), inside)
              << offset << " " << ShapeName(layout.shape) << " " << ShapeName(layout.strides);
        }
      }
    }
  }
  EXPECT_GT(inside_count, 300);
  EXPECT_GT(outside_count, 300);
}

// CopyElements.

struct Canvas {
  ArrayLayout layout;
  std::vector<std::byte> bytes;
  int64_t origin;
};

// A layout of `shape` with any order of axes, gaps and directions, and memory for it.
Canvas RandomCanvas(const Extents& shape, size_t element_bytes, std::mt19937& random) {
  std::vector<size_t> axes(shape.size());
  std::iota(axes.begin(), axes.end(), size_t{0});
  std::shuffle(axes.begin(), axes.end(), random);
  Canvas canvas = {
      .layout = {.shape = shape, .strides = Extents(shape.size(), 0)}, .bytes = {}, .origin = 0};
  int64_t stride = static_cast<int64_t>(element_bytes);
  for (const size_t axis : axes) {
    const bool gap = random() % 3 == 0;
    if (gap) stride += static_cast<int64_t>((1 + random() % 3) * element_bytes);
    const bool backwards = random() % 3 == 0;
    canvas.layout.strides[axis] = backwards ? -stride : stride;
    if (backwards) canvas.origin += stride * (shape[axis] - 1);
    stride *= shape[axis];
  }
  canvas.bytes.resize(static_cast<size_t>(stride), std::byte{0xEE});
  return canvas;
}

TEST(ReachOfTest, GoesFromTheLowestToTheHighestByte) {
  const auto reach = [](Extents shape, Extents strides) {
    const ByteReach found = *ReachOf({std::move(shape), std::move(strides)}, 8);
    return std::pair(found.begin, found.end);
  };
  EXPECT_EQ(reach({}, {}), std::pair(int64_t{0}, int64_t{8}));
  EXPECT_EQ(reach({3, 4}, {32, 8}), std::pair(int64_t{0}, int64_t{96}));
  EXPECT_EQ(reach({3, 4}, {-32, 8}), std::pair(int64_t{-64}, int64_t{32}));
  EXPECT_EQ(reach({3, 4}, {-32, -8}), std::pair(int64_t{-88}, int64_t{8}));
  EXPECT_EQ(reach({5, 1}, {0, 1000}), std::pair(int64_t{0}, int64_t{8}));
  EXPECT_FALSE(ReachOf({{2, 2}, {int64_t{1} << 62, int64_t{1} << 62}}, 8).has_value());
  EXPECT_FALSE(ReachOf({{4}, {-(int64_t{1} << 62)}}, 8).has_value());
}

TEST(RowOfTest, JoinsTheLastAxesThatLieLikeOne) {
  const auto row = [](Extents shape, Extents strides) {
    const ElementRow found = RowOf({std::move(shape), std::move(strides)});
    return std::vector<int64_t>{found.extent, found.stride, static_cast<int64_t>(found.outer_axes)};
  };
  EXPECT_THAT(row({}, {}), ElementsAre(1, 0, 0));
  EXPECT_THAT(row({2, 3, 4}, {96, 32, 8}), ElementsAre(24, 8, 0));
  EXPECT_THAT(row({2, 3, 4}, {8, 16, 48}), ElementsAre(4, 48, 2));
  EXPECT_THAT(row({2, 3, 4}, {200, 32, 8}), ElementsAre(12, 8, 1));
  EXPECT_THAT(row({2, 3, 1}, {-48, -16, 7}), ElementsAre(6, -16, 0));
  EXPECT_THAT(row({2, 1, 3}, {24, 7, 8}), ElementsAre(6, 8, 0));
  EXPECT_THAT(row({2, 3}, {0, 0}), ElementsAre(6, 0, 0));
}

TEST(CopyElementsTest, AgreesWithANaiveCopyOverRandomShapesAndStrides) {
  std::mt19937 random(20);
  for (int round = 0; round < 3000; ++round) {
    const size_t element_bytes = std::vector<size_t>{1, 2, 4, 8, 16}[random() % 5];
    Extents shape(random() % 6);
    for (int64_t& extent : shape) extent = 1 + static_cast<int64_t>(random() % 4);
    Canvas from = RandomCanvas(shape, element_bytes, random);
    for (std::byte& byte : from.bytes) byte = static_cast<std::byte>(random());
    Canvas to = RandomCanvas(shape, element_bytes, random);
    std::vector<std::byte> expected = to.bytes;
    Extents index(shape.size(), 0);
    do {
      std::copy_n(from.bytes.data() + from.origin + OffsetOf(from.layout, index), element_bytes,
                  expected.data() + to.origin + OffsetOf(to.layout, index));
    } while (NextIndex(shape, index));
    CopyElements(from.layout, from.bytes.data() + from.origin, to.layout,
                 to.bytes.data() + to.origin, element_bytes);
    ASSERT_EQ(to.bytes, expected) << "round " << round << ": " << ShapeName(shape) << " from "
                                  << ShapeName(from.layout.strides) << " to "
                                  << ShapeName(to.layout.strides);
  }
}

TEST(CopyElementsTest, RepeatsAreWrittenOut) {
  const int32_t from[] = {1, 2, 3};
  int32_t to[6] = {};
  CopyElements({.shape = {2, 3}, .strides = {0, 4}}, reinterpret_cast<const std::byte*>(from),
               ContiguousLayout({2, 3}, 4, Order::kRowMajor), reinterpret_cast<std::byte*>(to), 4);
  EXPECT_THAT(to, ElementsAre(1, 2, 3, 1, 2, 3));
}

TEST(CopyElementsTest, NoElementsNeedNoMemory) {
  const ArrayLayout layout = {.shape = {3, 0}, .strides = {8, 8}};
  std::byte untouched{7};
  CopyElements(layout, nullptr, layout, nullptr, 8);  // under UBSan: no null goes to memcpy
  CopyElements(layout, nullptr, layout, &untouched, 8);
  EXPECT_EQ(untouched, std::byte{7});
}

}  // namespace
}  // namespace slabpipe
