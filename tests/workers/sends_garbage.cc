// Keeps the protocol until its first request, and answers that with what is no frame.

#include "slabpipe/tests/workers/raw_worker.h"

int main() {
  using namespace slabpipe::tests;
  SendWelcome();
  ReceiveRequest();
  SendBytes("Segmentation fault is not what I had in mind.\n");
  Hang();
}
