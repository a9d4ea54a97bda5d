// SequenceCodec: lists of values, each through the registry. Metadata: schemas/codecs.capnp,
// Sequence.

#ifndef SLABPIPE_CODEC_SEQUENCE_CODEC_H_
#define SLABPIPE_CODEC_SEQUENCE_CODEC_H_

#include "slabpipe/codec/binding.h"
#include "slabpipe/codec/codec.h"

namespace slabpipe {

class SequenceCodec : public CodecFor<SequenceRef, ObjectList> {
 public:
  absl::string_view name() const override { return "sequence"; }
  absl::Status Prepare(const SequenceRef& sequence, Sizer& sizer) const override;
  absl::Status Encode(const SequenceRef& sequence, Encoder& encoder) const override;
  absl::StatusOr<ObjectList> Decode(Decoder& decoder) const override;
};

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_SEQUENCE_CODEC_H_
