// Table: columns of equal length, named, in Arrow's memory; an index; attributes.
//
//   absl::StatusOr<Table> penguins = Table::Make({{"species", species}, {"mass", mass}});
//   absl::StatusOr<ColumnView<double>> mass = penguins->Column<double>("mass");
//   absl::StatusOr<Table> some = penguins->Select({"species", "mass"});
//   std::cout << penguins->Head(10);
//   auto fit = session.Call<Table>("bayes.fit", *penguins);
//
// Row by row: table_builder.h. To and from other Arrow libraries: arrow.h.
//
// A table is a value; copies, selections and ranges of rows share the memory, and are sent as what
// they are: a part of a table that lies in shared memory crosses without a copy. In private memory
// it is copied once, into one slab.
//
// The index, as in pandas: either a range, which is not stored, or some of the columns.

#ifndef SLABPIPE_CODEC_TABLE_H_
#define SLABPIPE_CODEC_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "slabpipe/codec/binding.h"
#include "slabpipe/codec/column.h"
#include "slabpipe/codec/column_type.h"
#include "slabpipe/codec/column_view.h"
#include "slabpipe/codec/value.h"

namespace slabpipe {

// A column with its name, whether values may be missing, and whatever else is to be known.
struct TableColumn {
  std::string name;
  Column values;
  bool nullable = true;
  ValueMap attributes = {};

  TableField field() const { return {name, values.type(), nullable, attributes}; }
};

// Row i has the label start + i * step.
struct RangeIndex {
  int64_t start = 0;
  int64_t step = 1;
  std::string name = {};

  friend bool operator==(const RangeIndex&, const RangeIndex&) = default;
};

// Thread-compatible.
class Table {
 public:
  // No columns, no rows.
  Table();
  // Columns in order. INVALID_ARGUMENT names the one that has not as many rows as the first, or
  // missing values though it is not nullable.
  static absl::StatusOr<Table> Make(std::vector<TableColumn> columns);
  // The same, and how many rows there are: also without columns.
  static absl::StatusOr<Table> Make(std::vector<TableColumn> columns, int64_t row_count);
  // The columns of `fields`, without rows.
  static absl::StatusOr<Table> Empty(absl::Span<const TableField> fields);

  int64_t row_count() const { return row_count_; }
  size_t column_count() const { return columns().size(); }
  const std::vector<TableColumn>& columns() const;
  // REQUIRES: index < column_count().
  const TableColumn& column(size_t index) const { return columns()[index]; }
  // nullptr if there is none, or more than one (tables of other libraries may have such). Valid as
  // long as this table or a copy. The first look-up in a table makes an index of its names.
  const TableColumn* Find(absl::string_view name) const;
  // The values of a column as T (column_view.h). NOT_FOUND names the columns that there are;
  // INVALID_ARGUMENT if it is of another type, or the name comes twice.
  template <typename T>
  absl::StatusOr<ColumnView<T>> Column(absl::string_view name) const;
  absl::StatusOr<slabpipe::Column> Column(absl::string_view name) const;

  const ValueMap& attributes() const { return attributes_; }
  ValueMap& attributes() { return attributes_; }

  // The range's start, step and name; those of the default if it is none.
  const RangeIndex& range_index() const { return range_index_; }
  // The names of the index's columns; none: it is a range.
  const std::vector<std::string>& index_columns() const { return index_columns_; }
  void SetIndex(RangeIndex range);
  // INVALID_ARGUMENT if there is no such column, or a name comes twice.
  absl::Status SetIndex(std::vector<std::string> columns);

  // Some columns, in that order; those of the index that are not named stay, in front. Errors as
  // Column; INVALID_ARGUMENT if a name comes twice.
  absl::StatusOr<Table> Select(absl::Span<const std::string> names) const;
  absl::StatusOr<Table> Select(std::initializer_list<absl::string_view> names) const;
  // Without these. Errors as Column; INVALID_ARGUMENT for one of the index.
  absl::StatusOr<Table> Drop(absl::Span<const std::string> names) const;
  // With a column more, behind the others. INVALID_ARGUMENT if it is of another length;
  // ALREADY_EXISTS if the name is taken.
  absl::StatusOr<Table> With(TableColumn column) const;
  // Rows begin to end. OUT_OF_RANGE if they leave the table.
  absl::StatusOr<Table> Slice(int64_t begin, int64_t end) const;
  // The first rows, or as many as there are.
  Table Head(int64_t rows) const;

  // A copy of all columns in private memory, or where `source` says (Session::memory(): shared
  // memory, so that sending it copies nothing more). Errors as Column::Copy, with the column.
  absl::StatusOr<Table> Copy() const { return Copy(&Buffer::Allocate); }
  absl::StatusOr<Table> Copy(BufferSource source) const;

  // For people: the first rows, in columns.
  struct PrintOptions {
    int64_t rows = 10;       // more than these are told by "..."
    size_t columns = 20;     // likewise; those of an index come first, and count
    size_t cell_width = 40;  // characters; longer texts are cut
  };
  std::string ToText(const PrintOptions& options) const;
  std::string ToText() const { return ToText(PrintOptions()); }
  // Names and types of the columns, one a line.
  std::string Describe() const;

 private:
  struct Body;  // what copies share

  Table(std::shared_ptr<const Body> body, int64_t row_count);
  friend absl::StatusOr<Table> PinIndices(const Table& table);
  // Other columns, the rest as it is here.
  Table WithColumns(std::vector<TableColumn> columns) const;
  absl::StatusOr<size_t> IndexOf(absl::string_view name) const;
  absl::StatusOr<Table> SelectPositions(std::vector<size_t> positions) const;

  std::shared_ptr<const Body> body_;
  int64_t row_count_ = 0;
  RangeIndex range_index_;
  std::vector<std::string> index_columns_;
  ValueMap attributes_;
};

// As Table::ToText with the usual options.
std::ostream& operator<<(std::ostream& stream, const Table& table);

// The rows of all tables, in memory that `source` gives; index and attributes of the first. One
// copy. INVALID_ARGUMENT if there is no table, or the names, types or order of columns differ;
// otherwise as Concatenate of columns (column_copy.h), with the column.
absl::StatusOr<Table> Concatenate(absl::Span<const Table> tables, BufferSource source);

// The same columns by name, order, type, values (as SameValues) and all that is said of them; the
// same number of rows, index and attributes.
bool SameTables(const Table& a, const Table& b);

// Tables hold columns, which keep their bytes by themselves.
template <>
struct Binding<Table> {
  static constexpr bool kOwnsItsBytes = true;
  static absl::Status Visit(const Table& table, ModelVisitor visit) {
    return visit(AnyRef::To(table));
  }
  static absl::StatusOr<Table> Make(const Object& object) {
    if (const Table* table = object.get<Table>()) return *table;
    return WrongModel(object, "a table");
  }
};

// Implementation details only below this line.

namespace internal {
absl::Status InColumn(absl::string_view name, const absl::Status& status);
}

template <typename T>
absl::StatusOr<ColumnView<T>> Table::Column(absl::string_view name) const {
  absl::StatusOr<slabpipe::Column> column = Column(name);
  if (!column.ok()) return column.status();
  absl::StatusOr<ColumnView<T>> view = column->As<T>();
  if (!view.ok()) return internal::InColumn(name, view.status());
  return view;
}

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_TABLE_H_
