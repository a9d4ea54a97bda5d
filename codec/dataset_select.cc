// The parts of groups and datasets, by label and by position.

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "slabpipe/codec/dataset.h"

namespace slabpipe {
namespace {

// As many names as a message should have.
template <typename List, typename Name>
std::string SomeNames(const List& list, Name name_of) {
  constexpr size_t kShown = 20;
  std::vector<std::string> names;
  for (size_t i = 0; i < std::min(list.size(), kShown); ++i) {
    names.push_back(absl::StrCat("'", internal::NameInError(name_of(list[i])), "'"));
  }
  if (names.empty()) return "none";
  return absl::StrCat(absl::StrJoin(names, ", "),
                      list.size() > kShown ? absl::StrCat(", ... (", list.size(), ")") : "");
}

// The label of a dimension without labels.
absl::StatusOr<int64_t> PositionIn(int64_t extent, const Cell& label) {
  int64_t position = -1;
  if (const int64_t* number = label.get<int64_t>()) {
    position = *number;
  } else if (const uint64_t* number = label.get<uint64_t>()) {
    position = *number < static_cast<uint64_t>(extent) ? static_cast<int64_t>(*number) : -1;
  }
  if (position >= 0 && position < extent) return position;
  return absl::NotFoundError(absl::StrCat(label.Describe(), " is none of its ", extent,
                                          " positions, and it has no other labels"));
}

}  // namespace

// DatasetGroup

absl::Status DatasetGroup::InDimension(absl::string_view dimension,
                                       const absl::Status& status) const {
  return InContext(absl::StrCat("dimension '", internal::NameInError(dimension), "' of group '",
                                internal::NameInError(name_), "'"),
                   status);
}

absl::StatusOr<int64_t> DatasetGroup::PositionOf(absl::string_view dimension,
                                                 const Cell& label) const {
  if (absl::Status status = CheckDimension(dimension); !status.ok()) return status;
  const auto labels = labels_.find(dimension);
  absl::StatusOr<int64_t> position =
      labels == labels_.end() ? PositionIn(Extent(dimension), label) : labels->second->Find(label);
  if (!position.ok()) return InDimension(dimension, position.status());
  return position;
}

absl::StatusOr<LabelRange> DatasetGroup::RangeOf(absl::string_view dimension, const Cell& from,
                                                 const Cell& to) const {
  const auto labels = labels_.find(dimension);
  if (labels != labels_.end()) {
    absl::StatusOr<LabelRange> range = labels->second->FindRange(from, to);
    if (!range.ok()) return InDimension(dimension, range.status());
    return range;
  }
  const absl::StatusOr<int64_t> begin = PositionOf(dimension, from),
                                end = PositionOf(dimension, to);
  if (!begin.ok()) return begin.status();
  if (!end.ok()) return end.status();
  return LabelRange{*begin, std::max(*begin, *end + 1)};
}

absl::StatusOr<DatasetGroup> DatasetGroup::ViewAll(absl::string_view dimension, View view) const {
  DatasetGroup part(name_);
  part.attributes_ = attributes_;
  // Variables along the same dimensions share their names here, too.
  absl::flat_hash_map<const void*, Dimensions> left;
  for (const bool coordinates : {true, false}) {
    for (const DatasetVariable& variable : coordinates ? coordinates_ : variables_) {
      absl::Status added;
      if (!variable.dimensions.Axis(dimension).has_value()) {
        added = part.Add(coordinates, variable);
        // And indices that are there already.
        const auto labels = labels_.find(variable.name);
        if (added.ok() && coordinates && labels != labels_.end()) {
          part.labels_[variable.name] = labels->second;
        }
      } else {
        absl::StatusOr<DatasetVariable> seen = view(variable);
        if (!seen.ok())
          return InContext(absl::StrCat("group '", internal::NameInError(name_), "'"),
                           seen.status());
        const void* names = &variable.dimensions.names();
        seen->dimensions = left.try_emplace(names, seen->dimensions).first->second;
        added = part.Add(coordinates, *std::move(seen));
      }
      if (!added.ok()) return added;
    }
  }
  part.OrderDimensions(dimensions_);
  return part;
}

absl::Status DatasetGroup::CheckDimension(absl::string_view dimension) const {
  if (Extent(dimension) >= 0) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat(
      "group '", internal::NameInError(name_), "' has no dimension '",
      internal::NameInError(dimension), "', but ",
      SomeNames(dimensions_, [](const DatasetDimension& known) { return known.name; })));
}

absl::StatusOr<DatasetGroup> DatasetGroup::Select(absl::string_view dimension,
                                                  const Cell& label) const {
  const absl::StatusOr<int64_t> position = PositionOf(dimension, label);
  if (!position.ok()) return position.status();
  return SelectAt(dimension, *position);
}

absl::StatusOr<DatasetGroup> DatasetGroup::SelectEach(absl::string_view dimension,
                                                      absl::Span<const Cell> labels) const {
  std::vector<int64_t> positions;
  for (const Cell& label : labels) {
    const absl::StatusOr<int64_t> position = PositionOf(dimension, label);
    if (!position.ok()) return position.status();
    positions.push_back(*position);
  }
  return Take(dimension, positions);
}

absl::StatusOr<DatasetGroup> DatasetGroup::SelectRange(absl::string_view dimension,
                                                       const Cell& from, const Cell& to) const {
  const absl::StatusOr<LabelRange> range = RangeOf(dimension, from, to);
  if (!range.ok()) return range.status();
  return Slice(dimension, range->begin, range->end);
}

absl::StatusOr<DatasetGroup> DatasetGroup::SelectAt(absl::string_view dimension,
                                                    int64_t position) const {
  if (absl::Status status = CheckDimension(dimension); !status.ok()) return status;
  return ViewAll(dimension, [&](const DatasetVariable& variable) {
    return variable.SelectAt(dimension, position);
  });
}

absl::StatusOr<DatasetGroup> DatasetGroup::Slice(absl::string_view dimension, int64_t begin,
                                                 int64_t end, int64_t step) const {
  if (absl::Status status = CheckDimension(dimension); !status.ok()) return status;
  return ViewAll(dimension, [&](const DatasetVariable& variable) {
    return variable.Slice(dimension, begin, end, step);
  });
}

absl::StatusOr<DatasetGroup> DatasetGroup::Take(absl::string_view dimension,
                                                absl::Span<const int64_t> positions) const {
  if (absl::Status status = CheckDimension(dimension); !status.ok()) return status;
  return ViewAll(dimension, [&](const DatasetVariable& variable) {
    return variable.Take(dimension, positions);
  });
}

// Dataset

absl::StatusOr<Dataset> Dataset::ViewAll(absl::string_view dimension, View view) const {
  Dataset part;
  part.attributes_ = attributes_;
  bool found = false;
  for (const DatasetGroup& group : groups_) {
    absl::Status added;
    if (group.Extent(dimension) < 0) {
      added = part.Add(group);
    } else {
      found = true;
      absl::StatusOr<DatasetGroup> seen = view(group);
      if (!seen.ok()) return seen.status();
      added = part.Add(*std::move(seen));
    }
    if (!added.ok()) return added;
  }
  if (found) return part;
  return absl::NotFoundError(
      absl::StrCat("no group has a dimension '", dimension, "'; the groups are ",
                   SomeNames(groups_, [](const DatasetGroup& group) { return group.name(); })));
}

absl::StatusOr<Dataset> Dataset::Select(absl::string_view dimension, const Cell& label) const {
  return ViewAll(dimension,
                 [&](const DatasetGroup& group) { return group.Select(dimension, label); });
}

absl::StatusOr<Dataset> Dataset::SelectEach(absl::string_view dimension,
                                            absl::Span<const Cell> labels) const {
  return ViewAll(dimension,
                 [&](const DatasetGroup& group) { return group.SelectEach(dimension, labels); });
}

absl::StatusOr<Dataset> Dataset::SelectRange(absl::string_view dimension, const Cell& from,
                                             const Cell& to) const {
  return ViewAll(dimension,
                 [&](const DatasetGroup& group) { return group.SelectRange(dimension, from, to); });
}

absl::StatusOr<Dataset> Dataset::SelectAt(absl::string_view dimension, int64_t position) const {
  return ViewAll(dimension,
                 [&](const DatasetGroup& group) { return group.SelectAt(dimension, position); });
}

absl::StatusOr<Dataset> Dataset::Slice(absl::string_view dimension, int64_t begin, int64_t end,
                                       int64_t step) const {
  return ViewAll(dimension, [&](const DatasetGroup& group) {
    return group.Slice(dimension, begin, end, step);
  });
}

absl::StatusOr<Dataset> Dataset::Take(absl::string_view dimension,
                                      absl::Span<const int64_t> positions) const {
  return ViewAll(dimension,
                 [&](const DatasetGroup& group) { return group.Take(dimension, positions); });
}

}  // namespace slabpipe
