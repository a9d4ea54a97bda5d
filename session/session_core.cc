#include "slabpipe/session/session_core.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "slabpipe/codec/built_in.h"
#include "slabpipe/session/session_exchange.h"
#include "slabpipe/session/worker_loss.h"
#include "slabpipe/transport/posix_segment.h"

namespace slabpipe {
namespace {

// How often a call that may be repeated is.
constexpr int kMostRepeats = 2;
// How often a call that meets a worker at its end, of this side's making, turns to the next one.
constexpr int kMostExchanges = 3;
// How long Shutdown waits for the log sink.
constexpr absl::Duration kTimeForLogs = absl::Seconds(1);
// How long the end of a worker waits for a message to it that is just being written.
constexpr absl::Duration kTimeToReset = absl::Milliseconds(100);

// What the names of a session's segments begin with. Of named ones, the process and the session are
// part of it: all processes of the machine share one name space.
std::string PrefixFor(SegmentKind segments) {
  static std::atomic<uint64_t> sessions = 0;
  if (segments == SegmentKind::kMemfd) return "";
  SweepDeadOwners();
  return absl::StrCat(PosixSegmentPrefix(), sessions.fetch_add(1) + 1, ".");
}

// For delays: setting the wall clock neither shortens nor lengthens them.
absl::Time SteadyNow() { return absl::FromUnixNanos(MonotonicNanoseconds()); }

absl::Status CancelledMeanwhile() {
  return absl::CancelledError("the call was cancelled before a new worker was running");
}

// How long a caller waits for another worker after an outcome like this: not at all if it has given
// up already.
Deadline PatienceAfter(const CallOutcome& outcome, Deadline deadline) {
  return outcome.gave_up ? Deadline::After(absl::ZeroDuration()) : deadline;
}

// A worker that could not be started for this reason can't be the next time either.
bool IsLasting(const absl::Status& status) {
  return absl::IsNotFound(status) || absl::IsPermissionDenied(status) ||
         absl::IsInvalidArgument(status) || absl::IsFailedPrecondition(status);
}

}  // namespace

SessionCore::SessionCore(SessionOptions options)
    : options_(std::move(options)),
      codecs_(options_.codecs != nullptr ? options_.codecs
                                         : std::make_shared<const CodecRegistry>(BuiltInCodecs())),
      prefix_(PrefixFor(options_.segments)),
      pool_(std::make_shared<ShmPool>(ShmPoolOptions{.prefix = absl::StrCat(prefix_, "m."),
                                                     .peer_prefix = absl::StrCat(prefix_, "w0."),
                                                     .max_kept_bytes = options_.max_kept_bytes},
                                      MakeSegmentProvider(options_.segments))),
      restarts_(options_.restart),
      async_calls_([this](AsyncCall& call, CallOutcome outcome) -> absl::StatusOr<Object> {
        if (!outcome.lost) return std::move(outcome.result);
        return Recover(call.connection(), outcome.result.status(),
                       PatienceAfter(outcome, call.deadline()), call.stop());
      }) {}

SessionCore::~SessionCore() = default;

Deadline SessionCore::DeadlineOf(const CallOptions& options) const {
  return Deadline::Earlier(Deadline::After(options.timeout.value_or(options_.call_timeout)),
                           options.deadline);
}

absl::Duration SessionCore::HangTimeoutOf(const CallOptions& options) const {
  return options.hang_timeout.value_or(options_.hang_timeout);
}

absl::Status SessionCore::CheckProcess() const {
  if (!fork_watch_.in_forked_child()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "this process was forked from the session's, which alone can use it; start a session here, "
      "or "
      "exec a program");
}

absl::StatusOr<Object> SessionCore::Call(const CallOptions& options, absl::string_view target,
                                         absl::Span<const ArgumentRef> arguments) {
  ++calls_;
  const Deadline deadline = DeadlineOf(options);
  absl::Status status;  // of the attempt before
  for (int repeats = 0, exchanges = 0;;) {
    absl::StatusOr<std::shared_ptr<Connection>> connection =
        RunningConnection(deadline, options.cancellation);
    if (!connection.ok()) return status.ok() ? connection.status() : status;
    Waiter waiter;
    CallInProgress call(**connection, target, options, deadline, HangTimeoutOf(options), waiter);
    std::optional<CallOutcome> failed = call.Start(arguments);
    CallOutcome outcome = failed.has_value() ? *std::move(failed) : call.Finish();
    if (outcome.shut_out && ++exchanges <= kMostExchanges) continue;
    if (repeats > 0) ++repeats_;
    if (!outcome.lost) return std::move(outcome.result);
    const bool closing = (*connection)->closing();
    status = Recover(*connection, outcome.result.status(), PatienceAfter(outcome, deadline),
                     options.cancellation);
    const bool may_repeat = (options.idempotent || !outcome.may_have_run) && !outcome.gave_up;
    if (!may_repeat || repeats == kMostRepeats || closing) return status;
    ++repeats;
  }
}

std::shared_ptr<AsyncResult> SessionCore::Submit(const CallOptions& options,
                                                 absl::string_view target,
                                                 absl::Span<const ArgumentRef> arguments) {
  ++calls_;
  auto result = std::make_shared<AsyncResult>();
  const Deadline deadline = DeadlineOf(options);
  for (int exchanges = 0;;) {
    absl::StatusOr<std::shared_ptr<Connection>> connection =
        RunningConnection(deadline, options.cancellation);
    if (!connection.ok()) {
      result->Set(connection.status());
      return result;
    }
    auto call =
        std::make_shared<AsyncCall>(*connection, target, options, deadline, HangTimeoutOf(options));
    std::optional<CallOutcome> failed = call->in_progress().Start(arguments);
    if (failed.has_value() && failed->shut_out && ++exchanges <= kMostExchanges) continue;
    if (failed.has_value()) {
      result->Set(failed->lost ? Recover(*connection, failed->result.status(),
                                         PatienceAfter(*failed, deadline), options.cancellation)
                               : std::move(failed->result));
    } else {
      HandOver(std::move(call), result);
    }
    return result;
  }
}

void SessionCore::HandOver(std::shared_ptr<AsyncCall> call,
                           const std::shared_ptr<AsyncResult>& result) {
  result->SetCancel([weak = std::weak_ptr<AsyncCall>(call)] {
    if (const std::shared_ptr<AsyncCall> running = weak.lock()) running->Cancel();
  });
  if (absl::Status added = async_calls_.Add(call, result); !added.ok()) {
    call->connection()->router().Abandon(call->in_progress().reply());
    result->Set(added);
  }
}

ObjectStream SessionCore::Stream(const CallOptions& options, absl::string_view target,
                                 absl::Span<const ArgumentRef> arguments) {
  ++calls_;
  const Deadline deadline = DeadlineOf(options);
  const auto settle = [weak = weak_from_this(), deadline, stop = options.cancellation](
                          const std::shared_ptr<Connection>& lost,
                          CallOutcome outcome) -> absl::Status {
    const std::shared_ptr<SessionCore> core = weak.lock();
    if (core == nullptr) return outcome.result.status();
    return core->Recover(lost, outcome.result.status(), PatienceAfter(outcome, deadline), stop);
  };
  for (int exchanges = 0;;) {
    absl::StatusOr<std::shared_ptr<Connection>> connection =
        RunningConnection(deadline, options.cancellation);
    if (!connection.ok()) return ObjectStream(connection.status());
    ObjectStream stream(*connection, target, options, deadline, HangTimeoutOf(options), arguments,
                        settle);
    if (!stream.shut_out() || ++exchanges > kMostExchanges) return stream;
  }
}

absl::Status SessionCore::ReleaseHandles(absl::Duration timeout) {
  const Deadline deadline = Deadline::After(timeout);
  absl::StatusOr<std::shared_ptr<Connection>> connection = RunningConnection(deadline, {});
  if (!connection.ok()) return connection.status();
  absl::Status status = (*connection)->ReleaseHandles(deadline);
  return status.ok() ? status : Recover(*connection, status, deadline);
}

absl::Status SessionCore::Ping(absl::Duration timeout) {
  const Deadline deadline = Deadline::After(timeout);
  absl::StatusOr<std::shared_ptr<Connection>> connection = RunningConnection(deadline, {});
  if (!connection.ok()) return connection.status();
  absl::Status status = (*connection)->Ping(deadline);
  return status.ok() ? status : Recover(*connection, status, deadline);
}

absl::StatusOr<std::shared_ptr<Connection>> SessionCore::RunningConnection(Deadline deadline,
                                                                           std::stop_token stop) {
  if (absl::Status mine = CheckProcess(); !mine.ok()) return mine;
  if (std::shared_ptr<Connection> running = connection();
      running != nullptr && !running->closing()) {
    return running;
  }
  // A new worker may just be starting, or have to be started.
  const auto look_up = LookUpAt(stop);
  Exchange exchange(*this);
  if (!exchange.Take(deadline, stop)) {
    return stop.stop_requested()
               ? CancelledMeanwhile()
               : absl::DeadlineExceededError("a new worker was still being started");
  }
  std::unique_lock<std::mutex> lock(mutex_);
  if (connection_ == nullptr && next_start_.has_value() && next_start_->ok()) {
    if (absl::Status waited = StartLater(lock, deadline, stop); !waited.ok()) return waited;
  }
  if (connection_ != nullptr) return connection_;
  std::string why = last_end_.has_value() ? DescribeEnd(*last_end_) : "was never started";
  if (next_start_.has_value() && !next_start_->ok()) {
    absl::StrAppend(&why, "; ", next_start_->status().message());
  }
  return absl::FailedPreconditionError(
      absl::StrCat("there is no worker: it ", why, "; try Restart()"));
}

void SessionCore::EndDelay() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (next_start_.has_value() && next_start_->ok()) next_start_ = SteadyNow();
  changed_.notify_all();
}

// Waits until the policy allows a new worker, and starts it. REQUIRES: an Exchange.
absl::Status SessionCore::StartLater(std::unique_lock<std::mutex>& lock, Deadline deadline,
                                     const std::stop_token& stop) {
  const uint64_t shutdowns = shutdowns_;
  while (shutdowns == shutdowns_) {
    const absl::Duration delay = std::max(**next_start_ - SteadyNow(), absl::ZeroDuration());
    if (stop.stop_requested()) return CancelledMeanwhile();
    if (deadline.HasPassed()) {
      return absl::DeadlineExceededError(absl::StrCat("the next worker is not started before ",
                                                      absl::FormatDuration(delay), " from now"));
    }
    if (delay == absl::ZeroDuration()) {
      lock.unlock();
      absl::Status started = StartWorker(deadline, stop);
      lock.lock();
      return started;
    }
    const absl::Duration rest = std::min({delay, deadline.Remaining(), absl::Hours(1)});
    changed_.wait_for(lock, absl::ToChronoNanoseconds(rest));
  }
  return absl::CancelledError("the session has been shut down");
}

absl::Status SessionCore::Recover(const std::shared_ptr<Connection>& lost,
                                  const absl::Status& status, Deadline deadline,
                                  std::stop_token stop) {
  if (lost->over().ok()) return status;  // the worker is well: it was the call's own error
  const auto look_up = LookUpAt(stop);
  Exchange exchange(*this);
  if (!exchange.Take(deadline, stop)) return WithNote(status, "a new worker is being started");
  if (connection() == lost) {
    if (lost->closing()) return WithNote(status, "the session is being shut down");
    if (!lost->AwaitEnd(deadline)) {
      return WithNote(status, "it is still being ended; the next call starts a new worker");
    }
    Retire(lost);
    std::lock_guard<std::mutex> lock(mutex_);
    next_start_ = restarts_.NextStart(SteadyNow(), lost->router().has_answered());
  }
  std::unique_lock<std::mutex> lock(mutex_);
  if (connection_ == nullptr && next_start_.has_value()) {
    if (!next_start_->ok()) return WithNote(status, next_start_->status().message());
    constexpr absl::string_view kLater = "the next call starts a new worker";
    if (**next_start_ > SteadyNow() || deadline.HasPassed() || stop.stop_requested()) {
      return WithNote(status, kLater);
    }
    if (absl::Status started = StartLater(lock, deadline, stop); !started.ok()) {
      if (absl::IsCancelled(started) && stop.stop_requested()) return WithNote(status, kLater);
      return WithNote(status,
                      absl::StrCat("a new worker could not be started: ", started.message()));
    }
  }
  if (connection_ == nullptr) return WithNote(status, "there is no worker now");
  const pid_t pid = connection_->pid();
  return WithNote(status, absl::StrCat("a new worker is running (pid ", pid, ")"), pid);
}

absl::Status SessionCore::Shutdown(absl::Duration grace) {
  if (absl::Status mine = CheckProcess(); !mine.ok()) return mine;
  std::stop_source starting(std::nostopstate);
  {
    std::lock_guard<std::mutex> lock(mutex_);
    ++shutdowns_;
    next_start_ = std::nullopt;
    if (start_interrupt_ != nullptr) start_interrupt_->Cancel();
    changed_.notify_all();
    starting = start_stop_;
  }
  starting.request_stop();
  // Not in an Exchange while waiting: a call that fails meanwhile needs it.
  absl::Status gone;
  if (const std::shared_ptr<Connection> old = connection()) gone = old->Shutdown(grace);
  Exchange exchange(*this);
  exchange.Take(Deadline::Never());
  {
    std::lock_guard<std::mutex> lock(mutex_);
    next_start_ = std::nullopt;  // of a call that noticed a loss meanwhile
  }
  if (const std::shared_ptr<Connection> last = connection()) {
    // Another one, if it was started just before.
    gone.Update(last->Shutdown(grace));
    Retire(last);
  }
  if (logs_ != nullptr) logs_->Flush(Deadline::After(kTimeForLogs)).IgnoreError();
  return gone;
}

absl::Status SessionCore::StartLogs() {
  absl::StatusOr<std::unique_ptr<LogQueue>> logs = LogQueue::Start(options_.log_sink);
  if (!logs.ok()) return logs.status();
  logs_ = *std::move(logs);
  return absl::OkStatus();
}

absl::Status SessionCore::FlushLogs(Deadline deadline) {
  if (const std::shared_ptr<Connection> running = connection()) running->ReadOutput();
  return logs_->Flush(deadline);
}

absl::Status SessionCore::Restart(std::optional<EnvironmentChanges> environment) {
  if (absl::Status mine = CheckProcess(); !mine.ok()) return mine;
  EndDelay();
  Exchange exchange(*this);
  exchange.Take(Deadline::Never());
  if (environment.has_value()) {
    if (absl::Status allowed = CheckNoScope(); !allowed.ok()) return allowed;
    absl::Status valid = ValidateVariables("the environment", *environment);
    if (!valid.ok()) return valid;
    options_.environment = *std::move(environment);
    SetEnvironment(std::nullopt);
  }
  EndWorker();
  return StartWorker(Deadline::Never());
}

void SessionCore::EndWorker() {
  if (const std::shared_ptr<Connection> old = connection()) {
    // That it had to be killed is no failure of this.
    old->Shutdown(options_.shutdown_grace).IgnoreError();
    Retire(old);
  }
  std::lock_guard<std::mutex> lock(mutex_);
  restarts_.Reset();
}

absl::Status SessionCore::StartWorker(Deadline deadline, const std::stop_token& cancelled) {
  if (abandoned_) {
    return absl::FailedPreconditionError(
        "another part of this program has closed the session's descriptors; start a new session");
  }
  absl::StatusOr<Cancellation> interrupt = Cancellation::Create();
  if (!interrupt.ok()) return interrupt.status();
  std::unique_lock<std::mutex> lock(mutex_);
  const uint64_t number = ++workers_;
  start_interrupt_ = &*interrupt;
  start_stop_ = std::stop_source();
  std::stop_source warming_up = start_stop_;
  const std::stop_token stop = start_stop_.get_token();
  lock.unlock();
  const std::stop_callback interrupts(cancelled, [&] {
    interrupt->Cancel();
    warming_up.request_stop();
  });
  const SessionOptions options = WorkerOptions();
  const Deadline ready = Deadline::Earlier(deadline, Deadline::After(options.start_timeout));
  const std::string worker_prefix = absl::StrCat(prefix_, "w", number, ".");
  const ConnectionOptions connection_options = {
      .program = options.program,
      .arguments = options.arguments,
      .environment = options.environment,
      .working_directory = options.working_directory,
      .limits = options.limits,
      .niceness = options.niceness,
      .hello = {.main_prefix = absl::StrCat(prefix_, "m."),
                .worker_prefix = worker_prefix,
                .segments = options_.segments},
      .pipe = options_.pipe,
      .start_timeout = ready.Remaining(),
      .logs = logs_,
      .interrupt = &*interrupt};
  std::optional<WorkerEnd> end;
  absl::StatusOr<std::shared_ptr<Connection>> started =
      Connection::Start(connection_options, pool_, codecs_, end);
  if (started.ok()) {
    absl::Status warm = WarmUp(*started, options, ready, stop, end);
    if (!warm.ok()) started = warm;
  }
  lock.lock();
  start_interrupt_ = nullptr;
  if (end.has_value()) last_end_ = end;
  if (started.ok()) {
    next_start_ = std::nullopt;
    connection_ = *std::move(started);
    return absl::OkStatus();
  }
  // One that the caller had no time for is none that failed.
  const bool hurried = (absl::IsDeadlineExceeded(started.status()) && deadline.HasPassed()) ||
                       (absl::IsCancelled(started.status()) && cancelled.stop_requested());
  if (next_start_.has_value() && !hurried) {
    next_start_ =
        IsLasting(started.status()) ? started.status() : restarts_.NextStart(SteadyNow(), false);
  }
  return WithEnvironmentsName(started.status());
}

// The worker is gone, or goes now.
void SessionCore::Retire(const std::shared_ptr<Connection>& connection) {
  connection->Kill();
  // If an argument is being encoded all the time, the next worker's start sees to it.
  pool_->ResetPeer(absl::StrCat(prefix_, "w0."), Deadline::After(kTimeToReset));
  if (options_.segments == SegmentKind::kPosix) {
    UnlinkSegments(absl::StrCat(prefix_, "w", workers_, "."));
  }
  std::lock_guard<std::mutex> lock(mutex_);
  last_end_ = connection->end();
  if (connection_ == connection) connection_ = nullptr;
  if (abandoned_ || !connection->DescriptorsWereClosed()) return;
  abandoned_connection_ = connection;
  abandoned_ = true;
}

std::shared_ptr<Connection> SessionCore::connection() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return connection_;
}

std::optional<WorkerEnd> SessionCore::last_end() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return last_end_;
}

SessionStats SessionCore::stats() const {
  std::lock_guard<std::mutex> lock(mutex_);
  SessionStats stats = {.pool = pool_->stats(),
                        .calls = calls_,
                        .repeats = repeats_,
                        .restarts = workers_ > 0 ? workers_ - 1 : 0};
  if (connection_ != nullptr) {
    stats.handles = connection_->handle_count();
    stats.messages_sent = connection_->pipe().messages_sent();
    stats.message_bytes_sent = connection_->pipe().bytes_sent();
  }
  return stats;
}

}  // namespace slabpipe
