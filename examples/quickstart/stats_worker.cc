// The worker of the quickstart: an ordinary program that offers a function.

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "slabpipe/codec/ndarray.h"
#include "slabpipe/session/worker.h"

absl::StatusOr<double> Mean(const slabpipe::NdArray<const double>& x) {
  if (x.empty()) return absl::InvalidArgumentError("the mean of no numbers");
  double sum = 0;
  x.ForEach([&](double element) { sum += element; });
  return sum / static_cast<double>(x.size());
}

int main(int argc, char** argv) {
  slabpipe::Worker worker(argc, argv);
  worker.Register("stats.mean", Mean, "Arithmetic mean of x, any shape.", {"x"});
  return worker.Serve();
}
