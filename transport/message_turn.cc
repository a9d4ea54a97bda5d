#include "slabpipe/transport/message_turn.h"

namespace slabpipe {

// SUBTLE: all operations on holder_ and waiting_ are sequentially consistent. Whoever waits first
// says so and then tries; whoever releases first does so and then looks whether somebody waits: one
// of the two sees the other.
bool MessageTurn::TryTake() {
  std::thread::id nobody;
  return holder_.compare_exchange_strong(nobody, std::this_thread::get_id());
}

absl::Status MessageTurn::Take(Deadline deadline) {
  if (TryTake()) return absl::OkStatus();
  if (holder_ == std::this_thread::get_id()) {
    return absl::FailedPreconditionError("a message is being written by this very thread");
  }
  std::unique_lock<std::mutex> lock(mutex_);
  ++waiting_;
  absl::Status status;
  while (!TryTake()) {
    if (deadline.is_never()) {
      released_.wait(lock);
    } else if (deadline.HasPassed()) {
      status = absl::DeadlineExceededError(
          "the deadline has passed while another message was being sent");
      break;
    } else {
      released_.wait_for(lock, absl::ToChronoNanoseconds(deadline.Remaining()));
    }
  }
  --waiting_;
  return status;
}

void MessageTurn::Release() {
  holder_ = std::thread::id();
  if (waiting_ == 0) return;
  std::lock_guard<std::mutex> lock(mutex_);
  released_.notify_one();
}

}  // namespace slabpipe
