// Tables of each kind of column into DuckDB and back: what Arrow says of them is understood by
// somebody else.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/codec/arrow.h"
#include "slabpipe/codec/arrow_abi.h"
#include "slabpipe/codec/column.h"
#include "slabpipe/codec/table.h"
#include "slabpipe/examples/sql/database.h"
#include "slabpipe/tests/codec/test_tables.h"
#include "slabpipe/tests/examples/sql_database_fixture.h"
#include "slabpipe/tests/testing/status_matchers.h"

namespace slabpipe::tests {
namespace {

class SqlTableTest : public SqlDatabaseTest {
 protected:
  absl::Status RegisterTable(const Table& table) {
    ArrowSchema schema;
    ArrowArray array;
    if (absl::Status status = ExportTable(table, &schema, &array); !status.ok()) return status;
    return database_->Register("t", &schema, &array);
  }

  absl::StatusOr<Table> QueryTable(const std::string& sql) {
    absl::StatusOr<sql::QueryResult> result = database_->Query(sql);
    if (!result.ok()) return result.status();
    ArrowArrayStream stream;
    std::move(*result).Export(&stream);
    absl::StatusOr<std::unique_ptr<TableReader>> reader = ImportStream(&stream);
    if (!reader.ok()) return reader.status();
    return ReadAll(**reader, &Buffer::Allocate);
  }
};

// The types that come back as others; "" for those that DuckDB has not.
const std::map<std::string, std::string>& OtherTypes() {
  static const auto& types = *new std::map<std::string, std::string>{
      {"null", "int32"},
      {"float16", ""},
      {"large_text", "text"},
      {"large_bytes", "bytes"},
      {"bytes[3]", "bytes"},
      {"date64", "date32"},
      {"time32[s]", "time64[us]"},
      {"time32[ms]", "time64[us]"},
      {"duration[s]", "interval"},
      {"duration[ms]", "interval"},
      {"duration[us]", "interval"},
      {"duration[ns]", "interval"},
      {"timestamp[s, Europe/Oslo]", "timestamp[us, UTC]"},
      {"timestamp[ms, Europe/Oslo]", "timestamp[us, UTC]"},
      {"timestamp[us, Europe/Oslo]", "timestamp[us, UTC]"},
      {"timestamp[ns, Europe/Oslo]", "timestamp[us, UTC]"},
      {"categorical[large_text, ordered]", "categorical[text]"},
      {"categorical[int64]", "int64"},
      {"large_list[float64]", "list[float64]"},
      {"decimal256[60, -3]", ""},
  };
  return types;
}

// Whether values that come back read as before. Zones and durations are told otherwise, and
// nanoseconds of them and of intervals are cut off.
bool ReadsAsBefore(const std::string& type) {
  return !absl::StrContains(type, "Europe/Oslo") && !absl::StartsWith(type, "duration") &&
         type != "interval";
}

void ExpectSameColumn(const Column& sent, const Column& back) {
  const std::string type = sent.type().name();
  const auto other = OtherTypes().find(type);
  ASSERT_EQ(back.type().name(), other == OtherTypes().end() ? type : other->second);
  ASSERT_EQ(back.size(), sent.size());
  for (int64_t row = 0; row < sent.size(); ++row) {
    EXPECT_EQ(back.is_null(row), sent.is_null(row)) << row;
    if (!ReadsAsBefore(type)) continue;
    EXPECT_EQ(back.CellText(row), sent.CellText(row)) << row;
  }
}

TEST_F(SqlTableTest, ColumnsOfEachKindComeBack) {
  const Table kinds = AllKinds();
  for (const TableColumn& column : kinds.columns()) {
    for (const int64_t begin : {0, 3, 18, 19}) {
      SCOPED_TRACE(absl::StrCat(column.name, " from row ", begin));
      const Table sent = *Table::Make({column})->Slice(begin, kinds.row_count());
      const absl::Status registered = RegisterTable(sent);
      const auto other = OtherTypes().find(column.values.type().name());
      if (other != OtherTypes().end() && other->second.empty()) {
        EXPECT_THAT(registered, StatusIs(absl::StatusCode::kUnimplemented));
        continue;
      }
      ASSERT_THAT(registered, IsOk());
      const absl::StatusOr<Table> back = QueryTable("SELECT * FROM t");
      ASSERT_THAT(back, IsOk());
      ASSERT_EQ(back->column_count(), 1u);
      EXPECT_EQ(back->column(0).name, column.name);
      ExpectSameColumn(sent.column(0).values, back->column(0).values);
    }
  }
}

TEST_F(SqlTableTest, InstantsAreTheSameInUtc) {
  const absl::StatusOr<Table> sent = AllKinds().Select({"timestamp[s, Europe/Oslo]"});
  ASSERT_THAT(sent, IsOk());
  ASSERT_THAT(RegisterTable(*sent), IsOk());
  const absl::StatusOr<Table> back = QueryTable("SELECT epoch(COLUMNS(*))::BIGINT FROM t");
  ASSERT_THAT(back, IsOk());
  EXPECT_TRUE(SameValues(*Column::FromArray(*sent->column(0).values.Storage()),
                         *Column::FromArray(*back->column(0).values.Storage())));
}

}  // namespace
}  // namespace slabpipe::tests
