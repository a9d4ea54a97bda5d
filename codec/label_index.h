// LabelIndex: which position along a dimension has a label.
//
//   LabelIndex index(coordinate.data);                        // of one axis
//   absl::StatusOr<int64_t> position = index.Find("Choate");
//   absl::StatusOr<LabelRange> range = index.FindRange(0.5, 2.5);
//
// A label is found if it is the same value: texts as bytes, numbers whatever their types (3, 3u and
// 3.0 are one label; the float next to 0.1 is not the double), times as moments, a date as its
// midnight in UTC. Missing values and NaNs are no labels.

#ifndef SLABPIPE_CODEC_LABEL_INDEX_H_
#define SLABPIPE_CODEC_LABEL_INDEX_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <variant>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "slabpipe/codec/column_builder.h"
#include "slabpipe/codec/dataset_variable.h"

namespace slabpipe {

// Positions begin to end.
struct LabelRange {
  int64_t begin;
  int64_t end;
};

// Keeps the labels. The first look-up goes through all of them, and makes a hash table of them
// unless they ascend. Thread-safe.
class LabelIndex {
 public:
  // REQUIRES: one axis.
  explicit LabelIndex(VariableData labels) : labels_(std::move(labels)) {}
  LabelIndex(const LabelIndex&) = delete;
  LabelIndex& operator=(const LabelIndex&) = delete;

  // NOT_FOUND names some of the labels that there are; INVALID_ARGUMENT if it comes more than once,
  // or is of a type that is no label's; RESOURCE_EXHAUSTED if the labels are more than 2^24, and in
  // no order; DATA_LOSS if another process has made nonsense of them.
  absl::StatusOr<int64_t> Find(const Cell& label) const;
  // From the first of one to the last of the other, both included; none if that comes before. Where
  // the labels ascend, from the first that is not below `from` to the last that is not above `to`,
  // whether or not these are there, or come more than once; elsewhere errors as Find's.
  absl::StatusOr<LabelRange> FindRange(const Cell& from, const Cell& to) const;

  // What two equal labels have in common. Numbers that are integers are int64_t, or uint64_t if
  // they are too large for that.
  using Key =
      std::variant<bool, int64_t, uint64_t, double, std::string, absl::Time, absl::Duration>;

 private:
  struct KeyHash {
    size_t operator()(const Key& key) const;
  };
  // Of the label at a position; nothing where there is none.
  using KeyReader = std::function<std::optional<Key>(int64_t)>;
  static absl::StatusOr<KeyReader> ReaderOf(const VariableData& labels);
  static absl::StatusOr<KeyReader> ReaderOf(const AnyNdArray& labels);
  static absl::StatusOr<KeyReader> ReaderOf(const Column& labels);
  static absl::StatusOr<KeyReader> ReaderOfCategories(const Column& labels);

  static constexpr int64_t kNone = -1;
  static constexpr int64_t kTwice = -2;
  static constexpr int64_t kMostUnordered = int64_t{1} << 24;

  int64_t size() const;
  absl::Status Prepare() const;
  void Build() const;
  void BuildTable() const;
  int64_t Boundary(absl::FunctionRef<bool(const Key&)> is_before) const;
  bool CanCompare(const Key& key) const;
  int64_t PositionOf(const Key& key) const;
  std::string SomeLabels() const;

  const VariableData labels_;
  mutable std::once_flag once_;
  mutable absl::Status status_;
  mutable KeyReader reader_;
  mutable absl::flat_hash_map<Key, int64_t, KeyHash>
      positions_;  // of labels that don't ascend, or kTwice
  mutable bool ascending_ = true;
};

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_LABEL_INDEX_H_
