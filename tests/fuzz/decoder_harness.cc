#include "slabpipe/tests/fuzz/decoder_harness.h"

#include <capnp/message.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <string>
#include <utility>

#include "slabpipe/schemas/session.capnp.h"
#include "slabpipe/tests/fuzz/check.h"
#include "slabpipe/tests/fuzz/sample_types.h"
#include "slabpipe/tests/fuzz/walk.h"
#include "slabpipe/transport/kj_boundary.h"
#include "slabpipe/transport/memfd_segment.h"

namespace slabpipe::fuzz {
namespace {

std::shared_ptr<const PeerCodecs> NumberCodecs(const CodecRegistry& registry) {
  auto codecs = std::make_shared<PeerCodecs>();
  for (const char* name : kCodecNumbers) {
    FUZZ_CHECK(codecs->Add(registry, name).ok(), name);
  }
  return codecs;
}

// A message of one segment.
IncomingMessage Frame(absl::Span<const uint8_t> segment) {
  const uint32_t table[2] = {0, static_cast<uint32_t>(segment.size() / sizeof(capnp::word))};
  static_assert(sizeof(table) == sizeof(capnp::word));
  IncomingMessage message(1 + table[1]);
  std::memcpy(message.words(), table, sizeof(table));
  std::copy(segment.begin(), segment.end(), reinterpret_cast<uint8_t*>(message.words() + 1));
  return message;
}

}  // namespace

DecoderHarness::DecoderHarness(absl::string_view codec)
    : registry_(FuzzedCodecs()),
      peer_codecs_(NumberCodecs(registry_)),
      pool_({.prefix = "m.", .peer_prefix = "w."}, std::make_shared<MemfdSegmentProvider>()),
      resender_(FuzzedCodecs()) {
  const auto number = std::find(std::begin(kCodecNumbers), std::end(kCodecNumbers), codec);
  FUZZ_CHECK(number != std::end(kCodecNumbers), codec);
  codec_number_ = static_cast<uint16_t>(number - std::begin(kCodecNumbers));
}

absl::Status DecoderHarness::Run(absl::Span<const uint8_t> bytes) {
  const DecoderInput input = ParseDecoderInput(bytes);
  if (input.payload.empty()) return absl::InvalidArgumentError("there is no payload");
  IncomingMessage message = Frame(input.payload);
  absl::StatusOr<Object> object = absl::UnknownError("not decoded yet");
  const Segment* mapping = nullptr;
  {
    const absl::StatusOr<IncomingMemory> memory = AcceptRefs(input);
    CheckRefusal(memory.status(), bytes.size());
    if (memory.ok()) {
      CollectBlocks(*memory);
      if (!blocks_.empty()) mapping = &blocks_[0].lease()->segment();
      if (mapping != nullptr) HostileSlab::AllowOnly(*mapping, blocks_);
      object = Decode(message, *memory);
      CheckRefusal(object.status(), bytes.size());
    }
  }
  message = IncomingMessage();
  pool_.Clear();
  // A value that holds no lease has copied all that it needs.
  if (!object.ok() || object->leases().empty()) blocks_.clear();
  if (mapping != nullptr) HostileSlab::AllowOnly(*mapping, blocks_);
  blocks_.clear();
  if (object.ok()) Use(*object, input);
  const absl::Status decoded = object.status();
  object = absl::UnknownError("gone");
  if (mapping != nullptr) HostileSlab::AllowAll(*mapping);
  CheckAllHome();
  return decoded;
}

absl::StatusOr<IncomingMemory> DecoderHarness::AcceptRefs(const DecoderInput& input) {
  if (input.refs.empty()) return IncomingMemory();
  slab_.Fill(input.slab, input.used_bytes());
  capnp::MallocMessageBuilder builder;
  std::vector<UniqueFd> descriptors;
  auto table = builder.initRoot<schemas::MemoryTable>();
  slab_.Grant(table.initSegments(1)[0], descriptors);
  auto refs = table.initRefs(static_cast<unsigned>(input.refs.size()));
  for (unsigned i = 0; i < refs.size(); ++i) {
    const DecoderInput::Ref& ref = input.refs[i];
    refs[i].setOffsetUnits(static_cast<uint32_t>(ref.offset_bytes / kBlockAlignmentBytes));
    if (ref.empty()) continue;
    refs[i].setSize(std::max<size_t>(ref.content_bytes, 1));
    refs[i].setContentSize(ref.content_bytes);
    refs[i].setTemporary(ref.temporary);
  }
  return IncomingMemory::Accept(table, descriptors, pool_);
}

void DecoderHarness::CollectBlocks(const IncomingMemory& memory) {
  for (uint32_t i = 0; i < memory.ref_count(); ++i) {
    absl::StatusOr<Block> block = memory.Attach(i);
    FUZZ_CHECK(block.ok(), block.status().ToString());
    if (block->lease() != nullptr) blocks_.push_back(*std::move(block));
  }
}

absl::StatusOr<Object> DecoderHarness::Decode(IncomingMessage& message,
                                              const IncomingMemory& memory) {
  absl::StatusOr<Object> object = absl::UnknownError("not decoded yet");
  absl::Status read = message.Open();
  if (!read.ok()) return read;
  read = CatchKj([&] {
    const auto payload = message.root<schemas::Payload>();
    if (payload.getCodec() != codec_number_) {
      object = absl::InvalidArgumentError("another fuzzer's");
      return absl::OkStatus();
    }
    MessageDecoder decoder(registry_, peer_codecs_, memory,
                           message.size_bytes() / sizeof(capnp::word), &handles_);
    object = decoder.Decode(payload);
    return absl::OkStatus();
  });
  if (!read.ok()) return read;
  return object;
}

void DecoderHarness::Use(const Object& object, const DecoderInput& input) {
  Walk(object);
  SendBack(object);
  {
    const absl::StatusOr<Resent> once = resender_.Send(object);
    FUZZ_CHECK(once.ok(), once.status().ToString());
    Walk(once->object);
    const absl::StatusOr<Resent> twice = resender_.Send(once->object);
    FUZZ_CHECK(twice.ok(), twice.status().ToString());
    FUZZ_CHECK(*once == *twice, "sent on, the value comes out differently");
  }
  if (input.change == 0 || input.refs.empty()) return;
  slab_.Change(input.change);
  Walk(object);
  SendBack(object);
  CheckRefusal(resender_.Send(object).status(), input.payload.size() + input.slab.size());
}

// By reference where that is possible. It is not sent: what it granted is taken back.
void DecoderHarness::SendBack(const Object& object) {
  capnp::MallocMessageBuilder builder;
  MessageEncoder encoder(registry_, pool_, nullptr, &handles_);
  std::vector<int> descriptors;
  const absl::Status written = CatchKjBuilding([&] {
    absl::Status status = encoder.Prepare(object);
    if (status.ok()) status = encoder.OpenSlab();
    auto root = builder.initRoot<schemas::Message>();
    if (status.ok())
      status = encoder.Encode(object, root.initRequest().initArguments(1)[0].initPayload());
    if (status.ok()) encoder.Finish([&] { return root.initMemory(); }, descriptors);
    return status;
  });
  FUZZ_CHECK(written.ok(), written.ToString());
  pool_.Clear();
}

void DecoderHarness::CheckAllHome() {
  const std::vector<ReturnedLease> returns = pool_.peer()->TakeReturns();
  const ShmPoolStats stats = pool_.stats();
  FUZZ_CHECK(stats.pins == 0, "a pin is left");
  FUZZ_CHECK(stats.peer.leases == 0, "a lease is left");
  FUZZ_CHECK(stats.peer.segments <= 1, "the slab is mapped more than once");
  FUZZ_CHECK(stats.own.grants_out == 0, "a grant that was not sent is left");
  FUZZ_CHECK(stats.own.bytes == stats.own.free_bytes, "memory is in use that nothing uses");
  FUZZ_CHECK(returns.size() <= 1 && (returns.empty() || returns[0].count == 1),
             "a grant is not returned once");
  resender_.CheckAllHome();
}

}  // namespace slabpipe::fuzz
