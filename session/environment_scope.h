// EnvironmentScope: while it exists, a session's worker runs in another environment.
//
//   {
//     absl::StatusOr<EnvironmentScope> scope = session.Within(*store.Load("r-4.3"));
//     if (!scope.ok()) return scope.status();     // the worker runs where it ran before
//     fit = session.Call<Dataset>("bayes.fit", table);
//     absl::Status back = scope->Leave();         // or the destructor, which can only log an error
//   }
//
// Entering and leaving both exchange the worker: what the old one holds in memory is gone. A worker
// that is lost inside is followed by another inside.

#ifndef SLABPIPE_SESSION_ENVIRONMENT_SCOPE_H_
#define SLABPIPE_SESSION_ENVIRONMENT_SCOPE_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "slabpipe/session/environment.h"

namespace slabpipe {

class SessionCore;

// Move-only; thread-compatible. It may outlive the session, and then does nothing.
class EnvironmentScope {
 public:
  // Session::Within.
  static absl::StatusOr<EnvironmentScope> Enter(const std::shared_ptr<SessionCore>& core,
                                                const Environment& environment);
  EnvironmentScope(EnvironmentScope&& other) noexcept = default;
  EnvironmentScope& operator=(EnvironmentScope&& other) noexcept;
  // As Leave; an error goes to the session's log.
  ~EnvironmentScope();

  // Has the worker run again where it did before. If that can't be started there is no worker, the
  // error says why, and Session::Restart tries again, there. If the session has been shut down
  // inside, no worker is started, but the next one runs there. Once; after that it does nothing.
  absl::Status Leave();

 private:
  explicit EnvironmentScope(std::weak_ptr<SessionCore> core) : core_(std::move(core)) {}

  std::weak_ptr<SessionCore> core_;
};

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_ENVIRONMENT_SCOPE_H_
