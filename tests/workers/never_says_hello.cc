// Reads nothing and says nothing: main must not wait for ever.

#include "slabpipe/tests/workers/raw_worker.h"

int main() {
  using namespace slabpipe::tests;
  Hang();
}
