// Arrow's types, offsets, dictionaries in SQL.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/examples/sql/database.h"
#include "slabpipe/tests/examples/arrow_table.h"
#include "slabpipe/tests/examples/sql_database_fixture.h"
#include "slabpipe/tests/testing/status_matchers.h"

namespace slabpipe::tests {
namespace {

using ::sql::QueryResult;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

using SqlTypesTest = SqlDatabaseTest;

// As in the buffers of the format "tin".
struct Interval {
  int32_t months;
  int32_t days;
  int64_t nanoseconds;
};

TEST_F(SqlTypesTest, ReadsEveryType) {
  // 1.00, 2.50 as decimals of 128 bits.
  ArrowColumn decimals{.name = "decimal", .format = "d:10,2"};
  decimals.length = 2;
  Bytes decimal_bytes(32);
  decimal_bytes[0] = 100;
  decimal_bytes[16] = 250;
  decimals.buffers = {std::nullopt, decimal_bytes};
  ArrowColumn nulls{.name = "nulls", .format = "n"};
  nulls.length = nulls.null_count = 2;
  const std::vector<std::pair<ArrowColumn, std::string>> columns = {
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
      {Numbers<int32_t>("time_s", "tts", {3600, std::nullopt}), "TIME: 01:00:00, NULL"},
      {Numbers<int64_t>("time_ns", "ttn", {1, std::nullopt}), "TIME_NS: 00:00:00.000000001, NULL"},
      {Numbers<int64_t>("date64", "tdm", {86400000, std::nullopt}), "DATE: 1970-01-02, NULL"},
      {Numbers<int64_t>("duration", "tDm", {3600, std::nullopt}), "INTERVAL: 00:00:03.6, NULL"},
      {Numbers<Interval>("interval", "tin", {Interval{1, 2, 3000}, std::nullopt}),
       "INTERVAL: 1 month 2 days 00:00:00.000003, NULL"},
      {Numbers<int32_t>("fixed", "w:4", {0x44434241, std::nullopt}), "BLOB: ABCD, NULL"},
      {nulls, "\"NULL\": NULL, NULL"},
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
  std::vector<ArrowColumn> table;
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
TEST_F(SqlTypesTest, ReadsArraysWithOffsets) {
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
                       MakeFixedLists("f", 1, Numbers<int32_t>("", "i", numbers)).Skip(skip),
                       MakeStructs("r", {MakeStructs("q", {Numbers<int32_t>("a", "i", numbers)}),
                                         MakeTexts("b", texts)})
                           .Skip(skip)}),
        IsOk());
    absl::StatusOr<std::vector<std::string>> rows = Rows("SELECT n, b, s, l, f[1], r.q.a FROM t");
    ASSERT_THAT(rows, IsOkAndHolds(SizeIs(4200 - skip)));
    for (int64_t i = skip; i < 4200; ++i) {
      const std::string expected = i % 3 == 0
                                       ? "NULL|NULL|NULL|NULL|NULL|NULL"
                                       : absl::StrCat(i, "|", i % 2 == 0 ? "true" : "false", "|",
                                                      kLongText, i, "|[", i, "]|", i, "|", i);
      ASSERT_EQ((*rows)[i - skip], expected) << i;
    }
  }
}

TEST_F(SqlTypesTest, ReadsListsAndStructsInsideOfEachOther) {
  const ArrowColumn numbers = Numbers<int32_t>("n", "i", {1, std::nullopt, 3, 4, std::nullopt, 6});
  const ArrowColumn lists = MakeLists("l", {1, 2, std::nullopt, 0, 3}, numbers);
  const std::vector<std::optional<bool>> there = {true, true, std::nullopt, true};
  const ArrowColumn nested = MakeLists("ll", {1, std::nullopt, 2, 2}, lists);
  const ArrowColumn structs = MakeStructs(
      "s",
      {Numbers<int32_t>("n", "i", {1, 2, 3, std::nullopt}), MakeLists("l", {1, 2, 0, 3}, numbers)},
      there);
  const ArrowColumn fixed = MakeFixedLists(
      "f", 2, Numbers<int32_t>("", "i", {1, std::nullopt, 3, 4, 5, 6, std::nullopt, 8}),
      {true, true, std::nullopt, true});
  const std::vector<std::string> expected = {
      "[[1]]|{'n': 1, 'l': [1]}|[1, NULL]", "NULL|{'n': 2, 'l': [NULL, 3]}|[3, 4]",
      "[[NULL, 3], NULL]|NULL|NULL", "[[], [4, NULL, 6]]|{'n': NULL, 'l': [4, NULL, 6]}|[NULL, 8]"};
  for (int64_t skip = 0; skip < 4; ++skip) {
    ASSERT_THAT(Register("t", {nested.Skip(skip), structs.Skip(skip), fixed.Skip(skip)}), IsOk());
    EXPECT_THAT(Rows("SELECT * FROM t"),
                IsOkAndHolds(ElementsAreArray(expected.begin() + skip, expected.end())));
  }
}

// With an offset of its own at every level.
TEST_F(SqlTypesTest, ReadsStructsInsideOfLists) {
  const ArrowColumn numbers = Numbers<int32_t>("n", "i", {1, std::nullopt, 3, 4, std::nullopt, 6});
  const ArrowColumn inner =
      MakeStructs("q", {numbers, MakeTexts("t", {"a", "b", "c", "d", "e", kLongText})},
                  {true, true, std::nullopt, true, true, true});
  const ArrowColumn in_lists = MakeLists(
      "ls", {0, 1, 2, 1},
      MakeStructs("p", {inner.Skip(1), MakeLists("l", {1, 0, 1, 2, 1, 1}, numbers).Skip(1)})
          .Skip(1));
  const std::vector<std::string> expected = {
      "[]", "[{'q': NULL, 'l': [NULL]}]",
      "[{'q': {'n': 4, 't': d}, 'l': [3, 4]}, {'q': {'n': NULL, 't': e}, 'l': [NULL]}]",
      absl::StrCat("[{'q': {'n': 6, 't': ", kLongText, "}, 'l': [6]}]")};
  for (int64_t skip = 0; skip < 4; ++skip) {
    ASSERT_THAT(Register("t", {in_lists.Skip(skip)}), IsOk());
    EXPECT_THAT(Rows("SELECT * FROM t"),
                IsOkAndHolds(ElementsAreArray(expected.begin() + skip, expected.end())));
  }
}

TEST_F(SqlTypesTest, CategoriesAreAnEnumInTheirOrder) {
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

TEST_F(SqlTypesTest, CategoriesComeBackAsADictionary) {
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

TEST_F(SqlTypesTest, CategoriesThatAreNoEnumAreTheirValues) {
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

TEST_F(SqlTypesTest, CategoriesOfBatchesMayDiffer) {
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

TEST_F(SqlTypesTest, ACodeWithoutACategoryIsAnError) {
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

TEST_F(SqlTypesTest, ATableWithoutRowsHasItsColumns) {
  ASSERT_THAT(
      Register("t", {Numbers<int64_t>("a", "l", {}), MakeTexts("b", {}), Categories("c", {}, {"x"}),
                     MakeLists("d", {}, Numbers<double>("", "g", {}))}),
      IsOk());
  EXPECT_THAT(Rows("SELECT * FROM t"), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(Rows("SELECT column_name, column_type FROM (DESCRIBE t)"),
              IsOkAndHolds(ElementsAre("a|BIGINT", "b|VARCHAR", "c|ENUM('x')", "d|DOUBLE[]")));
}

TEST_F(SqlTypesTest, RefusesWhatDuckdbHasNoTypeFor) {
  EXPECT_THAT(Register("t", {Numbers<uint16_t>("half", "e", {0x3c00})}),
              StatusIs(absl::StatusCode::kUnimplemented,
                       AllOf(HasSubstr("column 'half', Arrow format \"e\""),
                             HasSubstr("Unsupported Internal Arrow Type"), Not(HasSubstr("{")))));
}

TEST_F(SqlTypesTest, RefusesWhatDuckdbWouldReadWrongly) {
  const ArrowColumn category = Categories("", {0, 1}, {"a", "b"});
  EXPECT_THAT(Register("t", {MakeLists("l", {1, 1}, category)}),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("a dictionary inside")));
  EXPECT_THAT(Register("t", {MakeStructs("s", {category})}),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("a dictionary inside")));
  EXPECT_THAT(Register("t", {CategoriesOf("c", {0, 0}, category)}),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("a dictionary of")));
}

}  // namespace
}  // namespace slabpipe::tests
