#include "slabpipe/codec/ndarray.h"

#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"

namespace slabpipe {
namespace {

// Whether the elements of `source` may be copied to the places of those of `target`.
absl::Status CheckCopy(const AnyNdArray& source, const AnyNdArray& target) {
  const auto bad = [&](absl::string_view why) {
    return absl::InvalidArgumentError(absl::StrCat("an array of ", target.Describe(),
                                                   " takes no copy of one of ", source.Describe(),
                                                   ": ", why));
  };
  if (source.element_type() != target.element_type()) return bad("the types differ");
  if (source.shape() != target.shape()) return bad("the shapes differ");
  if (target.empty()) return absl::OkStatus();
  if (target.mutable_origin() == nullptr) return bad("it may only be read");
  for (size_t axis = 0; axis < target.rank(); ++axis) {
    if (target.strides()[axis] == 0 && target.shape()[axis] > 1) {
      return bad("its elements share their places (a stride is 0)");
    }
  }
  return absl::OkStatus();
}

// Whether the memory between the lowest and the highest byte of one reaches into that of the other.
// REQUIRES: neither is empty.
bool Overlap(const AnyNdArray& a, const AnyNdArray& b) {
  const auto span = [](const AnyNdArray& array) {
    // An array lies in memory: its numbers don't overflow.
    const ByteReach reach = *ReachOf(array.layout(), array.element_bytes());
    const auto origin = reinterpret_cast<std::intptr_t>(array.origin());
    return std::pair(origin + reach.begin, origin + reach.end);
  };
  const auto [a_begin, a_end] = span(a);
  const auto [b_begin, b_end] = span(b);
  return a_begin < b_end && b_begin < a_end;
}

}  // namespace

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

absl::StatusOr<AnyNdArray> AnyNdArray::Copy() const {
  return CopyAs(PackedLayout(layout_, element_bytes()));
}

absl::StatusOr<AnyNdArray> AnyNdArray::Copy(Order order) const {
  return CopyAs(ContiguousLayout(shape(), element_bytes(), order));
}

absl::StatusOr<AnyNdArray> AnyNdArray::CopyAs(ArrayLayout packed) const {
  absl::StatusOr<Buffer> buffer = Buffer::Allocate(size_bytes());
  if (!buffer.ok()) return buffer.status();
  CopyElements(layout_, origin_, packed, buffer->mutable_data(), element_bytes());
  const std::byte* origin = buffer->data();
  return AnyNdArray(type_, std::move(packed), *std::move(buffer), origin);
}

absl::Status AnyNdArray::CopyFrom(const AnyNdArray& source) const {
  if (absl::Status fits = CheckCopy(source, *this); !fits.ok()) return fits;
  if (empty()) return absl::OkStatus();
  if (!Overlap(source, *this)) {
    CopyElements(source.layout_, source.origin_, layout_, mutable_origin(), element_bytes());
    return absl::OkStatus();
  }
  if (source.origin_ == origin_ && source.strides() == strides()) return absl::OkStatus();
  absl::StatusOr<AnyNdArray> before = source.Copy();
  return before.ok() ? CopyFrom(*before) : before.status();
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
