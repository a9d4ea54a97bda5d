// Big arrays: what is tiled, streamed and shared between threads. Small ones of all kinds are
// copied in array_layout_test.cc.

#include "slabpipe/codec/strided_copy.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "slabpipe/codec/array_layout.h"
#include "slabpipe/tests/codec/test_arrays.h"
#include "slabpipe/tests/testing/watchdog.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::NextIndex;
using ::slabpipe::tests::OffsetOf;

constexpr std::byte kUntouched{0xEE};

// Memory for a layout, with room around it.
class Canvas {
 public:
  Canvas(ArrayLayout layout, size_t element_bytes, size_t skew = 0) : layout_(std::move(layout)) {
    int64_t lowest = 0, highest = static_cast<int64_t>(element_bytes);
    for (size_t axis = 0; axis < layout_.rank(); ++axis) {
      const int64_t reach = layout_.strides[axis] * (layout_.shape[axis] - 1);
      (reach < 0 ? lowest : highest) += reach;
    }
    bytes_.assign(static_cast<size_t>(highest - lowest) + 256 + skew, kUntouched);
    const auto begin = reinterpret_cast<uintptr_t>(bytes_.data());
    origin_ = bytes_.data() + (64 - begin % 64) + 64 + skew - lowest;
  }

  void Fill() {
    std::byte* bytes = bytes_.data();
    for (size_t i = 0; i < bytes_.size(); ++i) bytes[i] = static_cast<std::byte>(i * 7 + i / 251);
  }
  const ArrayLayout& layout() const { return layout_; }
  std::byte* origin() const { return origin_; }
  const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  ArrayLayout layout_;
  std::vector<std::byte> bytes_;
  std::byte* origin_;
};

// Element for element, the whole of `to`'s memory compared.
void CopyAndCheck(const std::string& name, const ArrayLayout& from_layout,
                  const ArrayLayout& to_layout, size_t element_bytes, size_t skew = 0) {
  Canvas from(from_layout, element_bytes);
  from.Fill();
  Canvas to(to_layout, element_bytes, skew), expected(to_layout, element_bytes, skew);
  StridedCopy(from_layout, to_layout, element_bytes).Run(from.origin(), to.origin());
  // The last axis has a loop of its own: element by element it would take too long.
  const size_t last = from_layout.rank() - 1;
  Extents outer = from_layout.shape, index(from_layout.rank(), 0);
  outer[last] = 1;
  do {
    std::byte* target = expected.origin() + OffsetOf(to_layout, index);
    const std::byte* source = from.origin() + OffsetOf(from_layout, index);
    for (int64_t i = 0; i < from_layout.shape[last]; ++i) {
      std::memcpy(target, source, element_bytes);
      target += to_layout.strides[last];
      source += from_layout.strides[last];
    }
  } while (NextIndex(outer, index));
  const auto at = static_cast<size_t>(to.origin() - to.bytes().data());
  const auto expected_at = static_cast<size_t>(expected.origin() - expected.bytes().data());
  const size_t around = std::min(at, expected_at);
  const size_t behind = std::min(to.bytes().size() - at, expected.bytes().size() - expected_at);
  EXPECT_TRUE(std::equal(to.origin() - around, to.origin() + behind, expected.origin() - around))
      << name << ": " << ShapeName(from_layout.shape) << " from strides "
      << ShapeName(from_layout.strides) << " to " << ShapeName(to_layout.strides);
}

void CopyToPacked(const std::string& name, const ArrayLayout& from, size_t element_bytes,
                  size_t skew = 0) {
  CopyAndCheck(name, from, ContiguousLayout(from.shape, element_bytes, Order::kRowMajor),
               element_bytes, skew);
}

class StridedCopyTest : public ::testing::Test {
  tests::Watchdog watchdog_;
};

TEST_F(StridedCopyTest, TransposesElementsOfEverySize) {
  for (const size_t element : {1, 2, 4, 8, 16}) {
    // About 8 MiB, the sides once multiples of all that tiles and lines are, once of nothing.
    for (const int64_t odd : {0, 37}) {
      const int64_t rows = 2048 + odd;
      const int64_t columns = (int64_t{8} << 20) / 2048 / static_cast<int64_t>(element) + odd;
      CopyToPacked("transpose", ContiguousLayout({rows, columns}, element, Order::kColumnMajor),
                   element);
    }
  }
}

TEST_F(StridedCopyTest, TransposesToAnywhere) {
  for (const size_t skew : {8, 16, 56}) {
    CopyToPacked("skewed", ContiguousLayout({512, 2048}, 8, Order::kColumnMajor), 8, skew);
  }
}

TEST_F(StridedCopyTest, ReordersTheAxesOfBigArrays) {
  const Extents shape = {64, 100, 128};
  std::vector<size_t> axes = {0, 1, 2};
  do {
    ArrayLayout from = {shape, Extents(3)};
    int64_t stride = 8;
    for (const size_t axis : axes) {
      from.strides[axis] = stride;
      stride *= shape[axis];
    }
    CopyToPacked("reordered", from, 8);
  } while (std::next_permutation(axes.begin(), axes.end()));
}

TEST_F(StridedCopyTest, GoesEitherWayAlongEveryAxis) {
  for (const int64_t row : {-1, 1}) {
    for (const int64_t column : {-1, 1}) {
      for (const Order order : {Order::kRowMajor, Order::kColumnMajor}) {
        ArrayLayout from = ContiguousLayout({1000, 1100}, 8, order);
        from.strides = {row * from.strides[0], column * from.strides[1]};
        CopyToPacked("from signs", from, 8);
        CopyAndCheck("to signs", ContiguousLayout({1000, 1100}, 8, Order::kRowMajor), from, 8);
        CopyAndCheck("both signs", from, from, 8);
      }
    }
  }
}

TEST_F(StridedCopyTest, ClosesGapsOfAllKinds) {
  CopyToPacked("every second", {{1'000'001}, {16}}, 8);
  CopyToPacked("every second, backwards", {{1'000'001}, {-16}}, 8);
  CopyToPacked("three columns", {{300'000, 3}, {48, 8}}, 8);
  CopyToPacked("a column", {{1'500'000, 1}, {24, 8}}, 4);
  CopyToPacked("long rows", {{100, 70'001}, {140'002, 1}}, 1);
  CopyToPacked("two huge rows", {{2, 5'000'001}, {5'000'101, 1}}, 1);
  CopyToPacked("planes", {{3, 1000, 1100}, {1, 3300, 3}}, 1);
  CopyToPacked("rows for all", {{3, 600, 500}, {0, 4000, 8}}, 8);
  CopyToPacked("columns for all", {{600, 3, 500}, {8, 0, 4800}}, 8);
  CopyToPacked("pairs, transposed", {{900, 1000, 2}, {8, 7200, 4}}, 4);
  CopyToPacked("threes, transposed", {{900, 1000, 3}, {12, 10800, 4}}, 4);
}

TEST_F(StridedCopyTest, LeavesGapsOfTheTargetAlone) {
  const ArrayLayout packed = ContiguousLayout({1000, 1200}, 8, Order::kRowMajor);
  CopyAndCheck("gaps between rows", packed, {{1000, 1200}, {9664, 8}}, 8);
  CopyAndCheck("gaps between elements", packed, {{1000, 1200}, {19200, 16}}, 8);
  CopyAndCheck("transposed, gaps between rows", packed, {{1000, 1200}, {8, 8064}}, 8);
  CopyAndCheck("transposed, gaps between elements", packed, {{1000, 1200}, {16, 16064}}, 8);
}

TEST_F(StridedCopyTest, ManyThreadsCopyAtOnce) {
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([] {
      CopyToPacked("transpose", ContiguousLayout({1000, 1024}, 8, Order::kColumnMajor), 8);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace slabpipe
