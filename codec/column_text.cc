// Column's values as text, and the comparison of two columns.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <type_traits>

#include "absl/numeric/int128.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "slabpipe/codec/column.h"
#include "slabpipe/codec/column_view.h"
#include "slabpipe/codec/float16.h"

namespace slabpipe {
namespace {

// The shortest text that reads back as the same number.
std::string NumberText(double number, int most_digits) {
  if (std::isnan(number)) return "nan";
  std::string text;
  for (int digits = 6; digits <= most_digits; ++digits) {
    text = absl::StrFormat("%.*g", digits, number);
    double back = 0;
    if (absl::SimpleAtod(text, &back) &&
        (most_digits > 9 ? back == number
                         : static_cast<float>(back) == static_cast<float>(number))) {
      break;
    }
  }
  return text;
}

template <typename T>
std::string NumberCell(const Column& column, int64_t row) {
  const T number = *(*column.As<T>())[row];
  if constexpr (std::is_same_v<T, double>) return NumberText(number, 17);
  if constexpr (std::is_same_v<T, float>) return NumberText(static_cast<double>(number), 9);
  return absl::StrCat(number);
}

// Digits behind a point: of a fraction of a second, in groups of three, none if it is 0.
std::string FractionText(int64_t nanoseconds) {
  if (nanoseconds == 0) return "";
  if (nanoseconds % 1000000 == 0) return absl::StrFormat(".%03d", nanoseconds / 1000000);
  if (nanoseconds % 1000 == 0) return absl::StrFormat(".%06d", nanoseconds / 1000);
  return absl::StrFormat(".%09d", nanoseconds);
}

// As ISO 8601 has it, in the column's zone if this machine knows it, otherwise in UTC.
std::string TimestampCell(const Column& column, int64_t row) {
  const absl::Time time = *(*column.As<absl::Time>())[row];
  const absl::string_view name = column.type().zone();
  absl::TimeZone zone = absl::UTCTimeZone();
  const bool known = name.empty() || absl::LoadTimeZone(std::string(name), &zone);
  const absl::TimeZone::CivilInfo civil = zone.At(time);
  const std::string text = absl::FormatTime("%Y-%m-%dT%H:%M:%S", time, zone) +
                           FractionText(absl::ToInt64Nanoseconds(civil.subsecond));
  if (name.empty()) return text;
  return text + (known ? absl::FormatTime("%Ez", time, zone) : "Z");
}

std::string DurationCell(const Column& column, int64_t row) {
  const absl::Duration duration = *(*column.As<absl::Duration>())[row];
  if (column.type().kind() == ColumnType::kDuration) return absl::FormatDuration(duration);
  const int64_t seconds = absl::ToInt64Seconds(duration);
  const int64_t rest = absl::ToInt64Nanoseconds(duration - absl::Seconds(seconds));
  return absl::StrFormat("%02d:%02d:%02d", seconds / 3600, seconds / 60 % 60, seconds % 60) +
         FractionText(rest);
}

const std::byte* FixedValue(const Column& column, int64_t row, size_t width) {
  const ColumnData& data = *column.data();
  return data.buffers[1].data + static_cast<size_t>(data.offset + column.begin() + row) * width;
}

// The digits of an integer of 64-bit words, the lowest first; `digits` is filled from the end.
std::string DigitsOf(absl::Span<uint64_t> words) {
  std::string digits;
  bool zero = false;
  while (!zero) {
    uint64_t rest = 0;
    zero = true;
    for (size_t i = words.size(); i-- > 0;) {
      const absl::uint128 value = absl::MakeUint128(rest, words[i]);
      words[i] = absl::Uint128Low64(value / 10);
      rest = absl::Uint128Low64(value % 10);
      zero = zero && words[i] == 0;
    }
    digits.insert(digits.begin(), static_cast<char>('0' + rest));
  }
  return digits;
}

// Scales far from the digits, which a peer may name, are shown as exponents.
std::string PlacePoint(std::string digits, int32_t scale) {
  constexpr int32_t kMost = 80;
  if (scale < -kMost || scale > kMost) return absl::StrCat(digits, "e", -int64_t{scale});
  if (scale <= 0) return digits + std::string(static_cast<size_t>(-scale), '0');
  const auto behind = static_cast<size_t>(scale);
  if (digits.size() <= behind) digits.insert(0, behind + 1 - digits.size(), '0');
  return digits.insert(digits.size() - behind, ".");
}

std::string DecimalCell(const Column& column, int64_t row) {
  uint64_t words[4] = {};
  const size_t count = column.type().kind() == ColumnType::kDecimal128 ? 2 : 4;
  std::memcpy(words, FixedValue(column, row, 8 * count), 8 * count);
  const bool negative = static_cast<int64_t>(words[count - 1]) < 0;
  if (negative) {
    // Two's complement.
    bool carry = true;
    for (size_t i = 0; i < count; ++i) {
      words[i] = ~words[i] + (carry ? 1 : 0);
      carry = carry && words[i] == 0;
    }
  }
  const std::string digits = DigitsOf(absl::MakeSpan(words, count));
  return (negative ? "-" : "") + PlacePoint(digits, column.type().scale());
}

std::string IntervalCell(const Column& column, int64_t row) {
  struct {
    int32_t months, days;
    int64_t nanoseconds;
  } interval;
  static_assert(sizeof(interval) == 16);
  std::memcpy(&interval, FixedValue(column, row, sizeof(interval)), sizeof(interval));
  return absl::StrCat(interval.months, " months ", interval.days, " days ",
                      absl::FormatDuration(absl::Nanoseconds(interval.nanoseconds)));
}

std::string ListCell(const Column& items) {
  constexpr int64_t kMost = 8;
  std::string text = "[";
  for (int64_t i = 0; i < std::min(items.size(), kMost); ++i) {
    absl::StrAppend(&text, i == 0 ? "" : ", ", items.CellText(i));
  }
  return text + (items.size() > kMost ? ", ...]" : "]");
}

std::string StructCell(const Column& column, int64_t row) {
  std::string text = "{";
  for (const TableField& field : column.type().fields()) {
    absl::StrAppend(&text, text.size() == 1 ? "" : ", ", field.name, ": ",
                    column.Field(field.name)->CellText(row));
  }
  return text + "}";
}

std::string CategoryCell(const Column& column, int64_t row) {
  const int64_t index = column.CategoryIndex(row);
  return index < 0 ? "null" : column.Categories()->CellText(index);
}

}  // namespace

std::string Column::CellText(int64_t row) const {
  if (is_null(row)) return "null";
  switch (type().kind()) {
    case ColumnType::kNull:
      return "null";
    case ColumnType::kBool:
      return *(*As<bool>())[row] ? "true" : "false";
    case ColumnType::kInt8:
      return NumberCell<int8_t>(*this, row);
    case ColumnType::kInt16:
      return NumberCell<int16_t>(*this, row);
    case ColumnType::kInt32:
      return NumberCell<int32_t>(*this, row);
    case ColumnType::kInt64:
      return NumberCell<int64_t>(*this, row);
    case ColumnType::kUint8:
      return NumberCell<uint8_t>(*this, row);
    case ColumnType::kUint16:
      return NumberCell<uint16_t>(*this, row);
    case ColumnType::kUint32:
      return NumberCell<uint32_t>(*this, row);
    case ColumnType::kUint64:
      return NumberCell<uint64_t>(*this, row);
    case ColumnType::kFloat16:
      return NumberText(static_cast<float>((*NdArray<const Float16>::FromAny(*Storage()))(row)), 9);
    case ColumnType::kFloat32:
      return NumberCell<float>(*this, row);
    case ColumnType::kFloat64:
      return NumberCell<double>(*this, row);
    case ColumnType::kText:
    case ColumnType::kLargeText:
      return std::string((*As<absl::string_view>())[row].value_or(""));
    case ColumnType::kBytes:
    case ColumnType::kLargeBytes:
    case ColumnType::kFixedBytes:
      return "0x" + absl::BytesToHexString((*As<absl::string_view>())[row].value_or(""));
    case ColumnType::kDate32:
    case ColumnType::kDate64:
      return absl::FormatCivilTime(*(*As<absl::CivilDay>())[row]);
    case ColumnType::kTime32:
    case ColumnType::kTime64:
    case ColumnType::kDuration:
      return DurationCell(*this, row);
    case ColumnType::kTimestamp:
      return TimestampCell(*this, row);
    case ColumnType::kInterval:
      return IntervalCell(*this, row);
    case ColumnType::kDecimal128:
    case ColumnType::kDecimal256:
      return DecimalCell(*this, row);
    case ColumnType::kList:
    case ColumnType::kLargeList:
    case ColumnType::kFixedList:
      return ListCell(*Items(row));
    case ColumnType::kStruct:
      return StructCell(*this, row);
    case ColumnType::kCategorical:
      return CategoryCell(*this, row);
  }
  return "";
}

namespace {

bool SameRow(const Column& a, const Column& b, int64_t row, size_t value_bytes) {
  if (a.type().is_list()) return SameValues(*a.Items(row), *b.Items(row));
  if (a.type().is_categorical()) return a.CategoryIndex(row) == b.CategoryIndex(row);
  return std::memcmp(FixedValue(a, row, value_bytes), FixedValue(b, row, value_bytes),
                     value_bytes) == 0;
}

template <typename T>
bool SameViews(const Column& a, const Column& b) {
  const ColumnView<T> left = *a.As<T>(), right = *b.As<T>();
  return std::equal(left.begin(), left.end(), right.begin());
}

bool SameRows(const Column& a, const Column& b, size_t value_bytes) {
  for (int64_t row = 0; row < a.size(); ++row) {
    if (a.is_null(row) != b.is_null(row)) return false;
    if (!a.is_null(row) && !SameRow(a, b, row, value_bytes)) return false;
  }
  return true;
}

// Where a struct is missing, its fields don't matter.
bool SameStructs(const Column& a, const Column& b) {
  for (int64_t row = 0; row < a.size(); ++row) {
    if (a.is_null(row) != b.is_null(row)) return false;
    if (a.is_null(row)) continue;
    for (const TableField& field : a.type().fields()) {
      const Column left = *a.Field(field.name)->Slice(row, row + 1);
      if (!SameValues(left, *b.Field(field.name)->Slice(row, row + 1))) return false;
    }
  }
  return true;
}

}  // namespace

bool SameValues(const Column& a, const Column& b) {
  if (a.type() != b.type() || a.size() != b.size()) return false;
  if (a.type().kind() == ColumnType::kNull) return true;
  if (a.type().kind() == ColumnType::kBool) return SameViews<bool>(a, b);
  if (a.type().kind() == ColumnType::kStruct) return SameStructs(a, b);
  if (a.type().is_categorical() && !SameValues(*a.Categories(), *b.Categories())) return false;
  const ColumnLayout layout = LayoutOf(a.type());
  if (layout.buffers.size() == 3) return SameViews<absl::string_view>(a, b);
  return SameRows(a, b, layout.value_bytes);
}

}  // namespace slabpipe
