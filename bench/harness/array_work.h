// What is in the arrays of the benchmarks, and how either side makes sure that it is.
//
//   std::vector<double> x = PatternArray(n);
//   x[0] = Tag(i);                                    // another value for each call
//   Look(x, touched) == ExpectedLook(n, Tag(i), touched)
//
// All values are small whole numbers, so that sums are exact whatever the order. An array that
// arrived late, twice, torn, or not at all gives another sum; one that was not looked at, none.

#ifndef SLABPIPE_BENCH_HARNESS_ARRAY_WORK_H_
#define SLABPIPE_BENCH_HARNESS_ARRAY_WORK_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"

namespace slabpipe::bench {

// The first element of the i-th array: not the tag of those before it.
inline double Tag(int64_t i) { return static_cast<double>(1000 + i % 100000); }

// Element i is i % 8, but for the first, which is 0 until it gets a tag.
void FillPattern(absl::Span<double> x);
std::vector<double> PatternArray(size_t elements);

// Reads every element.
double Sum(absl::Span<const double> x);
// The sum of FillPattern's elements and `tag` in the first place.
double PatternSum(size_t elements, double tag);

// What a side that was sent an array tells about it. Touched: the sum of all elements; otherwise
// the first one, which takes one cache line whatever the size. 0 if it is empty.
inline double Look(absl::Span<const double> x, bool touched) {
  if (x.empty()) return 0;
  return touched ? Sum(x) : x[0];
}
inline double ExpectedLook(size_t elements, double tag, bool touched) {
  return touched ? PatternSum(elements, tag) : tag;
}

// INTERNAL if they differ: the benchmark did not do its work.
absl::Status CheckLook(double seen, double expected);

// The small call's 64 bytes: a number, and filling.
struct Small {
  uint64_t number;
  char filling[56];
};
static_assert(sizeof(Small) == 64);

// What the worker answers to a small call. Both sides check all of the filling.
inline Small SmallRequest(uint64_t number) {
  Small small;
  small.number = number;
  std::memset(small.filling, static_cast<int>(number & 0x7f), sizeof(small.filling));
  return small;
}
inline bool IsWhole(const Small& small) {
  const Small whole = SmallRequest(small.number);
  return std::memcmp(&small, &whole, sizeof(whole)) == 0;
}
// A message that is not whole gets the number 0.
inline Small SmallAnswer(const Small& request) {
  return SmallRequest(IsWhole(request) ? request.number + 1 : 0);
}
absl::Status CheckAnswer(const Small& answer, uint64_t number);

}  // namespace slabpipe::bench

#endif  // SLABPIPE_BENCH_HARNESS_ARRAY_WORK_H_
