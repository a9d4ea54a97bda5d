// Is of a build that knows none of main's kinds of segments.

#include "slabpipe/tests/workers/raw_worker.h"

int main() {
  using namespace slabpipe::tests;
  SendWelcome({.features = {"carrier-pigeons"}});
  Hang();
}
