#include "slabpipe/session/channel.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "slabpipe/transport/kj_boundary.h"

namespace slabpipe {
namespace {

constexpr unsigned kMaxCodecsInMessage = 4096;

void WriteCodecNames(const std::vector<std::string>& names, schemas::Message::Builder root) {
  if (names.empty()) return;
  auto list = root.initCodecs(static_cast<unsigned>(names.size()));
  for (unsigned i = 0; i < list.size(); ++i) list.set(i, names[i].c_str());
}

}  // namespace

absl::Status Channel::Send(absl::FunctionRef<void(schemas::Message::Builder)> fill,
                           const Wait& wait, std::vector<int> descriptors) {
  if (absl::Status mine = TakeTurn(wait); !mine.ok()) return mine;
  absl::Cleanup release = [this] { pool_.turn().Release(); };
  pool_.Clear();
  capnp::MallocMessageBuilder builder;
  auto root = builder.initRoot<schemas::Message>();
  fill(root);
  OutgoingMemory memory(pool_);
  memory.Write(root.initMemory(), descriptors);
  absl::Status sent = pipe_->Send(builder, descriptors, wait);
  if (sent.ok()) memory.Commit();
  return sent;
}

absl::StatusOr<Received> Channel::Receive(const Wait& wait) {
  absl::StatusOr<IncomingMessage> message = pipe_->Receive(wait);
  if (!message.ok()) return message.status();
  Received received = {.message = *std::move(message), .memory = {}};
  absl::Status accepted = CatchKj([&] {
    absl::StatusOr<IncomingMemory> memory =
        IncomingMemory::Accept(received.root().getMemory(), received.message.descriptors(), pool_);
    if (memory.ok()) received.memory = *std::move(memory);
    return memory.status();
  });
  if (!accepted.ok()) return accepted;
  return received;
}

absl::StatusOr<MessageDecoder> Channel::MakeDecoder(const Received& received) const {
  std::vector<std::string> names;
  absl::Status read = CatchKj([&] {
    const auto list = received.root().getCodecs();
    if (list.size() > kMaxCodecsInMessage) {
      return absl::DataLossError(absl::StrCat("a message names ", list.size(), " codecs"));
    }
    for (const capnp::Text::Reader name : list) names.emplace_back(name.cStr(), name.size());
    return absl::OkStatus();
  });
  if (!read.ok()) return read;
  return MessageDecoder(codecs_, std::move(names), received.memory,
                        received.message.size_bytes() / sizeof(capnp::word));
}

absl::Status Channel::TakeTurn(const Wait& wait) {
  if (absl::Status mine = pool_.turn().Take(wait.deadline); !mine.ok()) return mine;
  if (!closed_) return absl::OkStatus();
  pool_.turn().Release();
  return absl::UnavailableError("the connection is over");
}

ValueMessage::ValueMessage(Channel& channel)
    : channel_(channel), root_(builder_.initRoot<schemas::Message>()) {}

ValueMessage::~ValueMessage() {
  encoder_.reset();
  if (has_turn_) channel_.pool_.turn().Release();
}

absl::Status ValueMessage::Begin(const Wait& wait) {
  if (absl::Status mine = channel_.TakeTurn(wait); !mine.ok()) return mine;
  has_turn_ = true;
  channel_.pool_.Clear();
  encoder_.emplace(channel_.codecs_, channel_.pool_);
  return absl::OkStatus();
}

absl::Status ValueMessage::Prepare(const ArgumentRef& value) {
  return value.visit(value.value, [&](AnyRef model) { return encoder_->PrepareModel(model); });
}

absl::Status ValueMessage::Encode(const ArgumentRef& value, schemas::Payload::Builder payload) {
  return CatchKjBuilding([&] {
    return value.visit(value.value,
                       [&](AnyRef model) { return encoder_->EncodeModel(model, payload); });
  });
}

absl::Status ValueMessage::Send(const Wait& wait) {
  WriteCodecNames(encoder_->codec_names(), root_);
  std::vector<int> descriptors;
  encoder_->Finish(root_.initMemory(), descriptors);
  absl::Status sent = channel_.pipe_->Send(builder_, descriptors, wait);
  if (sent.ok()) encoder_->Commit();
  return sent;
}

}  // namespace slabpipe
