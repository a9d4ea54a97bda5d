// A main program that is struck by a fault (strike.h) at one point of a session. It speaks the
// protocol by hand (raw_worker.h), so that the point is exact; its worker is a real one.
//
//   before hello   the worker is started, and nothing has been said
//   mid-request    half of a request is sent
//   mid-run        the worker runs a function
//   mid-response   half of an answer is read
//   mid-stream     two of many results have come, and the worker may send no more yet
//   mid-shutdown   the worker has been asked to go, and still runs a function
//
// Prints the worker's pid, and "struck" with the time (CLOCK_MONOTONIC, us) right before the fault.
// "hang" hangs until a byte comes from stdin, SIGSTOP until it is continued: then it goes on, and
// prints "fine" when all that it asked for has come. After garbage, and after a shutdown, it prints
// how its worker ended. With closed descriptors it hangs.
//
// usage: faulty_main PHASE FAULT WORKER FIFO

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "slabpipe/schemas/codecs.capnp.h"
#include "slabpipe/schemas/session.capnp.h"
#include "slabpipe/session/child_process.h"
#include "slabpipe/session/worker_end.h"
#include "slabpipe/tests/testing/clock.h"
#include "slabpipe/tests/workers/raw_worker.h"
#include "slabpipe/tests/workers/strike.h"

namespace slabpipe::tests {
namespace {

// More than a socket holds.
constexpr size_t kLargeBytes = 4 << 20;

std::string phase, fault;
std::optional<ChildProcess> worker_process;

void Print(const std::string& line) {
  std::puts(line.c_str());
  std::fflush(stdout);
}

std::string ToBody(capnp::MessageBuilder& message) {
  const kj::Array<capnp::word> words = capnp::messageToFlatArray(message);
  return std::string(words.asChars().begin(), words.asChars().size());
}

std::string HelloBody() {
  capnp::MallocMessageBuilder message;
  auto hello = message.initRoot<schemas::Message>().initHello();
  hello.setProtocolVersion(1);
  hello.setLibrary("raw main 1.0");
  hello.setMainPrefix("m.");
  hello.setWorkerPrefix("w1.");
  return ToBody(message);
}

// With one text for an argument, unless it is empty. `credit`: of a stream.
std::string RequestBody(uint64_t id, const std::string& target, const std::string& text,
                        uint32_t credit = 0) {
  capnp::MallocMessageBuilder message;
  auto root = message.initRoot<schemas::Message>();
  if (id == 1) root.initCodecs(1).set(0, "value");
  auto request = root.initRequest();
  request.setId(id);
  request.setTarget(target.c_str());
  request.setCredit(credit);
  if (text.empty()) return ToBody(message);
  auto payload = request.initArguments(1)[0].initPayload();
  payload.getMetadata().initAs<schemas::Value>().setText(text.c_str());
  return ToBody(message);
}

std::string CreditBody(uint64_t id, uint32_t items) {
  capnp::MallocMessageBuilder message;
  auto credit = message.initRoot<schemas::Message>().initCredit();
  credit.setId(id);
  credit.setItems(items);
  return ToBody(message);
}

std::string ShutdownBody() {
  capnp::MallocMessageBuilder message;
  message.initRoot<schemas::Message>().setShutdown();
  return ToBody(message);
}

void AwaitAnswer() {
  while (ReceiveAny().kind != Kind::kAnswer) {
  }
}

void StartWorker(const std::string& worker) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) ::_exit(1);
  absl::StatusOr<ChildProcess> process = ChildProcess::Spawn(
      {.path = worker, .environment = {{"SLABPIPE_FD", "3"}}, .descriptors = {{ends[1], 3}}});
  if (!process.ok()) ::_exit(1);
  worker_process.emplace(*std::move(process));
  ::close(ends[1]);
  ::setenv("SLABPIPE_FD", absl::StrCat(ends[0]).c_str(), 1);
  Print(absl::StrCat(worker_process->pid()));
}

// True if the session goes on. Garbage fills up a message of which `missing` bytes are not sent
// yet.
bool Struck(size_t missing = 0) {
  Print(absl::StrCat("struck ", NowUs()));
  Strike(fault, [&] { SendBytes(std::string(missing + 1000, '?')); });
  char byte;
  if (fault == "hang") return ::read(STDIN_FILENO, &byte, 1) == 1;
  if (fault == "closed descriptors") Hang();
  return fault == "SIGSTOP";
}

// The worker runs a function, which ends when the FIFO is closed, or, if main is gone by then,
// never.
int BeginRun(const std::string& fifo) {
  const bool dies =
      fault == "SIGKILL" || fault == "SIGSEGV" || fault == "exit" || fault == "closed descriptors";
  SendFrame(RequestBody(2, dies ? "time.hang_after" : "time.wait_for", fifo));
  return ::open(fifo.c_str(), O_WRONLY | O_CLOEXEC);
}

void PrintEndOfWorker() { Print(DescribeEnd(*worker_process->Wait(Deadline::Never()))); }

// Whatever comes until the worker closes the connection, then its end.
[[noreturn]] void AwaitEndOfWorker() {
  static char buffer[1 << 16];
  while (::read(MainSocket(), buffer, sizeof(buffer)) > 0) {
  }
  PrintEndOfWorker();
  Hang();
}

// Each is struck in the middle, and returns when all is as it should be.

void BeforeHello() {
  if (!Struck()) AwaitEndOfWorker();
  SendFrame(HelloBody());
  ReceiveAny();
  SendFrame(RequestBody(1, "arguments.none", ""));
  AwaitAnswer();
}

void MidRequest() {
  const std::string rest = SendHalf(RequestBody(2, "echo.text", std::string(kLargeBytes, 'x')));
  if (!Struck(rest.size())) AwaitEndOfWorker();
  SendBytes(rest);
  AwaitAnswer();
}

void MidRun(const std::string& fifo) {
  const int writer = BeginRun(fifo);
  const bool goes_on = Struck();
  ::close(writer);
  if (!goes_on) AwaitEndOfWorker();
  AwaitAnswer();
}

void MidResponse() {
  SendFrame(RequestBody(2, "echo.text", std::string(kLargeBytes, 'x')));
  ReceiveHalf();
  if (!Struck()) AwaitEndOfWorker();
  ReceiveRest();
}

void MidStream() {
  SendFrame(RequestBody(2, "stream.ten", "", 2));
  while (ReceiveAny().kind != Kind::kItem) {
  }
  ReceiveAny();
  if (!Struck()) AwaitEndOfWorker();
  SendFrame(CreditBody(2, 8));
  AwaitAnswer();
}

void MidShutdown(const std::string& fifo) {
  const int writer = BeginRun(fifo);
  SendFrame(ShutdownBody());
  const bool goes_on = Struck();
  ::close(writer);
  if (!goes_on) AwaitEndOfWorker();
  AwaitAnswer();
  ReceiveAny();  // its goodbye
  PrintEndOfWorker();
}

void Run(const std::string& fifo) {
  if (phase == "before hello") return BeforeHello();
  SendFrame(HelloBody());
  ReceiveAny();
  SendFrame(RequestBody(1, "process.grandchild", ""));
  AwaitAnswer();
  if (phase == "mid-request") return MidRequest();
  if (phase == "mid-run") return MidRun(fifo);
  if (phase == "mid-response") return MidResponse();
  if (phase == "mid-stream") return MidStream();
  return MidShutdown(fifo);
}

}  // namespace
}  // namespace slabpipe::tests

int main(int argc, char** argv) {
  using namespace slabpipe::tests;
  if (argc != 5) return 2;
  PrepareToBeStruck();
  phase = argv[1];
  fault = argv[2];
  StartWorker(argv[3]);
  Run(argv[4]);
  Print("fine");
  Hang();
}
