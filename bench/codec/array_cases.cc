// ndarray, dataset.

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "slabpipe/bench/codec/cases.h"
#include "slabpipe/bench/codec/codec_case.h"
#include "slabpipe/codec/dataset.h"
#include "slabpipe/codec/shared_array.h"

namespace slabpipe::bench {
namespace {

constexpr int64_t kKiB = 1024;
constexpr int64_t kMiB = 1024 * kKiB;
constexpr int64_t kDoubleBytes = sizeof(double);

NdArray<const double> Numbered(NdArray<double> array) {
  std::iota(array.span().begin(), array.span().end(), 0);
  return array;
}

void AddPrivateArrays() {
  const std::pair<const char*, int64_t> sizes[] = {
      {"double", kDoubleBytes}, {"1KiB", kKiB}, {"1MiB", kMiB}, {"64MiB", 64 * kMiB}};
  for (const auto& [name, bytes] : sizes) {
    AddCase(
        absl::StrCat("ndarray/", name),
        [bytes = bytes](MessageLoop&) { return PrivateArray(bytes / kDoubleBytes); }, SameElements);
  }
}

// A megabyte as 256 x 256 pairs.
NdArray<const double> Pairs() {
  return CheckOk(PrivateArray(kMiB / kDoubleBytes).Reshape({256, 256, 2}));
}

void AddViews() {
  // Column-major, without gaps: no element has to move.
  AddCase(
      "ndarray/1MiB_transposed", [](MessageLoop&) { return Pairs().Transpose(); }, SameElements);
  // Neither row-major nor column-major.
  AddCase(
      "ndarray/1MiB_axes_permuted",
      [](MessageLoop&) {
        return CheckOk(Pairs().Transpose({1, 0, 2}));
      },
      SameElements);
  AddCase(
      "ndarray/1MiB_shared",
      [](MessageLoop& loop) { return SharedArray(loop, kMiB / kDoubleBytes); }, SameElements);
}

constexpr int kGroups = 2;
constexpr int kVariables = 5;
constexpr int64_t kVariableBytes = 100 * kKiB;

Dataset MakeDataset(MessageLoop&) {
  Dataset dataset;
  for (int i = 0; i < kGroups; ++i) {
    DatasetGroup& group = dataset.AddGroup(absl::StrCat("group", i));
    for (int j = 0; j < kVariables; ++j) {
      CheckOk(group.AddVariable(absl::StrCat("variable", j), {"draw"},
                                PrivateArray(kVariableBytes / kDoubleBytes)));
    }
  }
  return dataset;
}

// `count` variables of `elements` each, along one dimension; scalars if that is 0.
Dataset ManyVariables(int count, int64_t elements) {
  Dataset dataset;
  DatasetGroup& group = dataset.AddGroup("group");
  const Dimensions dimensions = elements == 0 ? Dimensions() : Dimensions({"draw"});
  for (int i = 0; i < count; ++i) {
    const AnyNdArray array = PrivateArray(std::max<int64_t>(elements, 1));
    CheckOk(group.AddVariable(absl::StrCat("v", i), dimensions,
                              elements == 0 ? CheckOk(array.Select(0, 0)) : array));
  }
  return dataset;
}

void AddDatasets() {
  AddCase("dataset/2x5_of_100KiB", MakeDataset, SameDatasets);
  AddCase(
      "dataset/2500_of_1000", [](MessageLoop&) { return ManyVariables(2500, 1000); }, SameDatasets);
  for (const int count : {1000, 10000, 100000, 1000000}) {
    AddCase(
        absl::StrCat("dataset/", count, "_scalars"),
        [count](MessageLoop&) { return ManyVariables(count, 0); }, SameDatasets);
  }
}

}  // namespace

NdArray<const double> PrivateArray(int64_t elements) {
  return Numbered(CheckOk(NdArray<double>::Create({elements})));
}

NdArray<const double> SharedArray(MessageLoop& loop, int64_t elements) {
  return Numbered(CheckOk(NewSharedArray<double>(loop.pool(), {elements})));
}

void AddArrayCases() {
  AddPrivateArrays();
  AddViews();
  AddDatasets();
}

}  // namespace slabpipe::bench
