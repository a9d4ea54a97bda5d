// The worker: knows the codec, and offers a function that takes such a struct.

#include <algorithm>
#include <memory>

#include "absl/status/status.h"
#include "cloud_codec.h"
#include "slabpipe/session/worker.h"

// How high the highest point lies.
absl::StatusOr<double> Height(const Cloud& cloud) {
  if (cloud.points.empty()) return absl::InvalidArgumentError("a cloud without points");
  float height = cloud.points[2];
  for (size_t i = 2; i < cloud.points.size(); i += 3) height = std::max(height, cloud.points[i]);
  return height;
}

// The same cloud back. What it points to is there until the result has been sent.
Cloud Same(const Cloud& cloud) { return cloud; }

int main(int argc, char** argv) {
  slabpipe::Worker worker(argc, argv);
  worker.AddCodec(std::make_unique<CloudCodec>());
  worker.Register("lidar.height", Height, "The height of the highest point.", {"cloud"});
  worker.Register("lidar.same", Same, "The same cloud.", {"cloud"});
  return worker.Serve();
}
