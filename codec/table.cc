#include "slabpipe/codec/table.h"

#include <algorithm>
#include <memory>
#include <mutex>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "slabpipe/codec/column_builder.h"
#include "slabpipe/codec/column_copy.h"

namespace slabpipe {

struct Table::Body {
  explicit Body(std::vector<TableColumn> given) : columns(std::move(given)) {}

  static constexpr size_t kTwice = SIZE_MAX;
  // kTwice for a name that comes more than once.
  const absl::flat_hash_map<absl::string_view, size_t>& positions() const {
    std::call_once(once_, [this] {
      for (size_t i = 0; i < columns.size(); ++i) {
        const bool fresh = positions_.emplace(columns[i].name, i).second;
        if (!fresh) positions_[columns[i].name] = kTwice;
      }
    });
    return positions_;
  }

  const std::vector<TableColumn> columns;

 private:
  mutable std::once_flag once_;
  mutable absl::flat_hash_map<absl::string_view, size_t> positions_;
};

namespace {

// As many names as a message should have.
std::string SomeNames(const std::vector<TableColumn>& columns) {
  constexpr size_t kShown = 20;
  std::string text;
  for (size_t i = 0; i < std::min(columns.size(), kShown); ++i) {
    absl::StrAppend(&text, i == 0 ? "" : ", ", "'", columns[i].name, "'");
  }
  if (columns.size() > kShown) absl::StrAppend(&text, ", ... (", columns.size(), ")");
  return columns.empty() ? "none" : text;
}

absl::Status Ragged(const TableColumn& column, int64_t wanted) {
  return internal::InColumn(column.name, absl::InvalidArgumentError(absl::StrCat(
                                             "it has ", column.values.size(), " rows, wanted ",
                                             wanted, ", as the others have")));
}

}  // namespace

namespace internal {
absl::Status InColumn(absl::string_view name, const absl::Status& status) {
  return InContext(absl::StrCat("column '", name, "'"), status);
}
}  // namespace internal

Table::Table() : Table(std::make_shared<const Body>(std::vector<TableColumn>()), 0) {}

Table::Table(std::shared_ptr<const Body> body, int64_t row_count)
    : body_(std::move(body)), row_count_(row_count) {}

absl::StatusOr<Table> Table::Make(std::vector<TableColumn> columns) {
  const int64_t rows = columns.empty() ? 0 : columns[0].values.size();
  return Make(std::move(columns), rows);
}

absl::StatusOr<Table> Table::Make(std::vector<TableColumn> columns, int64_t row_count) {
  if (row_count < 0 || row_count > kMaxColumnValues) {
    return absl::InvalidArgumentError(absl::StrCat("a table of ", row_count, " rows"));
  }
  for (const TableColumn& column : columns) {
    if (column.values.size() != row_count) return Ragged(column, row_count);
    if (!column.nullable && column.values.null_count() > 0) {
      return internal::InColumn(
          column.name,
          absl::InvalidArgumentError(absl::StrCat(
              column.values.null_count(), " values are missing, which the field does not allow")));
    }
  }
  return Table(std::make_shared<const Body>(std::move(columns)), row_count);
}

absl::StatusOr<Table> Table::Empty(absl::Span<const TableField> fields) {
  std::vector<TableColumn> columns;
  for (const TableField& field : fields) {
    absl::StatusOr<slabpipe::Column> column = ColumnBuilder(field.type).Finish();
    if (!column.ok()) return internal::InColumn(field.name, column.status());
    columns.push_back({.name = field.name,
                       .values = *std::move(column),
                       .nullable = field.nullable,
                       .attributes = field.attributes});
  }
  return Make(std::move(columns), 0);
}

const std::vector<TableColumn>& Table::columns() const { return body_->columns; }

Table Table::WithColumns(std::vector<TableColumn> columns) const {
  Table table = *this;
  table.body_ = std::make_shared<const Body>(std::move(columns));
  return table;
}

absl::StatusOr<size_t> Table::IndexOf(absl::string_view name) const {
  const auto& positions = body_->positions();
  const auto found = positions.find(name);
  if (found == positions.end()) {
    return absl::NotFoundError(
        absl::StrCat("there is no column '", name, "', but ", SomeNames(columns())));
  }
  if (found->second != Body::kTwice) return found->second;
  return absl::InvalidArgumentError(
      absl::StrCat("several columns are called '", name, "': take one by its position"));
}

const TableColumn* Table::Find(absl::string_view name) const {
  const absl::StatusOr<size_t> index = IndexOf(name);
  return index.ok() ? &columns()[*index] : nullptr;
}

absl::StatusOr<slabpipe::Column> Table::Column(absl::string_view name) const {
  const absl::StatusOr<size_t> index = IndexOf(name);
  if (!index.ok()) return index.status();
  return columns()[*index].values;
}

void Table::SetIndex(RangeIndex range) {
  range_index_ = std::move(range);
  index_columns_.clear();
}

absl::Status Table::SetIndex(std::vector<std::string> columns) {
  absl::flat_hash_set<absl::string_view> names;
  for (const std::string& name : columns) {
    if (absl::Status found = IndexOf(name).status(); !found.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("index: ", found.message()));
    }
    if (!names.insert(name).second) {
      return absl::InvalidArgumentError(absl::StrCat("index: column '", name, "' comes twice"));
    }
  }
  index_columns_ = std::move(columns);
  if (!index_columns_.empty()) range_index_ = RangeIndex();
  return absl::OkStatus();
}

absl::StatusOr<Table> Table::Select(absl::Span<const std::string> names) const {
  absl::flat_hash_set<absl::string_view> known;
  for (const std::string& name : names) {
    if (known.insert(name).second) continue;
    return absl::InvalidArgumentError(absl::StrCat("column '", name, "' is named twice"));
  }
  std::vector<size_t> positions;
  for (const std::string& name : index_columns_) {
    if (!known.contains(name)) {
      positions.push_back(*IndexOf(name));
    }
  }
  for (const std::string& name : names) {
    absl::StatusOr<size_t> index = IndexOf(name);
    if (!index.ok()) return index.status();
    positions.push_back(*index);
  }
  return SelectPositions(std::move(positions));
}

absl::StatusOr<Table> Table::Select(std::initializer_list<absl::string_view> names) const {
  return Select(std::vector<std::string>(names.begin(), names.end()));
}

absl::StatusOr<Table> Table::Drop(absl::Span<const std::string> names) const {
  absl::flat_hash_set<size_t> dropped;
  for (const std::string& name : names) {
    absl::StatusOr<size_t> index = IndexOf(name);
    if (!index.ok()) return index.status();
    if (std::find(index_columns_.begin(), index_columns_.end(), name) != index_columns_.end()) {
      return absl::InvalidArgumentError(absl::StrCat("column '", name, "' is the index's"));
    }
    dropped.insert(*index);
  }
  std::vector<size_t> positions;
  for (size_t i = 0; i < column_count(); ++i) {
    if (!dropped.contains(i)) positions.push_back(i);
  }
  return SelectPositions(std::move(positions));
}

absl::StatusOr<Table> Table::SelectPositions(std::vector<size_t> positions) const {
  std::vector<TableColumn> selected;
  selected.reserve(positions.size());
  for (const size_t position : positions) selected.push_back(columns()[position]);
  return WithColumns(std::move(selected));
}

absl::StatusOr<Table> Table::With(TableColumn column) const {
  if (column.values.size() != row_count_) return Ragged(column, row_count_);
  if (body_->positions().contains(column.name)) {
    return absl::AlreadyExistsError(absl::StrCat("there is a column '", column.name, "' already"));
  }
  std::vector<TableColumn> all = columns();
  all.push_back(std::move(column));
  return WithColumns(std::move(all));
}

absl::StatusOr<Table> Table::Slice(int64_t begin, int64_t end) const {
  if (begin < 0 || begin > end || end > row_count_) {
    return absl::OutOfRangeError(
        absl::StrCat("rows ", begin, " to ", end, " of a table of ", row_count_));
  }
  std::vector<TableColumn> sliced = columns();
  for (TableColumn& column : sliced) column.values = *column.values.Slice(begin, end);
  Table table = WithColumns(std::move(sliced));
  table.row_count_ = end - begin;
  if (!index_columns_.empty()) return table;
  // Labels wrap around as the arithmetic of the range does.
  table.range_index_.start =
      static_cast<int64_t>(static_cast<uint64_t>(range_index_.start) +
                           static_cast<uint64_t>(begin) * static_cast<uint64_t>(range_index_.step));
  return table;
}

Table Table::Head(int64_t rows) const {
  return *Slice(0, std::clamp<int64_t>(rows, 0, row_count_));
}

absl::StatusOr<Table> Table::Copy(BufferSource source) const {
  return Concatenate(absl::MakeConstSpan(this, 1), source);
}

absl::StatusOr<Table> Concatenate(absl::Span<const Table> tables, BufferSource source) {
  if (tables.empty()) return absl::InvalidArgumentError("there are no tables to put together");
  int64_t rows = 0;
  for (const Table& table : tables) {
    rows += table.row_count();
    if (rows > kMaxColumnValues) {
      return absl::OutOfRangeError(
          absl::StrCat("they would have more than ", kMaxColumnValues, " rows"));
    }
    if (table.column_count() == tables[0].column_count()) continue;
    return absl::InvalidArgumentError(absl::StrCat("tables of ", tables[0].column_count(), " and ",
                                                   table.column_count(),
                                                   " columns can't be put together"));
  }
  ColumnMemory memory(source);
  std::vector<TableColumn> columns = tables[0].columns();
  for (size_t i = 0; i < columns.size(); ++i) {
    std::vector<Column> pieces;
    for (const Table& table : tables) {
      columns[i].nullable = columns[i].nullable || table.column(i).nullable;
      if (table.column(i).name != columns[i].name) {
        return absl::InvalidArgumentError(absl::StrCat("column ", i, " is '", columns[i].name,
                                                       "' here and '", table.column(i).name,
                                                       "' there"));
      }
      pieces.push_back(table.column(i).values);
    }
    absl::StatusOr<Column> all = Concatenate(pieces, memory);
    if (!all.ok()) return internal::InColumn(columns[i].name, all.status());
    columns[i].values = *std::move(all);
  }
  absl::StatusOr<Table> table = Table::Make(std::move(columns), rows);
  if (!table.ok()) return table;
  table->attributes() = tables[0].attributes();
  table->SetIndex(tables[0].range_index());
  absl::Status indexed = table->SetIndex(tables[0].index_columns());
  if (!indexed.ok()) return indexed;
  return table;
}

bool SameTables(const Table& a, const Table& b) {
  if (a.row_count() != b.row_count() || a.column_count() != b.column_count() ||
      a.index_columns() != b.index_columns() || a.range_index() != b.range_index() ||
      !(a.attributes() == b.attributes())) {
    return false;
  }
  return std::equal(a.columns().begin(), a.columns().end(), b.columns().begin(),
                    [](const TableColumn& left, const TableColumn& right) {
                      return left.field() == right.field() && SameValues(left.values, right.values);
                    });
}

}  // namespace slabpipe
