// MessagePipe: ordered, framed Cap'n Proto messages both ways, and file descriptors with them.
//
//   capnp::MallocMessageBuilder message;
//   ... message.initRoot<schemas::Message>() ...
//   const Wait wait = {.deadline = Deadline::After(absl::Seconds(1))};
//   absl::Status sent = pipe.Send(message, descriptors, wait);
//   absl::StatusOr<IncomingMessage> answer = pipe.Receive(wait);
//
// Contract. Messages arrive whole, once, and in order, or the pipe is over. A pipe that is over
// (the peer is gone, what it sent was no frame, a message was cut short) stays so: every call
// returns the same status at once. UNAVAILABLE means that the peer has gone, DATA_LOSS that it
// broke the protocol. What the peer sends is copied into private memory before anything looks at
// it, and is at most as large as the limits say.

#ifndef SLABPIPE_TRANSPORT_MESSAGE_PIPE_H_
#define SLABPIPE_TRANSPORT_MESSAGE_PIPE_H_

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <kj/array.h>

#include <cstddef>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "slabpipe/transport/unique_fd.h"
#include "slabpipe/transport/wait.h"

namespace slabpipe {

struct PipeOptions {
  // The largest message, in bytes, sent or received. What is larger belongs into shared memory.
  size_t max_message_bytes = size_t{64} << 20;
  // The most descriptors that one message may bring. The kernel takes no more than 253 (unix(7)).
  size_t max_descriptors = 253;
};

// A message that has arrived, in private memory, with the descriptors that came along. Move-only.
class IncomingMessage {
 public:
  IncomingMessage() = default;
  // `words` is a message in Cap'n Proto's stream framing. Throws kj::Exception if its segment table
  // makes no sense: call it inside CatchKj.
  IncomingMessage(kj::Array<capnp::word> words, std::vector<UniqueFd> descriptors);

  // The root struct, to be read inside CatchKj. The reader borrows from this message.
  template <typename Root>
  typename Root::Reader root() const {
    return reader_->getRoot<Root>();
  }
  size_t size_bytes() const { return words_.size() * sizeof(capnp::word); }
  std::vector<UniqueFd>& descriptors() { return descriptors_; }

 private:
  kj::Array<capnp::word> words_;
  std::unique_ptr<capnp::FlatArrayMessageReader> reader_;
  std::vector<UniqueFd> descriptors_;
};

// One end. Implementations allow one thread to send while another receives; two that send, or two
// that receive, need the caller's lock.
class MessagePipe {
 public:
  virtual ~MessagePipe() = default;

  // Sends `message`, with copies of `descriptors` (borrowed). Blocks while the peer's buffer is
  // full. DEADLINE_EXCEEDED or CANCELLED with nothing sent; INVALID_ARGUMENT for a message above
  // the limits. If the wait ends when part of the message is out, it counts as sent: the rest goes
  // ahead of the next one.
  virtual absl::Status Send(capnp::MessageBuilder& message, absl::Span<const int> descriptors,
                            const Wait& wait) = 0;

  // Why nothing can be sent any more; OK while something can. Thread-safe.
  virtual absl::Status send_status() const = 0;

  // The next message. DEADLINE_EXCEEDED or CANCELLED leave the pipe as it was; a message that had
  // half arrived goes on arriving with the next call.
  virtual absl::StatusOr<IncomingMessage> Receive(const Wait& wait) = 0;

  // For event loops: readable when Receive has something to do. Borrowed.
  virtual int fd() const = 0;
};

}  // namespace slabpipe

#endif  // SLABPIPE_TRANSPORT_MESSAGE_PIPE_H_
