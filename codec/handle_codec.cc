#include "slabpipe/codec/handle_codec.h"

#include "slabpipe/schemas/codecs.capnp.h"

namespace slabpipe {

absl::Status HandleCodec::Prepare(const Handle<>& handle, Sizer& sizer) const {
  return sizer.AddHandle(handle);
}

absl::Status HandleCodec::Encode(const Handle<>& handle, Encoder& encoder) const {
  const absl::StatusOr<uint64_t> number = encoder.AddHandle(handle);
  if (!number.ok()) return number.status();
  encoder.InitMetadata<schemas::Handle>().setNumber(*number);
  return absl::OkStatus();
}

absl::StatusOr<Handle<>> HandleCodec::Decode(Decoder& decoder) const {
  return decoder.FindHandle(decoder.ReadMetadata<schemas::Handle>().getNumber());
}

}  // namespace slabpipe
