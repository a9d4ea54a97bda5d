// The worker of custom_codecs: one function for each codec.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cloud_codec.h"
#include "matrix_codec.h"
#include "recording_codec.h"
#include "slabpipe/session/worker.h"
#include "survey_codec.h"
#include "texts_codec.h"

int64_t CountPoints(const Survey& survey) {
  int64_t points = 0;
  for (const Cloud& cloud : survey.clouds) points += static_cast<int64_t>(cloud.points.size() / 3);
  return points;
}

// The first `seconds` of it.
absl::StatusOr<Recording> Head(const Recording& recording, double seconds) {
  const double instants = seconds * recording.rate_hertz;
  const auto columns = static_cast<double>(recording.channels.size());
  if (!(instants >= 0 && instants * columns <= static_cast<double>(recording.samples.size()))) {
    return absl::OutOfRangeError("seconds: the recording is not as long");
  }
  Recording head = recording;
  head.samples = recording.samples.first(static_cast<size_t>(instants) * recording.channels.size());
  return head;
}

Eigen::MatrixXd Product(const Eigen::MatrixXd& a, const Eigen::MatrixXd& b) { return a * b; }

std::vector<std::string> Sorted(std::vector<std::string> texts) {
  std::sort(texts.begin(), texts.end());
  return texts;
}

int main(int argc, char** argv) {
  slabpipe::Worker worker(argc, argv);
  worker.AddCodec(std::make_unique<CloudCodec>());
  worker.AddCodec(std::make_unique<SurveyCodec>());
  worker.AddCodec(std::make_unique<RecordingCodec>());
  worker.AddCodec(std::make_unique<MatrixCodec>());
  worker.AddCodec(std::make_unique<TextsCodec>());
  worker.Register("lidar.count", CountPoints, "How many points a survey has.", {"survey"});
  worker.Register("seismic.head", Head, "The first seconds of a recording.",
                  {"recording", "seconds"});
  worker.Register("matrix.product", Product, "The product of two matrices.", {"a", "b"});
  worker.Register("texts.sorted", Sorted, "The texts in order.", {"texts"});
  return worker.Serve();
}
