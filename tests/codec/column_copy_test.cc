#include "slabpipe/codec/column_copy.h"

#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/codec/column_builder.h"
#include "slabpipe/codec/column_view.h"
#include "slabpipe/tests/codec/test_tables.h"
#include "slabpipe/tests/testing/status_matchers.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::AllKinds;
using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

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

// Memory that is not zero where it is new.
absl::StatusOr<Buffer> DirtyMemory(size_t size_bytes) {
  absl::StatusOr<Buffer> buffer = Buffer::Allocate(size_bytes);
  if (buffer.ok()) std::memset(buffer->mutable_data(), 0xa5, size_bytes);
  return buffer;
}

absl::StatusOr<Column> Together(const std::vector<Column>& columns) {
  return Concatenate(columns, &DirtyMemory);
}

// ---- Bits

std::vector<std::byte> Random(std::mt19937& random, size_t count) {
  std::vector<std::byte> bytes(count);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

bool Bit(const std::vector<std::byte>& bytes, int64_t index) {
  return internal::BitAt(bytes.data(), index);
}

TEST(BitsTest, AreCopiedFromAnyBitToAnyBitAndNoOthersChange) {
  std::mt19937 random(1);
  for (int64_t from_bit = 0; from_bit < 16; ++from_bit) {
    for (int64_t to_bit = 0; to_bit < 16; ++to_bit) {
      for (int64_t count = 0; count <= 40; ++count) {
        // Just as many bytes as may be touched, so that AddressSanitizer sees one more.
        const std::vector<std::byte> from =
            Random(random, static_cast<size_t>((from_bit + count + 7) / 8));
        const std::vector<std::byte> before =
            Random(random, static_cast<size_t>((to_bit + count + 7) / 8));
        std::vector<std::byte> to = before;
        CopyBits(from.data(), from_bit, to.data(), to_bit, count);
        for (int64_t i = 0; i < static_cast<int64_t>(8 * to.size()); ++i) {
          const bool copied = i >= to_bit && i < to_bit + count;
          ASSERT_EQ(Bit(to, i), copied ? Bit(from, from_bit + i - to_bit) : Bit(before, i))
              << "bit " << i << " of " << count << " from " << from_bit << " to " << to_bit;
        }
      }
    }
  }
}

TEST(BitsTest, AreSetFromAnyBitAndNoOthersChange) {
  std::mt19937 random(2);
  for (int64_t begin = 0; begin < 16; ++begin) {
    for (int64_t count = 0; count <= 40; ++count) {
      const std::vector<std::byte> before =
          Random(random, static_cast<size_t>((begin + count + 7) / 8));
      std::vector<std::byte> to = before;
      SetBits(to.data(), begin, count);
      for (int64_t i = 0; i < static_cast<int64_t>(8 * to.size()); ++i) {
        ASSERT_EQ(Bit(to, i), (i >= begin && i < begin + count) || Bit(before, i))
            << "bit " << i << " of " << count << " from " << begin;
      }
    }
  }
}

TEST(BitsTest, AreCountedFromAnyBit) {
  std::mt19937 random(3);
  for (int64_t begin = 0; begin < 16; ++begin) {
    for (int64_t count = 0; count <= 200; ++count) {
      const std::vector<std::byte> bytes =
          Random(random, static_cast<size_t>((begin + count + 7) / 8));
      int64_t zeros = 0;
      for (int64_t i = begin; i < begin + count; ++i) zeros += Bit(bytes, i) ? 0 : 1;
      ASSERT_EQ(CountZeros(bytes.data(), begin, count), zeros) << count << " from " << begin;
    }
  }
}

TEST(OffsetsTest, AreMovedAndStayInsideWhateverTheyWere) {
  constexpr int32_t kLow = std::numeric_limits<int32_t>::min();
  constexpr int32_t kHigh = std::numeric_limits<int32_t>::max();
  const int32_t from[] = {5, 7, 15, 16, 4, -1, kLow, kHigh};
  int32_t to[8];
  CopyOffsets<int32_t>(from, 8, 5, 10, to);
  EXPECT_THAT(to, ElementsAre(0, 2, 10, 10, 0, 0, 10, 10));
  int64_t wide[2];
  const int64_t far[] = {std::numeric_limits<int64_t>::min(), 12};
  CopyOffsets<int64_t>(far, 2, 0, 10, wide);
  EXPECT_THAT(wide, ElementsAre(0, 10));
}

// ---- Columns of every kind

TEST(ConcatenateTest, PutsPiecesOfEveryKindTogetherAgain) {
  const Table table = AllKinds();
  for (const TableColumn& column : table.columns()) {
    SCOPED_TRACE(column.name);
    const Column& whole = column.values;
    for (int64_t cut = 0; cut <= whole.size(); ++cut) {
      const absl::StatusOr<Column> again =
          Together({*whole.Slice(0, cut), *whole.Slice(cut, whole.size())});
      ASSERT_THAT(again, IsOk());
      EXPECT_TRUE(SameValues(*again, whole)) << cut;
      EXPECT_EQ(again->null_count(), whole.null_count());
    }
    const absl::StatusOr<Column> thrice =
        Together({*whole.Slice(3, 10), whole, *whole.Slice(5, 5), *whole.Slice(9, 17)});
    ASSERT_THAT(thrice, IsOk());
    EXPECT_EQ(thrice->size(), 7 + 19 + 8);
    EXPECT_TRUE(SameValues(*thrice->Slice(0, 7), *whole.Slice(3, 10)));
    EXPECT_TRUE(SameValues(*thrice->Slice(7, 26), whole));
    EXPECT_TRUE(SameValues(*thrice->Slice(26, 34), *whole.Slice(9, 17)));
  }
}

TEST(ConcatenateTest, KeepsTypesOfColumnsWithoutRows) {
  const Table table = AllKinds();
  for (const TableColumn& column : table.columns()) {
    SCOPED_TRACE(column.name);
    const Column none = *column.values.Slice(7, 7);
    const absl::StatusOr<Column> copy = Together({none, none});
    ASSERT_THAT(copy, IsOk());
    EXPECT_TRUE(SameValues(*copy, none));
    const absl::StatusOr<Column> built = ColumnBuilder(none.type()).Finish()->Copy();
    ASSERT_THAT(built, IsOk());
    EXPECT_EQ(built->type(), none.type());
  }
}

TEST(ConcatenateTest, KeepsCategoriesOfListsWithoutItems) {
  const ColumnType type = ColumnType::List(ColumnType::Categorical(ColumnType::Text()));
  ColumnBuilder builder(type);
  const std::vector<Cell> items = {"a", "b"};
  ASSERT_THAT(builder.Append(absl::MakeConstSpan(items)), IsOk());
  const Column lists = *builder.Finish();
  const absl::StatusOr<Column> none = lists.Slice(1, 1)->Copy();
  ASSERT_THAT(none, IsOk());
  const absl::StatusOr<Column> both = Together({*none, lists});
  ASSERT_THAT(both, IsOk());
  EXPECT_THAT(TextsOf(*both), ElementsAre("[a, b]"));
  EXPECT_THAT(ColumnBuilder(type).Finish()->Copy(), IsOk());
}

TEST(ConcatenateTest, GivesPrivateMemory) {
  const Column column = *ToColumn(std::vector<int>{1, 2, 3});
  const Column copy = *column.Copy();
  EXPECT_NE(copy.data()->buffers[1].data, column.data()->buffers[1].data);
  EXPECT_THAT(copy.Slice(1, 3)->Copy()->As<int>()->values(), ElementsAre(2, 3));
}

TEST(ConcatenateTest, RefusesNoColumnsAndOtherTypes) {
  EXPECT_THAT(Together({}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("there are no columns")));
  const Column small = *ToColumn(std::vector<int8_t>{1}), large = *ToColumn(std::vector<int>{1});
  EXPECT_THAT(Together({small, large}), StatusIs(absl::StatusCode::kInvalidArgument,
                                                 "columns of int8 and int32 can't be put "
                                                 "together"));
}

TEST(ConcatenateTest, SaysThatThereIsNoMemory) {
  const auto none = [](size_t) -> absl::StatusOr<Buffer> {
    return absl::ResourceExhaustedError("none left");
  };
  const Table table = AllKinds();
  for (const TableColumn& column : table.columns()) {
    if (column.name == "null") continue;  // takes none
    EXPECT_THAT(column.values.Copy(none),
                StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("none left")))
        << column.name;
  }
}

// Nulls take no memory, so there may be very many.
TEST(ConcatenateTest, RefusesMoreRowsThanThereMayBe) {
  const Column nulls = Column::FromChecked(std::make_shared<const ColumnData>(
      ColumnData{.length = kMaxColumnValues, .null_count = kMaxColumnValues}));
  EXPECT_THAT(Together({nulls}), IsOk());
  EXPECT_THAT(Together(std::vector<Column>(130, nulls)), StatusIs(absl::StatusCode::kOutOfRange));
}

// ---- Categories

Column Categorical(const std::vector<std::optional<std::string>>& rows,
                   ColumnType::Kind index = ColumnType::kInt32) {
  return *ToColumn(rows, ColumnType::Categorical(ColumnType::Text(), {.index = index}));
}

TEST(ConcatenateTest, MergesCategoriesInOrderOfAppearance) {
  const Column first = Categorical({"b", std::nullopt, "a"});
  const Column second = Categorical({"c", "a", std::nullopt, "b"});
  const absl::StatusOr<Column> both = Together({first, second});
  ASSERT_THAT(both, IsOk());
  EXPECT_THAT(TextsOf(*both->Categories()), ElementsAre("b", "a", "c"));
  EXPECT_THAT(IndicesOf(*both), ElementsAre(0, -1, 1, 2, 1, -1, 0));
  EXPECT_THAT(IndicesOf(second), ElementsAre(0, 1, -1, 2)) << "what was put together has changed";
}

TEST(ConcatenateTest, MergesWithColumnsWithoutCategories) {
  const Column none = Categorical({std::nullopt, std::nullopt}), some = Categorical({"a"});
  EXPECT_THAT(IndicesOf(*Together({none, some})), ElementsAre(-1, -1, 0));
  EXPECT_THAT(IndicesOf(*Together({some, none})), ElementsAre(0, -1, -1));
  EXPECT_THAT(TextsOf(*Together({none, none})->Categories()), ElementsAre());
}

TEST(ConcatenateTest, KeepsCategoriesThatAreEqualEvenIfNoRowHasThem) {
  ColumnBuilder builder(*ToColumn({"low", "high"}), true);
  ASSERT_THAT(builder.Append("high"), IsOk());
  const Column one = *builder.Finish();
  ASSERT_THAT(builder.Append("low"), IsOk());
  const Column two = *builder.Finish();
  const absl::StatusOr<Column> both = Together({one, two});
  ASSERT_THAT(both, IsOk());
  EXPECT_TRUE(both->type().ordered());
  EXPECT_THAT(TextsOf(*both->Categories()), ElementsAre("low", "high"));
  EXPECT_THAT(TextsOf(*one.Copy()->Categories()), ElementsAre("low", "high"));
}

TEST(ConcatenateTest, MergesCategoriesOfNumbers) {
  const ColumnType type = ColumnType::Categorical(ColumnType::kInt64);
  const std::vector<int> one = {30, 10}, two = {20, 10};
  const absl::StatusOr<Column> both = Together({*ToColumn(one, type), *ToColumn(two, type)});
  ASSERT_THAT(both, IsOk());
  EXPECT_THAT(TextsOf(*both), ElementsAre("30", "10", "20", "10"));
  EXPECT_THAT(IndicesOf(*both), ElementsAre(0, 1, 2, 1));
}

TEST(ConcatenateTest, MergesMissingCategoriesIntoOne) {
  const auto make = [](const std::vector<std::optional<std::string>>& categories) {
    NdArray<int32_t> indices = *NdArray<int32_t>::Create({2});
    indices(0) = 1;
    indices(1) = 0;
    return *Column::Categorical(indices, *ToColumn(categories));
  };
  const absl::StatusOr<Column> both =
      Together({make({"a", std::nullopt}), make({std::nullopt, "b"})});
  ASSERT_THAT(both, IsOk());
  EXPECT_THAT(TextsOf(*both->Categories()), ElementsAre("a", "null", "b"));
  EXPECT_THAT(TextsOf(*both), ElementsAre("null", "a", "b", "null"));
}

TEST(ConcatenateTest, RefusesMoreCategoriesThanTheIndexCanTell) {
  std::vector<std::optional<std::string>> left, right;
  for (int i = 0; i < 100; ++i) {
    left.push_back(absl::StrCat("left ", i));
    right.push_back(absl::StrCat("right ", i));
  }
  EXPECT_THAT(
      Together({Categorical(left, ColumnType::kInt8), Categorical(right, ColumnType::kInt8)}),
      StatusIs(absl::StatusCode::kOutOfRange,
               HasSubstr("categories: they would have category 128, more than indices of 8 "
                         "bits can tell")));
  EXPECT_THAT(
      Together({Categorical(left, ColumnType::kUint8), Categorical(right, ColumnType::kUint8)}),
      IsOk());
}

TEST(ConcatenateTest, KeepsTheOrderOfOrderedCategoriesAndMakesNoneUp) {
  const auto levels = [](std::vector<std::string> names) {
    ColumnBuilder builder(*ToColumn(names), /*ordered=*/true);
    EXPECT_THAT(builder.Append(names[0]), IsOk());
    return *builder.Finish();
  };
  EXPECT_THAT(Together({levels({"high"}), levels({"low", "high"})}), IsOk());
  EXPECT_THAT(IndicesOf(*Together({levels({"high"}), levels({"low", "high"})})), ElementsAre(1, 0));
  EXPECT_THAT(Together({levels({"low", "high"}), levels({"low", "mid", "high"})}), IsOk());
  const auto refused =
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("none of them has the order of all"));
  EXPECT_THAT(Together({levels({"high"}), levels({"low"})}), refused);
  EXPECT_THAT(Together({levels({"high", "low"}), levels({"low", "high"})}), refused);
}

TEST(ConcatenateTest, TakesEqualCategoriesOfAnyTypeThatLieApart) {
  const auto truths = [] {
    ColumnBuilder builder(*ToColumn(std::vector<bool>{true, false}), /*ordered=*/false);
    EXPECT_THAT(builder.Append(false), IsOk());
    return *builder.Finish();
  };
  const absl::StatusOr<Column> both = Together({truths(), truths()});
  ASSERT_THAT(both, IsOk());
  EXPECT_THAT(IndicesOf(*both), ElementsAre(1, 1));
}

TEST(ConcatenateTest, RefusesCategoriesOfBoolsThatDiffer) {
  const ColumnType type = ColumnType::Categorical(ColumnType::kBool);
  const std::vector<bool> one = {true, false}, two = {false};
  EXPECT_THAT(Together({*ToColumn(one, type), *ToColumn(two, type)}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("different categories of bool can't be put together")));
  EXPECT_THAT(ToColumn(one, type)->Copy(), IsOk());
}

// ---- Column::Categorical, WholeColumn

TEST(CategoricalTest, NegativeIndicesAreMissing) {
  const auto check = [](auto zero) {
    using Index = decltype(zero);
    NdArray<Index> indices = *NdArray<Index>::Create({10});
    for (int i = 0; i < 10; ++i) indices(i) = static_cast<Index>(i % 3 - 1);
    const absl::StatusOr<Column> column = Column::Categorical(indices, *ToColumn({"a", "b"}));
    ASSERT_THAT(column, IsOk());
    EXPECT_THAT(IndicesOf(*column), ElementsAre(-1, 0, 1, -1, 0, 1, -1, 0, 1, -1));
    EXPECT_EQ(column->null_count(), 4);
    EXPECT_EQ(column->data()->buffers[1].data, indices.origin()) << "the indices are not copied";
    indices(4) = 2;
    EXPECT_THAT(Column::Categorical(indices, *ToColumn({"a", "b"})),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("outside of the 2")));
  };
  check(int8_t());
  check(int16_t());
  check(int32_t());
  check(int64_t());
}

TEST(CategoricalTest, RefusesWhatAreNoIndicesOrCategories) {
  const NdArray<double> reals = *NdArray<double>::Create({2});
  EXPECT_THAT(Column::Categorical(reals, *ToColumn({"a"})),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("indices of float64")));
  const NdArray<int> indices = *NdArray<int>::Create({1});
  EXPECT_THAT(
      Column::Categorical(indices, Categorical({"a"})),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("make no categorical column")));
}

TEST(WholeColumnTest, CopiesOnlyPartsOfAColumn) {
  const Column column = *ToColumn({"a", "b"});
  EXPECT_EQ(WholeColumn(column)->data(), column.data());
  const Column part = *WholeColumn(*column.Slice(1, 2));
  EXPECT_EQ(part.begin(), 0);
  EXPECT_EQ(part.size(), part.data()->length);
  EXPECT_THAT(TextsOf(part), ElementsAre("b"));
}

TEST(SameValuesTest, TellsFieldsOfOneNameApart) {
  const ColumnType type = ColumnType::Struct({{"x", ColumnType::kInt8}, {"x", ColumnType::kInt8}});
  const auto make = [&](int second) {
    ColumnBuilder builder(type);
    const std::vector<Cell> fields = {1, second};
    EXPECT_THAT(builder.Append(absl::MakeConstSpan(fields)), IsOk());
    return *builder.Finish();
  };
  EXPECT_FALSE(SameValues(make(2), make(3)));
  EXPECT_TRUE(SameValues(make(2), make(2)));
  EXPECT_EQ(make(2).CellText(0), "{x: 1, x: 2}");
}

TEST(SameValuesTest, DoesNotMindWhatIsWhereAValueIsMissing) {
  const std::vector<std::optional<int>> rows = {1, std::nullopt};
  const Column clean = *ToColumn(rows);
  Column dirty = *clean.Copy();
  const int seven = 7;
  std::memcpy(const_cast<std::byte*>(dirty.data()->buffers[1].data) + sizeof(int), &seven,
              sizeof(seven));
  EXPECT_TRUE(SameValues(clean, dirty));
  EXPECT_FALSE(SameValues(clean, *ToColumn(std::vector<int>{1, 0})));
  EXPECT_FALSE(SameValues(clean, *clean.Slice(0, 1)));
}

}  // namespace
}  // namespace slabpipe
