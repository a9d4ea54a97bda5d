// What it says first is no frame at all: a program that prints to the wrong descriptor.

#include "slabpipe/tests/workers/raw_worker.h"

int main() {
  using namespace slabpipe::tests;
  SendBytes("Hello, world! This is a program that knows nothing of slabpipe.\n");
  Hang();
}
