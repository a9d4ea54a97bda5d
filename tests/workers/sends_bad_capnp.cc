// A good frame around a message whose pointers lead nowhere.

#include <string>

#include "slabpipe/tests/workers/raw_worker.h"

int main() {
  using namespace slabpipe::tests;
  SendWelcome();
  ReceiveRequest();
  std::string body(64, '\xff');
  body.replace(0, 8, std::string("\0\0\0\0\7\0\0\0", 8));  // one segment of seven words
  SendFrame(body);
  Hang();
}
