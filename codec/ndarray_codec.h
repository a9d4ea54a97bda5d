// NdArrayCodec: n-dimensional arrays. Metadata: schemas/codecs.capnp, NdArray.
//
// An array in shared memory that the message may refer to is sent as its block, with its strides
// and its place in there: nothing is copied, whatever view of it it is. Any other is copied once,
// straight into the slab, its axes in the order in which the source has them in memory. What is
// decoded points into the block and is read-only.

#ifndef SLABPIPE_CODEC_NDARRAY_CODEC_H_
#define SLABPIPE_CODEC_NDARRAY_CODEC_H_

#include "slabpipe/codec/codec.h"
#include "slabpipe/codec/ndarray.h"

namespace slabpipe {

class NdArrayCodec : public CodecFor<AnyNdArray> {
 public:
  absl::string_view name() const override { return "ndarray"; }
  absl::Status Prepare(const AnyNdArray& array, Sizer& sizer) const override;
  absl::Status Encode(const AnyNdArray& array, Encoder& encoder) const override;
  // Checks the metadata against the block: INVALID_ARGUMENT names the field.
  absl::StatusOr<AnyNdArray> Decode(Decoder& decoder) const override;
};

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_NDARRAY_CODEC_H_
