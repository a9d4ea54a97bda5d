// Dataset: labelled arrays in groups: coordinates, data variables, dimensions, attributes.
//
// The shape is that of ArviZ's InferenceData, groups of xarray Datasets: within a group each
// dimension has one extent, and a coordinate labels the positions along a dimension.
//
//   Dataset fit;
//   DatasetGroup& posterior = fit.AddGroup("posterior");
//   posterior.AddCoordinate("school", std::vector<std::string>{"Choate", "Deerfield"});
//   posterior.AddVariable("theta", {"chain", "draw", "school"}, theta);    // an array of rank 3
//   fit.attributes().Set("sampler", "slice");
//
//   const DatasetVariable* theta = fit.Find("posterior", "theta");         // nullptr: not there
//   absl::StatusOr<NdArray<const double>> draws = theta->Array<const double>();
//
// Arrays are held, not copied: a variable shares its memory with the array that it was made from,
// and one that lies in shared memory crosses to the other process as a reference. Names are UTF-8,
// and unique in their list.

#ifndef SLABPIPE_CODEC_DATASET_H_
#define SLABPIPE_CODEC_DATASET_H_

#include <cstdint>
#include <deque>
#include <string>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "slabpipe/codec/binding.h"
#include "slabpipe/codec/ndarray.h"
#include "slabpipe/codec/value.h"

namespace slabpipe {

// Texts along one dimension, in private memory.
using Labels = std::vector<std::string>;

struct DatasetVariable {
  std::string name = {};
  std::vector<std::string> dimensions = {};  // as many as the rank
  std::variant<AnyNdArray, Labels> data = {};
  ValueMap attributes = {};

  // nullptr if it is of the other kind.
  const AnyNdArray* array() const { return std::get_if<AnyNdArray>(&data); }
  const Labels* labels() const { return std::get_if<Labels>(&data); }
  // The array as one of T. INVALID_ARGUMENT says what it is and what was wanted.
  template <ArrayElement T>
  absl::StatusOr<NdArray<T>> Array() const {
    if (array() != nullptr) return NdArray<T>::FromAny(*array());
    return absl::InvalidArgumentError("variable '" + name + "' holds texts, not numbers");
  }
  std::vector<int64_t> shape() const;
};

// Thread-compatible. Pointers and references into it stay valid while it lives and is not moved.
class DatasetGroup {
 public:
  explicit DatasetGroup(std::string name) : name_(std::move(name)) {}

  const std::string& name() const { return name_; }
  const std::deque<DatasetVariable>& coordinates() const { return coordinates_; }
  const std::deque<DatasetVariable>& variables() const { return variables_; }
  ValueMap& attributes() { return attributes_; }
  const ValueMap& attributes() const { return attributes_; }
  // nullptr if there is none.
  const DatasetVariable* FindVariable(absl::string_view name) const;
  const DatasetVariable* FindCoordinate(absl::string_view name) const;
  // -1 if no variable or coordinate has it.
  int64_t Extent(absl::string_view dimension) const;

  // A data variable. INVALID_ARGUMENT if there are not as many dimensions as axes, a dimension
  // comes twice or has another extent already; ALREADY_EXISTS if the name is taken.
  absl::Status AddVariable(std::string name, std::vector<std::string> dimensions, AnyNdArray data,
                           ValueMap attributes = {});
  // Labels along the dimension of the same name; numbers must have one axis. Errors as above.
  absl::Status AddCoordinate(std::string name, Labels labels);
  absl::Status AddCoordinate(std::string name, AnyNdArray data);
  // Anything, as the wire has it. Errors as above.
  absl::Status Add(bool coordinate, DatasetVariable variable);

 private:
  std::string name_;
  std::deque<DatasetVariable> coordinates_;  // deques: elements stay where they are
  std::deque<DatasetVariable> variables_;
  absl::flat_hash_map<std::string, size_t> coordinate_index_;
  absl::flat_hash_map<std::string, size_t> variable_index_;
  absl::flat_hash_map<std::string, int64_t> extents_;
  ValueMap attributes_;
};

// Thread-compatible. A value; copies share the arrays.
class Dataset {
 public:
  const std::deque<DatasetGroup>& groups() const { return groups_; }
  ValueMap& attributes() { return attributes_; }
  const ValueMap& attributes() const { return attributes_; }

  // The group of that name, new if there was none. The reference stays valid while the dataset
  // lives and is not moved.
  DatasetGroup& AddGroup(absl::string_view name);
  // nullptr if there is none.
  const DatasetGroup* FindGroup(absl::string_view name) const;
  // A data variable; nullptr if there is none.
  const DatasetVariable* Find(absl::string_view group, absl::string_view variable) const;

  // An overview for people: groups, dimensions with extents, names and types, no values.
  std::string DebugString() const;

 private:
  std::deque<DatasetGroup> groups_;
  ValueMap attributes_;
};

// Datasets hold arrays, which keep their bytes by themselves.
template <>
struct Binding<Dataset> {
  static constexpr bool kOwnsItsBytes = true;
  static absl::Status Visit(const Dataset& dataset, ModelVisitor visit) {
    return visit(AnyRef::To(dataset));
  }
  static absl::StatusOr<Dataset> Make(const Object& object) {
    if (const Dataset* dataset = object.get<Dataset>()) return *dataset;
    return WrongModel(object, "a dataset");
  }
};

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_DATASET_H_
