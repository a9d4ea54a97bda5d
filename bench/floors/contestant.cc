// The floors as a program that the driver measures. See harness/request.h and floors.h.

#include "slabpipe/bench/harness/contestant.h"

#include "slabpipe/bench/floors/floors.h"

int main() {
  using namespace slabpipe::bench;
  return RunContestant({
      {"ring", MeasureRing},
      {"ping-pong", MeasurePingPong},
      {"memcpy", MeasureMemcpy},
      {"memcpy-by-two", MeasureMemcpyByTwo},
      {"memcpy-of-many", MeasureMemcpyOfMany},
      {"touch-by-memcpy", MeasureTouchByMemcpy},
      {"touch-by-pwrite", MeasureTouchByPwrite},
      {"touch-by-populate", MeasureTouchByPopulate},
      {"spawn", MeasureSpawn},
      {"kill", MeasureKill},
  });
}
