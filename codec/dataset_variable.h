// DatasetVariable: an array or a column with a name for each axis; and its views by position.
//
//   const DatasetVariable& theta = *fit.Find("posterior", "theta");
//   theta.dimensions;                                      // chain, draw, school
//   absl::StatusOr<NdArray<const double>> draws = theta.Array<const double>();
//   absl::StatusOr<DatasetVariable> last = theta.SelectAt("draw", 999);     // along chain, school
//   absl::StatusOr<ColumnView<absl::string_view>> names = school.View<absl::string_view>();
//
// Numbers are arrays, with any strides. Texts, times, categories and values that may be missing are
// columns, row-major over the dimensions.
//
// Variables are parts of datasets (dataset.h), where labels select, too.

#ifndef SLABPIPE_CODEC_DATASET_VARIABLE_H_
#define SLABPIPE_CODEC_DATASET_VARIABLE_H_

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "slabpipe/codec/array_layout.h"
#include "slabpipe/codec/column.h"
#include "slabpipe/codec/column_view.h"
#include "slabpipe/codec/ndarray.h"
#include "slabpipe/codec/value.h"

namespace slabpipe {

// The names of a variable's axes. Immutable; copies share them, so that a million variables along
// the same dimensions cost no million names.
class Dimensions {
 public:
  using value_type = std::string;
  using const_iterator = std::vector<std::string>::const_iterator;
  using iterator = const_iterator;

  // Of a scalar.
  Dimensions() : Dimensions(std::vector<std::string>()) {}
  Dimensions(std::vector<std::string> names);
  Dimensions(std::initializer_list<absl::string_view> names);
  // Moving copies: what is left has its names.
  Dimensions(const Dimensions&) = default;
  Dimensions& operator=(const Dimensions&) = default;

  const std::vector<std::string>& names() const { return *names_; }
  size_t size() const { return names_->size(); }
  bool empty() const { return names_->empty(); }
  // REQUIRES: axis < size().
  const std::string& operator[](size_t axis) const { return (*names_)[axis]; }
  const_iterator begin() const { return names_->begin(); }
  const_iterator end() const { return names_->end(); }
  // The axis of that name; nothing if there is none.
  std::optional<size_t> Axis(absl::string_view name) const;
  // Without one of them.
  Dimensions Without(size_t axis) const;
  // "(chain, draw)"
  std::string Describe() const;

  friend bool operator==(const Dimensions& a, const Dimensions& b) {
    return a.names_ == b.names_ || *a.names_ == *b.names_;
  }

 private:
  std::shared_ptr<const std::vector<std::string>> names_;  // never null
};

// A column's values in a shape, row-major.
struct ShapedColumn {
  // Of one axis.
  ShapedColumn(Column column) : values(std::move(column)), shape({values.size()}) {}
  // REQUIRES: as many values as the shape has elements; DatasetGroup checks it.
  ShapedColumn(Column column, Extents extents)
      : values(std::move(column)), shape(std::move(extents)) {}

  Column values;
  Extents shape;
};

using VariableData = std::variant<AnyNdArray, ShapedColumn>;

// A value; copies and views share the memory. Thread-compatible.
struct DatasetVariable {
  std::string name = {};
  Dimensions dimensions = {};  // as many as the rank
  VariableData data = {};
  ValueMap attributes = {};

  // nullptr if it is of the other kind.
  const AnyNdArray* array() const { return std::get_if<AnyNdArray>(&data); }
  const Column* column() const;
  const Extents& shape() const;
  int64_t size() const { return ElementCount(shape()); }
  bool in_shared_memory() const;
  // Whether it has one dimension, of its own name: of a coordinate, that makes it an index.
  bool is_along_its_name() const { return dimensions.size() == 1 && dimensions[0] == name; }
  // "float64", "text", "timestamp[ms, UTC]".
  std::string TypeName() const;

  // The array as one of T. INVALID_ARGUMENT says what it is and what was wanted.
  template <ArrayElement T>
  absl::StatusOr<NdArray<T>> Array() const;
  // The column's values as those of column_view.h, row-major over the dimensions. Errors as above.
  template <typename T>
  absl::StatusOr<ColumnView<T>> View() const;
  // Copies of the texts of a column or an array, in row-major order. INVALID_ARGUMENT if it holds
  // something else, or one is missing; DATA_LOSS if another process has made nonsense of them.
  absl::StatusOr<std::vector<std::string>> Texts() const;

  // Views, with the name and attributes of this variable. NOT_FOUND if it has no such dimension. Of
  // a column with several dimensions, what is not one piece of its rows is copied, into private
  // memory: RESOURCE_EXHAUSTED, also for more than 2^24 pieces; DATA_LOSS as Column::Copy.
  //
  // What lies at `position`, without that dimension. OUT_OF_RANGE.
  absl::StatusOr<DatasetVariable> SelectAt(absl::string_view dimension, int64_t position) const;
  // Positions begin, begin + step, ... before `end`, as AnyNdArray::Slice has them.
  // INVALID_ARGUMENT if they leave the dimension.
  absl::StatusOr<DatasetVariable> Slice(absl::string_view dimension, int64_t begin, int64_t end,
                                        int64_t step = 1) const;
  // What lies at these positions, in that order. A copy, unless they are evenly spaced.
  // OUT_OF_RANGE.
  absl::StatusOr<DatasetVariable> Take(absl::string_view dimension,
                                       absl::Span<const int64_t> positions) const;
};

// Implementation details only below this line.

namespace internal {
// As it is shown in an error: its beginning, on one line.
std::string NameInError(absl::string_view name);
absl::Status InVariable(absl::string_view name, const absl::Status& status);
absl::Status NoArray(const DatasetVariable& variable);
absl::Status NoColumn(const DatasetVariable& variable);
}  // namespace internal

template <ArrayElement T>
absl::StatusOr<NdArray<T>> DatasetVariable::Array() const {
  if (array() == nullptr) return internal::NoArray(*this);
  absl::StatusOr<NdArray<T>> typed = NdArray<T>::FromAny(*array());
  if (!typed.ok()) return internal::InVariable(name, typed.status());
  return typed;
}

template <typename T>
absl::StatusOr<ColumnView<T>> DatasetVariable::View() const {
  if (column() == nullptr) return internal::NoColumn(*this);
  absl::StatusOr<ColumnView<T>> view = column()->As<T>();
  if (!view.ok()) return internal::InVariable(name, view.status());
  return view;
}

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_DATASET_VARIABLE_H_
