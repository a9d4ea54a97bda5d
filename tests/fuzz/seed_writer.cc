#include "slabpipe/tests/fuzz/seed_writer.h"

#include <capnp/serialize.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>

#include "slabpipe/tests/fuzz/decoder_input.h"
#include "slabpipe/tests/fuzz/sample_types.h"
#include "slabpipe/transport/memfd_segment.h"

namespace slabpipe::fuzz {
namespace {

// By number; null: none registered.
std::vector<const Codec*> NumberedCodecs(const CodecRegistry& registry) {
  std::vector<const Codec*> codecs;
  for (const char* name : kCodecNumbers) codecs.push_back(registry.Find(name).value_or(nullptr));
  return codecs;
}

// The bytes of the segment behind `descriptor` that the refs of segment `index` use, from its
// start.
std::string ReadSlab(schemas::MemoryTable::Reader table, unsigned index, int descriptor) {
  size_t used = 0;
  for (const schemas::ShmRef::Reader ref : table.getRefs()) {
    if (ref.getSegment() != index) continue;
    const size_t offset = ref.getOffsetUnits() * kBlockAlignmentBytes;
    used = std::max<size_t>(used, offset + ref.getContentSize());
  }
  FUZZ_CHECK(used <= kSlabBytes, "the value is too large for a seed");
  std::string bytes(used, '\0');
  FUZZ_CHECK(::pread(descriptor, bytes.data(), used, 0) == static_cast<ssize_t>(used), "pread");
  return bytes;
}

absl::Span<const uint8_t> AsBytes(const std::string& bytes) {
  return {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
}

std::string Flatten(capnp::MessageBuilder& builder) {
  const kj::Array<capnp::word> words = capnp::messageToFlatArray(builder);
  return {words.asChars().begin(), words.asChars().end()};
}

std::vector<DecoderInput::Ref> ReadRefs(schemas::MemoryTable::Reader table) {
  std::vector<DecoderInput::Ref> refs;
  for (const schemas::ShmRef::Reader ref : table.getRefs()) {
    refs.push_back({.offset_bytes = ref.getOffsetUnits() * kBlockAlignmentBytes,
                    .content_bytes = ref.getContentSize(),
                    .temporary = ref.getTemporary()});
  }
  return refs;
}

}  // namespace

SeedWriter::SeedWriter() : registry_(FuzzedCodecs()) { NewPool(); }

// Named as the peer's of the side that is fuzzed.
void SeedWriter::NewPool() {
  pool_ = std::make_unique<ShmPool>(ShmPoolOptions{.prefix = "w.", .peer_prefix = "m."},
                                    std::make_shared<MemfdSegmentProvider>());
}

void SeedWriter::Encode(const Visit& visit, MessageEncoder& encoder,
                        schemas::Payload::Builder payload) {
  absl::Status status = visit([&](AnyRef model) { return encoder.PrepareModel(model); });
  if (status.ok()) status = encoder.OpenSlab();
  if (status.ok()) {
    status = visit([&](AnyRef model) { return encoder.EncodeModel(model, payload); });
  }
  FUZZ_CHECK(status.ok(), status.ToString());
}

void SeedWriter::AddDecoderSeed(const std::string& codec, const std::string& name,
                                const Visit& visit) {
  constexpr unsigned kFirstSegmentWords = 1u << 16;
  capnp::MallocMessageBuilder builder(kFirstSegmentWords);
  capnp::MallocMessageBuilder table_builder;
  std::vector<const Codec*> codecs = NumberedCodecs(registry_);
  std::vector<int> descriptors;
  auto payload = builder.initRoot<schemas::Payload>();
  auto table = table_builder.initRoot<schemas::MemoryTable>();
  {
    MessageEncoder encoder(registry_, *pool_, &codecs, &handles_);
    Encode(visit, encoder, payload);
    encoder.Finish([&] { return table; }, descriptors);
    FUZZ_CHECK(kCodecNumbers[payload.getCodec()] == codec, name);
    const auto segments = builder.getSegmentsForOutput();
    FUZZ_CHECK(segments.size() == 1 && descriptors.size() <= 1, name);
    const std::string slab = descriptors.empty() ? "" : ReadSlab(table, 0, descriptors[0]);
    const DecoderInput input = {
        .change = 0x5a,
        .refs = ReadRefs(table),
        .payload = {segments[0].asBytes().begin(), segments[0].asBytes().size()},
        .slab = AsBytes(slab)};
    seeds_.push_back({.target = codec, .name = name, .input = FormatDecoderInput(input)});
  }
  NewPool();
}

void SeedWriter::AddRequestSeed(const std::string& name, const Visit& visit) {
  capnp::MallocMessageBuilder builder;
  std::vector<int> descriptors;
  auto root = builder.initRoot<schemas::Message>();
  root.initRequest().setTarget("fuzz.target");
  auto argument = root.getRequest().initArguments(1)[0];
  argument.setName("x");
  {
    MessageEncoder encoder(registry_, *pool_);
    Encode(visit, encoder, argument.initPayload());
    const std::vector<std::string> names = encoder.new_codec_names();
    auto codecs = root.initCodecs(static_cast<unsigned>(names.size()));
    for (unsigned i = 0; i < codecs.size(); ++i) codecs.set(i, names[i].c_str());
    encoder.Finish([&] { return root.initMemory(); }, descriptors);
    MessageInput::Message message = {.change = true, .send_back = true};
    std::vector<std::string> slabs;
    for (unsigned i = 0; i < descriptors.size(); ++i) {
      slabs.push_back(ReadSlab(root.getMemory(), i, descriptors[i]));
      root.getMemory().getSegments()[i].getSegment().setSizeBytes(kSlabBytes);
    }
    for (const std::string& slab : slabs) {
      message.descriptors.push_back({.size_bytes = kSlabBytes, .bytes = AsBytes(slab)});
    }
    const std::string words = Flatten(builder);
    message.words = AsBytes(words);
    seeds_.push_back(
        {.target = "message", .name = name, .input = FormatMessageInput({.messages = {message}})});
  }
  NewPool();
}

void SeedWriter::AddMessages(const std::string& name, const std::vector<Fill>& messages) {
  MessageInput input;
  std::vector<std::string> words;
  for (const Fill& fill : messages) {
    capnp::MallocMessageBuilder builder;
    fill(builder.initRoot<schemas::Message>());
    words.push_back(Flatten(builder));
  }
  for (size_t i = 0; i < messages.size(); ++i) {
    MessageInput::Message message = {.drop = true, .send_back = true, .words = AsBytes(words[i])};
    message.descriptors.push_back({.bytes = AsBytes(words[i])});
    input.messages.push_back(message);
  }
  seeds_.push_back({.target = "message", .name = name, .input = FormatMessageInput(input)});
}

}  // namespace slabpipe::fuzz
