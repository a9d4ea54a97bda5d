#include "slabpipe/session/worker_process.h"

#include <poll.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "slabpipe/session/service_thread.h"

namespace slabpipe {
namespace {

// A worker whose connection is closed is about to end; this is how long it may take before it is
// killed.
constexpr absl::Duration kTimeToEnd = absl::Seconds(2);
// Nobody waits longer for a worker that was sent SIGTERM.
constexpr absl::Duration kLongestGrace = absl::Minutes(1);
// How often a thread that waits for that looks whether it has to hurry.
constexpr absl::Duration kSlice = absl::Milliseconds(20);

}  // namespace

WorkerProcess::~WorkerProcess() {
  if (terminator_.joinable()) terminator_.join();
}

bool WorkerProcess::HasEnded() const {
  pollfd ended = {.fd = pidfd(), .events = POLLIN, .revents = 0};
  return ::poll(&ended, 1, 0) == 1 && (ended.revents & POLLIN) != 0;
}

std::optional<WorkerEnd> WorkerProcess::end() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return end_;
}

bool WorkerProcess::End(const absl::Status& why, Deadline patience) {
  std::unique_lock<std::mutex> lock(mutex_);
  while (ending_) {
    if (patience.HasPassed()) return false;
    const absl::Duration rest = std::min(patience.Remaining(), absl::Hours(1));
    changed_.wait_for(lock, absl::ToChronoNanoseconds(rest));
  }
  if (end_.has_value()) return true;
  ending_ = true;
  lock.unlock();
  EndClaimed(why, absl::ZeroDuration());
  return true;
}

bool WorkerProcess::Claim() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (ending_ || end_.has_value()) return false;
  return ending_ = true;
}

void WorkerProcess::EndClaimed(const absl::Status& why, absl::Duration grace) {
  WorkerEnd end = BringToEnd(why, grace);
  std::lock_guard<std::mutex> lock(mutex_);
  end_ = std::move(end);
  ending_ = false;
  changed_.notify_all();
}

void WorkerProcess::BeginToEndClaimed(const absl::Status& why, absl::Duration grace) {
  auto thread = StartServiceThread([this, why, grace] { EndClaimed(why, grace); });
  if (thread.ok()) {
    terminator_ = *std::move(thread);
  } else {
    EndClaimed(why, grace);
  }
}

bool WorkerProcess::Reap() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!end_.has_value() && !ending_) {
    end_ = process_.Wait(Deadline::After(absl::ZeroDuration()));
  }
  return end_.has_value();
}

WorkerEnd WorkerProcess::BringToEnd(const absl::Status& why, absl::Duration grace) {
  if (absl::IsUnavailable(why) || absl::IsFailedPrecondition(why)) {
    // How it ends by itself is worth knowing.
    if (std::optional<WorkerEnd> end = process_.Wait(Deadline::After(kTimeToEnd))) return *end;
    process_.Kill();
    return Misbehaved{.what = absl::IsUnavailable(why)
                                  ? "it closed its connection and went on running"
                                  : "it did not work with this main, and went on running"};
  }
  if (absl::IsDeadlineExceeded(why) && grace > absl::ZeroDuration()) {
    process_.Signal(SIGTERM);
    const Deadline end = Deadline::After(std::min(grace, kLongestGrace));
    while (!hurried_ && !end.HasPassed() &&
           !process_.Wait(Deadline::Earlier(end, Deadline::After(kSlice))).has_value()) {
    }
  }
  const WorkerEnd killed = process_.Kill();
  if (absl::IsDeadlineExceeded(why)) return TimedOut{.phase = std::string(why.message())};
  if (absl::IsDataLoss(why)) return Misbehaved{.what = std::string(why.message())};
  return killed;
}

}  // namespace slabpipe
