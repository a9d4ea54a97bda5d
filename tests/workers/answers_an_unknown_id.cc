// Answers a request that nobody has made.

#include "slabpipe/tests/workers/raw_worker.h"

int main() {
  using namespace slabpipe::tests;
  SendWelcome();
  SendAnswer(ReceiveRequest() + 1000);
  Hang();
}
