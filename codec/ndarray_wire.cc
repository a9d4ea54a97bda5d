#include "slabpipe/codec/ndarray_wire.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace slabpipe {

bool HasRepeats(const AnyNdArray& array) {
  if (array.size_bytes() > array.buffer().size_bytes()) return true;
  for (size_t axis = 0; axis < array.rank(); ++axis) {
    if (array.strides()[axis] == 0 && array.shape()[axis] > 1) return true;
  }
  return false;
}

absl::StatusOr<AnyNdArray> ArrayInBlock(ElementType type, ArrayLayout layout, uint64_t byte_offset,
                                        Buffer block) {
  const size_t element_bytes = type.size_bytes();
  const int64_t count = ElementCount(layout.shape);
  if (static_cast<uint64_t>(count) * element_bytes > block.size_bytes()) {
    return absl::InvalidArgumentError(
        absl::StrCat("extents: an array of shape ", ShapeName(layout.shape),
                     " is larger than its block of ", block.size_bytes(), " bytes"));
  }
  absl::Status inside =
      CheckLayout(layout, element_bytes, type.alignment_bytes(), byte_offset, block.size_bytes());
  if (!inside.ok()) return inside;
  const std::byte* origin = count == 0 ? nullptr : block.data() + byte_offset;
  return AnyNdArray(type, std::move(layout), std::move(block), origin);
}

}  // namespace slabpipe
