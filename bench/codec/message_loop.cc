#include "slabpipe/bench/codec/message_loop.h"

#include <capnp/serialize.h>
#include <kj/io.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <iostream>
#include <new>

#include "slabpipe/transport/control_block.h"
#include "slabpipe/transport/memfd_segment.h"
#include "slabpipe/transport/unique_fd.h"

namespace slabpipe::bench {
namespace {

constexpr size_t kLeastScratchWords = 512;
constexpr size_t kMostScratchWords = size_t{1} << 17;

// The control blocks of both sides, in private memory.
struct ControlBlocks {
  ControlBlocks() {
    for (std::byte*& block : memory) {
      block = static_cast<std::byte*>(::operator new (sizes.total_bytes(), std::align_val_t{64}));
      std::fill_n(block, sizes.total_bytes(), std::byte{});
    }
  }
  ~ControlBlocks() {
    for (std::byte* block : memory) ::operator delete (block, std::align_val_t{64});
  }
  ControlBlocks(const ControlBlocks&) = delete;
  ControlBlocks& operator=(const ControlBlocks&) = delete;

  const ControlSizes sizes = {};
  std::byte* memory[2];
};

}  // namespace

void CheckOk(const absl::Status& status) {
  if (status.ok()) return;
  std::cerr << status << "\n";
  std::exit(1);
}

MessageLoop::MessageLoop(CodecRegistry registry)
    : registry_(std::move(registry)),
      sender_({.prefix = "m.", .peer_prefix = "w."}, std::make_shared<MemfdSegmentProvider>()),
      receiver_({.prefix = "w.", .peer_prefix = "m."}, std::make_shared<MemfdSegmentProvider>()),
      scratch_(kLeastScratchWords) {
  AttachLeaseLogs();
}

void MessageLoop::AttachLeaseLogs() {
  const auto blocks = std::make_shared<ControlBlocks>();
  const OwnControl own[] = {FormatControl(blocks->memory[0], blocks->sizes),
                            FormatControl(blocks->memory[1], blocks->sizes)};
  const PeerControl seen[] = {ViewControl(blocks->memory[0], blocks->sizes),
                              ViewControl(blocks->memory[1], blocks->sizes)};
  sender_.AttachLeaseLogs(own[0], seen[1], blocks);
  receiver_.AttachLeaseLogs(own[1], seen[0], blocks);
}

schemas::Message::Builder MessageLoop::BeginMessage() {
  encoder_.reset();
  if (builder_.has_value()) {
    const size_t words = builder_->sizeInWords();
    builder_.reset();
    if (words > scratch_.size() && scratch_.size() < kMostScratchWords) {
      scratch_ = std::vector<capnp::word>(std::min(std::bit_ceil(words), kMostScratchWords));
    }
  }
  sender_.Clear();
  builder_.emplace(kj::ArrayPtr<capnp::word>(scratch_.data(), scratch_.size()));
  encoder_.emplace(registry_, sender_, &sent_codecs_);
  return builder_->initRoot<schemas::Message>();
}

void MessageLoop::FinishMessage(schemas::Message::Builder root) {
  encoder_->WriteNewCodecs([&](unsigned count) { return root.initCodecs(count); });
  descriptors_.clear();
  encoder_->Finish([&] { return root.initMemory(); }, descriptors_);
  encoder_->Commit();
}

void MessageLoop::Carry() {
  const size_t words = capnp::computeSerializedSizeInWords(*builder_);
  message_bytes_ = words * sizeof(capnp::word);
  incoming_.emplace(words);
  kj::ArrayOutputStream target(
      kj::ArrayPtr<kj::byte>(reinterpret_cast<kj::byte*>(incoming_->words()), message_bytes_));
  capnp::writeMessage(target, *builder_);
  for (const int descriptor : descriptors_) {
    incoming_->descriptors().emplace_back(::dup(descriptor));
  }
}

absl::Status MessageLoop::Accept() {
  if (absl::Status opened = incoming_->Open(); !opened.ok()) return opened;
  const auto root = incoming_->root<schemas::Message>();
  absl::StatusOr<IncomingMemory> memory =
      IncomingMemory::Accept(root.getMemory(), incoming_->descriptors(), receiver_);
  if (!memory.ok()) return memory.status();
  memory_ = *std::move(memory);
  if (!root.hasCodecs()) return absl::OkStatus();
  PeerCodecs codecs = *peer_codecs_;
  absl::Status added = codecs.AddAll(registry_, root.getCodecs());
  if (!added.ok()) return added;
  peer_codecs_ = std::make_shared<const PeerCodecs>(std::move(codecs));
  return absl::OkStatus();
}

absl::StatusOr<Object> MessageLoop::DecodeObject() {
  const auto root = incoming_->root<schemas::Message>();
  MessageDecoder decoder(registry_, peer_codecs_, memory_,
                         incoming_->size_bytes() / sizeof(capnp::word));
  return decoder.Decode(root.getRequest().getArguments()[0].getPayload());
}

void MessageLoop::Answer() {
  receiver_.Clear();
  if (!receiver_.HasNews()) return;
  capnp::MallocMessageBuilder answer;
  auto root = answer.initRoot<schemas::Message>();
  OutgoingMemory outgoing(receiver_);
  std::vector<int> none;
  outgoing.Write([&] { return root.initMemory(); }, none);
  outgoing.Commit();
  std::vector<UniqueFd> descriptors;
  CheckOk(CatchKj([&] {
    return IncomingMemory::Accept(root.asReader().getMemory(), descriptors, sender_).status();
  }));
}

}  // namespace slabpipe::bench
