#include "slabpipe/transport/spin.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>

namespace slabpipe {
namespace {

constexpr absl::Duration kMostBudget = absl::Seconds(1);

}  // namespace

// In glibc a look at the thread's rseq area: a nanosecond, no system call.
uint32_t CurrentCpu() { return static_cast<uint32_t>(::sched_getcpu()); }

SpinPolicy::SpinPolicy(absl::Duration budget)
    : budget_(::sysconf(_SC_NPROCESSORS_ONLN) > 1
                  ? absl::ToInt64Nanoseconds(std::clamp(budget, absl::ZeroDuration(), kMostBudget))
                  : 0) {}

void SpinPolicy::Slept(int64_t nanoseconds) {
  misses_ = nanoseconds <= 2 * budget_ ? 0 : std::min(misses_ + 1, kMostMisses + 1);
}

}  // namespace slabpipe
