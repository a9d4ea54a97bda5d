#include "slabpipe/codec/column_view.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <numeric>
#include <optional>
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
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Optional;

// All rows, as the view tells them one by one.
template <typename T>
std::vector<std::optional<T>> RowsOf(const Column& column) {
  const ColumnView<T> view = *column.As<T>();
  std::vector<std::optional<T>> rows;
  for (int64_t row = 0; row < view.size(); ++row) rows.push_back(view[row]);
  EXPECT_EQ(std::vector<std::optional<T>>(view.begin(), view.end()), rows);
  return rows;
}

template <typename T>
NdArray<T> Array(const std::vector<T>& numbers) {
  NdArray<T> array = *NdArray<T>::Create({static_cast<int64_t>(numbers.size())});
  std::copy(numbers.begin(), numbers.end(), array.span().begin());
  return array;
}

template <typename T>
class NumberViewTest : public ::testing::Test {};
using Numbers = ::testing::Types<int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t,
                                 uint64_t, float, double>;
TYPED_TEST_SUITE(NumberViewTest, Numbers);

TYPED_TEST(NumberViewTest, ReadsNumbersAndWhatIsMissing) {
  using T = TypeParam;
  const T low = std::numeric_limits<T>::lowest(), high = std::numeric_limits<T>::max();
  const std::vector<std::optional<T>> rows = {low, std::nullopt, T{3}, high};
  const Column column = *ToColumn(rows);
  EXPECT_EQ(RowsOf<T>(column), rows);
  EXPECT_EQ(RowsOf<T>(*column.Slice(1, 3)), (std::vector<std::optional<T>>{std::nullopt, T{3}}));
  const ColumnView<T> view = *column.As<T>();
  EXPECT_EQ(view.null_count(), 1);
  EXPECT_TRUE(view.is_null(1));
  EXPECT_EQ(view.value_or(1, T{9}), T{9});
  EXPECT_EQ(view.value_or(0, T{9}), low);
}

TYPED_TEST(NumberViewTest, GivesTheNumbersAsTheyLieInMemory) {
  using T = TypeParam;
  const Column column = *ToColumn(std::vector<T>{1, 2, 3, 4});
  EXPECT_THAT(column.As<T>()->values(), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(column.Slice(1, 3)->template As<T>()->values(), ElementsAre(2, 3));
  EXPECT_TRUE(column.Slice(2, 2)->template As<T>()->values().empty());
  EXPECT_TRUE(ToColumn(std::vector<T>())->template As<T>()->values().empty());
}

TYPED_TEST(NumberViewTest, IsOfThatTypeExactly) {
  using T = TypeParam;
  const std::string name = ColumnType::Of<T>().name();
  const Column texts = *ToColumn({"a"});
  EXPECT_THAT(texts.As<T>(),
              StatusIs(absl::StatusCode::kInvalidArgument, "the column is text, wanted " + name));
  const Column column = *ToColumn(std::vector<T>{1});
  if (!std::is_same_v<T, double>) {
    EXPECT_THAT(column.As<double>(), StatusIs(absl::StatusCode::kInvalidArgument,
                                              "the column is " + name + ", wanted float64"));
  }
  if (!std::is_same_v<T, int64_t>) {
    EXPECT_FALSE(column.As<int64_t>().ok());
  }
  EXPECT_FALSE(column.As<bool>().ok());
}

TEST(ColumnViewTest, ReadsBoolsWhereverTheyBegin) {
  std::vector<std::optional<bool>> rows;
  for (int i = 0; i < 40; ++i) {
    rows.push_back(i % 7 == 3 ? std::nullopt : std::optional<bool>(i % 3 == 0));
  }
  const Column column = *ToColumn(rows);
  for (int begin = 0; begin < 20; ++begin) {
    EXPECT_EQ(RowsOf<bool>(*column.Slice(begin, 40)),
              std::vector<std::optional<bool>>(rows.begin() + begin, rows.end()));
  }
}

TEST(ColumnViewTest, ReadsTextsAndBytesOfAllKinds) {
  const std::vector<std::optional<std::string>> rows = {"one", "", std::nullopt, "fjörð"};
  for (const ColumnType& type :
       {ColumnType::Text(), ColumnType::LargeText(), ColumnType(ColumnType::kBytes),
        ColumnType(ColumnType::kLargeBytes), ColumnType::Categorical(ColumnType::Text()),
        ColumnType::Categorical(ColumnType::kLargeBytes)}) {
    SCOPED_TRACE(type.name());
    EXPECT_THAT(RowsOf<absl::string_view>(*ToColumn(rows, type)),
                ElementsAre(Optional(absl::string_view("one")), Optional(absl::string_view("")),
                            std::nullopt, Optional(absl::string_view("fjörð"))));
  }
  const std::vector<std::optional<std::string>> fixed = {"abc", std::nullopt, "def"};
  EXPECT_THAT(RowsOf<absl::string_view>(*ToColumn(fixed, ColumnType::FixedBytes(3))),
              ElementsAre(Optional(absl::string_view("abc")), std::nullopt,
                          Optional(absl::string_view("def"))));
}

TEST(ColumnViewTest, ReadsCategoriesAsTextWhateverTheirIndices) {
  const std::vector<std::optional<std::string>> rows = {"b", "a", std::nullopt, "b"};
  for (int kind = ColumnType::kInt8; kind <= ColumnType::kUint64; ++kind) {
    const ColumnType type =
        ColumnType::Categorical(ColumnType::Text(), {.index = static_cast<ColumnType::Kind>(kind)});
    const Column column = *ToColumn(rows, type);
    EXPECT_THAT(RowsOf<absl::string_view>(column),
                ElementsAre(Optional(absl::string_view("b")), Optional(absl::string_view("a")),
                            std::nullopt, Optional(absl::string_view("b"))))
        << kind;
  }
}

TEST(ColumnViewTest, CategoriesThatAreMissingAreMissingValues) {
  const std::vector<std::optional<std::string>> categories = {"a", std::nullopt};
  const NdArray<int8_t> indices = Array<int8_t>({0, 1, 0});
  const absl::StatusOr<Column> column = Column::Categorical(indices, *ToColumn(categories));
  ASSERT_THAT(column, IsOk());
  EXPECT_THAT(RowsOf<absl::string_view>(*column),
              ElementsAre(Optional(absl::string_view("a")), std::nullopt,
                          Optional(absl::string_view("a"))));
}

TEST(ColumnViewTest, CategoriesOfNumbersAreNoTexts) {
  const std::vector<int> numbers = {1, 2};
  const Column column = *ToColumn(numbers, ColumnType::Categorical(ColumnType::kInt32));
  EXPECT_THAT(column.As<absl::string_view>(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "the column is categorical[int32], wanted text, bytes, or categories of "
                       "these"));
}

TEST(ColumnViewTest, SaysWhatTheColumnIsAndWhatWasWanted) {
  const Column numbers = *ToColumn(std::vector<int32_t>{1});
  const auto refused = [](const absl::Status& status, const std::string& wanted) {
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                                 "the column is int32, wanted " + wanted));
  };
  refused(numbers.As<bool>().status(), "bool");
  refused(numbers.As<absl::string_view>().status(), "text, bytes, or categories of these");
  refused(numbers.As<absl::Time>().status(), "timestamps or dates");
  refused(numbers.As<absl::Duration>().status(), "durations or times of day");
  refused(numbers.As<absl::CivilDay>().status(), "dates");
}

constexpr TimeUnit kUnits[] = {TimeUnit::kSecond, TimeUnit::kMillisecond, TimeUnit::kMicrosecond,
                               TimeUnit::kNanosecond};

TEST(ColumnViewTest, ReadsTimestampsOfEachUnitBeforeAndAfter1970) {
  for (const TimeUnit unit : kUnits) {
    for (const char* zone : {"", "UTC", "Europe/Oslo"}) {
      const absl::Duration one = absl::Seconds(1) / UnitsPerSecond(unit);
      const std::vector<std::optional<absl::Time>> rows = {absl::UnixEpoch(),
                                                           absl::UnixEpoch() - one,
                                                           std::nullopt,
                                                           absl::UnixEpoch() + one,
                                                           absl::FromUnixSeconds(-1234567890),
                                                           absl::FromUnixSeconds(1234567890)};
      EXPECT_EQ(RowsOf<absl::Time>(*ToColumn(rows, ColumnType::Timestamp(unit, zone))), rows)
          << TimeUnitName(unit);
    }
  }
}

TEST(ColumnViewTest, ReadsDurationsAndTimesOfDayOfEachUnit) {
  for (const TimeUnit unit : kUnits) {
    const absl::Duration one = absl::Seconds(1) / UnitsPerSecond(unit);
    const std::vector<std::optional<absl::Duration>> rows = {absl::ZeroDuration(), std::nullopt,
                                                             one, absl::Hours(23) + 59 * one};
    EXPECT_EQ(RowsOf<absl::Duration>(*ToColumn(rows, ColumnType::Duration(unit))), rows);
    EXPECT_EQ(RowsOf<absl::Duration>(*ToColumn(rows, ColumnType::TimeOfDay(unit))), rows);
    const std::vector<std::optional<absl::Duration>> negative = {-one, -absl::Hours(1000)};
    EXPECT_EQ(RowsOf<absl::Duration>(*ToColumn(negative, ColumnType::Duration(unit))), negative);
  }
}

TEST(ColumnViewTest, ReadsDatesAsDaysAndAsTimes) {
  const std::vector<std::optional<absl::CivilDay>> rows = {
      absl::CivilDay(1970, 1, 1), absl::CivilDay(1969, 12, 31), std::nullopt,
      absl::CivilDay(1600, 2, 29), absl::CivilDay(2400, 12, 31)};
  for (const ColumnType::Kind kind : {ColumnType::kDate32, ColumnType::kDate64}) {
    const Column column = *ToColumn(rows, kind);
    EXPECT_EQ(RowsOf<absl::CivilDay>(column), rows);
    EXPECT_THAT(
        RowsOf<absl::Time>(column),
        ElementsAre(Optional(absl::UnixEpoch()), Optional(absl::UnixEpoch() - absl::Hours(24)),
                    std::nullopt, Optional(absl::FromCivil(*rows[3], absl::UTCTimeZone())),
                    Optional(absl::FromCivil(*rows[4], absl::UTCTimeZone()))));
  }
}

// Of other libraries: a date64 should be whole days.
TEST(ColumnViewTest, RoundsADate64InsideADayDown) {
  constexpr int64_t kDay = 86400000;
  const NdArray<int64_t> milliseconds =
      Array<int64_t>({0, 1, kDay - 1, kDay, -1, -kDay, -kDay - 1});
  const absl::StatusOr<Column> column = Column::FromArray(milliseconds, ColumnType::kDate64);
  ASSERT_THAT(column, IsOk());
  const absl::CivilDay first(1970, 1, 1);
  EXPECT_THAT(RowsOf<absl::CivilDay>(*column),
              ElementsAre(first, first, first, first + 1, first - 1, first - 1, first - 2));
}

TEST(ColumnViewTest, IsARandomAccessRange) {
  const std::vector<int> numbers = {5, 3, 4, 1, 2};
  const Column column = *ToColumn(numbers);
  const ColumnView<int> view = *column.As<int>();
  static_assert(std::is_same_v<std::iterator_traits<ColumnView<int>::Iterator>::iterator_category,
                               std::random_access_iterator_tag>);
  EXPECT_EQ(view.end() - view.begin(), 5);
  EXPECT_EQ(view.begin()[2], 4);
  EXPECT_EQ(*(view.begin() + 3), 1);
  EXPECT_EQ(*(1 + view.begin()), 3);
  EXPECT_EQ(*(view.end() - 1), 2);
  EXPECT_LT(view.begin(), view.end());
  auto i = view.begin();
  EXPECT_EQ(*i++, 5);
  EXPECT_EQ(*i, 3);
  EXPECT_EQ(*++i, 4);
  EXPECT_EQ(*i--, 4);
  EXPECT_EQ(*--i, 5);
  EXPECT_EQ(i, view.begin());
  EXPECT_EQ(std::accumulate(view.begin(), view.end(), 0,
                            [](int sum, std::optional<int> number) { return sum + *number; }),
            15);
  EXPECT_EQ(std::find(view.begin(), view.end(), std::optional<int>(1)) - view.begin(), 3);
}

TEST(ColumnViewTest, KeepsTheColumn) {
  absl::StatusOr<ColumnView<absl::string_view>> view = ToColumn({"kept"})->As<absl::string_view>();
  ASSERT_THAT(view, IsOk());
  const ColumnView<absl::string_view> copy = *std::move(view);
  EXPECT_EQ(*copy[0], "kept");
  EXPECT_EQ(copy.column().type(), ColumnType::Text());
}

TEST(ColumnViewTest, IsEmptyOfAnEmptyColumn) {
  for (const ColumnType& type : {ColumnType::Text(), ColumnType::FixedBytes(2),
                                 ColumnType::Categorical(ColumnType::Text())}) {
    const Column column = *ColumnBuilder(type).Finish();
    const ColumnView<absl::string_view> view = *column.As<absl::string_view>();
    EXPECT_TRUE(view.empty());
    EXPECT_EQ(view.begin(), view.end());
  }
}

}  // namespace
}  // namespace slabpipe
