// HandleCodec: a handle, by its number. Metadata: schemas/codecs.capnp, Handle.

#ifndef SLABPIPE_CODEC_HANDLE_CODEC_H_
#define SLABPIPE_CODEC_HANDLE_CODEC_H_

#include "slabpipe/codec/codec.h"
#include "slabpipe/codec/handle.h"

namespace slabpipe {

class HandleCodec : public CodecFor<Handle<>> {
 public:
  absl::string_view name() const override { return "handle"; }
  absl::Status Prepare(const Handle<>& handle, Sizer& sizer) const override;
  absl::Status Encode(const Handle<>& handle, Encoder& encoder) const override;
  absl::StatusOr<Handle<>> Decode(Decoder& decoder) const override;
};

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_HANDLE_CODEC_H_
