#include "slabpipe/codec/column_builder.h"

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/codec/column_view.h"
#include "slabpipe/codec/float16.h"
#include "slabpipe/tests/testing/status_matchers.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::StatusIs;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kOutOfRange = absl::StatusCode::kOutOfRange;

std::vector<std::string> TextsOf(const Column& column) {
  std::vector<std::string> texts;
  for (int64_t row = 0; row < column.size(); ++row) texts.push_back(column.CellText(row));
  return texts;
}

// What a column of one row says, or why there is none.
absl::StatusOr<std::string> Put(const ColumnType& type, const Cell& cell) {
  ColumnBuilder builder(type);
  const absl::Status status = builder.Append(cell);
  const absl::StatusOr<Column> column = builder.Finish();
  if (!status.ok()) {
    EXPECT_TRUE(!column.ok() || column->empty()) << "half a row is left";
    return status;
  }
  if (!column.ok()) return column.status();
  EXPECT_EQ(column->size(), 1);
  return column->CellText(0);
}

template <typename T>
class IntegerBuilderTest : public ::testing::Test {};
using Integers =
    ::testing::Types<int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t>;
TYPED_TEST_SUITE(IntegerBuilderTest, Integers);

TYPED_TEST(IntegerBuilderTest, TakesIntegersThatFitAndNoOthers) {
  using T = TypeParam;
  const ColumnType type = ColumnType::Of<T>();
  const T low = std::numeric_limits<T>::min(), high = std::numeric_limits<T>::max();
  EXPECT_EQ(*Put(type, low), absl::StrCat(low));
  EXPECT_EQ(*Put(type, high), absl::StrCat(high));
  EXPECT_EQ(*Put(type, 7u), "7");
  EXPECT_EQ(*Put(type, 7), "7");
  if constexpr (sizeof(T) < sizeof(int64_t)) {
    EXPECT_THAT(Put(type, int64_t{high} + 1), StatusIs(kOutOfRange, HasSubstr("does not fit")));
    EXPECT_THAT(Put(type, int64_t{low} - 1), StatusIs(kOutOfRange));
  } else if constexpr (std::is_unsigned_v<T>) {
    EXPECT_THAT(Put(type, -1), StatusIs(kOutOfRange, HasSubstr("the integer -1")));
  } else {
    EXPECT_THAT(Put(type, uint64_t{high} + 1), StatusIs(kOutOfRange));
  }
  EXPECT_THAT(
      Put(type, 1.0),
      StatusIs(kInvalid, HasSubstr("the real 1 is no value of a column of " + type.name())));
  EXPECT_THAT(Put(type, true), StatusIs(kInvalid));
  EXPECT_THAT(Put(type, "1"), StatusIs(kInvalid));
}

TEST(ColumnBuilderTest, TakesIntegersIntoRealColumnsWhereThatIsExact) {
  const ColumnType real = ColumnType::kFloat64;
  const int64_t two_to_53 = int64_t{1} << 53;
  EXPECT_EQ(*Put(real, two_to_53), "9007199254740992");
  EXPECT_THAT(Put(real, two_to_53 + 1), StatusIs(kOutOfRange, HasSubstr("9007199254740993")));
  EXPECT_THAT(Put(real, -two_to_53 - 1), StatusIs(kOutOfRange));
  EXPECT_THAT(Put(real, two_to_53 + 2), IsOk());
  EXPECT_THAT(Put(real, std::numeric_limits<int64_t>::min()), IsOk());
  EXPECT_THAT(Put(real, std::numeric_limits<int64_t>::max()), StatusIs(kOutOfRange));
  EXPECT_THAT(Put(real, uint64_t{1} << 63), IsOk());
  EXPECT_THAT(Put(real, std::numeric_limits<uint64_t>::max()), StatusIs(kOutOfRange));
  const ColumnType single = ColumnType::kFloat32;
  EXPECT_EQ(*Put(single, 1 << 24), "16777216");
  EXPECT_THAT(Put(single, (1 << 24) + 1), StatusIs(kOutOfRange));
  EXPECT_THAT(Put(single, (1 << 24) + 2), IsOk());
  const ColumnType half = ColumnType::kFloat16;
  EXPECT_EQ(*Put(half, 2048), "2048");
  EXPECT_THAT(Put(half, 2049), StatusIs(kOutOfRange));
  EXPECT_EQ(*Put(half, 65504), "65504");
  EXPECT_THAT(Put(half, 70000), StatusIs(kOutOfRange));
}

TEST(ColumnBuilderTest, RoundsRealsToFloatButNotToInfinity) {
  EXPECT_EQ(*Put(ColumnType::kFloat32, 0.1), "0.1");
  EXPECT_EQ(*Put(ColumnType::kFloat32, 1e-60), "0");
  EXPECT_THAT(Put(ColumnType::kFloat32, 1e60), StatusIs(kOutOfRange, HasSubstr("the real 1e+60")));
  EXPECT_THAT(Put(ColumnType::kFloat32, -1e60), StatusIs(kOutOfRange));
  EXPECT_THAT(Put(ColumnType::kFloat16, 1e6), StatusIs(kOutOfRange));
  for (const ColumnType::Kind kind :
       {ColumnType::kFloat16, ColumnType::kFloat32, ColumnType::kFloat64}) {
    EXPECT_EQ(*Put(kind, std::numeric_limits<double>::infinity()), "inf");
    EXPECT_EQ(*Put(kind, -std::numeric_limits<double>::infinity()), "-inf");
    EXPECT_EQ(*Put(kind, std::numeric_limits<double>::quiet_NaN()), "nan");
    EXPECT_EQ(*Put(kind, 0.5f), "0.5");
    EXPECT_THAT(Put(kind, "0.5"), StatusIs(kInvalid));
  }
}

TEST(ColumnBuilderTest, TakesOnlyBoolsIntoBools) {
  EXPECT_EQ(*Put(ColumnType::kBool, true), "true");
  EXPECT_EQ(*Put(ColumnType::kBool, false), "false");
  EXPECT_THAT(Put(ColumnType::kBool, 1), StatusIs(kInvalid));
  EXPECT_THAT(Put(ColumnType::kNull, true), StatusIs(kInvalid));
  EXPECT_EQ(*Put(ColumnType::kNull, std::nullopt), "null");
}

TEST(ColumnBuilderTest, TakesOnlyUtf8IntoTexts) {
  for (const ColumnType& type : {ColumnType::Text(), ColumnType::LargeText()}) {
    EXPECT_EQ(*Put(type, "Ærø"), "Ærø");
    EXPECT_EQ(*Put(type, ""), "");
    EXPECT_THAT(Put(type, "\xff"), StatusIs(kInvalid, HasSubstr("is not UTF-8")));
    EXPECT_THAT(Put(type, 1), StatusIs(kInvalid, HasSubstr("the integer 1")));
  }
  EXPECT_EQ(*Put(ColumnType::kBytes, "\xff"), "0xff");
  EXPECT_EQ(*Put(ColumnType::kLargeBytes, ""), "0x");
  const std::string with_zero("a\0b", 3);
  EXPECT_EQ(*Put(ColumnType::FixedBytes(3), with_zero), "0x610062");
  EXPECT_THAT(Put(ColumnType::FixedBytes(3), "ab"), StatusIs(kOutOfRange));
  EXPECT_THAT(Put(ColumnType::FixedBytes(3), "abcd"), StatusIs(kOutOfRange));
  EXPECT_THAT(Put(ColumnType::Text(), std::string(100, 'x')), IsOk());
  EXPECT_THAT(Put(ColumnType::kInt8, std::string(100, 'x')),
              StatusIs(kInvalid, HasSubstr(std::string(40, 'x') + "...'")));
}

TEST(ColumnBuilderTest, RefusesTimesThatAreFinerThanTheUnit) {
  const absl::Time time = absl::FromUnixMicros(-1);
  const absl::Duration duration = absl::Microseconds(1);
  const auto finer = StatusIs(kInvalid, HasSubstr(" can tell"));
  EXPECT_THAT(Put(ColumnType::Timestamp(TimeUnit::kSecond), time), finer);
  EXPECT_THAT(Put(ColumnType::Timestamp(TimeUnit::kMillisecond), time), finer);
  EXPECT_EQ(*Put(ColumnType::Timestamp(TimeUnit::kMicrosecond), time),
            "1969-12-31T23:59:59.999999");
  EXPECT_EQ(*Put(ColumnType::Timestamp(TimeUnit::kNanosecond), time), "1969-12-31T23:59:59.999999");
  EXPECT_THAT(Put(ColumnType::Duration(TimeUnit::kMillisecond), duration), finer);
  EXPECT_EQ(*Put(ColumnType::Duration(TimeUnit::kMicrosecond), duration), "1us");
  EXPECT_THAT(Put(ColumnType::TimeOfDay(TimeUnit::kSecond), duration), finer);
  EXPECT_EQ(*Put(ColumnType::TimeOfDay(TimeUnit::kMicrosecond), duration), "00:00:00.000001");
  EXPECT_THAT(Put(ColumnType::Duration(TimeUnit::kNanosecond), absl::Nanoseconds(1) / 2), finer);
}

TEST(ColumnBuilderTest, RefusesTimesThatDoNotFit) {
  const absl::Time far = absl::FromUnixSeconds(int64_t{1} << 40);
  EXPECT_THAT(Put(ColumnType::Timestamp(TimeUnit::kNanosecond), far), StatusIs(kOutOfRange));
  EXPECT_THAT(Put(ColumnType::Timestamp(TimeUnit::kSecond), far), IsOk());
  for (const ColumnType::Kind kind : {ColumnType::kDate32, ColumnType::kDate64}) {
    EXPECT_EQ(*Put(kind, absl::CivilDay(1969, 12, 31)), "1969-12-31");
    EXPECT_THAT(Put(kind, absl::CivilDay(1000000000000, 1, 1)), StatusIs(kOutOfRange));
  }
  const absl::Duration infinite = absl::InfiniteDuration();
  for (const TimeUnit unit : {TimeUnit::kSecond, TimeUnit::kNanosecond}) {
    EXPECT_THAT(Put(ColumnType::Duration(unit), infinite), StatusIs(kOutOfRange));
    EXPECT_THAT(Put(ColumnType::Duration(unit), -infinite), StatusIs(kOutOfRange));
    EXPECT_THAT(Put(ColumnType::Timestamp(unit), absl::InfiniteFuture()), StatusIs(kOutOfRange));
    EXPECT_THAT(Put(ColumnType::Timestamp(unit), absl::InfinitePast()), StatusIs(kOutOfRange));
  }
  EXPECT_THAT(Put(ColumnType::TimeOfDay(TimeUnit::kSecond), absl::Seconds(int64_t{1} << 32)),
              StatusIs(kOutOfRange));
}

TEST(ColumnBuilderTest, TakesTheSmallestAndTheLargestOfAUnit) {
  for (const int64_t number :
       {std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()}) {
    ColumnBuilder builder(ColumnType::Duration(TimeUnit::kNanosecond));
    ASSERT_THAT(builder.Append(absl::Nanoseconds(number)), IsOk());
    EXPECT_EQ((*builder.Finish()->As<absl::Duration>())[0], absl::Nanoseconds(number));
  }
}

TEST(ColumnBuilderTest, RefusesTimesOfAnotherSort) {
  const Cell time = absl::UnixEpoch(), duration = absl::Seconds(1), day = absl::CivilDay();
  const ColumnType timestamps = ColumnType::Timestamp(TimeUnit::kSecond);
  EXPECT_THAT(Put(timestamps, duration), StatusIs(kInvalid, HasSubstr("the duration 1s")));
  EXPECT_THAT(Put(timestamps, day), StatusIs(kInvalid, HasSubstr("the day 1970-01-01")));
  EXPECT_THAT(Put(timestamps, 0), StatusIs(kInvalid));
  EXPECT_THAT(Put(ColumnType::kDate32, time), StatusIs(kInvalid, HasSubstr("the time 1970")));
  EXPECT_THAT(Put(ColumnType::kDate64, duration), StatusIs(kInvalid));
  EXPECT_THAT(Put(ColumnType::Duration(TimeUnit::kSecond), time), StatusIs(kInvalid));
  EXPECT_THAT(Put(ColumnType::TimeOfDay(TimeUnit::kSecond), day), StatusIs(kInvalid));
}

TEST(ColumnBuilderTest, DoesNotMakeDecimalsAndIntervals) {
  for (const ColumnType& type :
       {ColumnType::Decimal(9, 2), ColumnType::Decimal(50, 2), ColumnType(ColumnType::kInterval)}) {
    EXPECT_THAT(Put(type, 1),
                StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("Column::FromData")));
    EXPECT_EQ(*Put(type, std::nullopt), "null");
  }
}

// ---- What is missing, wherever it stands

TEST(ColumnBuilderTest, KeepsWhatIsMissingAtEveryRow) {
  constexpr int kRows = 19;
  const std::vector<Cell> items = {1, 2};
  for (int missing = 0; missing < kRows; ++missing) {
    for (const ColumnType& type :
         {ColumnType(ColumnType::kBool), ColumnType(ColumnType::kInt64), ColumnType::Text(),
          ColumnType::Categorical(ColumnType::Text()), ColumnType::List(ColumnType::kInt8),
          ColumnType::FixedList(ColumnType::kInt8, 2)}) {
      SCOPED_TRACE(absl::StrCat(type.name(), ", row ", missing));
      const bool text = type.is_text() || type.is_categorical();
      const Cell cell = type.is_list()                     ? Cell(absl::MakeConstSpan(items))
                        : text                             ? Cell("x")
                        : type.kind() == ColumnType::kBool ? Cell(true)
                                                           : Cell(1);
      ColumnBuilder builder(type);
      for (int row = 0; row < kRows; ++row) {
        ASSERT_THAT(row == missing ? builder.AppendNull() : builder.Append(cell), IsOk());
      }
      EXPECT_EQ(builder.size(), kRows);
      const Column column = *builder.Finish();
      EXPECT_EQ(column.null_count(), 1);
      for (int row = 0; row < kRows; ++row) EXPECT_EQ(column.is_null(row), row == missing) << row;
      EXPECT_EQ(column.CellText(missing), "null");
    }
  }
}

TEST(ColumnBuilderTest, HasNoValidityIfNothingIsMissing) {
  const Column column = *ToColumn(std::vector<int>{1, 2});
  EXPECT_EQ(column.data()->buffers[0].size_bytes, 0u);
  EXPECT_EQ(column.null_count(), 0);
}

TEST(ColumnBuilderTest, AppendsAMissingCellAsNull) {
  ColumnBuilder builder(ColumnType::Text());
  ASSERT_THAT(builder.Append(std::optional<std::string>()), IsOk());
  ASSERT_THAT(builder.Append(std::optional<std::string>("x")), IsOk());
  ASSERT_THAT(builder.Append(Cell()), IsOk());
  EXPECT_THAT(TextsOf(*builder.Finish()), ElementsAre("null", "x", "null"));
}

TEST(ColumnBuilderTest, StaysAsItWasAfterAnError) {
  ColumnBuilder builder(ColumnType::Text());
  ASSERT_THAT(builder.Append("a"), IsOk());
  EXPECT_THAT(builder.Append("\xff"), StatusIs(kInvalid));
  EXPECT_THAT(builder.Append(1), StatusIs(kInvalid));
  EXPECT_EQ(builder.size(), 1);
  ASSERT_THAT(builder.Append("b"), IsOk());
  EXPECT_THAT(TextsOf(*builder.Finish()), ElementsAre("a", "b"));
}

TEST(ColumnBuilderTest, IsEmptyAgainAfterFinish) {
  for (const ColumnType& type : {ColumnType::Text(), ColumnType::Categorical(ColumnType::Text())}) {
    ColumnBuilder builder(type);
    ASSERT_THAT(builder.Append("a"), IsOk());
    ASSERT_THAT(builder.AppendNull(), IsOk());
    EXPECT_THAT(TextsOf(*builder.Finish()), ElementsAre("a", "null"));
    EXPECT_EQ(builder.size(), 0);
    ASSERT_THAT(builder.Append("b"), IsOk());
    const Column second = *builder.Finish();
    EXPECT_THAT(TextsOf(second), ElementsAre("b"));
    if (type.is_categorical()) {
      EXPECT_THAT(TextsOf(*second.Categories()), ElementsAre("b"));
    }
    EXPECT_THAT(TextsOf(*builder.Finish()), IsEmpty());
  }
}

// ---- Lists and structs

TEST(ColumnBuilderTest, BuildsListsAndStructs) {
  const std::vector<Cell> three = {1, std::nullopt, 3}, none;
  ColumnBuilder lists(ColumnType::List(ColumnType::kInt8));
  ASSERT_THAT(lists.Append(absl::MakeConstSpan(three)), IsOk());
  ASSERT_THAT(lists.AppendNull(), IsOk());
  ASSERT_THAT(lists.Append(absl::MakeConstSpan(none)), IsOk());
  EXPECT_THAT(TextsOf(*lists.Finish()), ElementsAre("[1, null, 3]", "null", "[]"));
  ColumnBuilder structs(ColumnType::Struct({{"x", ColumnType::kInt8}, {"y", ColumnType::Text()}}));
  const std::vector<Cell> fields = {1, "one"};
  ASSERT_THAT(structs.Append(absl::MakeConstSpan(fields)), IsOk());
  ASSERT_THAT(structs.AppendNull(), IsOk());
  EXPECT_THAT(TextsOf(*structs.Finish()), ElementsAre("{x: 1, y: one}", "null"));
}

TEST(ColumnBuilderTest, RefusesListsAndStructsOfAnotherLength) {
  const std::vector<Cell> three = {1, 2, 3};
  for (const ColumnType& type : {ColumnType::FixedList(ColumnType::kInt8, 2),
                                 ColumnType::Struct({{"x", ColumnType::kInt8}})}) {
    ColumnBuilder builder(type);
    EXPECT_THAT(builder.Append(absl::MakeConstSpan(three)),
                StatusIs(kInvalid, HasSubstr("a list of 3 is no value")));
    EXPECT_THAT(builder.Append(1), StatusIs(kInvalid));
    EXPECT_THAT(builder.Finish(), IsOk());
  }
}

TEST(ColumnBuilderTest, FailsForGoodAfterAnItemThatDoesNotFit) {
  const std::vector<Cell> bad = {1, 300};
  ColumnBuilder builder(ColumnType::List(ColumnType::kInt8));
  const auto refused = StatusIs(kOutOfRange, HasSubstr("item 1: the integer 300 does not fit"));
  EXPECT_THAT(builder.Append(absl::MakeConstSpan(bad)), refused);
  EXPECT_THAT(builder.AppendNull(), refused);
  EXPECT_THAT(builder.Finish(), refused);
}

// ---- Categories

TEST(ColumnBuilderTest, TakesCategoriesAsTheyCome) {
  const std::vector<std::optional<std::string>> rows = {"b", "a", std::nullopt, "b", "null"};
  const Column column = *ToColumn(rows, ColumnType::Categorical(ColumnType::Text()));
  EXPECT_THAT(TextsOf(*column.Categories()), ElementsAre("b", "a", "null"));
  std::vector<int64_t> indices;
  for (int64_t row = 0; row < column.size(); ++row) indices.push_back(column.CategoryIndex(row));
  EXPECT_THAT(indices, ElementsAre(0, 1, -1, 0, 2));
}

TEST(ColumnBuilderTest, TakesOnlyTheCategoriesGiven) {
  ColumnBuilder builder(*ToColumn({"low", "middle", "high"}), /*ordered=*/true);
  ASSERT_THAT(builder.Append("high"), IsOk());
  EXPECT_THAT(builder.Append("higher"),
              StatusIs(kInvalid, HasSubstr("the text 'higher' is none of the column's 3 "
                                           "categories")));
  EXPECT_THAT(builder.Append(3), StatusIs(kInvalid));
  ASSERT_THAT(builder.Append("low"), IsOk());
  const Column column = *builder.Finish();
  EXPECT_TRUE(column.type().ordered());
  EXPECT_THAT(TextsOf(column), ElementsAre("high", "low"));
  EXPECT_THAT(TextsOf(*column.Categories()), ElementsAre("low", "middle", "high"));
  ASSERT_THAT(builder.Append("middle"), IsOk());
  EXPECT_THAT(TextsOf(*builder.Finish()), ElementsAre("middle"));
}

TEST(ColumnBuilderTest, RefusesCategoriesThatComeTwice) {
  ColumnBuilder builder(*ToColumn({"a", "b", "a"}), false);
  EXPECT_THAT(builder.Append("a"), StatusIs(kInvalid, HasSubstr("category 'a' comes twice")));
  EXPECT_THAT(builder.Finish(), StatusIs(kInvalid, HasSubstr("category 'a' comes twice")));
}

TEST(ColumnBuilderTest, CategoriesOfTextAreTextsAndUtf8) {
  ColumnBuilder builder(ColumnType::Categorical(ColumnType::kText));
  EXPECT_THAT(builder.Append("\xff"), StatusIs(kInvalid));
  EXPECT_THAT(builder.Append(1), StatusIs(kInvalid));
  ASSERT_THAT(builder.Append("a"), IsOk());
  EXPECT_THAT(TextsOf(*builder.Finish()->Categories()), ElementsAre("a"));
}

TEST(ColumnBuilderTest, AMissingCategoryIsNotTheText) {
  const std::vector<std::optional<std::string>> categories = {std::nullopt, "null"};
  ColumnBuilder builder(*ToColumn(categories), false);
  ASSERT_THAT(builder.Append("null"), IsOk());
  EXPECT_EQ(builder.Finish()->CategoryIndex(0), 1);
}

TEST(ColumnBuilderTest, HoldsAsManyCategoriesAsTheIndexCanTell) {
  ColumnBuilder builder(ColumnType::Categorical(ColumnType::kInt32, {.index = ColumnType::kInt8}));
  for (int i = 0; i < 128; ++i) ASSERT_THAT(builder.Append(i * 10), IsOk());
  EXPECT_THAT(builder.Append(-1), StatusIs(kOutOfRange));
  ASSERT_THAT(builder.Append(1270), IsOk());
  const Column column = *builder.Finish();
  EXPECT_EQ(column.Categories()->size(), 128);
  EXPECT_EQ(column.CellText(128), "1270");
}

TEST(ColumnBuilderTest, TellsCategoriesOfNumbersAndTimesApart) {
  const std::vector<double> reals = {0.1, 0.1f, 0.1};
  EXPECT_EQ(ToColumn(reals, ColumnType::Categorical(ColumnType::kFloat64))->Categories()->size(),
            2);
  const std::vector<absl::Time> times = {absl::FromUnixNanos(1), absl::FromUnixNanos(2)};
  const ColumnType zoned = ColumnType::Timestamp(TimeUnit::kNanosecond, "Europe/Oslo");
  EXPECT_EQ(ToColumn(times, ColumnType::Categorical(zoned))->Categories()->size(), 2);
}

TEST(ColumnBuilderTest, DoesNotTellCategoriesOfListsApart) {
  const std::vector<Cell> items = {1};
  ColumnBuilder builder(ColumnType::Categorical(ColumnType::List(ColumnType::kInt8)));
  EXPECT_THAT(builder.Append(absl::MakeConstSpan(items)),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("Column::Categorical")));
}

// ---- ToColumn

TEST(ToColumnTest, TakesRangesOfAllSorts) {
  EXPECT_EQ(ToColumn(std::vector<double>{1, 2})->type(), ColumnType::Of<double>());
  EXPECT_EQ(ToColumn(std::array<int16_t, 2>{1, 2})->type(), ColumnType::Of<int16_t>());
  EXPECT_THAT(TextsOf(*ToColumn(std::list<int>{3, 4})), ElementsAre("3", "4"));
  EXPECT_THAT(TextsOf(*ToColumn(std::vector<bool>{true, false})), ElementsAre("true", "false"));
  EXPECT_THAT(TextsOf(*ToColumn({"a", "b"})), ElementsAre("a", "b"));
  EXPECT_THAT(TextsOf(*ToColumn(std::vector<const char*>{"a"})), ElementsAre("a"));
  EXPECT_THAT(TextsOf(*ToColumn(std::vector<absl::string_view>{"a"})), ElementsAre("a"));
  EXPECT_THAT(TextsOf(*ToColumn(std::vector<std::optional<float>>{0.5f, std::nullopt})),
              ElementsAre("0.5", "null"));
  EXPECT_THAT(TextsOf(*ToColumn(std::vector<std::optional<bool>>{std::nullopt, true})),
              ElementsAre("null", "true"));
  EXPECT_EQ(ToColumn(std::vector<int>())->size(), 0);
  EXPECT_EQ(ToColumn(std::vector<std::string>())->type(), ColumnType::Text());
}

TEST(ToColumnTest, HasTypesForTimes) {
  EXPECT_EQ(DefaultColumnType<absl::Time>(), ColumnType::Timestamp(TimeUnit::kNanosecond, "UTC"));
  EXPECT_EQ(DefaultColumnType<absl::Duration>(), ColumnType::Duration(TimeUnit::kNanosecond));
  EXPECT_EQ(DefaultColumnType<absl::CivilDay>(), ColumnType(ColumnType::kDate32));
  const std::vector<std::optional<absl::Time>> times = {absl::UnixEpoch(), std::nullopt};
  EXPECT_THAT(TextsOf(*ToColumn(times)), ElementsAre("1970-01-01T00:00:00+00:00", "null"));
  const std::vector<absl::CivilDay> days = {absl::CivilDay(2024, 2, 29)};
  EXPECT_THAT(TextsOf(*ToColumn(days)), ElementsAre("2024-02-29"));
  const std::vector<absl::Duration> durations = {absl::Minutes(90)};
  EXPECT_THAT(TextsOf(*ToColumn(durations)), ElementsAre("1h30m"));
}

TEST(ToColumnTest, ConvertsToTheTypeAskedFor) {
  EXPECT_THAT(TextsOf(*ToColumn(std::vector<int>{1, 2}, ColumnType::kFloat64)),
              ElementsAre("1", "2"));
  EXPECT_THAT(ToColumn(std::vector<int>{1, 2, 300}, ColumnType::kInt8),
              StatusIs(kOutOfRange, "row 2: the integer 300 does not fit a column of int8"));
  EXPECT_THAT(ToColumn(std::vector<std::string>{"a", "\x80"}),
              StatusIs(kInvalid, HasSubstr("row 1: ")));
}

TEST(CellTest, DescribesItself) {
  const std::vector<Cell> items = {1, 2};
  const std::vector<std::string> texts = {Cell().Describe(),
                                          Cell(true).Describe(),
                                          Cell(-3).Describe(),
                                          Cell(3u).Describe(),
                                          Cell(0.5).Describe(),
                                          Cell("x").Describe(),
                                          Cell(absl::Seconds(2)).Describe(),
                                          Cell(absl::CivilDay(2000, 1, 2)).Describe(),
                                          Cell(absl::MakeConstSpan(items)).Describe()};
  EXPECT_THAT(texts, ElementsAreArray({"a missing value", "true", "the integer -3", "the integer 3",
                                       "the real 0.5", "the text 'x'", "the duration 2s",
                                       "the day 2000-01-02", "a list of 2"}));
}

TEST(CellTest, NullPointersAreMissingValues) {
  EXPECT_TRUE(Cell(nullptr).is_null());
  EXPECT_TRUE(Cell(static_cast<const char*>(nullptr)).is_null());
  static_assert(!std::is_constructible_v<Cell, char>);
}

TEST(ToColumnTest, TakesElementsOfAViewOneByOne) {
  NdArray<double> array = *NdArray<double>::Create({6});
  for (int64_t i = 0; i < 6; ++i) array(i) = static_cast<double>(i);
  const absl::StatusOr<Column> column = ToColumn(*array.Slice(0, 0, 6, 2));
  ASSERT_THAT(column, IsOk());
  EXPECT_THAT(column->As<double>()->values(), ::testing::ElementsAre(0, 2, 4));
}

TEST(ColumnBuilderTest, RefusesTimesThatNoDayHas) {
  ColumnBuilder builder(ColumnType::TimeOfDay(TimeUnit::kSecond));
  EXPECT_THAT(builder.Append(absl::Hours(24)), StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_THAT(builder.Append(absl::Seconds(-1)), StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_THAT(builder.Append(absl::Hours(24) - absl::Seconds(1)), IsOk());
}

}  // namespace
}  // namespace slabpipe
