// Answers a request once more, before the next one is sent.

#include <cstdint>

#include "slabpipe/tests/workers/raw_worker.h"

int main() {
  using namespace slabpipe::tests;
  SendWelcome();
  const uint64_t id = ReceiveRequest();
  SendAnswer(id);
  SendAnswer(id);
  Hang();
}
