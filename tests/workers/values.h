// Types that the tests of the session layer send to and fro: a record, and structs with codecs of
// their own. Both sides include this.

#ifndef SLABPIPE_TESTS_WORKERS_VALUES_H_
#define SLABPIPE_TESTS_WORKERS_VALUES_H_

#include <stdlib.h>

#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "slabpipe/codec/codec.h"
#include "slabpipe/codec/ndarray.h"
#include "slabpipe/codec/record.h"

namespace slabpipe::tests {

struct Fit {
  NdArray<const double> draws;
  std::string model;
  int chains = 0;
  std::optional<double> score;

  static constexpr auto SlabpipeFields() {
    return Fields("tests.Fit", Field("draws", &Fit::draws), Field("model", &Fit::model),
                  Field("chains", &Fit::chains), Field("score", &Fit::score));
  }
};

// Points into the memory that it was decoded from: its codec knows nothing of lifetimes.
struct Cloud {
  std::string sensor;
  absl::Span<const float> points;
};

class CloudCodec : public CodecFor<Cloud> {
 public:
  absl::string_view name() const override { return "tests.cloud"; }
  absl::Status Prepare(const Cloud& cloud, Sizer& sizer) const override {
    return sizer.AddElements<float>(cloud.points);
  }
  absl::Status Encode(const Cloud& cloud, Encoder& encoder) const override {
    absl::Status status = encoder.SetMetadata(cloud.sensor);
    if (status.ok()) status = encoder.AddElements<float>(cloud.points);
    return status;
  }
  absl::StatusOr<Cloud> Decode(Decoder& decoder) const override {
    absl::StatusOr<std::string> sensor = decoder.Metadata<std::string>();
    if (!sensor.ok()) return sensor.status();
    absl::StatusOr<absl::Span<const float>> points = decoder.Elements<float>(0);
    if (!points.ok()) return points.status();
    return Cloud{.sensor = *sensor, .points = *points};
  }
};

// A process that decodes it dies of it.
struct Bomb {};

class BombCodec : public CodecFor<Bomb> {
 public:
  absl::string_view name() const override { return "tests.bomb"; }
  absl::Status Prepare(const Bomb&, Sizer&) const override { return absl::OkStatus(); }
  absl::Status Encode(const Bomb&, Encoder& encoder) const override {
    return encoder.SetMetadata("tick");
  }
  absl::StatusOr<Bomb> Decode(Decoder&) const override { ::abort(); }
};

}  // namespace slabpipe::tests

#endif  // SLABPIPE_TESTS_WORKERS_VALUES_H_
