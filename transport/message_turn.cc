#include "slabpipe/transport/message_turn.h"

namespace slabpipe {

absl::Status MessageTurn::Take(Deadline deadline) {
  std::unique_lock<std::mutex> lock(mutex_);
  if (holder_ == std::this_thread::get_id()) {
    return absl::FailedPreconditionError("a message is being written by this very thread");
  }
  const auto is_free = [this] { return holder_ == std::thread::id(); };
  while (!is_free()) {
    if (deadline.is_never()) {
      released_.wait(lock);
    } else if (deadline.HasPassed()) {
      return absl::DeadlineExceededError(
          "the deadline has passed while another message was being sent");
    } else {
      released_.wait_for(lock, absl::ToChronoNanoseconds(deadline.Remaining()));
    }
  }
  holder_ = std::this_thread::get_id();
  return absl::OkStatus();
}

void MessageTurn::Release() {
  std::lock_guard<std::mutex> lock(mutex_);
  holder_ = std::thread::id();
  released_.notify_one();
}

}  // namespace slabpipe
