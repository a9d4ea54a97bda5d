// Logs without end, and never answers: there is always something for main to read.

#include <string>

#include "slabpipe/tests/workers/raw_worker.h"

int main() {
  using namespace slabpipe::tests;
  SendWelcome();
  ReceiveRequest();
  const std::string body = LogBody("still at it");
  while (true) SendFrames(body, 500);
}
