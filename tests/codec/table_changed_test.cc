// Tables that a bad peer changes when they have been checked: nobody is led out of their buffers.

#include <cstdint>
#include <iterator>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "slabpipe/codec/column_builder.h"
#include "slabpipe/codec/column_copy.h"
#include "slabpipe/codec/column_view.h"
#include "slabpipe/codec/shared_array.h"
#include "slabpipe/codec/table.h"
#include "slabpipe/tests/codec/hostile_columns.h"
#include "slabpipe/tests/codec/round_trip.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::BufferOf;
using ::slabpipe::tests::Categories;
using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::Lists;
using ::slabpipe::tests::Numbers;
using ::slabpipe::tests::Poke;
using ::slabpipe::tests::StatusIs;
using ::slabpipe::tests::Texts;
using ::testing::AllOf;
using ::testing::HasSubstr;

class TableChangedTest : public tests::RoundTrip {
 protected:
  // In memory that this process can write while the worker looks on.
  Column Shared(const Column& column) { return *column.Copy(SharedMemory(main_->pool())); }
  // What the worker has of a column whose bytes main can still write.
  Column Arrives(const Column& column) {
    const absl::StatusOr<Object> object = Send(column);
    EXPECT_THAT(object, IsOk());
    return *object->get<Column>();
  }
};

// Whether the bytes lie in a buffer, or there are none.
bool Inside(absl::string_view bytes, const ColumnBuffer& buffer) {
  const auto* begin = reinterpret_cast<const std::byte*>(bytes.data());
  return bytes.empty() ||
         (begin >= buffer.data && begin + bytes.size() <= buffer.data + buffer.size_bytes);
}

void ExpectTextsInside(const Column& column) {
  const ColumnData& texts =
      column.type().is_categorical() ? *column.data()->dictionary : *column.data();
  const ColumnView<absl::string_view> view = *column.As<absl::string_view>();
  for (int64_t row = 0; row < column.size(); ++row) {
    const std::optional<absl::string_view> text = view[row];
    if (text.has_value()) {
      EXPECT_TRUE(Inside(*text, texts.buffers[2])) << row;
    }
    EXPECT_LE(column.CellText(row).size(), 2 * texts.buffers[2].size_bytes + 4);
  }
}

// A copy is either refused or a column that makes sense.
void ExpectCopyMakesSense(const Column& column) {
  const absl::StatusOr<Column> copy = column.Copy();
  if (!copy.ok()) {
    EXPECT_THAT(copy, StatusIs(absl::StatusCode::kDataLoss));
    return;
  }
  EXPECT_THAT(CheckColumn(*copy->data()), IsOk());
  EXPECT_EQ(copy->size(), column.size());
}

// Numbers that a peer would choose.
template <typename T>
T BadNumber(std::mt19937& random) {
  const T numbers[] = {0,
                       1,
                       static_cast<T>(-1),
                       3,
                       14,
                       15,
                       16,
                       std::numeric_limits<T>::min(),
                       std::numeric_limits<T>::max(),
                       static_cast<T>(random()),
                       static_cast<T>(uint64_t{random()} << 32 | random())};
  return numbers[random() % std::size(numbers)];
}

constexpr int kChanges = 300;

TEST_F(TableChangedTest, TextsStayInsideWhateverTheirOffsetsBecome) {
  const auto check = [&](const ColumnType& type, auto zero) {
    SCOPED_TRACE(type.name());
    using Offset = decltype(zero);
    const Column mine = Shared(Texts(type)), got = Arrives(mine);
    std::mt19937 random(1);
    for (int i = 0; i < kChanges; ++i) {
      Poke<Offset>(BufferOf(mine, 1), random() % 5, BadNumber<Offset>(random));
      ExpectTextsInside(got);
      ExpectTextsInside(*got.Slice(1, 3));
      ExpectCopyMakesSense(got);
      ExpectCopyMakesSense(*got.Slice(2, 4));
      // Sent on by copy, the next reader sees that it makes no sense, or something that does.
      EXPECT_THAT(main_->Write(*got.Slice(1, 3)), IsOk());
    }
  };
  check(ColumnType::Text(), int32_t());
  check(ColumnType::LargeText(), int64_t());
  check(ColumnType::kBytes, int32_t());
  check(ColumnType::kLargeBytes, int64_t());
}

TEST_F(TableChangedTest, ItemsStayInsideWhateverTheirOffsetsBecome) {
  const auto check = [&](const ColumnType& type, auto zero) {
    SCOPED_TRACE(type.name());
    using Offset = decltype(zero);
    const Column mine = Shared(Lists(type)), got = Arrives(mine);
    const int64_t count = got.data()->children[0]->length;
    std::mt19937 random(2);
    for (int i = 0; i < kChanges; ++i) {
      Poke<Offset>(BufferOf(mine, 1), random() % 5, BadNumber<Offset>(random));
      for (int64_t row = 0; row < got.size(); ++row) {
        const Column items = *got.Items(row);
        EXPECT_GE(items.begin(), 0);
        EXPECT_GE(items.size(), 0);
        EXPECT_LE(items.begin() + items.size(), count);
        EXPECT_FALSE(got.CellText(row).empty());
      }
      ExpectCopyMakesSense(got);
      ExpectCopyMakesSense(*got.Slice(1, 3));
    }
  };
  check(ColumnType::List(ColumnType::Of<int16_t>()), int32_t());
  check(ColumnType::LargeList(ColumnType::Of<int16_t>()), int64_t());
}

TEST_F(TableChangedTest, CategoriesStayInsideWhateverTheIndicesBecome) {
  const auto check = [&](auto zero) {
    using Index = decltype(zero);
    SCOPED_TRACE(ColumnType::Of<Index>().name());
    const Column mine = Shared(Categories(ColumnType::Of<Index>().kind())), got = Arrives(mine);
    std::mt19937 random(3);
    for (int i = 0; i < kChanges; ++i) {
      Poke<Index>(BufferOf(mine, 1), random() % 4, BadNumber<Index>(random));
      for (int64_t row = 0; row < got.size(); ++row) {
        EXPECT_GE(got.CategoryIndex(row), -1);
        EXPECT_LT(got.CategoryIndex(row), got.Categories()->size());
      }
      ExpectTextsInside(got);
      ExpectCopyMakesSense(got);
      // Put together with other categories, the indices are changed once more.
      const Column other = *ToColumn(std::vector<std::string>{"z", "a"}, got.type());
      const Column pair[] = {other, got};
      const absl::StatusOr<Column> both = Concatenate(pair, &Buffer::Allocate);
      if (both.ok()) {
        EXPECT_THAT(CheckColumn(*both->data()), IsOk());
      } else {
        EXPECT_THAT(both, StatusIs(absl::StatusCode::kDataLoss));
      }
    }
  };
  check(int8_t());
  check(int16_t());
  check(int32_t());
  check(int64_t());
  check(uint8_t());
  check(uint16_t());
  check(uint32_t());
  check(uint64_t());
}

TEST_F(TableChangedTest, CategoriesTextsStayInsideWhateverTheirOffsetsBecome) {
  const Column mine = Shared(Categories()), got = Arrives(mine);
  std::mt19937 random(4);
  for (int i = 0; i < kChanges; ++i) {
    Poke<int32_t>(mine.data()->dictionary->buffers[1], random() % 3, BadNumber<int32_t>(random));
    ExpectTextsInside(got);
    ExpectCopyMakesSense(got);
  }
}

TEST_F(TableChangedTest, ACopyOfNonsenseIsDataLossAndNamesTheColumn) {
  const Column mine = Shared(Texts());
  const absl::StatusOr<Object> object = Send(*Table::Make({{"x", mine}}));
  ASSERT_THAT(object, IsOk());
  const Table& got = *object->get<Table>();
  ASSERT_THAT(got.Copy(), IsOk());
  Poke<int32_t>(BufferOf(mine, 1), 2, 1);  // less than the one before
  EXPECT_THAT(got.Copy(), StatusIs(absl::StatusCode::kDataLoss,
                                   AllOf(HasSubstr("column 'x'"), HasSubstr("offsets"))));
  Poke<int32_t>(BufferOf(mine, 1), 2, 6);
  EXPECT_THAT(got.Copy(), IsOk());
}

TEST_F(TableChangedTest, ACopyOfIndicesThatLeadNowhereIsDataLoss) {
  const Column mine = Shared(Categories()), got = Arrives(mine);
  Poke<int32_t>(BufferOf(mine, 1), 0, 2);
  EXPECT_EQ(got.CategoryIndex(0), -1);
  EXPECT_EQ(got.CellText(0), "null");
  EXPECT_EQ((*got.As<absl::string_view>())[0], std::nullopt);
  EXPECT_THAT(got.Copy(), StatusIs(absl::StatusCode::kDataLoss));
  const Column other = *ToColumn(std::vector<std::string>{"z"}, got.type());
  const Column pair[] = {got, other};
  EXPECT_THAT(Concatenate(pair, &Buffer::Allocate), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(TableChangedTest, ValuesThatAppearOrDisappearAreReadAsTheyAre) {
  const Column mine = Shared(Numbers()), got = Arrives(mine);
  Poke<uint8_t>(BufferOf(mine, 0), 0, 0);
  for (int64_t row = 0; row < got.size(); ++row) EXPECT_TRUE(got.is_null(row));
  const Column copy = *got.Copy();
  EXPECT_EQ(copy.null_count(), 5);
  Poke<uint8_t>(BufferOf(mine, 0), 0, 0xff);
  EXPECT_EQ(copy.null_count(), 5) << "it is nobody else's";
  EXPECT_EQ(got.Copy()->null_count(), 0);
}

}  // namespace
}  // namespace slabpipe
