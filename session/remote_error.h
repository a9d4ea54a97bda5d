// RemoteError: what went wrong in the worker's function, on the wire (schemas/session.capnp, Error)
// and as a status.

#ifndef SLABPIPE_SESSION_REMOTE_ERROR_H_
#define SLABPIPE_SESSION_REMOTE_ERROR_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "slabpipe/schemas/session.capnp.h"

namespace slabpipe {

struct RemoteError {
  // An exception that another one was thrown on account of.
  struct Cause {
    std::string type;
    std::string message;
    friend bool operator==(const Cause&, const Cause&) = default;
  };

  absl::StatusCode code = absl::StatusCode::kUnknown;
  std::string message;
  std::string type;                    // of the exception; empty if none was thrown
  std::vector<std::string> traceback;  // innermost frame first
  std::vector<Cause> causes;           // nested exceptions, outermost first
};

// From a status that the function returned. Its payloads are not sent.
RemoteError ToRemoteError(const absl::Status& status);

void WriteError(const RemoteError& error, schemas::Error::Builder out);
// May throw kj::Exception: call it inside CatchKj.
RemoteError ReadError(schemas::Error::Reader in);

// The status that main's caller gets: the code, then in the message target, type, message, causes
// and traceback.
absl::Status ToStatus(const RemoteError& error, absl::string_view target);

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_REMOTE_ERROR_H_
