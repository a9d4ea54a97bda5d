// Views but Slice: Reshape against brute force, Transpose with axes, Select, Squeeze, ExpandDims.

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/codec/ndarray.h"
#include "slabpipe/tests/codec/test_arrays.h"
#include "slabpipe/tests/testing/status_matchers.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::Counting;
using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::NextIndex;
using ::slabpipe::tests::OffsetOf;
using ::slabpipe::tests::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int64_t kMost = std::numeric_limits<int64_t>::max();

ArrayLayout Mirrored(ArrayLayout layout) {
  std::reverse(layout.shape.begin(), layout.shape.end());
  std::reverse(layout.strides.begin(), layout.strides.end());
  return layout;
}

// Where the elements lie, in row-major order. REQUIRES: not empty.
std::vector<int64_t> Offsets(const ArrayLayout& layout) {
  std::vector<int64_t> offsets;
  Extents index(layout.rank(), 0);
  do {
    offsets.push_back(OffsetOf(layout, index));
  } while (NextIndex(layout.shape, index));
  return offsets;
}

// Whether there are strides that give a row-major array of shape `shape` those offsets. The second
// element of each axis says what its stride would have to be; then all of them are compared.
bool StridesExist(const std::vector<int64_t>& offsets, const Extents& shape) {
  ArrayLayout layout = {.shape = shape, .strides = Extents(shape.size(), 0)};
  size_t step = 1;
  for (size_t axis = shape.size(); axis-- > 0; step *= static_cast<size_t>(shape[axis])) {
    if (shape[axis] > 1) layout.strides[axis] = offsets[step] - offsets[0];
  }
  return Offsets(layout) == offsets;
}

// All shapes of `rank` axes, of extents 1 to `most`.
std::vector<Extents> AllShapes(size_t rank, int64_t most) {
  std::vector<Extents> shapes;
  Extents index(rank, 0);
  do {
    shapes.push_back(index);
    for (int64_t& extent : shapes.back()) ++extent;
  } while (NextIndex(Extents(rank, most), index));
  return shapes;
}

// All shapes of up to `rank` axes with `count` elements.
void AppendShapes(int64_t count, size_t rank, Extents begin, std::vector<Extents>& shapes) {
  if (count == 1) shapes.push_back(begin);
  if (rank == 0) return;
  for (int64_t extent = 1; extent <= count; ++extent) {
    if (count % extent != 0) continue;
    Extents more = begin;
    more.push_back(extent);
    AppendShapes(count / extent, rank - 1, more, shapes);
  }
}

// The array's axes in every order, each in one of four ways: all, every second, backwards, the
// first again and again.
std::vector<AnyNdArray> ManyViews(const AnyNdArray& array) {
  std::vector<AnyNdArray> views;
  Extents way(array.rank(), 0);
  do {
    AnyNdArray view = array;
    for (size_t axis = 0; axis < array.rank(); ++axis) {
      const int64_t extent = array.shape()[axis];
      if (way[axis] == 1) view = *view.Slice(axis, 0, extent, 2);
      if (way[axis] == 2) view = *view.Slice(axis, extent - 1, -1, -1);
      if (way[axis] == 3) {
        ArrayLayout layout = view.layout();
        layout.strides[axis] = 0;
        view = AnyNdArray(view.element_type(), layout, view.buffer(), view.origin());
      }
    }
    std::vector<size_t> axes(array.rank());
    std::iota(axes.begin(), axes.end(), size_t{0});
    do {
      views.push_back(*view.Transpose(axes));
    } while (std::next_permutation(axes.begin(), axes.end()));
  } while (NextIndex(Extents(array.rank(), 4), way));
  return views;
}

struct Tally {
  int views = 0;
  int refusals = 0;
};

void CheckReshape(const AnyNdArray& view, const std::vector<int64_t>& offsets, const Extents& shape,
                  Order order, Tally& tally) {
  const bool mirrored = order == Order::kColumnMajor;
  const Extents wanted = mirrored ? Mirrored({.shape = shape, .strides = {}}).shape : shape;
  const absl::StatusOr<AnyNdArray> reshaped = view.Reshape(wanted, order);
  const auto name = [&] {
    return absl::StrCat(ShapeName(view.shape()), " ", ShapeName(view.strides()), " to ",
                        ShapeName(wanted), mirrored ? " mirrored" : "");
  };
  if (!StridesExist(offsets, shape)) {
    ++tally.refusals;
    ASSERT_THAT(reshaped, StatusIs(absl::StatusCode::kFailedPrecondition)) << name();
    return;
  }
  ++tally.views;
  ASSERT_THAT(reshaped, IsOk()) << name();
  ASSERT_EQ(reshaped->shape(), wanted) << name();
  ASSERT_EQ(reshaped->origin(), view.origin()) << name();
  ASSERT_EQ(Offsets(mirrored ? Mirrored(reshaped->layout()) : reshaped->layout()), offsets)
      << name();
}

TEST(ReshapeTest, IsAViewExactlyWhereStridesExist) {
  Tally tally;
  std::map<int64_t, std::vector<Extents>> shapes_of;  // by number of elements
  for (const size_t rank : {0u, 1u, 2u, 3u}) {
    for (const Extents& shape : AllShapes(rank, rank == 3 ? 3 : 6)) {
      for (const AnyNdArray& view : ManyViews(Counting(shape))) {
        std::vector<Extents>& wanted = shapes_of[view.size()];
        if (wanted.empty()) AppendShapes(view.size(), 4, {}, wanted);
        for (const Order order : {Order::kRowMajor, Order::kColumnMajor}) {
          const std::vector<int64_t> offsets =
              Offsets(order == Order::kRowMajor ? view.layout() : Mirrored(view.layout()));
          for (const Extents& to : wanted) {
            CheckReshape(view, offsets, to, order, tally);
            if (HasFatalFailure()) return;
          }
        }
      }
    }
  }
  EXPECT_GT(tally.views, 10'000);
  EXPECT_GT(tally.refusals, 10'000);
}

TEST(ReshapeTest, GoesThroughTheElementsInTheOrderThatIsAsked) {
  const NdArray<double> x = Counting({2, 3});
  const NdArray<double> c = *x.Reshape({3, 2});
  EXPECT_THAT(c.ToVector(), ElementsAre(0, 1, 2, 3, 4, 5));
  c(2, 1) = -1;
  EXPECT_EQ(x(1, 2), -1) << "it is a view";
  const NdArray<double> f = Counting({2, 3}, Order::kColumnMajor);
  EXPECT_THAT(f.Reshape({3, 2}, Order::kColumnMajor)->ToVector(), ElementsAre(0, 4, 3, 2, 1, 5));
  EXPECT_THAT(f.Reshape({6}, Order::kColumnMajor)->ToVector(), ElementsAre(0, 3, 1, 4, 2, 5));
}

TEST(ReshapeTest, InfersOneExtent) {
  const NdArray<double> x = Counting({3, 4});
  EXPECT_THAT(x.Reshape({-1})->shape(), ElementsAre(12));
  EXPECT_THAT(x.Reshape({2, -1, 3})->shape(), ElementsAre(2, 2, 3));
  EXPECT_THAT(x.Reshape({12, -1})->shape(), ElementsAre(12, 1));
  EXPECT_THAT(NdArray<double>::Create({0, 4})->Reshape({-1, 5})->shape(), ElementsAre(0, 5));
  EXPECT_THAT(NdArray<double>::Create({})->Reshape({-1})->shape(), ElementsAre(1));
}

TEST(ReshapeTest, HandlesRankZeroAndNoElements) {
  EXPECT_THAT(NdArray<double>::Create({1, 1})->Reshape({})->shape(), IsEmpty());
  EXPECT_THAT(NdArray<double>::Create({})->Reshape({1, 1, 1})->shape(), ElementsAre(1, 1, 1));
  const NdArray<double> none = *Counting({4, 4}).Slice(1, 2, 2)->Slice(0, 3, -1, -2);
  ASSERT_THAT(none.shape(), ElementsAre(2, 0));
  EXPECT_THAT(none.Reshape({0})->shape(), ElementsAre(0));
  EXPECT_THAT(none.Reshape({7, 0, 9})->shape(), ElementsAre(7, 0, 9));
  EXPECT_THAT(NdArray<double>().Reshape({0, 3})->ToVector(), IsEmpty());
}

TEST(ReshapeTest, RefusesAnotherNumberOfElements) {
  const NdArray<double> x = Counting({3, 4});
  const auto refusal = [&](const std::vector<int64_t>& shape) {
    const absl::Status status = x.Reshape(shape).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << ShapeName(shape);
    return std::string(status.message());
  };
  EXPECT_EQ(refusal({5, 3}), "an array of shape (3, 4) has 12 elements, shape (5, 3) has 15");
  EXPECT_THAT(refusal({}), HasSubstr("shape () has 1"));
  EXPECT_THAT(refusal({0}), HasSubstr("has 0"));
  EXPECT_THAT(refusal({5, -1}), AllOf(HasSubstr("(5, -1)"), HasSubstr("a multiple of 5")));
  EXPECT_THAT(refusal({-1, -1}), HasSubstr("more than one -1"));
  EXPECT_THAT(refusal({-1, 0}), HasSubstr("whatever -1 stands for"));
  EXPECT_THAT(refusal({-2, -6}), HasSubstr("negative"));
  EXPECT_THAT(refusal({kMost, 12}), HasSubstr("address space"));
  EXPECT_THAT(refusal({kMost / 2, -1}), HasSubstr("address space"));
  EXPECT_THAT(refusal(std::vector<int64_t>(33, 1)), HasSubstr("at most 32 axes"));
  EXPECT_THAT(NdArray<double>::Create({0})->Reshape({0, -1}),
              StatusIs(absl::StatusCode::kInvalidArgument))
      << "-1 could be anything";
}

TEST(ReshapeTest, SaysToCopyFirstWhereNoStridesExist) {
  const NdArray<double> t = Counting({3, 4}).Transpose();
  EXPECT_THAT(t.Reshape({-1}), StatusIs(absl::StatusCode::kFailedPrecondition,
                                        AllOf(HasSubstr("float64 (4, 3)"), HasSubstr("shape (12,)"),
                                              HasSubstr("Copy(Order::kRowMajor) it first"))));
  EXPECT_THAT(t.Copy(Order::kRowMajor)->Reshape({-1})->ToVector(), t.ToVector());
  EXPECT_THAT(Counting({3, 4}).Reshape({12}, Order::kColumnMajor),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("Order::kColumnMajor")));
}

TEST(TransposeTest, PutsTheAxesInTheOrderThatIsAsked) {
  const NdArray<double> x = Counting({2, 3, 4});
  const NdArray<double> y = *x.Transpose({2, 0, 1});
  EXPECT_THAT(y.shape(), ElementsAre(4, 2, 3));
  for (int i = 0; i < 2; ++i) {
    for (int j = 0; j < 3; ++j) {
      for (int k = 0; k < 4; ++k) EXPECT_EQ(y(k, i, j), x(i, j, k));
    }
  }
  EXPECT_EQ(x.Transpose({2, 1, 0})->strides(), x.Transpose().strides());
  EXPECT_EQ(x.Transpose({0, 1, 2})->strides(), x.strides());
  EXPECT_THAT(NdArray<double>::Create({})->Transpose({}), IsOk());
}

TEST(TransposeTest, RefusesAxesThatAreNoPermutation) {
  const NdArray<double> x = Counting({2, 3, 4});
  const auto refusal = [&](const std::vector<size_t>& axes) {
    const absl::Status status = x.Transpose(axes).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  EXPECT_EQ(refusal({0, 1}), "axes (0, 1) of float64 (2, 3, 4): 2 axes are named, there are 3");
  EXPECT_THAT(refusal({0, 1, 2, 2}), HasSubstr("4 axes are named"));
  EXPECT_THAT(refusal({0, 3, 1}), HasSubstr("there is no axis 3"));
  EXPECT_THAT(refusal({0, 1, std::numeric_limits<size_t>::max()}), HasSubstr("there is no axis"));
  EXPECT_THAT(refusal({2, 1, 2}), HasSubstr("axis 2 is named twice"));
}

TEST(SelectTest, FixesAnIndexAndDropsItsAxis) {
  const NdArray<double> x = Counting({3, 4});
  EXPECT_THAT(x.Select(0, 1)->ToVector(), ElementsAre(4, 5, 6, 7));
  EXPECT_THAT(x.Select(1, 3)->ToVector(), ElementsAre(3, 7, 11));
  EXPECT_THAT(x.Slice(0, 2, -1, -2)->Select(1, 0)->ToVector(), ElementsAre(8, 0));
  const NdArray<double> element = *x.Select(0, 2)->Select(0, 2);
  EXPECT_EQ(element.rank(), 0u);
  element() = -1;
  EXPECT_EQ(x(2, 2), -1) << "it is a view";
}

TEST(SelectTest, OfAnArrayWithoutElements) {
  const NdArray<double> x = *NdArray<double>::Create({3, 0});
  EXPECT_THAT(x.Select(0, 2)->shape(), ElementsAre(0));
  EXPECT_EQ(x.Select(0, 2)->origin(), nullptr);
  EXPECT_THAT(x.Select(1, 0), StatusIs(absl::StatusCode::kOutOfRange));
}

TEST(SelectTest, RefusesWhatIsOutside) {
  const NdArray<double> x = Counting({3, 4});
  EXPECT_THAT(x.Select(1, 4), StatusIs(absl::StatusCode::kOutOfRange,
                                       "index 4 is not inside axis 1 of float64 (3, 4)"));
  EXPECT_THAT(x.Select(0, -1), StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_THAT(x.Select(0, kMost), StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_THAT(x.Select(2, 0),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no such axis")));
}

TEST(SqueezeTest, DropsTheAxesOfExtentOne) {
  const NdArray<double> x = *Counting({2, 3, 4}).Slice(1, 1, 2);
  ASSERT_THAT(x.shape(), ElementsAre(2, 1, 4));
  EXPECT_THAT(x.Squeeze().shape(), ElementsAre(2, 4));
  EXPECT_EQ(x.Squeeze().ToVector(), x.ToVector());
  EXPECT_THAT(NdArray<double>::Create({1, 1})->Squeeze().shape(), IsEmpty());
  EXPECT_THAT(NdArray<double>::Create({1, 0})->Squeeze().shape(), ElementsAre(0));
}

TEST(ExpandDimsTest, AddsAnAxisOfExtentOne) {
  for (const Order order : {Order::kRowMajor, Order::kColumnMajor}) {
    const NdArray<double> x = Counting({2, 3}, order);
    EXPECT_THAT(x.ExpandDims(0)->shape(), ElementsAre(1, 2, 3));
    EXPECT_THAT(x.ExpandDims(1)->shape(), ElementsAre(2, 1, 3));
    EXPECT_THAT(x.ExpandDims(2)->shape(), ElementsAre(2, 3, 1));
    for (const size_t axis : {0u, 1u, 2u}) {
      const NdArray<double> view = *x.ExpandDims(axis);
      EXPECT_EQ(view.ToVector(), x.ToVector());
      EXPECT_EQ(view.Squeeze().strides(), x.strides());
      EXPECT_EQ(view.IsColumnMajor(), order == Order::kColumnMajor);
      EXPECT_EQ(view.Copy()->IsColumnMajor(), order == Order::kColumnMajor);
    }
  }
  EXPECT_THAT(NdArray<double>::Create({})->ExpandDims(0)->shape(), ElementsAre(1));
}

TEST(ExpandDimsTest, RefusesAnAxisTooMany) {
  EXPECT_THAT(Counting({2, 3}).ExpandDims(3),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "an axis before axis 3 of float64 (2, 3): it has 2 axes"));
  EXPECT_THAT(NdArray<double>::Create(std::vector<int64_t>(32, 1))->ExpandDims(0),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("at most 32")));
}

TEST(ViewsTest, OfReadOnlyArraysAreReadOnly) {
  const std::vector<double> numbers(12);
  const NdArray<const double> x = *NdArray<const double>::Borrow(numbers, {3, 4});
  static_assert(std::is_same_v<decltype(*x.Reshape({12})), NdArray<const double>&&>);
  static_assert(std::is_same_v<decltype(x.Squeeze()), NdArray<const double>>);
  for (const AnyNdArray& view :
       {AnyNdArray(*x.Reshape({12})), AnyNdArray(*x.Transpose({1, 0})), AnyNdArray(*x.Select(0, 1)),
        AnyNdArray(x.Squeeze()), AnyNdArray(*x.ExpandDims(0))}) {
    EXPECT_EQ(view.mutable_origin(), nullptr);
    EXPECT_THAT(NdArray<double>::FromAny(view), StatusIs(absl::StatusCode::kInvalidArgument));
  }
}

}  // namespace
}  // namespace slabpipe
