#include "slabpipe/tests/codec/test_datasets.h"

#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "slabpipe/codec/column_builder.h"

namespace slabpipe::tests {
namespace {

void Check(const absl::Status& status) {
  if (!status.ok()) std::abort();
}

absl::Time Midnight(int day) {
  return absl::FromCivil(absl::CivilDay(2026, 11, day), absl::UTCTimeZone());
}

void AddPosterior(Dataset& fit) {
  DatasetGroup& posterior = fit.AddGroup("posterior");
  Check(posterior.AddCoordinate("school", Labels{"Choate", "Deerfield", "Zürich"}));
  Check(posterior.AddCoordinate("draw", Counting({4}, 100)));
  const NdArray<bool> lucky = *NdArray<bool>::Create({2, 4});
  lucky(1, 2) = true;
  Check(posterior.AddCoordinate("lucky", {"chain", "draw"}, lucky));
  Check(posterior.AddVariable("theta", {"chain", "draw", "school"}, Counting({2, 4, 3}),
                              {{"unit", "points"}}));
  Check(posterior.AddVariable("mu", {"chain", "draw"}, Counting({2, 4}, 50)));
  posterior.attributes().Set("created_by", "test");
}

void AddObserved(Dataset& fit) {
  DatasetGroup& data = fit.AddGroup("observed_data");
  const std::vector<absl::Time> days = {Midnight(1), Midnight(2)};
  Check(
      data.AddCoordinate("day", *ToColumn(days, ColumnType::Timestamp(TimeUnit::kSecond, "UTC"))));
  Check(data.AddCoordinate("school", Labels{"Choate", "Deerfield", "Zürich"}));
  Check(data.AddCoordinate("region", {}, ShapedColumn(*ToColumn({"north"}), {})));
  Check(data.AddVariable("y", {"school"}, Counting({3})));
  Check(data.AddVariable("n", {}, Counting({}, 8)));
  ColumnBuilder grade(ColumnType::Categorical(ColumnType::Text(), {.ordered = true}));
  Check(grade.Append("good"));
  Check(grade.AppendNull());
  Check(grade.Append("fair"));
  Check(data.AddVariable("grade", {"school"}, *grade.Finish()));
  Check(data.AddVariable("note", {"day", "school"},
                         ShapedColumn(*ToColumn({"a", "", "cc", "d", "eee", "f"}), {2, 3}),
                         {{"by", "hand"}}));
}

}  // namespace

NdArray<double> Counting(absl::Span<const int64_t> shape, double first) {
  NdArray<double> array = *NdArray<double>::Create(shape);
  for (double& element : array.span()) element = first++;
  return array;
}

Dataset MakeFit() {
  Dataset fit;
  AddPosterior(fit);
  AddObserved(fit);
  fit.attributes().Set("sampler", "slice");
  fit.attributes().Set("settings", ValueMap{{"seed", 7}});
  return fit;
}

}  // namespace slabpipe::tests
