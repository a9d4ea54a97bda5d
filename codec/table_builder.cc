#include "slabpipe/codec/table_builder.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace slabpipe {

TableBuilder::TableBuilder(std::vector<TableField> fields) : fields_(std::move(fields)) {
  for (const TableField& field : fields_) columns_.emplace_back(field.type);
}

absl::Status TableBuilder::AppendRow(absl::Span<const Cell> cells) {
  if (!failed_.ok()) return failed_;
  failed_ = internal::InRow(row_count_, AppendCells(cells));
  if (failed_.ok()) ++row_count_;
  return failed_;
}

absl::Status TableBuilder::AppendCells(absl::Span<const Cell> cells) {
  if (cells.size() != columns_.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("it has ", cells.size(), " cells, wanted ", columns_.size()));
  }
  for (size_t i = 0; i < cells.size(); ++i) {
    absl::Status status;
    if (cells[i].is_null() && !fields_[i].nullable) {
      status = absl::InvalidArgumentError("a value is missing, which the field does not allow");
    } else {
      status = columns_[i].Append(cells[i]);
    }
    if (!status.ok()) return internal::InColumn(fields_[i].name, status);
  }
  return absl::OkStatus();
}

absl::StatusOr<Table> TableBuilder::Finish() {
  if (!failed_.ok()) return failed_;
  std::vector<TableColumn> columns;
  for (size_t i = 0; i < columns_.size(); ++i) {
    absl::StatusOr<Column> column = columns_[i].Finish();
    if (!column.ok()) return internal::InColumn(fields_[i].name, column.status());
    columns.push_back({.name = fields_[i].name,
                       .values = *std::move(column),
                       .nullable = fields_[i].nullable,
                       .attributes = fields_[i].attributes});
  }
  return Table::Make(std::move(columns), std::exchange(row_count_, 0));
}

}  // namespace slabpipe
