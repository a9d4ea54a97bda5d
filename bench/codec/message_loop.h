// MessageLoop: two sides in one process, and messages with one value from the one to the other.
//
//   MessageLoop loop(BuiltInCodecs());
//   loop.Encode(value);                     // timed: what the sender does with a value
//   loop.Carry();                           // not timed: stands for the pipe
//   auto copy = loop.Decode<T>();           // timed: what the receiver does
//   loop.Answer();                          // not timed: leases go home
//
// A message goes as a session's does: the pool is cleared, the value encoded, granted, flattened,
// opened, accepted and decoded; codecs are named by the first message that uses them, messages are
// built in memory that is used again, leases come home through the logs. Only the pipe is missing.
// It ends the program with a message if anything fails: what is measured must work.

#ifndef SLABPIPE_BENCH_CODEC_MESSAGE_LOOP_H_
#define SLABPIPE_BENCH_CODEC_MESSAGE_LOOP_H_

#include <capnp/message.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "slabpipe/codec/binding.h"
#include "slabpipe/codec/message_codec.h"
#include "slabpipe/codec/registry.h"
#include "slabpipe/schemas/session.capnp.h"
#include "slabpipe/transport/kj_boundary.h"
#include "slabpipe/transport/message_memory.h"
#include "slabpipe/transport/message_pipe.h"
#include "slabpipe/transport/shm_pool.h"

namespace slabpipe::bench {

// Ends the program if it is an error.
void CheckOk(const absl::Status& status);
template <typename T>
T CheckOk(absl::StatusOr<T> result) {
  CheckOk(result.status());
  return *std::move(result);
}

// Thread-compatible.
class MessageLoop {
 public:
  // Both sides have these codecs.
  explicit MessageLoop(CodecRegistry registry);

  // The sender's pool, for arrays that lie in shared memory from the start.
  ShmPool& pool() { return sender_; }

  // Encodes a message with this value, from the clearing of the pool to Commit. What is left of the
  // last message goes first, so that each message pays for one end.
  template <typename T>
  void Encode(const T& value);
  // Hands the message over, without a pipe.
  void Carry();
  // Reads what was carried: opens it, accepts its memory, decodes. The message is gone afterwards.
  template <typename T>
  Decoded<T> Decode();
  // The receiver answers, if it has anything to say of its leases.
  void Answer();

  // Of the message that was carried last.
  size_t message_bytes() const { return message_bytes_; }

 private:
  schemas::Message::Builder BeginMessage();
  void FinishMessage(schemas::Message::Builder root);
  absl::Status Accept();
  absl::StatusOr<Object> DecodeObject();
  void AttachLeaseLogs();

  const CodecRegistry registry_;
  ShmPool sender_;
  ShmPool receiver_;

  std::vector<const Codec*> sent_codecs_;
  std::vector<capnp::word> scratch_;
  std::optional<capnp::MallocMessageBuilder> builder_;
  std::optional<MessageEncoder> encoder_;
  std::vector<int> descriptors_;  // the encoder's
  size_t message_bytes_ = 0;

  std::optional<IncomingMessage> incoming_;
  IncomingMemory memory_;
  std::shared_ptr<const PeerCodecs> peer_codecs_ = std::make_shared<const PeerCodecs>();
};

// Implementation details only below this line.

template <typename T>
void MessageLoop::Encode(const T& value) {
  const schemas::Message::Builder root = BeginMessage();
  CheckOk(encoder_->Prepare(value));
  CheckOk(encoder_->OpenSlab());
  CheckOk(CatchKjBuilding([&] {
    return encoder_->Encode(
        value, schemas::Message::Builder(root).initRequest().initArguments(1)[0].initPayload());
  }));
  FinishMessage(root);
}

template <typename T>
Decoded<T> MessageLoop::Decode() {
  CheckOk(CatchKj([this] { return Accept(); }));
  Decoded<T> value = CheckOk(FromObject<T>(CheckOk(DecodeObject())));
  memory_ = IncomingMemory();
  incoming_.reset();
  return value;
}

}  // namespace slabpipe::bench

#endif  // SLABPIPE_BENCH_CODEC_MESSAGE_LOOP_H_
