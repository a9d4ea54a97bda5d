// RemoteError on the wire (schemas/session.capnp, Error).
//
//   WriteError(error, response.initError());
//   absl::Status read = CatchKj([&] { error = ReadError(response.getError()); ... });

#ifndef SLABPIPE_SESSION_ERROR_WIRE_H_
#define SLABPIPE_SESSION_ERROR_WIRE_H_

#include "slabpipe/schemas/session.capnp.h"
#include "slabpipe/session/remote_error.h"

namespace slabpipe {

// Cut off where a message could not carry it: texts at 64 KiB, lists at 256.
void WriteError(const RemoteError& error, schemas::Error::Builder out);
// Cut off at the same limits, whatever the peer sends. May throw kj::Exception: call it inside
// CatchKj.
RemoteError ReadError(schemas::Error::Reader in);

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_ERROR_WIRE_H_
