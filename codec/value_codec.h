// ValueCodec: the fallback. Everything small and irregular travels as a Value, in the message
// itself; texts and bytes from 4,096 bytes on lie in temporary blocks and are copied out when they
// are decoded. Data only: nothing is ever executed.

#ifndef SLABPIPE_CODEC_VALUE_CODEC_H_
#define SLABPIPE_CODEC_VALUE_CODEC_H_

#include "slabpipe/codec/codec.h"
#include "slabpipe/codec/value.h"

namespace slabpipe {

class ValueCodec : public CodecFor<Value> {
 public:
  absl::string_view name() const override { return "value"; }
  absl::Status Prepare(const Value& value, Sizer& sizer) const override;
  absl::Status Encode(const Value& value, Encoder& encoder) const override;
  absl::StatusOr<Value> Decode(Decoder& decoder) const override;
};

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_VALUE_CODEC_H_
