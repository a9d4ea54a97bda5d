// Arrays in blocks, as the codecs that send any write and read them.

#ifndef SLABPIPE_CODEC_NDARRAY_WIRE_H_
#define SLABPIPE_CODEC_NDARRAY_WIRE_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "slabpipe/codec/array_layout.h"
#include "slabpipe/codec/buffer.h"
#include "slabpipe/codec/element_type.h"
#include "slabpipe/codec/ndarray.h"

namespace slabpipe {

// Whether a view shows an element more than once (a stride of 0, or one that is shorter than what
// it steps over). It is written out in full, which is what it stands for.
bool HasRepeats(const AnyNdArray& array);

// The array whose element (0, ..., 0) lies at `byte_offset` of the block: all that a layout from
// elsewhere must be checked for. INVALID_ARGUMENT names the field, as CheckLayout. REQUIRES:
// CheckShape(layout.shape) is OK.
absl::StatusOr<AnyNdArray> ArrayInBlock(ElementType type, ArrayLayout layout, uint64_t byte_offset,
                                        Buffer block);

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_NDARRAY_WIRE_H_
