// MessageEncoder, MessageDecoder: all the values of one message, into one slab and out of it.
//
// Sender:
//   MessageEncoder encoder(registry, pool);
//   encoder.Prepare(x);  encoder.Prepare(y);             // sizes; chooses the codecs
//   encoder.OpenSlab();                                  // one slab, exactly large enough
//   encoder.Encode(x, payload_x);                        // in the same order
//   encoder.Encode(y, payload_y);
//   encoder.Finish([&] { return message.initMemory(); }, descriptors);  // the message's tables
//   if (pipe.Send(...).ok()) encoder.Commit();
//
// Receiver:
//   auto memory = IncomingMemory::Accept(...);
//   MessageDecoder decoder(registry, peer_codecs, *memory);
//   absl::StatusOr<Object> value = decoder.Decode(payload);

#ifndef SLABPIPE_CODEC_MESSAGE_CODEC_H_
#define SLABPIPE_CODEC_MESSAGE_CODEC_H_

#include <capnp/list.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/container/inlined_vector.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "slabpipe/codec/binding.h"
#include "slabpipe/codec/codec.h"
#include "slabpipe/codec/handle.h"
#include "slabpipe/codec/handle_owner.h"
#include "slabpipe/codec/object.h"
#include "slabpipe/codec/registry.h"
#include "slabpipe/schemas/shm.capnp.h"
#include "slabpipe/transport/message_memory.h"
#include "slabpipe/transport/shm_pool.h"

namespace slabpipe {

// A handle in a message, and what stands for it there.
struct SentHandle {
  uint64_t number;
  Handle<> handle;
};

// Thread-compatible. Borrows the registry and the pool. One at a time for a pool: it has the pool's
// slab open between OpenSlab and Finish.
class MessageEncoder {
 public:
  // `known` are the codecs whose numbers the peer knows already; those that this message adds are
  // appended, and taken away again if it is not sent. Borrowed; null: none, for one message alone.
  // `handles`, borrowed, too, is for those in the values; null: none can be sent.
  MessageEncoder(const CodecRegistry& registry, ShmPool& pool,
                 std::vector<const Codec*>* known = nullptr, HandleOwner* handles = nullptr)
      : registry_(registry),
        pool_(pool),
        memory_(pool),
        codecs_(known == nullptr ? own_codecs_ : *known),
        known_codecs_(codecs_.size()),
        handle_owner_(handles) {}
  ~MessageEncoder();
  MessageEncoder(const MessageEncoder&) = delete;
  MessageEncoder& operator=(const MessageEncoder&) = delete;

  // Step 1, for each value.
  template <typename T>
  absl::Status Prepare(const T& value) {
    return VisitValue(value, [this](AnyRef shown) { return PrepareModel(shown); });
  }
  // The exact size of the blocks that will be copied, padding included.
  size_t slab_bytes() const { return slab_bytes_; }
  // Step 2. RESOURCE_EXHAUSTED with the limit's name. Opens nothing if nothing is to be copied.
  absl::Status OpenSlab();
  // Step 3, for each value, in the same order, unchanged.
  template <typename T>
  absl::Status Encode(const T& value, schemas::Payload::Builder payload) {
    return VisitValue(value, [&](AnyRef shown) { return EncodeModel(shown, payload); });
  }
  // Step 4: seals the slab and writes the memory table, if there is anything to say in it.
  // `descriptors` are appended to.
  void Finish(absl::FunctionRef<schemas::MemoryTable::Builder()> init_table,
              std::vector<int>& descriptors);
  // The codecs that the peer does not know yet, in the order of their numbers.
  std::vector<std::string> new_codec_names() const;
  // The same into the message's list, if there are any.
  void WriteNewCodecs(
      absl::FunctionRef<capnp::List<capnp::Text>::Builder(unsigned count)> init_list) const;
  // Those in the values, each once.
  const std::vector<SentHandle>& handles() const { return handles_; }
  // Step 5: the message is on its way. Otherwise the destructor takes back what it granted.
  void Commit();

  // Steps 1 and 3 for what VisitValue (binding.h) has shown: a codec for its own type goes before
  // its model.
  absl::Status PrepareModel(AnyRef model);
  absl::Status EncodeModel(AnyRef model, schemas::Payload::Builder payload);

 private:
  friend class Sizer;
  friend class Encoder;
  absl::Status FinishPayload(absl::Span<const Block> blocks, schemas::Payload::Builder payload);
  absl::Status NotPlanned(AnyRef model) const;
  absl::StatusOr<uint16_t> CodecIndex(const Codec* codec);
  absl::Status AddSize(size_t size_bytes);
  bool CanRefer(const Buffer& buffer) const;
  absl::Status CheckHandle(const Handle<>& handle) const;
  absl::StatusOr<uint64_t> AddHandle(const Handle<>& handle);
  void CloseSlab();

  const CodecRegistry& registry_;
  ShmPool& pool_;
  OutgoingMemory memory_;
  absl::InlinedVector<const Codec*, 8>
      plan_;            // the codec of each value and child, in the order of Prepare
  size_t encoded_ = 0;  // so many of these have been encoded
  size_t slab_bytes_ = 0;
  bool slab_open_ = false;
  int depth_ = 0;
  std::vector<const Codec*> own_codecs_;
  std::vector<const Codec*>& codecs_;  // by number
  const size_t known_codecs_;          // so many of them the peer knew before this message
  bool committed_ = false;
  uint64_t copies_ = 0;  // of values into the slab
  uint64_t bytes_copied_ = 0;
  HandleOwner* const handle_owner_;
  std::vector<SentHandle> handles_;
  absl::flat_hash_set<uint64_t> handle_numbers_;  // of these
};

// The codecs that a peer uses, by the numbers that it gave them. Immutable once shared.
struct PeerCodecs {
  struct Entry {
    std::string name;
    const Codec* codec;  // null: not registered here
  };
  std::vector<Entry> entries;

  // The peer's next codec. DATA_LOSS for one too many (kMaxCodecs), or a name that no codec may
  // have.
  absl::Status Add(const CodecRegistry& registry, std::string name);
  // All that a message names. May throw kj::Exception: call it inside CatchKj.
  absl::Status AddAll(const CodecRegistry& registry, capnp::List<capnp::Text>::Reader names);
};

// Thread-compatible. Borrows the registry, the memory, and what handles are found by (null: none).
class MessageDecoder {
 public:
  // The message's size in words bounds what it can make its reader do: a payload takes two words
  // and more.
  MessageDecoder(const CodecRegistry& registry, std::shared_ptr<const PeerCodecs> codecs,
                 const IncomingMemory& memory, uint64_t message_words = uint64_t{1} << 23,
                 HandleOwner* handles = nullptr)
      : registry_(registry),
        codecs_(std::move(codecs)),
        memory_(memory),
        handle_owner_(handles),
        max_payloads_(message_words / 2),
        to_copy_(2 * memory.segment_bytes()),
        to_read_(8 * memory.segment_bytes() + kFreeReadBytes) {}

  // The value, with the leases on its buffers tied to it. INVALID_ARGUMENT or DATA_LOSS with the
  // codec and the field that is wrong; FAILED_PRECONDITION for an unknown codec; RESOURCE_EXHAUSTED
  // without the memory that it takes; INTERNAL if a codec throws.
  absl::StatusOr<Object> Decode(schemas::Payload::Reader payload);

 private:
  friend class Decoder;
  absl::StatusOr<Object> DecodeUnguarded(schemas::Payload::Reader payload);
  absl::StatusOr<const Codec*> CodecOf(schemas::Payload::Reader payload);
  absl::Status CountBlocks(schemas::Payload::Reader payload);
  absl::Status AllowCopy(uint64_t bytes);
  absl::Status AllowRead(uint64_t bytes);
  absl::Status CountPayloads(uint64_t count);

  // Parts that many values share, categories of columns for one, are small: so much is never asked
  // about.
  static constexpr uint64_t kFreeReadBytes = uint64_t{64} << 20;

  const CodecRegistry& registry_;
  const std::shared_ptr<const PeerCodecs> codecs_;
  const IncomingMemory& memory_;
  HandleOwner* const handle_owner_;
  const uint64_t max_payloads_;
  uint64_t to_copy_;       // bytes of blocks that may yet be copied
  uint64_t to_read_;       // bytes of blocks that parts of values may yet point to
  uint64_t payloads_ = 0;  // decoded so far
  uint64_t claimed_ = 0;   // blocks, by all of these
  int depth_ = 0;
};

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_MESSAGE_CODEC_H_
