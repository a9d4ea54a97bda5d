// Samples: how long each of many equal things took.
//
//   Samples samples;
//   samples.Add(NowNs() - begin);
//   std::string json = samples.ToJson();
//
// Every sample is kept: a maximum that was lost would be the one that mattered.

#ifndef SLABPIPE_BENCH_HARNESS_SAMPLES_H_
#define SLABPIPE_BENCH_HARNESS_SAMPLES_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace slabpipe::bench {

// Thread-compatible.
class Samples {
 public:
  Samples() = default;
  // Room for `count` samples, written to: adding them touches no new page.
  explicit Samples(size_t count);

  void Add(int64_t ns) { ns_.push_back(ns); }
  void Append(const Samples& other);
  size_t count() const { return ns_.size(); }

  // The smallest sample that at least `fraction` of all do not exceed; 0 if there are none.
  int64_t Quantile(double fraction) const;

  // {"count": 3, "min": 1.0, "p10": ..., "max": 3.0, "curve": [[0.5, 2.0], ...]}, in microseconds.
  // `curve` is for drawing the distribution.
  std::string ToJson() const;

 private:
  std::vector<int64_t> ns_;
};

}  // namespace slabpipe::bench

#endif  // SLABPIPE_BENCH_HARNESS_SAMPLES_H_
