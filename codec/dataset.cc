#include "slabpipe/codec/dataset.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace slabpipe {
namespace {

const DatasetVariable* FindIn(const std::deque<DatasetVariable>& variables,
                              const absl::flat_hash_map<std::string, size_t>& index,
                              absl::string_view name) {
  const auto found = index.find(name);
  return found == index.end() ? nullptr : &variables[found->second];
}

std::string TypeName(const DatasetVariable& variable) {
  return variable.array() == nullptr ? "text" : variable.array()->element_type().name();
}

std::string DescribeVariable(const DatasetVariable& variable) {
  return absl::StrCat("    ", variable.name, " (", absl::StrJoin(variable.dimensions, ", "), ") ",
                      TypeName(variable), " ", ShapeName(variable.shape()), "\n");
}

}  // namespace

std::vector<int64_t> DatasetVariable::shape() const {
  if (labels() != nullptr) return {static_cast<int64_t>(labels()->size())};
  return {array()->shape().begin(), array()->shape().end()};
}

const DatasetVariable* DatasetGroup::FindVariable(absl::string_view name) const {
  return FindIn(variables_, variable_index_, name);
}

const DatasetVariable* DatasetGroup::FindCoordinate(absl::string_view name) const {
  return FindIn(coordinates_, coordinate_index_, name);
}

int64_t DatasetGroup::Extent(absl::string_view dimension) const {
  const auto found = extents_.find(std::string(dimension));
  return found == extents_.end() ? -1 : found->second;
}

absl::Status DatasetGroup::AddVariable(std::string name, std::vector<std::string> dimensions,
                                       AnyNdArray data, ValueMap attributes) {
  return Add(false, {.name = std::move(name),
                     .dimensions = std::move(dimensions),
                     .data = std::move(data),
                     .attributes = std::move(attributes)});
}

absl::Status DatasetGroup::AddCoordinate(std::string name, Labels labels) {
  return Add(true,
             {.name = name, .dimensions = {name}, .data = std::move(labels), .attributes = {}});
}

absl::Status DatasetGroup::AddCoordinate(std::string name, AnyNdArray data) {
  return Add(true, {.name = name, .dimensions = {name}, .data = std::move(data), .attributes = {}});
}

absl::Status DatasetGroup::Add(bool coordinate, DatasetVariable variable) {
  const auto bad = [&](const auto&... why) {
    return absl::InvalidArgumentError(
        absl::StrCat("variable '", variable.name, "' of group '", name_, "': ", why...));
  };
  const std::vector<int64_t> shape = variable.shape();
  if (shape.size() != variable.dimensions.size()) {
    return bad("its shape is ", ShapeName(shape), ", but it names ", variable.dimensions.size(),
               " dimensions");
  }
  auto& index = coordinate ? coordinate_index_ : variable_index_;
  if (index.count(variable.name) > 0) {
    return absl::AlreadyExistsError(
        absl::StrCat("group '", name_, "' has a variable '", variable.name, "' already"));
  }
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    const std::string& dimension = variable.dimensions[axis];
    for (size_t other = 0; other < axis; ++other) {
      if (variable.dimensions[other] == dimension)
        return bad("dimension '", dimension, "' comes twice");
    }
    const int64_t extent = Extent(dimension);
    if (extent >= 0 && extent != shape[axis]) {
      return bad("its extent along '", dimension, "' is ", shape[axis], ", but that dimension has ",
                 extent);
    }
  }
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    extents_.emplace(variable.dimensions[axis], shape[axis]);
  }
  auto& list = coordinate ? coordinates_ : variables_;
  index.emplace(variable.name, list.size());
  list.push_back(std::move(variable));
  return absl::OkStatus();
}

DatasetGroup& Dataset::AddGroup(absl::string_view name) {
  for (DatasetGroup& group : groups_) {
    if (group.name() == name) return group;
  }
  return groups_.emplace_back(std::string(name));
}

const DatasetGroup* Dataset::FindGroup(absl::string_view name) const {
  for (const DatasetGroup& group : groups_) {
    if (group.name() == name) return &group;
  }
  return nullptr;
}

const DatasetVariable* Dataset::Find(absl::string_view group, absl::string_view variable) const {
  const DatasetGroup* found = FindGroup(group);
  return found == nullptr ? nullptr : found->FindVariable(variable);
}

std::string Dataset::DebugString() const {
  std::string text;
  for (const DatasetGroup& group : groups_) {
    absl::StrAppend(&text, group.name(), "\n");
    if (!group.coordinates().empty()) absl::StrAppend(&text, "  coordinates\n");
    for (const DatasetVariable& variable : group.coordinates()) {
      absl::StrAppend(&text, DescribeVariable(variable));
    }
    if (!group.variables().empty()) absl::StrAppend(&text, "  variables\n");
    for (const DatasetVariable& variable : group.variables()) {
      absl::StrAppend(&text, DescribeVariable(variable));
    }
  }
  return text;
}

}  // namespace slabpipe
