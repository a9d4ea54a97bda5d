#include "slabpipe/codec/variant_codec.h"

#include <cstdint>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"

namespace slabpipe {
namespace {

absl::Status InAlternative(size_t alternative, const absl::Status& status) {
  return status.ok() ? status : InContext(absl::StrCat("alternative ", alternative), status);
}

}  // namespace

absl::Status VariantCodec::Prepare(const VariantRef& variant, Sizer& sizer) const {
  if (variant.alternative > std::numeric_limits<uint16_t>::max()) {
    return absl::InvalidArgumentError(
        absl::StrCat("alternative ", variant.alternative, " of a variant is above 65535"));
  }
  return InAlternative(variant.alternative, variant.visit_value(variant.object, [&](AnyRef value) {
    return sizer.AddChild(value);
  }));
}

absl::Status VariantCodec::Encode(const VariantRef& variant, Encoder& encoder) const {
  schemas::Variant::Builder metadata = encoder.InitMetadata<schemas::Variant>();
  metadata.setAlternative(static_cast<uint16_t>(variant.alternative));
  return InAlternative(variant.alternative, variant.visit_value(variant.object, [&](AnyRef value) {
    return encoder.EncodeChild(value, metadata.initPayload());
  }));
}

absl::StatusOr<DynamicVariant> VariantCodec::Decode(Decoder& decoder) const {
  const schemas::Variant::Reader metadata = decoder.ReadMetadata<schemas::Variant>();
  absl::StatusOr<Object> value = decoder.DecodeChild(metadata.getPayload());
  if (!value.ok()) return InAlternative(metadata.getAlternative(), value.status());
  return DynamicVariant{.alternative = metadata.getAlternative(), .value = *std::move(value)};
}

}  // namespace slabpipe
