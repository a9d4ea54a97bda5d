#include "slabpipe/tests/codec/test_tables.h"

#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "slabpipe/codec/column_builder.h"
#include "slabpipe/codec/table_builder.h"

namespace slabpipe::tests {
namespace {

constexpr int64_t kRows = 19;

// `make(row)` gives the value of each row; every third one is missing if `nulls`.
template <typename F>
Column Filled(const ColumnType& type, bool nulls, F make) {
  ColumnBuilder builder(type);
  for (int64_t row = 0; row < kRows; ++row) {
    const auto value = make(row);
    const bool missing = nulls && row % 3 == 1;
    if (!(missing ? builder.AppendNull() : builder.Append(Cell(value))).ok()) std::abort();
  }
  return *builder.Finish();
}

// Of a type that no cell has: the bytes are the row's number.
Column OfBytes(const ColumnType& type) {
  const size_t width = LayoutOf(type).value_bytes;
  Buffer values = *Buffer::Allocate(kRows * width);
  for (int64_t row = 0; row < kRows; ++row) {
    const int64_t number = (row - 9) * 1001;
    std::memset(values.mutable_data() + row * width, number < 0 ? 0xff : 0, width);
    std::memcpy(values.mutable_data() + row * width, &number, sizeof(number));
  }
  ColumnData data = {.type = type, .length = kRows};
  data.buffers = {{}, ColumnBuffer::Of(values)};
  return *Column::FromData(std::make_shared<const ColumnData>(std::move(data)));
}

std::string LongText(int64_t row) {
  return row == 5 ? std::string(5000, 'x') : absl::StrCat("text ", row, row % 2 ? " æøå" : "");
}

}  // namespace

Table Penguins() {
  TableBuilder builder({{.name = "id", .type = ColumnType::Of<int64_t>(), .nullable = false},
                        {.name = "species", .type = ColumnType::Categorical(ColumnType::Text())},
                        {.name = "island", .type = ColumnType::Text()},
                        {.name = "bill_length", .type = ColumnType::Of<double>()},
                        {.name = "mass", .type = ColumnType::Of<int32_t>()}});
  const auto add = [&](std::initializer_list<Cell> cells) {
    if (!builder.AppendRow(cells).ok()) std::abort();
  };
  add({1, "Adelie", "Torgersen", 39.1, 3750});
  add({2, "Adelie", "Torgersen", 39.5, 3800});
  add({3, "Adelie", "Torgersen", std::nullopt, std::nullopt});
  add({4, "Gentoo", "Biscoe", 46.1, 4500});
  add({5, std::nullopt, "Biscoe", 50.0, 5700});
  add({6, "Chinstrap", "Dream", 46.5, 3500});
  add({7, "Chinstrap", "", 50.0, 3900});
  Table table = *builder.Finish();
  table.attributes().Set("source", "made up");
  if (!table.SetIndex(std::vector<std::string>{"id"}).ok()) std::abort();
  return table;
}

Table AllKinds() {
  std::vector<TableColumn> columns;
  const auto add = [&](std::string name, Column values) {
    columns.push_back({.name = std::move(name), .values = std::move(values)});
  };
  add("null", Filled(ColumnType::kNull, false, [](int64_t) { return std::nullopt; }));
  for (const bool nulls : {false, true}) {
    const auto fill = [&](const ColumnType& type, auto make) {
      add(absl::StrCat(type.name(), nulls ? ", some missing" : ""), Filled(type, nulls, make));
    };
    const auto number = [](int64_t row) { return row * 5; };
    fill(ColumnType::kBool, [](int64_t row) { return row % 4 < 2; });
    for (int kind = ColumnType::kInt8; kind <= ColumnType::kFloat64; ++kind) {
      fill(static_cast<ColumnType::Kind>(kind), number);
    }
    for (const ColumnType::Kind kind :
         {ColumnType::kText, ColumnType::kLargeText, ColumnType::kBytes, ColumnType::kLargeBytes}) {
      fill(kind, LongText);
    }
    fill(ColumnType::FixedBytes(3), [](int64_t row) { return absl::StrCat(100 + row); });
    for (const ColumnType::Kind kind : {ColumnType::kDate32, ColumnType::kDate64}) {
      fill(kind, [](int64_t row) { return absl::CivilDay(1969, 12, 20) + row; });
    }
    for (const TimeUnit unit : {TimeUnit::kSecond, TimeUnit::kMillisecond, TimeUnit::kMicrosecond,
                                TimeUnit::kNanosecond}) {
      const absl::Duration one = absl::Seconds(1) / UnitsPerSecond(unit);
      fill(ColumnType::TimeOfDay(unit), [=](int64_t row) { return absl::Hours(row) + row * one; });
      fill(ColumnType::Duration(unit), [=](int64_t row) { return (row - 9) * one; });
      fill(ColumnType::Timestamp(unit), [=](int64_t row) {
        return absl::UnixEpoch() + absl::Hours(1000 * (row - 9)) + row * one;
      });
      fill(ColumnType::Timestamp(unit, "Europe/Oslo"),
           [=](int64_t row) { return absl::UnixEpoch() + absl::Hours(24 * row) + row * one; });
    }
    const auto text = [](int64_t row) { return absl::StrCat("kind ", row % 4); };
    fill(ColumnType::Categorical(ColumnType::Text()), text);
    fill(ColumnType::Categorical(ColumnType::LargeText(),
                                 {.index = ColumnType::kUint8, .ordered = true}),
         text);
    fill(ColumnType::Categorical(ColumnType::Of<int64_t>(), {.index = ColumnType::kInt8}),
         [](int64_t row) { return row % 3; });
    const std::vector<Cell> items = {1, std::nullopt, 3, 4};
    const auto list = [&](int64_t row) { return absl::MakeConstSpan(items).first(row % 5); };
    fill(ColumnType::List(ColumnType::Of<int16_t>()), list);
    fill(ColumnType::LargeList(ColumnType::Of<double>()), list);
    fill(ColumnType::FixedList(ColumnType::Of<float>(), 2),
         [&](int64_t row) { return absl::MakeConstSpan(items).subspan(row % 3, 2); });
    const Cell point[] = {2.5, "label"};
    const Cell points[] = {Cell(point), Cell(point)};
    const ColumnType point_type =
        ColumnType::Struct({{"x", ColumnType::Of<double>()}, {"label", ColumnType::Text()}});
    fill(point_type, [&](int64_t) { return absl::MakeConstSpan(point); });
    fill(ColumnType::List(point_type),
         [&](int64_t row) { return absl::MakeConstSpan(points).first(row % 3); });
  }
  for (const ColumnType& type : {ColumnType::Decimal(9, 2), ColumnType::Decimal(38, 0),
                                 ColumnType::Decimal(60, -3), ColumnType(ColumnType::kInterval)}) {
    add(type.name(), OfBytes(type));
  }
  columns[2].nullable = false;
  columns[2].attributes.Set("unit", "m/s");
  Table table = *Table::Make(std::move(columns));
  table.SetIndex(RangeIndex{.start = 100, .step = -2, .name = "row"});
  table.attributes().Set("numbers", ValueList{1, 2.5, "three"});
  return table;
}

}  // namespace slabpipe::tests
