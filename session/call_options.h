// CallOptions: what a caller wants of one call, besides its result.
//
//   std::stop_source stop;                                        // stop.request_stop() cancels
//   auto fit = session->Call<Dataset>({.timeout = absl::Minutes(5),
//                                      .cancellation = stop.get_token(),
//                                      .on_deadline = OnDeadline::kKill,
//                                      .progress = ProgressBar("fitting")},
//                                     "bayes.fit", table);
//
// A plain value.

#ifndef SLABPIPE_SESSION_CALL_OPTIONS_H_
#define SLABPIPE_SESSION_CALL_OPTIONS_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>

#include "absl/time/time.h"
#include "slabpipe/transport/wait.h"

namespace slabpipe {

// How far a call is (CallContext::Report).
struct Progress {
  double done = 0;
  double total = 0;  // in the same unit; 0: not known
  std::string text;  // what the worker says: at most 1 KiB, as it came
};
using ProgressCallback = std::function<void(const Progress& progress)>;

// What happens to a call whose deadline has passed, or that was cancelled. In any case the worker's
// function is told first: it may ask (CallContext::cancelled) and return.
enum class OnDeadline {
  // The caller goes. The worker goes on with a function that does not ask; other calls wait for it.
  kAbandon,
  // A worker that has not answered after the grace is sent SIGTERM (whose stack is in the status
  // then), after the grace again SIGKILL. A new one starts as RestartPolicy says. Other calls in
  // flight are lost with it, and learn so within their own time. So it is, without the first grace,
  // with one that takes no message. A call that was not sent because main itself was late (another
  // thread's message, or its own arguments, were being encoded) ends no worker.
  kKill,
};

struct CallOptions {
  // The call has this long, and till then: the earlier of both. SessionOptions::call_timeout if
  // `timeout` is not given.
  std::optional<absl::Duration> timeout = std::nullopt;
  Deadline deadline = Deadline::Never();
  // When a stop is requested the call is cancelled: CANCELLED.
  std::stop_token cancellation = {};
  OnDeadline on_deadline = OnDeadline::kAbandon;
  // How long after its deadline, or its being cancelled, the function has to stop by itself. An
  // answer that comes within it is the call's answer. By default none for kAbandon, a second for
  // kKill.
  std::optional<absl::Duration> grace = std::nullopt;
  // A worker that gives no sign of life for this long while the call waits is killed:
  // SessionOptions::hang_timeout if not given. See WorkerHealth.
  std::optional<absl::Duration> hang_timeout = std::nullopt;
  // Is called while the call waits: on the caller's own thread in Call and Stream, on a thread of
  // the session's in Submit. It must not call the session. What comes faster than it returns is
  // dropped. What it throws is caught, and cancels the call: CANCELLED, with its text.
  ProgressCallback progress = nullptr;
  // Running it twice does no harm: Call repeats it, up to twice, if the worker is lost with it and
  // a new one is running. (One that the lost worker had certainly not begun is repeated in any
  // case.)
  bool idempotent = false;
  // Stream: how many results may be on their way that the caller has not looked at. At least 1.
  uint32_t window = 16;
};

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_CALL_OPTIONS_H_
