// Values of five types that slabpipe has never heard of, each with a codec of its own, to a worker
// and back. docs/custom-codecs.md goes through the codecs one by one.

#include <Eigen/Core>
#include <cstdint>
#include <iostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_join.h"
#include "cloud_codec.h"
#include "matrix_codec.h"
#include "recording_codec.h"
#include "slabpipe/codec/built_in.h"
#include "slabpipe/codec/ndarray.h"
#include "slabpipe/session/session.h"
#include "survey_codec.h"
#include "texts_codec.h"

absl::Status CountPoints(slabpipe::Session& session) {
  const std::vector<float> points(3000, 0.5f);
  auto poses = session.NewArray<double>({2, 4, 4});
  if (!poses.ok()) return poses.status();
  poses->Fill(0);
  const Survey survey = {
      .number = 7, .clouds = {{"roof", points}, {"side", {points.data(), 300}}}, .poses = *poses};
  absl::StatusOr<int64_t> count = session.Call<int64_t>("lidar.count", survey);
  if (!count.ok()) return count.status();
  std::cout << "survey 7 has " << *count << " points\n";
  return absl::OkStatus();
}

absl::Status CutRecording(slabpipe::Session& session) {
  const std::vector<int32_t> samples = {1, 10, 2, 20, 3, 30, 4, 40};
  const Recording recording = {.station = "CH.ZUR",
                               .start_nanoseconds = 1'700'000'000'000'000'000,
                               .rate_hertz = 2,
                               .channels = {{"Z", 1}, {"N", 0.1}},
                               .samples = samples};
  absl::StatusOr<slabpipe::Leased<Recording>> head =
      session.Call<Recording>("seismic.head", recording, 1.0);
  if (!head.ok()) return head.status();
  std::cout << "the first second of " << (*head)->station << ": "
            << absl::StrJoin((*head)->samples, " ") << "\n";
  return absl::OkStatus();
}

absl::Status Multiply(slabpipe::Session& session) {
  const Eigen::MatrixXd a = Eigen::MatrixXd::Constant(2, 3, 2);
  const Eigen::MatrixXd b = Eigen::MatrixXd::Identity(3, 3);
  absl::StatusOr<Eigen::MatrixXd> product = session.Call<Eigen::MatrixXd>("matrix.product", a, b);
  if (!product.ok()) return product.status();
  std::cout << "a product of matrices:\n" << *product << "\n";
  return product->isApprox(a) ? absl::OkStatus() : absl::InternalError("a * 1 is not a");
}

absl::Status Sort(slabpipe::Session& session) {
  const std::vector<std::string> texts = {"pear", "", "apple"};
  auto sorted = session.Call<std::vector<std::string>>("texts.sorted", texts);
  if (!sorted.ok()) return sorted.status();
  std::cout << "sorted: '" << absl::StrJoin(*sorted, "', '") << "'\n";
  return absl::OkStatus();
}

absl::Status Run() {
  auto codecs =
      slabpipe::CodecsWith<CloudCodec, SurveyCodec, RecordingCodec, MatrixCodec, TextsCodec>();
  if (!codecs.ok()) return codecs.status();
  absl::StatusOr<slabpipe::Session> session =
      slabpipe::Session::Start({.program = "custom_codecs_worker", .codecs = *codecs});
  if (!session.ok()) return session.status();
  for (const auto step : {CountPoints, CutRecording, Multiply, Sort}) {
    if (absl::Status status = step(*session); !status.ok()) return status;
  }
  return absl::OkStatus();
}

int main() {
  absl::Status status = Run();
  if (!status.ok()) std::cerr << status << "\n";
  return status.ok() ? 0 : 1;
}
