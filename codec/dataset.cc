#include "slabpipe/codec/dataset.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"

namespace slabpipe {
namespace {

bool HasBytes(const ColumnData& data) {
  return std::any_of(data.buffers.begin(), data.buffers.end(),
                     [](const ColumnBuffer& buffer) { return buffer.size_bytes > 0; }) ||
         std::any_of(data.children.begin(), data.children.end(),
                     [](const auto& child) { return HasBytes(*child); });
}

// A column has as many values as its shape says. (An array can't be otherwise.)
absl::Status CheckData(const VariableData& data) {
  const ShapedColumn* column = std::get_if<ShapedColumn>(&data);
  if (column == nullptr) return absl::OkStatus();
  if (absl::Status status = CheckShape(column->shape, 1); !status.ok()) return status;
  // A few bytes could say so many of them that no loop ever ends.
  constexpr int64_t kMostWithoutBytes = int64_t{1} << 20;
  if (column->values.size() > kMostWithoutBytes && !HasBytes(*column->values.data())) {
    return absl::InvalidArgumentError(absl::StrCat(
        column->values.size(), " values that take no bytes, at most ", kMostWithoutBytes));
  }
  if (ElementCount(column->shape) == column->values.size()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("its shape is ", ShapeName(column->shape),
                                                 ", but it has ", column->values.size(),
                                                 " values"));
}

}  // namespace

// DatasetGroup

const DatasetVariable* DatasetGroup::FindIn(bool coordinates, absl::string_view name) const {
  const auto found = places_.find(name);
  if (found == places_.end() || found->second.coordinate != coordinates) return nullptr;
  return &(coordinates ? coordinates_ : variables_)[found->second.index];
}

const DatasetVariable* DatasetGroup::FindVariable(absl::string_view name) const {
  return FindIn(false, name);
}

const DatasetVariable* DatasetGroup::FindCoordinate(absl::string_view name) const {
  return FindIn(true, name);
}

int64_t DatasetGroup::Extent(absl::string_view dimension) const {
  const auto found = dimension_index_.find(dimension);
  return found == dimension_index_.end() ? -1 : dimensions_[found->second].extent;
}

absl::Status DatasetGroup::AddVariable(std::string name, Dimensions dimensions, VariableData data,
                                       ValueMap attributes) {
  return Add(false, {.name = std::move(name),
                     .dimensions = std::move(dimensions),
                     .data = std::move(data),
                     .attributes = std::move(attributes)});
}

absl::Status DatasetGroup::AddCoordinate(std::string name, const Labels& labels) {
  absl::StatusOr<Column> column = ToColumn(labels);
  if (!column.ok()) {
    return InGroup({.name = std::move(name)}, column.status());
  }
  return AddCoordinate(std::move(name), *std::move(column));
}

absl::Status DatasetGroup::AddCoordinate(std::string name, VariableData labels) {
  Dimensions dimensions({name});
  return AddCoordinate(std::move(name), std::move(dimensions), std::move(labels));
}

absl::Status DatasetGroup::AddCoordinate(std::string name, Dimensions dimensions, VariableData data,
                                         ValueMap attributes) {
  return Add(true, {.name = std::move(name),
                    .dimensions = std::move(dimensions),
                    .data = std::move(data),
                    .attributes = std::move(attributes)});
}

absl::Status DatasetGroup::InGroup(const DatasetVariable& variable,
                                   const absl::Status& status) const {
  return InContext(absl::StrCat("variable '", internal::NameInError(variable.name), "' of group '",
                                internal::NameInError(name_), "'"),
                   status);
}

absl::Status DatasetGroup::CheckDimensions(const DatasetVariable& variable) const {
  const Dimensions& names = variable.dimensions;
  const Extents& shape = variable.shape();
  if (shape.size() != names.size()) {
    return absl::InvalidArgumentError(absl::StrCat("its shape is ", ShapeName(shape),
                                                   ", but it names ", names.size(), " dimensions"));
  }
  // Variables along the same dimensions, of which there may be many, share their names.
  if (&names.names() == &checked_dimensions_.names() && shape == checked_shape_) {
    return absl::OkStatus();
  }
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    if (names[axis].size() > kMaxDimensionNameBytes) {
      return absl::InvalidArgumentError(absl::StrCat("the name of a dimension has at most ",
                                                     kMaxDimensionNameBytes, " bytes, not ",
                                                     names[axis].size()));
    }
    if (*names.Axis(names[axis]) != axis) {
      return absl::InvalidArgumentError(absl::StrCat("dimension '", names[axis], "' comes twice"));
    }
    const int64_t extent = Extent(names[axis]);
    if (extent >= 0 && extent != shape[axis]) {
      return absl::InvalidArgumentError(absl::StrCat("its extent along '", names[axis], "' is ",
                                                     shape[axis], ", but that dimension has ",
                                                     extent));
    }
  }
  return absl::OkStatus();
}

// No coordinate has the name of a dimension that it is not along.
absl::Status DatasetGroup::CheckNames(bool coordinate, const DatasetVariable& variable) const {
  if (coordinate && !variable.is_along_its_name() && Extent(variable.name) >= 0) {
    return absl::InvalidArgumentError(
        "there is a dimension of that name, and this coordinate is not along it alone");
  }
  for (const std::string& name : variable.dimensions) {
    const DatasetVariable* known = FindIn(true, name);
    if (known == nullptr || known->is_along_its_name()) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("there is a coordinate '", internal::NameInError(name),
                     "' that is not along the dimension of its name, which this one would bring"));
  }
  return absl::OkStatus();
}

absl::Status DatasetGroup::Add(bool coordinate, DatasetVariable variable) {
  absl::Status status = CheckData(variable.data);
  if (status.ok()) status = CheckDimensions(variable);
  if (!status.ok()) return InGroup(variable, status);
  if (coordinate && variable.dimensions.size() > 1 && variable.dimensions.Axis(variable.name)) {
    return InGroup(variable,
                   absl::InvalidArgumentError(absl::StrCat(
                       "a coordinate along the dimension of its name has no other, but ",
                       "this one has ", internal::NameInError(variable.dimensions.Describe()))));
  }
  if (absl::Status status = CheckNames(coordinate, variable); !status.ok()) {
    return InGroup(variable, status);
  }
  std::deque<DatasetVariable>& list = coordinate ? coordinates_ : variables_;
  const bool fresh = places_.try_emplace(variable.name, Place{coordinate, list.size()}).second;
  if (!fresh) {
    return absl::AlreadyExistsError(
        absl::StrCat("group '", internal::NameInError(name_), "' has a variable or coordinate '",
                     internal::NameInError(variable.name), "' already"));
  }
  for (size_t axis = 0; axis < variable.dimensions.size(); ++axis) {
    const std::string& name = variable.dimensions[axis];
    if (!dimension_index_.try_emplace(name, dimensions_.size()).second) continue;
    dimensions_.push_back({.name = name, .extent = variable.shape()[axis]});
  }
  if (coordinate && variable.is_along_its_name()) {
    labels_.emplace(variable.name, std::make_shared<const LabelIndex>(variable.data));
  }
  list.push_back(std::move(variable));
  checked_dimensions_ = list.back().dimensions;
  checked_shape_ = list.back().shape();
  return absl::OkStatus();
}

void DatasetGroup::OrderDimensions(const std::vector<DatasetDimension>& order) {
  std::vector<DatasetDimension> ordered;
  for (const DatasetDimension& dimension : order) {
    const auto found = dimension_index_.find(dimension.name);
    if (found != dimension_index_.end()) ordered.push_back(dimensions_[found->second]);
  }
  if (ordered.size() != dimensions_.size()) return;
  dimensions_ = std::move(ordered);
  for (size_t i = 0; i < dimensions_.size(); ++i) dimension_index_[dimensions_[i].name] = i;
}

// Dataset

DatasetGroup& Dataset::AddGroup(absl::string_view name) {
  const auto [found, fresh] = group_index_.try_emplace(name, groups_.size());
  return fresh ? groups_.emplace_back(std::string(name)) : groups_[found->second];
}

absl::Status Dataset::Add(DatasetGroup group) {
  if (!group_index_.try_emplace(group.name(), groups_.size()).second) {
    return absl::AlreadyExistsError(absl::StrCat("there is a group '", group.name(), "' already"));
  }
  groups_.push_back(std::move(group));
  return absl::OkStatus();
}

const DatasetGroup* Dataset::FindGroup(absl::string_view name) const {
  const auto found = group_index_.find(name);
  return found == group_index_.end() ? nullptr : &groups_[found->second];
}

const DatasetVariable* Dataset::Find(absl::string_view group, absl::string_view variable) const {
  const DatasetGroup* found = FindGroup(group);
  return found == nullptr ? nullptr : found->FindVariable(variable);
}

// What is equal

bool SameVariables(const DatasetVariable& a, const DatasetVariable& b) {
  if (a.name != b.name || a.dimensions != b.dimensions || a.shape() != b.shape() ||
      a.data.index() != b.data.index() || !(a.attributes == b.attributes)) {
    return false;
  }
  return a.array() != nullptr ? SameElements(*a.array(), *b.array())
                              : SameValues(*a.column(), *b.column());
}

bool SameDatasets(const Dataset& a, const Dataset& b) {
  const auto same_lists = [](const auto& left, const auto& right) {
    return std::equal(left.begin(), left.end(), right.begin(), right.end(), &SameVariables);
  };
  const auto same_groups = [&](const DatasetGroup& left, const DatasetGroup& right) {
    return left.name() == right.name() && left.attributes() == right.attributes() &&
           same_lists(left.coordinates(), right.coordinates()) &&
           same_lists(left.variables(), right.variables());
  };
  return a.attributes() == b.attributes() &&
         std::equal(a.groups().begin(), a.groups().end(), b.groups().begin(), b.groups().end(),
                    same_groups);
}

}  // namespace slabpipe
