// Writes a mebibyte to stderr before its welcome, and after each request: main must read it all
// along.

#include <cstdint>
#include <cstdio>
#include <string>

#include "slabpipe/tests/workers/raw_worker.h"

int main() {
  using namespace slabpipe::tests;
  const std::string line = std::string(1023, 'x') + "\n";
  const auto flood = [&] {
    for (int i = 0; i < 1024; ++i) std::fwrite(line.data(), 1, line.size(), stderr);
  };
  flood();
  SendWelcome();
  while (true) {
    const uint64_t id = ReceiveRequest();
    flood();
    SendAnswer(id);
  }
}
