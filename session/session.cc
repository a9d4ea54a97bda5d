#include "slabpipe/session/session.h"

#include <utility>

#include "slabpipe/session/connection.h"
#include "slabpipe/session/session_core.h"

namespace slabpipe {

absl::StatusOr<Session> Session::Start(SessionOptions options) {
  absl::Status valid = ValidateVariables("SessionOptions::environment", options.environment);
  valid.Update(ValidateTexts("SessionOptions::arguments", options.arguments));
  if (!valid.ok()) return valid;
  Session session(std::make_shared<SessionCore>(std::move(options)));
  if (absl::Status status = session.core_->StartLogs(); !status.ok()) return status;
  if (absl::Status status = session.core_->Restart(std::nullopt); !status.ok()) return status;
  return session;
}

Session::Session(std::shared_ptr<SessionCore> core) : core_(std::move(core)) {}
Session::Session(Session&&) noexcept = default;

Session& Session::operator=(Session&& other) noexcept {
  if (this == &other) return *this;
  Session old(std::move(*this));
  core_ = std::move(other.core_);
  return *this;
}

Session::~Session() {
  if (core_ == nullptr) return;
  core_->Shutdown(core_->options().shutdown_grace).IgnoreError();
  if (core_->is_lost()) new std::shared_ptr<SessionCore>(std::move(core_));  // for ever
}

absl::StatusOr<Object> Session::CallObject(const CallOptions& options, absl::string_view target,
                                           absl::Span<const ArgumentRef> arguments) {
  return core_->Call(options, target, arguments);
}

std::shared_ptr<AsyncResult> Session::SubmitObject(const CallOptions& options,
                                                   absl::string_view target,
                                                   absl::Span<const ArgumentRef> arguments) {
  return core_->Submit(options, target, arguments);
}

ObjectStream Session::StreamObjects(const CallOptions& options, absl::string_view target,
                                    absl::Span<const ArgumentRef> arguments) {
  return core_->Stream(options, target, arguments);
}

absl::Status Session::Ping(absl::Duration timeout) { return core_->Ping(timeout); }
absl::Status Session::ReleaseHandles(absl::Duration timeout) {
  return core_->ReleaseHandles(timeout);
}
absl::Status Session::Shutdown(absl::Duration grace) { return core_->Shutdown(grace); }

absl::Status Session::FlushLogs(absl::Duration timeout) {
  return core_->FlushLogs(Deadline::After(timeout));
}

absl::Status Session::Restart(std::optional<EnvironmentChanges> environment) {
  return core_->Restart(std::move(environment));
}

absl::Status Session::Restart(const Environment& environment) {
  return core_->Restart(environment);
}

absl::StatusOr<EnvironmentScope> Session::Within(const Environment& environment) {
  return EnvironmentScope::Enter(core_, environment);
}

std::optional<std::string> Session::environment() const { return core_->environment(); }

absl::StatusOr<AnyNdArray> Session::NewAnyArray(ElementType type, absl::Span<const int64_t> shape,
                                                Order order) {
  if (absl::Status mine = core_->CheckProcess(); !mine.ok()) return mine;
  return NewSharedArray(core_->pool(), type, shape, order);
}

SharedMemory Session::memory() { return SharedMemory(core_->pool()); }

std::vector<TargetInfo> Session::targets() const {
  const std::shared_ptr<Connection> connection = core_->connection();
  return connection == nullptr ? std::vector<TargetInfo>() : connection->targets();
}

WorkerHealth Session::health() const {
  const std::shared_ptr<Connection> connection = core_->connection();
  return connection == nullptr ? WorkerHealth() : connection->Health();
}

pid_t Session::worker_pid() const {
  const std::shared_ptr<Connection> connection = core_->connection();
  return connection == nullptr ? -1 : connection->pid();
}

std::optional<WorkerEnd> Session::last_end() const { return core_->last_end(); }
SessionStats Session::stats() const { return core_->stats(); }

}  // namespace slabpipe
