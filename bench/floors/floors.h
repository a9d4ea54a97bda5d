// The floors: what the machine itself takes, with nothing of slabpipe in between. Each function in
// the file that is named; README.md says beside which case each of them stands.

#ifndef SLABPIPE_BENCH_FLOORS_FLOORS_H_
#define SLABPIPE_BENCH_FLOORS_FLOORS_H_

#include "absl/status/statusor.h"
#include "slabpipe/bench/harness/request.h"

namespace slabpipe::bench {

// spinning.cc
absl::StatusOr<Measurement> MeasureRing(const Request& request);

// blocking.cc
absl::StatusOr<Measurement> MeasurePingPong(const Request& request);

// copying.cc
absl::StatusOr<Measurement> MeasureMemcpy(const Request& request);
absl::StatusOr<Measurement> MeasureMemcpyByTwo(const Request& request);
absl::StatusOr<Measurement> MeasureMemcpyOfMany(const Request& request);

// first_touch.cc
absl::StatusOr<Measurement> MeasureTouchByMemcpy(const Request& request);
absl::StatusOr<Measurement> MeasureTouchByPwrite(const Request& request);
absl::StatusOr<Measurement> MeasureTouchByPopulate(const Request& request);

// life.cc
absl::StatusOr<Measurement> MeasureSpawn(const Request& request);
absl::StatusOr<Measurement> MeasureKill(const Request& request);

}  // namespace slabpipe::bench

#endif  // SLABPIPE_BENCH_FLOORS_FLOORS_H_
