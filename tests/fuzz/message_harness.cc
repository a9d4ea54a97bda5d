#include "slabpipe/tests/fuzz/message_harness.h"

#include <capnp/message.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "slabpipe/codec/message_codec.h"
#include "slabpipe/codec/text_width.h"
#include "slabpipe/schemas/session.capnp.h"
#include "slabpipe/session/describe.h"
#include "slabpipe/session/error_wire.h"
#include "slabpipe/session/handshake.h"
#include "slabpipe/session/progress_bar.h"
#include "slabpipe/session/remote_error.h"
#include "slabpipe/session/remote_handles.h"
#include "slabpipe/tests/fuzz/check.h"
#include "slabpipe/tests/fuzz/message_input.h"
#include "slabpipe/tests/fuzz/peer_objects.h"
#include "slabpipe/tests/fuzz/sample_types.h"
#include "slabpipe/tests/fuzz/walk.h"
#include "slabpipe/transport/kj_boundary.h"
#include "slabpipe/transport/message_memory.h"
#include "slabpipe/transport/message_pipe.h"
#include "slabpipe/transport/shm_pool.h"

namespace slabpipe::fuzz {
namespace {

constexpr size_t kOwnBytes = 256;
// Few, so that inputs reach the limit; and what a peer may make this side allocate is small.
constexpr size_t kMaxPeerSegments = 8;

// The number that the next descriptor gets: changes if one is left open.
int NextDescriptor() {
  const int next = ::dup(STDERR_FILENO);
  FUZZ_CHECK(next >= 0, "no descriptors are left");
  ::close(next);
  return next;
}

IncomingMessage ToMessage(absl::Span<const uint8_t> words) {
  IncomingMessage message(words.size() / sizeof(capnp::word));
  std::memcpy(message.words(), words.data(), words.size());
  return message;
}

}  // namespace

// This side's end.
class MessageHarness::Connection {
 public:
  Connection(const CodecRegistry& registry, std::shared_ptr<OwnMemory> memory)
      : registry_(registry),
        pool_({.prefix = "m.", .peer_prefix = "w.", .max_peer_segments = kMaxPeerSegments},
              std::move(memory)) {
    absl::StatusOr<Block> block = pool_.Alloc(kOwnBytes);
    FUZZ_CHECK(block.ok(), block.status().ToString());
    std::memset(block->mutable_bytes().data(), 'm', kOwnBytes);
    own_ = *std::move(block);
    pool_.heap()->Grant(*own_.lease());
  }

  // An error ends the connection.
  absl::Status Read(const MessageInput::Message& in);
  // Of the last message that did not end it.
  const absl::Status& content_status() const { return content_status_; }
  // The peer has gone, or this side ends it. What was decoded is good until ~Connection.
  void End();
  // REQUIRES: the connection, not what was decoded, is gone.
  std::vector<Object> TakeObjects() { return std::move(objects_); }

 private:
  absl::Status Accept(IncomingMessage& message, IncomingMemory& memory,
                      std::vector<Handle<>>& handles);
  absl::Status ReadContent(schemas::Message::Reader root, MessageDecoder& decoder);
  absl::Status ReadArguments(schemas::Request::Reader request, MessageDecoder& decoder);
  absl::Status ReadResponse(schemas::Response::Reader response, MessageDecoder& decoder);
  static void ReadEvent(schemas::Event::Reader event);
  absl::Status ReadPayload(schemas::Payload::Reader payload, MessageDecoder& decoder);
  void SendBack();

  const CodecRegistry& registry_;
  ShmPool pool_;
  Block own_;
  PeerObjects peer_objects_;
  const std::shared_ptr<RemoteHandles> handles_ = RemoteHandles::Create(::getpid());
  std::shared_ptr<const PeerCodecs> peer_codecs_ = std::make_shared<PeerCodecs>();
  std::vector<const Codec*> sent_codecs_;
  std::vector<Object> objects_;
  absl::Status content_status_;
};

absl::Status MessageHarness::Connection::Read(const MessageInput::Message& in) {
  IncomingMessage message = ToMessage(in.words);
  message.descriptors() = peer_objects_.Make(in.descriptors);
  absl::Status status = message.Open();
  if (!status.ok()) return status;
  {
    IncomingMemory memory;
    std::vector<Handle<>> handles;
    status = CatchKj([&] { return Accept(message, memory, handles); });
    if (!status.ok()) return status;
    MessageDecoder decoder(registry_, peer_codecs_, memory, in.words.size() / sizeof(capnp::word),
                           handles_.get());
    content_status_ =
        CatchKj([&] { return ReadContent(message.root<schemas::Message>(), decoder); });
    CheckRefusal(content_status_, in.words.size());
  }
  if (in.change) peer_objects_.Change();
  for (const Object& object : objects_) Walk(object);
  if (in.send_back) SendBack();
  if (in.drop) objects_.clear();
  pool_.Clear();
  return absl::OkStatus();
}

absl::Status MessageHarness::Connection::Accept(IncomingMessage& message, IncomingMemory& memory,
                                                std::vector<Handle<>>& handles) {
  const auto root = message.root<schemas::Message>();
  absl::StatusOr<IncomingMemory> accepted =
      IncomingMemory::Accept(root.getMemory(), message.descriptors(), pool_);
  if (!accepted.ok()) return accepted.status();
  memory = *std::move(accepted);
  absl::StatusOr<std::vector<Handle<>>> granted = handles_->Accept(root);
  if (!granted.ok()) return granted.status();
  handles = *std::move(granted);
  PeerCodecs codecs = *peer_codecs_;
  absl::Status added = codecs.AddAll(registry_, root.getCodecs());
  if (!added.ok()) return added;
  peer_codecs_ = std::make_shared<const PeerCodecs>(std::move(codecs));
  return absl::OkStatus();
}

absl::Status MessageHarness::Connection::ReadContent(schemas::Message::Reader root,
                                                     MessageDecoder& decoder) {
  if (root.isRequest()) return ReadArguments(root.getRequest(), decoder);
  if (root.isResponse()) return ReadResponse(root.getResponse(), decoder);
  if (root.isHello()) return ReadHello(root).status();
  if (root.isItem()) return ReadPayload(root.getItem().getValue(), decoder);
  if (root.isEvent()) {
    ReadEvent(root.getEvent());
    return absl::OkStatus();
  }
  if (!root.isWelcome()) return absl::OkStatus();
  const absl::StatusOr<WelcomeInfo> welcome = ReadWelcome(root, SegmentKind::kMemfd);
  if (!welcome.ok()) return welcome.status();
  for (const TargetInfo& target : welcome->targets) {
    FUZZ_CHECK(CheckTargetInfo(target).ok(), target.name);
    FUZZ_CHECK(target.Signature() == SafeLine(target.Signature()), "a control character");
  }
  const size_t described = DescribeTargets(welcome->targets).size();
  FUZZ_CHECK(welcome->targets.empty() == (described == 0), "targets that are not described");
  return absl::OkStatus();
}

absl::Status MessageHarness::Connection::ReadArguments(schemas::Request::Reader request,
                                                       MessageDecoder& decoder) {
  const auto target = request.getTarget();
  FUZZ_CHECK(target.cStr()[target.size()] == '\0', "a text without an end");
  for (const schemas::Request::Argument::Reader argument : request.getArguments()) {
    absl::Status status = ReadPayload(argument.getPayload(), decoder);
    if (!status.ok()) return status;
    FUZZ_CHECK(argument.getName().cStr() != nullptr, "a name that is not there");
  }
  return absl::OkStatus();
}

absl::Status MessageHarness::Connection::ReadResponse(schemas::Response::Reader response,
                                                      MessageDecoder& decoder) {
  if (!response.isError()) return ReadPayload(response.getResult(), decoder);
  const absl::Status error = ToStatus(ReadError(response.getError()), "fuzz.target");
  FUZZ_CHECK(!error.ok() && !error.message().empty(), "an error that says nothing");
  return absl::OkStatus();
}

void MessageHarness::Connection::ReadEvent(schemas::Event::Reader event) {
  const bool progresses = event.isProgress();
  if (!progresses && !event.isLog()) return;
  const auto text = progresses ? event.getProgress().getText() : event.getLog().getText();
  FUZZ_CHECK(text.cStr()[text.size()] == '\0', "a text without an end");
  if (!progresses) return;
  const Progress progress = {.done = event.getProgress().getDone(),
                             .total = event.getProgress().getTotal(),
                             .text = std::string(text.cStr(), text.size())};
  const std::string line = ProgressLine("fuzz", progress, absl::Seconds(1), 80);
  FUZZ_CHECK(line == SafeLine(line), "a control character");
}

absl::Status MessageHarness::Connection::ReadPayload(schemas::Payload::Reader payload,
                                                     MessageDecoder& decoder) {
  absl::StatusOr<Object> object = decoder.Decode(payload);
  if (!object.ok()) return object.status();
  objects_.push_back(*std::move(object));
  return absl::OkStatus();
}

// As one message, as arguments of a request of this side's.
void MessageHarness::Connection::SendBack() {
  pool_.Clear();
  MessageEncoder encoder(registry_, pool_, &sent_codecs_, handles_.get());
  capnp::MallocMessageBuilder builder;
  auto root = builder.initRoot<schemas::Message>();
  auto arguments = root.initRequest().initArguments(static_cast<unsigned>(objects_.size()));
  absl::Status status;
  for (const Object& object : objects_) status.Update(encoder.Prepare(object));
  if (status.ok()) status = encoder.OpenSlab();
  for (unsigned i = 0; i < arguments.size() && status.ok(); ++i) {
    status =
        CatchKjBuilding([&] { return encoder.Encode(objects_[i], arguments[i].initPayload()); });
  }
  FUZZ_CHECK(status.ok(), status.ToString());
  std::vector<int> descriptors;
  handles_->Write(encoder.handles(), root);
  encoder.Finish([&] { return root.initMemory(); }, descriptors);
  encoder.Commit();
  handles_->Finish(true);
}

void MessageHarness::Connection::End() {
  handles_->End();
  FUZZ_CHECK(handles_->pending() == 0, "a worker that has gone is to release handles");
  pool_.ResetPeer("w2.");
  own_ = Block();
  const ShmPoolStats stats = pool_.stats();
  FUZZ_CHECK(stats.pins == 0, "a pin is left");
  FUZZ_CHECK(stats.peer.leases == 0 && stats.peer.segments == 0, "a new peer has segments");
  FUZZ_CHECK(stats.own.grants_out == 0, "a peer that has gone still has a grant");
}

// A first connection makes the descriptor that stays.
MessageHarness::MessageHarness() : registry_(FuzzedCodecs()) {
  Connection(registry_, memory_).End();
}

absl::Status MessageHarness::Run(absl::Span<const uint8_t> bytes) {
  const MessageInput input = ParseMessageInput(bytes);
  const int next_descriptor = NextDescriptor();
  absl::Status first_error;
  {
    std::vector<Object> objects;
    {
      Connection connection(registry_, memory_);
      for (const MessageInput::Message& message : input.messages) {
        if (message.words.empty()) continue;
        const absl::Status status = connection.Read(message);
        CheckRefusal(status, bytes.size());
        first_error.Update(connection.content_status());
        first_error.Update(status);
        if (!status.ok()) break;
      }
      connection.End();
      objects = connection.TakeObjects();
    }
    for (const Object& object : objects) Walk(object);
  }
  FUZZ_CHECK(NextDescriptor() == next_descriptor, "a descriptor is left open");
  return first_error;
}

}  // namespace slabpipe::fuzz
