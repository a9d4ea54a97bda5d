// Column's values as text.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "absl/numeric/int128.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "slabpipe/codec/column.h"
#include "slabpipe/codec/column_view.h"
#include "slabpipe/codec/float16.h"
#include "slabpipe/codec/models.h"
#include "slabpipe/codec/value.h"

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
  const T number = column.As<T>()->value_or(row, T());
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

// Whether it may be the name of a zone. SUBTLE: it may come from another process, and Abseil opens
// files by such names: of any folder, if they begin with "/" or have ".." in them.
bool LooksLikeZone(absl::string_view name) {
  constexpr size_t kMostCharacters = 64;
  const auto fits = [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-' || c == '+' ||
           c == '/';
  };
  return !name.empty() && name.size() <= kMostCharacters && name[0] != '/' &&
         std::all_of(name.begin(), name.end(), fits);
}

// Of "+02:00".
std::optional<absl::TimeZone> FixedZone(absl::string_view offset) {
  const auto digit = [&](size_t i) {
    return absl::ascii_isdigit(offset[i]) ? offset[i] - '0' : 99;
  };
  if (offset.size() != 6 || offset[3] != ':') return std::nullopt;
  const int hours = 10 * digit(1) + digit(2), minutes = 10 * digit(4) + digit(5);
  if ((offset[0] != '+' && offset[0] != '-') || hours > 24 || minutes > 59) return std::nullopt;
  const int seconds = 60 * (60 * hours + minutes);
  return absl::FixedTimeZone(offset[0] == '-' ? -seconds : seconds);
}

std::optional<absl::TimeZone> FindZone(absl::string_view name) {
  if (const auto fixed = FixedZone(name)) return fixed;
  absl::TimeZone zone;
  if (!LooksLikeZone(name) || !absl::LoadTimeZone(std::string(name), &zone)) return std::nullopt;
  return zone;
}

// As ISO 8601 has it, in the column's zone if this machine knows it, otherwise in UTC.
std::string TimestampCell(const Column& column, int64_t row) {
  const absl::Time time = column.As<absl::Time>()->value_or(row, absl::UnixEpoch());
  const absl::string_view name = column.type().zone();
  const std::optional<absl::TimeZone> known = FindZone(name);
  const absl::TimeZone zone = known.value_or(absl::UTCTimeZone());
  const absl::TimeZone::CivilInfo civil = zone.At(time);
  const std::string text = absl::FormatTime("%Y-%m-%dT%H:%M:%S", time, zone) +
                           FractionText(absl::ToInt64Nanoseconds(civil.subsecond));
  if (name.empty()) return text;
  return text + (known.has_value() ? absl::FormatTime("%Ez", time, zone) : "Z");
}

std::string DurationCell(const Column& column, int64_t row) {
  const absl::Duration duration = column.As<absl::Duration>()->value_or(row, {});
  if (column.type().kind() == ColumnType::kDuration) return absl::FormatDuration(duration);
  const int64_t seconds = absl::ToInt64Seconds(duration);
  const int64_t rest = absl::ToInt64Nanoseconds(duration - absl::Seconds(seconds));
  return absl::StrFormat("%02d:%02d:%02d", seconds / 3600, seconds / 60 % 60, seconds % 60) +
         FractionText(rest);
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
  std::memcpy(words, internal::FixedValue(column, row, 8 * count), 8 * count);
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
  std::memcpy(&interval, internal::FixedValue(column, row, sizeof(interval)), sizeof(interval));
  return absl::StrCat(interval.months, " months ", interval.days, " days ",
                      absl::FormatDuration(absl::Nanoseconds(interval.nanoseconds)));
}

// A value that may have others in it. SUBTLE: lists in lists grow with each level, and those whose
// items take no bytes may be as long as a peer likes: so it counts.
class CellPrinter {
 public:
  // REQUIRES: the value is a list, a struct or a category.
  std::string Print(const Column& column, int64_t row);

 private:
  static constexpr int64_t kMostItems = 8;  // of one list

  std::string PrintItems(const Column& items);
  std::string PrintFields(const Column& column, int64_t row);
  std::string PrintPart(const Column& column, int64_t row);

  int parts_left_ = 100;
};

std::string CellPrinter::Print(const Column& column, int64_t row) {
  if (column.type().is_list()) return PrintItems(*column.Items(row));
  if (column.type().kind() == ColumnType::kStruct) return PrintFields(column, row);
  const int64_t index = column.CategoryIndex(row);
  return index < 0 ? "null" : PrintPart(*column.Categories(), index);
}

std::string CellPrinter::PrintItems(const Column& items) {
  std::string text = "[";
  for (int64_t i = 0; i < items.size(); ++i) {
    if (i > 0) text += ", ";
    if (i == kMostItems || parts_left_ <= 0) {
      text += "...";
      break;
    }
    text += PrintPart(items, i);
  }
  return text + "]";
}

std::string CellPrinter::PrintFields(const Column& column, int64_t row) {
  std::string text = "{";
  const std::vector<TableField>& fields = column.type().fields();
  for (size_t i = 0; i < fields.size(); ++i) {
    if (i > 0) text += ", ";
    if (parts_left_ <= 0) {
      text += "...";
      break;
    }
    absl::StrAppend(&text, fields[i].name, ": ", PrintPart(column.Field(i), row));
  }
  return text + "}";
}

std::string CellPrinter::PrintPart(const Column& column, int64_t row) {
  --parts_left_;
  const ColumnType& type = column.type();
  const bool nests = type.is_list() || type.is_categorical() || type.kind() == ColumnType::kStruct;
  return nests && !column.is_null(row) ? Print(column, row) : column.CellText(row);
}

}  // namespace

std::string Column::CellText(int64_t row) const {
  if (is_null(row)) return "null";
  switch (type().kind()) {
    case ColumnType::kNull:
      return "null";
    case ColumnType::kBool:
      return As<bool>()->value_or(row, false) ? "true" : "false";
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
      return absl::FormatCivilTime(As<absl::CivilDay>()->value_or(row, absl::CivilDay()));
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
    case ColumnType::kStruct:
    case ColumnType::kCategorical:
      return CellPrinter().Print(*this, row);
  }
  return "";
}

absl::Status Column::CheckUtf8() const {
  if (type().is_text()) {
    const ColumnView<absl::string_view> texts = *As<absl::string_view>();
    for (int64_t row = 0; row < size(); ++row) {
      if (IsValidUtf8(texts[row].value_or(""))) continue;
      return absl::InvalidArgumentError(absl::StrCat("the text of row ", row, " is not UTF-8"));
    }
  }
  for (size_t i = 0; i < data_->children.size(); ++i) {
    absl::Status below = FromChecked(data_->children[i]).CheckUtf8();
    if (!below.ok()) return InContext(type().fields()[i].name, below);
  }
  if (data_->dictionary == nullptr) return absl::OkStatus();
  return InContext("categories", FromChecked(data_->dictionary).CheckUtf8());
}

}  // namespace slabpipe
