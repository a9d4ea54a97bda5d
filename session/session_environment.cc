// What a session's workers run in: the part of SessionCore that is about environments.

#include <utility>

#include "absl/strings/str_cat.h"
#include "slabpipe/session/find_program.h"
#include "slabpipe/session/session_core.h"
#include "slabpipe/session/session_exchange.h"
#include "slabpipe/session/worker_loss.h"

namespace slabpipe {
namespace {

absl::Status WithPreface(absl::string_view preface, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(preface, ": ", status.message()));
}

std::string Describe(const std::optional<Environment>& environment) {
  if (!environment.has_value()) return "the session's own environment";
  return absl::StrCat("the environment '", environment->name, "'");
}

SessionOptions Within(SessionOptions options, const Environment& environment) {
  options.program = environment.program.value_or(options.program);
  options.arguments = environment.arguments.value_or(options.arguments);
  for (const auto& [name, value] : environment.variables) options.environment[name] = value;
  options.working_directory = environment.working_directory.value_or(options.working_directory);
  options.start_up_targets = environment.start_up_targets.value_or(options.start_up_targets);
  ResourceLimits& limits = options.limits;
  if (environment.limits.memory_bytes.has_value()) {
    limits.memory_bytes = environment.limits.memory_bytes;
  }
  if (environment.limits.cpu_time.has_value()) limits.cpu_time = environment.limits.cpu_time;
  if (environment.limits.open_files.has_value()) limits.open_files = environment.limits.open_files;
  if (environment.limits.core_bytes.has_value()) limits.core_bytes = environment.limits.core_bytes;
  if (environment.niceness.has_value()) options.niceness = environment.niceness;
  return options;
}

// What can be known before a worker is ended for it.
absl::Status CheckUsable(const SessionOptions& options, const Environment& environment) {
  absl::Status status = environment.Validate();
  if (status.ok()) status = FindProgram(Within(options, environment).program).status();
  return status.ok() ? status : WithPreface(Describe(environment), status);
}

}  // namespace

absl::Status SessionCore::Restart(const Environment& environment) {
  if (absl::Status mine = CheckProcess(); !mine.ok()) return mine;
  EndDelay();
  Exchange exchange(*this);
  exchange.Take(Deadline::Never());
  if (absl::Status allowed = CheckNoScope(); !allowed.ok()) return allowed;
  if (absl::Status usable = CheckUsable(options_, environment); !usable.ok()) return usable;
  SetEnvironment(environment);
  EndWorker();
  return StartWorker(Deadline::Never());
}

absl::Status SessionCore::Enter(const Environment& environment) {
  if (absl::Status mine = CheckProcess(); !mine.ok()) return mine;
  EndDelay();
  Exchange exchange(*this);
  exchange.Take(Deadline::Never());
  if (absl::Status allowed = CheckNoScope(); !allowed.ok()) return allowed;
  if (absl::Status usable = CheckUsable(options_, environment); !usable.ok()) return usable;
  std::unique_lock<std::mutex> lock(mutex_);
  const Scope scope = {.outer = environment_, .shutdowns = shutdowns_};
  lock.unlock();
  SetEnvironment(environment);
  EndWorker();
  absl::Status started = StartWorker(Deadline::Never());
  if (!started.ok()) return Return(scope.outer, scope.shutdowns, started);
  lock.lock();
  scope_ = scope;
  return absl::OkStatus();
}

absl::Status SessionCore::Return(std::optional<Environment> outer, uint64_t shutdowns,
                                 const absl::Status& why) {
  const std::string where = Describe(outer);
  SetEnvironment(std::move(outer));
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (shutdowns != shutdowns_) return WithNote(why, "the session is being shut down");
  }
  if (absl::Status back = StartWorker(Deadline::Never()); !back.ok()) {
    return WithNote(why, absl::StrCat("there is no worker now: one in ", where,
                                      " could not be started either: ", back.message()));
  }
  return WithNote(
      why, absl::StrCat("a worker is running in ", where, " again (pid ", connection()->pid(), ")"),
      connection()->pid());
}

absl::Status SessionCore::Leave() {
  if (absl::Status mine = CheckProcess(); !mine.ok()) return mine;
  EndDelay();
  Exchange exchange(*this);
  exchange.Take(Deadline::Never());
  std::unique_lock<std::mutex> lock(mutex_);
  const Scope scope = *std::exchange(scope_, std::nullopt);
  const bool shut_down = scope.shutdowns != shutdowns_ && connection_ == nullptr;
  lock.unlock();
  const std::string where = Describe(scope.outer);
  SetEnvironment(scope.outer);
  if (shut_down) return absl::OkStatus();
  EndWorker();
  absl::Status back = StartWorker(Deadline::Never());
  if (back.ok()) return back;
  return absl::Status(back.code(), absl::StrCat("there is no worker now: one in ", where,
                                                " could not be started again: ", back.message()));
}

SessionOptions SessionCore::WorkerOptions() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return environment_.has_value() ? Within(options_, *environment_) : options_;
}

void SessionCore::SetEnvironment(std::optional<Environment> environment) {
  std::lock_guard<std::mutex> lock(mutex_);
  environment_ = std::move(environment);
}

absl::Status SessionCore::CheckNoScope() const {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!scope_.has_value()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("the session is within ", Describe(environment_),
                   " (Session::Within); it takes another one when that scope is left"));
}

std::optional<std::string> SessionCore::environment() const {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!environment_.has_value()) return std::nullopt;
  return environment_->name;
}

absl::Status SessionCore::WithEnvironmentsName(const absl::Status& status) const {
  return environment_.has_value() ? WithPreface(Describe(environment_), status) : status;
}

absl::Status SessionCore::WarmUp(const std::shared_ptr<Connection>& connection,
                                 const SessionOptions& options, Deadline deadline,
                                 std::stop_token stop, std::optional<WorkerEnd>& end) {
  absl::Status status = RunStartUpTargets(*connection, options, deadline, stop);
  if (status.ok() && stop.stop_requested()) {
    status = absl::CancelledError("the session has been shut down");
  }
  if (status.ok()) return status;
  const bool lost = !connection->over().ok();  // then its own end says more
  Retire(connection);
  end = connection->end();
  if (!lost) end = FailedToStart{.why = std::string(status.message())};
  return status;
}

absl::Status SessionCore::RunStartUpTargets(Connection& connection, const SessionOptions& options,
                                            Deadline deadline, std::stop_token stop) {
  const CallOptions call_options = {.cancellation = std::move(stop)};
  for (const std::string& target : options.start_up_targets) {
    Waiter waiter;
    CallInProgress call(connection, target, call_options, deadline, options.hang_timeout, waiter);
    std::optional<CallOutcome> failed = call.Start({});
    const CallOutcome outcome = failed.has_value() ? *std::move(failed) : call.Finish();
    if (!outcome.result.ok()) return WithPreface("start-up target", outcome.result.status());
  }
  return absl::OkStatus();
}

}  // namespace slabpipe
