// The worker: draws from the posterior of the eight schools. Its result lies in shared memory from
// the start: the sampler writes there, and main reads there.

#include <cstdint>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "slabpipe/codec/dataset.h"
#include "slabpipe/codec/ndarray.h"
#include "slabpipe/examples/eight_schools/data.h"
#include "slabpipe/examples/eight_schools/protocol.h"
#include "slabpipe/examples/eight_schools/sampler.h"
#include "slabpipe/session/worker.h"

namespace eight_schools {
namespace {

using slabpipe::AnyNdArray;
using slabpipe::Dataset;
using slabpipe::DatasetGroup;
using slabpipe::DatasetVariable;
using slabpipe::NdArray;

// The arrays that the sampler fills.
struct Draws {
  NdArray<double> mu, tau, theta, lp;
  NdArray<int32_t> n_evaluations;
  NdArray<int64_t> chain, draw;  // coordinates

  DrawBuffers buffers() const {
    return {.mu = mu.span(),
            .tau = tau.span(),
            .theta = theta.span(),
            .lp = lp.span(),
            .n_evaluations = n_evaluations.span()};
  }
};

absl::StatusOr<NdArray<const double>> ObservedVariable(const Dataset& data,
                                                       absl::string_view name) {
  const DatasetVariable* variable = data.Find("observed_data", name);
  if (variable == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("the data has no variable '", name, "' in its group observed_data"));
  }
  return variable->Array<const double>();
}

template <typename T>
absl::Status Reserve(slabpipe::Worker& worker, std::vector<int64_t> shape, NdArray<T>& array) {
  absl::StatusOr<NdArray<T>> reserved = worker.NewArray<T>(shape);
  if (reserved.ok()) array = *std::move(reserved);
  return reserved.status();
}

absl::StatusOr<Draws> ReserveDraws(slabpipe::Worker& worker, int64_t chains, int64_t draws,
                                   int64_t schools) {
  Draws arrays;
  absl::Status status;
  for (NdArray<double>* array : {&arrays.mu, &arrays.tau, &arrays.lp}) {
    status.Update(Reserve(worker, {chains, draws}, *array));
  }
  status.Update(Reserve(worker, {chains, draws, schools}, arrays.theta));
  status.Update(Reserve(worker, {chains, draws}, arrays.n_evaluations));
  status.Update(Reserve(worker, {chains}, arrays.chain));
  status.Update(Reserve(worker, {draws}, arrays.draw));
  if (!status.ok()) return status;
  for (const NdArray<int64_t>* numbers : {&arrays.chain, &arrays.draw}) {
    std::iota(numbers->span().begin(), numbers->span().end(), 0);
  }
  return arrays;
}

// Both groups show the same memory.
absl::Status AddCoordinates(const Draws& draws, DatasetGroup& group) {
  absl::Status status = group.AddCoordinate("chain", draws.chain);
  status.Update(group.AddCoordinate("draw", draws.draw));
  return status;
}

absl::StatusOr<Dataset> ToDataset(const Draws& draws, const Dataset& data,
                                  const SamplerOptions& options) {
  Dataset fit;
  const DatasetGroup& observed = *data.FindGroup("observed_data");

  DatasetGroup& posterior = fit.AddGroup("posterior");
  absl::Status status = AddCoordinates(draws, posterior);
  if (const DatasetVariable* school = observed.FindCoordinate("school")) {
    status.Update(posterior.Add(/*coordinate=*/true, *school));
  }
  status.Update(posterior.AddVariable("mu", {"chain", "draw"}, draws.mu));
  status.Update(posterior.AddVariable("tau", {"chain", "draw"}, draws.tau));
  status.Update(posterior.AddVariable("theta", {"chain", "draw", "school"}, draws.theta));

  DatasetGroup& stats = fit.AddGroup("sample_stats");
  status.Update(AddCoordinates(draws, stats));
  status.Update(stats.AddVariable("lp", {"chain", "draw"}, draws.lp));
  status.Update(stats.AddVariable("n_evaluations", {"chain", "draw"}, draws.n_evaluations));
  stats.attributes().Set("sampler", "slice sampling of log tau, exact draws of the rest");
  stats.attributes().Set("seed", options.seed);

  status.Update(fit.Add(observed));
  if (!status.ok()) return status;
  return fit;
}

absl::StatusOr<Dataset> Fit(slabpipe::Worker& worker, const Dataset& data, int64_t chains,
                            int64_t draws, uint64_t seed, slabpipe::CallContext& context) {
  absl::StatusOr<NdArray<const double>> y = ObservedVariable(data, "y");
  if (!y.ok()) return y.status();
  absl::StatusOr<NdArray<const double>> sigma = ObservedVariable(data, "sigma");
  if (!sigma.ok()) return sigma.status();
  SamplerOptions options = {.chains = chains, .draws = draws, .seed = seed};
  options.progress = [&](int64_t done, int64_t total) {
    context.Report(static_cast<double>(done), static_cast<double>(total), "draws");
    return !context.cancelled();
  };
  absl::StatusOr<Draws> arrays = ReserveDraws(worker, chains, draws, y->size());
  if (!arrays.ok()) return arrays.status();
  absl::Status sampled =
      Sample({.y = y->span(), .sigma = sigma->span()}, options, arrays->buffers());
  if (!sampled.ok()) return sampled;
  const double all = static_cast<double>(chains * draws);
  context.Report(all, all, "draws");
  return ToDataset(*arrays, data, options);
}

}  // namespace
}  // namespace eight_schools

int main(int argc, char** argv) {
  slabpipe::Worker worker(argc, argv);
  worker.Register(
      eight_schools::kFitTarget,
      [&worker](const slabpipe::Dataset& data, int64_t chains, int64_t draws, uint64_t seed,
                slabpipe::CallContext& context) {
        return eight_schools::Fit(worker, data, chains, draws, seed, context);
      },
      "Draws from the posterior of the hierarchical normal model with the data's y and sigma.",
      {"data", "chains", "draws", {"seed", 1}});
  worker.Register(
      eight_schools::kCopiesTarget, [&worker] { return worker.pool_stats().copies; },
      "How many values this worker has copied into shared memory.");
  return worker.Serve();
}
