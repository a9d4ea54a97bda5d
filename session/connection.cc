#include "slabpipe/session/connection.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/strings/str_cat.h"
#include "slabpipe/session/placement.h"
#include "slabpipe/session/remote_error.h"
#include "slabpipe/transport/kj_boundary.h"
#include "slabpipe/transport/ring_pipe.h"
#include "slabpipe/transport/socket_pipe.h"

namespace slabpipe {
namespace {

// The number of the worker's descriptor: the first one behind the standard three.
constexpr int kWorkerDescriptor = 3;
// A worker whose connection is closed is about to end; this is how long it may take before it is
// killed.
constexpr absl::Duration kTimeToEnd = absl::Seconds(2);
// The id under which Shutdown waits for the goodbye. Requests begin at 1.
constexpr uint64_t kGoodbyeId = 0;

using Models = absl::InlinedVector<AnyRef, 8>;

// Calls `done` while the models of all arguments are there: each is there while its visit lasts.
absl::Status VisitAll(absl::Span<const ArgumentRef> arguments, Models& models,
                      absl::FunctionRef<absl::Status()> done) {
  if (arguments.empty()) return done();
  return arguments[0].visit(arguments[0].value, [&](AnyRef model) {
    models.push_back(model);
    return VisitAll(arguments.subspan(1), models, done);
  });
}

std::string StderrNote(const OutputReader& output) {
  const std::string tail = output.stderr_tail();
  return tail.empty() ? "" : absl::StrCat("\n  the end of its stderr:\n", tail);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> Connection::Start(const ConnectionOptions& options,
                                                              ShmPool& pool,
                                                              const CodecRegistry& codecs,
                                                              std::optional<WorkerEnd>& end) {
  const auto failed = [&](const absl::Status& status) {
    end = FailedToStart{.why = std::string(status.message())};
    return status;
  };
  absl::StatusOr<std::string> path = FindProgram(options.program);
  if (!path.ok()) return failed(path.status());
  absl::StatusOr<Cancellation> interrupt = Cancellation::Create();
  if (!interrupt.ok()) return failed(interrupt.status());
  auto sockets = SocketPipe::CreateSockets();
  if (!sockets.ok()) return failed(sockets.status());
  auto output = OutputReader::Start(options.log_sink);
  if (!output.ok()) return failed(output.status());

  SpawnOptions spawn = {.path = *path,
                        .arguments = options.arguments,
                        .environment = options.environment,
                        .descriptors = {{(*output)->stdout_writer(), 1},
                                        {(*output)->stderr_writer(), 2},
                                        {sockets->second.get(), kWorkerDescriptor}}};
  spawn.environment[kDescriptorVariable] = absl::StrCat(kWorkerDescriptor);
  absl::StatusOr<ChildProcess> process = ChildProcess::Spawn(spawn);
  if (!process.ok()) return failed(process.status());
  (*output)->set_worker(process->pid());
  (*output)->CloseWriters();
  sockets->second.reset();

  if (absl::Status placed = PlaceProcess(process->pid(), options.pipe.placement); !placed.ok()) {
    return failed(placed);
  }
  auto socket = std::make_unique<SocketPipe>(std::move(sockets->first), options.pipe);
  socket->WatchPeer(process->pidfd());
  auto pipe = std::make_unique<RingPipe>(std::move(socket), options.pipe);
  RingPipe& ring_pipe = *pipe;
  pool.ResetPeer(options.hello.worker_prefix);
  std::unique_ptr<Connection> connection(new Connection(
      options, *std::move(process), *std::move(output),
      std::make_unique<Channel>(std::move(pipe), pool, codecs), *std::move(interrupt)));
  absl::Status ready =
      connection->ShakeHands(options.hello, ring_pipe, Deadline::After(options.start_timeout));
  if (ready.ok()) return connection;
  connection->SetOver(ready);
  absl::Status lost = connection->Lost("shaking hands");
  end = connection->end();
  return lost;
}

Connection::Connection(const ConnectionOptions& options, ChildProcess process,
                       std::unique_ptr<OutputReader> output, std::unique_ptr<Channel> channel,
                       Cancellation interrupt)
    : program_(options.program),
      process_(std::move(process)),
      output_(std::move(output)),
      channel_(std::move(channel)),
      log_sink_(options.log_sink),
      interrupt_(std::move(interrupt)),
      reading_meanwhile_(*this),
      pipe_options_(options.pipe) {}

void Connection::Kill() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    closing_ = true;
  }
  SetOver(absl::CancelledError("the session has been shut down"));
  EndProcess();
}

absl::Status Connection::ShakeHands(HelloInfo hello, RingPipe& pipe, Deadline deadline) {
  const Wait wait = {.deadline = deadline};
  pipe.ExpectCancellation(interrupt_);
  std::vector<int> descriptors;
  hello.ring = pipe_options_.ring_bytes > 0;
  hello.spin = pipe_options_.spin;
  if (hello.ring) {
    absl::StatusOr<std::vector<int>> offer = pipe.Offer();
    if (!offer.ok()) return offer.status();
    descriptors = *std::move(offer);
  }
  absl::Status sent =
      channel_->Send([&](schemas::Message::Builder root) { WriteHello(hello, root.initHello()); },
                     wait, std::move(descriptors));
  if (!sent.ok()) return sent;
  absl::StatusOr<std::unique_ptr<Received>> received = channel_->Receive(wait);
  if (!received.ok()) return received.status();
  return CatchKj([&] {
    absl::StatusOr<WelcomeInfo> welcome = ReadWelcome((*received)->root, hello.segments);
    greeted_ = welcome.ok();
    if (!greeted_) return welcome.status();
    targets_ = std::move(welcome->targets);
    if (!welcome->ring) {
      pipe.Withdraw();
      return absl::OkStatus();
    }
    absl::Status complete = pipe.Complete(std::move((*received)->message.descriptors()));
    if (complete.ok()) pipe.AttachLeaseLogs(channel_->pool());
    return complete;
  });
}

absl::StatusOr<Object> Connection::Call(absl::string_view target,
                                        absl::Span<const ArgumentRef> arguments,
                                        Deadline deadline) {
  Waiter waiter(schemas::Message::RESPONSE);
  if (absl::Status entered = Enter(waiter); !entered.ok()) return entered;
  absl::Status sent = SendRequest(waiter.id, target, arguments, deadline);
  if (!sent.ok()) {
    SendFailed(waiter);
    if (absl::IsFailedPrecondition(sent)) return sent;
    return over().ok() ? sent : Lost(absl::StrCat("'", target, "' was being called"));
  }
  absl::StatusOr<std::unique_ptr<Received>> received = Await(waiter, deadline);
  if (!received.ok() && over().ok()) {
    return absl::DeadlineExceededError(
        absl::StrCat(target, ": no answer in time; the worker goes on with it"));
  }
  if (!received.ok()) return Lost(absl::StrCat("it ran '", target, "'"));
  Answer answer = ReadAnswer(**received, target);
  if (!absl::IsDataLoss(answer.decoded)) return std::move(answer.result);
  SetOver(answer.decoded);
  return Lost(absl::StrCat("it answered '", target, "'"));
}

absl::Status Connection::SendRequest(uint64_t id, absl::string_view target,
                                     absl::Span<const ArgumentRef> arguments, Deadline deadline) {
  ValueMessage message(*channel_);
  if (absl::Status begun = message.Begin(SendWait(deadline)); !begun.ok()) return begun;
  // Behind the shutdown it would not be answered.
  if (closing()) return absl::FailedPreconditionError("the session is being shut down");
  schemas::Request::Builder request = message.root().initRequest();
  request.setId(id);
  request.setTarget({target.data(), target.size()});
  Models models;
  absl::Status encoded = VisitAll(
      arguments, models, [&] { return EncodeArguments(message, request, arguments, models); });
  return encoded.ok() ? message.Send(SendWait(deadline)) : encoded;
}

absl::Status Connection::EncodeArguments(ValueMessage& message, schemas::Request::Builder request,
                                         absl::Span<const ArgumentRef> arguments,
                                         absl::Span<const AnyRef> models) {
  const auto in_argument = [&](size_t i, const absl::Status& status) {
    const capnp::Text::Reader target = request.asReader().getTarget();
    return absl::Status(status.code(),
                        absl::StrCat(target.cStr(), ": argument ", i + 1, ": ", status.message()));
  };
  for (size_t i = 0; i < models.size(); ++i) {
    absl::Status status = message.Prepare(models[i]);
    if (!status.ok()) return in_argument(i, status);
  }
  if (absl::Status status = message.OpenSlab(); !status.ok()) return status;
  auto list = request.initArguments(static_cast<unsigned>(arguments.size()));
  for (unsigned i = 0; i < list.size(); ++i) {
    const absl::string_view name = arguments[i].name;
    if (!name.empty()) list[i].setName({name.data(), name.size()});
    absl::Status status = message.Encode(models[i], list[i].initPayload());
    if (!status.ok()) return in_argument(i, status);
  }
  return absl::OkStatus();
}

Connection::Answer Connection::ReadAnswer(const Received& received, absl::string_view target) {
  Answer answer = {.decoded = absl::OkStatus(), .result = Object()};
  MessageDecoder decoder = channel_->MakeDecoder(received);
  answer.decoded = CatchKj([&] {
    const schemas::Response::Reader response = received.root.getResponse();
    if (response.isError()) {
      answer.result = ToStatus(ReadError(response.getError()), target);
      return absl::OkStatus();
    }
    answer.result = decoder.Decode(response.getResult());
    return answer.result.status();
  });
  if (!answer.decoded.ok()) {
    answer.result = absl::Status(answer.decoded.code(), absl::StrCat("the result of ", target, ": ",
                                                                     answer.decoded.message()));
  }
  return answer;
}

// Nothing was sent. All is as before, unless the pipe is over: the worker has gone, or half a
// message is out.
void Connection::SendFailed(const Waiter& waiter) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    Leave(waiter);
  }
  if (absl::Status pipe = channel_->pipe().send_status(); !pipe.ok()) SetOver(pipe);
}

absl::Status Connection::Ping(Deadline deadline) {
  Waiter waiter(schemas::Message::PONG);
  if (absl::Status entered = Enter(waiter); !entered.ok()) return entered;
  absl::Status status = channel_->Send(
      [&](schemas::Message::Builder root) { root.setPing(waiter.id); }, SendWait(deadline));
  if (status.ok()) {
    status = Await(waiter, deadline).status();
  } else {
    SendFailed(waiter);
  }
  return over().ok() ? status : Lost("it was being pinged");
}

absl::Status Connection::Shutdown(absl::Duration grace) {
  const Deadline deadline = Deadline::After(grace);
  Waiter waiter(schemas::Message::GOODBYE);
  waiter.id = kGoodbyeId;
  {
    std::unique_lock<std::mutex> lock(mutex_);
    if (!over_.ok()) return absl::OkStatus();
    if (closing_) {
      lock.unlock();
      return AwaitShutdown(deadline);
    }
    closing_ = true;
    waiting_.push_back(&waiter);
  }
  absl::Status asked = channel_->Send([](schemas::Message::Builder root) { root.setShutdown(); },
                                      SendWait(deadline));
  if (asked.ok()) {
    asked = Await(waiter, deadline).status();
  } else {
    SendFailed(waiter);
  }
  bool in_time = asked.ok();
  if (in_time) {
    std::lock_guard<std::mutex> lock(end_mutex_);
    end_ = process_.Wait(deadline);
    in_time = end_.has_value();
  }
  SetOver(in_time ? absl::CancelledError("the session has been shut down")
                  : absl::DeadlineExceededError("shutdown"));
  EndProcess();
  if (in_time) return absl::OkStatus();
  return absl::DeadlineExceededError(absl::StrCat("the worker did not go within ",
                                                  absl::FormatDuration(grace),
                                                  " of being asked to, and ", DescribeEnd(*end())));
}

absl::Status Connection::AwaitShutdown(Deadline deadline) {
  std::unique_lock<std::mutex> lock(mutex_);
  while (over_.ok() && !deadline.HasPassed()) {
    const absl::Duration rest = std::min(deadline.Remaining(), absl::Hours(1));
    over_changed_.wait_for(lock, absl::ToChronoNanoseconds(rest));
  }
  lock.unlock();
  SetOver(absl::DeadlineExceededError("shutdown"));
  EndProcess();
  if (!absl::IsDeadlineExceeded(over())) return absl::OkStatus();
  return absl::DeadlineExceededError(
      absl::StrCat("the worker, asked to go by another caller, ", DescribeEnd(*end())));
}

absl::Status Connection::over() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return over_;
}

bool Connection::closing() const { return closing_; }

std::optional<WorkerEnd> Connection::end() const {
  std::lock_guard<std::mutex> lock(end_mutex_);
  return end_;
}

absl::Status Connection::Enter(Waiter& waiter) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!over_.ok()) return absl::FailedPreconditionError("the worker has ended");
  if (closing_) return absl::FailedPreconditionError("the session is being shut down");
  waiter.id = next_id_++;
  waiting_.push_back(&waiter);
  return absl::OkStatus();
}

void Connection::Leave(const Waiter& waiter) {
  waiting_.erase(std::find(waiting_.begin(), waiting_.end(), &waiter));
}

absl::StatusOr<std::unique_ptr<Received>> Connection::Await(Waiter& waiter, Deadline deadline) {
  std::unique_lock<std::mutex> lock(mutex_);
  bool late = false;
  while (true) {
    if (waiter.answer != nullptr) {
      Leave(waiter);
      if (!reading_) StopReading();
      if (waiting_.empty()) return std::move(waiter.answer);
      lock.unlock();
      // Others wait, and some of them have just got their answers. Where callers are more than
      // processors, they would otherwise wait until the kernel takes this one off its processor.
      std::this_thread::yield();
      return std::move(waiter.answer);
    }
    absl::Status failure = over_;
    if (failure.ok() && late) {
      failure = absl::DeadlineExceededError("no answer in time");
      abandoned_.emplace(waiter.id, waiter.kind);
    }
    if (!failure.ok()) {
      Leave(waiter);
      if (!reading_) StopReading();  // this one may have been woken to read
      return failure;
    }
    if (reading_) {
      AwaitTurnToRead(waiter, deadline, lock);
      late = deadline.HasPassed();
      continue;
    }
    reading_ = true;
    lock.unlock();
    absl::Status read = ReadOne(&waiter, deadline);
    late = absl::IsDeadlineExceeded(read);
    if (!read.ok() && !late) SetOver(read);
    lock.lock();
    reading_ = false;
    // Other messages may come without end.
    if (read.ok() && waiter.answer == nullptr) late = deadline.HasPassed();
  }
}

void Connection::AwaitTurnToRead(Waiter& waiter, Deadline deadline,
                                 std::unique_lock<std::mutex>& lock) {
  const absl::Duration rest = deadline.Remaining();
  waiter.asleep = true;
  if (rest == absl::InfiniteDuration()) {
    waiter.wake.wait(lock);
  } else {
    waiter.wake.wait_for(lock, absl::ToChronoNanoseconds(rest));
  }
  waiter.asleep = false;
}

void Connection::StopReading() {
  for (Waiter* waiter : waiting_) {
    if (waiter->answer != nullptr || !waiter->asleep) continue;
    waiter->wake.notify_one();
    return;
  }
}

absl::Duration Connection::ArmReading() {
  // Somebody else reads. When that one stops, nobody might: this one asks again.
  constexpr absl::Duration kPause = absl::Milliseconds(10);
  std::lock_guard<std::mutex> lock(mutex_);
  if (reading_) return kPause;
  // Not for ever: another one may read meanwhile, and then stop.
  return channel_->pipe().Arm() ? absl::ZeroDuration() : kPause;
}

void Connection::ReadMeanwhile() {
  std::unique_lock<std::mutex> lock(mutex_);
  if (!over_.ok() || reading_) return;  // the send is about to be cancelled; somebody else reads
  reading_ = true;
  lock.unlock();
  absl::Status read = ReadOne(nullptr, Deadline::After(absl::ZeroDuration()));
  if (!read.ok() && !absl::IsDeadlineExceeded(read)) SetOver(read);
  lock.lock();
  reading_ = false;
  StopReading();
}

absl::Status Connection::ReadOne(Waiter* reader, Deadline deadline) {
  absl::StatusOr<std::unique_ptr<Received>> received =
      channel_->Receive({.deadline = deadline, .cancellation = &interrupt_});
  if (!received.ok()) return received.status();
  return Handle(*std::move(received), reader);
}

absl::Status Connection::Handle(std::unique_ptr<Received> received, Waiter* reader) {
  schemas::Message::Which kind = schemas::Message::LEASES;
  uint64_t id = kGoodbyeId;
  absl::Status read = CatchKj([&] {
    const schemas::Message::Reader root = received->root;
    kind = root.which();
    if (kind == schemas::Message::RESPONSE) id = root.getResponse().getId();
    if (kind == schemas::Message::PONG) id = root.getPong();
    return absl::OkStatus();
  });
  if (!read.ok()) return read;
  // The reader's own answer needs no lock: nobody else delivers while it reads.
  if (reader != nullptr && reader->id == id && reader->kind == kind && reader->answer == nullptr) {
    reader->answer = std::move(received);
    return absl::OkStatus();
  }
  switch (kind) {
    case schemas::Message::LEASES:
      return absl::OkStatus();
    case schemas::Message::EVENT:
      return PassOn(*received);
    case schemas::Message::RESPONSE:
    case schemas::Message::PONG:
    case schemas::Message::GOODBYE:
      return Deliver(id, kind, std::move(received));
    default:
      return absl::DataLossError(absl::StrCat("the worker sent a message of kind ",
                                              static_cast<int>(kind),
                                              ", which is not its to send"));
  }
}

absl::Status Connection::Deliver(uint64_t id, schemas::Message::Which kind,
                                 std::unique_ptr<Received> received) {
  std::lock_guard<std::mutex> lock(mutex_);
  for (Waiter* waiter : waiting_) {
    if (waiter->id != id || waiter->kind != kind || waiter->answer != nullptr) continue;
    waiter->answer = std::move(received);
    waiter->wake.notify_one();
    return absl::OkStatus();
  }
  const auto abandoned = abandoned_.find(id);
  if (abandoned != abandoned_.end() && abandoned->second == kind) {
    abandoned_.erase(abandoned);
    return absl::OkStatus();
  }
  return absl::DataLossError(
      absl::StrCat("the worker answers ", id, ", which nobody has asked, or once more"));
}

absl::Status Connection::PassOn(const Received& received) {
  LogRecord record = {.source = LogRecord::Source::kLog, .worker = pid(), .text = ""};
  absl::Status read = CatchKj([&] {
    const schemas::LogRecord::Reader log = received.root.getEvent().getLog();
    record.severity = static_cast<LogSeverity>(std::min<int>(log.getSeverity(), 2));
    record.text = log.getText().cStr();
    return absl::OkStatus();
  });
  if (read.ok()) log_sink_(record);
  return read;
}

void Connection::SetOver(const absl::Status& why) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (over_.ok()) over_ = why;
  channel_->Close();
  interrupt_.Cancel();
  over_changed_.notify_all();
  for (Waiter* waiter : waiting_) waiter->wake.notify_one();
}

void Connection::EndProcess() {
  const absl::Status why = over();
  std::lock_guard<std::mutex> lock(end_mutex_);
  if (!end_.has_value()) end_ = ObserveEnd(why);
  output_->Finish();
}

WorkerEnd Connection::ObserveEnd(const absl::Status& why) {
  // It has closed its connection: most likely because it ends, and how it does so is worth knowing.
  if (absl::IsUnavailable(why)) {
    if (std::optional<WorkerEnd> end = process_.Wait(Deadline::After(kTimeToEnd))) return *end;
    process_.Kill();
    return Misbehaved{.what = "it closed its connection and went on running"};
  }
  // A worker that refuses ends by itself, too.
  if (absl::IsFailedPrecondition(why)) {
    if (std::optional<WorkerEnd> end = process_.Wait(Deadline::After(kTimeToEnd))) return *end;
    process_.Kill();
    return Misbehaved{.what = "it did not work with this main, and went on running"};
  }
  const WorkerEnd killed = process_.Kill();
  if (absl::IsDeadlineExceeded(why)) {
    return TimedOut{.phase = greeted_ ? "shutdown" : "handshake"};
  }
  if (absl::IsDataLoss(why)) return Misbehaved{.what = std::string(why.message())};
  return killed;
}

absl::Status Connection::Lost(absl::string_view doing) {
  EndProcess();
  const absl::Status why = over();
  std::string text =
      absl::StrCat("the worker '", program_, "' ", DescribeEnd(*end()), " while ", doing);
  // Asked to go, it has gone, and the call came too late for it.
  const bool gone = absl::IsUnavailable(why) || absl::IsCancelled(why);
  if (closing() && gone && *end() == WorkerEnd(Exited{.code = 0})) {
    return absl::FailedPreconditionError(absl::StrCat("the session was shut down: ", text));
  }
  // What is not told by the end itself.
  if (!absl::IsUnavailable(why) && !absl::IsDataLoss(why) && !absl::IsDeadlineExceeded(why)) {
    absl::StrAppend(&text, ": ", why.message());
  }
  absl::StrAppend(&text, StderrNote(*output_));
  return absl::Status(why.code(), text);
}

}  // namespace slabpipe
