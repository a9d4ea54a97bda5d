#include "slabpipe/session/channel.h"

#include <algorithm>
#include <bit>
#include <string>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "slabpipe/transport/kj_boundary.h"

namespace slabpipe {

absl::Status Channel::Send(absl::FunctionRef<void(schemas::Message::Builder)> fill,
                           const Wait& wait, std::vector<int> descriptors) {
  if (absl::Status mine = TakeTurn(wait); !mine.ok()) return mine;
  absl::Cleanup release = [this] { pool_.turn().Release(); };
  pool_.Clear();
  capnp::MallocMessageBuilder builder(kj::ArrayPtr<capnp::word>(scratch_.data(), scratch_.size()));
  auto root = builder.initRoot<schemas::Message>();
  fill(root);
  OutgoingMemory memory(pool_);
  WriteHandles({}, root);
  memory.Write([&] { return root.initMemory(); }, descriptors);
  absl::Status sent = pipe_->Send(builder, descriptors, wait);
  if (sent.ok()) memory.Commit();
  FinishHandles(sent.ok());
  return sent;
}

void Channel::WriteHandles(absl::Span<const SentHandle> handles,
                           schemas::Message::Builder message) {
  if (handles_ != nullptr) handles_->Write(handles, message);
}

void Channel::FinishHandles(bool sent) {
  if (handles_ != nullptr) handles_->Finish(sent);
}

// For the next message, if one of `words` did not fit. REQUIRES: the turn, and no builder.
void Channel::GrowScratch(size_t words) {
  if (words <= scratch_.size() || scratch_.size() >= kMostScratchWords) return;
  scratch_ = std::vector<capnp::word>(std::min(std::bit_ceil(words), kMostScratchWords));
}

absl::StatusOr<std::unique_ptr<Received>> Channel::Receive(const Wait& wait) {
  absl::StatusOr<IncomingMessage> message = pipe_->Receive(wait);
  if (!message.ok()) return message.status();
  auto received = std::make_unique<Received>();
  received->message = *std::move(message);
  absl::Status accepted = CatchKj([&] {
    const schemas::Message::Reader root = received->message.root<schemas::Message>();
    received->root = root;
    absl::StatusOr<IncomingMemory> memory =
        IncomingMemory::Accept(root.getMemory(), received->message.descriptors(), pool_);
    if (!memory.ok()) return memory.status();
    received->memory = *std::move(memory);
    if (handles_ != nullptr) {
      absl::StatusOr<std::vector<Handle<>>> handles = handles_->Accept(root);
      if (!handles.ok()) return handles.status();
      received->handles = *std::move(handles);
    }
    return root.hasCodecs() ? AddPeerCodecs(root) : absl::OkStatus();
  });
  if (!accepted.ok()) return accepted;
  received->codecs = peer_codecs_;
  return received;
}

absl::Status Channel::AddPeerCodecs(schemas::Message::Reader message) {
  PeerCodecs codecs = *peer_codecs_;
  absl::Status added = codecs.AddAll(codecs_, message.getCodecs());
  if (!added.ok()) return added;
  peer_codecs_ = std::make_shared<const PeerCodecs>(std::move(codecs));
  return absl::OkStatus();
}

MessageDecoder Channel::MakeDecoder(const Received& received) const {
  return MessageDecoder(codecs_, received.codecs, received.memory,
                        received.message.size_bytes() / sizeof(capnp::word), handles_.get());
}

absl::Status Channel::TakeTurn(const Wait& wait) {
  if (absl::Status mine = pool_.turn().Take(wait.deadline); !mine.ok()) return mine;
  if (!closed_) return absl::OkStatus();
  pool_.turn().Release();
  return absl::UnavailableError("the connection is over");
}

ValueMessage::~ValueMessage() {
  if (finished_ && !sent_) channel_.FinishHandles(false);
  encoder_.reset();
  if (builder_.has_value()) {
    const size_t words = builder_->sizeInWords();
    builder_.reset();
    channel_.GrowScratch(words);
  }
  if (!has_turn_) return;
  channel_.stalled_.store(false, std::memory_order_relaxed);
  channel_.pool_.turn().Release();
}

absl::Status ValueMessage::Begin(const Wait& wait) {
  if (absl::Status mine = channel_.TakeTurn(wait); !mine.ok()) return mine;
  has_turn_ = true;
  channel_.pool_.Clear();
  auto& scratch = channel_.scratch_;
  builder_.emplace(kj::ArrayPtr<capnp::word>(scratch.data(), scratch.size()));
  root_ = builder_->initRoot<schemas::Message>();
  encoder_.emplace(channel_.codecs_, channel_.pool_, &channel_.sent_codecs_,
                   channel_.handles_.get());
  return absl::OkStatus();
}

absl::Status ValueMessage::Prepare(AnyRef model) {
  return CatchKjBuilding([&] { return encoder_->PrepareModel(model); });
}

absl::Status ValueMessage::Encode(AnyRef model, schemas::Payload::Builder payload) {
  return CatchKjBuilding([&] { return encoder_->EncodeModel(model, payload); });
}

absl::Status ValueMessage::Send(const Wait& wait) {
  if (!std::exchange(finished_, true)) {
    encoder_->WriteNewCodecs([&](unsigned count) { return root_.initCodecs(count); });
    channel_.WriteHandles(encoder_->handles(), root_);
    encoder_->Finish([this] { return root_.initMemory(); }, descriptors_);
  }
  absl::Status sent = channel_.pipe_->Send(*builder_, descriptors_, wait);
  channel_.stalled_.store(absl::IsDeadlineExceeded(sent), std::memory_order_relaxed);
  if (!sent.ok()) return sent;
  encoder_->Commit();
  channel_.FinishHandles(true);
  sent_ = true;
  return sent;
}

}  // namespace slabpipe
