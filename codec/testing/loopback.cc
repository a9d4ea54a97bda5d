#include "slabpipe/codec/testing/loopback.h"

#include <capnp/serialize.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "slabpipe/transport/kj_boundary.h"
#include "slabpipe/transport/memfd_segment.h"
#include "slabpipe/transport/message_memory.h"

namespace slabpipe::codec_testing {
namespace {

// How many words each of the message's segments has so far.
std::vector<size_t> FillLevels(capnp::MessageBuilder& message) {
  std::vector<size_t> levels;
  for (const auto segment : message.getSegmentsForOutput()) levels.push_back(segment.size());
  return levels;
}

absl::StatusOr<Object> TheOnlyOne(absl::StatusOr<std::vector<Object>> objects) {
  if (!objects.ok()) return objects.status();
  if (objects->size() == 1) return std::move(objects->front());
  return absl::DataLossError(absl::StrCat("the message has ", objects->size(), " values, not 1"));
}

}  // namespace

size_t Letter::used_slab_bytes() {
  size_t used = 0;
  for (const auto ref : table().asReader().getRefs()) {
    used = std::max<size_t>(used, kBlockAlignmentBytes * ref.getOffsetUnits() + ref.getSize());
  }
  return used;
}

kj::Array<capnp::word> Letter::Flatten() { return capnp::messageToFlatArray(message); }

std::vector<size_t> Letter::MetadataWords(size_t index) {
  std::vector<size_t> words;
  const Encoding& encoding = encodings[index];
  const std::vector<size_t> segments = FillLevels(message);
  size_t start = segments.size() / 2 + 1;  // of the segment; the table comes first
  for (size_t i = 0; i < encoding.after.size(); ++i) {
    const size_t before = i < encoding.before.size() ? encoding.before[i] : 0;
    for (size_t word = before; word < encoding.after[i]; ++word) words.push_back(start + word);
    start += segments[i];
  }
  return words;
}

Peer::Peer(const std::string& prefix, const std::string& peer_prefix, CodecRegistry registry)
    : registry_(std::move(registry)),
      pool_({.prefix = prefix, .peer_prefix = peer_prefix},
            std::make_shared<MemfdSegmentProvider>()) {}

absl::StatusOr<std::unique_ptr<Letter>> Peer::WriteValues(absl::Span<const OutgoingValue> values) {
  pool_.Clear();
  auto letter = std::make_unique<Letter>();
  MessageEncoder encoder(registry_, pool_, names_codecs_once_ ? &sent_codecs_ : nullptr,
                         handles_.get());
  for (const OutgoingValue& value : values) {
    if (absl::Status status = value.Prepare(encoder); !status.ok()) return status;
  }
  letter->slab_bytes = encoder.slab_bytes();
  if (absl::Status status = encoder.OpenSlab(); !status.ok()) return status;
  auto root = letter->message.initRoot<schemas::Message>();
  auto arguments = root.initRequest().initArguments(static_cast<unsigned>(values.size()));
  for (unsigned i = 0; i < arguments.size(); ++i) {
    const schemas::Payload::Builder payload = arguments[i].initPayload();
    std::vector<size_t> before = FillLevels(letter->message);
    if (absl::Status status = values[i].Encode(encoder, payload); !status.ok()) return status;
    letter->encodings.push_back({std::move(before), FillLevels(letter->message)});
  }
  encoder.WriteNewCodecs([&](unsigned count) { return root.initCodecs(count); });
  std::vector<int> descriptors;
  encoder.Finish([&] { return root.initMemory(); }, descriptors);
  for (const int descriptor : descriptors) letter->descriptors.emplace_back(::dup(descriptor));
  encoder.Commit();
  return letter;
}

absl::StatusOr<std::vector<Object>> Peer::ReadAll(Letter& letter) {
  return ReadWords(letter.Flatten(), std::move(letter.descriptors));
}

absl::StatusOr<std::vector<Object>> Peer::ReadWords(kj::ArrayPtr<const capnp::word> words,
                                                    std::vector<UniqueFd> descriptors) {
  std::vector<Object> objects;
  absl::Status status;
  {
    IncomingMessage message(words.size());
    std::memcpy(static_cast<void*>(message.words()), words.begin(), words.asBytes().size());
    message.descriptors() = std::move(descriptors);
    status = message.Open();
    if (status.ok()) status = CatchKj([&] { return Decode(message, objects); });
  }
  pool_.Clear();
  if (!status.ok()) return status;
  return objects;
}

absl::StatusOr<Object> Peer::Read(Letter& letter) { return TheOnlyOne(ReadAll(letter)); }

absl::Status Peer::Decode(IncomingMessage& message, std::vector<Object>& objects) {
  const auto root = message.root<schemas::Message>();
  absl::StatusOr<IncomingMemory> memory =
      IncomingMemory::Accept(root.getMemory(), message.descriptors(), pool_);
  if (!memory.ok()) return memory.status();
  auto codecs = std::make_shared<PeerCodecs>(peer_codecs_);
  absl::Status added = codecs->AddAll(registry_, root.getCodecs());
  if (!added.ok()) return added;
  if (names_codecs_once_) peer_codecs_ = *codecs;
  if (!root.isRequest()) return absl::DataLossError("the message is no request");
  MessageDecoder decoder(registry_, std::move(codecs), *memory,
                         message.size_bytes() / sizeof(capnp::word), handles_.get());
  for (const auto argument : root.getRequest().getArguments()) {
    absl::StatusOr<Object> object = decoder.Decode(argument.getPayload());
    if (!object.ok()) return object.status();
    objects.push_back(*std::move(object));
  }
  return absl::OkStatus();
}

}  // namespace slabpipe::codec_testing
