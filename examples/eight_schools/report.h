// What main prints: the table of the posterior beside the published one, and what crossed between
// the processes.

#ifndef SLABPIPE_EXAMPLES_EIGHT_SCHOOLS_REPORT_H_
#define SLABPIPE_EXAMPLES_EIGHT_SCHOOLS_REPORT_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "slabpipe/codec/dataset.h"
#include "slabpipe/examples/eight_schools/data.h"
#include "slabpipe/examples/eight_schools/diagnostics.h"
#include "slabpipe/session/session.h"

namespace eight_schools {

struct ParameterRow {
  std::string label;           // "theta[Choate]"
  ReferenceSummary reference;  // the published figures
  Diagnostics diagnostics;     // ours

  // How far apart the two means are, in standard errors of their difference: both are Monte Carlo
  // estimates.
  double DistanceInMcse() const;
};

// One row a parameter. Reads the draws where they lie. INVALID_ARGUMENT if the fit lacks something.
absl::StatusOr<std::vector<ParameterRow>> Summarise(const slabpipe::Dataset& fit);

// At most this many standard errors apart is as it should be.
inline constexpr double kMostDistance = 4;
bool AllWithin(const std::vector<ParameterRow>& rows);

std::string PosteriorTable(const std::vector<ParameterRow>& rows);

// What crossed, for the fit and its call. `worker_copies`: values that the worker has copied into
// shared memory.
std::string TrafficReport(const slabpipe::Dataset& fit, const slabpipe::SessionStats& before,
                          const slabpipe::SessionStats& after, uint64_t worker_copies,
                          absl::Duration call_time);

}  // namespace eight_schools

#endif  // SLABPIPE_EXAMPLES_EIGHT_SCHOOLS_REPORT_H_
