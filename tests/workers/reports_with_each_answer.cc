// Never answers the first request, and says how far that is before each of its other answers.

#include "slabpipe/tests/workers/raw_worker.h"

int main() {
  using namespace slabpipe::tests;
  SendWelcome();
  const uint64_t first = ReceiveRequest();
  SendProgress(first);
  while (true) {
    const uint64_t id = ReceiveRequest();
    SendProgress(first);
    SendAnswer(id);
  }
}
