// Refuses, but does not end: main must end it.

#include "slabpipe/tests/workers/raw_worker.h"

int main() {
  using namespace slabpipe::tests;
  SendWelcome({.refusal = "no licence on this machine"});
  Hang();
}
