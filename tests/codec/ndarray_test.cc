#include "slabpipe/codec/ndarray.h"

#include <complex>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/codec/shared_array.h"
#include "slabpipe/tests/codec/test_arrays.h"
#include "slabpipe/tests/testing/status_matchers.h"
#include "slabpipe/transport/memfd_segment.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::Counting;
using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::NaiveElements;
using ::slabpipe::tests::StatusIs;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();

TEST(NdArrayTest, CreateGivesZerosOfItsOwnThatAreAligned) {
  const NdArray<double> x = *NdArray<double>::Create({3, 4});
  EXPECT_THAT(x.shape(), ElementsAre(3, 4));
  EXPECT_THAT(x.strides(), ElementsAre(32, 8));
  EXPECT_EQ(x.rank(), 2u);
  EXPECT_EQ(x.size(), 12);
  EXPECT_EQ(x.size_bytes(), 96u);
  EXPECT_THAT(x.span(), AllOf(::testing::SizeIs(12), Each(0.0)));
  EXPECT_FALSE(x.in_shared_memory());
  EXPECT_EQ(reinterpret_cast<uintptr_t>(x.data()) % 64, 0u);
  EXPECT_TRUE(x.IsRowMajor());
  EXPECT_FALSE(x.IsColumnMajor());
  EXPECT_EQ(x.Describe(), "float64 (3, 4)");
}

TEST(NdArrayTest, CreateTakesFortransOrder) {
  const NdArray<float> x = *NdArray<float>::Create({3, 4}, Order::kColumnMajor);
  EXPECT_THAT(x.strides(), ElementsAre(4, 12));
  EXPECT_TRUE(x.IsColumnMajor());
  EXPECT_FALSE(x.IsRowMajor());
  EXPECT_TRUE(x.is_contiguous());
}

TEST(NdArrayTest, CreateRefusesAShapeThatIsNone) {
  EXPECT_THAT(NdArray<double>::Create({3, -4}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("negative")));
  EXPECT_THAT(NdArray<double>::Create({kMost}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("address space")));
  EXPECT_THAT(NdArray<double>::Create(std::vector<int64_t>(33, 1)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("at most 32 axes")));
}

TEST(NdArrayTest, CreateHandlesRankZeroAndNoElements) {
  const NdArray<int32_t> scalar = *NdArray<int32_t>::Create({});
  scalar() = 7;
  EXPECT_EQ(scalar.size(), 1);
  EXPECT_THAT(scalar.ToVector(), ElementsAre(7));
  EXPECT_EQ(*scalar.At({}), 7);
  const NdArray<int32_t> empty = *NdArray<int32_t>::Create({3, 0});
  EXPECT_TRUE(empty.empty());
  EXPECT_TRUE(empty.is_contiguous());
  EXPECT_THAT(empty.span(), IsEmpty());
  EXPECT_THAT(empty.ToVector(), IsEmpty());
  EXPECT_EQ(empty.Describe(), "int32 (3, 0)");
}

TEST(NdArrayTest, ADefaultArrayHasNoElements) {
  EXPECT_THAT(NdArray<int16_t>().shape(), ElementsAre(0));
  EXPECT_EQ(NdArray<int16_t>().element_type(), ElementType::kInt16);
  EXPECT_EQ(AnyNdArray().Describe(), "float64 (0,)");
  EXPECT_THAT(AnyNdArray().Copy(), IsOk());
}

TEST(NdArrayTest, IndicesFindElementsInAnyOrder) {
  for (const Order order : {Order::kRowMajor, Order::kColumnMajor}) {
    const NdArray<double> x = Counting({2, 3, 4}, order);
    for (int i = 0; i < 2; ++i) {
      for (int j = 0; j < 3; ++j) {
        for (int k = 0; k < 4; ++k) {
          EXPECT_EQ(x(i, j, k), 12 * i + 4 * j + k);
          EXPECT_EQ(*x.At({i, j, k}), 12 * i + 4 * j + k);
        }
      }
    }
    x(1, 2, 3) = -1;
    EXPECT_EQ(x.ToVector().back(), -1);
  }
}

TEST(NdArrayTest, AtTakesIndicesOneByOne) {
  const NdArray<double> x = Counting({2, 3});
  EXPECT_EQ(*x.At(1, 2), 5);
  EXPECT_EQ(*x.At(size_t{1}, uint8_t{0}), 3);
  EXPECT_EQ(*NdArray<double>::Create({})->At(), 0);
  EXPECT_THAT(x.At(1, 3),
              StatusIs(absl::StatusCode::kOutOfRange, "index (1, 3) is not inside float64 (2, 3)"));
  EXPECT_THAT(x.At(1), StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_THAT(x.At(), StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_THAT(x.At(std::numeric_limits<uint64_t>::max(), 0),
              StatusIs(absl::StatusCode::kOutOfRange));
}

TEST(NdArrayTest, AtRefusesAnIndexOutside) {
  const NdArray<double> x = Counting({2, 3});
  const std::vector<std::vector<int64_t>> outside = {{2, 0}, {0, 3},    {-1, 0},    {0, -1},    {},
                                                     {0},    {0, 0, 0}, {kMost, 0}, {kLeast, 0}};
  for (const std::vector<int64_t>& index : outside) {
    EXPECT_THAT(x.At(index), StatusIs(absl::StatusCode::kOutOfRange,
                                      AllOf(HasSubstr(ShapeName(index)), HasSubstr("(2, 3)"))));
  }
}

TEST(NdArrayTest, BorrowLooksAtTheCallersMemory) {
  std::vector<double> numbers = {1, 2, 3, 4, 5, 6};
  const NdArray<double> flat = NdArray<double>::Borrow(absl::MakeSpan(numbers));
  EXPECT_THAT(flat.shape(), ElementsAre(6));
  EXPECT_EQ(flat.data(), numbers.data());
  flat(0) = 10;
  EXPECT_EQ(numbers[0], 10);
  const NdArray<const double> c = *NdArray<const double>::Borrow(numbers, {2, 3});
  EXPECT_EQ(c(1, 0), 4);
  const NdArray<const double> f =
      *NdArray<const double>::Borrow(numbers, {2, 3}, Order::kColumnMajor);
  EXPECT_EQ(f(1, 0), 2);
}

TEST(NdArrayTest, BorrowRefusesAShapeWithAnotherNumberOfElements) {
  const std::vector<double> numbers(6);
  EXPECT_THAT(
      NdArray<const double>::Borrow(numbers, {2, 4}),
      StatusIs(absl::StatusCode::kInvalidArgument, "shape (2, 4) has 8 elements; there are 6"));
  EXPECT_THAT(NdArray<const double>::Borrow(numbers, {2, 2}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(NdArray<const double>::Borrow(numbers, {-2, -3}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("negative")));
  EXPECT_THAT(NdArray<const double>::Borrow(absl::Span<const double>(), {0, 5}), IsOk());
}

TEST(NdArrayTest, ACopyOfTheHandleSharesTheElements) {
  const NdArray<double> x = Counting({4});
  const NdArray<double> same = x;
  same(2) = 99;
  EXPECT_EQ(x(2), 99);
}

TEST(NdArrayTest, AViewKeepsTheMemoryOfAnArrayThatIsGone) {
  NdArray<double> view;
  WeakBuffer watch;
  {
    const NdArray<double> x = Counting({3, 4});
    watch = WeakBuffer(x.buffer());
    view = x.Slice(0, 1, 2)->Transpose();
  }
  EXPECT_FALSE(watch.expired());
  EXPECT_THAT(view.ToVector(), ElementsAre(4, 5, 6, 7));
  view = NdArray<double>();
  EXPECT_TRUE(watch.expired());
}

TEST(NdArrayTest, SlicesForwards) {
  const NdArray<double> x = Counting({10});
  const auto slice = [&](int64_t begin, int64_t end, int64_t step) {
    return x.Slice(0, begin, end, step)->ToVector();
  };
  EXPECT_THAT(slice(2, 5, 1), ElementsAre(2, 3, 4));
  EXPECT_THAT(slice(0, 10, 3), ElementsAre(0, 3, 6, 9));
  EXPECT_THAT(slice(0, 9, 3), ElementsAre(0, 3, 6));
  EXPECT_THAT(slice(1, 10, 3), ElementsAre(1, 4, 7));
  EXPECT_THAT(slice(9, 10, kMost), ElementsAre(9));
  EXPECT_THAT(slice(0, 10, kMost), ElementsAre(0));
  EXPECT_THAT(slice(5, 5, 1), IsEmpty());
  EXPECT_THAT(slice(10, 10, 1), IsEmpty());
}

TEST(NdArrayTest, SlicesBackwards) {
  const NdArray<double> x = Counting({10});
  const auto slice = [&](int64_t begin, int64_t end, int64_t step) {
    return x.Slice(0, begin, end, step)->ToVector();
  };
  EXPECT_THAT(slice(3, -1, -1), ElementsAre(3, 2, 1, 0));
  EXPECT_THAT(slice(9, 0, -3), ElementsAre(9, 6, 3));
  EXPECT_THAT(slice(9, -1, -3), ElementsAre(9, 6, 3, 0));
  EXPECT_THAT(slice(9, -1, kLeast), ElementsAre(9));
  EXPECT_THAT(slice(4, 4, -1), IsEmpty());
}

TEST(NdArrayTest, SlicesOfSlicesAndOfTransposes) {
  const NdArray<double> x = Counting({3, 4});
  EXPECT_THAT(x.Slice(1, 3, -1, -2)->Slice(0, 1, 3)->ToVector(), ElementsAre(7, 5, 11, 9));
  EXPECT_THAT(x.Transpose().Slice(0, 1, 2)->ToVector(), ElementsAre(1, 5, 9));
  EXPECT_THAT(x.Slice(1, 3, -1, -1)->Slice(1, 3, -1, -1)->ToVector(), x.ToVector());
  EXPECT_THAT(x.Slice(1, 0, 4, 2)->span(), IsEmpty()) << "it has gaps";
}

TEST(NdArrayTest, ARangeThatLeavesTheAxisIsNoSlice) {
  const NdArray<double> x = Counting({10, 2});
  const std::vector<std::vector<int64_t>> bad = {
      {-1, 5, 1},  {0, 11, 1},  {5, 4, 1},  {11, 11, 1},        {kLeast, kMost, 1},
      {9, -2, -1}, {10, 0, -1}, {3, 4, -1}, {kMost, kLeast, -1}};
  for (const std::vector<int64_t>& range : bad) {
    EXPECT_THAT(
        x.Slice(0, range[0], range[1], range[2]),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("the range leaves the axis")))
        << ShapeName(range);
  }
  EXPECT_THAT(x.Slice(0, 0, 5, 0),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("step is 0")));
  EXPECT_THAT(x.Slice(2, 0, 1),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("no such axis"), HasSubstr("float64 (10, 2)"))));
}

TEST(NdArrayTest, TransposeReversesTheAxes) {
  const NdArray<double> x = Counting({2, 3, 4});
  const NdArray<double> t = x.Transpose();
  EXPECT_THAT(t.shape(), ElementsAre(4, 3, 2));
  EXPECT_EQ(t(3, 1, 0), x(0, 1, 3));
  EXPECT_TRUE(t.IsColumnMajor());
  EXPECT_EQ(t.Transpose().ToVector(), x.ToVector());
}

TEST(NdArrayTest, SpanIsAllElementsInMemoryOrderIfThereAreNoGaps) {
  const NdArray<double> x = Counting({2, 2}, Order::kColumnMajor);
  EXPECT_THAT(x.span(), ElementsAre(0, 2, 1, 3));
  EXPECT_THAT(x.ToVector(), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(x.Slice(0, 1, -1, -1)->span(), IsEmpty()) << "backwards is no memory order";
}

TEST(NdArrayTest, ForEachShowsEveryElementInRowMajorOrderWhateverTheLayout) {
  for (const auto& [name, view] : tests::ViewsOf("array", Counting({2, 3, 4}))) {
    std::vector<double> seen;
    const NdArray<const double> array = *NdArray<const double>::FromAny(view);
    array.ForEach([&](const double& element) { seen.push_back(element); });
    EXPECT_EQ(seen, array.ToVector()) << name;
  }
  int calls = 0;
  NdArray<double>::Create({3, 0})->ForEach([&](double&) { ++calls; });
  EXPECT_EQ(calls, 0);
  const NdArray<double> scalar = *NdArray<double>::Create({});
  scalar.ForEach([](double& element) { element = 7; });
  EXPECT_EQ(scalar(), 7);
}

TEST(NdArrayTest, CopyIsPrivateWithoutGapsAndInTheSameOrderOfAxes) {
  const NdArray<double> x = Counting({4, 6}, Order::kColumnMajor);
  const NdArray<double> view = *x.Slice(0, 3, -1, -2)->Slice(1, 0, 6, 3);
  const NdArray<double> copy = *view.Copy();
  EXPECT_EQ(copy.ToVector(), view.ToVector());
  EXPECT_TRUE(copy.IsColumnMajor());
  copy(0, 0) = -1;
  EXPECT_EQ(x(3, 0), 18);
  const NdArray<const double> read_only = x;
  static_assert(std::is_same_v<decltype(*read_only.Copy()), NdArray<double>&&>);
}

TEST(NdArrayTest, CopyInAnOrderMakesASpanOfIt) {
  for (const auto& [name, view] : tests::ViewsOf("array", Counting({2, 3, 4}))) {
    const NdArray<const double> array = *NdArray<const double>::FromAny(view);
    const NdArray<double> c = *array.Copy(Order::kRowMajor);
    EXPECT_TRUE(c.IsRowMajor()) << name;
    EXPECT_TRUE(SameElements(c, array)) << name;
    EXPECT_EQ(std::vector<double>(c.span().begin(), c.span().end()), array.ToVector()) << name;
    const NdArray<double> f = *array.Copy(Order::kColumnMajor);
    EXPECT_TRUE(f.IsColumnMajor()) << name;
    EXPECT_TRUE(SameElements(f, array)) << name;
  }
}

TEST(NdArrayTest, FillSetsEveryElementOfAViewAndNoOther) {
  const NdArray<double> x = Counting({3, 4});
  x.Slice(1, 3, -1, -2)->Fill(-1);
  EXPECT_THAT(x.ToVector(), ElementsAre(0, -1, 2, -1, 4, -1, 6, -1, 8, -1, 10, -1));
  x.Transpose().Fill(7);
  EXPECT_THAT(x.ToVector(), Each(7));
  NdArray<double>().Fill(1);
  const NdArray<bool> flags = *NdArray<bool>::Create({2});
  flags.Fill(true);
  EXPECT_THAT(flags.ToVector(), Each(Bool8(true)));
}

TEST(NdArrayTest, CopyFromSetsEachElementWhateverTheLayouts) {
  for (const auto& [name, source] : tests::ViewsOf("source", Counting({2, 3, 3}))) {
    for (const Order order : {Order::kRowMajor, Order::kColumnMajor}) {
      const NdArray<double> target = *NdArray<double>::Create(source.shape(), order);
      EXPECT_THAT(target.CopyFrom(*NdArray<const double>::FromAny(source)), IsOk()) << name;
      EXPECT_TRUE(SameElements(target, source)) << name;
    }
  }
  const NdArray<double> x = Counting({2, 3});
  EXPECT_THAT(x.Select(0, 0)->CopyFrom(*Counting({2, 3}).Select(0, 1)), IsOk());
  EXPECT_THAT(x.ToVector(), ElementsAre(3, 4, 5, 3, 4, 5));
  EXPECT_THAT(NdArray<double>().CopyFrom(NdArray<const double>()), IsOk());
}

TEST(NdArrayTest, CopyFromTakesMemoryThatIsShared) {
  const NdArray<double> x = Counting({6});
  EXPECT_THAT(x.Slice(0, 1, 6)->CopyFrom(*x.Slice(0, 0, 5)), IsOk());
  EXPECT_THAT(x.ToVector(), ElementsAre(0, 0, 1, 2, 3, 4));
  EXPECT_THAT(x.CopyFrom(*x.Slice(0, 5, -1, -1)), IsOk());
  EXPECT_THAT(x.ToVector(), ElementsAre(4, 3, 2, 1, 0, 0));
  const NdArray<double> square = Counting({3, 3});
  EXPECT_THAT(square.CopyFrom(square.Transpose()), IsOk());
  EXPECT_THAT(square.ToVector(), ElementsAre(0, 3, 6, 1, 4, 7, 2, 5, 8));
  EXPECT_THAT(square.CopyFrom(square), IsOk());
  EXPECT_THAT(square.ToVector(), ElementsAre(0, 3, 6, 1, 4, 7, 2, 5, 8));
}

TEST(NdArrayTest, CopyFromRefusesWhatDoesNotFit) {
  const NdArray<double> x = Counting({2, 3});
  EXPECT_THAT(x.CopyFrom(Counting({3, 2})),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "an array of float64 (2, 3) takes no copy of one of float64 (3, 2): the "
                       "shapes differ"));
  EXPECT_THAT(x.CopyFrom(Counting({6})), StatusIs(absl::StatusCode::kInvalidArgument));
  const AnyNdArray any = x;
  EXPECT_THAT(any.CopyFrom(*NdArray<float>::Create({2, 3})),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("types differ")));
  const std::vector<double> numbers(6);
  const AnyNdArray read_only = *NdArray<const double>::Borrow(numbers, {2, 3});
  EXPECT_THAT(read_only.CopyFrom(x),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("may only be read")));
  EXPECT_THAT(tests::Broadcast(any, 2).CopyFrom(x),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("a stride is 0")));
  EXPECT_THAT(x.ToVector(), ElementsAre(0, 1, 2, 3, 4, 5));
}

TEST(NdArrayTest, FromAnyChecksTypeAndWritability) {
  const std::vector<float> numbers = {1, 2};
  const AnyNdArray any = NdArray<const float>::Borrow(numbers);
  EXPECT_THAT(NdArray<const float>::FromAny(any), IsOk());
  EXPECT_THAT(NdArray<const double>::FromAny(any),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "it is an array of float32 (2,), wanted one of float64"));
  EXPECT_THAT(NdArray<float>::FromAny(any),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("may only be read"), HasSubstr("Copy()"))));
  EXPECT_THAT(NdArray<float>::FromAny(*any.Copy()), IsOk());
  EXPECT_THAT(NdArray<float>::FromAny(NdArray<const float>()), IsOk()) << "nothing to write to";
}

TEST(NdArrayTest, BoolsAreBytesOfWhichAnyButZeroIsTrue) {
  NdArray<bool> flags = *NdArray<bool>::Create({3});
  static_assert(std::is_same_v<decltype(flags(0)), Bool8&>);
  const uint8_t raw[] = {0, 1, 2};
  std::memcpy(flags.mutable_origin(), raw, 3);
  EXPECT_FALSE(flags(0));
  EXPECT_TRUE(flags(1));
  EXPECT_TRUE(flags(2));
  flags(0) = true;
  EXPECT_TRUE(*flags.At({0}));
  EXPECT_EQ(flags.ToVector().size(), 3u);
  EXPECT_EQ(flags.Describe(), "bool (3,)");
}

TEST(NdArrayTest, SameElementsComparesTypeShapeAndBytesNotStrides) {
  const NdArray<double> x = Counting({2, 3});
  const NdArray<double> f = Counting({2, 3}, Order::kColumnMajor);
  EXPECT_TRUE(SameElements(x, f));
  EXPECT_FALSE(SameElements(x, x.Transpose()));
  EXPECT_FALSE(SameElements(x, Counting({6})));
  f(1, 1) = 7;
  EXPECT_FALSE(SameElements(x, f));
  EXPECT_FALSE(SameElements(*NdArray<int32_t>::Create({2}), *NdArray<float>::Create({2})));
  NdArray<double> nan = *NdArray<double>::Create({1});
  nan(0) = std::numeric_limits<double>::quiet_NaN();
  EXPECT_TRUE(SameElements(nan, *nan.Copy()));
}

class SharedArrayTest : public ::testing::Test {
 protected:
  ShmPool pool_{{.prefix = "m.", .peer_prefix = "w."}, std::make_shared<MemfdSegmentProvider>()};
};

TEST_F(SharedArrayTest, LiesInSharedMemoryAndIsWritable) {
  const NdArray<double> x = *NewSharedArray<double>(pool_, {3, 4}, Order::kColumnMajor);
  EXPECT_TRUE(x.in_shared_memory());
  EXPECT_TRUE(x.IsColumnMajor());
  x(2, 3) = 1.5;
  EXPECT_EQ(x.ToVector().back(), 1.5);
  EXPECT_FALSE(x.Copy()->in_shared_memory());
  EXPECT_TRUE(x.Slice(0, 0, 3, 2)->in_shared_memory());
}

TEST_F(SharedArrayTest, IsASegmentOfItsOwnEvenWhileASlabIsOpen) {
  ASSERT_THAT(pool_.OpenSlab(100'000), IsOk());
  const Block in_slab = *pool_.Alloc(100);
  const NdArray<double> x = *NewSharedArray<double>(pool_, {3});
  EXPECT_NE(x.buffer().block()->ref().name, in_slab.ref().name);
}

TEST_F(SharedArrayTest, TakesNoMemoryWithoutElements) {
  const NdArray<double> x = *NewSharedArray<double>(pool_, {3, 0});
  EXPECT_FALSE(x.in_shared_memory());
  EXPECT_THAT(x.shape(), ElementsAre(3, 0));
  EXPECT_EQ(pool_.stats().own.segments_created, 0u);
}

TEST_F(SharedArrayTest, OutlivesThePool) {
  auto pool = std::make_unique<ShmPool>(ShmPoolOptions(), std::make_shared<MemfdSegmentProvider>());
  const NdArray<double> x = *NewSharedArray<double>(*pool, {1000});
  x(999) = 3;
  pool.reset();
  EXPECT_EQ(x(999), 3);
  x(999) = 4;
  EXPECT_EQ(x(999), 4);
}

TEST_F(SharedArrayTest, RefusesAShapeThatIsNoneOrTooLarge) {
  EXPECT_THAT(NewSharedArray<double>(pool_, {-1}), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(NewSharedArray<double>(pool_, {kMost}), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(NewSharedArray<double>(pool_, {int64_t{1} << 50}),
              StatusIs(absl::StatusCode::kResourceExhausted));
}

}  // namespace
}  // namespace slabpipe
