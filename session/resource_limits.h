// ResourceLimits: what a worker may use at most; and how far it stands back for others.
//
//   SpawnOptions options = {.path = path,
//                           .limits = {.memory_bytes = uint64_t{4} << 30,
//                                      .cpu_time = absl::Minutes(10)},
//                           .niceness = 10};
//
// The kernel keeps them, for each process by itself: what the worker starts has the same limits
// again, not a share in them. A worker can lower its limits, but not raise them (unless it is
// privileged, CAP_SYS_RESOURCE).

#ifndef SLABPIPE_SESSION_RESOURCE_LIMITS_H_
#define SLABPIPE_SESSION_RESOURCE_LIMITS_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace slabpipe {

// A plain value. What is not set is as in this process.
struct ResourceLimits {
  // Address space (RLIMIT_AS): heap, stacks, code, and all that is mapped, shared memory of both
  // sides included. Beyond it allocations fail: std::bad_alloc, RESOURCE_EXHAUSTED.
  std::optional<uint64_t> memory_bytes = std::nullopt;
  // Processor time of all threads together (RLIMIT_CPU), rounded up to whole seconds. When it is
  // used up, the worker gets SIGXCPU, which ends it; one that catches that, SIGKILL a second later.
  std::optional<absl::Duration> cpu_time = std::nullopt;
  // Descriptors, one more than the highest number (RLIMIT_NOFILE). A worker itself needs about 20.
  std::optional<uint64_t> open_files = std::nullopt;
  // The size of a core dump (RLIMIT_CORE). 0: none is written.
  std::optional<uint64_t> core_bytes = std::nullopt;

  friend bool operator==(const ResourceLimits&, const ResourceLimits&) = default;
};

constexpr int kMinNiceness = -20;  // eager
constexpr int kMaxNiceness = 19;   // stands back for everybody

// INVALID_ARGUMENT for a limit of 0 (but core_bytes), and for processor time that is not above zero
// or is infinite; its message begins with the member's name: "open_files is 0; ...".
absl::Status ValidateLimits(const ResourceLimits& limits);
// INVALID_ARGUMENT outside [kMinNiceness, kMaxNiceness].
absl::Status ValidateNiceness(int niceness);

// To a child of this process. One that has ended already is no error. PERMISSION_DENIED, with what
// was asked and what the system allows; INVALID_ARGUMENT as above.
absl::Status ApplyLimits(pid_t process, const ResourceLimits& limits);
// To all threads of the process group. Errors as above.
absl::Status ApplyNiceness(pid_t group, int niceness);

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_RESOURCE_LIMITS_H_
