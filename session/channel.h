// Channel: messages with values in them, over one pipe. What main's end and the worker's have in
// common.
//
//   ValueMessage out(channel);
//   absl::Status begun = out.Begin(wait);              // waits for its turn, clears the pool
//   ... out.Prepare(value); out.OpenSlab(); out.Encode(value, payload) ...
//   absl::Status sent = out.Send(wait);
//
//   absl::StatusOr<Received> in = channel.Receive(wait);
//   absl::StatusOr<MessageDecoder> decoder = channel.MakeDecoder(*in);

#ifndef SLABPIPE_SESSION_CHANNEL_H_
#define SLABPIPE_SESSION_CHANNEL_H_

#include <capnp/message.h>

#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "slabpipe/codec/message_codec.h"
#include "slabpipe/codec/registry.h"
#include "slabpipe/schemas/session.capnp.h"
#include "slabpipe/session/argument.h"
#include "slabpipe/session/handle_port.h"
#include "slabpipe/transport/message_memory.h"
#include "slabpipe/transport/message_pipe.h"
#include "slabpipe/transport/shm_pool.h"

namespace slabpipe {

// A message that has arrived, its memory table taken in. Holds the leases of all its segments.
struct Received {
  IncomingMessage message;
  IncomingMemory memory;
  std::shared_ptr<const PeerCodecs> codecs;
  std::vector<Handle<>> handles;  // that came with it

  schemas::Message::Reader root;  // of `message`; to be read inside CatchKj
};

// One end of a connection. Thread-safe: any number of senders, one receiver at a time. Borrows the
// pool and the registry.
class Channel {
 public:
  Channel(std::unique_ptr<MessagePipe> pipe, ShmPool& pool, const CodecRegistry& codecs)
      : pipe_(std::move(pipe)),
        pool_(pool),
        codecs_(codecs),
        peer_codecs_(std::make_shared<const PeerCodecs>()) {}

  // For the handles in values. Before the first message. Without it, there can be none.
  void UseHandles(std::shared_ptr<HandlePort> handles) { handles_ = std::move(handles); }

  // A message without values; `fill` writes what it is. `descriptors` go along, before those of
  // segments.
  absl::Status Send(absl::FunctionRef<void(schemas::Message::Builder)> fill, const Wait& wait,
                    std::vector<int> descriptors = {});

  // The next message. DATA_LOSS if it breaks a rule: the connection must end then.
  absl::StatusOr<std::unique_ptr<Received>> Receive(const Wait& wait);

  // Decodes the payloads of a received message. Borrows it.
  MessageDecoder MakeDecoder(const Received& received) const;

  // As HandlePort's.
  bool has_released() const { return handles_ != nullptr && handles_->has_released(); }
  void DestroyReleased() {
    if (handles_ != nullptr) handles_->DestroyReleased();
  }

  ShmPool& pool() const { return pool_; }
  const CodecRegistry& codecs() const { return codecs_; }
  MessagePipe& pipe() const { return *pipe_; }

  // Whether a message waits for the peer to make room for it: then it is the peer that all others
  // wait for, too, and not this side, which may be encoding a value.
  bool stalled() const { return stalled_ || pipe_->waits_for_room(); }

  // Nothing is sent any more: UNAVAILABLE. Returns at once; what is being sent is not interrupted.
  void Close() {
    closed_ = true;
    if (handles_ != nullptr) handles_->End();
  }

 private:
  friend class ValueMessage;
  std::unique_ptr<MessagePipe> pipe_;
  ShmPool& pool_;
  const CodecRegistry& codecs_;
  absl::Status TakeTurn(const Wait& wait);
  absl::Status AddPeerCodecs(schemas::Message::Reader message);
  void WriteHandles(absl::Span<const SentHandle> handles, schemas::Message::Builder message);
  void FinishHandles(bool sent);
  std::atomic<bool> closed_ = false;
  std::atomic<bool> stalled_ = false;    // a message found no room, and may be tried again
  std::shared_ptr<HandlePort> handles_;  // may be null

  static constexpr size_t kLeastScratchWords = 512;
  static constexpr size_t kMostScratchWords = size_t{1} << 17;
  void GrowScratch(size_t words);

  // The sender's, guarded by the pool's turn:
  std::vector<const Codec*> sent_codecs_;  // by number
  // Messages are built here, in one piece, if they fit. Zero whenever none is. Grows with the
  // messages.
  std::vector<capnp::word> scratch_ = std::vector<capnp::word>(kLeastScratchWords);
  // The receiver's. Replaced as a whole, because decoders on other threads use the old one.
  std::shared_ptr<const PeerCodecs> peer_codecs_;
};

// A message with values, from the clearing of the pool to the send. Others wait meanwhile.
// Thread-compatible.
class ValueMessage {
 public:
  explicit ValueMessage(Channel& channel) : channel_(channel) {}
  ~ValueMessage();

  // Waits for the turn, then clears the pool (invariant: before each send and each response).
  // DEADLINE_EXCEEDED; UNAVAILABLE if the channel is closed; FAILED_PRECONDITION if this thread is
  // writing a message already.
  absl::Status Begin(const Wait& wait);

  // REQUIRES: Begin.
  schemas::Message::Builder root() { return root_; }
  // For each value's model; then once; then for each again, in the same order. What a codec throws
  // becomes a status.
  absl::Status Prepare(AnyRef model);
  absl::Status OpenSlab() { return encoder_->OpenSlab(); }
  absl::Status Encode(AnyRef model, schemas::Payload::Builder payload);

  // Writes the tables and sends. On failure, what was granted is taken back when this is destroyed;
  // after DEADLINE_EXCEEDED, with nothing sent, it may be tried again.
  absl::Status Send(const Wait& wait);

 private:
  Channel& channel_;
  bool has_turn_ = false;
  bool finished_ = false;  // the tables are written
  bool sent_ = false;
  std::vector<int> descriptors_;  // that go along
  // Both gone before the turn is.
  std::optional<MessageEncoder> encoder_;
  std::optional<capnp::MallocMessageBuilder> builder_;
  schemas::Message::Builder root_ = nullptr;
};

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_CHANNEL_H_
