#include "slabpipe/codec/message_codec.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "slabpipe/codec/codec_limits.h"
#include "slabpipe/codec/value_wire.h"
#include "slabpipe/transport/kj_boundary.h"
#include "slabpipe/transport/parallel_copy.h"

namespace slabpipe {
namespace {

absl::Status InCodec(const Codec& codec, const absl::Status& status) {
  return status.ok() ? status : InContext(codec.name(), status);
}

// A codec may look at a child more than once.
constexpr uint64_t kMaxUsesOfARef = 4;

absl::Status TooDeep() {
  return absl::InvalidArgumentError(
      absl::StrCat("values are nested more than ", kMaxValueDepth, " deep"));
}

absl::Status NoHandles() {
  return absl::FailedPreconditionError(
      "handles exist in a session only: there is no worker here that keeps their objects");
}

// Counts a level of nesting for as long as it lives.
class Level {
 public:
  explicit Level(int& depth) : depth_(++depth) {}
  ~Level() { --depth_; }
  bool too_deep() const { return depth_ > kMaxValueDepth; }

 private:
  int& depth_;
};

}  // namespace

// Sizer

absl::Status Sizer::AddBlock(size_t size_bytes) { return message_.AddSize(size_bytes); }

absl::Status Sizer::AddBuffer(const Buffer& buffer) {
  return CanRefer(buffer) ? absl::OkStatus() : message_.AddSize(buffer.size_bytes());
}

bool Sizer::CanRefer(const Buffer& buffer) const { return message_.CanRefer(buffer); }

absl::Status Sizer::AddChild(AnyRef model) { return message_.PrepareModel(model); }

absl::Status Sizer::AddHandle(const Handle<>& handle) { return message_.CheckHandle(handle); }

// Encoder

absl::StatusOr<absl::Span<std::byte>> Encoder::AddBlock(size_t size_bytes, bool temporary) {
  if (size_bytes == 0) {
    blocks_.emplace_back();
    return absl::Span<std::byte>();
  }
  absl::StatusOr<Block> block = message_.pool_.Alloc(size_bytes, temporary);
  if (!block.ok()) return block.status();
  block->Populate();
  blocks_.push_back(*std::move(block));
  return blocks_.back().mutable_bytes();
}

bool Encoder::CanRefer(const Buffer& buffer) const { return message_.CanRefer(buffer); }

absl::Status Encoder::AddBuffer(const Buffer& buffer) {
  if (!CanRefer(buffer)) return AddBytes(buffer.bytes());
  // A block that was temporary in an earlier message is not in this one: its bytes are in use.
  const Block& block = *buffer.block();
  blocks_.emplace_back(block.lease(), block.offset(), block.size(), block.content_size(), false);
  return absl::OkStatus();
}

absl::Status Encoder::AddBytes(absl::Span<const std::byte> bytes) {
  absl::StatusOr<absl::Span<std::byte>> target = AddBlock(bytes.size());
  if (!target.ok() || bytes.empty()) return target.status();
  CopyBytes(target->data(), bytes.data(), bytes.size());
  CountCopy(bytes.size());
  return absl::OkStatus();
}

void Encoder::CountCopy(size_t bytes) {
  ++message_.copies_;
  message_.bytes_copied_ += bytes;
}

absl::StatusOr<uint64_t> Encoder::AddHandle(const Handle<>& handle) {
  return message_.AddHandle(handle);
}

absl::Status Encoder::EncodeChild(AnyRef model, schemas::Payload::Builder payload) {
  return message_.EncodeModel(model, payload);
}

schemas::CustomMetadata::Builder Encoder::custom() {
  if (std::exchange(has_custom_, true)) {
    return payload_.getMetadata().getAs<schemas::CustomMetadata>();
  }
  return InitMetadata<schemas::CustomMetadata>();
}

absl::Status Encoder::SetMetadata(const Value& value) {
  if (absl::Status status = CheckValue(value); !status.ok()) return status;
  WriteValue(value, custom().initValue());
  return absl::OkStatus();
}

absl::Status Encoder::InitChildren(size_t count) {
  if (count > std::numeric_limits<uint32_t>::max() / 64) {
    return absl::InvalidArgumentError(absl::StrCat(count, " children are too many for a message"));
  }
  custom().initChildren(static_cast<unsigned>(count));
  return absl::OkStatus();
}

// Decoder

absl::StatusOr<Block> Decoder::FindBlock(size_t index) const {
  if (index >= block_count()) {
    return absl::InvalidArgumentError(
        absl::StrCat("there is no block ", index, " of ", block_count()));
  }
  return message_.memory_.Attach(uint64_t{payload_.getFirstRef()} + index);
}

// A temporary block is kept, too: what is temporary the peer says, and a codec may point into it.
absl::StatusOr<absl::Span<const std::byte>> Decoder::Bytes(size_t index) {
  const absl::StatusOr<Block> block = FindBlock(index);
  if (!block.ok()) return block.status();
  if (block->lease() == nullptr) return absl::Span<const std::byte>();
  used_.Add(block->lease());
  return block->content();
}

absl::StatusOr<absl::Span<const std::byte>> Decoder::BytesToCopy(size_t index) {
  const absl::StatusOr<Block> block = FindBlock(index);
  if (!block.ok()) return block.status();
  if (block->lease() == nullptr) return absl::Span<const std::byte>();
  if (absl::Status status = message_.AllowCopy(block->content_size()); !status.ok()) return status;
  return block->content();
}

absl::StatusOr<Buffer> Decoder::TakeBuffer(size_t index) {
  absl::StatusOr<Block> block = FindBlock(index);
  if (!block.ok()) return block.status();
  if (block->lease() == nullptr) return Buffer();
  if (!block->temporary()) {
    used_.Add(block->lease());
    return Buffer(*std::move(block)).IntoReadOnly();
  }
  if (absl::Status status = message_.AllowCopy(block->content_size()); !status.ok()) return status;
  const absl::Span<const std::byte> content = block->content();
  absl::StatusOr<Buffer> copy = Buffer::Allocate(content.size());
  if (copy.ok()) std::copy(content.begin(), content.end(), copy->mutable_data());
  return copy;
}

absl::StatusOr<Object> Decoder::DecodeChild(schemas::Payload::Reader payload) {
  absl::StatusOr<Object> child = message_.DecodeUnguarded(payload);
  if (child.ok()) used_.AddAll(child->leases());
  return child;
}

absl::StatusOr<Value> Decoder::ReadMetadataValue() const {
  absl::StatusOr<Value> value = ReadValue(ReadMetadata<schemas::CustomMetadata>().getValue());
  if (!value.ok()) return InContext("the metadata", value.status());
  return value;
}

absl::StatusOr<Handle<>> Decoder::FindHandle(uint64_t number) {
  if (message_.handle_owner_ == nullptr) return NoHandles();
  return message_.handle_owner_->Find(number);
}

absl::Status Decoder::CountBytes(uint64_t bytes) { return message_.AllowRead(bytes); }

absl::Status Decoder::CountParts(uint64_t count) { return message_.CountPayloads(count); }

// Read once: each reading counts towards what a message may make its reader visit.
const Decoder::Children& Decoder::children() {
  if (!children_.has_value()) {
    children_ = ReadMetadata<schemas::CustomMetadata>().getChildren();
  }
  return *children_;
}

// MessageEncoder

absl::Status MessageEncoder::PrepareModel(AnyRef model) {
  const Codec* codec = registry_.FindFor(model);
  if (codec == nullptr && model.has_model()) {
    return model.VisitModel([this](AnyRef shown) { return PrepareModel(shown); });
  }
  if (codec == nullptr) return registry_.Select(model).status();
  const Level level(depth_);
  if (level.too_deep()) return TooDeep();
  plan_.push_back(codec);
  Sizer sizer(*this);
  return InCodec(*codec, codec->Prepare(model, sizer));
}

bool MessageEncoder::CanRefer(const Buffer& buffer) const {
  return buffer.block().has_value() && pool_.CanRefer(*buffer.block());
}

absl::Status MessageEncoder::CheckHandle(const Handle<>& handle) const {
  return handle_owner_ == nullptr ? NoHandles() : handle_owner_->Check(handle);
}

absl::StatusOr<uint64_t> MessageEncoder::AddHandle(const Handle<>& handle) {
  if (handle_owner_ == nullptr) return NoHandles();
  const absl::StatusOr<uint64_t> number = handle_owner_->Send(handle);
  if (!number.ok()) return number;
  if (!handle_numbers_.insert(*number).second) {
    handle_owner_->TakeBack(*number);
    return number;
  }
  handles_.push_back({*number, handle});
  if (handles_.size() <= kMaxHandlesInMessage) return number;
  return absl::InvalidArgumentError(
      absl::StrCat("a message has at most ", kMaxHandlesInMessage, " handles"));
}

absl::Status MessageEncoder::AddSize(size_t size_bytes) {
  constexpr size_t kMost = std::numeric_limits<size_t>::max() / 4;
  if (size_bytes > kMost || AlignBlockSize(size_bytes) > kMost - slab_bytes_) {
    return absl::InvalidArgumentError("the message's values are larger than an address space");
  }
  slab_bytes_ += AlignBlockSize(size_bytes);
  return absl::OkStatus();
}

absl::Status MessageEncoder::OpenSlab() {
  if (slab_bytes_ == 0) return absl::OkStatus();
  absl::Status opened = pool_.OpenSlab(slab_bytes_);
  slab_open_ = opened.ok();
  return opened;
}

absl::Status MessageEncoder::EncodeModel(AnyRef model, schemas::Payload::Builder payload) {
  if (encoded_ == plan_.size() || !plan_[encoded_]->Accepts(model)) {
    if (!model.has_model()) return NotPlanned(model);
    return model.VisitModel([&](AnyRef shown) { return EncodeModel(shown, payload); });
  }
  const Codec* codec = plan_[encoded_++];
  absl::StatusOr<uint16_t> index = CodecIndex(codec);
  if (!index.ok()) return index.status();
  payload.setCodec(*index);
  Encoder encoder(*this, payload);
  absl::Status status = codec->Encode(model, encoder);
  if (status.ok()) status = FinishPayload(encoder.blocks_, payload);
  return InCodec(*codec, status);
}

absl::Status MessageEncoder::NotPlanned(AnyRef model) const {
  return absl::InternalError(absl::StrCat("value ", encoded_, " of the message, a ",
                                          model.type().name(),
                                          ", was not announced by Prepare in that place"));
}

// A payload's refs stand in a row, whatever its children did in between.
absl::Status MessageEncoder::FinishPayload(absl::Span<const Block> blocks,
                                           schemas::Payload::Builder payload) {
  if (blocks.size() > std::numeric_limits<uint16_t>::max()) {
    return absl::InvalidArgumentError(
        absl::StrCat("a payload has at most 65535 blocks of its own, not ", blocks.size()));
  }
  payload.setFirstRef(memory_.ref_count());
  payload.setRefCount(static_cast<uint16_t>(blocks.size()));
  for (const Block& block : blocks) {
    if (absl::Status added = memory_.Add(block).status(); !added.ok()) return added;
  }
  return absl::OkStatus();
}

absl::StatusOr<uint16_t> MessageEncoder::CodecIndex(const Codec* codec) {
  const auto known = std::find(codecs_.begin(), codecs_.end(), codec);
  const size_t index = static_cast<size_t>(known - codecs_.begin());
  if (index >= kMaxCodecs) {
    return absl::InvalidArgumentError(
        absl::StrCat("a side uses at most ", kMaxCodecs, " codecs on one connection"));
  }
  if (known == codecs_.end()) codecs_.push_back(codec);
  return static_cast<uint16_t>(index);
}

void MessageEncoder::Finish(absl::FunctionRef<schemas::MemoryTable::Builder()> init_table,
                            std::vector<int>& descriptors) {
  CloseSlab();
  if (copies_ > 0) pool_.CountCopies(copies_, bytes_copied_);
  memory_.Write(init_table, descriptors);
}

std::vector<std::string> MessageEncoder::new_codec_names() const {
  std::vector<std::string> names;
  for (size_t i = known_codecs_; i < codecs_.size(); ++i) names.emplace_back(codecs_[i]->name());
  return names;
}

void MessageEncoder::WriteNewCodecs(
    absl::FunctionRef<capnp::List<capnp::Text>::Builder(unsigned count)> init_list) const {
  const std::vector<std::string> names = new_codec_names();
  if (names.empty()) return;
  auto list = init_list(static_cast<unsigned>(names.size()));
  for (unsigned i = 0; i < list.size(); ++i) list.set(i, names[i].c_str());
}

void MessageEncoder::Commit() {
  committed_ = true;
  memory_.Commit();
}

MessageEncoder::~MessageEncoder() {
  if (!committed_) {
    codecs_.resize(known_codecs_);
    for (const SentHandle& sent : handles_) handle_owner_->TakeBack(sent.number);
  }
  CloseSlab();
}

void MessageEncoder::CloseSlab() {
  if (std::exchange(slab_open_, false)) pool_.SealSlab();
}

// MessageDecoder

absl::StatusOr<Object> MessageDecoder::Decode(schemas::Payload::Reader payload) {
  absl::StatusOr<Object> object = Object();
  absl::Status read = CatchKj([&] {
    object = DecodeUnguarded(payload);
    return object.status();
  });
  depth_ = 0;
  if (!read.ok()) return read;
  return object;
}

absl::StatusOr<Object> MessageDecoder::DecodeUnguarded(schemas::Payload::Reader payload) {
  const Level level(depth_);
  if (level.too_deep()) return TooDeep();
  if (absl::Status counted = CountPayloads(1); !counted.ok()) return counted;
  absl::StatusOr<const Codec*> codec = CodecOf(payload);
  if (!codec.ok()) return codec.status();
  if (absl::Status counted = CountBlocks(payload); !counted.ok()) return counted;
  Decoder decoder(*this, payload);
  absl::StatusOr<Object> object = (*codec)->DecodeObject(decoder);
  if (!object.ok()) return InCodec(**codec, object.status());
  object->Hold(decoder.used_.Take());
  return object;
}

absl::Status MessageDecoder::CountPayloads(uint64_t count) {
  if (count <= max_payloads_ - payloads_) {
    payloads_ += count;
    return absl::OkStatus();
  }
  return absl::DataLossError("the message has more payloads, or parts of them, than room for such");
}

absl::StatusOr<const Codec*> MessageDecoder::CodecOf(schemas::Payload::Reader payload) {
  const size_t number = payload.getCodec();
  if (number >= codecs_->entries.size()) {
    return absl::DataLossError(absl::StrCat("a payload has codec ", number, " of ",
                                            codecs_->entries.size(), " that the peer has named"));
  }
  const PeerCodecs::Entry& entry = codecs_->entries[number];
  // Not registered when it was named. It may be now; if not, the error lists those that are.
  if (entry.codec == nullptr) return registry_.Find(entry.name);
  return entry.codec;
}

// Payloads don't share references. Many that claim the same ones are few bytes to send and much
// work to read.
absl::Status MessageDecoder::CountBlocks(schemas::Payload::Reader payload) {
  const uint64_t count = payload.getRefCount();
  claimed_ += count;
  if (claimed_ > kMaxUsesOfARef * (uint64_t{memory_.ref_count()} + 1)) {
    return absl::DataLossError("the message's payloads claim more blocks than it has");
  }
  if (payload.getFirstRef() + count <= memory_.ref_count() || count == 0) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("a payload claims references ", payload.getFirstRef(),
                                          " to ", payload.getFirstRef() + count - 1, " of ",
                                          memory_.ref_count(), " in the message"));
}

// Otherwise many references to the same memory, which are few bytes to send, could ask for it to be
// copied again and again.
absl::Status MessageDecoder::AllowCopy(uint64_t bytes) {
  if (bytes <= to_copy_) {
    to_copy_ -= bytes;
    return absl::OkStatus();
  }
  return absl::DataLossError(absl::StrCat("a message that names ", memory_.segment_bytes(),
                                          " bytes of memory asks for more than twice that to be "
                                          "copied"));
}

// The same for what is read to be checked, and copied perhaps by whoever gets the value: columns
// may share their buffers, and it takes few bytes to name another one.
absl::Status MessageDecoder::AllowRead(uint64_t bytes) {
  if (bytes <= to_read_) {
    to_read_ -= bytes;
    return absl::OkStatus();
  }
  return absl::DataLossError(absl::StrCat("a message that names ", memory_.segment_bytes(),
                                          " bytes of memory has values that point to more than "
                                          "eight times that"));
}

absl::Status PeerCodecs::Add(const CodecRegistry& registry, std::string name) {
  if (entries.size() >= kMaxCodecs) {
    return absl::DataLossError(
        absl::StrCat("the peer names more than ", kMaxCodecs, " codecs on one connection"));
  }
  if (name.empty() || name.size() > kMaxCodecNameBytes) {
    return absl::DataLossError(
        absl::StrCat("a codec's name has 1 to ", kMaxCodecNameBytes, " bytes, not ", name.size()));
  }
  const absl::StatusOr<const Codec*> codec = registry.Find(name);
  entries.push_back({.name = std::move(name), .codec = codec.ok() ? *codec : nullptr});
  return absl::OkStatus();
}

absl::Status PeerCodecs::AddAll(const CodecRegistry& registry,
                                capnp::List<capnp::Text>::Reader names) {
  for (const capnp::Text::Reader name : names) {
    absl::Status added = Add(registry, std::string(name.cStr(), name.size()));
    if (!added.ok()) return added;
  }
  return absl::OkStatus();
}

}  // namespace slabpipe
