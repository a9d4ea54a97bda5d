// VariantCodec: a value of one of several types, through the registry. Metadata:
// schemas/codecs.capnp, Variant.

#ifndef SLABPIPE_CODEC_VARIANT_CODEC_H_
#define SLABPIPE_CODEC_VARIANT_CODEC_H_

#include "slabpipe/codec/codec.h"
#include "slabpipe/codec/models.h"

namespace slabpipe {

class VariantCodec : public CodecFor<VariantRef, DynamicVariant> {
 public:
  absl::string_view name() const override { return "variant"; }
  absl::Status Prepare(const VariantRef& variant, Sizer& sizer) const override;
  absl::Status Encode(const VariantRef& variant, Encoder& encoder) const override;
  absl::StatusOr<DynamicVariant> Decode(Decoder& decoder) const override;
};

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_VARIANT_CODEC_H_
