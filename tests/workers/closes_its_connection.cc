// Closes the connection in the middle of a call and goes on running: it must not be left
// behind.

#include <unistd.h>

#include "slabpipe/tests/workers/raw_worker.h"

int main() {
  using namespace slabpipe::tests;
  SendWelcome();
  ReceiveRequest();
  ::close(MainSocket());
  Hang();
}
