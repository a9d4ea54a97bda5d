#include "examples/eight_schools/report.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace eight_schools {
namespace {

using slabpipe::Dataset;
using slabpipe::DatasetGroup;
using slabpipe::DatasetVariable;
using slabpipe::NdArray;

// A variable along chain and draw, wherever in memory its draws lie.
absl::StatusOr<Diagnostics> DiagnoseVariable(const Dataset& fit, absl::string_view name) {
  const DatasetVariable* variable = fit.Find("posterior", name);
  if (variable == nullptr || variable->dimensions != slabpipe::Dimensions{"chain", "draw"}) {
    return absl::InvalidArgumentError(
        absl::StrCat("the fit has no '", name, "' along chain and draw"));
  }
  absl::StatusOr<NdArray<const double>> draws = variable->Array<const double>();
  if (!draws.ok()) return draws.status();
  if (draws->empty()) return absl::InvalidArgumentError("the fit has no draws");
  const int64_t chain_stride = draws->strides()[0], draw_stride = draws->strides()[1];
  if (draw_stride <= 0 || chain_stride != draw_stride * draws->shape()[1]) {
    return absl::InvalidArgumentError(
        absl::StrCat("the draws of '", name, "' are not evenly spaced in memory"));
  }
  const int64_t stride = draw_stride / static_cast<int64_t>(sizeof(double));
  const auto reach = static_cast<size_t>((draws->size() - 1) * stride + 1);
  return Diagnose({.values = {draws->data(), reach},
                   .chains = draws->shape()[0],
                   .draws = draws->shape()[1],
                   .stride = stride});
}

absl::Status AddRow(const Dataset& fit, absl::string_view variable, std::string label,
                    absl::string_view reference_name, std::vector<ParameterRow>& rows) {
  const ReferenceSummary* reference = FindReference(reference_name);
  absl::StatusOr<Diagnostics> diagnostics = DiagnoseVariable(fit, variable);
  if (!diagnostics.ok()) return diagnostics.status();
  rows.push_back({.label = std::move(label), .reference = *reference, .diagnostics = *diagnostics});
  return absl::OkStatus();
}

// What the arrays of a dataset take up, and in how many segments they lie.
struct Census {
  int arrays = 0;
  int in_shared_memory = 0;
  size_t bytes = 0;
  std::set<std::string> segments;
};

void Count(const DatasetVariable& variable, Census& census) {
  const slabpipe::AnyNdArray* array = variable.array();
  if (array == nullptr) return;
  ++census.arrays;
  census.bytes += array->size_bytes();
  if (!array->in_shared_memory()) return;
  ++census.in_shared_memory;
  census.segments.insert(array->buffer().block()->lease()->segment().name());
}

Census TakeCensus(const Dataset& fit) {
  Census census;
  for (const DatasetGroup& group : fit.groups()) {
    for (const DatasetVariable& variable : group.coordinates()) Count(variable, census);
    for (const DatasetVariable& variable : group.variables()) Count(variable, census);
  }
  return census;
}

}  // namespace

double ParameterRow::DistanceInMcse() const {
  return std::abs(diagnostics.mean - reference.mean) /
         std::hypot(diagnostics.mcse_mean, reference.McseMean());
}

absl::StatusOr<std::vector<ParameterRow>> Summarise(const Dataset& fit) {
  std::vector<ParameterRow> rows;
  absl::Status status = AddRow(fit, "mu", "mu", "mu", rows);
  status.Update(AddRow(fit, "tau", "tau", "tau", rows));
  for (size_t j = 0; status.ok() && j < kSchoolNames.size(); ++j) {
    absl::StatusOr<Dataset> school = fit.Select("school", kSchoolNames[j]);
    if (!school.ok()) return school.status();
    status = AddRow(*school, "theta", absl::StrCat("theta[", kSchoolNames[j], "]"),
                    absl::StrCat("theta[", j + 1, "]"), rows);
  }
  if (!status.ok()) return status;
  return rows;
}

bool AllWithin(const std::vector<ParameterRow>& rows) {
  // SUBTLE: a NaN is not within.
  return std::all_of(rows.begin(), rows.end(),
                     [](const ParameterRow& row) { return row.DistanceInMcse() <= kMostDistance; });
}

std::string PosteriorTable(const std::vector<ParameterRow>& rows) {
  std::string text = absl::StrFormat("%-23s %8s %7s %8s %8s %6s %9s %9s | %9s %7s %8s %8s | %s\n",
                                     "", "mean", "sd", "5%", "95%", "R-hat", "ESS bulk", "ESS tail",
                                     "reference", "sd", "5%", "95%", "apart, in MCSE");
  for (const ParameterRow& row : rows) {
    const Diagnostics& d = row.diagnostics;
    const ReferenceSummary& r = row.reference;
    absl::StrAppend(
        &text,
        absl::StrFormat(
            "%-23s %8.3f %7.3f %8.3f %8.3f %6.3f %9.0f %9.0f | %9.3f %7.3f %8.3f %8.3f | %.2f\n",
            row.label, d.mean, d.sd, d.q05, d.q95, d.rhat, d.ess_bulk, d.ess_tail, r.mean, r.sd,
            r.q05, r.q95, row.DistanceInMcse()));
  }
  return text;
}

std::string TrafficReport(const Dataset& fit, const slabpipe::SessionStats& before,
                          const slabpipe::SessionStats& after, uint64_t worker_copies,
                          absl::Duration call_time) {
  const Census census = TakeCensus(fit);
  const slabpipe::ShmPoolStats& now = after.pool;
  const slabpipe::ShmPoolStats& then = before.pool;
  return absl::StrFormat(
      "to the worker    %d values, %d bytes; %d copies, into %d slab(s)\n"
      "from the worker  %d arrays, %.1f MB, %d of them read where they were written, in %d "
      "segments; %d copies\n"
      "the call         %s, sampling included\n",
      now.copies - then.copies, now.bytes_copied - then.bytes_copied, now.copies - then.copies,
      now.slabs_opened - then.slabs_opened, census.arrays, static_cast<double>(census.bytes) / 1e6,
      census.in_shared_memory, census.segments.size(), worker_copies,
      absl::FormatDuration(call_time));
}

}  // namespace eight_schools
