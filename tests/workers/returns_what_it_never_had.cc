// Gives back a lease that it never held: main would use the memory too early.

#include "slabpipe/tests/workers/raw_worker.h"

int main() {
  using namespace slabpipe::tests;
  SendWelcome();
  ReceiveRequest();
  SendLeaseReturn(0);
  Hang();
}
