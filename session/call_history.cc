#include "slabpipe/session/call_history.h"

#include <algorithm>
#include <utility>

#include "slabpipe/transport/wait.h"

namespace slabpipe {
namespace {

const auto has_id = [](uint64_t id) {
  return [id](const CallName& call) { return call.id == id; };
};

}  // namespace

void CallHistory::Began(uint64_t id, absl::string_view target) {
  std::lock_guard<std::mutex> lock(mutex_);
  in_flight_.push_back({.id = id, .target = std::string(target)});
}

void CallHistory::Ended(uint64_t id) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto call = std::find_if(in_flight_.begin(), in_flight_.end(), has_id(id));
  if (call == in_flight_.end()) return;
  last_ = std::move(*call);
  in_flight_.erase(call);
  one_before_ = std::exchange(ended_, MonotonicNanoseconds());
}

CallName CallHistory::During(int64_t since) const {
  std::lock_guard<std::mutex> lock(mutex_);
  const bool last_counts = ended_ >= since;
  if (in_flight_.empty()) {
    return last_counts && one_before_ < since ? last_ : CallName();
  }
  const bool alone = one_at_a_time_ || in_flight_.size() == 1;
  return alone && !last_counts ? in_flight_.front() : CallName();
}

std::string CallHistory::TargetOf(uint64_t id) const {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto call = std::find_if(in_flight_.begin(), in_flight_.end(), has_id(id));
  if (call != in_flight_.end()) return call->target;
  return id != 0 && id == last_.id ? last_.target : "";
}

}  // namespace slabpipe
