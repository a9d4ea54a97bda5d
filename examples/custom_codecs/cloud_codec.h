// A struct with one big buffer, and its codec.

#ifndef CLOUD_CODEC_H_
#define CLOUD_CODEC_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "slabpipe/codec/codec.h"

// Points of a laser scanner: x, y, z, x, y, z, ...
struct Cloud {
  std::string sensor;
  absl::Span<const float> points;
};

class CloudCodec : public slabpipe::CodecFor<Cloud> {
 public:
  absl::string_view name() const override { return "lidar.cloud"; }
  absl::Status Prepare(const Cloud& cloud, slabpipe::Sizer& sizer) const override {
    return sizer.AddElements(cloud.points);
  }
  absl::Status Encode(const Cloud& cloud, slabpipe::Encoder& encoder) const override {
    if (absl::Status s = encoder.SetMetadata(cloud.sensor); !s.ok()) return s;
    return encoder.AddElements(cloud.points);
  }
  absl::StatusOr<Cloud> Decode(slabpipe::Decoder& decoder) const override {
    absl::StatusOr<std::string> sensor = decoder.Metadata<std::string>();
    if (!sensor.ok()) return sensor.status();
    absl::StatusOr<absl::Span<const float>> points = decoder.Elements<float>(0);
    if (!points.ok()) return points.status();
    if (points->size() % 3 != 0) return absl::InvalidArgumentError("points: no triples");
    return Cloud{*sensor, *points};
  }
};

#endif  // CLOUD_CODEC_H_
