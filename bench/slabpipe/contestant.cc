// slabpipe as a contestant: contestant [spins|blocks]. See harness/request.h and cases.h.

#include "slabpipe/bench/harness/contestant.h"

#include <cstring>

#include "slabpipe/bench/slabpipe/cases.h"
#include "slabpipe/bench/slabpipe/sessions.h"

int main(int argc, char** argv) {
  using namespace slabpipe::bench;
  SetWaiting(argc > 1 && std::strcmp(argv[1], "blocks") == 0 ? Waiting::kBlocks : Waiting::kSpins);
  return RunContestant({
      {"small", MeasureSmall},
      {"callers", MeasureCallers},
      {"in-copied", MeasureInCopied},
      {"in-reserved", MeasureInReserved},
      {"echo", MeasureEcho},
      {"out-copied", MeasureOutCopied},
      {"out-reserved", MeasureOutReserved},
      {"many-copied", MeasureManyCopied},
      {"many-reserved", MeasureManyReserved},
      {"many-reserved-each", MeasureManyReservedEach},
      {"start", MeasureStart},
      {"death", MeasureDeath},
      {"first-touch", MeasureFirstTouch},
      {"steady", MeasureSteady},
  });
}
