// Calls main, which is not its to do.

#include "slabpipe/tests/workers/raw_worker.h"

int main() {
  using namespace slabpipe::tests;
  SendWelcome();
  ReceiveRequest();
  SendRequest();
  Hang();
}
