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

absl::Status Session::CheckNotMovedFrom() const {
  if (core_ != nullptr) return absl::OkStatus();
  return absl::FailedPreconditionError("this session has been moved from");
}

absl::StatusOr<Object> Session::CallObject(const CallOptions& options, absl::string_view target,
                                           absl::Span<const ArgumentRef> arguments) {
  if (absl::Status mine = CheckNotMovedFrom(); !mine.ok()) return mine;
  return core_->Call(options, target, arguments);
}

std::shared_ptr<AsyncResult> Session::SubmitObject(const CallOptions& options,
                                                   absl::string_view target,
                                                   absl::Span<const ArgumentRef> arguments) {
  if (core_ != nullptr) return core_->Submit(options, target, arguments);
  auto result = std::make_shared<AsyncResult>();
  result->Set(CheckNotMovedFrom());
  return result;
}

ObjectStream Session::StreamObjects(const CallOptions& options, absl::string_view target,
                                    absl::Span<const ArgumentRef> arguments) {
  if (absl::Status mine = CheckNotMovedFrom(); !mine.ok()) return ObjectStream(mine);
  return core_->Stream(options, target, arguments);
}

absl::Status Session::Ping(absl::Duration timeout) {
  if (absl::Status mine = CheckNotMovedFrom(); !mine.ok()) return mine;
  return core_->Ping(timeout);
}

absl::Status Session::ReleaseHandles(absl::Duration timeout) {
  if (absl::Status mine = CheckNotMovedFrom(); !mine.ok()) return mine;
  return core_->ReleaseHandles(timeout);
}

absl::Status Session::Shutdown(absl::Duration grace) {
  if (absl::Status mine = CheckNotMovedFrom(); !mine.ok()) return mine;
  return core_->Shutdown(grace);
}

absl::Status Session::FlushLogs(absl::Duration timeout) {
  if (absl::Status mine = CheckNotMovedFrom(); !mine.ok()) return mine;
  return core_->FlushLogs(Deadline::After(timeout));
}

absl::Status Session::Restart(std::optional<EnvironmentChanges> environment) {
  if (absl::Status mine = CheckNotMovedFrom(); !mine.ok()) return mine;
  return core_->Restart(std::move(environment));
}

absl::Status Session::Restart(const Environment& environment) {
  if (absl::Status mine = CheckNotMovedFrom(); !mine.ok()) return mine;
  return core_->Restart(environment);
}

absl::StatusOr<EnvironmentScope> Session::Within(const Environment& environment) {
  if (absl::Status mine = CheckNotMovedFrom(); !mine.ok()) return mine;
  return EnvironmentScope::Enter(core_, environment);
}

std::optional<std::string> Session::environment() const {
  return core_ == nullptr ? std::nullopt : core_->environment();
}

absl::StatusOr<AnyNdArray> Session::NewAnyArray(ElementType type, absl::Span<const int64_t> shape,
                                                Order order) {
  if (absl::Status mine = CheckNotMovedFrom(); !mine.ok()) return mine;
  if (absl::Status mine = core_->CheckProcess(); !mine.ok()) return mine;
  return NewSharedArray(core_->pool(), type, shape, order);
}

SharedMemory Session::memory() {
  return core_ == nullptr ? SharedMemory() : SharedMemory(core_->pool());
}

std::shared_ptr<Connection> Session::connection() const {
  return core_ == nullptr ? nullptr : core_->connection();
}

std::vector<TargetInfo> Session::targets() const {
  const std::shared_ptr<Connection> running = connection();
  return running == nullptr ? std::vector<TargetInfo>() : running->targets();
}

WorkerHealth Session::health() const {
  const std::shared_ptr<Connection> running = connection();
  return running == nullptr ? WorkerHealth() : running->Health();
}

pid_t Session::worker_pid() const {
  const std::shared_ptr<Connection> running = connection();
  return running == nullptr ? -1 : running->pid();
}

std::optional<WorkerEnd> Session::last_end() const {
  return core_ == nullptr ? std::nullopt : core_->last_end();
}

SessionStats Session::stats() const { return core_ == nullptr ? SessionStats() : core_->stats(); }

}  // namespace slabpipe
