// HandlePort: the handles of one end of a connection, as the channel sees them: what each message
// says about them.

#ifndef SLABPIPE_SESSION_HANDLE_PORT_H_
#define SLABPIPE_SESSION_HANDLE_PORT_H_

#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "slabpipe/codec/handle.h"
#include "slabpipe/codec/handle_owner.h"
#include "slabpipe/codec/message_codec.h"
#include "slabpipe/schemas/session.capnp.h"

namespace slabpipe {

// Thread-safe, but for Write and Finish: one message at a time.
class HandlePort : public HandleOwner {
 public:
  // Takes in what a message says of handles, before its values are decoded. What is returned is to
  // live as long as the message. DATA_LOSS if it breaks a rule. May throw kj::Exception: call it
  // inside CatchKj.
  virtual absl::StatusOr<std::vector<Handle<>>> Accept(schemas::Message::Reader message) = 0;
  // Writes what is to be said with the next message, whose values have these handles. The rest of
  // the message is there already.
  virtual void Write(absl::Span<const SentHandle> handles, schemas::Message::Builder message) = 0;
  // That message was sent, or was not.
  virtual void Finish(bool sent) = 0;
  // Whether there is something for DestroyReleased to do. Cheap.
  virtual bool has_released() const { return false; }
  // Drops the objects that the peer has released. Runs their destructors, which are the user's
  // code: call it where that may run, between messages.
  virtual void DestroyReleased() {}
  // The connection is over.
  virtual void End() {}
};

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_HANDLE_PORT_H_
