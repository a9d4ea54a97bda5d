#include "slabpipe/session/environment_scope.h"

#include "absl/time/clock.h"
#include "slabpipe/session/log_sink.h"
#include "slabpipe/session/session_core.h"

namespace slabpipe {

absl::StatusOr<EnvironmentScope> EnvironmentScope::Enter(const std::shared_ptr<SessionCore>& core,
                                                         const Environment& environment) {
  if (absl::Status entered = core->Enter(environment); !entered.ok()) return entered;
  return EnvironmentScope(core);
}

EnvironmentScope& EnvironmentScope::operator=(EnvironmentScope&& other) noexcept {
  if (this == &other) return *this;
  EnvironmentScope left(std::move(*this));
  core_ = std::move(other.core_);
  return *this;
}

EnvironmentScope::~EnvironmentScope() {
  const std::shared_ptr<SessionCore> core = core_.lock();
  if (core == nullptr || !core->CheckProcess().ok()) return;  // in a copy: it is the other's
  absl::Status left = Leave();
  if (left.ok()) return;
  core->Log({.source = LogRecord::Source::kLog,
             .severity = LogSeverity::kError,
             .text = std::string(left.message()),
             .time = absl::Now()});
}

absl::Status EnvironmentScope::Leave() {
  const std::shared_ptr<SessionCore> core = core_.lock();
  core_.reset();
  return core == nullptr ? absl::OkStatus() : core->Leave();
}

}  // namespace slabpipe
