#include "slabpipe/tests/fuzz/session_main.h"

#include <unistd.h>

#include "absl/time/time.h"
#include "slabpipe/codec/binding.h"
#include "slabpipe/session/handshake.h"
#include "slabpipe/tests/fuzz/check.h"
#include "slabpipe/tests/fuzz/checked_handles.h"
#include "slabpipe/tests/fuzz/walk.h"
#include "slabpipe/tests/fuzz/worker_texts.h"
#include "slabpipe/transport/kj_boundary.h"

namespace slabpipe::fuzz {
namespace {

constexpr char kTarget[] = "fuzz.target";
constexpr size_t kMaxPeerSegments = 8;
constexpr PipeOptions kPipe = {.max_message_bytes = size_t{1} << 20,
                               .ring_bytes = kFuzzedControl.ring_bytes,
                               .spin = absl::ZeroDuration()};

Deadline Now() { return Deadline::After(absl::ZeroDuration()); }

}  // namespace

struct FuzzedMain::Call {
  Call(schemas::Message::Which kind, Waiter* shared, uint32_t credit)
      : kind(kind),
        is_shared(shared != nullptr),
        credit(credit),
        reply(kind, is_shared ? *shared : own, kTarget) {
    reply.AllowItems(credit);
  }
  const schemas::Message::Which kind;
  const bool is_shared;
  uint32_t credit;
  bool ended = false;
  Waiter own;
  PendingReply reply;
};

FuzzedMain::FuzzedMain(const CodecRegistry& registry, std::shared_ptr<OwnMemory> memory,
                       const SessionInput& input)
    : pool_({.prefix = "m.", .peer_prefix = "w.", .max_peer_segments = kMaxPeerSegments},
            std::move(memory)),
      offers_ring_(input.ring),
      greets_(input.greets) {
  auto sockets = SocketPipe::CreateSockets();
  FUZZ_CHECK(sockets.ok(), sockets.status().ToString());
  peer_.emplace(std::move(sockets->second));
  auto socket = std::make_unique<SocketPipe>(std::move(sockets->first), kPipe);
  auto pipe = std::make_unique<RingPipe>(std::move(socket), kPipe);
  pipe_ = pipe.get();
  channel_.emplace(std::move(pipe), pool_, registry);
  channel_->UseHandles(std::make_shared<CheckedHandles>(handles_));
  router_.emplace(
      *channel_, [this](const Received& event) { return PassOn(event); }, *Cancellation::Create(),
      *Cancellation::Create());
  pipe_->ExpectCancellation(router_->poke());
  if (offers_ring_) offered_ = (*pipe_->Offer())[0];
  if (!greets_ && offers_ring_) FUZZ_CHECK(Complete({}).ok(), "a ring");
}

FuzzedMain::~FuzzedMain() = default;

// As Connection::ShakeHands does it.
absl::Status FuzzedMain::Greet(const MessageInput::Message& message) {
  peer_->Send(message);
  absl::StatusOr<std::unique_ptr<Received>> received = channel_->Receive({.deadline = Now()});
  if (!received.ok()) return received.status();
  return CatchKj([&] {
    absl::StatusOr<WelcomeInfo> welcome = ReadWelcome((*received)->root, SegmentKind::kMemfd);
    if (!welcome.ok()) return welcome.status();
    CheckWelcome(*welcome);
    router_->SetConcurrency(welcome->threads);
    if (welcome->ring) return Complete(std::move((*received)->message.descriptors()));
    pipe_->Withdraw();
    return absl::OkStatus();
  });
}

// If the worker has sent no control block of its own, with one that is good to begin with.
absl::Status FuzzedMain::Complete(std::vector<UniqueFd> joined) {
  if (joined.empty() && offers_ring_) joined.push_back(peer_->Join(offered_));
  if (absl::Status bad = pipe_->Complete(std::move(joined)); !bad.ok()) return bad;
  pipe_->AttachLeaseLogs(pool_);
  return absl::OkStatus();
}

void FuzzedMain::Do(const SessionInput::Step& step) {
  if (greets_ && step.kind >= Kind::kCall) return;  // main waits for the welcome
  switch (step.kind) {
    case Kind::kMessage:
      if (!std::exchange(greets_, false)) return peer_->Send(step.message);
      if (absl::Status greeted = Greet(step.message); !greeted.ok()) router_->SetOver(greeted);
      return;
    case Kind::kBytes:
      return peer_->SendBytes(step.which, step.bytes);
    case Kind::kPrint:
      stderr_.append(step.bytes.begin(), step.bytes.end());
      return;
    case Kind::kCall:
      return StartCall(step.which);
    case Kind::kRead:
      FUZZ_CHECK(router_->ReadWhatIsThere(), "what is there is not read");
      return;
    case Kind::kDrop:
      objects_.clear();
      return NoteSent(channel_->Send([](schemas::Message::Builder root) { root.setLeases(); },
                                     router_->SendWait(Now())));
    case Kind::kGoodbye:
      return SendShutdown();
    case Kind::kGiveUp:
      return router_->SetOver(absl::DeadlineExceededError("it took too long"));
    default:
      if (!calls_.empty()) ActOn(step.kind, *calls_[step.which % calls_.size()]);
  }
}

void FuzzedMain::StartCall(uint8_t which) {
  const auto kind =
      (which & SessionInput::kPing) != 0 ? schemas::Message::PONG : schemas::Message::RESPONSE;
  const uint32_t credit = kind == schemas::Message::RESPONSE ? which & SessionInput::kCredit : 0;
  Waiter* const waiter = (which & SessionInput::kShared) != 0 ? &shared_ : nullptr;
  auto call = std::make_unique<Call>(kind, waiter, credit);
  if (!router_->Enter(call->reply).ok()) return;
  const absl::Status sent = SendRequest(call->reply.id(), (which & SessionInput::kArguments) != 0);
  NoteSent(sent);
  if (sent.ok()) {
    calls_.push_back(std::move(call));
  } else {
    router_->Withdraw(call->reply);
  }
}

absl::Status FuzzedMain::SendRequest(uint64_t id, bool with_arguments) {
  const Wait wait = router_->SendWait(Now());
  ValueMessage message(*channel_);
  absl::Status status = message.Begin(wait);
  if (!status.ok()) return status;
  schemas::Request::Builder request = message.root().initRequest();
  request.setId(id);
  request.setTarget(kTarget);
  const size_t count = with_arguments ? objects_.size() : 0;
  auto arguments = request.initArguments(static_cast<unsigned>(count));
  for (size_t i = 0; i < count && status.ok(); ++i) {
    status = VisitValue(objects_[i], [&](AnyRef model) { return message.Prepare(model); });
  }
  if (status.ok()) status = message.OpenSlab();
  for (unsigned i = 0; i < count && status.ok(); ++i) {
    status = VisitValue(objects_[i], [&](AnyRef model) {
      return message.Encode(model, arguments[i].initPayload());
    });
  }
  return status.ok() ? message.Send(wait) : status;
}

void FuzzedMain::SendShutdown() {
  if (!router_->Close()) return;
  calls_.push_back(std::make_unique<Call>(schemas::Message::GOODBYE, nullptr, 0));
  router_->EnterGoodbye(calls_.back()->reply);
  NoteSent(channel_->Send([](schemas::Message::Builder root) { root.setShutdown(); },
                          router_->SendWait(Now())));
}

void FuzzedMain::NoteSent(const absl::Status& sent) {
  const absl::Status pipe = channel_->pipe().send_status();
  if (!sent.ok() && !pipe.ok()) router_->SetOver(pipe);
}

void FuzzedMain::ActOn(Kind kind, Call& call) {
  if (kind == Kind::kCancel) return router_->Cancel(call.reply);
  if (call.ended) return;
  if (kind == Kind::kLook && !call.is_shared) {
    Take(call, router_->Await(call.reply, Now()));
  } else if (kind == Kind::kLook) {
    router_->AwaitAny(shared_, Now());
    Take(call, router_->Look(call.reply));
  } else if (kind == Kind::kAbandon) {
    router_->Abandon(call.reply);
    call.ended = true;
  } else if (call.kind == schemas::Message::RESPONSE) {
    router_->AllowMore(call.reply, 2);
    call.credit += 2;
  }
}

bool FuzzedMain::Take(Call& call, const Happening& now) {
  FUZZ_CHECK(!call.ended, "what has ended goes on");
  if (now.progress != nullptr) CheckProgress(*now.progress);
  if (now.item != nullptr) {
    FUZZ_CHECK(call.credit-- > 0, "an item without credit");
    Judge(CatchKj([&] { return Decode(*now.item, now.item->root.getItem().getValue()); }),
          now.item->message.size_bytes());
  }
  if (now.answer != nullptr) {
    Judge(CatchKj([&] { return ReadAnswer(call, *now.answer); }), now.answer->message.size_bytes());
  }
  call.ended = now.answer != nullptr || now.over;
  return !now.nothing();
}

// As Connection::ReadAnswer does it.
absl::Status FuzzedMain::ReadAnswer(const Call& call, const Received& received) {
  FUZZ_CHECK(received.root.which() == call.kind, "the answer to something else");
  if (call.kind != schemas::Message::RESPONSE) return absl::OkStatus();
  const schemas::Response::Reader response = received.root.getResponse();
  if (response.isResult()) return Decode(received, response.getResult());
  if (!response.isError()) return absl::DataLossError("neither a value nor an error");
  CheckError(response.getError(), kTarget);
  return absl::OkStatus();
}

absl::Status FuzzedMain::Decode(const Received& received, schemas::Payload::Reader payload) {
  absl::StatusOr<Object> object = channel_->MakeDecoder(received).Decode(payload);
  if (object.ok()) objects_.push_back(*std::move(object));
  return object.status();
}

// As Connection::Judge does it.
void FuzzedMain::Judge(const absl::Status& read, size_t message_bytes) {
  CheckRefusal(read, message_bytes);
  error_.Update(read);
  if (absl::IsDataLoss(read)) router_->SetOver(read);
}

absl::Status FuzzedMain::PassOn(const Received& received) {
  return CatchKj([&] {
    const schemas::LogRecord::Reader log = received.root.getEvent().getLog();
    CheckLog(log, router_->TargetOf(log.getRequest()));
    return absl::OkStatus();
  });
}

void FuzzedMain::AwaitEnd(Call& call) {
  while (!call.ended && !call.is_shared) {
    Take(call, router_->Await(call.reply, Deadline::Never()));
  }
  while (!call.ended) {
    router_->AwaitAny(shared_, Deadline::Never());
    while (!call.ended && Take(call, router_->Look(call.reply))) {
    }
  }
}

void FuzzedMain::CheckOver(const absl::Status& why) {
  if (!absl::IsCancelled(why) && !absl::IsDeadlineExceeded(why) && !absl::IsUnavailable(why)) {
    CheckRefusal(why, kPipe.max_message_bytes);
    error_.Update(why);
  }
  CheckLoss(why, stderr_);
}

void FuzzedMain::End() {
  peer_->Leave();
  Call last(schemas::Message::PONG, nullptr, 0);
  if (router_->Enter(last.reply).ok()) AwaitEnd(last);
  for (const std::unique_ptr<Call>& call : calls_) AwaitEnd(*call);
  router_->SetOver(absl::CancelledError("the session has been shut down"));
  router_->DrainEvents();
  CheckOver(router_->over());
  for (const Object& object : objects_) Walk(object);
  calls_.clear();
  router_.reset();
  channel_.reset();
  FUZZ_CHECK(handles_->pending() == 0, "a worker that has gone is to release handles");
  pool_.ResetPeer("w2.");
  const ShmPoolStats stats = pool_.stats();
  FUZZ_CHECK(stats.peer.leases == 0 && stats.peer.segments == 0, "a new peer has segments");
  FUZZ_CHECK(stats.own.grants_out == 0, "a peer that has gone still has a grant");
}

}  // namespace slabpipe::fuzz
