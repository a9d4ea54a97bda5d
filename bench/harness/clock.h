// What time it is, for stop-watches.
//
//   const int64_t begin = NowNs();
//   ...
//   samples.Add(NowNs() - begin);

#ifndef SLABPIPE_BENCH_HARNESS_CLOCK_H_
#define SLABPIPE_BENCH_HARNESS_CLOCK_H_

#include <time.h>

#include <cstdint>

namespace slabpipe::bench {

inline constexpr int64_t kNsPerSecond = 1'000'000'000;
inline constexpr int64_t kNsPerMs = 1'000'000;

// Nanoseconds on the monotonic clock: the same for all processes. About 20 ns a look, no system
// call.
inline int64_t NowNs() {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * kNsPerSecond + now.tv_nsec;
}

// Sleeps, so that both processes of a benchmark are asleep for certain.
inline void SleepNs(int64_t ns) {
  timespec left = {.tv_sec = ns / kNsPerSecond, .tv_nsec = ns % kNsPerSecond};
  while (::nanosleep(&left, &left) != 0) {
  }
}

}  // namespace slabpipe::bench

#endif  // SLABPIPE_BENCH_HARNESS_CLOCK_H_
