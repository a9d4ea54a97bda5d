// AsyncCalls: the calls that no caller waits for, and the thread that sees to them.
//
//   auto call = std::make_shared<AsyncCall>(connection, target, options, ...);
//   if (auto failed = call->in_progress.Start(arguments)) ...
//   calls.Add(call);
//
// The thread reads when nobody else does, enforces deadlines, hands on progress, and settles each
// call once: from then on its result is there, and its callbacks are run.

#ifndef SLABPIPE_SESSION_ASYNC_CALLS_H_
#define SLABPIPE_SESSION_ASYNC_CALLS_H_

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "slabpipe/codec/object.h"
#include "slabpipe/session/call_in_progress.h"
#include "slabpipe/session/call_options.h"
#include "slabpipe/session/connection.h"
#include "slabpipe/transport/fork_watch.h"

namespace slabpipe {

// What a Future and the session share. Thread-safe. In a process that was forked from the session's
// it is ready if it was so at the fork; otherwise it never is, no callback is taken, and nothing
// can be cancelled.
class AsyncResult {
 public:
  // REQUIRES: not set yet.
  void Set(absl::StatusOr<Object> result);
  bool ready() const { return ready_; }
  // DEADLINE_EXCEEDED if it is not ready by then, FAILED_PRECONDITION if it can't become so in this
  // process.
  absl::Status Wait(Deadline deadline) const;
  absl::Status CheckProcess() const;
  // REQUIRES: ready().
  const absl::StatusOr<Object>& get() const { return *result_; }
  // Is called once it is ready, on the thread that sets it; at once if it is, and then the result
  // is 0. Otherwise it is the number by which Forget takes the callback back. What it throws later
  // is caught, and told on stderr.
  uint64_t OnReady(std::function<void()> callback);
  // It is not called any more, if it has not been yet. Nothing happens if there is none.
  void Forget(uint64_t callback);
  // How many wait to be called.
  size_t callback_count() const;
  // What Cancel does, as long as it is not ready.
  void SetCancel(std::function<void()> cancel);
  void Cancel();

 private:
  const ForkWatch fork_watch_;
  std::atomic<bool> ready_ = false;  // result_ is there, and does not change any more
  mutable std::mutex mutex_;         // guards the next
  mutable std::condition_variable changed_;
  std::optional<absl::StatusOr<Object>> result_;
  uint64_t last_callback_ = 0;
  std::vector<std::pair<uint64_t, std::function<void()>>> callbacks_;  // by number
  std::function<void()> cancel_;
};

// One call. Owns all that it needs.
class AsyncCall {
 public:
  AsyncCall(std::shared_ptr<Connection> connection, absl::string_view target, CallOptions options,
            Deadline deadline, absl::Duration hang_timeout)
      : connection_(std::move(connection)),
        target_(target),
        options_(std::move(options)),
        deadline_(deadline),
        in_progress_(*connection_, target_, options_, deadline, hang_timeout,
                     connection_->async_waiter()),
        on_stop_(options_.cancellation, [this] { stop_.request_stop(); }) {}

  // Thread-safe.
  void Cancel() {
    stop_.request_stop();
    in_progress_.Cancel();
  }
  // Of what is done for the call's sake when it is not in progress any more. It is stopped by
  // Cancel, and by CallOptions::cancellation.
  std::stop_token stop() const { return stop_.get_token(); }

  const std::shared_ptr<Connection>& connection() const { return connection_; }
  CallInProgress& in_progress() { return in_progress_; }
  const CallOptions& options() const { return options_; }
  Deadline deadline() const { return deadline_; }

 private:
  const std::shared_ptr<Connection> connection_;
  const std::string target_;
  const CallOptions options_;
  const Deadline deadline_;
  CallInProgress in_progress_;
  std::stop_source stop_;
  const std::stop_callback<std::function<void()>> on_stop_;
};

// Thread-safe. Its thread is started with the first call.
class AsyncCalls {
 public:
  // What a call's outcome is to its caller; called on the thread, may take as long as a restart.
  using Settle = std::function<absl::StatusOr<Object>(AsyncCall& call, CallOutcome outcome)>;
  explicit AsyncCalls(Settle settle);
  // Calls that are not settled yet are CANCELLED. May be called on the thread itself, by a
  // callback.
  ~AsyncCalls();

  // RESOURCE_EXHAUSTED if there can be no thread: then it is not seen to.
  absl::Status Add(std::shared_ptr<AsyncCall> call, std::shared_ptr<AsyncResult> result);
  size_t size() const;

 private:
  struct Shared;
  const std::shared_ptr<Shared> shared_;  // the thread's, too
  std::mutex thread_mutex_;               // guards the next
  std::optional<std::thread> thread_;
};

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_ASYNC_CALLS_H_
