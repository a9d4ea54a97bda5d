// Says goodbye when it is asked to go, and does not go.

#include <cstdio>

#include "slabpipe/tests/workers/raw_worker.h"

int main() {
  using namespace slabpipe::tests;
  SendWelcome();
  while (true) {
    const Arrived arrived = ReceiveAny();
    if (arrived.kind == Kind::kRequest) SendAnswer(arrived.id);
    if (arrived.kind != Kind::kShutdown) continue;
    SendGoodbye();
    std::puts("it has said goodbye");
    std::fflush(stdout);
    Hang();
  }
}
