// Says goodbye though nobody has asked it to go.

#include "slabpipe/tests/workers/raw_worker.h"

int main() {
  using namespace slabpipe::tests;
  SendWelcome();
  ReceiveRequest();
  SendGoodbye();
  Hang();
}
