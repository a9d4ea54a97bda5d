// MapCodec: values by key, each through the registry. Metadata: schemas/codecs.capnp, Map.

#ifndef SLABPIPE_CODEC_MAP_CODEC_H_
#define SLABPIPE_CODEC_MAP_CODEC_H_

#include "slabpipe/codec/codec.h"
#include "slabpipe/codec/models.h"

namespace slabpipe {

class MapCodec : public CodecFor<MapRef, DynamicMap> {
 public:
  absl::string_view name() const override { return "map"; }
  absl::Status Prepare(const MapRef& map, Sizer& sizer) const override;
  absl::Status Encode(const MapRef& map, Encoder& encoder) const override;
  absl::StatusOr<DynamicMap> Decode(Decoder& decoder) const override;
};

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_MAP_CODEC_H_
