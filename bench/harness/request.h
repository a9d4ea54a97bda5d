// What the driver asks a contestant for, and how the answer is printed.
//
// The protocol, which every contestant speaks whatever its language. The driver writes lines to its
// stdin and reads one line of JSON for each from its stdout:
//
//   CASE BYTES COUNT MODE BUDGET_MS        in-copied 1048576 1000 untouched 200
//   {"samples": {"count": 871, "p50": 37.1, ...}, "numbers": {"bytes_per_array": 44.0}}
//   {"unsupported": "why there is no such thing here"}
//   {"error": "what went wrong"}
//
// COUNT and BUDGET_MS bound a measurement, whichever comes first. At the end of its stdin a
// contestant ends its worker and itself. README.md lists cases and modes.

#ifndef SLABPIPE_BENCH_HARNESS_REQUEST_H_
#define SLABPIPE_BENCH_HARNESS_REQUEST_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "slabpipe/bench/harness/samples.h"

namespace slabpipe::bench {

struct Request {
  std::string name;   // of the case
  int64_t bytes = 0;  // size of the array, or how many callers there are: README.md
  int64_t count = 0;
  std::string mode;
  int64_t budget_ns = 0;

  bool touched() const { return mode == "touched"; }
  size_t elements() const { return static_cast<size_t>(bytes) / sizeof(double); }
};

struct Measurement {
  Samples samples;
  std::map<std::string, double> numbers = {};  // whatever else the case counts
  // Names of what was used or chosen, for the page.
  std::map<std::string, std::string> notes = {};
};

// INVALID_ARGUMENT for a line that is no request.
absl::StatusOr<Request> ParseRequest(absl::string_view line);

// One line. UNIMPLEMENTED is what a contestant does not support; any other error, that it broke.
std::string ToJson(const absl::StatusOr<Measurement>& measurement);

}  // namespace slabpipe::bench

#endif  // SLABPIPE_BENCH_HARNESS_REQUEST_H_
