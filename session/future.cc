#include "slabpipe/session/future.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>

#include "absl/functional/function_ref.h"

namespace slabpipe {

// Rings when one of the futures becomes ready. They forget it when it goes.
class ReadyBell {
 public:
  explicit ReadyBell(absl::Span<const AnyFuture> futures) : futures_(futures) {
    for (const AnyFuture& future : futures_) {
      const auto ring = [bell = bell_] {
        std::lock_guard<std::mutex> lock(bell->mutex);
        bell->rung.notify_all();
      };
      callbacks_.push_back(future.result_ == nullptr ? 0 : future.result_->OnReady(ring));
    }
  }
  ~ReadyBell() {
    for (size_t i = 0; i < futures_.size(); ++i) {
      if (callbacks_[i] != 0) futures_[i].result_->Forget(callbacks_[i]);
    }
  }

  // FAILED_PRECONDITION if one of them can't become ready in this process.
  static absl::Status CheckProcess(absl::Span<const AnyFuture> futures) {
    absl::Status status;
    for (const AnyFuture& future : futures) {
      if (future.result_ != nullptr) status.Update(future.result_->CheckProcess());
    }
    return status;
  }

  // Until `done` (asked again after each ring), or the deadline: whether it is.
  bool Await(absl::FunctionRef<bool()> done, Deadline deadline) {
    std::unique_lock<std::mutex> lock(bell_->mutex);
    while (!done()) {
      if (deadline.HasPassed()) return false;
      const absl::Duration rest = std::min(deadline.Remaining(), absl::Hours(1));
      bell_->rung.wait_for(lock, absl::ToChronoNanoseconds(rest));
    }
    return true;
  }

 private:
  // A future that becomes ready just now may ring it still when the wait is over.
  struct Bell {
    std::mutex mutex;
    std::condition_variable rung;
  };
  const absl::Span<const AnyFuture> futures_;
  const std::shared_ptr<Bell> bell_ = std::make_shared<Bell>();
  std::vector<uint64_t> callbacks_;  // one for each future; 0: none
};

void AnyFuture::OnReady(std::function<void()> callback) const {
  if (result_ == nullptr) return callback();
  result_->OnReady(std::move(callback));
}

absl::StatusOr<size_t> WaitAny(absl::Span<const AnyFuture> futures, absl::Duration timeout) {
  if (futures.empty()) return absl::InvalidArgumentError("WaitAny of no futures");
  const Deadline deadline = Deadline::After(timeout);
  auto ready = futures.end();
  const auto find_ready = [&] {
    ready = std::find_if(futures.begin(), futures.end(),
                         [](const AnyFuture& future) { return future.ready(); });
    return ready != futures.end();
  };
  if (find_ready()) return static_cast<size_t>(ready - futures.begin());
  if (absl::Status mine = ReadyBell::CheckProcess(futures); !mine.ok()) return mine;
  if (!ReadyBell(futures).Await(find_ready, deadline)) {
    return absl::DeadlineExceededError("none of the futures is ready");
  }
  return static_cast<size_t>(ready - futures.begin());
}

absl::Status WaitAll(absl::Span<const AnyFuture> futures, absl::Duration timeout) {
  const Deadline deadline = Deadline::After(timeout);
  for (const AnyFuture& future : futures) {
    if (absl::Status ready = future.Wait(deadline.Remaining()); !ready.ok()) return ready;
  }
  return absl::OkStatus();
}

}  // namespace slabpipe
