// The main program: starts the worker and sends it a cloud.

#include <iostream>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cloud_codec.h"
#include "slabpipe/codec/built_in.h"
#include "slabpipe/session/session.h"

absl::Status Run() {
  absl::StatusOr<slabpipe::Session> session = slabpipe::Session::Start(
      {.program = "cloud_worker", .codecs = *slabpipe::CodecsWith<CloudCodec>()});
  if (!session.ok()) return session.status();

  const std::vector<float> points = {0, 0, 1.5, 2, 1, 7.25, 4, 4, 3};
  const Cloud cloud = {.sensor = "roof", .points = points};
  absl::StatusOr<double> height = session->Call<double>("lidar.height", cloud);
  if (!height.ok()) return height.status();
  std::cout << "the highest point of '" << cloud.sensor << "': " << *height << " m\n";

  absl::StatusOr<slabpipe::Leased<Cloud>> same = session->Call<Cloud>("lidar.same", cloud);
  if (!same.ok()) return same.status();
  std::cout << "back came " << (*same)->points.size() / 3 << " points of '" << (*same)->sensor
            << "', read where they lie in shared memory\n";
  return absl::OkStatus();
}

int main() {
  absl::Status status = Run();
  if (!status.ok()) std::cerr << status << "\n";
  return status.ok() ? 0 : 1;
}
