// Its first message is an answer: one that does not fit the state.

#include "slabpipe/tests/workers/raw_worker.h"

int main() {
  using namespace slabpipe::tests;
  SendAnswer(1);
  Hang();
}
