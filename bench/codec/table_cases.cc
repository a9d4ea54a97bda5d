// table, column.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "slabpipe/bench/codec/cases.h"
#include "slabpipe/bench/codec/codec_case.h"
#include "slabpipe/codec/column_builder.h"
#include "slabpipe/codec/shared_array.h"
#include "slabpipe/codec/table.h"
#include "slabpipe/codec/table_builder.h"

namespace slabpipe::bench {
namespace {

constexpr int kWideColumns = 2500;
constexpr int kWideRows = 1000;
constexpr int64_t kManyRows = 1'000'000;

// 20,000,000 bytes.
Table WideTable() {
  std::vector<TableColumn> columns;
  for (int i = 0; i < kWideColumns; ++i) {
    columns.push_back({.name = absl::StrCat("column ", i),
                       .values = CheckOk(ToColumn(std::vector<double>(kWideRows, i)))});
  }
  return CheckOk(Table::Make(std::move(columns)));
}

// An integer, a real number of which some are missing, a text, a category and a time a row.
Table LongTable() {
  TableBuilder builder({{.name = "id", .type = ColumnType::Of<int64_t>()},
                        {.name = "mass", .type = ColumnType::Of<double>()},
                        {.name = "name", .type = ColumnType::Text()},
                        {.name = "species", .type = ColumnType::Categorical(ColumnType::Text())},
                        {.name = "when", .type = ColumnType::Timestamp(TimeUnit::kSecond, "UTC")}});
  const std::string species[] = {"Adelie", "Chinstrap", "Gentoo"};
  for (int64_t row = 0; row < kManyRows; ++row) {
    const std::string name = absl::StrCat("number ", row);
    const Cell mass = row % 10 == 3 ? Cell() : Cell(static_cast<double>(row) / 8);
    CheckOk(builder.AppendRow(
        {row, mass, name, species[row % 3], absl::UnixEpoch() + absl::Seconds(row)}));
  }
  return CheckOk(builder.Finish());
}

Table InSharedMemory(MessageLoop& loop, const Table& table) {
  return CheckOk(table.Copy(SharedMemory(loop.pool())));
}

}  // namespace

void AddTableCases() {
  AddCase(
      "table/2500_columns_x_1000", [](MessageLoop&) { return WideTable(); }, SameTables);
  AddCase(
      "table/2500_columns_x_1000_shared",
      [](MessageLoop& loop) { return InSharedMemory(loop, WideTable()); }, SameTables);
  AddCase(
      "table/1e6_rows_x_5", [](MessageLoop&) { return LongTable(); }, SameTables);
  AddCase(
      "table/1e6_rows_x_5_shared",
      [](MessageLoop& loop) { return InSharedMemory(loop, LongTable()); }, SameTables);
  AddCase(
      "column/1000_texts", [](MessageLoop&) { return CheckOk(ToColumn(MakeTexts())); }, SameValues);
}

}  // namespace slabpipe::bench
