// How many descriptors, mappings and pages a process has, as /proc tells.

#ifndef SLABPIPE_BENCH_HARNESS_PROCESS_SIZE_H_
#define SLABPIPE_BENCH_HARNESS_PROCESS_SIZE_H_

#include <sys/types.h>

#include <cstdint>

#include "absl/status/statusor.h"

namespace slabpipe::bench {

struct ProcessSize {
  int64_t descriptors = 0;
  int64_t mappings = 0;
  int64_t resident_kib = 0;
};

// NOT_FOUND if there is no such process.
absl::StatusOr<ProcessSize> SizeOfProcess(pid_t pid);

}  // namespace slabpipe::bench

#endif  // SLABPIPE_BENCH_HARNESS_PROCESS_SIZE_H_
