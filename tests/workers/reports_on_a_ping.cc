// Says of a ping, which is the first that main asks for, how far it is, and never answers it.

#include "slabpipe/tests/workers/raw_worker.h"

int main() {
  using namespace slabpipe::tests;
  SendWelcome();
  ReceiveAny();
  SendProgress(1);
  Hang();
}
