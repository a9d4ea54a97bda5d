// RestartPolicy: whether, and when, a worker that was lost is followed by another.
//
//   SessionOptions options = {.program = "stats_worker", .restart = RestartPolicy::Never()};
//   options.restart = {.most_restarts = 5, .window = absl::Minutes(10)};     // up to a rate
//   options.restart = {.first_delay = absl::Seconds(1)};                     // with back-off
//
// A plain value.

#ifndef SLABPIPE_SESSION_RESTART_POLICY_H_
#define SLABPIPE_SESSION_RESTART_POLICY_H_

#include <deque>
#include <limits>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "slabpipe/transport/wait.h"

namespace slabpipe {

// A worker is started again by the call that lost it, if its deadline allows, otherwise by the next
// one. A call that the lost one may have begun is not repeated on account of this: see
// CallOptions::idempotent.
struct RestartPolicy {
  // At most so many restarts in any `window`. After that calls fail, until Session::Restart.
  int most_restarts = 20;
  absl::Duration window = absl::Minutes(1);
  // When a second worker in a row is lost before it has answered anything, the next one follows
  // after a delay: this one, then twice as long, and so on to max_delay. The call that lost the
  // worker does not wait for it (WorkerLoss::recovered is false); later ones do, within their
  // deadlines.
  absl::Duration first_delay = absl::Milliseconds(50);
  absl::Duration max_delay = absl::Seconds(10);

  static RestartPolicy Never() { return {.most_restarts = 0}; }
  static RestartPolicy Once() { return {.most_restarts = 1, .window = absl::InfiniteDuration()}; }
  // Each time at once.
  static RestartPolicy Always() {
    return {.most_restarts = std::numeric_limits<int>::max(), .first_delay = absl::ZeroDuration()};
  }
};

// Keeps account of restarts. Thread-compatible.
class RestartBudget {
 public:
  explicit RestartBudget(const RestartPolicy& policy) : policy_(policy) {}

  // A worker was lost, at `now`; `was_of_use`: it had answered something. When the next one may be
  // started; RESOURCE_EXHAUSTED says how many there were in how long.
  absl::StatusOr<absl::Time> NextStart(absl::Time now, bool was_of_use);
  // As new: somebody has started a worker by hand.
  void Reset();

 private:
  const RestartPolicy policy_;
  std::deque<absl::Time> restarts_;  // in the window
  int useless_ = 0;                  // workers in a row
};

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_RESTART_POLICY_H_
