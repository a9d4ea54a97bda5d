// SessionCore::Exchange: whoever ends and starts workers does so alone. Private to SessionCore.

#ifndef SLABPIPE_SESSION_SESSION_EXCHANGE_H_
#define SLABPIPE_SESSION_SESSION_EXCHANGE_H_

#include <algorithm>
#include <chrono>
#include <mutex>
#include <stop_token>

#include "absl/time/time.h"
#include "slabpipe/session/session_core.h"
#include "slabpipe/transport/wait.h"

namespace slabpipe {

// While it exists and has been taken, this thread alone exchanges workers.
class SessionCore::Exchange {
 public:
  explicit Exchange(SessionCore& core) : core_(core) {}
  ~Exchange() {
    if (!taken_) return;
    std::lock_guard<std::mutex> lock(core_.mutex_);
    core_.exchanging_ = false;
    core_.changed_.notify_all();
  }

  // False if it is another one's turn till then.
  bool Take(Deadline deadline, const std::stop_token& stop = {}) {
    std::unique_lock<std::mutex> lock(core_.mutex_);
    while (core_.exchanging_) {
      if (deadline.HasPassed() || stop.stop_requested()) return false;
      const absl::Duration rest = std::min(deadline.Remaining(), absl::Hours(1));
      core_.changed_.wait_for(lock, absl::ToChronoNanoseconds(rest));
    }
    return taken_ = core_.exchanging_ = true;
  }

 private:
  SessionCore& core_;
  bool taken_ = false;
};

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_SESSION_EXCHANGE_H_
