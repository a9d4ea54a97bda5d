// A worker whose functions have names for their parameters, and defaults.

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "slabpipe/session/worker.h"

// Stands for a sampler: `draws` numbers, evenly around `location`.
absl::StatusOr<std::vector<double>> Sample(double location, int draws, const std::string& model) {
  if (draws < 0) return absl::InvalidArgumentError("draws is negative");
  if (model != "normal") return absl::NotFoundError("no model '" + model + "'");
  std::vector<double> sample;
  for (int i = 0; i < draws; ++i) sample.push_back(location + i - 0.5 * (draws - 1));
  return sample;
}

double Mean(const std::vector<double>& x) {
  double sum = 0;
  for (const double element : x) sum += element;
  return sum / static_cast<double>(x.size());
}

int main(int argc, char** argv) {
  slabpipe::Worker worker(argc, argv);
  worker.Register("bayes.sample", Sample, "Draws from the posterior.",
                  {"location", {"draws", 4}, {"model", "normal"}});
  worker.Register("stats.mean", Mean, "Arithmetic mean.", {"x"});
  return worker.Serve();
}
