#include "slabpipe/bench/harness/samples.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace slabpipe::bench {
namespace {

constexpr std::pair<const char*, double> kNamed[] = {
    {"min", 0},    {"p10", 0.10}, {"p25", 0.25},    {"p50", 0.50}, {"p75", 0.75},
    {"p90", 0.90}, {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1},
};
constexpr double kCurve[] = {0,   0.01, 0.05, 0.1,  0.2,   0.3,   0.4,   0.5,    0.6,    0.7, 0.8,
                             0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999, 1};

int64_t QuantileOfSorted(const std::vector<int64_t>& sorted, double fraction) {
  if (sorted.empty()) return 0;
  const auto rank = static_cast<size_t>(std::ceil(fraction * static_cast<double>(sorted.size())));
  return sorted[std::clamp<size_t>(rank, 1, sorted.size()) - 1];
}

std::string Microseconds(int64_t ns) {
  return absl::StrFormat("%.3f", static_cast<double>(ns) / 1000);
}

}  // namespace

Samples::Samples(size_t count) {
  ns_.resize(count, 1);
  ns_.clear();
}

void Samples::Append(const Samples& other) {
  ns_.insert(ns_.end(), other.ns_.begin(), other.ns_.end());
}

int64_t Samples::Quantile(double fraction) const {
  std::vector<int64_t> sorted = ns_;
  std::sort(sorted.begin(), sorted.end());
  return QuantileOfSorted(sorted, fraction);
}

std::string Samples::ToJson() const {
  std::vector<int64_t> sorted = ns_;
  std::sort(sorted.begin(), sorted.end());
  std::string json = absl::StrCat("{\"count\": ", sorted.size());
  for (const auto& [name, fraction] : kNamed) {
    absl::StrAppend(&json, ", \"", name, "\": ", Microseconds(QuantileOfSorted(sorted, fraction)));
  }
  absl::StrAppend(&json, ", \"curve\": [");
  const char* separator = "";
  for (const double fraction : kCurve) {
    absl::StrAppend(&json, separator, "[", fraction, ", ",
                    Microseconds(QuantileOfSorted(sorted, fraction)), "]");
    separator = ", ";
  }
  absl::StrAppend(&json, "]}");
  return json;
}

}  // namespace slabpipe::bench
