// Types that only the fuzzers know: a record, and a struct with a codec of its own that uses all
// that a codec may use of Decoder.

#ifndef SLABPIPE_TESTS_FUZZ_SAMPLE_TYPES_H_
#define SLABPIPE_TESTS_FUZZ_SAMPLE_TYPES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "slabpipe/codec/codec.h"
#include "slabpipe/codec/record.h"
#include "slabpipe/codec/registry.h"

namespace slabpipe::fuzz {

struct Fit {
  NdArray<const double> draws;
  std::string model;
  std::optional<int> chains;
  std::vector<std::string> labels;
  std::vector<float> weights;
  UnknownFields unknown;

  static constexpr auto SlabpipeFields() {
    return Fields("fuzz.Fit", Field("draws", &Fit::draws), Field("model", &Fit::model),
                  Field("chains", &Fit::chains), Field("labels", &Fit::labels),
                  Field("weights", &Fit::weights).MayBeMissing())
        .KeepUnknown(&Fit::unknown);
  }
};

// Three blocks; the bytes of all lie where the message has them.
struct Cloud {
  Value settings = {};
  std::vector<Object> children = {};
  absl::Span<const float> points = {};
  absl::Span<const std::byte> raw = {};
  Buffer image = {};
};

class CloudCodec : public CodecFor<Cloud> {
 public:
  absl::string_view name() const override { return "custom"; }
  absl::Status Prepare(const Cloud& cloud, Sizer& sizer) const override;
  absl::Status Encode(const Cloud& cloud, Encoder& encoder) const override;
  absl::StatusOr<Cloud> Decode(Decoder& decoder) const override;
};

// All that slabpipe brings, and CloudCodec.
CodecRegistry FuzzedCodecs();

// The codec of number i in every input. Fixed, so that inputs stay what they are when codecs are
// added: append only.
inline constexpr const char* kCodecNumbers[] = {"ndarray", "value",  "record", "sequence",
                                                "dataset", "custom", "map",    "variant",
                                                "table",   "column", "handle"};

}  // namespace slabpipe::fuzz

#endif  // SLABPIPE_TESTS_FUZZ_SAMPLE_TYPES_H_
