#include "slabpipe/codec/ndarray.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace slabpipe {

absl::StatusOr<AnyNdArray> AnyNdArray::Create(ElementType type, absl::Span<const int64_t> shape,
                                              Order order) {
  const size_t element_bytes = type.size_bytes();
  if (absl::Status status = CheckShape(shape, element_bytes); !status.ok()) return status;
  absl::StatusOr<Buffer> buffer =
      Buffer::Allocate(static_cast<size_t>(ElementCount(shape)) * element_bytes);
  if (!buffer.ok()) return buffer.status();
  const std::byte* origin = buffer->data();
  return AnyNdArray(type, ContiguousLayout(shape, element_bytes, order), *std::move(buffer),
                    origin);
}

std::byte* AnyNdArray::mutable_origin() const {
  if (buffer_.mutable_data() == nullptr) return nullptr;
  return buffer_.mutable_data() + (origin_ - buffer_.data());
}

absl::StatusOr<AnyNdArray> AnyNdArray::Slice(size_t axis, int64_t begin, int64_t end,
                                             int64_t step) const {
  const auto bad = [&](absl::string_view why) {
    return absl::InvalidArgumentError(absl::StrCat(
        "slice ", begin, ":", end, ":", step, " of axis ", axis, " of ", Describe(), ": ", why));
  };
  if (axis >= rank()) return bad("there is no such axis");
  if (step == 0) return bad("the step is 0");
  const int64_t extent = shape()[axis];
  const bool up = step > 0;
  const bool inside = up ? begin >= 0 && begin <= end && end <= extent
                         : end >= -1 && end <= begin && begin < extent;
  if (!inside) return bad("the range leaves the axis");
  const int64_t distance = up ? end - begin : begin - end;
  // In unsigned numbers, so that the lowest step there is has a magnitude.
  const uint64_t magnitude = up ? static_cast<uint64_t>(step) : -static_cast<uint64_t>(step);
  const int64_t count =
      distance == 0 ? 0
                    : static_cast<int64_t>((static_cast<uint64_t>(distance) - 1) / magnitude + 1);
  AnyNdArray view = *this;
  view.layout_.shape[axis] = count;
  if (count > 0 && !empty()) view.origin_ += begin * strides()[axis];
  // Where no second element is reached, the stride is never used, and must not overflow.
  if (count > 1 && !empty()) view.layout_.strides[axis] *= step;
  return view;
}

AnyNdArray AnyNdArray::Transpose() const {
  AnyNdArray view = *this;
  std::reverse(view.layout_.shape.begin(), view.layout_.shape.end());
  std::reverse(view.layout_.strides.begin(), view.layout_.strides.end());
  return view;
}

absl::StatusOr<AnyNdArray> AnyNdArray::Copy() const {
  absl::StatusOr<Buffer> buffer = Buffer::Allocate(size_bytes());
  if (!buffer.ok()) return buffer.status();
  ArrayLayout packed = PackedLayout(layout_, element_bytes());
  CopyElements(layout_, origin_, packed, buffer->mutable_data(), element_bytes());
  const std::byte* origin = buffer->data();
  return AnyNdArray(type_, std::move(packed), *std::move(buffer), origin);
}

std::string AnyNdArray::Describe() const {
  return absl::StrCat(type_.name(), " ", ShapeName(shape()));
}

bool SameElements(const AnyNdArray& a, const AnyNdArray& b) {
  if (a.element_type() != b.element_type() || a.shape() != b.shape()) return false;
  const ArrayLayout packed = ContiguousLayout(a.shape(), a.element_bytes(), Order::kRowMajor);
  std::vector<std::byte> a_bytes(a.size_bytes());
  std::vector<std::byte> b_bytes(b.size_bytes());
  CopyElements(a.layout(), a.origin(), packed, a_bytes.data(), a.element_bytes());
  CopyElements(b.layout(), b.origin(), packed, b_bytes.data(), b.element_bytes());
  return a_bytes == b_bytes;
}

absl::Status CheckElementType(const AnyNdArray& array, ElementType wanted, bool writable) {
  if (array.element_type() != wanted) {
    return absl::InvalidArgumentError(
        absl::StrCat("it is an array of ", array.Describe(), ", wanted one of ", wanted.name()));
  }
  if (writable && !array.empty() && array.buffer().mutable_data() == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("the array of ", array.Describe(),
                     " may only be read: take it as NdArray<const T>, or Copy() it"));
  }
  return absl::OkStatus();
}

absl::Status CheckElementCount(absl::Span<const int64_t> shape, size_t elements,
                               size_t element_bytes) {
  absl::Status status = CheckShape(shape, element_bytes);
  if (!status.ok() || ElementCount(shape) == static_cast<int64_t>(elements)) return status;
  return absl::InvalidArgumentError(absl::StrCat(
      "shape ", ShapeName(shape), " has ", ElementCount(shape), " elements; there are ", elements));
}

}  // namespace slabpipe
