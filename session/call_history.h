// CallHistory: which call the worker ran at a time just past, for what it has printed then.
//
//   history.Began(7, "stats.mean");
//   history.Ended(7);
//   CallName call = history.During(since);   // 7, "stats.mean"

#ifndef SLABPIPE_SESSION_CALL_HISTORY_H_
#define SLABPIPE_SESSION_CALL_HISTORY_H_

#include <cstdint>
#include <deque>
#include <limits>
#include <mutex>
#include <string>

#include "absl/strings/string_view.h"

namespace slabpipe {

struct CallName {
  uint64_t id = 0;  // of the request; 0: none, or not known
  std::string target = {};
};

// Thread-safe. Remembers the calls that wait for their answers, and the last one that has its.
class CallHistory {
 public:
  // `one_at_a_time`: the worker runs its calls one after the other, in the order in which they
  // began here; the others wait. Otherwise all may run at once.
  explicit CallHistory(bool one_at_a_time = true) : one_at_a_time_(one_at_a_time) {}

  void Began(uint64_t id, absl::string_view target);
  // Has its answer, or will have none. Nothing happens if it has not begun.
  void Ended(uint64_t id);

  // The call that alone ran at any time from `since` (MonotonicNanoseconds) until now; none if
  // there was none, or more than one.
  CallName During(int64_t since) const;
  // The one that runs now.
  CallName Now() const { return During(std::numeric_limits<int64_t>::max()); }
  // The target of a call that waits for its answer, or is the last that did; empty for others.
  std::string TargetOf(uint64_t id) const;

 private:
  static constexpr int64_t kLongAgo = std::numeric_limits<int64_t>::min();
  const bool one_at_a_time_;
  mutable std::mutex mutex_;  // guards the next
  std::deque<CallName> in_flight_;
  CallName last_;                  // the last that ended
  int64_t ended_ = kLongAgo;       // when it did
  int64_t one_before_ = kLongAgo;  // when the one before it did
};

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_CALL_HISTORY_H_
