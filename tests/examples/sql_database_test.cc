#include <cerrno>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/examples/sql/database.h"
#include "slabpipe/examples/sql/duckdb_library.h"
#include "slabpipe/tests/examples/arrow_table.h"
#include "slabpipe/tests/testing/sanitizers.h"
#include "slabpipe/tests/testing/status_matchers.h"

namespace slabpipe::tests {
namespace {

using ::sql::Database;
using ::sql::DuckdbLibrary;
using ::sql::QueryResult;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Longer than what lies inside of an element of DuckDB's VARCHAR vectors.
constexpr char kLongText[] = "a text of more than twelve bytes";

std::string TextAt(const ArrowArray& texts, int64_t row) {
  const auto* bitmap = static_cast<const uint8_t*>(texts.buffers[0]);
  if (bitmap != nullptr && (bitmap[row / 8] >> (row % 8) & 1) == 0) return "NULL";
  const auto* offsets = static_cast<const int32_t*>(texts.buffers[1]);
  return std::string(static_cast<const char*>(texts.buffers[2]) + offsets[row],
                     offsets[row + 1] - offsets[row]);
}

// Appends a batch of texts to `rows`, each row as "a|b|c".
void AppendRows(const ArrowArray& batch, std::vector<std::string>* rows) {
  for (int64_t row = 0; row < batch.length; ++row) {
    std::vector<std::string> texts;
    for (int64_t i = 0; i < batch.n_children; ++i) texts.push_back(TextAt(*batch.children[i], row));
    rows->push_back(absl::StrJoin(texts, "|"));
  }
}

class SqlDatabaseTest : public ::testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<const DuckdbLibrary*> library = DuckdbLibrary::Open();
    if (absl::IsNotFound(library.status())) GTEST_SKIP() << library.status().message();
    ASSERT_THAT(library, IsOk());
    Open(**library);
  }

  // Nothing that was made is left, and nothing was released twice.
  void TearDown() override {
    database_.reset();
    EXPECT_EQ(counts_.released, counts_.made);
  }

  void Open(const DuckdbLibrary& library, const sql::DatabaseOptions& options = {}) {
    library_ = &library;
    absl::StatusOr<std::unique_ptr<Database>> database = Database::Open(library, options);
    ASSERT_THAT(database, IsOk());
    database_ = std::move(*database);
  }

  absl::Status RegisterBatches(const std::string& name, std::vector<std::vector<Column>> batches) {
    ArrowArrayStream stream = MakeStream(std::move(batches), &counts_);
    absl::Status status = database_->Register(name, &stream);
    EXPECT_EQ(stream.release, nullptr);
    return status;
  }
  absl::Status Register(const std::string& name, std::vector<Column> columns) {
    return RegisterBatches(name, {std::move(columns)});
  }

  // The rows that a query gives, their values as DuckDB writes them, each row as "a|b|c".
  absl::StatusOr<std::vector<std::string>> Rows(const std::string& sql) {
    absl::StatusOr<QueryResult> result =
        database_->Query(absl::StrCat("SELECT COLUMNS(*)::VARCHAR FROM (", sql, ")"));
    if (!result.ok()) return result.status();
    std::vector<std::string> rows;
    ArrowArray batch;
    while (true) {
      absl::StatusOr<bool> more = result->Next(&batch);
      if (!more.ok()) return more.status();
      if (!*more) return rows;
      AppendRows(batch, &rows);
      batch.release(&batch);
    }
  }

  std::string TypeOf(const std::string& table, const std::string& column) {
    absl::StatusOr<std::vector<std::string>> rows =
        Rows(absl::StrCat("SELECT typeof(", column, ") FROM ", table, " LIMIT 1"));
    return rows.ok() ? rows->at(0) : std::string(rows.status().message());
  }

  Counts counts_;
  const DuckdbLibrary* library_ = nullptr;
  std::unique_ptr<Database> database_;
};

TEST_F(SqlDatabaseTest, ScansATable) {
  ASSERT_THAT(Register("t", {Numbers<int64_t>("id", "l", {1, std::nullopt, -3}),
                             Numbers<double>("x", "g", {0.5, 1.5, std::nullopt}),
                             MakeTexts("s", {"short", kLongText, std::nullopt})}),
              IsOk());
  EXPECT_THAT(Rows("SELECT * FROM t"),
              IsOkAndHolds(ElementsAre("1|0.5|short", absl::StrCat("NULL|1.5|", kLongText),
                                       "-3|NULL|NULL")));
}

TEST_F(SqlDatabaseTest, ScansATableThatIsOneArray) {
  ArrowSchema schema = MakeSchema({Numbers<int32_t>("i", "i", {1, 2})}, &counts_);
  ArrowArray array = MakeArray({Numbers<int32_t>("i", "i", {1, 2})}, &counts_);
  ASSERT_THAT(database_->Register("t", &schema, &array), IsOk());
  EXPECT_EQ(schema.release, nullptr);
  EXPECT_EQ(array.release, nullptr);
  EXPECT_THAT(Rows("SELECT sum(i) FROM t"), IsOkAndHolds(ElementsAre("3")));
}

TEST_F(SqlDatabaseTest, ScansATableAgainAndAgain) {
  ASSERT_THAT(Register("t", {Numbers<int64_t>("id", "l", {1, 2, 3}),
                             Numbers<int64_t>("next", "l", {2, 3, std::nullopt}),
                             MakeTexts("name", {"one", "two", kLongText})}),
              IsOk());
  const std::string self_join =
      "SELECT a.name, b.name FROM t a JOIN t b ON a.next = b.id ORDER BY a.id";
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(Rows(self_join),
                IsOkAndHolds(ElementsAre("one|two", absl::StrCat("two|", kLongText))));
  }
  EXPECT_THAT(Rows("SELECT (SELECT max(id) FROM t) - (SELECT min(id) FROM t)"),
              IsOkAndHolds(ElementsAre("2")));
}

TEST_F(SqlDatabaseTest, ScansBatchesAndVectorsInOrder) {
  std::vector<std::optional<int64_t>> first, second;
  for (int64_t i = 0; i < 5000; ++i) first.push_back(i);
  for (int64_t i = 5000; i < 7001; ++i) second.push_back(i);
  ASSERT_THAT(RegisterBatches("t", {{Numbers<int64_t>("i", "l", first)},
                                    {Numbers<int64_t>("i", "l", {})},
                                    {Numbers<int64_t>("i", "l", second)}}),
              IsOk());
  absl::StatusOr<std::vector<std::string>> rows = Rows("SELECT i FROM t");
  ASSERT_THAT(rows, IsOkAndHolds(SizeIs(7001)));
  for (int64_t i = 0; i < 7001; ++i) ASSERT_EQ((*rows)[i], absl::StrCat(i));
  EXPECT_THAT(Rows("SELECT count(*), count(i), sum(i), max(i) FROM t"),
              IsOkAndHolds(ElementsAre("7001|7001|24503500|7000")));
}

TEST_F(SqlDatabaseTest, ReadsOnlyTheColumnsThatAQueryWants) {
  ASSERT_THAT(Register("t", {Numbers<int64_t>("a", "l", {1, 2}), Numbers<int64_t>("b", "l", {3, 4}),
                             MakeTexts("c", {"x", "y"})}),
              IsOk());
  EXPECT_THAT(Rows("SELECT c FROM t"), IsOkAndHolds(ElementsAre("x", "y")));
  EXPECT_THAT(Rows("SELECT c, a FROM t WHERE b = 4"), IsOkAndHolds(ElementsAre("y|2")));
  EXPECT_THAT(Rows("SELECT count(*) FROM t"), IsOkAndHolds(ElementsAre("2")));
}

TEST_F(SqlDatabaseTest, ReadsEveryType) {
  // 1.00, 2.50 as decimals of 128 bits.
  Column decimals{.name = "decimal", .format = "d:10,2"};
  decimals.length = 2;
  Bytes decimal_bytes(32);
  decimal_bytes[0] = 100;
  decimal_bytes[16] = 250;
  decimals.buffers = {std::nullopt, decimal_bytes};
  const std::vector<std::pair<Column, std::string>> columns = {
      {MakeBools("bool", {true, std::nullopt}), "BOOLEAN: true, NULL"},
      {Numbers<int8_t>("i8", "c", {-1, std::nullopt}), "TINYINT: -1, NULL"},
      {Numbers<uint8_t>("u8", "C", {255, std::nullopt}), "UTINYINT: 255, NULL"},
      {Numbers<int16_t>("i16", "s", {-1, std::nullopt}), "SMALLINT: -1, NULL"},
      {Numbers<uint16_t>("u16", "S", {65535, std::nullopt}), "USMALLINT: 65535, NULL"},
      {Numbers<int32_t>("i32", "i", {-1, std::nullopt}), "INTEGER: -1, NULL"},
      {Numbers<uint32_t>("u32", "I", {1, std::nullopt}), "UINTEGER: 1, NULL"},
      {Numbers<int64_t>("i64", "l", {-1, std::nullopt}), "BIGINT: -1, NULL"},
      {Numbers<uint64_t>("u64", "L", {1, std::nullopt}), "UBIGINT: 1, NULL"},
      {Numbers<float>("f32", "f", {0.5, std::nullopt}), "FLOAT: 0.5, NULL"},
      {Numbers<double>("f64", "g", {0.5, std::nullopt}), "DOUBLE: 0.5, NULL"},
      {MakeTexts("large", {kLongText, std::nullopt}, "U"),
       absl::StrCat("VARCHAR: ", kLongText, ", NULL")},
      {MakeTexts("binary", {std::string("a\0b", 3), std::nullopt}, "z"), "BLOB: a\\x00b, NULL"},
      {decimals, "DECIMAL(10,2): 1.00, 2.50"},
      {Numbers<int32_t>("date", "tdD", {1, std::nullopt}), "DATE: 1970-01-02, NULL"},
      {Numbers<int64_t>("time", "ttu", {3600000000, std::nullopt}), "TIME: 01:00:00, NULL"},
      {Numbers<int64_t>("s", "tss:", {1, std::nullopt}), "TIMESTAMP_S: 1970-01-01 00:00:01, NULL"},
      {Numbers<int64_t>("ms", "tsm:", {1, std::nullopt}),
       "TIMESTAMP_MS: 1970-01-01 00:00:00.001, NULL"},
      {Numbers<int64_t>("us", "tsu:", {1, std::nullopt}),
       "TIMESTAMP: 1970-01-01 00:00:00.000001, NULL"},
      {Numbers<int64_t>("ns", "tsn:", {1, std::nullopt}),
       "TIMESTAMP_NS: 1970-01-01 00:00:00.000000001, NULL"},
      {Numbers<int64_t>("zoned", "tsu:Europe/Berlin", {0, std::nullopt}),
       "TIMESTAMP WITH TIME ZONE: 1970-01-01 00:00:00+00, NULL"},
      {Numbers<int64_t>("zoned_ns", "tsn:UTC", {1000, std::nullopt}),
       "TIMESTAMP WITH TIME ZONE: 1970-01-01 00:00:00.000001+00, NULL"},
      {MakeLists("list", {2, std::nullopt}, Numbers<int32_t>("", "i", {1, 2})),
       "INTEGER[]: [1, 2], NULL"},
      {MakeStructs("struct", {Numbers<int32_t>("a", "i", {1, std::nullopt}),
                              MakeTexts("b", {"x", kLongText})}),
       absl::StrCat("STRUCT(a INTEGER, b VARCHAR): {'a': 1, 'b': x}, {'a': NULL, 'b': ", kLongText,
                    "}")},
  };
  std::vector<Column> table;
  for (const auto& [column, expected] : columns) table.push_back(column);
  ASSERT_THAT(Register("t", table), IsOk());
  for (const auto& [column, expected] : columns) {
    absl::StatusOr<std::vector<std::string>> rows =
        Rows(absl::StrCat("SELECT \"", column.name, "\" FROM t"));
    ASSERT_THAT(rows, IsOk()) << column.name;
    EXPECT_EQ(absl::StrCat(TypeOf("t", absl::StrCat("\"", column.name, "\"")), ": ",
                           absl::StrJoin(*rows, ", ")),
              expected);
  }
}

// Arrays that start inside their buffers, also inside of a byte of bitmaps.
TEST_F(SqlDatabaseTest, ReadsArraysWithOffsets) {
  std::vector<std::optional<int32_t>> numbers, sizes, elements;
  std::vector<std::optional<bool>> bools;
  Texts texts;
  for (int32_t i = 0; i < 4200; ++i) {
    numbers.push_back(i % 3 == 0 ? std::nullopt : std::optional<int32_t>(i));
    bools.push_back(i % 3 == 0 ? std::nullopt : std::optional<bool>(i % 2 == 0));
    texts.push_back(i % 3 == 0 ? std::nullopt
                               : std::optional<std::string>(absl::StrCat(kLongText, i)));
    sizes.push_back(i % 3 == 0 ? std::nullopt : std::optional<int32_t>(1));
    if (i % 3 != 0) elements.push_back(i);
  }
  for (int64_t skip : {1, 8, 13, 4199}) {
    SCOPED_TRACE(skip);
    ASSERT_THAT(
        Register("t", {Numbers<int32_t>("n", "i", numbers).Skip(skip),
                       MakeBools("b", bools).Skip(skip), MakeTexts("s", texts).Skip(skip),
                       MakeLists("l", sizes, Numbers<int32_t>("", "i", elements)).Skip(skip),
                       MakeStructs("r", {MakeStructs("q", {Numbers<int32_t>("a", "i", numbers)}),
                                         MakeTexts("b", texts)})
                           .Skip(skip)}),
        IsOk());
    absl::StatusOr<std::vector<std::string>> rows = Rows("SELECT n, b, s, l, r.q.a FROM t");
    ASSERT_THAT(rows, IsOkAndHolds(SizeIs(4200 - skip)));
    for (int64_t i = skip; i < 4200; ++i) {
      const std::string expected = i % 3 == 0 ? "NULL|NULL|NULL|NULL|NULL"
                                              : absl::StrCat(i, "|", i % 2 == 0 ? "true" : "false",
                                                             "|", kLongText, i, "|[", i, "]|", i);
      ASSERT_EQ((*rows)[i - skip], expected) << i;
    }
  }
}

TEST_F(SqlDatabaseTest, ReadsListsAndStructsInsideOfEachOther) {
  const Column numbers = Numbers<int32_t>("n", "i", {1, std::nullopt, 3, 4, std::nullopt, 6});
  const Column lists = MakeLists("l", {1, 2, std::nullopt, 0, 3}, numbers);
  const std::vector<std::optional<bool>> there = {true, true, std::nullopt, true};
  const Column nested = MakeLists("ll", {1, std::nullopt, 2, 2}, lists);
  const Column structs = MakeStructs(
      "s",
      {Numbers<int32_t>("n", "i", {1, 2, 3, std::nullopt}), MakeLists("l", {1, 2, 0, 3}, numbers)},
      there);
  const std::vector<std::string> expected = {
      "[[1]]|{'n': 1, 'l': [1]}", "NULL|{'n': 2, 'l': [NULL, 3]}", "[[NULL, 3], NULL]|NULL",
      "[[], [4, NULL, 6]]|{'n': NULL, 'l': [4, NULL, 6]}"};
  for (int64_t skip = 0; skip < 4; ++skip) {
    ASSERT_THAT(Register("t", {nested.Skip(skip), structs.Skip(skip)}), IsOk());
    EXPECT_THAT(Rows("SELECT * FROM t"),
                IsOkAndHolds(ElementsAreArray(expected.begin() + skip, expected.end())));
  }
}

TEST_F(SqlDatabaseTest, CategoriesAreAnEnumInTheirOrder) {
  ASSERT_THAT(Register("t", {Categories("size", {2, 0, std::nullopt, 1},
                                        {"small", "of middle size", "large"})}),
              IsOk());
  EXPECT_EQ(TypeOf("t", "size"), "ENUM('small', 'of middle size', 'large')");
  EXPECT_THAT(Rows("SELECT size FROM t"),
              IsOkAndHolds(ElementsAre("large", "small", "NULL", "of middle size")));
  EXPECT_THAT(Rows("SELECT size FROM t WHERE size IS NOT NULL ORDER BY size"),
              IsOkAndHolds(ElementsAre("small", "of middle size", "large")));
  EXPECT_THAT(Rows("SELECT count(*) FROM t WHERE size = 'large'"), IsOkAndHolds(ElementsAre("1")));
  EXPECT_THAT(Rows("SELECT upper(size) FROM t WHERE size LIKE 's%'"),
              IsOkAndHolds(ElementsAre("SMALL")));
}

TEST_F(SqlDatabaseTest, CategoriesComeBackAsADictionary) {
  ASSERT_THAT(Register("t", {Categories("kind", {1, std::nullopt, 0}, {"red", kLongText})}),
              IsOk());
  absl::StatusOr<QueryResult> result = database_->Query("SELECT kind FROM t");
  ASSERT_THAT(result, IsOk());
  ArrowSchema schema;
  ASSERT_THAT(result->Schema(&schema), IsOk());
  EXPECT_STREQ(schema.children[0]->name, "kind");
  EXPECT_STREQ(schema.children[0]->format, "C");
  ASSERT_NE(schema.children[0]->dictionary, nullptr);
  EXPECT_STREQ(schema.children[0]->dictionary->format, "u");
  schema.release(&schema);
  ArrowArray batch;
  ASSERT_THAT(result->Next(&batch), IsOkAndHolds(true));
  const ArrowArray& kind = *batch.children[0];
  EXPECT_EQ(kind.null_count, 1);
  const auto* codes = static_cast<const uint8_t*>(kind.buffers[1]);
  EXPECT_EQ(codes[0], 1);
  EXPECT_EQ(codes[2], 0);
  EXPECT_EQ(TextAt(*kind.dictionary, 0), "red");
  EXPECT_EQ(TextAt(*kind.dictionary, 1), kLongText);
  batch.release(&batch);
}

TEST_F(SqlDatabaseTest, CategoriesThatAreNoEnumAreTheirValues) {
  const Texts twice = {"a", kLongText, "a"};
  const Texts missing = {"a", std::nullopt};
  ASSERT_THAT(
      Register("t", {Categories("twice", {2, 1, std::nullopt}, twice),
                     Categories("missing", {0, 1, std::nullopt}, missing),
                     Categories("none", {std::nullopt, std::nullopt, std::nullopt}, Texts{}),
                     CategoriesOf("numbers", {1, 1, 0},
                                  Numbers<int64_t>("", "l", {10, 20, std::nullopt}).Skip(1)),
                     CategoriesOf("large", {1, 0, std::nullopt}, MakeTexts("", {"b", "c"}, "U"))}),
      IsOk());
  EXPECT_EQ(TypeOf("t", "twice"), "VARCHAR");
  EXPECT_EQ(TypeOf("t", "missing"), "VARCHAR");
  EXPECT_EQ(TypeOf("t", "none"), "VARCHAR");
  EXPECT_EQ(TypeOf("t", "numbers"), "BIGINT");
  EXPECT_EQ(TypeOf("t", "large"), "ENUM('b', 'c')");
  EXPECT_THAT(
      Rows("SELECT * FROM t"),
      IsOkAndHolds(ElementsAre("a|a|NULL|NULL|c", absl::StrCat(kLongText, "|NULL|NULL|NULL|b"),
                               "NULL|NULL|NULL|20|NULL")));
}

TEST_F(SqlDatabaseTest, CategoriesOfBatchesMayDiffer) {
  ASSERT_THAT(RegisterBatches("same", {{Categories("k", {0, 1}, {"a", "b"})},
                                       {Categories("k", {1, std::nullopt}, {"a", "b"}).Skip(1)}}),
              IsOk());
  EXPECT_EQ(TypeOf("same", "k"), "ENUM('a', 'b')");
  EXPECT_THAT(Rows("SELECT k FROM same"), IsOkAndHolds(ElementsAre("a", "b", "NULL")));
  ASSERT_THAT(RegisterBatches("other", {{Categories("k", {0, 1}, {"a", "b"})},
                                        {Categories("k", {0, 1}, {"b", "c"})}}),
              IsOk());
  EXPECT_EQ(TypeOf("other", "k"), "VARCHAR");
  EXPECT_THAT(Rows("SELECT k FROM other"), IsOkAndHolds(ElementsAre("a", "b", "b", "c")));
}

TEST_F(SqlDatabaseTest, ACodeWithoutACategoryIsAnError) {
  ASSERT_THAT(Register("t", {Categories("over", {0, 2}, {"a", "b"}),
                             Categories("under", {0, -1}, {"a", "b"})}),
              IsOk());
  for (const char* column : {"over", "under"}) {
    EXPECT_THAT(Rows(absl::StrCat("SELECT ", column, " FROM t")),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr(absl::StrCat("row 1 of column '", column)),
                               HasSubstr("2 categories"))));
  }
}

TEST_F(SqlDatabaseTest, ATableWithoutRowsHasItsColumns) {
  ASSERT_THAT(
      Register("t", {Numbers<int64_t>("a", "l", {}), MakeTexts("b", {}), Categories("c", {}, {"x"}),
                     MakeLists("d", {}, Numbers<double>("", "g", {}))}),
      IsOk());
  EXPECT_THAT(Rows("SELECT * FROM t"), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(Rows("SELECT column_name, column_type FROM (DESCRIBE t)"),
              IsOkAndHolds(ElementsAre("a|BIGINT", "b|VARCHAR", "c|ENUM('x')", "d|DOUBLE[]")));
}

TEST_F(SqlDatabaseTest, ResultsAreAStream) {
  absl::StatusOr<QueryResult> result = database_->Query("SELECT i FROM range(5000) r(i)");
  ASSERT_THAT(result, IsOk());
  ArrowArrayStream stream;
  std::move(*result).Export(&stream);
  ASSERT_THAT(database_->Register("t", &stream), IsOk());
  EXPECT_THAT(Rows("SELECT count(i), sum(i) FROM t"), IsOkAndHolds(ElementsAre("5000|12497500")));
}

TEST_F(SqlDatabaseTest, ResultsOutliveTheTableAndTheDatabase) {
  ASSERT_THAT(Register("t", {MakeTexts("s", {kLongText, "b"})}), IsOk());
  absl::StatusOr<QueryResult> result = database_->Query("SELECT s FROM t");
  ASSERT_THAT(result, IsOk());
  ASSERT_THAT(database_->Drop("t"), IsOk());
  EXPECT_EQ(counts_.released, counts_.made);
  database_.reset();
  ArrowArray batch;
  ASSERT_THAT(result->Next(&batch), IsOkAndHolds(true));
  { QueryResult gone = std::move(*result); }
  EXPECT_EQ(TextAt(*batch.children[0], 0), kLongText);
  batch.release(&batch);
}

TEST_F(SqlDatabaseTest, ATableMayBeReplacedAndDropped) {
  ASSERT_THAT(Register("t \"1\"", {Numbers<int64_t>("a", "l", {1})}), IsOk());
  EXPECT_THAT(Rows("SELECT * FROM \"t \"\"1\"\"\""), IsOkAndHolds(ElementsAre("1")));
  const int made = counts_.made;
  ASSERT_THAT(Register("t \"1\"", {MakeTexts("b", {"x"})}), IsOk());
  EXPECT_EQ(counts_.released, made + 1);  // the first table, and the second one's stream
  EXPECT_THAT(Rows("SELECT b FROM \"t \"\"1\"\"\""), IsOkAndHolds(ElementsAre("x")));
  ASSERT_THAT(database_->Drop("t \"1\""), IsOk());
  EXPECT_EQ(counts_.released, counts_.made);
  EXPECT_THAT(Rows("SELECT b FROM \"t \"\"1\"\"\""),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("does not exist")));
  EXPECT_THAT(database_->Drop("t \"1\""), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(SqlDatabaseTest, ATableThatIsDroppedIsNotFoundByItsFunctionEither) {
  ASSERT_THAT(Register("t", {Numbers<int64_t>("a", "l", {1})}), IsOk());
  ASSERT_THAT(database_->Query("CREATE VIEW v AS SELECT * FROM slabpipe_scan_1()"), IsOk());
  ASSERT_THAT(database_->Drop("t"), IsOk());
  EXPECT_THAT(Rows("SELECT * FROM v"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("has been dropped")));
}

TEST_F(SqlDatabaseTest, ErrorsAreDuckdbsMessages) {
  EXPECT_THAT(
      database_->Query("SELEC 1"),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("syntax error at or near \"SELEC\"")));
  EXPECT_THAT(database_->Query("SELECT * FROM nothing"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("nothing does not exist")));
  EXPECT_THAT(Rows("SELECT 1 + 1"), IsOkAndHolds(ElementsAre("2")));
}

TEST_F(SqlDatabaseTest, IsClosedToTheOutside) {
  for (const char* statement :
       {"SELECT * FROM read_csv('/etc/passwd')", "COPY (SELECT 1) TO '/tmp/slabpipe_sql_test.csv'",
        "ATTACH '/tmp/slabpipe_sql_test.db'", "INSTALL httpfs", "SET enable_external_access = true",
        "SET threads = 8"}) {
    EXPECT_THAT(database_->Query(statement), StatusIs(absl::StatusCode::kInvalidArgument))
        << statement;
  }
}

TEST_F(SqlDatabaseTest, MemoryHasALimit) {
  Open(*library_, {.threads = 1, .max_memory_bytes = int64_t{32} << 20});
  EXPECT_THAT(Rows("SELECT count(*) FROM (SELECT DISTINCT i FROM range(50000000) r(i))"),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(Rows("SELECT 1"), IsOkAndHolds(ElementsAre("1")));
}

TEST_F(SqlDatabaseTest, RefusesWhatIsNoTable) {
  EXPECT_THAT(Register("t", std::vector<Column>{}), StatusIs(absl::StatusCode::kInvalidArgument));
  Column unequal = Numbers<int64_t>("b", "l", {1});
  EXPECT_THAT(Register("t", {Numbers<int64_t>("a", "l", {1, 2}), unequal}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("'b' has 1 rows of 2")));
  EXPECT_THAT(Register("t", {Numbers<int64_t>("a", "?", {1, 2})}),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("column 'a'")));
  EXPECT_THAT(
      RegisterBatches("t", {{Numbers<int64_t>("a", "l", {1})},
                            {Numbers<int64_t>("a", "l", {1}), Numbers<int64_t>("b", "l", {1})}}),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("2 columns")));
  ArrowSchema schema = MakeSchema({Numbers<int32_t>("i", "i", {1})}, &counts_);
  ArrowArray released = {};
  EXPECT_THAT(database_->Register("t", &schema, &released),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("released")));
}

TEST_F(SqlDatabaseTest, RefusesWhatDuckdbWouldReadWrongly) {
  const Column category = Categories("", {0, 1}, {"a", "b"});
  const Column fields = MakeStructs("", {Numbers<int32_t>("a", "i", {1, 2})});
  EXPECT_THAT(Register("t", {MakeLists("l", {1, 1}, category)}),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("a dictionary inside")));
  EXPECT_THAT(Register("t", {MakeStructs("s", {category})}),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("a dictionary inside")));
  EXPECT_THAT(Register("t", {MakeLists("l", {1, 1}, fields)}),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("a struct inside")));
  EXPECT_THAT(Register("t", {CategoriesOf("c", {0, 0}, category)}),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("a dictionary of")));
}

TEST_F(SqlDatabaseTest, AStreamThatFailsIsReleased) {
  ArrowArrayStream stream =
      MakeStream({{Numbers<int64_t>("a", "l", {1})}}, &counts_, /*error=*/EIO);
  EXPECT_THAT(database_->Register("t", &stream),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("batch 1")));
  EXPECT_EQ(counts_.released, counts_.made);
}

// A table of 100,000 rows, and a query that wants all of it, twice.
class SqlDatabaseThreadsTest : public SqlDatabaseTest {
 protected:
  void RegisterLarge() {
    std::vector<std::optional<int64_t>> numbers;
    std::vector<std::optional<int8_t>> codes;
    Texts texts;
    for (int64_t i = 0; i < 100000; ++i) {
      numbers.push_back(i);
      codes.push_back(i % 2 == 0 ? std::optional<int8_t>(i / 2 % 2) : std::nullopt);
      texts.push_back(absl::StrCat(kLongText, i % 10));
    }
    ASSERT_THAT(Register("t", {Numbers<int64_t>("i", "l", numbers),
                               Categories("k", codes, {"even", "odd"}), MakeTexts("s", texts)}),
                IsOk());
  }

  void QueryLarge() {
    EXPECT_THAT(
        Rows("SELECT a.k, sum(a.i), count(DISTINCT b.s) FROM t a JOIN t b ON a.i = b.i "
             "GROUP BY a.k ORDER BY a.k NULLS LAST"),
        IsOkAndHolds(ElementsAre("even|1249950000|5", "odd|1250000000|5", "NULL|2500000000|5")));
  }
};

TEST_F(SqlDatabaseThreadsTest, CallsMayComeFromSeveralThreads) {
  RegisterLarge();
  std::thread other([&] {
    for (int i = 0; i < 3; ++i) QueryLarge();
  });
  for (const char* name : {"u", "v", "u"}) {
    EXPECT_THAT(Register(name, {Numbers<int64_t>("i", "l", {1, 2, 3})}), IsOk());
    EXPECT_THAT(Rows(absl::StrCat("SELECT sum(i) FROM ", name)), IsOkAndHolds(ElementsAre("6")));
  }
  other.join();
}

TEST_F(SqlDatabaseThreadsTest, AQueryMayRunOnSeveralThreads) {
  if (kThreadSanitized) GTEST_SKIP() << "DuckDB's threads are not built for ThreadSanitizer";
  Open(*library_, {.threads = 2});
  RegisterLarge();
  for (int i = 0; i < 3; ++i) QueryLarge();
}

}  // namespace
}  // namespace slabpipe::tests
