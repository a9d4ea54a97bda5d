// slabpipe's cases, each in the file that is named. README.md says what each of them measures.

#ifndef SLABPIPE_BENCH_SLABPIPE_CASES_H_
#define SLABPIPE_BENCH_SLABPIPE_CASES_H_

#include "absl/status/statusor.h"
#include "slabpipe/bench/harness/request.h"

namespace slabpipe::bench {

// call_cases.cc
absl::StatusOr<Measurement> MeasureSmall(const Request& request);
absl::StatusOr<Measurement> MeasureCallers(const Request& request);

// array_cases.cc
absl::StatusOr<Measurement> MeasureInCopied(const Request& request);
absl::StatusOr<Measurement> MeasureInReserved(const Request& request);
absl::StatusOr<Measurement> MeasureEcho(const Request& request);
absl::StatusOr<Measurement> MeasureOutCopied(const Request& request);
absl::StatusOr<Measurement> MeasureOutReserved(const Request& request);

// many_cases.cc
absl::StatusOr<Measurement> MeasureManyCopied(const Request& request);
absl::StatusOr<Measurement> MeasureManyReserved(const Request& request);
absl::StatusOr<Measurement> MeasureManyReservedEach(const Request& request);

// life_cases.cc
absl::StatusOr<Measurement> MeasureStart(const Request& request);
absl::StatusOr<Measurement> MeasureDeath(const Request& request);
absl::StatusOr<Measurement> MeasureFirstTouch(const Request& request);

// steady_case.cc
absl::StatusOr<Measurement> MeasureSteady(const Request& request);

}  // namespace slabpipe::bench

#endif  // SLABPIPE_BENCH_SLABPIPE_CASES_H_
