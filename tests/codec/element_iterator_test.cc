#include "slabpipe/codec/element_iterator.h"

#include <algorithm>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <numeric>
#include <ranges>
#include <string>
#include <type_traits>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/codec/ndarray.h"
#include "slabpipe/tests/codec/test_arrays.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::Counting;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

static_assert(std::forward_iterator<ElementIterator<double>>);
static_assert(std::forward_iterator<ElementIterator<const double>>);
static_assert(std::forward_iterator<ElementIterator<Bool8>>);
static_assert(std::ranges::forward_range<NdArray<double>>);
static_assert(std::ranges::common_range<const NdArray<const float>>);
static_assert(std::is_trivially_copyable_v<ElementIterator<double>>);
static_assert(std::is_same_v<std::iter_reference_t<ElementIterator<const double>>, const double&>);

// That the iterator shows every element, in row-major order; and ForEach the same ones.
void ExpectAllElements(const AnyNdArray& any, const std::string& name) {
  const NdArray<const double> array = *NdArray<const double>::FromAny(any);
  std::vector<std::byte> bytes;
  std::vector<const double*> places, for_each;
  for (const double& x : array) {
    const auto* begin = reinterpret_cast<const std::byte*>(&x);
    bytes.insert(bytes.end(), begin, begin + sizeof(x));
    places.push_back(&x);
  }
  array.ForEach([&](const double& x) { for_each.push_back(&x); });
  EXPECT_EQ(bytes, tests::NaiveElements(array)) << name;
  EXPECT_EQ(for_each, places) << name;
}

TEST(ElementIteratorTest, ShowsEveryElementInRowMajorOrderWhateverTheLayout) {
  const std::vector<std::vector<int64_t>> shapes = {
      {},           {1},    {7},          {3, 4},       {4, 1, 3},       {1, 1, 1},
      {2, 3, 4, 2}, {5, 1}, {2, 1, 2, 3}, {3, 2, 1, 2}, {2, 2, 2, 2, 2},
  };
  for (const std::vector<int64_t>& shape : shapes) {
    for (const Order order : {Order::kRowMajor, Order::kColumnMajor}) {
      for (const auto& [name, view] : tests::ViewsOf(ShapeName(shape), Counting(shape, order))) {
        ExpectAllElements(view, name);
        if (view.rank() > 0) ExpectAllElements(tests::Broadcast(view, 3), name + ", repeated");
      }
    }
  }
}

TEST(ElementIteratorTest, HandlesTheHighestRank) {
  std::vector<int64_t> shape(kMaxRank, 1);
  shape[0] = shape[7] = shape[16] = shape[kMaxRank - 1] = 3;
  for (const auto& [name, view] : tests::ViewsOf("array", Counting(shape))) {
    ExpectAllElements(view, name);
  }
}

TEST(ElementIteratorTest, HandlesRankZero) {
  const NdArray<double> scalar = *NdArray<double>::Create({});
  for (double& x : scalar) x = 7;
  EXPECT_EQ(scalar(), 7);
  EXPECT_EQ(std::distance(scalar.begin(), scalar.end()), 1);
}

TEST(ElementIteratorTest, FindsNothingInAnEmptyArray) {
  EXPECT_EQ(NdArray<double>().begin(), NdArray<double>().end());
  for (const std::vector<int64_t>& shape :
       std::vector<std::vector<int64_t>>{{0}, {3, 0}, {0, 3}, {2, 0, 3}, {0, 0}}) {
    const NdArray<double> array = *NdArray<double>::Create(shape);
    EXPECT_EQ(array.begin(), array.end()) << ShapeName(shape);
    EXPECT_EQ(array.Transpose().begin(), array.Transpose().end()) << ShapeName(shape);
  }
  const NdArray<double> view = *Counting({4, 4}).Slice(1, 2, 2)->Slice(0, 3, -1, -2);
  EXPECT_EQ(view.begin(), view.end());
}

TEST(ElementIteratorTest, WritesToTheElementsOfAView) {
  const NdArray<double> x = Counting({3, 4});
  const NdArray<double> view = *x.Slice(1, 3, -1, -2);
  for (double& element : view) element = -element;
  EXPECT_THAT(x.ToVector(), ElementsAre(0, -1, 2, -3, 4, -5, 6, -7, 8, -9, 10, -11));
  const NdArray<bool> flags = *NdArray<bool>::Create({2, 2});
  std::ranges::fill(flags, Bool8(true));
  EXPECT_THAT(flags.ToVector(), Each(Bool8(true)));
}

TEST(ElementIteratorTest, GoesOverTheElementsMoreThanOnce) {
  const NdArray<double> x = Counting({2, 2}).Transpose();
  auto first = x.begin();
  const auto second = first++;
  EXPECT_EQ(*second, 0);
  EXPECT_EQ(*first, 2);
  EXPECT_NE(first, second);
  EXPECT_EQ(std::next(second), first);
  EXPECT_EQ(std::next(second, 4), x.end());
  EXPECT_NE(std::next(second, 3), x.end());
  EXPECT_EQ(ElementIterator<double>(), ElementIterator<double>());
}

TEST(ElementIteratorTest, ReachesTheMembersOfAnElement) {
  const NdArray<std::complex<float>> z = *NdArray<std::complex<float>>::Create({2});
  z(1) = {3, 4};
  EXPECT_EQ(std::next(z.begin())->imag(), 4);
}

TEST(ElementIteratorTest, WorksWithAlgorithms) {
  const NdArray<double> x = *Counting({4, 5}).Slice(1, 4, -1, -2);
  EXPECT_EQ(std::accumulate(x.begin(), x.end(), 0.0), 114);
  EXPECT_EQ(*std::ranges::max_element(x), 19);
  EXPECT_EQ(std::vector<double>(x.begin(), x.end()), x.ToVector());
  EXPECT_EQ(std::ranges::count_if(x, [](double element) { return element > 9.5; }), 6);
}

}  // namespace
}  // namespace slabpipe
