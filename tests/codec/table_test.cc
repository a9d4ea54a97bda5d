#include "slabpipe/codec/table.h"

#include <cstdint>
#include <limits>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/codec/column_builder.h"
#include "slabpipe/codec/column_copy.h"
#include "slabpipe/codec/table_builder.h"
#include "slabpipe/tests/codec/test_tables.h"
#include "slabpipe/tests/testing/status_matchers.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::AllKinds;
using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::Penguins;
using ::slabpipe::tests::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
using Names = std::vector<std::string>;

Column Numbers(std::vector<int> numbers) { return *ToColumn(numbers); }

Names NamesOf(const Table& table) {
  Names names;
  for (const TableColumn& column : table.columns()) names.push_back(column.name);
  return names;
}

Table Small() {
  return *Table::Make({{"a", Numbers({1, 2, 3})}, {"b", *ToColumn({"x", "y", "z"})}});
}

// ---- Making

TEST(TableTest, HasNothingWithoutMore) {
  const Table table;
  EXPECT_EQ(table.row_count(), 0);
  EXPECT_EQ(table.column_count(), 0u);
  EXPECT_EQ(table.range_index(), RangeIndex());
  EXPECT_TRUE(SameTables(table, *Table::Make({})));
}

TEST(TableTest, RefusesColumnsOfDifferentLength) {
  EXPECT_THAT(Table::Make({{"a", Numbers({1, 2})}, {"b", Numbers({1})}}),
              StatusIs(kInvalid, "column 'b': it has 1 rows, wanted 2, as the others have"));
  EXPECT_THAT(Table::Make({{"a", Numbers({1, 2})}}, 3),
              StatusIs(kInvalid, HasSubstr("column 'a': it has 2 rows, wanted 3")));
  EXPECT_THAT(Table::Make({}, -1), StatusIs(kInvalid, "a table of -1 rows"));
}

TEST(TableTest, HasRowsWithoutColumns) {
  const Table table = *Table::Make({}, 7);
  EXPECT_EQ(table.row_count(), 7);
  EXPECT_EQ(table.Slice(2, 5)->row_count(), 3);
  EXPECT_EQ(table.ToText(), "\n0\n1\n2\n3\n4\n5\n6\n[7 rows x 0 columns]\n");
}

TEST(TableTest, EmptyHasTheColumnsOfTheFields) {
  TableField field = {.name = "x", .type = ColumnType::Text(), .nullable = false};
  field.attributes.Set("unit", "m");
  const TableField fields[] = {field, {"y", ColumnType::Categorical(ColumnType::Text())}};
  const Table table = *Table::Empty(fields);
  EXPECT_EQ(table.row_count(), 0);
  ASSERT_EQ(table.column_count(), 2u);
  EXPECT_EQ(table.column(0).field(), field);
  EXPECT_EQ(table.column(1).values.type(), fields[1].type);
  const Table kinds = AllKinds();
  for (const TableColumn& column : kinds.columns()) {
    const TableField one[] = {column.field()};
    EXPECT_THAT(Table::Empty(one), IsOk()) << column.name;
  }
}

// ---- Looking up

TEST(TableTest, FindsColumnsByName) {
  const Table table = Small();
  EXPECT_EQ(table.Find("b"), &table.column(1));
  EXPECT_EQ(table.Find("c"), nullptr);
  EXPECT_THAT(table.Column<int>("a")->values(), ElementsAre(1, 2, 3));
  EXPECT_THAT(table.Column("c"),
              StatusIs(absl::StatusCode::kNotFound, "there is no column 'c', but 'a', 'b'"));
  EXPECT_THAT(Table().Column("c"),
              StatusIs(absl::StatusCode::kNotFound, "there is no column 'c', but none"));
  EXPECT_THAT(table.Column<double>("a"),
              StatusIs(kInvalid, "column 'a': the column is int32, wanted float64"));
}

TEST(TableTest, NamesOnlySomeOfVeryManyColumns) {
  std::vector<TableColumn> columns;
  for (int i = 0; i < 50; ++i) columns.push_back({std::to_string(i), Numbers({i})});
  EXPECT_THAT(Table::Make(std::move(columns))->Column("x"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("'18', '19', ... (50)")));
}

TEST(TableTest, DoesNotChooseBetweenColumnsOfOneName) {
  const Table table = *Table::Make({{"a", Numbers({1})}, {"a", Numbers({2})}, {"b", Numbers({3})}});
  EXPECT_EQ(table.Find("a"), nullptr);
  const auto several = StatusIs(kInvalid, HasSubstr("several columns are called 'a'"));
  EXPECT_THAT(table.Column("a"), several);
  EXPECT_THAT(table.Select({"a"}), several);
  EXPECT_THAT(table.Drop(Names{"a"}), several);
  EXPECT_THAT(Table(table).SetIndex(Names{"a"}), several);
  EXPECT_THAT(table.Column("b"), IsOk());
  EXPECT_EQ(table.column(1).values.CellText(0), "2");
  EXPECT_TRUE(SameTables(table, *table.Copy()));
}

TEST(TableTest, IsLookedUpByManyThreadsAtOnce) {
  const Table table = AllKinds();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] { EXPECT_EQ(table.Find("int64"), &table.column(5)); });
  }
  for (std::thread& thread : threads) thread.join();
}

// ---- Selections

TEST(TableTest, SelectsColumnsInTheOrderAskedFor) {
  const Table table = *Small().With({"c", Numbers({7, 8, 9})});
  EXPECT_THAT(NamesOf(*table.Select({"c", "a"})), ElementsAre("c", "a"));
  EXPECT_THAT(NamesOf(*table.Select(Names())), IsEmpty());
  EXPECT_EQ(table.Select(Names())->row_count(), 3);
  EXPECT_THAT(table.Select({"a", "d"}), StatusIs(absl::StatusCode::kNotFound, HasSubstr("'d'")));
  EXPECT_THAT(table.Select({"a", "a"}), StatusIs(kInvalid, "column 'a' is named twice"));
}

TEST(TableTest, KeepsTheIndexInFrontOfWhatIsSelected) {
  const Table table = Penguins();
  EXPECT_THAT(NamesOf(*table.Select({"mass", "island"})), ElementsAre("id", "mass", "island"));
  EXPECT_THAT(NamesOf(*table.Select({"mass", "id"})), ElementsAre("mass", "id"));
  EXPECT_THAT(table.Select({"mass"})->index_columns(), ElementsAre("id"));
  EXPECT_THAT(table.Select({"id", "id"}), StatusIs(kInvalid));
}

TEST(TableTest, DropsColumnsButNotTheIndex) {
  const Table table = Penguins();
  EXPECT_THAT(NamesOf(*table.Drop(Names{"mass", "species", "mass"})),
              ElementsAre("id", "island", "bill_length"));
  EXPECT_THAT(table.Drop(Names{"id"}), StatusIs(kInvalid, "column 'id' is the index's"));
  EXPECT_THAT(table.Drop(Names{"x"}), StatusIs(absl::StatusCode::kNotFound));
}

TEST(TableTest, AddsAColumnBehindTheOthers) {
  const Table table = Small();
  EXPECT_THAT(NamesOf(*table.With({"c", Numbers({4, 5, 6})})), ElementsAre("a", "b", "c"));
  EXPECT_THAT(table.With({"a", Numbers({4, 5, 6})}),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("'a'")));
  EXPECT_THAT(table.With({"c", Numbers({4})}),
              StatusIs(kInvalid, HasSubstr("column 'c': it has 1 rows, wanted 3")));
  EXPECT_THAT(NamesOf(table), ElementsAre("a", "b")) << "the table itself stays as it was";
}

TEST(TableTest, SlicesRowsAndSharesTheMemory) {
  const Table table = Small();
  const Table part = *table.Slice(1, 3);
  EXPECT_EQ(part.row_count(), 2);
  EXPECT_THAT(part.Column<int>("a")->values(), ElementsAre(2, 3));
  EXPECT_EQ(part.column(0).values.data(), table.column(0).values.data());
  EXPECT_EQ(table.Slice(3, 3)->row_count(), 0);
  for (const auto& [begin, end] : {std::pair(-1, 2), std::pair(2, 1), std::pair(0, 4)}) {
    EXPECT_THAT(table.Slice(begin, end),
                StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("of a table of 3")));
  }
  EXPECT_EQ(table.Head(2).row_count(), 2);
  EXPECT_EQ(table.Head(9).row_count(), 3);
  EXPECT_EQ(table.Head(-1).row_count(), 0);
}

// ---- The index

TEST(TableTest, RangesGoOnInASlice) {
  Table table = Small();
  table.SetIndex(RangeIndex{.start = 100, .step = -10, .name = "row"});
  EXPECT_EQ(table.Slice(1, 3)->range_index(),
            (RangeIndex{.start = 90, .step = -10, .name = "row"}));
  EXPECT_EQ(table.Slice(1, 3)->Slice(1, 2)->range_index().start, 80);
  EXPECT_EQ(Small().Slice(2, 3)->ToText(), "   a  b\n2  3  z\n[1 row x 2 columns]\n");
}

TEST(TableTest, LabelsWrapAroundAtTheEnd) {
  Table table = Small();
  table.SetIndex(RangeIndex{.start = std::numeric_limits<int64_t>::max(), .step = 1});
  EXPECT_EQ(table.Slice(1, 3)->range_index().start, std::numeric_limits<int64_t>::min());
  EXPECT_THAT(table.ToText(), HasSubstr("\n-9223372036854775808  2  y\n"));
}

TEST(TableTest, IsIndexedByColumns) {
  Table table = Small();
  table.SetIndex(RangeIndex{.start = 5});
  ASSERT_THAT(table.SetIndex(Names{"b"}), IsOk());
  EXPECT_THAT(table.index_columns(), ElementsAre("b"));
  EXPECT_EQ(table.range_index(), RangeIndex());
  EXPECT_EQ(table.ToText(), "b  a\nx  1\ny  2\nz  3\n[3 rows x 2 columns]\n");
  EXPECT_THAT(table.SetIndex(Names{"c"}), StatusIs(kInvalid, HasSubstr("index: there is no")));
  EXPECT_THAT(table.SetIndex(Names{"a", "a"}), StatusIs(kInvalid, "index: column 'a' comes twice"));
  EXPECT_THAT(table.index_columns(), ElementsAre("b")) << "after an error it stays as it was";
  table.SetIndex(RangeIndex{.start = 1});
  EXPECT_THAT(table.index_columns(), IsEmpty());
}

// ---- Copies

TEST(TableTest, CopiesAndConcatenatesWithAllThatIsSaidOfIt) {
  const Table table = AllKinds();
  EXPECT_TRUE(SameTables(*table.Copy(), table));
  const Table halves[] = {*table.Slice(0, 9), *table.Slice(9, 19)};
  const absl::StatusOr<Table> whole = Concatenate(halves, &Buffer::Allocate);
  ASSERT_THAT(whole, IsOk());
  EXPECT_TRUE(SameTables(*whole, table));
  const Table penguins[] = {Penguins(), Penguins()};
  EXPECT_THAT(Concatenate(penguins, &Buffer::Allocate)->index_columns(), ElementsAre("id"));
}

TEST(TableTest, RefusesToConcatenateWhatDiffers) {
  const auto refused = [](const Table& a, const Table& b, const std::string& message) {
    const Table tables[] = {a, b};
    EXPECT_THAT(Concatenate(tables, &Buffer::Allocate), StatusIs(kInvalid, HasSubstr(message)));
  };
  const Table table = Small();
  refused(table, *table.Select({"a"}), "tables of 2 and 1 columns");
  refused(table, *table.Select({"b", "a"}), "column 0 is 'a' here and 'b' there");
  refused(*Table::Make({{"a", Numbers({1})}}), *Table::Make({{"a", *ToColumn({"x"})}}),
          "column 'a': columns of int32 and text can't be put together");
  EXPECT_THAT(Concatenate(absl::Span<const Table>(), &Buffer::Allocate),
              StatusIs(kInvalid, "there are no tables to put together"));
  const std::vector<Table> many(130, *Table::Make({}, kMaxColumnValues));
  EXPECT_THAT(Concatenate(many, &Buffer::Allocate), StatusIs(absl::StatusCode::kOutOfRange));
}

TEST(TableTest, TellsTablesApart) {
  const Table table = Small();
  EXPECT_TRUE(SameTables(table, Small()));
  EXPECT_FALSE(SameTables(table, table.Head(2)));
  EXPECT_FALSE(SameTables(table, *table.Select({"b", "a"})));
  Table other = Small();
  other.attributes().Set("x", 1);
  EXPECT_FALSE(SameTables(table, other));
  other = Small();
  other.SetIndex(RangeIndex{.start = 1});
  EXPECT_FALSE(SameTables(table, other));
  ASSERT_THAT(other.SetIndex(Names{"a"}), IsOk());
  EXPECT_FALSE(SameTables(table, other));
  std::vector<TableColumn> columns = table.columns();
  columns[0].nullable = false;
  EXPECT_FALSE(SameTables(table, *Table::Make(columns)));
  EXPECT_FALSE(SameTables(*Table::Make({}, 1), *Table::Make({}, 2)));
}

// ---- Row by row

TEST(TableBuilderTest, BuildsRowByRowAndIsEmptyAgain) {
  TableBuilder builder({{"a", ColumnType::kInt32}, {"b", ColumnType::Text()}});
  ASSERT_THAT(builder.AppendRow({1, "x"}), IsOk());
  ASSERT_THAT(builder.AppendRow({2, "y"}), IsOk());
  ASSERT_THAT(builder.AppendRow({3, "z"}), IsOk());
  EXPECT_EQ(builder.row_count(), 3);
  EXPECT_TRUE(SameTables(*builder.Finish(), Small()));
  EXPECT_EQ(builder.row_count(), 0);
  EXPECT_EQ(builder.Finish()->column_count(), 2u);
}

TEST(TableBuilderTest, SaysWhichRowAndColumnIsWrongAndStaysBroken) {
  const std::vector<TableField> fields = {
      {"a", ColumnType::kInt8}, {.name = "b", .type = ColumnType::Text(), .nullable = false}};
  const auto refused = [&](std::initializer_list<Cell> row, absl::StatusCode code,
                           const std::string& message) {
    TableBuilder builder(fields);
    ASSERT_THAT(builder.AppendRow({1, "x"}), IsOk());
    EXPECT_THAT(builder.AppendRow(row), StatusIs(code, message));
    EXPECT_THAT(builder.AppendRow({1, "x"}), StatusIs(code, message));
    EXPECT_THAT(builder.Finish(), StatusIs(code, message));
  };
  refused({1}, kInvalid, "row 1: it has 1 cells, wanted 2");
  refused({1, "x", 2}, kInvalid, "row 1: it has 3 cells, wanted 2");
  refused({300, "x"}, absl::StatusCode::kOutOfRange,
          "row 1: column 'a': the integer 300 does not fit a column of int8");
  refused({1, std::nullopt}, kInvalid,
          "row 1: column 'b': a value is missing, which the field does not allow");
  refused({1, 2}, kInvalid, "row 1: column 'b': the integer 2 is no value of a column of text");
}

TEST(TableBuilderTest, BuildsRowsWithoutColumns) {
  TableBuilder builder({});
  ASSERT_THAT(builder.AppendRow({}), IsOk());
  ASSERT_THAT(builder.AppendRow({}), IsOk());
  EXPECT_EQ(builder.Finish()->row_count(), 2);
}

// ---- For people

TEST(TableTextTest, PrintsColumnsSideBySide) {
  const Table penguins = Penguins();
  EXPECT_EQ(penguins.ToText(),
            "id  species    island     bill_length  mass\n"
            " 1  Adelie     Torgersen         39.1  3750\n"
            " 2  Adelie     Torgersen         39.5  3800\n"
            " 3  Adelie     Torgersen         null  null\n"
            " 4  Gentoo     Biscoe            46.1  4500\n"
            " 5  null       Biscoe              50  5700\n"
            " 6  Chinstrap  Dream             46.5  3500\n"
            " 7  Chinstrap                      50  3900\n"
            "[7 rows x 5 columns]\n");
  std::ostringstream stream;
  stream << penguins;
  EXPECT_EQ(stream.str(), penguins.ToText());
}

TEST(TableTextTest, CutsRowsColumnsAndCells) {
  const Table table = *Table::Make({{"first", *ToColumn({"a rather long text", "b\nc"})},
                                    {"second", Numbers({1, 2})},
                                    {"a column with a long name", Numbers({3, 4})}});
  EXPECT_EQ(table.ToText({.rows = 1, .columns = 2, .cell_width = 10}),
            "   first       second  ...\n"
            "0  a rathe...       1  ...\n"
            "...\n"
            "[2 rows x 3 columns]\n");
  EXPECT_EQ(table.ToText({.rows = 10, .columns = 20, .cell_width = 12}),
            "   first         second  a column ...\n"
            "0  a rather ...       1             3\n"
            "1  b\\nc               2             4\n"
            "[2 rows x 3 columns]\n");
  EXPECT_EQ(table.ToText({.rows = 0, .columns = 1}),
            "  first  ...\n"
            "...\n"
            "[2 rows x 3 columns]\n");
}

TEST(TableTextTest, AlignsWhatIsNotAscii) {
  const Table table = *Table::Make({{"å", *ToColumn({"æøå", "b"})}, {"c", Numbers({1, 2})}});
  EXPECT_EQ(table.ToText(),
            "   å    c\n"
            "0  æøå  1\n"
            "1  b    2\n"
            "[2 rows x 2 columns]\n");
}

TEST(TableTextTest, PrintsWhatIsEmpty) {
  EXPECT_EQ(Table().ToText(), "\n[0 rows x 0 columns]\n");
  EXPECT_EQ(Small().Head(0).ToText(), "  a  b\n[0 rows x 2 columns]\n");
}

TEST(TableTextTest, DescribesTheColumns) {
  EXPECT_EQ(Penguins().Describe(),
            "id: int64, not null, index\n"
            "species: categorical[text]\n"
            "island: text\n"
            "bill_length: float64\n"
            "mass: int32\n");
}

TEST(TableTest, RefusesMissingValuesWhereNoneMayBe) {
  TableColumn column = {.name = "x",
                        .values = *ToColumn(std::vector<std::optional<int>>{1, std::nullopt}),
                        .nullable = false};
  EXPECT_THAT(Table::Make({column}), StatusIs(absl::StatusCode::kInvalidArgument,
                                              ::testing::AllOf(HasSubstr("column 'x'"),
                                                               HasSubstr("1 values are missing"))));
}

TEST(TableTest, TogetherAColumnMayLackWhatItMayLackInOne) {
  const Table without =
      *Table::Make({{.name = "x", .values = *ToColumn(std::vector<int>{1}), .nullable = false}});
  const Table with = *Table::Make(
      {{.name = "x", .values = *ToColumn(std::vector<std::optional<int>>{std::nullopt})}});
  const absl::StatusOr<Table> both =
      Concatenate(std::vector<Table>{without, with}, &Buffer::Allocate);
  ASSERT_THAT(both, IsOk());
  EXPECT_TRUE(both->column(0).nullable);
}

}  // namespace
}  // namespace slabpipe
