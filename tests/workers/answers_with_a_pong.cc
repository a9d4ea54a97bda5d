// Answers a request with the pong of a ping of that number: another kind of answer than was
// asked for.

#include "slabpipe/tests/workers/raw_worker.h"

int main() {
  using namespace slabpipe::tests;
  SendWelcome();
  SendPong(ReceiveRequest());
  Hang();
}
