#include "slabpipe/session/worker.h"

#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <optional>

#include "absl/debugging/symbolize.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "slabpipe/codec/built_in.h"
#include "slabpipe/codec/text_wire.h"
#include "slabpipe/session/call_context.h"
#include "slabpipe/session/channel.h"
#include "slabpipe/session/crash_handler.h"
#include "slabpipe/session/guardian.h"
#include "slabpipe/session/handle_table.h"
#include "slabpipe/session/handshake.h"
#include "slabpipe/session/serving.h"
#include "slabpipe/transport/kj_boundary.h"
#include "slabpipe/transport/ring_pipe.h"
#include "slabpipe/transport/socket_pipe.h"

namespace slabpipe {
namespace {

constexpr int kBadSetUp = 2;
constexpr int kBadMain = 3;
// The allocator's own upper bound for both (mallopt(3)) is 32 MiB.
constexpr int kLargestKeptAllocation = 32 << 20;
// Main sends its hello before it does anything else.
constexpr absl::Duration kHelloTimeout = absl::Seconds(30);

constexpr Wait kForever = {};  // until main is gone

int Complain(int code, absl::string_view what) {
  std::fprintf(stderr, "slabpipe worker: %.*s\n", static_cast<int>(what.size()), what.data());
  return code;
}

// The connection that main has left in the environment; none if this program was started by hand.
UniqueFd TakeConnection() {
  const char* variable = ::getenv(kDescriptorVariable);
  int number = -1;
  if (variable == nullptr || !absl::SimpleAtoi(variable, &number)) return UniqueFd();
  ::unsetenv(kDescriptorVariable);
  if (::fcntl(number, F_SETFD, FD_CLOEXEC) != 0) return UniqueFd();
  return UniqueFd(number);
}

}  // namespace

// The connection with main, from its hello on.
class Worker::Server {
 public:
  Server(Worker& worker, UniqueFd socket) : worker_(worker), socket_(std::move(socket)) {}

  bool connected() const { return socket_.valid(); }
  int Serve(int threads);
  SharedMemory memory() { return greeted_ ? SharedMemory(*pool_) : SharedMemory(); }
  bool Log(LogSeverity severity, absl::string_view text);
  HandleTable& handles() const { return *handles_; }
  ShmPoolStats pool_stats() const { return greeted_ ? pool_->stats() : ShmPoolStats(); }

 private:
  // What it takes to notice that main is gone, and to end.
  absl::Status SetUp(std::unique_ptr<Guardian>& guardian);
  // Refuses if the set-up failed.
  absl::Status Greet(int threads, const absl::Status& set_up);
  static absl::Status Refuse(MessagePipe& pipe, const absl::Status& why);

  Worker& worker_;
  UniqueFd socket_;
  // Until the channel has it. The guardian watches its socket, and takes its being closed for
  // main's end.
  std::unique_ptr<RingPipe> pipe_;
  std::unique_ptr<ShmPool> pool_;
  const std::shared_ptr<HandleTable> handles_ = std::make_shared<HandleTable>();
  std::unique_ptr<Channel> channel_;
  std::unique_ptr<Serving> serving_;
  std::optional<Cancellation> stop_;
  std::atomic<bool> greeted_ = false;  // from here on anything may be sent
};

int Worker::Server::Serve(int threads) {
  std::unique_ptr<Guardian> guardian;
  const absl::Status set_up = SetUp(guardian);
  absl::Status greeted = Greet(threads, set_up);
  if (absl::IsUnavailable(greeted)) EndWithMain();
  if (!greeted.ok()) return Complain(kBadSetUp, greeted.message());
  absl::Status end = serving_->Serve(threads);
  if (absl::IsUnavailable(end)) EndWithMain();
  if (end.ok()) return 0;
  return Complain(absl::IsDataLoss(end) ? kBadMain : kBadSetUp, end.message());
}

absl::Status Worker::Server::SetUp(std::unique_ptr<Guardian>& guardian) {
  absl::StatusOr<Cancellation> stop = Cancellation::Create();
  if (!stop.ok()) return stop.status();
  stop_ = *std::move(stop);
  absl::StatusOr<std::unique_ptr<Guardian>> started = Guardian::Start(socket_.get(), [this] {
    if (greeted_) serving_->Beat();
  });
  if (started.ok()) guardian = *std::move(started);
  return started.status();
}

absl::Status Worker::Server::Greet(int threads, const absl::Status& set_up) {
  pipe_ =
      std::make_unique<RingPipe>(std::make_unique<SocketPipe>(std::move(socket_)), PipeOptions());
  RingPipe& pipe = *pipe_;
  if (stop_.has_value()) pipe.ExpectCancellation(*stop_);
  absl::StatusOr<IncomingMessage> message =
      pipe.Receive({.deadline = Deadline::After(kHelloTimeout)});
  if (absl::IsResourceExhausted(message.status())) return Refuse(pipe, message.status());
  if (!message.ok()) return message.status();
  absl::StatusOr<HelloInfo> hello = absl::InternalError("not read");
  absl::Status read = CatchKj([&] {
    hello = ReadHello(message->root<schemas::Message>());
    return hello.status();
  });
  if (read.ok()) read = worker_.mistakes_;
  if (read.ok()) read = set_up;
  WelcomeInfo welcome;
  welcome.threads = static_cast<uint32_t>(threads);
  std::vector<int> descriptors;
  if (read.ok() && hello->ring) {
    absl::StatusOr<std::vector<int>> joined =
        pipe.Join(std::move(message->descriptors()), hello->spin);
    read = joined.status();
    welcome.ring = joined.ok();
    if (joined.ok()) descriptors = *std::move(joined);
  }
  if (!read.ok()) return Refuse(pipe, read);
  pool_ = std::make_unique<ShmPool>(
      ShmPoolOptions{.prefix = hello->worker_prefix, .peer_prefix = hello->main_prefix},
      MakeSegmentProvider(hello->segments));
  channel_ = std::make_unique<Channel>(std::move(pipe_), *pool_, worker_.codecs_);
  channel_->UseHandles(handles_);
  serving_ = std::make_unique<Serving>(*channel_, worker_.targets_, pipe.own_vitals(), *stop_);
  for (const Target* target : worker_.targets_.all()) welcome.targets.push_back(target->info());
  absl::Status sent = channel_->Send(
      [&](schemas::Message::Builder root) { WriteWelcome(welcome, root.initWelcome()); }, kForever,
      std::move(descriptors));
  if (sent.ok() && welcome.ring) {
    pipe.Begin();
    pipe.AttachLeaseLogs(*pool_);
  }
  greeted_ = sent.ok();
  if (absl::IsResourceExhausted(sent)) return Refuse(pipe, sent);
  return sent;
}

absl::Status Worker::Server::Refuse(MessagePipe& pipe, const absl::Status& why) {
  capnp::MallocMessageBuilder builder;
  WelcomeInfo welcome;
  welcome.refusal = std::string(why.message());
  welcome.refusal_code = why.code();
  WriteWelcome(welcome, builder.initRoot<schemas::Message>().initWelcome());
  pipe.Send(builder, {}, kForever).IgnoreError();  // then main is gone
  return absl::FailedPreconditionError(why.message());
}

bool Worker::Server::Log(LogSeverity severity, absl::string_view text) {
  if (!greeted_) return false;
  return channel_
      ->Send(
          [&](schemas::Message::Builder root) {
            schemas::LogRecord::Builder log = root.initEvent().initLog();
            log.setSeverity(static_cast<uint8_t>(severity));
            WriteText(text, [&](unsigned bytes) { return log.initText(bytes); });
            log.setTime(absl::GetCurrentTimeNanos());
            const CallContext* const call = CallContext::Current();
            log.setRequest(call == nullptr ? 0 : call->id());
          },
          kForever)
      .ok();
}

Worker::Worker(int argc, char** argv) : codecs_(BuiltInCodecs()) {
  if (argc > 0) absl::InitializeSymbolizer(argv[0]);
#ifdef __GLIBC__
  // The arguments and results of a call come and go as a whole. By default the allocator would give
  // their memory back to the kernel after each call, and get it again, page by page, in the next.
  ::mallopt(M_MMAP_THRESHOLD, kLargestKeptAllocation);
  ::mallopt(M_TRIM_THRESHOLD, 2 * kLargestKeptAllocation);
#endif
  // What is printed reaches main line by line, as on a terminal, and is not lost in a buffer if the
  // worker is killed.
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  InstallCrashHandler();  // the stack at a crash goes to stderr, and so into what main is told
  server_ = std::make_unique<Server>(*this, TakeConnection());
}

Worker::~Worker() = default;

void Worker::AddCodec(std::unique_ptr<Codec> codec) {
  mistakes_.Update(codecs_.Add(std::move(codec)));
}

void Worker::AddTarget(std::string name, Function function, std::string documentation,
                       std::vector<Param> params) {
  mistakes_.Update(targets_.Add(std::move(name), std::move(function), std::move(documentation),
                                std::move(params)));
}

int Worker::Serve(const ServeOptions& options) {
  if (options.threads < 1) {
    return Complain(kBadSetUp, absl::StrCat("ServeOptions::threads is ", options.threads,
                                            "; a worker serves on one thread or more"));
  }
  if (!server_->connected()) {
    return Complain(kBadSetUp,
                    "this program is a worker: it is started by a main program, with "
                    "slabpipe::Session::Start, not by hand");
  }
  return server_->Serve(options.threads);
}

absl::StatusOr<AnyNdArray> Worker::NewAnyArray(ElementType type, absl::Span<const int64_t> shape,
                                               Order order) {
  return NewSharedArray(memory(), type, shape, order);
}

SharedMemory Worker::memory() { return server_->memory(); }

size_t Worker::handle_count() const { return server_->handles().size(); }

void Worker::set_max_handles(size_t max_handles) {
  server_->handles().set_max_handles(max_handles);
}

ShmPoolStats Worker::pool_stats() const { return server_->pool_stats(); }

void Worker::Log(LogSeverity severity, absl::string_view text) {
  if (!server_->Log(severity, text)) Complain(0, text);
}

}  // namespace slabpipe
