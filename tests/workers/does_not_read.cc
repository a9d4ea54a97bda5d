// Welcomes main and then reads nothing any more: what main sends piles up.

#include "slabpipe/tests/workers/raw_worker.h"

int main() {
  using namespace slabpipe::tests;
  SendWelcome();
  Hang();
}
