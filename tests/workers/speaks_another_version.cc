// Welcomes main in a protocol that main does not speak, and goes on: main must not.

#include "slabpipe/tests/workers/raw_worker.h"

int main() {
  using namespace slabpipe::tests;
  SendWelcome({.version = 2});
  Hang();
}
