// Is struck by a fault (strike.h) at one point of a session:
//
//   before hello   it has read and said nothing
//   mid-request    half of a request is read. The request must go by the socket
//   mid-run        the request is read
//   mid-response   half of the answer is out
//   mid-stream     two of many results are out
//   mid-shutdown   it has been asked to go
//
// But only if it can remove the file ONCE: so it strikes the first worker of a session alone. All
// others become the program OTHER. When it is struck, ONCE.at holds the time (CLOCK_MONOTONIC, us),
// and there is a child of its own, which would run for ever.
//
// usage: faulty PHASE FAULT ring|socket ONCE OTHER

#include <sys/syscall.h>
#include <unistd.h>

#include <fstream>
#include <optional>
#include <string>

#include "slabpipe/tests/testing/clock.h"
#include "slabpipe/tests/workers/raw_ring.h"
#include "slabpipe/tests/workers/raw_worker.h"
#include "slabpipe/tests/workers/strike.h"

namespace slabpipe::tests {
namespace {

std::string fault, time_file;
std::optional<RawRing> ring;

void SendGarbage() {
  if (ring.has_value()) {
    ring->PutWord(9, 0, 0);
    ring->RingBell();
  } else {
    SendBytes(std::string(1000, '?'));
  }
}

[[noreturn]] void Struck() {
  std::ofstream(time_file) << NowUs();
  Strike(fault, SendGarbage);
  Hang();
}

void StartChild() {
  if (::fork() != 0) return;
  ::syscall(SYS_close_range, 0u, ~0u, 0u);
  Hang();
}

void Greet(bool by_ring) {
  if (by_ring) {
    ring.emplace(JoinRing());
  } else {
    SendWelcome();
  }
}

void AwaitHalfARequest() {
  if (ring.has_value()) ring->AwaitSocket();
  ReceiveHalf();
}

void AwaitShutdown() {
  while ((ring.has_value() ? ring->ReceiveAny() : ReceiveAny()).kind != Kind::kShutdown) {
  }
}

void SendHalfAnAnswer(uint64_t id) {
  const std::string body = AnswerBody(id);
  if (ring.has_value()) {
    ring->PutBody(body.substr(0, body.size() / 16 * 8));
  } else {
    SendHalf(body);
  }
}

void SendTwoItems(uint64_t id) {
  for (const bool is_first : {true, false}) {
    const std::string body = ItemBody(id, is_first);
    if (ring.has_value()) {
      ring->Send(body);
    } else {
      SendFrame(body);
    }
  }
}

[[noreturn]] void Run(const std::string& phase, bool by_ring) {
  StartChild();
  if (phase == "before hello") Struck();
  Greet(by_ring);
  if (phase == "mid-shutdown") AwaitShutdown(), Struck();
  if (phase == "mid-request") AwaitHalfARequest(), Struck();
  const uint64_t id = ring.has_value() ? ring->ReceiveRequest() : ReceiveRequest();
  if (phase == "mid-response") SendHalfAnAnswer(id);
  if (phase == "mid-stream") SendTwoItems(id);
  Struck();
}

}  // namespace
}  // namespace slabpipe::tests

int main(int argc, char** argv) {
  using namespace slabpipe::tests;
  if (argc != 6) return 2;
  const std::string once = argv[4];
  if (::unlink(once.c_str()) != 0) {
    ::execl(argv[5], argv[5], nullptr);
    return 2;
  }
  PrepareToBeStruck();
  fault = argv[2];
  time_file = once + ".at";
  Run(argv[1], std::string(argv[3]) == "ring");
}
