#include "slabpipe/session/future.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>

namespace slabpipe {
namespace {

// Outlives the wait: a future that becomes ready later still tells it.
struct Bell {
  std::mutex mutex;
  std::condition_variable rung;
};

}  // namespace

absl::StatusOr<size_t> WaitAny(absl::Span<const AnyFuture> futures, absl::Duration timeout) {
  if (futures.empty()) return absl::InvalidArgumentError("WaitAny of no futures");
  const Deadline deadline = Deadline::After(timeout);
  const auto first_ready = [&] {
    return std::find_if(futures.begin(), futures.end(),
                        [](const AnyFuture& future) { return future.ready(); });
  };
  if (const auto ready = first_ready(); ready != futures.end()) return ready - futures.begin();
  const auto bell = std::make_shared<Bell>();
  for (const AnyFuture& future : futures) {
    future.OnReady([bell] {
      std::lock_guard<std::mutex> lock(bell->mutex);
      bell->rung.notify_all();
    });
  }
  std::unique_lock<std::mutex> lock(bell->mutex);
  while (true) {
    if (const auto ready = first_ready(); ready != futures.end()) return ready - futures.begin();
    if (deadline.HasPassed()) return absl::DeadlineExceededError("none of the futures is ready");
    const absl::Duration rest = std::min(deadline.Remaining(), absl::Hours(1));
    bell->rung.wait_for(lock, absl::ToChronoNanoseconds(rest));
  }
}

absl::Status WaitAll(absl::Span<const AnyFuture> futures, absl::Duration timeout) {
  const Deadline deadline = Deadline::After(timeout);
  for (const AnyFuture& future : futures) {
    if (absl::Status ready = future.Wait(deadline.Remaining()); !ready.ok()) return ready;
  }
  return absl::OkStatus();
}

}  // namespace slabpipe
