// CallInProgress: one call, from its request to its answer or its end.
//
//   CallInProgress call(connection, target, options, waiter);
//   if (auto failed = call.Start(arguments)) return failed->result;
//   CallOutcome outcome = call.Finish();                       // on this thread
//
// or, for one that nobody waits for: each time that something may have happened,
//
//   if (std::optional<CallOutcome> outcome = call.Look()) ...  // otherwise again at next_look()

#ifndef SLABPIPE_SESSION_CALL_IN_PROGRESS_H_
#define SLABPIPE_SESSION_CALL_IN_PROGRESS_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "slabpipe/codec/object.h"
#include "slabpipe/session/argument.h"
#include "slabpipe/session/call_options.h"
#include "slabpipe/session/connection.h"
#include "slabpipe/session/reply_router.h"
#include "slabpipe/transport/wait.h"

namespace slabpipe {

struct CallOutcome {
  absl::StatusOr<Object> result;
  bool lost = false;         // the worker is, and the result says how
  bool may_have_run = true;  // of one that is lost: false: the worker had not begun it
  bool gave_up = false;      // deadline or cancellation
  bool shut_out = false;     // it was not sent: this side is ending the worker, or has
};

// Thread-compatible, but for Cancel. Borrows the connection, the options and the waiter. If it is
// destroyed without an outcome, what comes for it is dropped.
class CallInProgress {
 public:
  // `deadline`: that of the options, taken together.
  CallInProgress(Connection& connection, absl::string_view target, const CallOptions& options,
                 Deadline deadline, absl::Duration hang_timeout, Waiter& waiter);
  ~CallInProgress();

  // Sends the request; what went wrong, if it could not be sent. `credit`: see
  // schemas::Request.credit.
  std::optional<CallOutcome> Start(absl::Span<const ArgumentRef> arguments, uint32_t credit = 0);

  // Waits for the outcome, on this thread. REQUIRES: no credit was given.
  CallOutcome Finish();
  // The next item of a stream, or its outcome.
  struct Next {
    std::unique_ptr<Received> item;
    std::optional<CallOutcome> outcome;
  };
  Next FinishOrItem();
  // Allows the worker that many more items, unless the call is to end.
  void Grant(uint32_t items);
  // An item was none, and so the connection is over.
  CallOutcome Broken();
  // For a waiter of many calls: the outcome, if there is one by now.
  std::optional<CallOutcome> Look();
  Deadline next_look() const { return next_look_; }

  // Thread-safe.
  void Cancel() {
    cancelled_ = true;
    connection_.router().Cancel(reply_);
  }

  Connection& connection() const { return connection_; }
  PendingReply& reply() { return reply_; }
  absl::string_view target() const { return target_; }

 private:
  // What follows from what has happened, and from what time it is.
  std::optional<CallOutcome> Advance(Happening& now);
  std::optional<CallOutcome> LoseHeart(bool cancelled);
  void Report(const Progress& progress);
  Connection::RequestHead Head(uint32_t credit) const;
  CallOutcome Lost(absl::string_view doing) { return Lost(doing, deadline_); }
  CallOutcome Lost(absl::string_view doing, Deadline patience);
  std::optional<CallOutcome> GiveUp();
  std::optional<CallOutcome> GivenUp(absl::string_view what);
  // Of a worker that was killed for this call's sake.
  CallOutcome Killed();
  // Whether the worker is lost, but its end not known yet, and there is time to wait for it. Sets
  // the next look.
  bool MustWaitForEnd();
  void SetNextLook();

  Connection& connection_;
  const absl::string_view target_;
  const CallOptions& options_;
  const Deadline deadline_;
  const absl::Duration hang_timeout_;
  PendingReply reply_;
  std::optional<std::stop_callback<std::function<void()>>> on_stop_;
  std::atomic<bool> cancelled_ = false;
  std::string thrown_;  // by the progress callback, told in words; empty if it has not thrown
  bool streams_ = false;
  uint64_t sent_ = 0;
  bool looked_at_ = false;      // by Look: no thread waits for this call alone
  std::string given_up_;        // why, if the worker is being killed for this call's sake
  bool asked_to_stop_ = false;  // the worker was told that nobody waits, or soon will not
  absl::StatusCode reason_ = absl::StatusCode::kOk;
  Deadline patience_ends_;  // then the caller goes: deadline_, and later the end of the grace
  Deadline next_look_;
};

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_CALL_IN_PROGRESS_H_
