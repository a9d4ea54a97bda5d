// A codec for a type that slabpipe has a way for already: a std::vector<std::string>, in two blocks
// instead of in a payload for each string.

#ifndef TEXTS_CODEC_H_
#define TEXTS_CODEC_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "slabpipe/codec/codec.h"

class TextsCodec : public slabpipe::CodecFor<std::vector<std::string>> {
 public:
  using Texts = std::vector<std::string>;

  absl::string_view name() const override { return "texts"; }
  absl::Status Prepare(const Texts& texts, slabpipe::Sizer& sizer) const override {
    if (absl::Status s = sizer.AddBlock(texts.size() * sizeof(uint64_t)); !s.ok()) return s;
    return sizer.AddBlock(TotalSize(texts));
  }
  absl::Status Encode(const Texts& texts, slabpipe::Encoder& encoder) const override {
    auto ends = encoder.AddBlock(texts.size() * sizeof(uint64_t));
    if (!ends.ok()) return ends.status();
    auto characters = encoder.AddBlock(TotalSize(texts));
    if (!characters.ok()) return characters.status();
    auto* end = reinterpret_cast<uint64_t*>(ends->data());
    uint64_t written = 0;
    for (const std::string& text : texts) {
      text.copy(reinterpret_cast<char*>(characters->data()) + written, text.size());
      *end++ = written += text.size();
    }
    encoder.CountCopy(ends->size() + characters->size());
    return absl::OkStatus();
  }
  absl::StatusOr<Texts> Decode(slabpipe::Decoder& decoder) const override {
    auto ends = decoder.Elements<uint64_t>(0);
    if (!ends.ok()) return ends.status();
    auto characters = decoder.Elements<char>(1);
    if (!characters.ok()) return characters.status();
    // Each number is read once, into memory of one's own: the peer may change it after the check.
    const std::vector<uint64_t> checked(ends->begin(), ends->end());
    Texts texts;
    texts.reserve(checked.size());
    uint64_t begin = 0;
    for (const uint64_t end : checked) {
      if (end < begin || end > characters->size()) {
        return absl::InvalidArgumentError(
            absl::StrCat("text ", texts.size(), " ends at ", end, ", out of its block"));
      }
      texts.emplace_back(characters->data() + begin, end - begin);
      begin = end;
    }
    return texts;
  }

 private:
  static size_t TotalSize(const Texts& texts) {
    size_t size = 0;
    for (const std::string& text : texts) size += text.size();
    return size;
  }
};

#endif  // TEXTS_CODEC_H_
