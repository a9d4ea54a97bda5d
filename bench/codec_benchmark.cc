// What a value costs each codec: Encode/CODEC/CASE and Decode/CODEC/CASE, in this process, without
// a pipe; beside them Floor/..., what the machine takes for the like, and Registry/..., what
// finding a codec takes. bench/README.md says how to read it.

#include <benchmark/benchmark.h>

#include "slabpipe/bench/codec/cases.h"

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  slabpipe::bench::AddFloorCases();
  slabpipe::bench::AddArrayCases();
  slabpipe::bench::AddValueCases();
  slabpipe::bench::AddCompoundCases();
  slabpipe::bench::AddTableCases();
  slabpipe::bench::AddOwnCodecCases();
  slabpipe::bench::AddRegistryCases();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
