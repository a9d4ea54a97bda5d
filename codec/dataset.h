// Dataset: labelled arrays in groups: coordinates, data variables, dimensions, attributes.
//
// The shape is that of ArviZ's InferenceData, groups of xarray Datasets: within a group each
// dimension has one extent, and a coordinate labels the positions along a dimension.
//
//   Dataset fit;
//   DatasetGroup& posterior = fit.AddGroup("posterior");
//   posterior.AddCoordinate("school", Labels{"Choate", "Deerfield"});
//   posterior.AddVariable("theta", {"chain", "draw", "school"}, theta);    // an array of rank 3
//   fit.attributes().Set("sampler", "slice");
//
//   const DatasetVariable* theta = fit.Find("posterior", "theta");         // nullptr: not there
//   absl::StatusOr<Dataset> choate = fit.Select("school", "Choate");       // a view
//   std::cout << *choate;
//
// Arrays and columns are held, not copied: a variable shares its memory with what it was made from,
// and one that lies in shared memory crosses to the other process as a reference. Variables that
// show the same memory in the same way do so on the other side, too. Names are UTF-8, and unique in
// their group.
//
// An *index coordinate* has the name of its only dimension: its values are that dimension's labels.
// Other coordinates are along any dimensions of the group, or along none: so does Select leave the
// label that was selected. A coordinate that has the name of a dimension is along it. A dimension
// without an index coordinate has its positions as labels.

#ifndef SLABPIPE_CODEC_DATASET_H_
#define SLABPIPE_CODEC_DATASET_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "slabpipe/codec/binding.h"
#include "slabpipe/codec/column_builder.h"
#include "slabpipe/codec/dataset_variable.h"
#include "slabpipe/codec/label_index.h"
#include "slabpipe/codec/value.h"

namespace slabpipe {

// Texts along one dimension.
using Labels = std::vector<std::string>;

// The name of a dimension has at most so many bytes: each of many variables may look at it.
inline constexpr size_t kMaxDimensionNameBytes = 255;

struct DatasetDimension {
  std::string name;
  int64_t extent = 0;
};

struct DatasetPrintOptions {
  size_t width = 100;   // places in a line
  size_t entries = 30;  // groups; and of each list in one. More than these are told by "..."
};

// Thread-compatible. Pointers and references into it stay valid while it lives and is not moved.
class DatasetGroup {
 public:
  explicit DatasetGroup(std::string name) : name_(std::move(name)) {}

  const std::string& name() const { return name_; }
  const std::deque<DatasetVariable>& coordinates() const { return coordinates_; }
  const std::deque<DatasetVariable>& variables() const { return variables_; }
  // In the order in which variables and coordinates have brought them.
  const std::vector<DatasetDimension>& dimensions() const { return dimensions_; }
  ValueMap& attributes() { return attributes_; }
  const ValueMap& attributes() const { return attributes_; }
  // nullptr if there is none.
  const DatasetVariable* FindVariable(absl::string_view name) const;
  const DatasetVariable* FindCoordinate(absl::string_view name) const;
  // -1 if no variable or coordinate has it.
  int64_t Extent(absl::string_view dimension) const;

  // A data variable: an array, or a column. INVALID_ARGUMENT if there are not as many dimensions as
  // axes, a dimension comes twice, has another extent already or a name that is too long, or a
  // column has not as many values as its shape says; ALREADY_EXISTS if the name is taken.
  absl::Status AddVariable(std::string name, Dimensions dimensions, VariableData data,
                           ValueMap attributes = {});
  // An index coordinate: labels along the dimension of the same name; they have one axis. Errors as
  // above, and RESOURCE_EXHAUSTED; INVALID_ARGUMENT if a text is not UTF-8.
  absl::Status AddCoordinate(std::string name, const Labels& labels);
  absl::Status AddCoordinate(std::string name, VariableData labels);
  // A coordinate along any dimensions. One of its own name must be the only one.
  absl::Status AddCoordinate(std::string name, Dimensions dimensions, VariableData data,
                             ValueMap attributes = {});
  // Anything, as the wire has it. Errors as above.
  absl::Status Add(bool coordinate, DatasetVariable variable);

  // Parts of the group: views (dataset_variable.h tells of what), without what is not asked for
  // along `dimension`; variables that don't have it are there as they are. NOT_FOUND if there is no
  // such dimension, naming those that there are.
  //
  // At one label, without the dimension; its coordinate stays as a scalar. Errors as
  // LabelIndex::Find.
  absl::StatusOr<DatasetGroup> Select(absl::string_view dimension, const Cell& label) const;
  // At several, in that order. A copy, unless they are evenly spaced.
  absl::StatusOr<DatasetGroup> SelectEach(absl::string_view dimension,
                                          absl::Span<const Cell> labels) const;
  // From one label to another, both included. Errors as LabelIndex::FindRange.
  absl::StatusOr<DatasetGroup> SelectRange(absl::string_view dimension, const Cell& from,
                                           const Cell& to) const;
  // By position, as DatasetVariable's.
  absl::StatusOr<DatasetGroup> SelectAt(absl::string_view dimension, int64_t position) const;
  absl::StatusOr<DatasetGroup> Slice(absl::string_view dimension, int64_t begin, int64_t end,
                                     int64_t step = 1) const;
  absl::StatusOr<DatasetGroup> Take(absl::string_view dimension,
                                    absl::Span<const int64_t> positions) const;

  // Where a label is. Errors as Select's.
  absl::StatusOr<int64_t> PositionOf(absl::string_view dimension, const Cell& label) const;

  // For people: dimensions, coordinates, variables with their first and last values, attributes.
  std::string ToText(const DatasetPrintOptions& options = {}) const;

 private:
  friend class DatasetReader;
  struct Place {
    bool coordinate;
    size_t index;
  };
  using View = absl::FunctionRef<absl::StatusOr<DatasetVariable>(const DatasetVariable&)>;

  // The dimensions in the order of those of the same names, if all are among these.
  void OrderDimensions(const std::vector<DatasetDimension>& order);
  absl::Status CheckDimensions(const DatasetVariable& variable) const;
  absl::Status CheckNames(bool coordinate, const DatasetVariable& variable) const;
  // NOT_FOUND if there is none of that name.
  absl::Status CheckDimension(absl::string_view name) const;
  absl::Status InGroup(const DatasetVariable& variable, const absl::Status& status) const;
  absl::Status InDimension(absl::string_view dimension, const absl::Status& status) const;
  absl::StatusOr<LabelRange> RangeOf(absl::string_view dimension, const Cell& from,
                                     const Cell& to) const;
  absl::StatusOr<DatasetGroup> ViewAll(absl::string_view dimension, View view) const;
  const DatasetVariable* FindIn(bool coordinates, absl::string_view name) const;

  std::string name_;
  std::deque<DatasetVariable> coordinates_;  // deques: elements stay where they are
  std::deque<DatasetVariable> variables_;
  absl::flat_hash_map<std::string, Place> places_;  // by name
  std::vector<DatasetDimension> dimensions_;
  absl::flat_hash_map<std::string, size_t> dimension_index_;
  // Of the dimensions with an index coordinate. Copies share them.
  absl::flat_hash_map<std::string, std::shared_ptr<const LabelIndex>> labels_;
  ValueMap attributes_;
  // Of the variable that was checked last.
  Dimensions checked_dimensions_;
  Extents checked_shape_;
};

// Thread-compatible. A value; copies share the arrays.
class Dataset {
 public:
  const std::deque<DatasetGroup>& groups() const { return groups_; }
  ValueMap& attributes() { return attributes_; }
  const ValueMap& attributes() const { return attributes_; }

  // The group of that name, new if there was none. The reference stays valid while the dataset
  // lives and is not moved. To be changed, not to be assigned another name's group: that is Add's.
  DatasetGroup& AddGroup(absl::string_view name);
  // ALREADY_EXISTS if there is one of that name.
  absl::Status Add(DatasetGroup group);
  // nullptr if there is none.
  const DatasetGroup* FindGroup(absl::string_view name) const;
  // A data variable; nullptr if there is none.
  const DatasetVariable* Find(absl::string_view group, absl::string_view variable) const;

  // As DatasetGroup's, of all groups that have the dimension; others are there as they are.
  // NOT_FOUND if none has it, or a label is missing in one that has.
  absl::StatusOr<Dataset> Select(absl::string_view dimension, const Cell& label) const;
  absl::StatusOr<Dataset> SelectEach(absl::string_view dimension,
                                     absl::Span<const Cell> labels) const;
  absl::StatusOr<Dataset> SelectRange(absl::string_view dimension, const Cell& from,
                                      const Cell& to) const;
  absl::StatusOr<Dataset> SelectAt(absl::string_view dimension, int64_t position) const;
  absl::StatusOr<Dataset> Slice(absl::string_view dimension, int64_t begin, int64_t end,
                                int64_t step = 1) const;
  absl::StatusOr<Dataset> Take(absl::string_view dimension,
                               absl::Span<const int64_t> positions) const;

  // For people: all groups.
  std::string ToText(const DatasetPrintOptions& options = {}) const;

 private:
  using View = absl::FunctionRef<absl::StatusOr<DatasetGroup>(const DatasetGroup&)>;
  absl::StatusOr<Dataset> ViewAll(absl::string_view dimension, View view) const;

  std::deque<DatasetGroup> groups_;
  absl::flat_hash_map<std::string, size_t> group_index_;
  ValueMap attributes_;
};

// As ToText with the usual options.
std::ostream& operator<<(std::ostream& stream, const DatasetGroup& group);
std::ostream& operator<<(std::ostream& stream, const Dataset& dataset);

// The same names, dimensions, types, elements (as SameElements and SameValues) and attributes, in
// the same order; strides may differ.
bool SameVariables(const DatasetVariable& a, const DatasetVariable& b);
bool SameDatasets(const Dataset& a, const Dataset& b);

// Datasets hold arrays and columns, which keep their bytes by themselves.
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
