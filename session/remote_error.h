// RemoteError: what went wrong in the worker's function, as a value.
//
//   absl::StatusOr<double> mean = session.Call<double>("stats.mean", x);
//   if (std::optional<RemoteError> error = GetRemoteError(mean.status())) {
//     std::cerr << error->type << ": " << error->message << "\n";
//     for (const RemoteError::Cause& cause : error->causes) std::cerr << "from " << cause.type;
//   }
//
// It comes with every status that the worker answered a call with: what its function returned or
// threw, an unknown target, arguments that don't fit. A status without one is of main's own making;
// one about a lost worker has a WorkerLoss (worker_loss.h). So an UNAVAILABLE that the function
// returned is told apart from a worker that is gone.

#ifndef SLABPIPE_SESSION_REMOTE_ERROR_H_
#define SLABPIPE_SESSION_REMOTE_ERROR_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace slabpipe {

struct RemoteError {
  // An exception that another one was thrown on account of.
  struct Cause {
    std::string type;
    std::string message;
    std::vector<std::string> traceback = {};  // where it was thrown; empty if not known
    friend bool operator==(const Cause&, const Cause&) = default;
  };

  absl::StatusCode code = absl::StatusCode::kUnknown;
  std::string message;
  std::string type = {};  // of the exception; empty if none was thrown
  // Innermost frame first, down to the thread's first one. The status's text ends with the
  // function: it leaves out slabpipe's own frames.
  std::vector<std::string> traceback = {};
  std::vector<Cause> causes = {};  // nested exceptions, outermost first
  friend bool operator==(const RemoteError&, const RemoteError&) = default;
};

// From a status that the function returned. Its payloads are not sent.
RemoteError ToRemoteError(const absl::Status& status);

// The status that main's caller gets: the code, then in the message target, type, message, causes
// and traceback, with control characters as escapes; and the error itself, as the worker said it.
absl::Status ToStatus(const RemoteError& error, absl::string_view target);
// Nullopt if the status is not what the worker answered. Copies of a status share it; one that is
// put together again from code and message has none.
std::optional<RemoteError> GetRemoteError(const absl::Status& status);

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_REMOTE_ERROR_H_
