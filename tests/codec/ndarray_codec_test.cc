#include "slabpipe/codec/ndarray_codec.h"

#include <complex>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "slabpipe/codec/shared_array.h"
#include "slabpipe/tests/codec/round_trip.h"
#include "slabpipe/tests/codec/test_arrays.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::Broadcast;
using ::slabpipe::tests::Cost;
using ::slabpipe::tests::FillWithNoise;
using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::Letter;
using ::slabpipe::tests::NaiveElements;
using ::slabpipe::tests::NamedArray;
using ::slabpipe::tests::Peer;
using ::slabpipe::tests::StatusIs;
using ::slabpipe::tests::ViewsOf;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Metadata = schemas::NdArray;

// Ranks 0 to 5, one element, no element.
const std::vector<std::vector<int64_t>> kShapes = {
    {},  {7},    {3, 5},    {2, 3, 4}, {2, 1, 3, 2}, {2, 3, 1, 2, 2},
    {1}, {1, 1}, {1, 1, 1}, {0},       {3, 0},       {0, 2, 0},
};

class NdArrayCodecTest : public tests::RoundTrip {
 protected:
  static AnyNdArray Private(ElementType type, absl::Span<const int64_t> shape,
                            Order order = Order::kRowMajor) {
    AnyNdArray array = *AnyNdArray::Create(type, shape, order);
    FillWithNoise(array);
    return array;
  }
  static AnyNdArray Shared(Peer& peer, ElementType type, absl::Span<const int64_t> shape,
                           Order order = Order::kRowMajor) {
    AnyNdArray array = *NewSharedArray(peer.pool(), type, shape, order);
    FillWithNoise(array);
    return array;
  }
  // Sends it, and checks what is the same for all: nothing is changed by the way.
  AnyNdArray Arrives(const AnyNdArray& sent) { return Arrives(*main_, *worker_, sent); }
  AnyNdArray Arrives(Peer& from, Peer& to, const AnyNdArray& sent) {
    absl::StatusOr<Object> object = SendFrom(from, to, sent);
    EXPECT_THAT(object, IsOk());
    if (!object.ok()) return AnyNdArray();
    const AnyNdArray* got = object->get<AnyNdArray>();
    EXPECT_NE(got, nullptr);
    if (got == nullptr) return AnyNdArray();
    EXPECT_EQ(got->element_type(), sent.element_type());
    EXPECT_EQ(got->shape(), sent.shape());
    EXPECT_EQ(NaiveElements(*got), NaiveElements(sent));
    return *got;
  }
  // The strides that lead from one element to another; 0 for the rest, which carry no meaning.
  static Extents UsedStrides(const ArrayLayout& layout) {
    Extents strides = layout.strides;
    for (size_t axis = 0; axis < layout.rank(); ++axis) {
      if (layout.shape[axis] == 1) strides[axis] = 0;
    }
    return strides;
  }
  // A 3 x 4 array of float64, in the worker's hands when `corrupt` has changed its metadata.
  absl::Status Attack(std::function<void(Metadata::Builder)> corrupt) {
    return ReadCorrupted(Private(ElementType::kFloat64, {3, 4}),
                         [&](Letter& letter) { corrupt(letter.metadata<Metadata>()); });
  }
  // The same with layout `strided`, and these extents and strides; the offset comes behind them.
  absl::Status AttackStrided(const std::vector<int64_t>& extents, uint64_t byte_offset = 0) {
    return Attack([&](Metadata::Builder metadata) {
      metadata.setLayout(Metadata::Layout::STRIDED);
      std::vector<int64_t> numbers = extents;
      numbers.push_back(static_cast<int64_t>(byte_offset));
      SetExtents(metadata, numbers);
    });
  }
  static void SetExtents(Metadata::Builder metadata, const std::vector<int64_t>& extents) {
    auto list = metadata.initExtents(static_cast<unsigned>(extents.size()));
    for (unsigned i = 0; i < list.size(); ++i) list.set(i, extents[i]);
  }
};

// Every element type x shape x order x view, with `make` making the arrays.
template <typename Make>
std::vector<NamedArray> EveryArray(Make make) {
  std::vector<NamedArray> arrays;
  for (const ElementType type : tests::EveryElementType()) {
    for (const std::vector<int64_t>& shape : kShapes) {
      for (const Order order : {Order::kRowMajor, Order::kColumnMajor}) {
        const AnyNdArray array = make(type, shape, order);
        const char* suffix = order == Order::kRowMajor ? ", C" : ", F";
        for (NamedArray& view : ViewsOf(array.Describe() + suffix, array)) {
          arrays.push_back(std::move(view));
        }
      }
    }
  }
  return arrays;
}

TEST_F(NdArrayCodecTest, EveryPrivateArrayArrivesWithOneCopyAndItsOrderOfAxes) {
  for (const auto& [name, array] : EveryArray(Private)) {
    SCOPED_TRACE(name);
    const AnyNdArray got = Arrives(array);
    EXPECT_EQ(cost_,
              array.empty()
                  ? Cost{}
                  : (Cost{.copies = 1, .bytes_copied = array.size_bytes(), .slabs_opened = 1}));
    EXPECT_TRUE(got.IsRowMajor() || !array.IsRowMajor());
    EXPECT_TRUE(got.IsColumnMajor() || !array.IsColumnMajor());
    if (!array.empty()) {
      EXPECT_EQ(UsedStrides(got.layout()),
                UsedStrides(PackedLayout(array.layout(), array.element_bytes())));
      EXPECT_TRUE(got.in_shared_memory());
    }
    EXPECT_EQ(got.mutable_origin(), nullptr) << "read-only";
    GiveBack();
  }
}

TEST_F(NdArrayCodecTest, Behaviour8EveryViewOfASharedArrayArrivesWithoutACopyAndWithItsStrides) {
  const auto make = [this](ElementType type, absl::Span<const int64_t> shape, Order order) {
    return Shared(*main_, type, shape, order);
  };
  for (const auto& [name, array] : EveryArray(make)) {
    SCOPED_TRACE(name);
    const AnyNdArray got = Arrives(array);
    EXPECT_EQ(cost_, Cost{});
    if (array.IsRowMajor() || array.IsColumnMajor()) {
      EXPECT_EQ(got.IsRowMajor(), array.IsRowMajor());
      EXPECT_EQ(got.IsColumnMajor(), array.IsColumnMajor());
    } else {
      EXPECT_EQ(got.strides(), array.strides());
    }
    if (array.empty()) continue;
    ASSERT_TRUE(got.in_shared_memory());
    EXPECT_EQ(got.buffer().block()->ref(), array.buffer().block()->ref());
    EXPECT_EQ(got.origin() - got.buffer().data(), array.origin() - array.buffer().data());
  }
}

TEST_F(NdArrayCodecTest, SeedDefectColumnMajorInputIsNotScrambled) {
  NdArray<double> x = *NdArray<double>::Create({2, 3}, Order::kColumnMajor);
  for (int i = 0; i < 2; ++i) {
    for (int j = 0; j < 3; ++j) x(i, j) = 10 * i + j;
  }
  absl::StatusOr<NdArray<const double>> got = FetchAs<NdArray<const double>>(x);
  ASSERT_THAT(got, IsOk());
  EXPECT_THAT(got->ToVector(), ElementsAre(0, 1, 2, 10, 11, 12));
  EXPECT_THAT(got->span(), ElementsAre(0, 10, 1, 11, 2, 12)) << "still Fortran's order";
  EXPECT_THAT(got->strides(), ElementsAre(8, 16));
}

TEST_F(NdArrayCodecTest, SeedDefectNonContiguousInputIsAccepted) {
  std::vector<int32_t> numbers(20);
  for (int i = 0; i < 20; ++i) numbers[static_cast<size_t>(i)] = i;
  const NdArray<const int32_t> table = *NdArray<const int32_t>::Borrow(numbers, {4, 5});
  absl::StatusOr<NdArray<const int32_t>> got = Fetch(*table.Slice(1, 3, 0, -2)->Slice(0, 1, 3));
  ASSERT_THAT(got, IsOk());
  EXPECT_THAT(got->shape(), ElementsAre(2, 2));
  EXPECT_THAT(got->ToVector(), ElementsAre(8, 6, 13, 11));
}

TEST_F(NdArrayCodecTest, SeedDefectASliceOfADecodedArrayIsSentOnWithoutACopy) {
  const AnyNdArray sent = Private(ElementType::kFloat32, {6, 5});
  const AnyNdArray decoded = Arrives(sent);
  const AnyNdArray slice = *decoded.Slice(0, 5, 0, -2)->Slice(1, 1, 4);
  const AnyNdArray back = Arrives(*worker_, *main_, slice);
  EXPECT_EQ(cost_, Cost{});
  EXPECT_EQ(NaiveElements(back), NaiveElements(*sent.Slice(0, 5, 0, -2)->Slice(1, 1, 4)));
}

TEST_F(NdArrayCodecTest, AnArrayGoesBackToItsOwnerWithoutACopyToTheVeryBytes) {
  const AnyNdArray mine = Shared(*main_, ElementType::kInt16, {100});
  const AnyNdArray back = Arrives(*worker_, *main_, Arrives(mine));
  EXPECT_EQ(cost_, Cost{});
  EXPECT_EQ(back.origin(), mine.origin());
}

TEST_F(NdArrayCodecTest, WhatComesBackToItsOwnerIsReadOnlyLikeAnyDecodedArray) {
  NdArray<double> mine = *NewSharedArray<double>(main_->pool(), {3});
  const AnyNdArray back = Arrives(*worker_, *main_, Arrives(mine));
  EXPECT_EQ(back.mutable_origin(), nullptr);
  EXPECT_THAT(NdArray<double>::FromAny(back),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("may only be read")));
}

TEST_F(NdArrayCodecTest, AnArrayOfAnotherPoolIsCopied) {
  Peer stranger("x.", "y.", BuiltInCodecs());
  const AnyNdArray theirs = Shared(stranger, ElementType::kUint8, {1000});
  const AnyNdArray got = Arrives(theirs);
  EXPECT_EQ(cost_, (Cost{.copies = 1, .bytes_copied = 1000, .slabs_opened = 1}));
  EXPECT_THAT(got.buffer().block()->ref().name, ::testing::StartsWith("m."));
}

TEST_F(NdArrayCodecTest, ABroadcastViewIsWrittenOutInFull) {
  for (const bool shared : {false, true}) {
    const AnyNdArray base =
        shared ? Shared(*main_, ElementType::kInt64, {2, 3}) : Private(ElementType::kInt64, {2, 3});
    const AnyNdArray view = Broadcast(base, 50);
    const AnyNdArray got = Arrives(view);
    EXPECT_EQ(cost_, (Cost{.copies = 1, .bytes_copied = 50 * 3 * 8, .slabs_opened = 1}));
    EXPECT_EQ(got.buffer().size_bytes(), 50u * 3 * 8);
  }
}

TEST_F(NdArrayCodecTest, OverlappingRowsOfASharedArrayAreSentAsTheyAreIfTheyFitIt) {
  const AnyNdArray base = Shared(*main_, ElementType::kInt16, {10});
  const auto windows = [&](int64_t rows) {
    return AnyNdArray(base.element_type(), {.shape = {rows, 3}, .strides = {2, 2}}, base.buffer(),
                      base.origin());
  };
  EXPECT_EQ(Arrives(windows(3)).strides(), windows(3).strides());
  EXPECT_EQ(cost_, Cost{});
  // More elements than the buffer has room for: written out, as anything that repeats.
  EXPECT_THAT(Arrives(windows(8)).strides(), ElementsAre(6, 2));
  EXPECT_EQ(cost_, (Cost{.copies = 1, .bytes_copied = 48, .slabs_opened = 1}));
}

TEST_F(NdArrayCodecTest, RefusesMoreElementsThanTheBlockHasRoomFor) {
  // All inside, all over one another: few bytes to send, many to read.
  EXPECT_THAT(AttackStrided({1, 3, 8, 8}), IsOk());
  EXPECT_THAT(
      AttackStrided({10, 3, 8, 8}),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("larger than its block of 96 bytes")));
}

TEST_F(NdArrayCodecTest, NanPayloadsInfinitiesAndMinusZeroKeepTheirBits) {
  const std::vector<uint64_t> bits = {0x7ff8000000000001, 0xfff80000deadbeef, 0x7ff0000000000001,
                                      0x7ff0000000000000, 0x8000000000000000, 0x0000000000000001};
  const absl::Span<const double> numbers(reinterpret_cast<const double*>(bits.data()), bits.size());
  absl::StatusOr<NdArray<const double>> got = Fetch(NdArray<const double>::Borrow(numbers));
  ASSERT_THAT(got, IsOk());
  ASSERT_EQ(got->size(), 6);
  EXPECT_EQ(memcmp(got->data(), bits.data(), 6 * sizeof(double)), 0);
}

TEST_F(NdArrayCodecTest, ComplexAndBoolArraysComeAsTheirTypes) {
  using Complex = std::complex<double>;
  const std::vector<Complex> numbers = {{1, 2}, {-3, 4}};
  absl::StatusOr<NdArray<const Complex>> complexes = Fetch(NdArray<const Complex>::Borrow(numbers));
  ASSERT_THAT(complexes, IsOk());
  EXPECT_EQ(complexes->ToVector(), numbers);
  NdArray<bool> flags = *NdArray<bool>::Create({3});
  flags(1) = true;
  absl::StatusOr<NdArray<const bool>> bools = FetchAs<NdArray<const bool>>(flags);
  ASSERT_THAT(bools, IsOk());
  EXPECT_FALSE((*bools)(0));
  EXPECT_TRUE((*bools)(1));
}

TEST_F(NdArrayCodecTest, AnArrayOfFortyMegabytesArrives) {
  const AnyNdArray large = Private(ElementType::kFloat64, {5, 1000, 1000});
  absl::StatusOr<Object> object = Send(large);
  ASSERT_THAT(object, IsOk());
  const AnyNdArray& got = *object->get<AnyNdArray>();
  ASSERT_EQ(got.size_bytes(), 40'000'000u);
  EXPECT_EQ(memcmp(got.origin(), large.origin(), 40'000'000), 0);
  EXPECT_EQ(cost_.copies, 1u);
}

TEST_F(NdArrayCodecTest, AVectorOfNumbersIsAnArrayOfOneAxis) {
  const std::vector<uint16_t> numbers = {1, 2, 65535};
  absl::StatusOr<std::vector<uint16_t>> got = Fetch(numbers);
  ASSERT_THAT(got, IsOk());
  EXPECT_EQ(*got, numbers);
  EXPECT_THAT(FetchAs<std::vector<uint16_t>>(Private(ElementType::kUint16, {2, 2})),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("uint16 (2, 2)"), HasSubstr("one axis"))));
  EXPECT_THAT(FetchAs<std::vector<uint16_t>>(std::vector<double>{1}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("float64"), HasSubstr("uint16"))));
}

TEST_F(NdArrayCodecTest, AVectorOfBoolsIsAnArrayToo) {
  const std::vector<bool> flags = {true, false, true};
  EXPECT_THAT(*Fetch(flags), ElementsAre(true, false, true));
  EXPECT_THAT(FetchAs<NdArray<const bool>>(flags)->ToVector(), ElementsAre(true, false, true));
}

TEST_F(NdArrayCodecTest, AnArrayFromATemporaryBlockIsAPrivateCopy) {
  const AnyNdArray sent = Private(ElementType::kFloat64, {3, 4});
  std::unique_ptr<Letter> letter = Write(sent);
  letter->table().getRefs()[0].setTemporary(true);
  absl::StatusOr<Object> object = worker_->Read(*letter);
  ASSERT_THAT(object, IsOk());
  EXPECT_FALSE(object->get<AnyNdArray>()->in_shared_memory());
  EXPECT_TRUE(object->leases().empty());
  EXPECT_EQ(worker_->pool().stats().peer.leases, 0u) << "the block has been given back";
  EXPECT_EQ(NaiveElements(*object->get<AnyNdArray>()), NaiveElements(sent));
}

TEST_F(NdArrayCodecTest, AnArrayMayUseLessThanItsBlock) {
  absl::StatusOr<Object> got = Send(*Shared(*main_, ElementType::kInt8, {500}).Slice(0, 3, 9));
  ASSERT_THAT(got, IsOk());
  EXPECT_EQ(got->get<AnyNdArray>()->buffer().size_bytes(), 500u);
}

// The metadata, field by field. Without a change it decodes: see all of the above.

TEST_F(NdArrayCodecTest, RefusesAnElementTypeThatDoesNotExist) {
  for (const int type : {17, 18, 255, 65535}) {
    EXPECT_THAT(Attack([&](Metadata::Builder m) {
                  m.setElementType(static_cast<schemas::ElementType>(type));
                }),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr("ndarray: "), HasSubstr("elementType"))));
  }
}

TEST_F(NdArrayCodecTest, RefusesAWidthThatIsNone) {
  for (const uint32_t width : {0u, 6u, (1u << 30) + 4, ~0u}) {
    EXPECT_THAT(Attack([&](Metadata::Builder m) {
                  m.setElementType(schemas::ElementType::TEXT);
                  m.setElementBytes(width);
                }),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr("ndarray: "), HasSubstr("elementBytes"))));
  }
}

TEST_F(NdArrayCodecTest, RefusesAnElementTypeThatIsTooLargeForTheBlock) {
  EXPECT_THAT(
      Attack([](Metadata::Builder m) { m.setElementType(schemas::ElementType::COMPLEX128); }),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("larger than its block of 96 bytes")));
}

TEST_F(NdArrayCodecTest, RefusesALayoutThatDoesNotExist) {
  for (const int layout : {4, 5, 65535}) {
    EXPECT_THAT(
        Attack([&](Metadata::Builder m) { m.setLayout(static_cast<Metadata::Layout>(layout)); }),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("layout")));
  }
}

TEST_F(NdArrayCodecTest, RefusesExtentsThatDoNotFit) {
  const int64_t most = std::numeric_limits<int64_t>::max();
  const int64_t least = std::numeric_limits<int64_t>::min();
  const std::vector<std::pair<std::vector<int64_t>, std::string>> attacks = {
      {{-1, 4}, "extent -1 of axis 0 is negative"},
      {{3, least}, "of axis 1 is negative"},
      {{-3, -4}, "negative"},
      {{3, 5}, "larger than its block of 96 bytes"},
      {{13}, "larger than its block of 96 bytes"},
      {{most, most}, "larger than an address space"},
      {{int64_t{1} << 32, int64_t{1} << 32}, "larger than an address space"},
      {{int64_t{1} << 61, 0}, "larger than an address space"},
      {{most / 8}, "larger than its block of 96 bytes"},
      {{0, 4}, "with 1 blocks"},
      {std::vector<int64_t>(33, 1), "at most 32 axes"},
      {std::vector<int64_t>(64, 1), "at most 32 axes"},
      {std::vector<int64_t>(65, 1), "at most 32 axes"},
      {std::vector<int64_t>(66, 1), "extents"},
      {std::vector<int64_t>(100'000, 1), "extents"},
  };
  for (const auto& [extents, message] : attacks) {
    for (const Metadata::Layout layout :
         {Metadata::Layout::ROW_MAJOR, Metadata::Layout::COLUMN_MAJOR}) {
      EXPECT_THAT(Attack([&](Metadata::Builder m) {
                    m.setLayout(layout);
                    SetExtents(m, extents);
                  }),
                  StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)))
          << message;
    }
  }
}

TEST_F(NdArrayCodecTest, RefusesNumbersThatAreNoShapeStridesAndOffset) {
  // One is missing, or one too many; or they are of more axes than there may be.
  for (const size_t count : {0, 2, 4, 6, 64, 66, 67, 100'001}) {
    EXPECT_THAT(Attack([&](Metadata::Builder m) {
                  m.setLayout(Metadata::Layout::STRIDED);
                  SetExtents(m, std::vector<int64_t>(count, 1));
                }),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("are no shape")))
        << count;
  }
  EXPECT_THAT(AttackStrided({}), IsOk()) << "rank 0";
  EXPECT_THAT(AttackStrided({}, 88), IsOk());
  EXPECT_THAT(AttackStrided({}, 96),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("outside the block's 96")));
}

TEST_F(NdArrayCodecTest, AVectorIsAllOfItsBlock) {
  std::unique_ptr<Letter> letter = Write(Private(ElementType::kFloat64, {12}));
  EXPECT_EQ(letter->metadata<Metadata>().getLayout(), Metadata::Layout::VECTOR);
  EXPECT_FALSE(letter->metadata<Metadata>().hasExtents()) << "the block says how long it is";
  letter->table().getRefs()[0].setContentSize(40);
  absl::StatusOr<Object> object = worker_->Read(*letter);
  ASSERT_THAT(object, IsOk());
  EXPECT_THAT(object->get<AnyNdArray>()->shape(), ElementsAre(5));
  // Extents that come all the same mean nothing.
  EXPECT_THAT(Attack([](Metadata::Builder m) {
                m.setLayout(Metadata::Layout::VECTOR);
                SetExtents(m, {std::numeric_limits<int64_t>::max(), -1});
              }),
              IsOk());
}

TEST_F(NdArrayCodecTest, RefusesAVectorThatEndsWithinAnElement) {
  for (const uint64_t content_size : {95, 4, 1}) {
    std::unique_ptr<Letter> letter = Write(Private(ElementType::kFloat64, {12}));
    letter->table().getRefs()[0].setContentSize(content_size);
    EXPECT_THAT(worker_->Read(*letter),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is no vector")))
        << content_size;
  }
}

TEST_F(NdArrayCodecTest, AVectorOfAnEmptyBlockIsRefused) {
  std::unique_ptr<Letter> letter = Write(Private(ElementType::kFloat64, {12}));
  letter->table().getRefs()[0].setContentSize(0);
  EXPECT_THAT(worker_->Read(*letter),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("with 1 blocks")));
}

TEST_F(NdArrayCodecTest, TheRankMayBeAnyThatCoversNoMoreThanTheBlock) {
  // Fewer elements than the block has are no attack: a codec may use part of a block.
  EXPECT_THAT(Attack([](Metadata::Builder m) { SetExtents(m, {}); }), IsOk());
  EXPECT_THAT(Attack([](Metadata::Builder m) { SetExtents(m, {3}); }), IsOk());
  EXPECT_THAT(Attack([](Metadata::Builder m) { SetExtents(m, std::vector<int64_t>(32, 1)); }),
              IsOk());
}

TEST_F(NdArrayCodecTest, RefusesStridesThatDoNotFit) {
  const int64_t most = std::numeric_limits<int64_t>::max() / 8 * 8;
  const int64_t least = std::numeric_limits<int64_t>::min();
  EXPECT_THAT(AttackStrided({3, 4, 32, 8}), IsOk());
  EXPECT_THAT(AttackStrided({3, 4, -32, 8}, 64), IsOk());
  const std::vector<std::tuple<std::vector<int64_t>, uint64_t, std::string>> attacks = {
      {{3, 4, 32}, 0, "extents"},                                      // one stride missing
      {{3, 4, 32, 4}, 0, "stride 4 of axis 1 is no multiple of 8"},    // misaligned
      {{3, 4, 32, -1}, 8, "stride -1 of axis 1 is no multiple of 8"},  //
      {{3, 4, 0, 8}, 0, "stride of axis 0 is 0"},                      // repeats
      {{3, 4, 32, 0}, 0, "stride of axis 1 is 0"},                     //
      {{3, 4, 40, 8}, 0, "outside the block's 96 bytes"},              // past the end
      {{3, 4, -32, 8}, 0, "outside the block's 96 bytes"},             // before the start
      {{3, 4, -32, 8}, 56, "outside the block's 96 bytes"},            // by one element
      {{3, 4, -32, 8}, 72, "outside the block's 96 bytes"},            // behind, by one
      {{3, 4, most, 8}, 0, "outside the block's 96 bytes"},            // overflow
      {{3, 4, least, 8}, 0, "outside the block's 96 bytes"},           //
      {{2, 2, most, most}, 0, "outside the block's 96 bytes"},         // their sum overflows
      {{2, 2, least, least}, 0, "outside the block's 96 bytes"},       //
      {{2, 2, most, least}, 0, "outside the block's 96 bytes"},        // would cancel out
      {{int64_t{1} << 59, 1, 32, 8}, 0, "larger than its block of 96 bytes"},
  };
  for (const auto& [extents, byte_offset, message] : attacks) {
    EXPECT_THAT(AttackStrided(extents, byte_offset),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)));
  }
}

TEST_F(NdArrayCodecTest, AnUnusedStrideOfAnyValueDoesNoHarmToWhatTheReceiverDoes) {
  const int64_t most = std::numeric_limits<int64_t>::max() / 8 * 8;
  const int64_t least = std::numeric_limits<int64_t>::min();
  for (const int64_t stride : {most, least, int64_t{0}}) {
    std::unique_ptr<Letter> letter = Write(Private(ElementType::kFloat64, {1, 12}));
    letter->metadata<Metadata>().setLayout(Metadata::Layout::STRIDED);
    SetExtents(letter->metadata<Metadata>(), {1, 12, stride, 8, 0});
    absl::StatusOr<Object> object = worker_->Read(*letter);
    ASSERT_THAT(object, IsOk());
    const AnyNdArray& got = *object->get<AnyNdArray>();
    ASSERT_THAT(got.Copy(), IsOk());
    EXPECT_EQ(NaiveElements(*got.Copy()), NaiveElements(got));
    EXPECT_THAT(got.Slice(0, 0, 1, 7), IsOk());
    EXPECT_THAT(got.Slice(0, 0, -1, -1), IsOk());
    EXPECT_TRUE(got.IsRowMajor());
    Arrives(*worker_, *main_, got);
  }
}

TEST_F(NdArrayCodecTest, StridesOfAnEmptyArrayDoNoHarmToWhatTheReceiverDoes) {
  const int64_t most = std::numeric_limits<int64_t>::max() / 8 * 8;
  for (const int64_t stride : {most, std::numeric_limits<int64_t>::min()}) {
    std::unique_ptr<Letter> letter = Write(Private(ElementType::kFloat64, {0, 12}));
    letter->metadata<Metadata>().setLayout(Metadata::Layout::STRIDED);
    SetExtents(letter->metadata<Metadata>(), {0, 12, 8, stride, 0});
    absl::StatusOr<Object> object = worker_->Read(*letter);
    ASSERT_THAT(object, IsOk());
    const AnyNdArray& got = *object->get<AnyNdArray>();
    absl::StatusOr<AnyNdArray> slice = got.Slice(1, 11, 0, -3);
    ASSERT_THAT(slice, IsOk());
    EXPECT_THAT(slice->shape(), ElementsAre(0, 4));
    EXPECT_THAT(got.Copy(), IsOk());
    Arrives(*worker_, *main_, got);
  }
}

TEST_F(NdArrayCodecTest, RefusesAByteOffsetThatDoesNotFit) {
  for (const uint64_t offset : {uint64_t{8}, uint64_t{96}, uint64_t{104}, uint64_t{1} << 63,
                                std::numeric_limits<uint64_t>::max() - 7}) {
    EXPECT_THAT(AttackStrided({3, 4, 32, 8}, offset),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("outside the block's 96")))
        << offset;
  }
  for (const uint64_t offset : {uint64_t{1}, uint64_t{4}, std::numeric_limits<uint64_t>::max()}) {
    EXPECT_THAT(AttackStrided({3, 4, 32, 8}, offset),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("byteOffset")))
        << offset;
  }
}

TEST_F(NdArrayCodecTest, RefusesAnyOtherNumberOfBlocksThanOne) {
  const AnyNdArray array = Private(ElementType::kFloat64, {3, 4});
  EXPECT_THAT(ReadCorrupted(array, [](Letter& letter) { letter.payload().setRefCount(0); }),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("with 0 blocks")));
  std::unique_ptr<Letter> letter = Write(array, array);
  letter->payload(0).setRefCount(2);
  EXPECT_THAT(worker_->ReadAll(*letter),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("with 2 blocks")));
}

TEST_F(NdArrayCodecTest, RefusesABlockForAnArrayWithoutElements) {
  const AnyNdArray full = Private(ElementType::kFloat64, {3});
  std::unique_ptr<Letter> letter = Write(full, Private(ElementType::kFloat64, {0, 2}));
  letter->payload(1).setFirstRef(0);
  letter->payload(1).setRefCount(1);
  EXPECT_THAT(worker_->ReadAll(*letter),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("with 1 blocks")));
}

TEST_F(NdArrayCodecTest, ReadsNoFurtherThanTheContentOfTheBlock) {
  const AnyNdArray array = Private(ElementType::kFloat64, {3, 4});
  for (const uint64_t content_size : {95, 8, 0}) {
    for (const bool temporary : {false, true}) {
      EXPECT_THAT(
          ReadCorrupted(array,
                        [&](Letter& letter) {
                          letter.table().getRefs()[0].setContentSize(content_size);
                          letter.table().getRefs()[0].setTemporary(temporary);
                        }),
          StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("larger than its block of")));
    }
  }
}

TEST_F(NdArrayCodecTest, RefusesMetadataOfAnotherForm) {
  const AnyNdArray array = Private(ElementType::kFloat64, {3, 4});
  EXPECT_THAT(ReadCorrupted(array,
                            [](Letter& letter) {
                              letter.payload().getMetadata().setAs<capnp::Text>("no struct");
                            }),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("malformed message")));
  // None at all reads as zeros: a bool of rank 0, which the block's first byte is.
  EXPECT_THAT(ReadCorrupted(array, [](Letter& letter) { letter.payload().getMetadata().clear(); }),
              IsOk());
}

TEST_F(NdArrayCodecTest, SeedDefectEqualMessagesDoNotMakeSharedMemoryGrow) {
  const AnyNdArray array = Private(ElementType::kFloat64, {1000});
  ShmPoolStats after_ten;
  for (int i = 0; i < 1000; ++i) {
    ASSERT_THAT(Send(array), IsOk());
    GiveBack();
    if (i == 9) after_ten = main_->pool().stats();
  }
  EXPECT_EQ(main_->pool().stats().own.segments_created, after_ten.own.segments_created);
  EXPECT_EQ(main_->pool().stats().own.bytes, after_ten.own.bytes);
}

}  // namespace
}  // namespace slabpipe
