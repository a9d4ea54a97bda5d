// AddCase: one value as two benchmarks, Encode/NAME and Decode/NAME.
//
//   AddCase("ndarray/1KiB", [](MessageLoop&) { return PrivateArray(128); }, SameElements);
//
// Both go the whole round, and each times its half. What arrives is compared with what was sent
// before anything is timed.

#ifndef SLABPIPE_BENCH_CODEC_CODEC_CASE_H_
#define SLABPIPE_BENCH_CODEC_CODEC_CASE_H_

#include <benchmark/benchmark.h>

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "slabpipe/bench/codec/message_loop.h"
#include "slabpipe/bench/codec/timed_loop.h"
#include "slabpipe/codec/built_in.h"
#include "slabpipe/codec/registry.h"
#include "slabpipe/transport/shm_pool.h"

namespace slabpipe::bench {

// What a pool has done since this was made, for each iteration.
class PoolCounters {
 public:
  explicit PoolCounters(const ShmPool& pool) : pool_(pool), before_(pool.stats()) {}
  void Report(benchmark::State& state) const;
  // Copied into shared memory.
  uint64_t bytes_copied() const { return pool_.stats().bytes_copied - before_.bytes_copied; }

 private:
  const ShmPool& pool_;
  const ShmPoolStats before_;
};

using CodecsFunction = CodecRegistry (*)();

// `make(loop)` makes the value; `same(value, decoded)` tells whether it came over.
template <typename Make, typename Same>
void AddCase(const std::string& name, Make make, Same same, CodecsFunction codecs = &BuiltInCodecs);

// Implementation details only below this line.

enum class Half { kEncode, kDecode };

// Sends the value to and fro until memory is warm.
template <typename T, typename Same>
void WarmUp(const std::string& name, MessageLoop& loop, const T& value, Same same) {
  for (int round = 0; round < 4; ++round) {
    loop.Encode(value);
    loop.Carry();
    if (!same(value, loop.Decode<T>())) {
      CheckOk(absl::InternalError(name + ": another value has come"));
    }
    loop.Answer();
  }
}

template <typename T>
void TimeHalf(benchmark::State& state, Half half, MessageLoop& loop, const T& value) {
  const auto decode = [&] {
    const auto decoded = loop.Decode<T>();
    benchmark::DoNotOptimize(&decoded);
  };
  if (half == Half::kEncode) {
    TimedLoop(
        state, [] {}, [&] { loop.Encode(value); }, [&] { loop.Carry(), decode(), loop.Answer(); });
  } else {
    TimedLoop(
        state, [&] { loop.Encode(value), loop.Carry(); }, decode, [&] { loop.Answer(); });
  }
}

template <typename Make, typename Same>
void AddCase(const std::string& name, Make make, Same same, CodecsFunction codecs) {
  for (const Half half : {Half::kEncode, Half::kDecode}) {
    AddTimed((half == Half::kEncode ? "Encode/" : "Decode/") + name, [=](benchmark::State& state) {
      MessageLoop loop(codecs());
      const auto value = make(loop);
      WarmUp(name, loop, value, same);
      const PoolCounters counters(loop.pool());
      TimeHalf(state, half, loop, value);
      counters.Report(state);
      state.counters["message_bytes"] = static_cast<double>(loop.message_bytes());
      if (half == Half::kEncode && counters.bytes_copied() > 0) {
        state.SetBytesProcessed(static_cast<int64_t>(counters.bytes_copied()));
      }
    });
  }
}

}  // namespace slabpipe::bench

#endif  // SLABPIPE_BENCH_CODEC_CODEC_CASE_H_
