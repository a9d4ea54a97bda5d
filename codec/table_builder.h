// TableBuilder: a table row by row.
//
//   TableBuilder builder({{"species", ColumnType::Categorical(ColumnType::Text())},
//                         {"mass", ColumnType::Of<double>()}});
//   absl::Status status = builder.AppendRow({"Adelie", 3750.0});
//   status.Update(builder.AppendRow({"Gentoo", std::nullopt}));
//   absl::StatusOr<Table> table = builder.Finish();

#ifndef SLABPIPE_CODEC_TABLE_BUILDER_H_
#define SLABPIPE_CODEC_TABLE_BUILDER_H_

#include <cstdint>
#include <initializer_list>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "slabpipe/codec/column_builder.h"
#include "slabpipe/codec/column_type.h"
#include "slabpipe/codec/table.h"

namespace slabpipe {

// Movable. Thread-compatible.
class TableBuilder {
 public:
  explicit TableBuilder(std::vector<TableField> fields);

  int64_t row_count() const { return row_count_; }

  // A cell for each column. INVALID_ARGUMENT if there are more or fewer, or a value is missing
  // where the field is not nullable; otherwise as ColumnBuilder::Append, with the column and the
  // row. After an error the builder is of no more use: what follows, and Finish, give the same
  // error.
  absl::Status AppendRow(absl::Span<const Cell> cells);
  absl::Status AppendRow(std::initializer_list<Cell> cells) {
    return AppendRow(absl::MakeConstSpan(cells.begin(), cells.size()));
  }

  // All rows, in private memory (Table::Copy puts them elsewhere). The builder is empty again.
  absl::StatusOr<Table> Finish();

 private:
  absl::Status AppendCells(absl::Span<const Cell> cells);

  std::vector<TableField> fields_;
  std::vector<ColumnBuilder> columns_;
  int64_t row_count_ = 0;
  absl::Status failed_;
};

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_TABLE_BUILDER_H_
