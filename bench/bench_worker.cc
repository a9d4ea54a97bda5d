// The worker of the benchmarks: functions that cost nothing themselves.

#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "slabpipe/codec/ndarray.h"
#include "slabpipe/session/worker.h"

namespace {

using slabpipe::NdArray;

// One element of each page, so that all of it has been mapped and is in reach.
double TouchPages(const NdArray<const double>& x) {
  constexpr size_t kDoublesPerPage = 4096 / sizeof(double);
  double sum = 0;
  const auto elements = x.span();
  for (size_t i = 0; i < elements.size(); i += kDoublesPerPage) sum += elements[i];
  return sum;
}

// `bytes` of doubles in private memory, as a function that knows nothing of slabpipe would make
// them. Kept between calls, so that what is timed is the way and not the making.
const std::vector<double>& PrivateArray(int64_t bytes) {
  static std::vector<double>* const kept = new std::vector<double>();
  kept->resize(static_cast<size_t>(bytes) / sizeof(double), 1.0);
  return *kept;
}

}  // namespace

int main(int argc, char** argv) {
  slabpipe::Worker worker(argc, argv);
  worker.Register("bench.add_one", [](int64_t x) { return x + 1; });
  worker.Register("bench.take", [](const NdArray<const double>& x) { return x.size(); });
  worker.Register("bench.touch", TouchPages);
  worker.Register("bench.take_many", [](const std::vector<NdArray<const double>>& arrays) {
    return static_cast<int64_t>(arrays.size());
  });
  worker.Register("bench.give_copied",
                  [](int64_t bytes) { return NdArray<const double>::Borrow(PrivateArray(bytes)); });
  worker.Register("bench.give_reserved", [&worker](int64_t bytes) {
    return worker.NewArray<double>({bytes / static_cast<int64_t>(sizeof(double))});
  });
  return worker.Serve();
}
