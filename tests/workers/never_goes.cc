// Answers everything but the request to go.

#include "slabpipe/tests/workers/raw_worker.h"

int main() {
  using namespace slabpipe::tests;
  SendWelcome();
  while (true) SendAnswer(ReceiveRequest());
}
