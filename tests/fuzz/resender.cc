#include "slabpipe/tests/fuzz/resender.h"

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <utility>

#include "slabpipe/codec/message_codec.h"
#include "slabpipe/tests/fuzz/check.h"
#include "slabpipe/tests/fuzz/fuzzed_handles.h"
#include "slabpipe/transport/kj_boundary.h"
#include "slabpipe/transport/memfd_segment.h"
#include "slabpipe/transport/message_memory.h"
#include "slabpipe/transport/message_pipe.h"

namespace slabpipe::fuzz {
namespace {

// A payload and the memory table that goes with it, each in a message of its own: the table has
// numbers in it that change from one message to the next.
struct Letter {
  capnp::MallocMessageBuilder payload;
  capnp::MallocMessageBuilder table;
  std::vector<UniqueFd> descriptors;
  std::shared_ptr<PeerCodecs> codecs = std::make_shared<PeerCodecs>();
};

absl::Status Write(const Object& object, const CodecRegistry& registry, ShmPool& pool,
                   Letter& letter) {
  pool.Clear();
  FuzzedHandles handles;
  MessageEncoder encoder(registry, pool, nullptr, &handles);
  absl::Status status = encoder.Prepare(object);
  if (status.ok()) status = encoder.OpenSlab();
  if (status.ok()) {
    status = CatchKjBuilding(
        [&] { return encoder.Encode(object, letter.payload.initRoot<schemas::Payload>()); });
  }
  if (!status.ok()) return status;
  std::vector<int> descriptors;
  encoder.Finish([&] { return letter.table.initRoot<schemas::MemoryTable>(); }, descriptors);
  for (const int descriptor : descriptors) letter.descriptors.emplace_back(::dup(descriptor));
  for (std::string& name : encoder.new_codec_names()) {
    FUZZ_CHECK(letter.codecs->Add(registry, std::move(name)).ok(), "a codec's own name");
  }
  encoder.Commit();
  return absl::OkStatus();
}

absl::Status Read(Letter& letter, const CodecRegistry& registry, ShmPool& pool, Resent& resent) {
  const kj::Array<capnp::word> words = capnp::messageToFlatArray(letter.payload);
  resent.payload.assign(words.asChars().begin(), words.asChars().end());
  const auto table = letter.table.getRoot<schemas::MemoryTable>().asReader();
  absl::StatusOr<IncomingMemory> memory = IncomingMemory::Accept(table, letter.descriptors, pool);
  if (!memory.ok()) return memory.status();
  for (uint32_t i = 0; i < memory->ref_count(); ++i) {
    const absl::StatusOr<Block> block = memory->Attach(i);
    FUZZ_CHECK(block.ok(), block.status().ToString());
    std::string& bytes = resent.blocks.emplace_back();
    if (block->lease() == nullptr) continue;  // one without bytes
    bytes.assign(reinterpret_cast<const char*>(block->data()), block->content_size());
  }
  IncomingMessage message(words.size());
  std::memcpy(message.words(), words.begin(), words.asBytes().size());
  if (absl::Status opened = message.Open(); !opened.ok()) return opened;
  FuzzedHandles handles;
  MessageDecoder decoder(registry, letter.codecs, *memory, words.size(), &handles);
  absl::StatusOr<Object> object = decoder.Decode(message.root<schemas::Payload>());
  if (!object.ok()) return object.status();
  resent.object = *std::move(object);
  return absl::OkStatus();
}

}  // namespace

Resender::Resender(CodecRegistry registry)
    : registry_(std::move(registry)),
      sender_({.prefix = "s.", .peer_prefix = "r."}, std::make_shared<MemfdSegmentProvider>()),
      receiver_({.prefix = "r.", .peer_prefix = "s."}, std::make_shared<MemfdSegmentProvider>()) {}

absl::StatusOr<Resent> Resender::Send(const Object& object) {
  Letter letter;
  Resent resent;
  absl::Status status = Write(object, registry_, sender_, letter);
  if (status.ok()) {
    status = CatchKj([&] { return Read(letter, registry_, receiver_, resent); });
  }
  sender_.Clear();
  receiver_.Clear();
  if (!status.ok()) return status;
  return resent;
}

void Resender::CheckAllHome() {
  for (const ReturnedLease& returned : receiver_.peer()->TakeReturns()) {
    const absl::Status status =
        sender_.heap()->Return(returned.slot, returned.generation, returned.count);
    FUZZ_CHECK(status.ok(), status.ToString());
  }
  const ShmPoolStats sent = sender_.stats();
  const ShmPoolStats received = receiver_.stats();
  FUZZ_CHECK(sent.pins == 0 && received.pins == 0, "a pin is left");
  FUZZ_CHECK(received.peer.leases == 0, "a lease on what was sent on is left");
  FUZZ_CHECK(sent.own.grants_out == 0, "a grant has not come back");
  FUZZ_CHECK(sent.own.bytes == sent.own.free_bytes, "memory is in use that nothing uses");
}

}  // namespace slabpipe::fuzz
