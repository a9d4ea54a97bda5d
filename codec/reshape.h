// ReshapedLayout: another shape for the same elements, which stay where they lie.
//
//   std::optional<ArrayLayout> flat = ReshapedLayout(layout, {12}, 8, Order::kRowMajor);
//   if (!flat.has_value()) ...    // the strides don't allow it: copy the elements first

#ifndef SLABPIPE_CODEC_RESHAPE_H_
#define SLABPIPE_CODEC_RESHAPE_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "slabpipe/codec/array_layout.h"

namespace slabpipe {

// `wanted` with its -1, if it has one, replaced so that the shape has as many elements as `shape`.
// INVALID_ARGUMENT names both shapes if it can't have as many, if -1 could be any number, or if
// `wanted` is no shape.
absl::StatusOr<Extents> InferShape(absl::Span<const int64_t> shape,
                                   absl::Span<const int64_t> wanted, size_t element_bytes);

// A layout of shape `shape` that reaches the elements of `layout` in the same sequence, both
// arrays being gone through in `order`; nullopt if there is none. Exact: nullopt only where no
// strides exist. REQUIRES: CheckShape(shape) is OK, and it has as many elements as `layout`.
std::optional<ArrayLayout> ReshapedLayout(const ArrayLayout& layout,
                                          absl::Span<const int64_t> shape, size_t element_bytes,
                                          Order order);

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_RESHAPE_H_
