// Where the two processes of a benchmark run.
//
//   absl::Status placed = Place("one-core", worker_pid);   // this process and that one
//
// Pinned by sched_setaffinity, for all threads that the processes have by then. A thread inherits
// the place of the one that starts it.

#ifndef SLABPIPE_BENCH_HARNESS_CPUS_H_
#define SLABPIPE_BENCH_HARNESS_CPUS_H_

#include <sys/types.h>

#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace slabpipe::bench {

// The CPUs that this process was allowed when it was first asked.
const std::vector<int>& AllowedCpus();

// All threads of process `pid`. INTERNAL with the system's reason.
absl::Status PinProcess(pid_t pid, const std::vector<int>& cpus);

// By the request's mode: "one-core": this process and `worker` on the first CPU; "two-cores" and
// "asleep": on the first and on the second; all else: anywhere. UNIMPLEMENTED without a second.
absl::Status Place(absl::string_view mode, pid_t worker);

// The mode in which arrays that are not copied are measured, and compared with a small call: as
// nothing is left to the scheduler, "two-cores", or "one-core" if there is only one.
absl::string_view ModeOfReserved();

// Where the modes put this process (index 0) and the worker (index 1).
absl::Status PlaceSelf(absl::string_view mode, int index);
// The same for the calling thread alone.
absl::Status PlaceThread(absl::string_view mode, int index);

}  // namespace slabpipe::bench

#endif  // SLABPIPE_BENCH_HARNESS_CPUS_H_
