// Half an answer, and then nothing, for ever: only a deadline helps.

#include <string>

#include "slabpipe/tests/workers/raw_worker.h"

int main() {
  using namespace slabpipe::tests;
  SendWelcome();
  ReceiveRequest();
  SendBytes(std::string("SLP1\0\0\0\0\1\0\0\0", 12));  // of a header
  Hang();
}
