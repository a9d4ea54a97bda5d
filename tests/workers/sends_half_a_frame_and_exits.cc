// Ends in the middle of its answer.

#include <string>

#include "slabpipe/tests/workers/raw_worker.h"

int main() {
  using namespace slabpipe::tests;
  SendWelcome();
  ReceiveRequest();
  SendBytes(std::string("SLP1\0\0\0\0\1\0\0\0", 12));  // of a header
  return 6;
}
