#include "slabpipe/transport/wait.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>

#include <algorithm>

#include "absl/container/inlined_vector.h"

namespace slabpipe {
namespace {

// A thread that sleeps does not learn that another one closes the descriptors which it waits for.
// It looks again now and then.
constexpr absl::Duration kLongestSleep = absl::Seconds(1);

}  // namespace

int64_t MonotonicNanoseconds() {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

Deadline Deadline::After(absl::Duration timeout) {
  Deadline deadline;
  if (timeout == absl::InfiniteDuration()) return deadline;
  const int64_t now = MonotonicNanoseconds();
  // ToInt64Nanoseconds saturates, and so does this.
  const int64_t delta = absl::ToInt64Nanoseconds(std::max(timeout, absl::ZeroDuration()));
  deadline.nanoseconds_ = delta > kNever - now ? kNever : now + delta;
  return deadline;
}

absl::Duration Deadline::Remaining() const {
  if (is_never()) return absl::InfiniteDuration();
  return std::max(absl::Nanoseconds(nanoseconds_ - MonotonicNanoseconds()), absl::ZeroDuration());
}

absl::StatusOr<Cancellation> Cancellation::Create() {
  UniqueFd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event.valid()) {
    return absl::ResourceExhaustedError(
        "no descriptor for a cancellation: eventfd failed (see ulimit -n)");
  }
  return Cancellation(std::move(event));
}

void Cancellation::Cancel() const {
  const uint64_t one = 1;
  // The counter can only be full after 2^64 - 2 calls; then it is readable all the same.
  [[maybe_unused]] ssize_t written = ::write(event_.get(), &one, sizeof(one));
}

void Cancellation::Reset() const {
  uint64_t count = 0;
  [[maybe_unused]] ssize_t got = ::read(event_.get(), &count, sizeof(count));
}

bool Cancellation::cancelled() const {
  pollfd entry = {.fd = event_.get(), .events = POLLIN, .revents = 0};
  return ::poll(&entry, 1, 0) == 1;
}

absl::Status WaitForAny(absl::Span<WaitFd> fds, const Wait& wait) {
  absl::InlinedVector<pollfd, 6> entries;
  for (const WaitFd& fd : fds) entries.push_back({.fd = fd.fd, .events = fd.events, .revents = 0});
  const int cancel_fd = wait.cancellation == nullptr ? -1 : wait.cancellation->fd();
  entries.push_back({.fd = cancel_fd, .events = POLLIN, .revents = 0});
  entries.push_back({.fd = -1, .events = POLLIN, .revents = 0});
  pollfd& cancelled = entries[fds.size()];
  pollfd& other = entries[fds.size() + 1];
  while (true) {
    absl::Duration longest = wait.deadline.Remaining();
    if (wait.meanwhile != nullptr) {
      longest = std::min(longest, wait.meanwhile->Arm());
      other.fd = wait.meanwhile->fd();
    }
    const timespec timeout = absl::ToTimespec(std::min(longest, kLongestSleep));
    const int ready = ::ppoll(entries.data(), entries.size(), &timeout, nullptr);
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0) return absl::InternalError(absl::ErrnoToStatus(errno, "poll").message());
    if (cancelled.revents != 0) return absl::CancelledError("the wait was cancelled");
    bool any = false;
    for (size_t i = 0; i < fds.size(); ++i) {
      fds[i].revents = entries[i].revents;
      any |= entries[i].revents != 0;
    }
    if (any) return absl::OkStatus();
    if (wait.deadline.HasPassed()) {
      return absl::DeadlineExceededError("the deadline has passed");
    }
    if (other.revents != 0 || (wait.meanwhile != nullptr && longest == absl::ZeroDuration())) {
      wait.meanwhile->Run();
    }
  }
}

}  // namespace slabpipe
