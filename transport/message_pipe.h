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
// broke the protocol, RESOURCE_EXHAUSTED that descriptors which came with a message were lost here:
// then only Receive is over. What the peer sends is copied into private memory before anything
// looks at it, and is at most as large as the limits say.

#ifndef SLABPIPE_TRANSPORT_MESSAGE_PIPE_H_
#define SLABPIPE_TRANSPORT_MESSAGE_PIPE_H_

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <kj/array.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "slabpipe/transport/unique_fd.h"
#include "slabpipe/transport/wait.h"

namespace slabpipe {

// Where the worker's process runs, seen from the thread that starts it.
enum class Placement {
  kAny,        // wherever the kernel likes
  kSameCore,   // on the CPU that the starting thread runs on now: pin that thread, too
  kOtherCore,  // on any CPU but that one
};

struct PipeOptions {
  // The largest message, in bytes, sent or received. What is larger belongs into shared memory.
  size_t max_message_bytes = size_t{64} << 20;
  // The most descriptors that one message may bring. The kernel takes no more than 253 (unix(7)).
  size_t max_descriptors = 253;
  // The size of the ring each way through which messages go without a system call: a power of two
  // from 4 KiB to 64 MiB; 0: none, everything goes through the socket. Messages of more than three
  // quarters of it go through the socket.
  size_t ring_bytes = size_t{256} << 10;
  // The longest that a receiver looks into the ring before it sleeps; see spin.h. Zero: it sleeps
  // at once.
  absl::Duration spin = absl::Microseconds(50);
  Placement placement = Placement::kAny;
};

// A message that has arrived, in private memory, with the descriptors that came along. Move-only.
class IncomingMessage {
 public:
  IncomingMessage() = default;
  // Room for a message of so many words in Cap'n Proto's stream framing, to be filled in and then
  // opened. REQUIRES: word_count > 0.
  explicit IncomingMessage(size_t word_count);

  capnp::word* words() { return state_->words; }
  size_t size_bytes() const { return state_->word_count * sizeof(capnp::word); }
  // DATA_LOSS if its segment table makes no sense.
  absl::Status Open();

  // The root struct, to be read inside CatchKj. The reader borrows from this message. REQUIRES: it
  // has been opened.
  template <typename Root>
  typename Root::Reader root() const {
    return state_->reader->getRoot<Root>();
  }
  std::vector<UniqueFd>& descriptors() { return descriptors_; }

 private:
  // In one piece, so that a small message costs one allocation.
  struct State {
    size_t word_count;
    capnp::word* words;
    std::optional<capnp::FlatArrayMessageReader> reader;
    kj::Array<capnp::word> large;
    std::array<capnp::word, 80> small;
  };
  std::unique_ptr<State> state_;
  std::vector<UniqueFd> descriptors_;
};

// What stands before a message's segments in Cap'n Proto's stream framing: the number of segments
// less one, the size of each in words, padded to a whole word. Source: Cap'n Proto's encoding
// specification, 'Serialization Over a Stream'.
using SegmentTable = absl::InlinedVector<uint32_t, 4>;
SegmentTable MakeSegmentTable(kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>> segments);

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

  // Whether a Send sleeps just now because the peer's buffer is full. Thread-safe.
  virtual bool waits_for_room() const = 0;

  // Why nothing can be sent any more; OK while something can. Thread-safe.
  virtual absl::Status send_status() const = 0;

  // The next message. DEADLINE_EXCEEDED or CANCELLED leave the pipe as it was; a message that had
  // half arrived goes on arriving with the next call.
  virtual absl::StatusOr<IncomingMessage> Receive(const Wait& wait) = 0;

  // For event loops: readable when Receive has something to do, if Arm was called since the last
  // Receive and said no. Borrowed.
  virtual int fd() const = 0;
  // Whether Receive has something to do right now. To be called before each wait for fd(), by
  // whoever else would receive.
  virtual bool Arm() = 0;

  // Whether Receive would have something to do right now. Unlike Arm it asks the peer for nothing.
  // To be called by whoever would receive.
  virtual bool HasMessage() = 0;

  // Where the last message that was sent stands, for the sender, right after Send: above 0.
  // PeerHasTaken says later whether the peer has begun to take it out: true if that can't be known.
  // Thread-safe.
  virtual uint64_t last_sent() const { return 1; }
  virtual bool PeerHasTaken(uint64_t) const { return true; }

  // How many messages have been sent and received whole. Thread-safe.
  virtual uint64_t messages_sent() const = 0;
  virtual uint64_t messages_received() const = 0;
  // The size of all messages sent, framing not counted. Thread-safe.
  virtual uint64_t bytes_sent() const = 0;
};

}  // namespace slabpipe

#endif  // SLABPIPE_TRANSPORT_MESSAGE_PIPE_H_
