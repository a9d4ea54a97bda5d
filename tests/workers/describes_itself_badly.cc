// Offers a target whose name would clear the terminal that it is printed on.

#include "slabpipe/tests/workers/raw_worker.h"

int main() {
  using namespace slabpipe::tests;
  SendWelcome({.target_names = {"stats.\x1b[2Jmean"}});
  Hang();
}
