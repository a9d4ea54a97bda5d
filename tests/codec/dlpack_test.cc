#include "slabpipe/codec/dlpack.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/codec/dlpack_abi.h"
#include "slabpipe/codec/shared_array.h"
#include "slabpipe/tests/codec/round_trip.h"
#include "slabpipe/tests/codec/test_arrays.h"
#include "slabpipe/tests/testing/status_matchers.h"
#include "slabpipe/transport/memfd_segment.h"
#include "slabpipe/transport/shm_pool.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::Counting;
using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::NaiveElements;
using ::slabpipe::tests::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();

// A tensor that is given back at the end.
struct GiveBack {
  void operator()(DLManagedTensorVersioned* tensor) const { tensor->deleter(tensor); }
};
using Tensor = std::unique_ptr<DLManagedTensorVersioned, GiveBack>;

Tensor Exported(const AnyNdArray& array) { return Tensor(*ToDlpack(array)); }

// The elements in row-major order as a consumer reads them, from nothing but the tensor.
std::vector<std::byte> ElementsOf(const DLTensor& tensor) {
  std::vector<std::byte> bytes;
  const size_t size = tensor.dtype.bits / 8;
  Extents shape(tensor.shape, tensor.shape + tensor.ndim);
  Extents index(shape.size(), 0);
  if (ElementCount(shape) == 0) return bytes;
  do {
    const std::byte* element = static_cast<const std::byte*>(tensor.data) + tensor.byte_offset;
    for (size_t axis = 0; axis < shape.size(); ++axis) {
      element += index[axis] * tensor.strides[axis] * static_cast<int64_t>(size);
    }
    bytes.insert(bytes.end(), element, element + size);
  } while (tests::NextIndex(shape, index));
  return bytes;
}

// ---- Export

TEST(ToDlpackTest, SaysTypeShapeStridesAndPlace) {
  const NdArray<float> x = *NdArray<float>::Create({3, 4}, Order::kColumnMajor);
  const Tensor tensor = Exported(x);
  EXPECT_EQ(tensor->version.major, 1u);
  EXPECT_EQ(tensor->version.minor, 0u);
  EXPECT_EQ(tensor->flags, 0u);
  const DLTensor& t = tensor->dl_tensor;
  EXPECT_EQ(t.data, x.data());
  EXPECT_EQ(t.byte_offset, 0u);
  EXPECT_EQ(t.device.device_type, 1);
  EXPECT_EQ(t.device.device_id, 0);
  EXPECT_EQ(t.dtype.code, 2);
  EXPECT_EQ(t.dtype.bits, 32);
  EXPECT_EQ(t.dtype.lanes, 1);
  ASSERT_EQ(t.ndim, 2);
  EXPECT_THAT(std::vector<int64_t>(t.shape, t.shape + 2), ElementsAre(3, 4));
  EXPECT_THAT(std::vector<int64_t>(t.strides, t.strides + 2), ElementsAre(1, 3));
}

TEST(ToDlpackTest, NamesEveryTypeThatDlpackHas) {
  struct Case {
    ElementType type;
    int code, bits;
  };
  const Case cases[] = {{ElementType::kBool, 6, 8},        {ElementType::kInt8, 0, 8},
                        {ElementType::kInt16, 0, 16},      {ElementType::kInt32, 0, 32},
                        {ElementType::kInt64, 0, 64},      {ElementType::kUint8, 1, 8},
                        {ElementType::kUint16, 1, 16},     {ElementType::kUint32, 1, 32},
                        {ElementType::kUint64, 1, 64},     {ElementType::kFloat16, 2, 16},
                        {ElementType::kFloat32, 2, 32},    {ElementType::kFloat64, 2, 64},
                        {ElementType::kBfloat16, 4, 16},   {ElementType::kComplex64, 5, 64},
                        {ElementType::kComplex128, 5, 128}};
  for (const Case& c : cases) {
    const Tensor tensor = Exported(*AnyNdArray::Create(c.type, {2}));
    EXPECT_EQ(tensor->dl_tensor.dtype.code, c.code) << c.type.name();
    EXPECT_EQ(tensor->dl_tensor.dtype.bits, c.bits) << c.type.name();
    EXPECT_EQ(tensor->dl_tensor.dtype.lanes, 1) << c.type.name();
  }
}

TEST(ToDlpackTest, RefusesElementsThatDlpackHasNot) {
  for (const ElementType type : {ElementType::Bytes(4), ElementType::Text(3)}) {
    EXPECT_THAT(ToDlpack(*AnyNdArray::Create(type, {2})),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr(type.name()), HasSubstr("DLPack has no such elements"))));
  }
}

TEST(ToDlpackTest, RefusesStridesBetweenElements) {
  // The real parts of three pairs of (complex64, float32): 12 bytes from one to the next.
  const AnyNdArray floats = *NdArray<float>::Create({9});
  const AnyNdArray x(ElementType::kComplex64, {{3}, {12}}, floats.buffer(), floats.origin());
  EXPECT_THAT(ToDlpack(x), StatusIs(absl::StatusCode::kInvalidArgument,
                                    AllOf(HasSubstr("stride 12 of axis 0"), HasSubstr("Copy()"))));
  EXPECT_THAT(ElementsOf(Exported(*x.Copy())->dl_tensor), NaiveElements(x));
  EXPECT_THAT(ElementsOf(Exported(*x.Slice(0, 1, 2))->dl_tensor), NaiveElements(*x.Slice(0, 1, 2)))
      << "a stride that leads nowhere does not matter";
}

TEST(ToDlpackTest, HandlesRankZeroAndNoElements) {
  const Tensor scalar = Exported(*NdArray<double>::Create({}));
  EXPECT_EQ(scalar->dl_tensor.ndim, 0);
  EXPECT_NE(scalar->dl_tensor.data, nullptr);
  const Tensor empty = Exported(*Counting({4, 4}).Slice(1, 2, 2));
  EXPECT_EQ(empty->dl_tensor.data, nullptr);
  EXPECT_THAT(std::vector<int64_t>(empty->dl_tensor.shape, empty->dl_tensor.shape + 2),
              ElementsAre(4, 0));
}

TEST(ToDlpackTest, MarksWhatMayOnlyBeRead) {
  const std::vector<double> numbers(3);
  const NdArray<double> x = Counting({3});
  const NdArray<const double> const_x = x;
  EXPECT_EQ(Exported(NdArray<const double>::Borrow(numbers))->flags, kDlpackReadOnly);
  EXPECT_EQ(Tensor(*ToDlpack(x))->flags, 0u);
  EXPECT_EQ(Tensor(*ToDlpack(const_x))->flags, kDlpackReadOnly) << "whoever else may write to it";
}

TEST(ToDlpackTest, KeepsTheBytesUntilItIsGivenBackOnAnyThread) {
  std::optional<AnyNdArray> x = Counting({1000}).Slice(0, 999, -1, -3).value();
  const WeakBuffer watch(x->buffer());
  const std::vector<std::byte> want = NaiveElements(*x);
  Tensor tensor = Exported(*x);
  x.reset();
  EXPECT_FALSE(watch.expired());
  EXPECT_EQ(ElementsOf(tensor->dl_tensor), want);
  std::thread([&] { tensor.reset(); }).join();
  EXPECT_TRUE(watch.expired());
}

TEST(ToDlpackTest, KeepsALeaseOnSharedMemoryPastThePool) {
  auto pool = std::make_unique<ShmPool>(ShmPoolOptions{.prefix = "m.", .peer_prefix = "w."},
                                        std::make_shared<MemfdSegmentProvider>());
  std::optional<NdArray<double>> x = *NewSharedArray<double>(*pool, {1000});
  x->Fill(1.5);
  const std::vector<std::byte> want = NaiveElements(*x);
  const WeakBuffer watch(x->buffer());
  Tensor tensor = Exported(*x);
  x.reset();
  pool->Clear();
  EXPECT_FALSE(watch.expired());
  pool.reset();
  EXPECT_EQ(ElementsOf(tensor->dl_tensor), want);
  tensor.reset();
  EXPECT_TRUE(watch.expired());
}

class DecodedDlpackTest : public tests::RoundTrip {};

TEST_F(DecodedDlpackTest, KeepsWhatWasDecodedPastBothPeers) {
  const NdArray<double> sent = Counting({30, 40}, Order::kColumnMajor);
  absl::StatusOr<NdArray<const double>> got = FetchAs<NdArray<const double>>(sent);
  ASSERT_THAT(got, IsOk());
  ASSERT_TRUE(got->in_shared_memory());
  const WeakBuffer watch(got->buffer());
  Tensor tensor(*ToDlpack(*got));
  EXPECT_EQ(tensor->flags, kDlpackReadOnly);
  got = NdArray<const double>();
  Restart();
  EXPECT_FALSE(watch.expired());
  EXPECT_EQ(ElementsOf(tensor->dl_tensor), NaiveElements(sent));
  tensor.reset();
  EXPECT_TRUE(watch.expired());
}

// ---- There and back

TEST(DlpackTest, EveryTypeLayoutAndViewComesBackAsItIs) {
  for (const ElementType type : tests::EveryElementType()) {
    if (type.has_fixed_width()) continue;
    for (const std::vector<int64_t>& shape :
         std::vector<std::vector<int64_t>>{{}, {5}, {3, 4}, {2, 3, 4}, {2, 1, 2, 3}, {3, 0}}) {
      for (const Order order : {Order::kRowMajor, Order::kColumnMajor}) {
        const AnyNdArray array = *AnyNdArray::Create(type, shape, order);
        tests::FillWithNoise(array);
        for (const auto& [name, view] : tests::ViewsOf(type.name() + ShapeName(shape), array)) {
          Tensor tensor = Exported(view);
          EXPECT_EQ(ElementsOf(tensor->dl_tensor), NaiveElements(view)) << name;
          const absl::StatusOr<AnyNdArray> back = FromDlpack(tensor.release());
          ASSERT_THAT(back, IsOk()) << name;
          EXPECT_TRUE(SameElements(*back, view)) << name;
          if (!view.empty()) {
            EXPECT_EQ(back->origin(), view.origin()) << name;
          }
          EXPECT_FALSE(back->in_shared_memory());
        }
      }
    }
  }
}

TEST(DlpackTest, ARepeatedElementComesBackAsItIs) {
  const AnyNdArray repeated = tests::Broadcast(Counting({2, 3}), 4);
  const AnyNdArray back = *FromDlpack(*ToDlpack(repeated));
  EXPECT_THAT(back.strides(), ElementsAre(0, 8));
  EXPECT_EQ(NaiveElements(back), NaiveElements(repeated));
}

TEST(DlpackTest, WritabilityComesBackAsItIs) {
  const NdArray<double> x = Counting({3});
  const absl::StatusOr<NdArray<double>> writable =
      NdArray<double>::FromAny(*FromDlpack(*ToDlpack(x)));
  ASSERT_THAT(writable, IsOk());
  (*writable)(1) = -1;
  EXPECT_EQ(x(1), -1);
  const AnyNdArray read_only = *FromDlpack(*ToDlpack(NdArray<const double>(x)));
  EXPECT_EQ(read_only.mutable_origin(), nullptr);
}

// ---- Import

// A tensor of 2 x 3 int32 numbers that counts how often it is given back.
class Producer {
 public:
  Producer() {
    for (int i = 0; i < 24; ++i) memory_[i] = i;
    managed_ = {.version = {.major = 1, .minor = 3},
                .manager_ctx = this,
                .deleter =
                    [](DLManagedTensorVersioned* self) {
                      ++static_cast<Producer*>(self->manager_ctx)->given_back_;
                    },
                .flags = 0,
                .dl_tensor = {.data = memory_,
                              .device = {.device_type = 1, .device_id = 0},
                              .ndim = 2,
                              .dtype = {.code = 0, .bits = 32, .lanes = 1},
                              .shape = shape_,
                              .strides = strides_,
                              .byte_offset = 0}};
  }
  Producer(const Producer&) = delete;
  Producer& operator=(const Producer&) = delete;

  DLManagedTensorVersioned* managed() { return &managed_; }
  DLTensor& tensor() { return managed_.dl_tensor; }
  int64_t* shape() { return shape_; }
  int64_t* strides() { return strides_; }
  int32_t* memory() { return memory_; }
  int given_back() const { return given_back_; }

 private:
  int32_t memory_[24];
  int64_t shape_[33] = {2, 3};
  int64_t strides_[33] = {3, 1};
  int given_back_ = 0;
  DLManagedTensorVersioned managed_;
};

std::vector<int32_t> Numbers(const absl::StatusOr<AnyNdArray>& array) {
  return NdArray<const int32_t>::FromAny(array.value())->ToVector();
}

TEST(FromDlpackTest, LooksAtTheProducersMemory) {
  Producer producer;
  const AnyNdArray x = *FromDlpack(producer.managed());
  EXPECT_EQ(x.Describe(), "int32 (2, 3)");
  EXPECT_EQ(x.origin(), reinterpret_cast<std::byte*>(producer.memory()));
  EXPECT_EQ(x.mutable_origin(), x.origin());
  EXPECT_THAT(Numbers(x), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_EQ(x.buffer().size_bytes(), 24u);
}

TEST(FromDlpackTest, GivesTheTensorBackWhenTheLastViewIsGone) {
  Producer producer;
  std::optional<AnyNdArray> x = *FromDlpack(producer.managed());
  const WeakBuffer watch(x->buffer());
  std::optional<AnyNdArray> row = *x->Select(0, 1);
  x.reset();
  EXPECT_EQ(producer.given_back(), 0);
  EXPECT_FALSE(watch.expired());
  EXPECT_THAT(Numbers(*row), ElementsAre(3, 4, 5));
  row.reset();
  EXPECT_EQ(producer.given_back(), 1);
  EXPECT_TRUE(watch.expired());
}

TEST(FromDlpackTest, TakesATensorWithoutADeleter) {
  Producer producer;
  producer.managed()->deleter = nullptr;
  EXPECT_THAT(FromDlpack(producer.managed()), IsOk());
  EXPECT_EQ(producer.given_back(), 0);
}

TEST(FromDlpackTest, TakesOffsetsAndStridesOfEitherSign) {
  Producer producer;
  producer.tensor().byte_offset = 23 * sizeof(int32_t);
  producer.strides()[0] = -12;
  producer.strides()[1] = -5;
  const AnyNdArray x = *FromDlpack(producer.managed());
  EXPECT_THAT(Numbers(x), ElementsAre(23, 18, 13, 11, 6, 1));
  EXPECT_EQ(x.buffer().data(), reinterpret_cast<std::byte*>(producer.memory() + 1));
  EXPECT_EQ(x.buffer().size_bytes(), 23 * sizeof(int32_t));
}

TEST(FromDlpackTest, TakesNullForStridesWithoutGaps) {
  Producer producer;
  producer.tensor().strides = nullptr;
  EXPECT_THAT(Numbers(FromDlpack(producer.managed())), ElementsAre(0, 1, 2, 3, 4, 5));
}

TEST(FromDlpackTest, StridesThatLeadToNoElementDoNotMatter) {
  Producer one;
  one.shape()[0] = 1;
  one.strides()[0] = kMost;
  EXPECT_THAT(Numbers(FromDlpack(one.managed())), ElementsAre(0, 1, 2));
  Producer none;
  none.shape()[1] = 0;
  none.strides()[0] = kLeast / 4;
  none.tensor().data = nullptr;
  none.tensor().byte_offset = 3;
  std::optional<AnyNdArray> x = *FromDlpack(none.managed());
  EXPECT_THAT(x->shape(), ElementsAre(2, 0));
  EXPECT_THAT(Numbers(*x), IsEmpty());
  EXPECT_THAT(x->Copy(), IsOk());
  EXPECT_EQ(none.given_back(), 0);
  x.reset();
  EXPECT_EQ(none.given_back(), 1);
}

TEST(FromDlpackTest, TakesRankZeroWithoutShapeAndStrides) {
  Producer producer;
  producer.tensor().ndim = 0;
  producer.tensor().shape = nullptr;
  producer.tensor().strides = nullptr;
  producer.tensor().byte_offset = 28;
  EXPECT_THAT(Numbers(FromDlpack(producer.managed())), ElementsAre(7));
}

TEST(FromDlpackTest, ReadOnlyTensorsAreReadOnlyArrays) {
  Producer producer;
  producer.managed()->flags = kDlpackReadOnly | 2 | uint64_t{1} << 63;
  const AnyNdArray x = *FromDlpack(producer.managed());
  EXPECT_EQ(x.mutable_origin(), nullptr);
  EXPECT_THAT(Numbers(x), ElementsAre(0, 1, 2, 3, 4, 5));
}

// Each field, spoilt: what the error says; and the tensor is given back.
struct Spoilt {
  std::string name;
  std::function<void(Producer&)> spoil;
  absl::StatusCode code;
  std::string says;
};

std::vector<Spoilt> SpoiltTensors() {
  constexpr auto kBad = absl::StatusCode::kInvalidArgument;
  constexpr auto kUnknown = absl::StatusCode::kUnimplemented;
  return {
      {"major 0", [](Producer& p) { p.managed()->version.major = 0; }, kUnknown,
       "version 0.3, wanted 1.x"},
      {"major 2, the rest unreadable",
       [](Producer& p) {
         p.managed()->version.major = 2;
         p.tensor() = {};
         p.tensor().ndim = -1;
       },
       kUnknown, "version 2.3, wanted 1.x"},
      {"a GPU", [](Producer& p) { p.tensor().device.device_type = 2; }, kUnknown, "type 2"},
      {"no device", [](Producer& p) { p.tensor().device.device_type = 0; }, kUnknown, "type 0"},
      {"pinned memory", [](Producer& p) { p.tensor().device.device_type = 3; }, kUnknown, "type 3"},
      {"code 3", [](Producer& p) { p.tensor().dtype.code = 3; }, kUnknown, "type code 3, 32 bits"},
      {"code 255", [](Producer& p) { p.tensor().dtype.code = 255; }, kUnknown, "type code 255"},
      {"4 bits", [](Producer& p) { p.tensor().dtype.bits = 4; }, kUnknown, "4 bits"},
      {"0 bits", [](Producer& p) { p.tensor().dtype.bits = 0; }, kUnknown, "0 bits"},
      {"float128",
       [](Producer& p) { p.tensor().dtype = {.code = kDlpackFloat, .bits = 128, .lanes = 1}; },
       kUnknown, "type code 2, 128 bits"},
      {"0 lanes", [](Producer& p) { p.tensor().dtype.lanes = 0; }, kUnknown, "0 lanes"},
      {"4 lanes", [](Producer& p) { p.tensor().dtype.lanes = 4; }, kUnknown, "4 lanes"},
      {"ndim -1", [](Producer& p) { p.tensor().ndim = -1; }, kBad, "-1 axes, wanted 0 to 32"},
      {"ndim 33", [](Producer& p) { p.tensor().ndim = 33; }, kBad, "33 axes, wanted 0 to 32"},
      {"shape null", [](Producer& p) { p.tensor().shape = nullptr; }, kBad, "shape is null"},
      {"negative", [](Producer& p) { p.shape()[1] = -3; }, kBad, "extent -3 of axis 1"},
      {"huge", [](Producer& p) { p.shape()[0] = kMost / 8; }, kBad, "larger than an address space"},
      {"data null", [](Producer& p) { p.tensor().data = nullptr; }, kBad, "its data is null"},
      {"offset", [](Producer& p) { p.tensor().byte_offset = ~uint64_t{0}; }, kBad,
       "byte_offset 18446744073709551615 leads out"},
      {"offset 2^63", [](Producer& p) { p.tensor().byte_offset = uint64_t{1} << 63; }, kBad,
       "leads out of the address space"},
      {"misaligned", [](Producer& p) { p.tensor().byte_offset = 2; }, kBad, "no multiple of 4"},
      {"highest stride", [](Producer& p) { p.strides()[0] = kMost; }, kBad, "stride 9223372036"},
      {"lowest stride", [](Producer& p) { p.strides()[1] = kLeast; }, kBad, "stride -9223372036"},
      {"high stride", [](Producer& p) { p.strides()[1] = kMost / 4; }, kBad,
       "lead out of the address space"},
      {"low stride", [](Producer& p) { p.strides()[1] = kLeast / 8; }, kBad,
       "lead out of the address space"},
      {"below address 0", [](Producer& p) { p.strides()[0] = -(int64_t{1} << 60); }, kBad,
       "lead out of the address space"},
      {"null strides, more memory than there are addresses",
       [](Producer& p) {
         p.tensor().strides = nullptr;
         p.shape()[0] = kMost / 12;
       },
       kBad, "lead out of the address space"},
  };
}

TEST(FromDlpackTest, RefusesASpoiltTensorAndGivesItBack) {
  for (const Spoilt& spoilt : SpoiltTensors()) {
    Producer producer;
    spoilt.spoil(producer);
    EXPECT_THAT(FromDlpack(producer.managed()), StatusIs(spoilt.code, HasSubstr(spoilt.says)))
        << spoilt.name;
    EXPECT_EQ(producer.given_back(), 1) << spoilt.name;
  }
}

TEST(FromDlpackTest, RefusesNull) {
  EXPECT_THAT(FromDlpack(nullptr), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("null")));
}

}  // namespace
}  // namespace slabpipe
