// CallHistory: which call the worker ran at a time just past, for what it has printed then.
//
//   const uint64_t mark = history.ended();
//   ... somewhat later, the worker has printed something ...
//   CallName call = history.RanAlone(mark, absl::Milliseconds(20));   // 7, "stats.mean"

#ifndef SLABPIPE_SESSION_CALL_HISTORY_H_
#define SLABPIPE_SESSION_CALL_HISTORY_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace slabpipe {

struct CallName {
  uint64_t id = 0;  // of the request; 0: none, or not known
  std::string target = {};
};

// Thread-safe. Knows the calls that wait for their answers, and the last ones that have theirs.
class CallHistory {
 public:
  virtual ~CallHistory() = default;

  // How many calls have ended so far.
  virtual uint64_t ended() const = 0;
  // The call that alone ran since that many had ended, as far as that is no longer ago than
  // `at_most`; none if there was none, or more than one.
  virtual CallName RanAlone(uint64_t since_ended, absl::Duration at_most) const = 0;
};

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_CALL_HISTORY_H_
