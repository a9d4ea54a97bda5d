// NowUs: one clock for all processes of a test.

#ifndef SLABPIPE_TESTS_TESTING_CLOCK_H_
#define SLABPIPE_TESTS_TESTING_CLOCK_H_

#include <time.h>

#include <cstdint>

namespace slabpipe::tests {

// CLOCK_MONOTONIC, in microseconds.
inline int64_t NowUs() {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000;
}

}  // namespace slabpipe::tests

#endif  // SLABPIPE_TESTS_TESTING_CLOCK_H_
