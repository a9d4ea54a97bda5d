// A codec that leaves parts of its values to other codecs.

#ifndef SURVEY_CODEC_H_
#define SURVEY_CODEC_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cloud_codec.h"
#include "slabpipe/codec/codec.h"
#include "slabpipe/codec/ndarray.h"

// Clouds that were taken one after the other, and where the vehicle was: one 4 x 4 matrix for each.
struct Survey {
  int64_t number = 0;
  std::vector<Cloud> clouds;
  slabpipe::NdArray<const double> poses;
};

class SurveyCodec : public slabpipe::CodecFor<Survey> {
 public:
  absl::string_view name() const override { return "lidar.survey"; }
  absl::Status Prepare(const Survey& survey, slabpipe::Sizer& sizer) const override {
    if (absl::Status s = sizer.AddChild(survey.clouds); !s.ok()) return s;
    return sizer.AddChild(survey.poses);
  }
  absl::Status Encode(const Survey& survey, slabpipe::Encoder& encoder) const override {
    if (absl::Status s = encoder.SetMetadata(survey.number); !s.ok()) return s;
    if (absl::Status s = encoder.InitChildren(2); !s.ok()) return s;
    if (absl::Status s = encoder.SetChild(0, survey.clouds); !s.ok()) return s;
    return encoder.SetChild(1, survey.poses);
  }
  absl::StatusOr<Survey> Decode(slabpipe::Decoder& decoder) const override {
    absl::StatusOr<int64_t> number = decoder.Metadata<int64_t>();
    if (!number.ok()) return number.status();
    auto clouds = decoder.Child<std::vector<Cloud>>(0);
    if (!clouds.ok()) return clouds.status();
    auto poses = decoder.Child<slabpipe::NdArray<const double>>(1);
    if (!poses.ok()) return poses.status();
    return Survey{*number, *std::move(clouds), *std::move(poses)};
  }
};

#endif  // SURVEY_CODEC_H_
