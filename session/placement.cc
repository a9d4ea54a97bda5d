#include "slabpipe/session/placement.h"

#include <errno.h>
#include <sched.h>

#include "absl/strings/str_cat.h"

namespace slabpipe {

absl::Status PlaceProcess(pid_t process, Placement placement) {
  if (placement == Placement::kAny) return absl::OkStatus();
  const int here = ::sched_getcpu();
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  if (placement == Placement::kSameCore) {
    CPU_SET(here, &cpus);
  } else {
    // All that the kernel lets it have: it takes away those that the process may not use. The
    // starting thread's own affinity does not count, for it may be pinned to this CPU.
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) CPU_SET(cpu, &cpus);
    CPU_CLR(here, &cpus);
  }
  if (::sched_setaffinity(process, sizeof(cpus), &cpus) == 0) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrCat("the worker can't be placed ",
                   placement == Placement::kSameCore ? "on the CPU of" : "on another CPU than",
                   " the thread that starts it, CPU ", here, ": ",
                   absl::ErrnoToStatus(errno, "sched_setaffinity").message()));
}

}  // namespace slabpipe
