// How long to wait, and what ends a wait early.
//
//   slabpipe::Wait wait = {.deadline = slabpipe::Deadline::After(absl::Seconds(5))};
//   auto message = pipe.Receive(wait);    // DEADLINE_EXCEEDED after five seconds
//
// No wait in slabpipe is without an end: it ends at its deadline, when it is cancelled, or when the
// peer is gone, whichever comes first.

#ifndef SLABPIPE_TRANSPORT_WAIT_H_
#define SLABPIPE_TRANSPORT_WAIT_H_

#include <compare>
#include <cstdint>
#include <limits>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "slabpipe/transport/unique_fd.h"

namespace slabpipe {

// CLOCK_MONOTONIC, without a system call on machines that have a usable counter.
int64_t MonotonicNanoseconds();

// A point in time on the monotonic clock, so that setting the wall clock neither shortens nor
// lengthens a wait. A small value; copy it.
class Deadline {
 public:
  // Never.
  constexpr Deadline() = default;
  static constexpr Deadline Never() { return Deadline(); }
  // `timeout` from now. absl::InfiniteDuration() is Never(); zero and below have passed already.
  static Deadline After(absl::Duration timeout);
  static Deadline Earlier(Deadline a, Deadline b) {
    return a.nanoseconds_ < b.nanoseconds_ ? a : b;
  }

  bool is_never() const { return nanoseconds_ == kNever; }
  // The earlier one first.
  friend auto operator<=>(const Deadline&, const Deadline&) = default;
  bool HasPassed() const { return !is_never() && Remaining() <= absl::ZeroDuration(); }
  // Never negative; absl::InfiniteDuration() for Never().
  absl::Duration Remaining() const;
  // Whether it has passed at a time that MonotonicNanoseconds() gave.
  bool HasPassedAt(int64_t now_nanoseconds) const { return nanoseconds_ <= now_nanoseconds; }

 private:
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
  int64_t nanoseconds_ = kNever;  // CLOCK_MONOTONIC
};

// Lets one thread end the waits of others. Once cancelled it stays so, until Reset. Thread-safe. It
// must outlive the waits that use it.
class Cancellation {
 public:
  // Fails with RESOURCE_EXHAUSTED when no descriptor is left.
  static absl::StatusOr<Cancellation> Create();
  Cancellation(Cancellation&&) = default;
  Cancellation& operator=(Cancellation&&) = default;

  // Async-signal-safe.
  void Cancel() const;
  bool cancelled() const;
  // As new.
  void Reset() const;
  // Readable once cancelled; borrowed.
  int fd() const { return event_.get(); }

 private:
  explicit Cancellation(UniqueFd event) : event_(std::move(event)) {}
  UniqueFd event_;  // an eventfd
};

// Something that a thread does while it waits for something else.
class Meanwhile {
 public:
  virtual ~Meanwhile() = default;

  // Asked before each sleep: how long it may last at most. Zero if there is something to Run now;
  // infinite if fd() will tell when there is.
  virtual absl::Duration Arm() = 0;
  // Readable when there is something to Run. -1 for none.
  virtual int fd() = 0;
  // Must do it, or it will be called again at once.
  virtual void Run() = 0;
};

// What ends a wait, and what is done meanwhile. Pointers are borrowed and may be null.
struct Wait {
  Deadline deadline = {};
  const Cancellation* cancellation = nullptr;
  Meanwhile* meanwhile = nullptr;
};

// One descriptor to wait for.
struct WaitFd {
  int fd;
  short events;       // as in poll(2)
  short revents = 0;  // filled in
};

// Waits until one of `fds` is ready. Entries with a negative fd are passed over.
// DEADLINE_EXCEEDED, CANCELLED; INTERNAL if poll(2) itself fails.
absl::Status WaitForAny(absl::Span<WaitFd> fds, const Wait& wait);

}  // namespace slabpipe

#endif  // SLABPIPE_TRANSPORT_WAIT_H_
