#include "slabpipe/session/session.h"

#include <unistd.h>

#include <atomic>
#include <mutex>
#include <utility>

#include "slabpipe/codec/built_in.h"
#include "slabpipe/codec/shared_array.h"
#include "slabpipe/session/connection.h"
#include "slabpipe/transport/posix_segment.h"

namespace slabpipe {
namespace {

// What the names of a session's segments begin with. Of named ones, the process and the session are
// part of it: all processes of the machine share one name space.
std::string PrefixFor(SegmentKind segments) {
  static std::atomic<uint64_t> sessions = 0;
  if (segments == SegmentKind::kMemfd) return "";
  SweepDeadOwners();
  return absl::StrCat(PosixSegmentPrefix(), sessions.fetch_add(1) + 1, ".");
}

// No sink: what the worker says is dropped.
SessionOptions WithLogSink(SessionOptions options) {
  if (options.log_sink == nullptr) options.log_sink = [](const LogRecord&) {};
  return options;
}

}  // namespace

class Session::Core {
 public:
  explicit Core(SessionOptions options)
      : options_(WithLogSink(std::move(options))),
        codecs_(options_.codecs != nullptr
                    ? options_.codecs
                    : std::make_shared<const CodecRegistry>(BuiltInCodecs())),
        prefix_(PrefixFor(options_.segments)),
        pool_(ShmPoolOptions{.prefix = absl::StrCat(prefix_, "m."),
                             .peer_prefix = absl::StrCat(prefix_, "w0."),
                             .max_kept_bytes = options_.max_kept_bytes},
              MakeSegmentProvider(options_.segments)) {}

  absl::StatusOr<Object> Call(const CallOptions& options, absl::string_view target,
                              absl::Span<const ArgumentRef> arguments);
  absl::Status Ping(absl::Duration timeout);
  absl::Status Shutdown(absl::Duration grace);
  absl::Status Restart(std::optional<EnvironmentChanges> environment);

  const SessionOptions& options() const { return options_; }
  ShmPool& pool() { return pool_; }
  // Null if there is no worker.
  std::shared_ptr<Connection> connection() const;
  std::optional<WorkerEnd> last_end() const;
  SessionStats stats() const;

 private:
  absl::StatusOr<std::shared_ptr<Connection>> RunningConnection();
  // After a call or ping that failed: if the worker is lost, starts another, if so wished, and says
  // so.
  absl::Status Recover(const std::shared_ptr<Connection>& lost, const absl::Status& status);
  absl::Status StartWorker();
  void Retire(const std::shared_ptr<Connection>& connection);

  SessionOptions options_;  // environment: guarded by restart_mutex_; the rest does not change
  const std::shared_ptr<const CodecRegistry> codecs_;
  const std::string prefix_;
  ShmPool pool_;

  std::mutex restart_mutex_;  // held while workers are exchanged; taken before mutex_
  mutable std::mutex mutex_;  // guards the next
  std::shared_ptr<Connection> connection_;
  std::optional<WorkerEnd> last_end_;
  uint64_t workers_ = 0;  // started so far
  std::atomic<uint64_t> calls_ = 0;
};

absl::StatusOr<Object> Session::Core::Call(const CallOptions& options, absl::string_view target,
                                           absl::Span<const ArgumentRef> arguments) {
  ++calls_;
  absl::StatusOr<std::shared_ptr<Connection>> connection = RunningConnection();
  if (!connection.ok()) return connection.status();
  const Deadline deadline = Deadline::After(options.timeout.value_or(options_.call_timeout));
  absl::StatusOr<Object> result = (*connection)->Call(target, arguments, deadline);
  if (result.ok()) return result;
  return Recover(*connection, result.status());
}

absl::Status Session::Core::Ping(absl::Duration timeout) {
  absl::StatusOr<std::shared_ptr<Connection>> connection = RunningConnection();
  if (!connection.ok()) return connection.status();
  absl::Status status = (*connection)->Ping(Deadline::After(timeout));
  return status.ok() ? status : Recover(*connection, status);
}

absl::StatusOr<std::shared_ptr<Connection>> Session::Core::RunningConnection() {
  if (const std::shared_ptr<Connection> running = connection()) return running;
  // A new worker may just be starting.
  std::lock_guard<std::mutex> restarting(restart_mutex_);
  std::lock_guard<std::mutex> lock(mutex_);
  if (connection_ != nullptr) return connection_;
  return absl::FailedPreconditionError(absl::StrCat(
      "there is no worker: it ",
      last_end_.has_value() ? DescribeEnd(*last_end_) : "was never started", "; try Restart()"));
}

absl::Status Session::Core::Recover(const std::shared_ptr<Connection>& lost,
                                    const absl::Status& status) {
  if (lost->over().ok()) return status;  // the worker is well: it was the call's own error
  std::lock_guard<std::mutex> restarting(restart_mutex_);
  const auto with_note = [&](absl::string_view note) {
    return absl::Status(status.code(), absl::StrCat(status.message(), "\n  ", note));
  };
  if (lost->closing() && connection() == lost) return with_note("the session is being shut down");
  if (connection() == lost) {
    Retire(lost);
    if (!options_.restart_after_crash) return with_note("no new worker was started");
    if (absl::Status started = StartWorker(); !started.ok()) {
      return with_note(absl::StrCat("a new worker could not be started: ", started.message()));
    }
  }
  const std::shared_ptr<Connection> current = connection();
  if (current == nullptr) return with_note("there is no worker now");
  return with_note(absl::StrCat("a new worker is running (pid ", current->pid(), ")"));
}

absl::Status Session::Core::Shutdown(absl::Duration grace) {
  // Not under restart_mutex_ while waiting: a call that fails meanwhile needs it.
  const std::shared_ptr<Connection> old = connection();
  if (old == nullptr) return absl::OkStatus();
  absl::Status gone = old->Shutdown(grace);
  std::lock_guard<std::mutex> restarting(restart_mutex_);
  if (connection() == old) Retire(old);
  return gone;
}

absl::Status Session::Core::Restart(std::optional<EnvironmentChanges> environment) {
  absl::Status ended =
      Shutdown(options_.shutdown_grace);  // that it had to be killed is no failure of this
  std::lock_guard<std::mutex> restarting(restart_mutex_);
  if (environment.has_value()) options_.environment = *std::move(environment);
  if (const std::shared_ptr<Connection> other = connection()) Retire(other);
  return StartWorker();
}

// REQUIRES: restart_mutex_ is held, and there is no connection.
absl::Status Session::Core::StartWorker() {
  uint64_t number = 0;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    number = ++workers_;
  }
  const std::string worker_prefix = absl::StrCat(prefix_, "w", number, ".");
  const ConnectionOptions connection_options = {
      .program = options_.program,
      .arguments = options_.arguments,
      .environment = options_.environment,
      .hello = {.main_prefix = absl::StrCat(prefix_, "m."),
                .worker_prefix = worker_prefix,
                .segments = options_.segments},
      .pipe = options_.pipe,
      .start_timeout = options_.start_timeout,
      .log_sink = options_.log_sink};
  std::optional<WorkerEnd> end;
  absl::StatusOr<std::unique_ptr<Connection>> started =
      Connection::Start(connection_options, pool_, *codecs_, end);
  std::lock_guard<std::mutex> lock(mutex_);
  if (end.has_value()) last_end_ = end;
  if (!started.ok()) return started.status();
  connection_ = *std::move(started);
  return absl::OkStatus();
}

// The worker is gone, or goes now. REQUIRES: restart_mutex_ is held.
void Session::Core::Retire(const std::shared_ptr<Connection>& connection) {
  connection->Kill();
  pool_.ResetPeer(absl::StrCat(prefix_, "w0."));
  if (options_.segments == SegmentKind::kPosix) {
    UnlinkSegments(absl::StrCat(prefix_, "w", workers_, "."));
  }
  std::lock_guard<std::mutex> lock(mutex_);
  last_end_ = connection->end();
  if (connection_ == connection) connection_ = nullptr;
}

std::shared_ptr<Connection> Session::Core::connection() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return connection_;
}

std::optional<WorkerEnd> Session::Core::last_end() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return last_end_;
}

SessionStats Session::Core::stats() const {
  std::lock_guard<std::mutex> lock(mutex_);
  SessionStats stats = {
      .pool = pool_.stats(), .calls = calls_, .restarts = workers_ > 0 ? workers_ - 1 : 0};
  if (connection_ != nullptr) {
    stats.messages_sent = connection_->pipe().messages_sent();
    stats.message_bytes_sent = connection_->pipe().bytes_sent();
  }
  return stats;
}

absl::StatusOr<Session> Session::Start(SessionOptions options) {
  Session session(std::make_unique<Core>(std::move(options)));
  if (absl::Status status = session.core_->Restart(std::nullopt); !status.ok()) return status;
  return session;
}

Session::Session(std::unique_ptr<Core> core) : core_(std::move(core)) {}
Session::Session(Session&&) noexcept = default;

Session& Session::operator=(Session&& other) noexcept {
  if (this == &other) return *this;
  Session old(std::move(*this));
  core_ = std::move(other.core_);
  return *this;
}

Session::~Session() {
  if (core_ != nullptr) core_->Shutdown(core_->options().shutdown_grace).IgnoreError();
}

absl::StatusOr<Object> Session::CallObject(const CallOptions& options, absl::string_view target,
                                           absl::Span<const ArgumentRef> arguments) {
  return core_->Call(options, target, arguments);
}

absl::Status Session::Ping(absl::Duration timeout) { return core_->Ping(timeout); }
absl::Status Session::Shutdown(absl::Duration grace) { return core_->Shutdown(grace); }

absl::Status Session::Restart(std::optional<EnvironmentChanges> environment) {
  return core_->Restart(std::move(environment));
}

absl::StatusOr<AnyNdArray> Session::NewAnyArray(ElementType type, absl::Span<const int64_t> shape,
                                                Order order) {
  return NewSharedArray(core_->pool(), type, shape, order);
}

SharedMemory Session::memory() { return SharedMemory(core_->pool()); }

std::vector<TargetInfo> Session::targets() const {
  const std::shared_ptr<Connection> connection = core_->connection();
  return connection == nullptr ? std::vector<TargetInfo>() : connection->targets();
}

pid_t Session::worker_pid() const {
  const std::shared_ptr<Connection> connection = core_->connection();
  return connection == nullptr ? -1 : connection->pid();
}

std::optional<WorkerEnd> Session::last_end() const { return core_->last_end(); }
SessionStats Session::stats() const { return core_->stats(); }

}  // namespace slabpipe
