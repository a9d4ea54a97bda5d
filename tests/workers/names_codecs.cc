// Names so many codecs in its first answer as its first argument says, each with so many bytes as
// its second one says, and one more in each answer after that.

#include <cstdlib>
#include <string>

#include "slabpipe/tests/workers/raw_worker.h"

int main(int argc, char** argv) {
  using namespace slabpipe::tests;
  const size_t count = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 1;
  const size_t bytes = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 1;
  Names codecs = {"value"};
  while (codecs.size() < count) codecs.emplace_back(bytes, 'x');
  SendWelcome();
  while (true) {
    SendAnswer(ReceiveRequest(), codecs);
    codecs = {std::string(bytes, 'x')};
  }
}
