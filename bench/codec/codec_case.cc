#include "slabpipe/bench/codec/codec_case.h"

#include <cstdint>

namespace slabpipe::bench {

void PoolCounters::Report(benchmark::State& state) const {
  const ShmPoolStats after = pool_.stats();
  const auto report = [&](const char* name, uint64_t more) {
    state.counters[name] =
        benchmark::Counter(static_cast<double>(more), benchmark::Counter::kAvgIterations);
  };
  report("bytes_copied", after.bytes_copied - before_.bytes_copied);
  report("copies", after.copies - before_.copies);
  report("slabs", after.slabs_opened - before_.slabs_opened);
  report("new_segments", after.own.segments_created - before_.own.segments_created);
}

}  // namespace slabpipe::bench
