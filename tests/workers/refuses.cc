// Won't work with this main, says why, and ends, as session.capnp wants it.

#include "slabpipe/tests/workers/raw_worker.h"

int main() {
  using namespace slabpipe::tests;
  SendWelcome({.refusal = "no licence on this machine"});
  return 0;
}
