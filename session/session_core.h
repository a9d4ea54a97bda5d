// SessionCore: what a Session is, behind its templates: one pool, one worker after another, and
// what happens when one is lost.

#ifndef SLABPIPE_SESSION_SESSION_CORE_H_
#define SLABPIPE_SESSION_SESSION_CORE_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "slabpipe/codec/object.h"
#include "slabpipe/codec/registry.h"
#include "slabpipe/session/argument.h"
#include "slabpipe/session/async_calls.h"
#include "slabpipe/session/call_options.h"
#include "slabpipe/session/connection.h"
#include "slabpipe/session/environment.h"
#include "slabpipe/session/log_queue.h"
#include "slabpipe/session/restart_policy.h"
#include "slabpipe/session/result_stream.h"
#include "slabpipe/session/session_options.h"
#include "slabpipe/session/worker_end.h"
#include "slabpipe/transport/fork_watch.h"
#include "slabpipe/transport/shm_pool.h"

namespace slabpipe {

// Thread-safe. Made by std::make_shared: streams and calls in flight refer to it weakly.
class SessionCore : public std::enable_shared_from_this<SessionCore> {
 public:
  explicit SessionCore(SessionOptions options);
  ~SessionCore();

  absl::StatusOr<Object> Call(const CallOptions& options, absl::string_view target,
                              absl::Span<const ArgumentRef> arguments);
  std::shared_ptr<AsyncResult> Submit(const CallOptions& options, absl::string_view target,
                                      absl::Span<const ArgumentRef> arguments);
  ObjectStream Stream(const CallOptions& options, absl::string_view target,
                      absl::Span<const ArgumentRef> arguments);
  // Once, before anything else.
  absl::Status StartLogs();
  absl::Status FlushLogs(Deadline deadline);
  // To the sink. Since StartLogs.
  void Log(LogRecord record) { logs_->Push(std::move(record)); }
  absl::Status Ping(absl::Duration timeout);
  absl::Status ReleaseHandles(absl::Duration timeout);
  absl::Status Shutdown(absl::Duration grace);
  absl::Status Restart(std::optional<EnvironmentChanges> environment);
  absl::Status Restart(const Environment& environment);
  // A scope's two ends.
  absl::Status Enter(const Environment& environment);
  absl::Status Leave();

  // Whether this object can neither be used nor destroyed any more: what it would do, it would do
  // to others.
  bool is_lost() const { return fork_watch_.in_forked_child() || abandoned_; }
  // FAILED_PRECONDITION in a process that was forked from the session's.
  absl::Status CheckProcess() const;

  const SessionOptions& options() const { return options_; }
  ShmPool& pool() { return *pool_; }
  // Null if there is no worker.
  std::shared_ptr<Connection> connection() const;
  std::optional<WorkerEnd> last_end() const;
  // The name of the environment; nullopt: that of the options.
  std::optional<std::string> environment() const;
  SessionStats stats() const;

 private:
  // Has the worker exchanged by one thread at a time, each with its own patience.
  class Exchange;

  Deadline DeadlineOf(const CallOptions& options) const;
  absl::Duration HangTimeoutOf(const CallOptions& options) const;
  // The worker, a new one if the last was lost and the policy says so.
  absl::StatusOr<std::shared_ptr<Connection>> RunningConnection(Deadline deadline,
                                                                std::stop_token stop);
  absl::Status StartLater(std::unique_lock<std::mutex>& lock, Deadline deadline,
                          const std::stop_token& stop);
  // Before an Exchange in which somebody starts a worker by hand: a call that waits for the time of
  // the next one holds it till then.
  void EndDelay();
  // After a call that ended with its worker, or may have: if that is lost, starts another, if so
  // wished, and says so in the status.
  absl::Status Recover(const std::shared_ptr<Connection>& lost, const absl::Status& status,
                       Deadline deadline, std::stop_token stop = {});
  // A call that has been sent: from here on AsyncCalls sees to it.
  void HandOver(std::shared_ptr<AsyncCall> call, const std::shared_ptr<AsyncResult>& result);
  // A thread that waits for changed_ looks up when its call is cancelled.
  auto LookUpAt(const std::stop_token& stop) {
    return std::stop_callback(stop, [this] {
      std::lock_guard<std::mutex> lock(mutex_);
      changed_.notify_all();
    });
  }
  // All the next: REQUIRES an Exchange.
  absl::Status StartWorker(Deadline deadline, const std::stop_token& cancelled = {});
  // Runs the start-up targets of a worker that has just been started. After an error it is retired,
  // and `end` says how it ended.
  absl::Status WarmUp(const std::shared_ptr<Connection>& connection, const SessionOptions& options,
                      Deadline deadline, std::stop_token stop, std::optional<WorkerEnd>& end);
  absl::Status RunStartUpTargets(Connection& connection, const SessionOptions& options,
                                 Deadline deadline, std::stop_token stop);
  // Asks the worker to go, if there is one.
  void EndWorker();
  // The options and, on top of them, the environment.
  SessionOptions WorkerOptions() const;
  void SetEnvironment(std::optional<Environment> environment);
  // REQUIRES: mutex_ is held.
  absl::Status WithEnvironmentsName(const absl::Status& status) const;
  // FAILED_PRECONDITION within a scope.
  absl::Status CheckNoScope() const;
  // After an environment could not be entered: the worker runs again where it did before.
  absl::Status Return(std::optional<Environment> outer, uint64_t shutdowns,
                      const absl::Status& why);
  void Retire(const std::shared_ptr<Connection>& connection);

  const ForkWatch fork_watch_;
  // What a scope goes back to.
  struct Scope {
    std::optional<Environment> outer;
    uint64_t shutdowns;  // before
  };

  SessionOptions options_;  // environment: guarded by an Exchange; the rest does not change
  const std::shared_ptr<const CodecRegistry> codecs_;
  const std::string prefix_;
  const std::shared_ptr<ShmPool> pool_;
  std::shared_ptr<LogQueue> logs_;

  mutable std::mutex mutex_;  // guards the next
  std::condition_variable changed_;
  bool exchanging_ = false;
  std::shared_ptr<Connection> connection_;
  const Cancellation* start_interrupt_ = nullptr;  // of the worker that is being started
  std::stop_source start_stop_;                    // of its start-up targets
  std::optional<Environment> environment_;         // changed in an Exchange only
  std::optional<Scope> scope_;                     // likewise
  uint64_t shutdowns_ = 0;  // begun: a start that was begun before is given up
  // The last worker was lost, and the next may be started then, by the steady clock; an error if it
  // must not be.
  std::optional<absl::StatusOr<absl::Time>> next_start_;
  RestartBudget restarts_;
  std::optional<WorkerEnd> last_end_;
  uint64_t workers_ = 0;  // started so far
  // Whose descriptors another part of this program has closed. The numbers may be those of other
  // files by now: it is never destroyed.
  std::shared_ptr<Connection> abandoned_connection_;
  std::atomic<bool> abandoned_ = false;  // there is one
  std::atomic<uint64_t> calls_ = 0;
  std::atomic<uint64_t> repeats_ = 0;

  AsyncCalls async_calls_;  // the first to go
};

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_SESSION_CORE_H_
