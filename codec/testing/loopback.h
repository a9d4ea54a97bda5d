// Letter, Peer: messages with values, written by one peer and read by another in the same process.
// What tests of codecs stand on, with any test framework.
//
//   Peer main("m.", "w.", BuiltInCodecs()), worker("w.", "m.", BuiltInCodecs());
//   absl::StatusOr<std::unique_ptr<Letter>> letter = main.Write(Cloud{"roof", {1, 2, 3}});
//   (*letter)->table().getRefs()[0].setContentSize(7);       // a bad peer
//   absl::StatusOr<Object> value = worker.Read(**letter);    // INVALID_ARGUMENT
//
// A letter goes the way of a real message: MessageEncoder, Cap'n Proto framing, the limits of
// IncomingMessage, IncomingMemory, MessageDecoder; only the socket is missing. To have a codec
// checked from all sides, see conformance.h.

#ifndef SLABPIPE_CODEC_TESTING_LOOPBACK_H_
#define SLABPIPE_CODEC_TESTING_LOOPBACK_H_

#include <capnp/message.h>
#include <kj/array.h>

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "slabpipe/codec/handle_owner.h"
#include "slabpipe/codec/message_codec.h"
#include "slabpipe/codec/object.h"
#include "slabpipe/codec/registry.h"
#include "slabpipe/schemas/session.capnp.h"
#include "slabpipe/transport/message_pipe.h"
#include "slabpipe/transport/shm_pool.h"
#include "slabpipe/transport/unique_fd.h"

namespace slabpipe::codec_testing {

// A message that has been written and not yet read: a request, its arguments being the values. Can
// be changed until it is read, and must be read once: the sender counts on its grants' return.
struct Letter {
  schemas::Message::Builder root() { return message.getRoot<schemas::Message>(); }
  schemas::MemoryTable::Builder table() { return root().getMemory(); }
  schemas::Payload::Builder payload(unsigned index = 0) {
    return root().getRequest().getArguments()[index].getPayload();
  }
  // What a codec has written.
  template <typename Struct>
  typename Struct::Builder metadata(unsigned index = 0) {
    return payload(index).getMetadata().getAs<Struct>();
  }
  // The bytes that its refs take of the slab: up to the end of the last one.
  size_t used_slab_bytes();
  // The message in Cap'n Proto's stream framing, as it would go through a pipe.
  kj::Array<capnp::word> Flatten();
  // The numbers of the words there that encoding value `index` has written: its metadata, and that
  // of its children.
  std::vector<size_t> MetadataWords(size_t index = 0);

  capnp::MallocMessageBuilder message;
  std::vector<UniqueFd> descriptors;
  size_t slab_bytes = 0;  // what Prepare found

  // How many words each segment of the message had before and after a value was encoded.
  struct Encoding {
    std::vector<size_t> before;
    std::vector<size_t> after;
  };
  std::vector<Encoding> encodings;  // one a value
};

// A value to be written, its type hidden. Borrows it.
class OutgoingValue {
 public:
  template <typename T>
  static OutgoingValue To(const T& value) {
    return OutgoingValue(
        &value,
        [](const void* object, MessageEncoder& encoder) {
          return encoder.Prepare(*static_cast<const T*>(object));
        },
        [](const void* object, MessageEncoder& encoder, schemas::Payload::Builder payload) {
          return encoder.Encode(*static_cast<const T*>(object), payload);
        });
  }

  absl::Status Prepare(MessageEncoder& encoder) const { return prepare_(object_, encoder); }
  absl::Status Encode(MessageEncoder& encoder, schemas::Payload::Builder payload) const {
    return encode_(object_, encoder, payload);
  }

 private:
  using PrepareFunction = absl::Status (*)(const void*, MessageEncoder&);
  using EncodeFunction = absl::Status (*)(const void*, MessageEncoder&, schemas::Payload::Builder);
  OutgoingValue(const void* object, PrepareFunction prepare, EncodeFunction encode)
      : object_(object), prepare_(prepare), encode_(encode) {}

  const void* object_;
  PrepareFunction prepare_;
  EncodeFunction encode_;
};

// One side: a pool of sealed memfd segments and a registry. Thread-compatible.
class Peer {
 public:
  // The prefixes are those of ShmPoolOptions; the other peer's are the same, exchanged.
  Peer(const std::string& prefix, const std::string& peer_prefix, CodecRegistry registry);

  ShmPool& pool() { return pool_; }
  CodecRegistry& registry() { return registry_; }
  // For values with handles (loopback_handles.h). Without it they can't be written, or read.
  void UseHandles(std::shared_ptr<HandleOwner> handles) { handles_ = std::move(handles); }
  // From now on codecs are named as on a connection: each by the first message that uses it. All
  // letters must then be read, in order. Otherwise each letter names its own.
  void NameCodecsOnce() { names_codecs_once_ = true; }

  // A message with these values, as the session writes it: the pool is cleared first. Errors are
  // those of MessageEncoder.
  template <typename... T>
  absl::StatusOr<std::unique_ptr<Letter>> Write(const T&... values) {
    const std::array<OutgoingValue, sizeof...(T)> list = {OutgoingValue::To(values)...};
    return WriteValues(list);
  }
  absl::StatusOr<std::unique_ptr<Letter>> WriteValues(absl::Span<const OutgoingValue> values);

  // All values of a message. They alone keep what they need: the message is gone and the pool
  // cleared when this returns. Errors are those of IncomingMessage, IncomingMemory and
  // MessageDecoder.
  absl::StatusOr<std::vector<Object>> ReadAll(Letter& letter);
  // The same from what came through the pipe.
  absl::StatusOr<std::vector<Object>> ReadWords(kj::ArrayPtr<const capnp::word> words,
                                                std::vector<UniqueFd> descriptors);
  // Of a message with one value. DATA_LOSS if it has none, or more.
  absl::StatusOr<Object> Read(Letter& letter);

 private:
  absl::Status Decode(IncomingMessage& message, std::vector<Object>& objects);

  CodecRegistry registry_;
  ShmPool pool_;
  std::shared_ptr<HandleOwner> handles_;  // may be null
  bool names_codecs_once_ = false;
  std::vector<const Codec*> sent_codecs_;
  PeerCodecs peer_codecs_;
};

}  // namespace slabpipe::codec_testing

#endif  // SLABPIPE_CODEC_TESTING_LOOPBACK_H_
