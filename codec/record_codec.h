// RecordCodec: structs, field by field through the registry. Metadata: schemas/codecs.capnp,
// Record.

#ifndef SLABPIPE_CODEC_RECORD_CODEC_H_
#define SLABPIPE_CODEC_RECORD_CODEC_H_

#include "slabpipe/codec/codec.h"
#include "slabpipe/codec/record.h"

namespace slabpipe {

class RecordCodec : public CodecFor<RecordRef, DynamicRecord> {
 public:
  absl::string_view name() const override { return "record"; }
  absl::Status Prepare(const RecordRef& record, Sizer& sizer) const override;
  absl::Status Encode(const RecordRef& record, Encoder& encoder) const override;
  // INVALID_ARGUMENT if a field's name comes twice.
  absl::StatusOr<DynamicRecord> Decode(Decoder& decoder) const override;
};

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_RECORD_CODEC_H_
