#include "slabpipe/tests/fuzz/table_seeds.h"

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "slabpipe/codec/column_builder.h"
#include "slabpipe/codec/shared_array.h"
#include "slabpipe/codec/table.h"
#include "slabpipe/tests/codec/test_tables.h"

namespace slabpipe::fuzz {
namespace {

using ::slabpipe::tests::AllKinds;
using ::slabpipe::tests::Penguins;

// Nine rows, the first of them behind six others; without the long text.
Table SmallKinds() { return *AllKinds().Slice(6, 15); }

// "list[int16], some missing" as the name of a file.
std::string FileName(absl::string_view name) {
  return absl::StrReplaceAll(name, {{"[", "_"}, {"]", ""}, {", ", "_"}, {": ", "_"}, {"/", "_"}});
}

// One column of each kind, some values missing where there is such a one; of those that hold
// others, all.
std::vector<TableColumn> OneOfEachKind() {
  std::map<std::string, TableColumn> columns;
  const Table kinds = SmallKinds();
  for (const TableColumn& column : kinds.columns()) {
    const ColumnType& type = column.values.type();
    const bool simple = type.kind() < ColumnType::kList;
    columns.insert_or_assign(simple ? absl::StrCat(static_cast<int>(type.kind())) : type.name(),
                             column);
  }
  std::vector<TableColumn> list;
  for (auto& [key, column] : columns) list.push_back(std::move(column));
  return list;
}

void AddColumns(SeedWriter& writer) {
  for (const TableColumn& column : OneOfEachKind()) {
    writer.Add("column", FileName(column.values.type().name()), column.values);
  }
  writer.Add("column", "none_missing", *ToColumn(std::vector<int32_t>{1, 2, 3}));
  writer.Add("column", "no_rows", *ColumnBuilder(ColumnType::Text()).Finish());
  const Column text = *Penguins().Column("island");
  writer.Add("column", "shared_text", *text.Copy(SharedMemory(writer.pool())));
  const Column list = *SmallKinds().Column("list[int16], some missing");
  writer.Add("column", "shared_list_slice", *list.Copy(SharedMemory(writer.pool()))->Slice(3, 8));
  const Column categories = *Penguins().Column("species");
  writer.Add("column", "shared_categories_slice",
             *categories.Copy(SharedMemory(writer.pool()))->Slice(2, 6));
  writer.AddRequest("column", text);
}

void AddWholeTables(SeedWriter& writer) {
  const Table penguins = Penguins();
  writer.Add("table", "penguins", penguins);
  writer.Add("table", "penguins_slice", *penguins.Slice(2, 6));
  writer.Add("table", "penguins_shared", *penguins.Copy(SharedMemory(writer.pool())));
  writer.Add("table", "penguins_shared_slice",
             *penguins.Copy(SharedMemory(writer.pool()))->Slice(3, 5));
  writer.Add("table", "no_rows", *penguins.Slice(0, 0));
  writer.Add("table", "no_columns", Table());
  writer.Add("table", "no_columns_but_rows", *Table::Make({}, 12));
  Table texts = *penguins.Select({"island"});
  texts.SetIndex(RangeIndex{.start = -5, .step = 3, .name = "row"});
  writer.Add("table", "range_index", texts);
  writer.AddRequest("table", penguins);
  writer.AddRequest("shared_table", *penguins.Copy(SharedMemory(writer.pool())));
}

// Some columns of all kinds side by side.
void AddMixedTables(SeedWriter& writer) {
  const Table kinds = SmallKinds();
  const auto add = [&](const std::string& name, absl::string_view of) {
    std::vector<TableColumn> columns;
    for (const TableColumn& column : kinds.columns()) {
      if (absl::StartsWith(column.name, of)) columns.push_back(column);
    }
    FUZZ_CHECK(!columns.empty(), name);
    writer.Add("table", name, *Table::Make(std::move(columns)));
  };
  add("integers", "int");
  add("lists", "list");
  add("structs", "struct");
  add("categoricals", "categorical");
  add("timestamps", "timestamp");
  add("bits", "bool");
}

}  // namespace

void AddTables(SeedWriter& writer) {
  AddColumns(writer);
  AddWholeTables(writer);
  AddMixedTables(writer);
}

}  // namespace slabpipe::fuzz
