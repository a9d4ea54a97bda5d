#include "slabpipe/codec/value_codec.h"

#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "slabpipe/codec/value_wire.h"

namespace slabpipe {
namespace {

absl::Status AddLongText(const std::string& text, Sizer& sizer) {
  return text.size() < kLongTextBytes ? absl::OkStatus() : sizer.AddBlock(text.size());
}

absl::Status AddLongTexts(const Value& value, Sizer& sizer) {
  absl::Status status;
  if (value.text() != nullptr) return AddLongText(*value.text(), sizer);
  if (value.bytes() != nullptr) return AddLongText(value.bytes()->data, sizer);
  if (value.list() != nullptr) {
    for (const Value& item : *value.list()) status.Update(AddLongTexts(item, sizer));
  }
  if (value.map() != nullptr) {
    for (const auto& [key, item] : *value.map()) status.Update(AddLongTexts(item, sizer));
  }
  return status;
}

}  // namespace

absl::Status ValueCodec::Prepare(const Value& value, Sizer& sizer) const {
  absl::Status status = CheckValue(value);
  return status.ok() ? AddLongTexts(value, sizer) : status;
}

absl::Status ValueCodec::Encode(const Value& value, Encoder& encoder) const {
  uint32_t blocks = 0;
  return WriteValue(value, encoder.InitMetadata<schemas::Value>(),
                    [&](absl::string_view content) -> absl::StatusOr<uint32_t> {
                      auto block = encoder.AddBlock(content.size(), /*temporary=*/true);
                      if (!block.ok()) return block.status();
                      std::memcpy(block->data(), content.data(), content.size());
                      encoder.CountCopy(content.size());
                      return blocks++;
                    });
}

absl::StatusOr<Value> ValueCodec::Decode(Decoder& decoder) const {
  // Blocks are used in their order, each once: otherwise few bytes could ask for many copies.
  uint32_t next_block = 0;
  const auto find_long = [&](uint32_t block) -> absl::StatusOr<absl::Span<const std::byte>> {
    if (block != next_block) {
      return absl::InvalidArgumentError(
          absl::StrCat("a text lies in block ", block, ", not in the next one, ", next_block));
    }
    ++next_block;
    return decoder.BytesToCopy(block);
  };
  return ReadValue(decoder.ReadMetadata<schemas::Value>(), find_long);
}

}  // namespace slabpipe
