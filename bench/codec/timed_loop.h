// TimedLoop: part of a loop timed, iteration by iteration.
//
//   AddTimed("Encode/ndarray/1KiB", [](benchmark::State& state) {
//     TimedLoop(state, [] {}, encode, [&] { carry(), decode(); });
//   });

#ifndef SLABPIPE_BENCH_CODEC_TIMED_LOOP_H_
#define SLABPIPE_BENCH_CODEC_TIMED_LOOP_H_

#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "slabpipe/bench/codec/allocations.h"

namespace slabpipe::bench {

// Times `timed` alone, between two looks at the clock, which count (Floor/clock shows what that
// is), and counts its allocations.
template <typename Before, typename Timed, typename After>
void TimedLoop(benchmark::State& state, Before before, Timed timed, After after) {
  using Clock = std::chrono::steady_clock;
  uint64_t allocations = 0;
  for (auto _ : state) {
    before();
    const uint64_t allocated = Allocations();
    const auto begin = Clock::now();
    timed();
    const std::chrono::duration<double> taken = Clock::now() - begin;
    allocations += Allocations() - allocated;
    state.SetIterationTime(taken.count());
    after();
  }
  state.counters["allocations"] =
      benchmark::Counter(static_cast<double>(allocations), benchmark::Counter::kAvgIterations);
}

// Nothing before it or after it.
template <typename Timed>
void TimedLoop(benchmark::State& state, Timed timed) {
  TimedLoop(
      state, [] {}, timed, [] {});
}

// Registers a benchmark that is timed by TimedLoop.
inline void AddTimed(const std::string& name, std::function<void(benchmark::State&)> run) {
  benchmark::RegisterBenchmark(name.c_str(), std::move(run))->UseManualTime();
}

}  // namespace slabpipe::bench

#endif  // SLABPIPE_BENCH_CODEC_TIMED_LOOP_H_
