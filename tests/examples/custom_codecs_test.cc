// The codecs of examples/custom_codecs keep the contract: docs/custom-codecs.md tells people to ask
// theirs the same.

#include <Eigen/Core>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/codec/built_in.h"
#include "slabpipe/codec/shared_array.h"
#include "slabpipe/codec/testing/conformance.h"
#include "slabpipe/examples/custom_codecs/cloud_codec.h"
#include "slabpipe/examples/custom_codecs/matrix_codec.h"
#include "slabpipe/examples/custom_codecs/recording_codec.h"
#include "slabpipe/examples/custom_codecs/survey_codec.h"
#include "slabpipe/examples/custom_codecs/texts_codec.h"
#include "slabpipe/tests/codec/round_trip.h"
#include "slabpipe/tests/testing/status_matchers.h"

namespace slabpipe {
namespace {

using ::slabpipe::codec_testing::Conformance;
using ::slabpipe::codec_testing::Letter;
using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::StatusIs;
using ::testing::HasSubstr;

const auto kInvalid = absl::StatusCode::kInvalidArgument;

CodecRegistry AllCodecs() {
  return *RegistryWith<CloudCodec, SurveyCodec, RecordingCodec, MatrixCodec, TextsCodec>();
}

bool SameCloud(const Cloud& a, const Cloud& b) {
  return a.sensor == b.sensor && a.points == b.points;
}

const std::vector<float> kPoints = {0, 0, 1.5, 2, 1, 7.25, 4, 4, 3};

TEST(CustomCodecsTest, CloudsConform) {
  Conformance<Cloud> conformance;
  conformance.registry = AllCodecs;
  conformance.values = {Cloud{}, {"roof", kPoints}, {"side", absl::MakeSpan(kPoints.data(), 3)}};
  conformance.same = SameCloud;
  EXPECT_THAT(conformance.Run(), IsOk());
  conformance.values = {{"roof", kPoints}};
  conformance.copies = 1;
  EXPECT_THAT(conformance.Run(), IsOk());
}

TEST(CustomCodecsTest, SurveysConformAndTheirPosesAreNotCopiedFromSharedMemory) {
  Conformance<Survey> conformance;
  conformance.registry = AllCodecs;
  conformance.make_values = [](ShmPool& pool) -> absl::StatusOr<std::vector<Survey>> {
    absl::StatusOr<NdArray<double>> poses = NewSharedArray<double>(pool, {2, 4, 4});
    if (!poses.ok()) return poses.status();
    poses->Fill(0.5);
    return std::vector<Survey>{{7, {{"roof", kPoints}, {"side", {}}}, *poses}};
  };
  conformance.same = [](const Survey& a, const Survey& b) {
    return a.number == b.number && SameElements(a.poses, b.poses) &&
           std::equal(a.clouds.begin(), a.clouds.end(), b.clouds.begin(), b.clouds.end(),
                      SameCloud);
  };
  conformance.copies = 1;  // of the one cloud that has points
  EXPECT_THAT(conformance.Run(), IsOk());
}

bool SameRecording(const Recording& a, const Recording& b) {
  const auto same_channel = [](const Channel& x, const Channel& y) {
    return x.name == y.name && x.gain == y.gain;
  };
  return a.station == b.station && a.start_nanoseconds == b.start_nanoseconds &&
         a.rate_hertz == b.rate_hertz && a.samples == b.samples &&
         std::equal(a.channels.begin(), a.channels.end(), b.channels.begin(), b.channels.end(),
                    same_channel);
}

TEST(CustomCodecsTest, RecordingsConform) {
  const std::vector<int32_t> samples = {1, 10, 2, 20};
  Conformance<Recording> conformance;
  conformance.registry = AllCodecs;
  conformance.values = {Recording{},
                        {.station = "CH.ZUR",
                         .start_nanoseconds = -5,
                         .rate_hertz = 0.5,
                         .channels = {{"Z", 1}, {"N", 0.1}},
                         .samples = samples}};
  conformance.same = SameRecording;
  EXPECT_THAT(conformance.Run(), IsOk());
}

TEST(CustomCodecsTest, MatricesConform) {
  Eigen::MatrixXd matrix(2, 3);
  matrix << 1, 2, 3, 4, 5, 6;
  Conformance<Eigen::MatrixXd> conformance;
  conformance.registry = AllCodecs;
  conformance.values = {Eigen::MatrixXd(), matrix, Eigen::MatrixXd::Zero(0, 4)};
  conformance.same = [](const Eigen::MatrixXd& a, const Eigen::MatrixXd& b) {
    return a.rows() == b.rows() && a.cols() == b.cols() && a == b;
  };
  EXPECT_THAT(conformance.Run(), IsOk());
}

TEST(CustomCodecsTest, TextsConform) {
  Conformance<std::vector<std::string>> conformance;
  conformance.registry = AllCodecs;
  conformance.values = {{}, {""}, {"pear", "", "apple"}, {std::string(10'000, 'x')}};
  EXPECT_THAT(conformance.Run(), IsOk());
}

class CustomCodecErrorsTest : public tests::RoundTrip {
 protected:
  void SetUp() override {
    Register<CloudCodec>();
    Register<RecordingCodec>();
    Register<MatrixCodec>();
    Register<TextsCodec>();
  }
};

TEST_F(CustomCodecErrorsTest, NameTheFieldThatIsWrong) {
  EXPECT_THAT(Send(Cloud{"roof", absl::MakeSpan(kPoints.data(), 4)}),
              StatusIs(kInvalid, "lidar.cloud: points: no triples"));
  const std::vector<int32_t> samples = {1, 2, 3};
  Recording recording = {.station = "X",
                         .start_nanoseconds = 0,
                         .rate_hertz = 1,
                         .channels = {{"Z", 1}, {"N", 1}},
                         .samples = samples};
  EXPECT_THAT(WriteFails(recording),
              StatusIs(kInvalid, HasSubstr("samples: 3 are no table of 2 columns")));
  recording = {
      .station = "\xff", .start_nanoseconds = 0, .rate_hertz = 1, .channels = {}, .samples = {}};
  EXPECT_THAT(WriteFails(recording), StatusIs(kInvalid, HasSubstr("station")));
  EXPECT_THAT(FetchAs<Eigen::MatrixXd>(7), StatusIs(kInvalid, HasSubstr("it is an integer")));
}

TEST_F(CustomCodecErrorsTest, ATextThatEndsOutsideOfItsBlockIsRefused) {
  EXPECT_THAT(ReadCorrupted(std::vector<std::string>{"pear", "apple"},
                            [](Letter& letter) {
                              auto refs = letter.table().getRefs();
                              refs[1].setContentSize(refs[1].getContentSize() - 1);
                            }),
              StatusIs(kInvalid, "texts: text 1 ends at 9, out of its block"));
}

}  // namespace
}  // namespace slabpipe
