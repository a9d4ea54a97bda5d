// The case of many arrays: 2,500 of 1,000 doubles, 20 MB, in one call.

#ifndef SLABPIPE_BENCH_HARNESS_MANY_H_
#define SLABPIPE_BENCH_HARNESS_MANY_H_

#include <cstddef>
#include <vector>

#include "absl/types/span.h"
#include "slabpipe/bench/harness/array_work.h"

namespace slabpipe::bench {

inline constexpr size_t kManyArrays = 2500;
inline constexpr size_t kManyElements = 1000;

// Private memory for them: an allocation each, as a program has them.
class ManyArrays {
 public:
  ManyArrays() : arrays_(kManyArrays, PatternArray(kManyElements)) {}

  absl::Span<const double> array(size_t i) const { return arrays_[i]; }
  std::vector<double*> firsts() {
    std::vector<double*> firsts;
    for (std::vector<double>& array : arrays_) firsts.push_back(array.data());
    return firsts;
  }
  void SetTag(double tag) {
    for (std::vector<double>& array : arrays_) array[0] = tag;
  }

 private:
  std::vector<std::vector<double>> arrays_;
};

// What a worker sees of all of them together, if each begins with `tag`.
inline double ExpectedOfMany(double tag, bool touched) {
  return kManyArrays * ExpectedLook(kManyElements, tag, touched);
}

}  // namespace slabpipe::bench

#endif  // SLABPIPE_BENCH_HARNESS_MANY_H_
