#include "slabpipe/codec/sequence_codec.h"

#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"

namespace slabpipe {
namespace {

// Cap'n Proto's limit on the elements of a list, less than 2^29, with room for their structs.
constexpr size_t kMaxItems = size_t{1} << 26;

absl::Status InItem(size_t index, const absl::Status& status) {
  return status.ok() ? status : InContext(absl::StrCat("item ", index), status);
}

}  // namespace

absl::Status SequenceCodec::Prepare(const SequenceRef& sequence, Sizer& sizer) const {
  if (sequence.size > kMaxItems) {
    return absl::InvalidArgumentError(
        absl::StrCat("a list of ", sequence.size, " is too long; at most ", kMaxItems));
  }
  for (size_t i = 0; i < sequence.size; ++i) {
    absl::Status status = sequence.visit_item(sequence.object, i,
                                              [&](AnyRef model) { return sizer.AddChild(model); });
    if (!status.ok()) return InItem(i, status);
  }
  return absl::OkStatus();
}

absl::Status SequenceCodec::Encode(const SequenceRef& sequence, Encoder& encoder) const {
  auto items =
      encoder.InitMetadata<schemas::Sequence>().initItems(static_cast<unsigned>(sequence.size));
  for (unsigned i = 0; i < items.size(); ++i) {
    absl::Status status = sequence.visit_item(
        sequence.object, i, [&](AnyRef model) { return encoder.EncodeChild(model, items[i]); });
    if (!status.ok()) return InItem(i, status);
  }
  return absl::OkStatus();
}

absl::StatusOr<ObjectList> SequenceCodec::Decode(Decoder& decoder) const {
  ObjectList list;
  size_t i = 0;
  for (const schemas::Payload::Reader item : decoder.ReadMetadata<schemas::Sequence>().getItems()) {
    absl::StatusOr<Object> object = decoder.DecodeChild(item);
    if (!object.ok()) return InItem(i, object.status());
    list.items.push_back(*std::move(object));
    ++i;
  }
  return list;
}

}  // namespace slabpipe
