#include "slabpipe/codec/column_type.h"

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/codec/float16.h"
#include "slabpipe/tests/testing/status_matchers.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Parts = ColumnType::Parts;

TEST(ColumnTypeTest, IsNullWithoutMore) {
  EXPECT_EQ(ColumnType().kind(), ColumnType::kNull);
  EXPECT_EQ(ColumnType(), ColumnType(ColumnType::kNull));
}

TEST(ColumnTypeTest, KnowsTheKindsOfCppTypes) {
  EXPECT_EQ(ColumnType::Of<bool>().kind(), ColumnType::kBool);
  EXPECT_EQ(ColumnType::Of<int8_t>().kind(), ColumnType::kInt8);
  EXPECT_EQ(ColumnType::Of<int16_t>().kind(), ColumnType::kInt16);
  EXPECT_EQ(ColumnType::Of<int32_t>().kind(), ColumnType::kInt32);
  EXPECT_EQ(ColumnType::Of<int64_t>().kind(), ColumnType::kInt64);
  EXPECT_EQ(ColumnType::Of<uint8_t>().kind(), ColumnType::kUint8);
  EXPECT_EQ(ColumnType::Of<uint16_t>().kind(), ColumnType::kUint16);
  EXPECT_EQ(ColumnType::Of<uint32_t>().kind(), ColumnType::kUint32);
  EXPECT_EQ(ColumnType::Of<uint64_t>().kind(), ColumnType::kUint64);
  EXPECT_EQ(ColumnType::Of<Float16>().kind(), ColumnType::kFloat16);
  EXPECT_EQ(ColumnType::Of<float>().kind(), ColumnType::kFloat32);
  EXPECT_EQ(ColumnType::Of<double>().kind(), ColumnType::kFloat64);
}

TEST(ColumnTypeTest, HasANameThatTellsAll) {
  EXPECT_EQ(ColumnType::Of<double>().name(), "float64");
  EXPECT_EQ(ColumnType::Text().name(), "text");
  EXPECT_EQ(ColumnType::LargeText().name(), "large_text");
  EXPECT_EQ(ColumnType::FixedBytes(16).name(), "bytes[16]");
  EXPECT_EQ(ColumnType::TimeOfDay(TimeUnit::kMillisecond).name(), "time32[ms]");
  EXPECT_EQ(ColumnType::TimeOfDay(TimeUnit::kNanosecond).name(), "time64[ns]");
  EXPECT_EQ(ColumnType::Timestamp(TimeUnit::kSecond).name(), "timestamp[s]");
  EXPECT_EQ(ColumnType::Timestamp(TimeUnit::kMillisecond, "Europe/Oslo").name(),
            "timestamp[ms, Europe/Oslo]");
  EXPECT_EQ(ColumnType::Duration(TimeUnit::kMicrosecond).name(), "duration[us]");
  EXPECT_EQ(ColumnType::Decimal(9, -2).name(), "decimal128[9, -2]");
  EXPECT_EQ(ColumnType::Decimal(39, 0).name(), "decimal256[39, 0]");
  EXPECT_EQ(ColumnType::List(ColumnType::kInt64).name(), "list[int64]");
  EXPECT_EQ(ColumnType::LargeList(ColumnType::kInt64).name(), "large_list[int64]");
  EXPECT_EQ(ColumnType::FixedList(ColumnType::kFloat32, 3).name(), "list[float32, 3]");
  EXPECT_EQ(ColumnType::Struct({{"x", ColumnType::kInt8}, {"y", ColumnType::Text()}}).name(),
            "struct[x: int8, y: text]");
  EXPECT_EQ(ColumnType::Struct({}).name(), "struct[]");
  EXPECT_EQ(ColumnType::Categorical(ColumnType::Text()).name(), "categorical[text]");
  EXPECT_EQ(ColumnType::Categorical(ColumnType::Text(), {.ordered = true}).name(),
            "categorical[text, ordered]");
}

TEST(ColumnTypeTest, TellsKindsWithoutParametersApartByName) {
  std::set<std::string> names;
  for (int kind = 0; kind < ColumnType::kFixedBytes; ++kind) {
    names.insert(ColumnType(static_cast<ColumnType::Kind>(kind)).name());
  }
  EXPECT_EQ(names.size(), static_cast<size_t>(ColumnType::kFixedBytes));
}

// Types, each of which differs from all others.
std::vector<ColumnType> Types() {
  const ColumnType text = ColumnType::Text();
  return {ColumnType(),
          text,
          ColumnType::LargeText(),
          ColumnType::kBytes,
          ColumnType::FixedBytes(1),
          ColumnType::FixedBytes(2),
          ColumnType::TimeOfDay(TimeUnit::kSecond),
          ColumnType::TimeOfDay(TimeUnit::kMillisecond),
          ColumnType::TimeOfDay(TimeUnit::kMicrosecond),
          ColumnType::Timestamp(TimeUnit::kSecond),
          ColumnType::Timestamp(TimeUnit::kSecond, "UTC"),
          ColumnType::Timestamp(TimeUnit::kSecond, "Europe/Oslo"),
          ColumnType::Timestamp(TimeUnit::kNanosecond, "UTC"),
          ColumnType::Duration(TimeUnit::kSecond),
          ColumnType::Decimal(9, 2),
          ColumnType::Decimal(9, 3),
          ColumnType::Decimal(10, 2),
          ColumnType::List(text),
          ColumnType::LargeList(text),
          ColumnType::FixedList(text, 2),
          ColumnType::FixedList(text, 3),
          ColumnType::List(ColumnType::kInt8),
          ColumnType::Struct({}),
          ColumnType::Struct({{"a", text}}),
          ColumnType::Struct({{"b", text}}),
          ColumnType::Struct({{"a", text}, {"b", text}}),
          ColumnType::Categorical(text),
          ColumnType::Categorical(text, {.ordered = true}),
          ColumnType::Categorical(text, {.index = ColumnType::kInt8}),
          ColumnType::Categorical(ColumnType::LargeText())};
}

TEST(ColumnTypeTest, EqualsTheSameKindWithTheSameParameters) {
  const std::vector<ColumnType> left = Types(), right = Types();
  for (size_t i = 0; i < left.size(); ++i) {
    for (size_t j = 0; j < right.size(); ++j) {
      EXPECT_EQ(left[i] == right[j], i == j) << left[i].name() << " and " << right[j].name();
    }
  }
}

TEST(ColumnTypeTest, EqualsWhateverTheItemIsCalledAndTheAttributesSay) {
  TableField field = {.name = "element", .type = ColumnType::kInt8};
  const ColumnType list = *ColumnType::FromParts({.kind = ColumnType::kList, .fields = {field}});
  EXPECT_EQ(list, ColumnType::List(ColumnType::kInt8));
  const ColumnType plain = ColumnType::Struct({field});
  field.attributes.Set("unit", "m");
  EXPECT_EQ(ColumnType::Struct({field}), plain);
}

TEST(ColumnTypeTest, KnowsItsParameters) {
  EXPECT_EQ(ColumnType::FixedBytes(7).width(), 7);
  EXPECT_EQ(ColumnType::Decimal(12, -3).precision(), 12);
  EXPECT_EQ(ColumnType::Decimal(12, -3).scale(), -3);
  EXPECT_EQ(ColumnType::Timestamp(TimeUnit::kMicrosecond, "UTC").zone(), "UTC");
  EXPECT_EQ(ColumnType::Timestamp(TimeUnit::kMicrosecond).zone(), "");
  EXPECT_EQ(ColumnType::Timestamp(TimeUnit::kMicrosecond).unit(), TimeUnit::kMicrosecond);
  EXPECT_EQ(ColumnType::FixedList(ColumnType::kInt8, 0).width(), 0);
  EXPECT_EQ(ColumnType::LargeList(ColumnType::kInt8).item(), ColumnType(ColumnType::kInt8));
  EXPECT_THAT(ColumnType::Text().fields(), IsEmpty());
  EXPECT_THAT(ColumnType::Categorical(ColumnType::Text()).fields(), IsEmpty());
  EXPECT_EQ(ColumnType::Categorical(ColumnType::Text()).categories(), ColumnType::Text());
  EXPECT_EQ(ColumnType::Categorical(ColumnType::Text()).index_kind(), ColumnType::kInt32);
}

TEST(ColumnTypeTest, KnowsItsFamily) {
  const ColumnType list = ColumnType::FixedList(ColumnType::kInt8, 2);
  EXPECT_TRUE(list.is_list());
  EXPECT_FALSE(list.is_bytes() || list.is_text() || list.is_categorical());
  EXPECT_TRUE(ColumnType::LargeText().is_text());
  EXPECT_FALSE(ColumnType::LargeText().is_bytes());
  EXPECT_TRUE(ColumnType::FixedBytes(3).is_bytes());
  EXPECT_FALSE(ColumnType(ColumnType::kDate32).is_bytes());
  EXPECT_FALSE(ColumnType::Struct({}).is_list());
}

TEST(ColumnTypeTest, IsMadeOfPartsAgain) {
  for (const ColumnType& type : Types()) {
    const bool decimal =
        type.kind() == ColumnType::kDecimal128 || type.kind() == ColumnType::kDecimal256;
    Parts parts = {.kind = type.kind(),
                   .unit = static_cast<unsigned>(type.unit()),
                   .zone = std::string(type.zone()),
                   .width = decimal ? 0 : type.width(),
                   .precision = decimal ? type.precision() : 0,
                   .scale = type.scale(),
                   .fields = type.fields(),
                   .index = type.index_kind(),
                   .ordered = type.ordered()};
    if (type.is_categorical()) parts.categories = {type.categories()};
    const absl::StatusOr<ColumnType> made = ColumnType::FromParts(parts);
    ASSERT_THAT(made, IsOk()) << type.name();
    EXPECT_EQ(*made, type) << type.name();
    EXPECT_EQ(made->name(), type.name());
  }
}

TEST(ColumnTypeTest, IgnoresPartsThatItsKindDoesNotHave) {
  const Parts parts = {.kind = ColumnType::kInt8,
                       .unit = 99,
                       .zone = "UTC",
                       .width = -1,
                       .precision = -1,
                       .scale = 7,
                       .fields = {{"a"}, {"b"}},
                       .index = 99,
                       .ordered = true,
                       .categories = {ColumnType::Text()}};
  const absl::StatusOr<ColumnType> made = ColumnType::FromParts(parts);
  ASSERT_THAT(made, IsOk());
  EXPECT_EQ(*made, ColumnType::Of<int8_t>());
}

TEST(ColumnTypeTest, SaysWhichPartIsWrong) {
  const auto refused = [](const Parts& parts, const std::string& message) {
    EXPECT_THAT(ColumnType::FromParts(parts),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)));
  };
  refused({.kind = 32}, "type: unknown number 32");
  refused({.kind = ColumnType::kTimestamp, .unit = 4}, "unit: unknown number 4");
  refused({.kind = ColumnType::kTime32, .unit = 2}, "unit: time32 can't count in us");
  refused({.kind = ColumnType::kTime64, .unit = 0}, "unit: time64 can't count in s");
  refused({.kind = ColumnType::kFixedBytes, .width = 0}, "width: 0 bytes, wanted 1 or more");
  refused({.kind = ColumnType::kFixedList, .width = -1, .fields = {{"item"}}},
          "width: -1 items, wanted 0 or more");
  refused({.kind = ColumnType::kDecimal128, .precision = 0}, "precision: 0 digits, wanted 1 to 38");
  refused({.kind = ColumnType::kDecimal128, .precision = 39}, "wanted 1 to 38");
  refused({.kind = ColumnType::kDecimal256, .precision = 77}, "wanted 1 to 76");
  refused({.kind = ColumnType::kList}, "fields: a list has 1 item, not 0");
  refused({.kind = ColumnType::kLargeList, .fields = {{"a"}, {"b"}}}, "not 2");
  const std::vector<ColumnType> text = {ColumnType::Text()};
  refused({.kind = ColumnType::kCategorical, .index = ColumnType::kFloat32, .categories = text},
          "index: type 11 is no integer");
  refused({.kind = ColumnType::kCategorical, .index = 100, .categories = text},
          "index: type 100 is no integer");
  refused({.kind = ColumnType::kCategorical, .index = ColumnType::kInt8},
          "categories: their type is missing");
  refused({.kind = ColumnType::kCategorical,
           .index = ColumnType::kInt8,
           .categories = {ColumnType::Categorical(ColumnType::Text())}},
          "categories: they are categorical themselves");
}

TEST(ColumnTypeTest, KnowsUnitsOfTime) {
  EXPECT_EQ(UnitsPerSecond(TimeUnit::kSecond), 1);
  EXPECT_EQ(UnitsPerSecond(TimeUnit::kNanosecond), 1000000000);
  EXPECT_EQ(TimeUnitName(TimeUnit::kMicrosecond), "us");
}

TEST(ColumnLayoutTest, NamesTheBuffersInArrowsOrder) {
  EXPECT_THAT(LayoutOf(ColumnType()).buffers, IsEmpty());
  EXPECT_THAT(LayoutOf(ColumnType::kBool).buffers,
              ElementsAre(BufferRole::kValidity, BufferRole::kBits));
  EXPECT_THAT(LayoutOf(ColumnType::Text()).buffers,
              ElementsAre(BufferRole::kValidity, BufferRole::kOffsets32, BufferRole::kContent));
  EXPECT_THAT(LayoutOf(ColumnType::kLargeBytes).buffers,
              ElementsAre(BufferRole::kValidity, BufferRole::kOffsets64, BufferRole::kContent));
  EXPECT_THAT(LayoutOf(ColumnType::LargeList(ColumnType::kInt8)).buffers,
              ElementsAre(BufferRole::kValidity, BufferRole::kOffsets64));
  EXPECT_THAT(LayoutOf(ColumnType::Struct({})).buffers, ElementsAre(BufferRole::kValidity));
  EXPECT_EQ(LayoutOf(ColumnType::Decimal(50, 0)).value_bytes, 32u);
  EXPECT_EQ(LayoutOf(ColumnType::kInterval).value_bytes, 16u);
  EXPECT_EQ(LayoutOf(ColumnType::FixedBytes(5)).value_bytes, 5u);
  const ColumnType small =
      ColumnType::Categorical(ColumnType::Text(), {.index = ColumnType::kInt8});
  EXPECT_EQ(LayoutOf(small).value_bytes, 1u);
}

TEST(ColumnLayoutTest, CountsTheBytesOfABuffer) {
  const ColumnLayout layout = LayoutOf(ColumnType::Of<int32_t>());
  EXPECT_EQ(layout.BufferBytes(BufferRole::kValidity, 0), 0u);
  EXPECT_EQ(layout.BufferBytes(BufferRole::kValidity, 8), 1u);
  EXPECT_EQ(layout.BufferBytes(BufferRole::kBits, 9), 2u);
  EXPECT_EQ(layout.BufferBytes(BufferRole::kValues, 9), 36u);
  EXPECT_EQ(layout.BufferBytes(BufferRole::kOffsets32, 9), 40u);
  EXPECT_EQ(layout.BufferBytes(BufferRole::kOffsets64, 9), 80u);
  EXPECT_EQ(layout.BufferBytes(BufferRole::kContent, 9), 0u);
}

}  // namespace
}  // namespace slabpipe
