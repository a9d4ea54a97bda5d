// Tables that are easily spoilt on their way: empty ones, texts, categories, padding, ranges of
// rows.

#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "slabpipe/codec/column_builder.h"
#include "slabpipe/codec/column_copy.h"
#include "slabpipe/codec/shared_array.h"
#include "slabpipe/codec/table_codec.h"
#include "slabpipe/tests/codec/round_trip.h"
#include "slabpipe/tests/codec/test_tables.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::AllKinds;
using ::slabpipe::tests::Cost;
using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::Letter;
using ::slabpipe::tests::Penguins;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class TableValuesTest : public tests::RoundTrip {
 protected:
  Table Arrives(const Table& table) {
    const auto got = Fetch(table);
    EXPECT_THAT(got, IsOk());
    return got.ok() ? *got : Table();
  }
  Column Arrives(const Column& column) {
    const auto got = Fetch(column);
    EXPECT_THAT(got, IsOk());
    return got.ok() ? *got : Column();
  }
};

std::vector<std::string> TextsOf(const Column& column) {
  std::vector<std::string> texts;
  for (int64_t row = 0; row < column.size(); ++row) texts.push_back(column.CellText(row));
  return texts;
}

std::vector<int64_t> IndicesOf(const Column& column) {
  std::vector<int64_t> indices;
  for (int64_t row = 0; row < column.size(); ++row) indices.push_back(column.CategoryIndex(row));
  return indices;
}

// ---- Empty tables

TEST_F(TableValuesTest, SeedDefectAnEmptyTableKeepsItsColumns) {
  const Table table = AllKinds().Head(0);
  const Table got = Arrives(table);
  EXPECT_EQ(got.row_count(), 0);
  ASSERT_EQ(got.column_count(), table.column_count());
  for (size_t i = 0; i < table.column_count(); ++i) {
    EXPECT_EQ(got.column(i).field(), table.column(i).field());
    EXPECT_EQ(got.column(i).values.size(), 0);
  }
  EXPECT_TRUE(SameTables(got, table));
  std::vector<TableField> fields;
  for (const TableColumn& column : table.columns()) fields.push_back(column.field());
  EXPECT_TRUE(SameTables(Arrives(*Table::Empty(fields)), *Table::Empty(fields)));
  EXPECT_EQ(cost_, Cost{}) << "no rows take no memory";
}

TEST_F(TableValuesTest, SeedDefectAnEmptyTableKeepsItsIndexAndCategories) {
  const Table table = Penguins().Head(0);
  const Table got = Arrives(table);
  EXPECT_THAT(got.index_columns(), ElementsAre("id"));
  EXPECT_THAT(TextsOf(*got.Column("species")->Categories()),
              ElementsAre("Adelie", "Gentoo", "Chinstrap"));
  EXPECT_TRUE(SameTables(got, table));
}

TEST_F(TableValuesTest, SeedDefectATableWithoutColumnsKeepsItsRows) {
  for (const int64_t rows : {int64_t{0}, int64_t{1}, int64_t{12}, kMaxColumnValues - 1}) {
    Table table = *Table::Make({}, rows);
    table.SetIndex(RangeIndex{.start = 3, .step = 2, .name = "i"});
    const Table got = Arrives(table);
    EXPECT_EQ(got.row_count(), rows);
    EXPECT_EQ(got.column_count(), 0u);
    EXPECT_EQ(got.range_index(), table.range_index());
  }
}

// ---- The slab

// 8, 16, 24 ... bytes for each column, which are no multiples of 64; validity, texts, and 1,000
// columns.
TEST_F(TableValuesTest, SeedDefectTheEstimateForATableCountsThePadding) {
  for (const int64_t rows : {1, 7, 8, 9, 63, 64, 65, 1001}) {
    std::vector<TableColumn> columns;
    size_t wanted = 0;
    for (int i = 0; i < 1000; ++i) {
      const std::vector<int8_t> numbers(static_cast<size_t>(rows), static_cast<int8_t>(i % 100));
      columns.push_back({.name = absl::StrCat(i), .values = *ToColumn(numbers)});
      wanted = AlignBlockSize(wanted) + numbers.size();
    }
    const Table table = *Table::Make(std::move(columns));
    std::unique_ptr<Letter> letter = Write(table);
    EXPECT_EQ(cost_, (Cost{.copies = 1, .bytes_copied = wanted, .slabs_opened = 1}));
    EXPECT_EQ(letter->slab_bytes, AlignBlockSize(wanted)) << "no byte too many or too few";
    EXPECT_EQ(letter->used_slab_bytes(), wanted);
    EXPECT_EQ(letter->table().getSegments().size(), 1u);
    EXPECT_EQ(letter->table().getRefs().size(), 1u);
    const absl::StatusOr<Object> object = worker_->Read(*letter);
    ASSERT_THAT(object, IsOk());
    EXPECT_TRUE(SameTables(*object->get<Table>(), table));
    EXPECT_EQ(object->leases().size(), 1u);
  }
}

TEST_F(TableValuesTest, SeedDefectTheEstimateIsExactForEveryKindAndRange) {
  const Table table = AllKinds();
  for (int64_t begin = 0; begin <= table.row_count(); ++begin) {
    for (const int64_t end : {begin, std::min(begin + 1, table.row_count()), table.row_count()}) {
      const Table part = *table.Slice(begin, end);
      std::unique_ptr<Letter> letter = Write(part);
      EXPECT_LE(cost_.slabs_opened, 1u);
      EXPECT_EQ(letter->slab_bytes, AlignBlockSize(letter->used_slab_bytes()));
      const absl::StatusOr<Object> object = worker_->Read(*letter);
      ASSERT_THAT(object, IsOk());
      EXPECT_TRUE(SameTables(*object->get<Table>(), part));
    }
  }
}

// ---- Texts

TEST_F(TableValuesTest, SeedDefectTextsComeOutAsTheyWentIn) {
  const std::string with_zero("a\0b", 3);
  const std::vector<std::optional<std::string>> rows = {
      "", "plain", std::nullopt, "æøå \U0001F600", with_zero, std::string(100000, 'x'), "", "last"};
  for (const ColumnType& type :
       {ColumnType::Text(), ColumnType::LargeText(), ColumnType(ColumnType::kBytes),
        ColumnType(ColumnType::kLargeBytes)}) {
    SCOPED_TRACE(type.name());
    const Column column = *ToColumn(rows, type);
    for (int64_t begin = 0; begin <= column.size(); ++begin) {
      const Column part = *column.Slice(begin, column.size());
      const Column got = Arrives(part);
      ASSERT_EQ(got.size(), part.size());
      EXPECT_EQ(got.type(), type);
      const ColumnView<absl::string_view> view = *got.As<absl::string_view>();
      for (int64_t row = 0; row < got.size(); ++row) {
        EXPECT_EQ(view[row], rows[static_cast<size_t>(begin + row)]);
      }
    }
  }
}

TEST_F(TableValuesTest, SeedDefectTextsThatAreAllMissingOrEmptyStaySo) {
  for (const std::optional<std::string>& text : {std::optional<std::string>(), {""}}) {
    const std::vector<std::optional<std::string>> rows(11, text);
    const Column column = *ToColumn(rows);
    const Column got = Arrives(column);
    EXPECT_TRUE(SameValues(got, column));
    EXPECT_EQ(got.null_count(), text.has_value() ? 0 : 11);
    EXPECT_TRUE(SameValues(Arrives(*column.Slice(3, 9)), *column.Slice(3, 9)));
  }
}

// ---- Categories

TEST_F(TableValuesTest, SeedDefectCategoricalsKeepOrderCodesAndUnusedCategories) {
  for (const bool ordered : {false, true}) {
    NdArray<int8_t> codes = *NdArray<int8_t>::Create({5});
    const int8_t numbers[] = {2, -1, 0, 2, -1};
    std::memcpy(codes.span().data(), numbers, sizeof(numbers));
    const Column column =
        *Column::Categorical(codes, *ToColumn({"low", "unused", "high", "more"}), ordered);
    for (const Column& got :
         {Arrives(column), Arrives(*column.Copy(SharedMemory(main_->pool())))}) {
      EXPECT_EQ(got.type(), column.type());
      EXPECT_EQ(got.type().ordered(), ordered);
      EXPECT_EQ(got.type().index_kind(), ColumnType::kInt8);
      EXPECT_THAT(IndicesOf(got), ElementsAre(2, -1, 0, 2, -1));
      EXPECT_THAT(TextsOf(*got.Categories()), ElementsAre("low", "unused", "high", "more"));
      EXPECT_EQ(got.null_count(), 2);
      // The codes themselves, too, for a library that looks at nothing else.
      EXPECT_THAT(NdArray<const int8_t>::FromAny(*got.Storage())->ToVector(),
                  ElementsAre(2, -1, 0, 2, -1));
    }
  }
}

TEST_F(TableValuesTest, SeedDefectCategoricalsWithoutCategoriesStayCategorical) {
  const std::vector<std::optional<std::string>> none(4);
  const Column column = *ToColumn(none, ColumnType::Categorical(ColumnType::Text()));
  const Column got = Arrives(column);
  EXPECT_TRUE(SameValues(got, column));
  EXPECT_THAT(IndicesOf(got), ElementsAre(-1, -1, -1, -1));
  EXPECT_THAT(TextsOf(*got.Categories()), IsEmpty());
}

TEST_F(TableValuesTest, SeedDefectCategoriesOfNumbersStayNumbers) {
  const std::vector<double> rows = {2.5, -1, 2.5};
  const Column column = *ToColumn(rows, ColumnType::Categorical(ColumnType::kFloat64));
  const Column got = Arrives(column);
  EXPECT_TRUE(SameValues(got, column));
  EXPECT_THAT(got.Categories()->As<double>()->values(), ElementsAre(2.5, -1));
}

// ---- Ranges of rows

// Where the rows in front lead to is nobody's business: a bad peer has not had it checked.
TEST_F(TableValuesTest, OffsetsInFrontOfARangeAreNotFollowed) {
  const Column shared = *ToColumn({"a", "b", "c", "d", "e"})->Copy(SharedMemory(main_->pool()));
  const Column part = *shared.Slice(3, 5);
  std::unique_ptr<Letter> letter = Write(part);
  EXPECT_EQ(letter->metadata<schemas::Columns>().getNodes()[0].getSkip(), 3);
  auto* offsets = const_cast<int32_t*>(shared.data()->buffers[1].as<int32_t>());
  offsets[0] = 1000;
  offsets[1] = -1000;
  const absl::StatusOr<Object> object = worker_->Read(*letter);
  ASSERT_THAT(object, IsOk());
  const Column& got = *object->get<Column>();
  EXPECT_THAT(TextsOf(got), ElementsAre("d", "e"));
  EXPECT_THAT(TextsOf(*got.Copy()), ElementsAre("d", "e"));
  // To a third one, who has none of this memory.
  codec_testing::Peer other("o.", "m.", BuiltInCodecs()), reader("m.", "o.", BuiltInCodecs());
  const auto copied = other.Write(got);
  ASSERT_THAT(copied, IsOk());
  const absl::StatusOr<Object> there = reader.Read(**copied);
  ASSERT_THAT(there, IsOk());
  EXPECT_THAT(TextsOf(*there->get<Column>()), ElementsAre("d", "e"));
}

TEST_F(TableValuesTest, WhatLiesBetweenBuffersIsZero) {
  // The slab is used again, and has other bytes in it.
  for (const char* text :
       {"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy", "x"}) {
    const std::vector<std::string> texts(30, text);
    const Column column = *ToColumn(texts);
    std::unique_ptr<Letter> letter = Write(column);
    auto places = letter->metadata<schemas::Columns>().getBuffers();
    const uint64_t end = places[0].getOffset() + places[0].getSizeBytes();
    const absl::StatusOr<Object> object = worker_->Read(*letter);
    ASSERT_THAT(object, IsOk());
    const std::byte* block = object->get<Column>()->data()->buffers[1].home->data();
    for (uint64_t i = end; i < places[1].getOffset(); ++i) EXPECT_EQ(block[i], std::byte{0}) << i;
    EXPECT_LT(end, places[1].getOffset());
    GiveBack();
  }
}

}  // namespace
}  // namespace slabpipe
