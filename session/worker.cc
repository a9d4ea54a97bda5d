#include "slabpipe/session/worker.h"

#include <cxxabi.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <exception>
#include <optional>
#include <typeinfo>

#include "absl/debugging/failure_signal_handler.h"
#include "absl/debugging/symbolize.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "slabpipe/codec/built_in.h"
#include "slabpipe/session/channel.h"
#include "slabpipe/session/guardian.h"
#include "slabpipe/session/handshake.h"
#include "slabpipe/session/remote_error.h"
#include "slabpipe/session/throw_trace.h"
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

std::string TypeName(const std::type_info& type) {
  int status = 0;
  char* demangled = abi::__cxa_demangle(type.name(), nullptr, nullptr, &status);
  std::string name = demangled == nullptr ? type.name() : demangled;
  ::free(demangled);
  // What std::throw_with_nested makes of a type X is the library's own affair: people know X.
  absl::string_view plain = name;
  if (absl::ConsumePrefix(&plain, "std::_Nested_exception<") && absl::ConsumeSuffix(&plain, ">")) {
    return std::string(plain);
  }
  return name;
}

void AppendCauses(const std::exception& exception, std::vector<RemoteError::Cause>& causes) {
  try {
    std::rethrow_if_nested(exception);
  } catch (const std::exception& cause) {
    causes.push_back({.type = TypeName(typeid(cause)), .message = cause.what()});
    AppendCauses(cause, causes);
  } catch (...) {
    causes.push_back({.type = "", .message = "an exception that is no std::exception"});
  }
}

// Call it inside a catch block.
RemoteError DescribeException(const std::exception* exception) {
  RemoteError error;
  error.traceback = LastThrowTrace();  // before anything is thrown again
  const std::type_info* type =
      exception != nullptr ? &typeid(*exception) : abi::__cxa_current_exception_type();
  if (type != nullptr) error.type = TypeName(*type);
  error.message = exception != nullptr ? exception->what() : "it is no std::exception";
  if (exception != nullptr) AppendCauses(*exception, error.causes);
  return error;
}

}  // namespace

// The connection with main, from its hello on.
class Worker::Server {
 public:
  Server(Worker& worker, UniqueFd socket) : worker_(worker), socket_(std::move(socket)) {}

  bool connected() const { return socket_.valid(); }
  int Serve();
  SharedMemory memory() { return greeted_ ? SharedMemory(*pool_) : SharedMemory(); }
  bool Log(LogSeverity severity, absl::string_view text);
  ShmPoolStats pool_stats() const { return greeted_ ? pool_->stats() : ShmPoolStats(); }

 private:
  absl::Status Greet();
  absl::Status Refuse(MessagePipe& pipe, absl::string_view why);
  // False: the end.
  absl::StatusOr<bool> Handle(std::unique_ptr<Received> received);
  absl::Status Answer(std::unique_ptr<Received> received);
  absl::Status ReadRequest(const Received& received, absl::string_view& target,
                           std::vector<NamedObject>& arguments) const;
  // Runs the function. Leaves the result, encoded, in `response`, or returns what went wrong.
  std::optional<RemoteError> Run(const Received& received, uint64_t id,
                                 std::optional<ValueMessage>& response);
  absl::Status EncodeResult(const ArgumentRef& result, uint64_t id,
                            std::optional<ValueMessage>& response);
  absl::Status SendError(uint64_t id, const RemoteError& error);

  Worker& worker_;
  UniqueFd socket_;
  std::unique_ptr<ShmPool> pool_;
  std::unique_ptr<Channel> channel_;
  std::atomic<bool> greeted_ = false;  // from here on anything may be sent
};

int Worker::Server::Serve() {
  absl::StatusOr<std::unique_ptr<Guardian>> guardian = Guardian::Start(socket_.get());
  if (!guardian.ok()) return Complain(kBadSetUp, guardian.status().message());
  absl::Status greeted = Greet();
  if (!greeted.ok()) return Complain(kBadSetUp, greeted.message());
  while (true) {
    absl::StatusOr<std::unique_ptr<Received>> received = channel_->Receive(kForever);
    absl::StatusOr<bool> go_on =
        received.ok() ? Handle(*std::move(received)) : absl::StatusOr<bool>(received.status());
    if (absl::IsUnavailable(go_on.status())) return 0;  // main is gone
    if (!go_on.ok()) return Complain(kBadMain, go_on.status().message());
    if (!*go_on) return 0;
  }
}

absl::Status Worker::Server::Greet() {
  auto pipe =
      std::make_unique<RingPipe>(std::make_unique<SocketPipe>(std::move(socket_)), PipeOptions());
  RingPipe& ring_pipe = *pipe;
  absl::StatusOr<IncomingMessage> message =
      pipe->Receive({.deadline = Deadline::After(kHelloTimeout)});
  if (!message.ok()) return message.status();
  absl::StatusOr<HelloInfo> hello = absl::InternalError("not read");
  absl::Status read = CatchKj([&] {
    hello = ReadHello(message->root<schemas::Message>());
    return hello.status();
  });
  if (read.ok()) read = worker_.mistakes_;
  WelcomeInfo welcome;
  std::vector<int> descriptors;
  if (read.ok() && hello->ring) {
    absl::StatusOr<std::vector<int>> joined =
        pipe->Join(std::move(message->descriptors()), hello->spin);
    read = joined.status();
    welcome.ring = joined.ok();
    if (joined.ok()) descriptors = *std::move(joined);
  }
  if (!read.ok()) return Refuse(*pipe, read.message());
  pool_ = std::make_unique<ShmPool>(
      ShmPoolOptions{.prefix = hello->worker_prefix, .peer_prefix = hello->main_prefix},
      MakeSegmentProvider(hello->segments));
  channel_ = std::make_unique<Channel>(std::move(pipe), *pool_, worker_.codecs_);
  for (const Target* target : worker_.targets_.all()) welcome.targets.push_back(target->info());
  absl::Status sent = channel_->Send(
      [&](schemas::Message::Builder root) { WriteWelcome(welcome, root.initWelcome()); }, kForever,
      std::move(descriptors));
  if (sent.ok() && welcome.ring) {
    ring_pipe.Begin();
    ring_pipe.AttachLeaseLogs(*pool_);
  }
  greeted_ = sent.ok();
  return sent;
}

absl::Status Worker::Server::Refuse(MessagePipe& pipe, absl::string_view why) {
  capnp::MallocMessageBuilder builder;
  WelcomeInfo welcome;
  welcome.refusal = std::string(why);
  WriteWelcome(welcome, builder.initRoot<schemas::Message>().initWelcome());
  absl::Status sent = pipe.Send(builder, {}, kForever);
  return absl::FailedPreconditionError(why);
}

absl::StatusOr<bool> Worker::Server::Handle(std::unique_ptr<Received> received) {
  schemas::Message::Which kind = schemas::Message::LEASES;
  uint64_t ping = 0;
  absl::Status read = CatchKj([&] {
    kind = received->root.which();
    if (kind == schemas::Message::PING) ping = received->root.getPing();
    return absl::OkStatus();
  });
  if (!read.ok()) return read;
  absl::Status status;
  switch (kind) {
    case schemas::Message::LEASES:
      return true;
    case schemas::Message::REQUEST:
      status = Answer(std::move(received));
      break;
    case schemas::Message::PING:
      status =
          channel_->Send([&](schemas::Message::Builder root) { root.setPong(ping); }, kForever);
      break;
    case schemas::Message::SHUTDOWN:
      status = channel_->Send([](schemas::Message::Builder root) { root.setGoodbye(); }, kForever);
      if (status.ok()) return false;
      break;
    default:
      status = absl::DataLossError(absl::StrCat(
          "main sent a message of kind ", static_cast<int>(kind), ", which is not its to send"));
  }
  if (!status.ok()) return status;
  return true;
}

// Whatever holds leases on the request's memory is gone before the response is sent: main may use
// it for the next request.
absl::Status Worker::Server::Answer(std::unique_ptr<Received> received) {
  uint64_t id = 0;
  absl::Status read = CatchKj([&] {
    id = received->root.getRequest().getId();
    return absl::OkStatus();
  });
  if (!read.ok()) return read;
  std::optional<ValueMessage> response;
  std::optional<RemoteError> error = Run(*received, id, response);
  if (received->memory.ref_count() > 0) received = nullptr;
  if (!error.has_value()) {
    absl::Status sent = response->Send(kForever);
    if (!absl::IsInvalidArgument(sent) && !absl::IsResourceExhausted(sent)) return sent;
    error = ToRemoteError(sent);  // too large for a message, or no descriptors left to send
  }
  response.reset();
  return SendError(id, *error);
}

absl::Status Worker::Server::ReadRequest(const Received& received, absl::string_view& target,
                                         std::vector<NamedObject>& arguments) const {
  MessageDecoder decoder = channel_->MakeDecoder(received);
  return CatchKj([&] {
    const schemas::Request::Reader request = received.root.getRequest();
    target = {request.getTarget().cStr(), request.getTarget().size()};
    for (const schemas::Request::Argument::Reader argument : request.getArguments()) {
      absl::StatusOr<Object> value = decoder.Decode(argument.getPayload());
      if (!value.ok()) {
        return absl::Status(value.status().code(), absl::StrCat("argument ", arguments.size() + 1,
                                                                ": ", value.status().message()));
      }
      arguments.push_back({.name = argument.getName().cStr(), .value = *std::move(value)});
    }
    return absl::OkStatus();
  });
}

std::optional<RemoteError> Worker::Server::Run(const Received& received, uint64_t id,
                                               std::optional<ValueMessage>& response) {
  absl::string_view name;  // lies in the message
  std::vector<NamedObject> arguments;
  absl::Status read = ReadRequest(received, name, arguments);
  if (!read.ok()) return ToRemoteError(read);
  absl::StatusOr<const Target*> target = worker_.targets_.Find(name);
  if (!target.ok()) return ToRemoteError(target.status());
  absl::StatusOr<std::vector<Object>> bound = (*target)->Bind(std::move(arguments));
  if (!bound.ok()) return ToRemoteError(bound.status());
  ClearThrowTrace();
  try {
    absl::Status status = (*target)->function().call(
        *bound, (*target)->parameter_names(),
        [&](const ArgumentRef& result) { return EncodeResult(result, id, response); });
    if (status.ok()) return std::nullopt;
    return ToRemoteError(status);
  } catch (const abi::__forced_unwind&) {
    throw;  // the thread is being cancelled: not an error of the function's
  } catch (const std::exception& exception) {
    return DescribeException(&exception);
  } catch (...) {
    return DescribeException(nullptr);
  }
}

absl::Status Worker::Server::EncodeResult(const ArgumentRef& result, uint64_t id,
                                          std::optional<ValueMessage>& response) {
  response.emplace(*channel_);
  if (absl::Status begun = response->Begin(kForever); !begun.ok()) return begun;
  schemas::Response::Builder out = response->root().initResponse();
  out.setId(id);
  absl::Status status = result.visit(result.value, [&](AnyRef model) {
    absl::Status encoded = response->Prepare(model);
    if (encoded.ok()) encoded = response->OpenSlab();
    if (encoded.ok()) encoded = response->Encode(model, out.initResult());
    return encoded;
  });
  if (status.ok()) return status;
  return absl::Status(status.code(), absl::StrCat("the result: ", status.message()));
}

absl::Status Worker::Server::SendError(uint64_t id, const RemoteError& error) {
  return channel_->Send(
      [&](schemas::Message::Builder root) {
        schemas::Response::Builder response = root.initResponse();
        response.setId(id);
        WriteError(error, response.initError());
      },
      kForever);
}

bool Worker::Server::Log(LogSeverity severity, absl::string_view text) {
  if (!greeted_) return false;
  return channel_
      ->Send(
          [&](schemas::Message::Builder root) {
            schemas::LogRecord::Builder log = root.initEvent().initLog();
            log.setSeverity(static_cast<uint8_t>(severity));
            log.setText({text.data(), text.size()});
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
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  // The stack at a crash goes to stderr, and so into what main is told. (Sanitizers bring their
  // own.)
  absl::InstallFailureSignalHandler(absl::FailureSignalHandlerOptions());
#endif
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

int Worker::Serve() {
  if (!server_->connected()) {
    return Complain(kBadSetUp,
                    "this program is a worker: it is started by a main program, with "
                    "slabpipe::Session::Start, not by hand");
  }
  return server_->Serve();
}

absl::StatusOr<AnyNdArray> Worker::NewAnyArray(ElementType type, absl::Span<const int64_t> shape,
                                               Order order) {
  return NewSharedArray(memory(), type, shape, order);
}

SharedMemory Worker::memory() { return server_->memory(); }

ShmPoolStats Worker::pool_stats() const { return server_->pool_stats(); }

void Worker::Log(LogSeverity severity, absl::string_view text) {
  if (!server_->Log(severity, text)) Complain(0, text);
}

}  // namespace slabpipe
