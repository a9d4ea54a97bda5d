#include "slabpipe/session/connection.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "slabpipe/codec/text_width.h"
#include "slabpipe/codec/text_wire.h"
#include "slabpipe/session/argument_wire.h"
#include "slabpipe/session/error_wire.h"
#include "slabpipe/session/find_program.h"
#include "slabpipe/session/placement.h"
#include "slabpipe/session/remote_error.h"
#include "slabpipe/transport/kj_boundary.h"
#include "slabpipe/transport/ring_pipe.h"
#include "slabpipe/transport/socket_pipe.h"

namespace slabpipe {
namespace {

// The number of the worker's descriptor: the first one behind the standard three.
constexpr int kWorkerDescriptor = 3;
// How long a worker that refuses may take to end by itself.
constexpr absl::Duration kTimeToRefuse = absl::Seconds(2);
// A worker that beats four times a second and has not been heard for so long is stopped.
constexpr absl::Duration kSilence = absl::Seconds(1);
// How long a thread that has sent something tries to send what others had no time to.
constexpr absl::Duration kTimeToTell = absl::Milliseconds(5);
// Of SIGTERM, for a worker that gives no sign of life.
constexpr absl::Duration kHungGrace = absl::Seconds(2);
// How often a send that waits looks whether it was cancelled.
constexpr absl::Duration kSlice = absl::Milliseconds(20);

// Of stderr, what is searched for a report of a crash.
constexpr size_t kStderrBytes = size_t{64} << 10;

void WriteHead(const Connection::RequestHead& head, schemas::Request::Builder out) {
  out.setId(head.id);
  WriteText(head.target, [&](unsigned bytes) { return out.initTarget(bytes); });
  out.setCredit(head.credit);
  out.setReports(head.reports);
  if (head.deadline.is_never()) return;
  const int64_t left = absl::ToInt64Nanoseconds(head.deadline.Remaining());
  out.setTimeoutNanoseconds(static_cast<uint64_t>(std::max<int64_t>(left, 1)));
}

// Of a call that was given up while another thread had the turn to send.
absl::Status NotSent(const absl::Status& status, absl::string_view target) {
  if (!absl::IsDeadlineExceeded(status) && !absl::IsCancelled(status)) return status;
  return absl::Status(status.code(),
                      absl::StrCat(target,
                                   ": it was not sent, because another message was on its way: "
                                   "another thread's arguments may still be being encoded"));
}

}  // namespace

// What a connection is made of, made in this order.
struct Connection::Parts {
  std::optional<ChildProcess> process;
  std::unique_ptr<OutputReader> output;
  int socket = -1;  // the pipe's
  std::unique_ptr<RingPipe> pipe;
  std::optional<Cancellation> interrupt;
  std::optional<Cancellation> poke;
};

absl::StatusOr<std::shared_ptr<Connection>> Connection::Start(
    const ConnectionOptions& options, std::shared_ptr<ShmPool> pool,
    std::shared_ptr<const CodecRegistry> codecs, std::optional<WorkerEnd>& end) {
  Parts parts;
  if (absl::Status made = Spawn(options, parts); !made.ok()) {
    end = FailedToStart{.why = std::string(made.message())};
    return made;
  }
  const Deadline deadline = Deadline::After(options.start_timeout);
  if (!pool->ResetPeer(options.hello.worker_prefix, deadline)) {
    absl::Status late = absl::DeadlineExceededError(
        "an argument was still being encoded, for the worker before or for this one");
    end = FailedToStart{.why = std::string(late.message())};
    return late;
  }
  std::shared_ptr<Connection> connection(
      new Connection(options, std::move(parts), std::move(pool), std::move(codecs)));
  absl::Status ready = connection->ShakeHands(options.hello, options);
  if (ready.ok()) {
    connection->output_->set_look([raw = connection.get()] { raw->LookAround(); });
    return connection;
  }
  const bool late = absl::IsDeadlineExceeded(ready);
  connection->router_.SetOver(late ? absl::DeadlineExceededError("handshake") : ready);
  absl::Status lost = connection->Lost("shaking hands", 0).status;
  end = connection->end();
  return lost;
}

absl::Status Connection::Spawn(const ConnectionOptions& options, Parts& parts) {
  absl::StatusOr<std::string> path = FindProgram(options.program);
  if (!path.ok()) return path.status();
  for (std::optional<Cancellation>* made : {&parts.interrupt, &parts.poke}) {
    absl::StatusOr<Cancellation> cancellation = Cancellation::Create();
    if (!cancellation.ok()) return cancellation.status();
    *made = *std::move(cancellation);
  }
  auto sockets = SocketPipe::CreateSockets();
  if (!sockets.ok()) return sockets.status();
  auto output = OutputReader::Start(*options.logs);
  if (!output.ok()) return output.status();
  parts.output = *std::move(output);

  SpawnOptions spawn = {.path = *path,
                        .arguments = options.arguments,
                        .environment = options.environment,
                        .descriptors = {{parts.output->stdout_writer(), 1},
                                        {parts.output->stderr_writer(), 2},
                                        {sockets->second.get(), kWorkerDescriptor}},
                        .working_directory = options.working_directory,
                        .limits = options.limits,
                        .niceness = options.niceness};
  spawn.environment[kDescriptorVariable] = absl::StrCat(kWorkerDescriptor);
  absl::StatusOr<ChildProcess> process = ChildProcess::Spawn(spawn);
  if (!process.ok()) return process.status();
  parts.process.emplace(*std::move(process));
  parts.output->set_worker(parts.process->pid());
  parts.output->CloseWriters();
  sockets->second.reset();

  absl::Status placed = PlaceProcess(parts.process->pid(), options.pipe.placement);
  if (!placed.ok()) return placed;
  parts.socket = sockets->first.get();
  auto socket = std::make_unique<SocketPipe>(std::move(sockets->first), options.pipe);
  socket->WatchPeer(parts.process->pidfd());
  parts.pipe = std::make_unique<RingPipe>(std::move(socket), options.pipe);
  return absl::OkStatus();
}

Connection::Connection(const ConnectionOptions& options, Parts parts, std::shared_ptr<ShmPool> pool,
                       std::shared_ptr<const CodecRegistry> codecs)
    : program_(ReadableProgram(options.program)),
      pool_(std::move(pool)),
      codecs_(std::move(codecs)),
      logs_(options.logs),
      socket_(parts.socket),
      socket_file_(IdentityOf(parts.socket)),
      process_(*std::move(parts.process)),
      output_(std::move(parts.output)),
      ring_pipe_(parts.pipe.get()),
      channel_(std::make_unique<Channel>(std::move(parts.pipe), *pool_, *codecs_)),
      router_(
          *channel_, [this](const Received& event) { return PassOn(event); },
          *std::move(parts.interrupt), *std::move(parts.poke)),
      handle_releaser_([this] { ReleaseHandles(Deadline::Never()).IgnoreError(); }) {
  handles_ = RemoteHandles::Create(process_.pid(), handle_releaser_.alarm());
  channel_->UseHandles(handles_);
  output_->set_calls(&router_.history());
}

Connection::~Connection() { Kill(); }

void Connection::Kill() {
  if (over().ok()) router_.Close();
  router_.SetOver(absl::CancelledError("the session has been shut down"));
  process_.Hurry();
  EndProcess();
}

absl::Status Connection::ShakeHands(HelloInfo hello, const ConnectionOptions& options) {
  const Wait wait = {.deadline = Deadline::After(options.start_timeout),
                     .cancellation = options.interrupt};
  RingPipe& pipe = *ring_pipe_;
  pipe.ExpectCancellation(router_.poke());
  std::vector<int> descriptors;
  hello.ring = options.pipe.ring_bytes > 0;
  hello.spin = options.pipe.spin;
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
    if (!greeted_) {
      // It ends by itself, and how is worth knowing.
      if (absl::IsResourceExhausted(welcome.status())) {
        AwaitProcess(Deadline::Earlier(wait.deadline, Deadline::After(kTimeToRefuse)));
      }
      return welcome.status();
    }
    targets_ = std::move(welcome->targets);
    router_.SetConcurrency(welcome->threads);
    if (!welcome->ring) {
      pipe.Withdraw();
      return absl::OkStatus();
    }
    absl::Status complete = pipe.Complete(std::move((*received)->message.descriptors()));
    if (complete.ok()) pipe.AttachLeaseLogs(channel_->pool());
    return complete;
  });
}

absl::Status Connection::SendRequest(const RequestHead& head,
                                     absl::Span<const ArgumentRef> arguments, uint64_t& sent,
                                     bool& worker_is_full) {
  absl::Status status = WriteRequest(head, arguments, sent, worker_is_full);
  SendOwed(Deadline::After(kTimeToTell));
  return status;
}

absl::Status Connection::WriteRequest(const RequestHead& head,
                                      absl::Span<const ArgumentRef> arguments, uint64_t& sent,
                                      bool& worker_is_full) {
  ValueMessage message(*channel_);
  absl::Status status = SendPatiently(head, [&](const Wait& wait) { return message.Begin(wait); });
  worker_is_full = !status.ok() && channel_->stalled();
  if (!status.ok()) return worker_is_full ? status : NotSent(status, head.target);
  // Behind the shutdown it would not be answered.
  if (closing()) return absl::FailedPreconditionError("the session is being shut down");
  schemas::Request::Builder request = message.root().initRequest();
  WriteHead(head, request);
  status = WriteArguments(arguments, message, request);
  if (!status.ok()) return status;
  // It would not be run.
  if (head.deadline.HasPassed()) {
    return absl::DeadlineExceededError(
        absl::StrCat(head.target, ": its deadline passed while its arguments were being encoded"));
  }
  status = SendPatiently(head, [&](const Wait& wait) { return message.Send(wait); });
  worker_is_full = !status.ok();
  sent = status.ok() ? pipe().last_sent() : 0;
  return status;
}

// In slices, if it may be cancelled, or the worker be found to hang: nothing else would wake it.
absl::Status Connection::SendPatiently(const RequestHead& head,
                                       absl::FunctionRef<absl::Status(const Wait&)> step) {
  while (true) {
    const bool watched =
        head.cancellation.stop_possible() || head.hang_timeout < absl::InfiniteDuration();
    const Deadline slice =
        watched ? Deadline::Earlier(head.deadline, Deadline::After(kSlice)) : head.deadline;
    absl::Status status = step(router_.SendWait(slice));
    if (status.ok()) return status;
    if (!absl::IsDeadlineExceeded(status)) NoteFailedSend();
    if (!absl::IsDeadlineExceeded(status) || head.deadline.HasPassed()) return status;
    if (head.cancellation.stop_requested()) {
      return absl::CancelledError("cancelled before it was sent");
    }
    TerminateIfHung(head.hang_timeout, head.target);
  }
}

void Connection::NoteFailedSend() {
  if (absl::Status pipe = channel_->pipe().send_status(); !pipe.ok()) router_.SetOver(pipe);
}

// SUBTLE: it is owed before it is sent. If the turn is another thread's till the deadline, that one
// sees what is owed once it has released the turn: both are sequentially consistent.
void Connection::SendCancel(uint64_t id, bool overdue, Deadline deadline) {
  {
    std::lock_guard<std::mutex> lock(owed_mutex_);
    owed_.push_back({.id = id, .overdue = overdue});
    owes_ = true;
  }
  SendOwed(deadline);
}

// One that two threads send at a time is sent twice: that does no harm.
void Connection::SendOwed(Deadline deadline) {
  while (owes_) {
    std::optional<OwedCancel> next;
    absl::Status sent = channel_->Send(
        [&](schemas::Message::Builder root) {
          std::lock_guard<std::mutex> lock(owed_mutex_);
          if (owed_.empty()) return root.setLeases();
          next = owed_.front();
          schemas::Cancel::Builder cancel = root.initCancel();
          cancel.setId(next->id);
          cancel.setOverdue(next->overdue);
        },
        router_.SendWait(deadline));
    if (!sent.ok()) return NoteFailedSend();
    std::lock_guard<std::mutex> lock(owed_mutex_);
    const auto place = std::find_if(owed_.begin(), owed_.end(), [&](const OwedCancel& owed) {
      return next.has_value() && owed.id == next->id;
    });
    if (place != owed_.end()) owed_.erase(place);
    owes_ = !owed_.empty();
  }
}

absl::Status Connection::Send(absl::FunctionRef<void(schemas::Message::Builder)> fill,
                              const Wait& wait) {
  absl::Status sent = channel_->Send(fill, wait);
  SendOwed(Deadline::After(kTimeToTell));
  return sent;
}

absl::Status Connection::SendCredit(const RequestHead& head) {
  return SendPatiently(head, [&](const Wait& wait) {
    return Send(
        [&](schemas::Message::Builder root) {
          schemas::Credit::Builder credit = root.initCredit();
          credit.setId(head.id);
          credit.setItems(head.credit);
        },
        wait);
  });
}

Connection::Answer Connection::ReadAnswer(const Received& received, absl::string_view target) {
  Answer answer = {.broken = absl::OkStatus(), .result = Object()};
  MessageDecoder decoder = channel_->MakeDecoder(received);
  absl::Status read = CatchKj([&] {
    const schemas::Response::Reader response = received.root.getResponse();
    if (response.isError()) {
      answer.result = ToStatus(ReadError(response.getError()), target);
      return absl::OkStatus();
    }
    if (!response.isResult()) {
      return absl::DataLossError("neither a value nor an error");
    }
    answer.result = decoder.Decode(response.getResult());
    return answer.result.status();
  });
  return Judge(std::move(answer), read, target);
}

Connection::Answer Connection::ReadItem(const Received& received, absl::string_view target) {
  Answer answer = {.broken = absl::OkStatus(), .result = Object()};
  MessageDecoder decoder = channel_->MakeDecoder(received);
  absl::Status read = CatchKj([&] {
    answer.result = decoder.Decode(received.root.getItem().getValue());
    return answer.result.status();
  });
  return Judge(std::move(answer), read, target);
}

Connection::Answer Connection::Judge(Answer answer, const absl::Status& read,
                                     absl::string_view target) {
  if (read.ok()) return answer;
  // It may have names in it that the worker gave.
  answer.result = absl::Status(
      read.code(), absl::StrCat("the result of ", target, ": ", SafeText(read.message())));
  if (absl::IsDataLoss(read)) {
    answer.broken = answer.result.status();
    router_.SetOver(answer.broken);
  }
  return answer;
}

absl::Status Connection::Ping(Deadline deadline) {
  Waiter waiter;
  PendingReply reply(schemas::Message::PONG, waiter);
  if (absl::Status entered = router_.Enter(reply); !entered.ok()) return entered;
  absl::Status status = Send([&](schemas::Message::Builder root) { root.setPing(reply.id()); },
                             router_.SendWait(deadline));
  if (!status.ok()) {
    router_.Withdraw(reply);
    NoteFailedSend();
  } else {
    const Happening now = router_.Await(reply, deadline);
    if (now.nothing()) {
      router_.Abandon(reply);
      status = absl::DeadlineExceededError("no answer to a ping in time");
    }
  }
  return over().ok() ? status : Lost("it was being pinged", 0).status;
}

absl::Status Connection::ReleaseHandles(Deadline deadline) {
  while (handles_->pending() > 0) {
    absl::Status sent =
        Send([](schemas::Message::Builder root) { root.setLeases(); }, router_.SendWait(deadline));
    if (sent.ok()) continue;
    NoteFailedSend();
    if (over().ok()) return sent;
    break;
  }
  return over().ok() ? absl::OkStatus() : Lost("handles were being released", 0).status;
}

absl::Status Connection::Shutdown(absl::Duration grace) {
  const Deadline deadline = Deadline::After(grace);
  if (!over().ok()) {
    if (!EndProcess(deadline)) process_.Hurry();
    return absl::OkStatus();
  }
  if (!router_.Close()) return AwaitShutdown(deadline);
  Waiter waiter;
  PendingReply reply(schemas::Message::GOODBYE, waiter);
  router_.EnterGoodbye(reply);
  absl::Status asked =
      Send([](schemas::Message::Builder root) { root.setShutdown(); }, router_.SendWait(deadline));
  bool in_time = false;
  if (asked.ok()) {
    in_time = router_.Await(reply, deadline).answer != nullptr;
  } else {
    NoteFailedSend();
  }
  router_.Withdraw(reply);
  in_time = in_time && AwaitProcess(deadline);
  router_.SetOver(in_time ? absl::CancelledError("the session has been shut down")
                          : absl::DeadlineExceededError("shutdown"));
  process_.Hurry();
  EndProcess();
  if (in_time || *process_.end() == WorkerEnd(Exited{.code = 0})) return absl::OkStatus();
  if (!absl::IsDeadlineExceeded(over())) return Lost("it was shutting down", 0).status;
  return absl::DeadlineExceededError(
      absl::StrCat("the worker did not go within ", absl::FormatDuration(grace),
                   " of being asked to, and ", DescribeEnd(*process_.end())));
}

// Without the lock: another caller may have less patience, and end the connection.
bool Connection::AwaitProcess(Deadline deadline) {
  WaitFd ended = {.fd = process_.pidfd(), .events = POLLIN};
  Wait wait = router_.SendWait(deadline);
  wait.meanwhile = nullptr;
  if (!WaitForAny(absl::MakeSpan(&ended, 1), wait).ok()) return false;
  return process_.Reap();
}

absl::Status Connection::AwaitShutdown(Deadline deadline) {
  router_.AwaitOver(deadline).IgnoreError();
  router_.SetOver(absl::DeadlineExceededError("shutdown"));
  process_.Hurry();
  EndProcess();
  if (!absl::IsDeadlineExceeded(over())) return absl::OkStatus();
  return absl::DeadlineExceededError(
      absl::StrCat("the worker, asked to go by another caller, ", DescribeEnd(*process_.end())));
}

absl::Status Connection::PassOn(const Received& received) {
  LogRecord record = {.source = LogRecord::Source::kLog, .worker = pid()};
  absl::Status read = CatchKj([&] {
    const schemas::LogRecord::Reader log = received.root.getEvent().getLog();
    record.severity = static_cast<LogSeverity>(std::min<int>(log.getSeverity(), 2));
    record.text = std::string(log.getText().cStr(), log.getText().size());
    record.time = log.getTime() == 0 ? absl::Now() : absl::FromUnixNanos(log.getTime());
    record.call = log.getRequest();
    return absl::OkStatus();
  });
  if (!read.ok()) return read;
  record.target = router_.TargetOf(record.call);
  logs_->Push(std::move(record));
  return absl::OkStatus();
}

// SUBTLE: claimed before the connection is over. Otherwise one who sees that would be the one to
// end the process, and have the grace to wait for.
void Connection::Terminate(const std::string& phase, absl::Duration grace) {
  const bool claimed = process_.Claim();
  router_.SetOver(absl::DeadlineExceededError(phase));
  if (claimed) process_.EndClaimed(over(), grace);
  EndProcess(Deadline::After(grace));
}

void Connection::BeginToTerminate(const std::string& phase, absl::Duration grace) {
  const bool claimed = process_.Claim();
  router_.SetOver(absl::DeadlineExceededError(phase));
  if (claimed) process_.BeginToEndClaimed(over(), grace);
}

WorkerHealth Connection::Health() const {
  WorkerHealth health = {.state = WorkerHealth::State::kUnknown, .worker = pid()};
  if (process_.HasEnded()) {
    health.state = WorkerHealth::State::kEnded;
    return health;
  }
  const Vitals* vitals = ring_pipe_->peer_vitals();
  const int64_t heartbeat =
      vitals == nullptr ? 0 : vitals->heartbeat.load(std::memory_order_relaxed);
  if (heartbeat == 0) return health;
  const int64_t now = MonotonicNanoseconds();
  const auto since = [&](const std::atomic<int64_t>& place) {
    const int64_t time = place.load(std::memory_order_relaxed);  // may be anything
    return absl::Nanoseconds(now - std::clamp<int64_t>(time, 0, now));
  };
  // Acquire: the times are not those of the request before (Serving::Beat).
  const uint64_t request = vitals->request.load(std::memory_order_acquire);
  health.silent = since(vitals->heartbeat);
  health.inactive = since(vitals->active);
  health.cpu_time = absl::Nanoseconds(vitals->cpu.load(std::memory_order_relaxed));
  if (request != 0) {
    health.running = since(vitals->since);
    health.target = router_.TargetOf(request);
  }
  if (health.silent > kSilence) {
    health.state = WorkerHealth::State::kSilent;
  } else if (request == 0) {
    health.state = WorkerHealth::State::kIdle;
  } else {
    health.state =
        health.inactive > kSilence ? WorkerHealth::State::kBlocked : WorkerHealth::State::kWorking;
  }
  return health;
}

void Connection::TerminateIfHung(absl::Duration timeout, absl::string_view target) {
  const WorkerHealth health = Health();
  if (health.state == WorkerHealth::State::kSilent && health.silent > timeout) {
    Terminate("heartbeat", absl::ZeroDuration());
  } else if (health.state == WorkerHealth::State::kBlocked && health.inactive > timeout &&
             health.running > timeout) {
    Terminate(absl::StrCat("running '", target, "', which gave no sign of life"), kHungGrace);
  }
}

bool Connection::EndProcess(Deadline patience) {
  const absl::Status why = over();
  // Only of one that is late it is known what it ended by before it has.
  if (!absl::IsDeadlineExceeded(why)) patience = Deadline::Never();
  if (!process_.End(why, patience)) return false;
  router_.DrainEvents();
  output_->Finish();
  return true;
}

// SUBTLE: that it has ended is asked first. What it has said till then is read; and nobody else is
// in the middle of it, who might find that it broke the protocol.
void Connection::LookAround() {
  if (DescriptorsWereClosed()) return;  // the numbers may be those of other files
  const bool ended = process_.HasEnded();
  if (router_.ReadWhatIsThere() && ended) process_.Reap();
}

Loss Connection::Lost(absl::string_view doing, uint64_t sent, absl::string_view target,
                      uint64_t call, Deadline patience) {
  const bool ended = EndProcess(patience);
  const absl::Status why = over();
  // What one says that broke the protocol counts for nothing.
  WorkerLoss loss = {
      .end = ended ? *process_.end() : TimedOut{.phase = std::string(why.message())},
      .pid = pid(),
      .program = program_,
      .doing = std::string(doing),
      .target = std::string(target),
      .call = call,
      .may_have_run = !absl::IsUnavailable(why) || (sent != 0 && pipe().PeerHasTaken(sent))};
  if (sent != 0 && !loss.may_have_run && !target.empty()) {
    loss.doing = absl::StrCat("'", target, "' waited for its turn");
  }
  // Asked to go, it has gone, and the call came too late for it.
  const bool gone = absl::IsUnavailable(why) || absl::IsCancelled(why);
  if (closing() && gone && loss.end == WorkerEnd(Exited{.code = 0})) {
    return {.status = absl::FailedPreconditionError(
                absl::StrCat("the session was shut down: ", DescribeLoss(loss))),
            .may_have_run = loss.may_have_run};
  }
  // What is not told by the end itself.
  if (!absl::IsUnavailable(why) && !absl::IsDataLoss(why) && !absl::IsDeadlineExceeded(why)) {
    loss.why = std::string(why.message());
  }
  SetLastWords(loss, output_->stderr_tail(kStderrBytes));
  // A worker that was killed for another call's sake, or for its silence.
  const bool killed = absl::IsDeadlineExceeded(why) && greeted_ && !closing();
  return {.status = ToStatus(killed ? absl::StatusCode::kUnavailable : why.code(), loss),
          .may_have_run = loss.may_have_run};
}

}  // namespace slabpipe
