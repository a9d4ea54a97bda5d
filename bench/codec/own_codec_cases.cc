// Codecs of one's own: those of examples/custom_codecs.

#include <cstddef>
#include <functional>
#include <vector>

#include "slabpipe/bench/codec/cases.h"
#include "slabpipe/bench/codec/codec_case.h"
#include "slabpipe/codec/object.h"
#include "slabpipe/examples/custom_codecs/cloud_codec.h"
#include "slabpipe/examples/custom_codecs/texts_codec.h"

namespace slabpipe::bench {
namespace {

constexpr size_t kCloudBytes = size_t{1} << 20;

template <typename SomeCodec>
CodecRegistry BuiltInAnd() {
  return CheckOk(RegistryWith<SomeCodec>());
}

// Points that live as long as the program.
Cloud MakeCloud(MessageLoop&) {
  static const std::vector<float>& points =
      *new std::vector<float>(kCloudBytes / sizeof(float) / 3 * 3, 1.5f);
  return Cloud{"roof", points};
}

bool SameCloud(const Cloud& sent, const Leased<Cloud>& got) {
  return sent.sensor == got->sensor && sent.points == got->points;
}

}  // namespace

void AddOwnCodecCases() {
  AddCase("lidar.cloud/1MiB", MakeCloud, SameCloud, &BuiltInAnd<CloudCodec>);
  // Beside sequence/1000_texts.
  AddCase(
      "texts/1000_texts", [](MessageLoop&) { return MakeTexts(); }, std::equal_to<>(),
      &BuiltInAnd<TextsCodec>);
}

}  // namespace slabpipe::bench
