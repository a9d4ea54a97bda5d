// The arguments of a call on the wire (schemas/session.capnp, Request).
//
//   ValueMessage message(channel);
//   ...
//   request.setTarget(target);
//   absl::Status written = WriteArguments(arguments, message, request);

#ifndef SLABPIPE_SESSION_ARGUMENT_WIRE_H_
#define SLABPIPE_SESSION_ARGUMENT_WIRE_H_

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "slabpipe/schemas/session.capnp.h"
#include "slabpipe/session/argument.h"
#include "slabpipe/session/channel.h"

namespace slabpipe {

// REQUIRES: the message has begun, and `request`, whose target is set, is its root's. What the
// codec of an argument says; the error names the target and the argument.
absl::Status WriteArguments(absl::Span<const ArgumentRef> arguments, ValueMessage& message,
                            schemas::Request::Builder request);

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_ARGUMENT_WIRE_H_
