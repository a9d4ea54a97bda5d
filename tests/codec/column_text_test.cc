// Column::CellText.

#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/codec/column_builder.h"
#include "slabpipe/tests/testing/status_matchers.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::StatusIs;
using ::testing::EndsWith;
using ::testing::StartsWith;

std::string TextOf(const ColumnType& type, const Cell& cell) {
  ColumnBuilder builder(type);
  EXPECT_THAT(builder.Append(cell), IsOk());
  return builder.Finish()->CellText(0);
}

// A value of 16 or 32 bytes.
std::string TextOfWords(const ColumnType& type, const std::vector<uint64_t>& words) {
  Buffer values = *Buffer::Allocate(words.size() * sizeof(uint64_t));
  std::memcpy(values.mutable_data(), words.data(), values.size_bytes());
  ColumnData data = {.type = type, .length = 1};
  data.buffers = {{}, ColumnBuffer::Of(values)};
  return Column::FromData(std::make_shared<const ColumnData>(std::move(data)))->CellText(0);
}

TEST(CellTextTest, GivesTheShortestNumberThatReadsBack) {
  EXPECT_EQ(TextOf(ColumnType::kFloat64, 0.1), "0.1");
  EXPECT_EQ(TextOf(ColumnType::kFloat64, 1.0 / 3), "0.3333333333333333");
  EXPECT_EQ(TextOf(ColumnType::kFloat64, 1e300), "1e+300");
  EXPECT_EQ(TextOf(ColumnType::kFloat32, 1.0f / 3), "0.33333334");
  EXPECT_EQ(TextOf(ColumnType::kFloat64, -0.0), "-0");
}

TEST(CellTextTest, ShowsTimesInTheirZone) {
  const absl::Time time = absl::FromUnixSeconds(1370088000);  // 2013-06-01 12:00 UTC
  const auto text = [&](absl::string_view zone) {
    return TextOf(ColumnType::Timestamp(TimeUnit::kSecond, zone), time);
  };
  EXPECT_EQ(text(""), "2013-06-01T12:00:00");
  EXPECT_EQ(text("UTC"), "2013-06-01T12:00:00+00:00");
  EXPECT_EQ(text("+02:00"), "2013-06-01T14:00:00+02:00");
  EXPECT_EQ(text("-09:30"), "2013-06-01T02:30:00-09:30");
  EXPECT_EQ(text("No/Such_Zone"), "2013-06-01T12:00:00Z");
  for (const char* none : {"+2:00", "+25:00", "+02:60", "+0a:00", "*02:00", "+02-00"}) {
    EXPECT_EQ(text(none), "2013-06-01T12:00:00Z") << none;
  }
}

// Abseil would read a file of that name.
TEST(CellTextTest, TakesNoFilesForZones) {
  for (const std::string& zone : std::vector<std::string>{
           "/dev/stdin", "../../../etc/passwd", "/usr/share/zoneinfo/Europe/Oslo",
           "file:/usr/share/zoneinfo/Europe/Oslo", "Europe/../Europe/Oslo", "libc:localtime",
           std::string("UTC\0", 4), std::string(10000, 'A')}) {
    EXPECT_EQ(TextOf(ColumnType::Timestamp(TimeUnit::kSecond, zone), absl::UnixEpoch()),
              "1970-01-01T00:00:00Z")
        << zone;
  }
}

TEST(CellTextTest, ShowsFractionsOfSeconds) {
  const auto text = [](int64_t nanoseconds) {
    return TextOf(ColumnType::TimeOfDay(TimeUnit::kNanosecond), absl::Nanoseconds(nanoseconds));
  };
  EXPECT_EQ(text(0), "00:00:00");
  EXPECT_EQ(text(1), "00:00:00.000000001");
  EXPECT_EQ(text(1000), "00:00:00.000001");
  EXPECT_EQ(text(86399999000000), "23:59:59.999");
}

TEST(CellTextTest, ShowsDecimals) {
  const uint64_t minus_one = ~uint64_t{0};
  EXPECT_EQ(TextOfWords(ColumnType::Decimal(9, 2), {12345, 0}), "123.45");
  EXPECT_EQ(TextOfWords(ColumnType::Decimal(9, 2), {5, 0}), "0.05");
  EXPECT_EQ(TextOfWords(ColumnType::Decimal(9, 2), {minus_one, minus_one}), "-0.01");
  EXPECT_EQ(TextOfWords(ColumnType::Decimal(9, 0), {0, 0}), "0");
  EXPECT_EQ(TextOfWords(ColumnType::Decimal(9, -3), {7, 0}), "7000");
  EXPECT_EQ(TextOfWords(ColumnType::Decimal(38, 0), {0, 1}), "18446744073709551616");
  EXPECT_EQ(TextOfWords(ColumnType::Decimal(38, 0), {0, uint64_t{1} << 63}),
            "-170141183460469231731687303715884105728");
  EXPECT_EQ(TextOfWords(ColumnType::Decimal(60, 1), {25, 0, 0, 0}), "2.5");
  const int32_t low = std::numeric_limits<int32_t>::min();
  EXPECT_EQ(TextOfWords(ColumnType::Decimal(9, low), {7, 0}), "7e2147483648");
}

TEST(CellTextTest, ShowsTheBeginningOfLongLists) {
  const std::vector<Cell> nine = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  const ColumnType type = ColumnType::List(ColumnType::kInt8);
  EXPECT_EQ(TextOf(type, absl::MakeConstSpan(nine).first(8)), "[1, 2, 3, 4, 5, 6, 7, 8]");
  EXPECT_EQ(TextOf(type, absl::MakeConstSpan(nine)), "[1, 2, 3, 4, 5, 6, 7, 8, ...]");
}

TEST(CellTextTest, ShowsTheBeginningOfListsInLists) {
  // 6^4 items.
  const ColumnType leaf = ColumnType::kInt8;
  ColumnType type = leaf;
  std::vector<Cell> six(6, Cell(1));
  std::vector<std::vector<Cell>> levels = {six};
  for (int i = 1; i < 4; ++i) {
    levels.emplace_back(6, Cell(absl::MakeConstSpan(levels.back())));
  }
  for (int i = 0; i < 4; ++i) type = ColumnType::FixedList(type, 6);
  const std::string text = TextOf(type, absl::MakeConstSpan(levels.back()));
  EXPECT_LT(text.size(), 500u);
  EXPECT_THAT(text, StartsWith("[[[[1, 1, 1, 1, 1, 1], [1, "));
  EXPECT_THAT(text, EndsWith(", ...]"));
}

TEST(CellTextTest, ShowsTheBeginningOfStructsWithVeryManyFields) {
  std::vector<TableField> fields;
  for (int i = 0; i < 500; ++i) fields.push_back({"f", ColumnType::kInt8});
  const std::vector<Cell> values(500, Cell(1));
  const std::string text = TextOf(ColumnType::Struct(fields), absl::MakeConstSpan(values));
  EXPECT_THAT(text, StartsWith("{f: 1, f: 1, "));
  EXPECT_THAT(text, EndsWith(", ...}"));
  EXPECT_LT(text.size(), 1000u);
}

TEST(ColumnFieldTest, IsFoundByNameAndByPosition) {
  const ColumnType type = ColumnType::Struct(
      {{"x", ColumnType::kInt8}, {"x", ColumnType::kInt16}, {"y", ColumnType::Text()}});
  ColumnBuilder builder(type);
  const std::vector<Cell> first = {1, 2, "a"}, second = {3, 4, "b"};
  ASSERT_THAT(builder.Append(absl::MakeConstSpan(first)), IsOk());
  ASSERT_THAT(builder.Append(absl::MakeConstSpan(second)), IsOk());
  const Column column = *builder.Finish();
  EXPECT_EQ(column.Field("x")->CellText(1), "3");
  EXPECT_EQ(column.Field(1).CellText(1), "4");
  EXPECT_EQ(column.Slice(1, 2)->Field(2).CellText(0), "b");
  EXPECT_EQ(column.Field("y")->type(), ColumnType::Text());
  EXPECT_THAT(column.Field("z"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(column.Field(1).Field("x"), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(CheckUtf8Test, FindsTextsThatAreNone) {
  const Column bytes = *ToColumn(std::vector<std::string>{"fine", "\xff"}, ColumnType::kBytes);
  ColumnData data = *bytes.data();
  data.type = ColumnType::kText;
  const Column texts = *Column::FromData(std::make_shared<const ColumnData>(data));
  EXPECT_THAT(bytes.CheckUtf8(), IsOk());
  EXPECT_THAT(ToColumn({"fine", "æ"})->CheckUtf8(), IsOk());
  const auto refused = StatusIs(absl::StatusCode::kInvalidArgument, ::testing::HasSubstr("row 1"));
  EXPECT_THAT(texts.CheckUtf8(), refused);
  EXPECT_THAT(texts.Slice(0, 1)->CheckUtf8(), IsOk());
  EXPECT_THAT(Column::ListOf({0, 2}, texts)->CheckUtf8(), refused);
}

}  // namespace
}  // namespace slabpipe
