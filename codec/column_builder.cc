#include "slabpipe/codec/column_builder.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>
#include <limits>

#include "slabpipe/codec/column_copy.h"
#include "slabpipe/codec/float16.h"
#include "slabpipe/codec/models.h"
#include "slabpipe/codec/value.h"

namespace slabpipe {
namespace {

// The number if it is one of T: nothing is rounded but to a float.
template <typename T>
std::optional<T> ExactInteger(const Cell& cell) {
  if (const int64_t* number = cell.get<int64_t>()) {
    if (std::in_range<T>(*number)) return static_cast<T>(*number);
  }
  if (const uint64_t* number = cell.get<uint64_t>()) {
    if (std::in_range<T>(*number)) return static_cast<T>(*number);
  }
  return std::nullopt;
}

// Most integers of more than 53 bits are not doubles. `end` is the first number behind T's.
template <typename T>
std::optional<double> ExactReal(T number, double end) {
  const auto real = static_cast<double>(number);
  if (real < end && static_cast<T>(real) == number) return real;
  return std::nullopt;
}

std::optional<double> ExactReal(const Cell& cell) {
  if (const int64_t* number = cell.get<int64_t>()) return ExactReal(*number, 0x1p63);
  if (const uint64_t* number = cell.get<uint64_t>()) return ExactReal(*number, 0x1p64);
  return *cell.get<double>();
}

bool IsNumber(const Cell& cell) {
  return cell.get<int64_t>() != nullptr || cell.get<uint64_t>() != nullptr ||
         cell.get<double>() != nullptr;
}

absl::Status DoesNotFit(const Cell& cell, const ColumnType& type) {
  return absl::OutOfRangeError(
      absl::StrCat(cell.Describe(), " does not fit a column of ", type.name()));
}

absl::Duration UnitOf(const ColumnType& type) {
  if (type.kind() == ColumnType::kDate32) return absl::Hours(24);
  if (type.kind() == ColumnType::kDate64) return absl::Milliseconds(1);
  return absl::Seconds(1) / UnitsPerSecond(type.unit());
}

}  // namespace

std::string Cell::Describe() const {
  struct Describer {
    std::string operator()(std::monostate) const { return "a missing value"; }
    std::string operator()(bool truth) const { return truth ? "true" : "false"; }
    std::string operator()(int64_t number) const { return absl::StrCat("the integer ", number); }
    std::string operator()(uint64_t number) const { return absl::StrCat("the integer ", number); }
    std::string operator()(double number) const { return absl::StrCat("the real ", number); }
    std::string operator()(absl::string_view text) const {
      constexpr size_t kShown = 40;
      return absl::StrCat("the text '", text.substr(0, kShown),
                          text.size() > kShown ? "...'" : "'");
    }
    std::string operator()(absl::Time time) const {
      return absl::StrCat("the time ", absl::FormatTime(time, absl::UTCTimeZone()));
    }
    std::string operator()(absl::Duration duration) const {
      return absl::StrCat("the duration ", absl::FormatDuration(duration));
    }
    std::string operator()(absl::CivilDay day) const {
      return absl::StrCat("the day ", absl::FormatCivilTime(day));
    }
    std::string operator()(absl::Span<const Cell> items) const {
      return absl::StrCat("a list of ", items.size());
    }
  };
  return std::visit(Describer(), data_);
}

namespace {

// Lists and structs are printed alike though they differ.
absl::Status CheckCategories(const ColumnType& type) {
  if (!type.is_list() && type.kind() != ColumnType::kStruct) return absl::OkStatus();
  return absl::UnimplementedError(
      absl::StrCat("columns of categories of ", type.name(), " are made by Column::Categorical"));
}

}  // namespace

// GrowingBuffer

absl::Status GrowingBuffer::Reserve(size_t more_bytes) {
  if (more_bytes <= buffer_.size_bytes() - size_bytes_) return absl::OkStatus();
  constexpr size_t kLeast = 64;
  const size_t wanted = size_bytes_ + more_bytes;
  absl::StatusOr<Buffer> larger =
      Buffer::Allocate(std::max({kLeast, wanted, 2 * buffer_.size_bytes()}));
  if (!larger.ok()) return larger.status();
  if (size_bytes_ > 0) std::memcpy(larger->mutable_data(), buffer_.data(), size_bytes_);
  buffer_ = *std::move(larger);
  return absl::OkStatus();
}

absl::Status GrowingBuffer::Append(const void* bytes, size_t size_bytes) {
  if (size_bytes == 0) return absl::OkStatus();
  if (absl::Status status = Reserve(size_bytes); !status.ok()) return status;
  std::memcpy(buffer_.mutable_data() + size_bytes_, bytes, size_bytes);
  size_bytes_ += size_bytes;
  return absl::OkStatus();
}

absl::Status GrowingBuffer::AppendZeros(size_t size_bytes) {
  if (absl::Status status = Reserve(size_bytes); !status.ok()) return status;
  size_bytes_ += size_bytes;
  return absl::OkStatus();
}

ColumnBuffer GrowingBuffer::Take() {
  if (size_bytes_ == 0) return {};
  ColumnBuffer taken = ColumnBuffer::Of(std::exchange(buffer_, Buffer()));
  taken.size_bytes = std::exchange(size_bytes_, 0);
  return taken;
}

// ColumnBuilder

ColumnBuilder::ColumnBuilder(ColumnType type) : type_(std::move(type)) {
  for (const TableField& field : type_.fields()) children_.emplace_back(field.type);
  if (type_.is_categorical()) children_.emplace_back(type_.categories());
}

ColumnBuilder::ColumnBuilder(const Column& categories, bool ordered)
    : ColumnBuilder(ColumnType::Categorical(categories.type(), {.ordered = ordered})) {
  grows_ = false;
  given_categories_ = categories;
  failed_ = CheckCategories(categories.type());
  for (int64_t i = 0; i < categories.size() && failed_.ok(); ++i) {
    if (categories.is_null(i)) continue;
    if (category_index_.emplace(categories.CellText(i), i).second) continue;
    failed_ = absl::InvalidArgumentError(
        absl::StrCat("category '", categories.CellText(i), "' comes twice"));
  }
}

absl::Status ColumnBuilder::Mismatch(const Cell& cell) const {
  return absl::InvalidArgumentError(
      absl::StrCat(cell.Describe(), " is no value of a column of ", type_.name()));
}

// Rows before the first missing one have no bits yet.
absl::Status ColumnBuilder::CountRow(bool valid) {
  if (!valid && nulls_ == 0) {
    absl::Status status = validity_.AppendZeros(static_cast<size_t>(length_ / 8 + 1));
    if (!status.ok()) return status;
    SetBits(validity_.data(), 0, length_);
  } else if (nulls_ > 0 && length_ % 8 == 0) {
    if (absl::Status status = validity_.AppendZeros(1); !status.ok()) return status;
  }
  if (!valid) ++nulls_;
  if (valid && nulls_ > 0) SetBits(validity_.data(), length_, 1);
  ++length_;
  return absl::OkStatus();
}

absl::Status ColumnBuilder::Append(const Cell& cell) {
  if (!failed_.ok()) return failed_;
  if (cell.is_null()) return AppendNull();
  absl::Status status = AppendValue(cell);
  if (status.ok()) status = CountRow(true);
  // Half of the row may have been appended.
  if (absl::IsResourceExhausted(status)) failed_ = status;
  return status;
}

absl::Status ColumnBuilder::AppendNull() {
  if (!failed_.ok()) return failed_;
  absl::Status status = AppendZeroValue();
  if (status.ok()) status = CountRow(false);
  if (absl::IsResourceExhausted(status)) failed_ = status;
  return status;
}

absl::Status ColumnBuilder::CheckOffset(int64_t offset) const {
  if (LayoutOf(type_).buffers[1] == BufferRole::kOffsets64 || std::in_range<int32_t>(offset)) {
    return absl::OkStatus();
  }
  return absl::OutOfRangeError(absl::StrCat("a column of ", type_.name(), " holds at most ",
                                            std::numeric_limits<int32_t>::max(),
                                            " bytes or items: use the large type"));
}

absl::Status ColumnBuilder::AppendOffset(int64_t offset) {
  if (LayoutOf(type_).buffers[1] == BufferRole::kOffsets64) {
    return values_.Append(&offset, sizeof(offset));
  }
  if (absl::Status status = CheckOffset(offset); !status.ok()) return status;
  const auto small = static_cast<int32_t>(offset);
  return values_.Append(&small, sizeof(small));
}

// What stands in the buffers where a value is missing.
absl::Status ColumnBuilder::AppendZeroValue() {
  const ColumnLayout layout = LayoutOf(type_);
  if (layout.buffers.empty()) return absl::OkStatus();
  if (layout.buffers.size() == 1) {
    const int64_t items = type_.kind() == ColumnType::kFixedList ? type_.width() : 1;
    for (ColumnBuilder& child : children_) {
      for (int64_t i = 0; i < items; ++i) {
        if (absl::Status status = child.AppendNull(); !status.ok()) return status;
      }
    }
    return absl::OkStatus();
  }
  switch (layout.buffers[1]) {
    case BufferRole::kBits:
      return length_ % 8 == 0 ? values_.AppendZeros(1) : absl::OkStatus();
    case BufferRole::kOffsets32:
    case BufferRole::kOffsets64:
      return AppendOffset(type_.is_list() ? children_[0].size()
                                          : static_cast<int64_t>(content_.size_bytes()));
    default:
      return values_.AppendZeros(layout.value_bytes);
  }
}

absl::Status ColumnBuilder::AppendValue(const Cell& cell) {
  switch (type_.kind()) {
    case ColumnType::kNull:
      return Mismatch(cell);
    case ColumnType::kBool: {
      const bool* truth = cell.get<bool>();
      if (truth == nullptr) return Mismatch(cell);
      if (absl::Status status = AppendZeroValue(); !status.ok()) return status;
      if (*truth) SetBits(values_.data(), length_, 1);
      return absl::OkStatus();
    }
    case ColumnType::kText:
    case ColumnType::kLargeText:
    case ColumnType::kBytes:
    case ColumnType::kLargeBytes:
    case ColumnType::kFixedBytes:
      return AppendText(cell);
    case ColumnType::kDate32:
    case ColumnType::kDate64:
    case ColumnType::kTime32:
    case ColumnType::kTime64:
    case ColumnType::kTimestamp:
    case ColumnType::kDuration:
      return AppendTime(cell);
    case ColumnType::kInterval:
    case ColumnType::kDecimal128:
    case ColumnType::kDecimal256:
      return absl::UnimplementedError(
          absl::StrCat("columns of ", type_.name(), " are made by Column::FromData"));
    case ColumnType::kList:
    case ColumnType::kLargeList:
    case ColumnType::kFixedList:
    case ColumnType::kStruct:
      return AppendItems(cell);
    case ColumnType::kCategorical:
      return AppendCategory(cell);
    default:
      return AppendNumber(cell);
  }
}

absl::Status ColumnBuilder::AppendInteger(ColumnType::Kind kind, const Cell& cell) {
  return internal::WithIndexType(kind, [&](auto zero) {
    const auto number = ExactInteger<decltype(zero)>(cell);
    if (!number.has_value()) return DoesNotFit(cell, type_);
    return values_.Append(&*number, sizeof(*number));
  });
}

absl::Status ColumnBuilder::AppendNumber(const Cell& cell) {
  if (!IsNumber(cell)) return Mismatch(cell);
  if (IsIntegerKind(type_.kind())) {
    return cell.get<double>() != nullptr ? Mismatch(cell) : AppendInteger(type_.kind(), cell);
  }
  const std::optional<double> number = ExactReal(cell);
  if (!number.has_value()) return DoesNotFit(cell, type_);
  if (type_.kind() == ColumnType::kFloat64) return values_.Append(&*number, sizeof(*number));
  const auto single = static_cast<float>(*number);
  const Float16 half(single);
  const bool is_half = type_.kind() == ColumnType::kFloat16;
  const auto stored = static_cast<double>(is_half ? static_cast<float>(half) : single);
  // Reals are rounded, integers are not.
  const bool exact = stored == *number;
  if (std::isinf(stored) && !exact) return DoesNotFit(cell, type_);
  if (cell.get<double>() == nullptr && !exact) return DoesNotFit(cell, type_);
  return is_half ? values_.Append(&half, sizeof(half)) : values_.Append(&single, sizeof(single));
}

absl::Status ColumnBuilder::AppendTime(const Cell& cell) {
  const ColumnType::Kind kind = type_.kind();
  const bool date = kind == ColumnType::kDate32 || kind == ColumnType::kDate64;
  std::optional<absl::Duration> value;
  if (const absl::Time* time = cell.get<absl::Time>(); time != nullptr) {
    if (kind == ColumnType::kTimestamp) value = *time - absl::UnixEpoch();
  } else if (const absl::CivilDay* day = cell.get<absl::CivilDay>(); day != nullptr) {
    if (date) value = absl::FromCivil(*day, absl::UTCTimeZone()) - absl::UnixEpoch();
  } else if (const absl::Duration* duration = cell.get<absl::Duration>(); duration != nullptr) {
    if (!date && kind != ColumnType::kTimestamp) value = *duration;
  }
  if (!value.has_value()) return Mismatch(cell);
  absl::Duration rest;
  const int64_t units = absl::IDivDuration(*value, UnitOf(type_), &rest);
  const bool exact = rest == absl::ZeroDuration() && units * UnitOf(type_) == *value;
  const bool saturated =
      units == std::numeric_limits<int64_t>::max() || units == std::numeric_limits<int64_t>::min();
  if (saturated && !exact) return DoesNotFit(cell, type_);
  if (!exact) {
    return absl::InvalidArgumentError(
        absl::StrCat(cell.Describe(), " is finer than a column of ", type_.name(), " can tell"));
  }
  const bool of_day = kind == ColumnType::kTime32 || kind == ColumnType::kTime64;
  if (of_day && (*value < absl::ZeroDuration() || *value >= absl::Hours(24))) {
    return DoesNotFit(cell, type_);
  }
  const bool narrow = LayoutOf(type_).value_bytes == sizeof(int32_t);
  return AppendInteger(narrow ? ColumnType::kInt32 : ColumnType::kInt64, Cell(units));
}

absl::Status ColumnBuilder::AppendText(const Cell& cell) {
  const absl::string_view* text = cell.get<absl::string_view>();
  if (text == nullptr) return Mismatch(cell);
  if (type_.is_text() && !IsValidUtf8(*text)) {
    return absl::InvalidArgumentError(absl::StrCat(cell.Describe(), " is not UTF-8"));
  }
  if (type_.kind() == ColumnType::kFixedBytes) {
    if (text->size() != static_cast<size_t>(type_.width())) return DoesNotFit(cell, type_);
    return values_.Append(text->data(), text->size());
  }
  const auto begin = static_cast<int64_t>(content_.size_bytes());
  absl::Status fits = CheckOffset(begin + static_cast<int64_t>(text->size()));
  if (fits.ok()) fits = AppendOffset(begin);
  if (!fits.ok()) return fits;
  return content_.Append(text->data(), text->size());
}

absl::Status ColumnBuilder::AppendItems(const Cell& cell) {
  const auto* items = cell.get<absl::Span<const Cell>>();
  if (items == nullptr) return Mismatch(cell);
  const bool fixed = type_.kind() == ColumnType::kFixedList;
  const bool fields = type_.kind() == ColumnType::kStruct;
  const size_t wanted = fixed    ? static_cast<size_t>(type_.width())
                        : fields ? children_.size()
                                 : items->size();
  if (items->size() != wanted) return Mismatch(cell);
  if (!fixed && !fields) {
    if (absl::Status status = AppendOffset(children_[0].size()); !status.ok()) return status;
  }
  for (size_t i = 0; i < items->size(); ++i) {
    absl::Status status = children_[fields ? i : 0].Append((*items)[i]);
    if (status.ok()) continue;
    failed_ = InContext(absl::StrCat("item ", i), status);
    return failed_;
  }
  return absl::OkStatus();
}

// Categories are told apart as they would be printed, which tells those of one type apart.
absl::Status ColumnBuilder::AppendCategory(const Cell& cell) {
  const ColumnType& type = type_.categories();
  if (type.is_text()) {
    const absl::string_view* text = cell.get<absl::string_view>();
    if (text == nullptr || !IsValidUtf8(*text)) return Mismatch(cell);
    return AppendCategory(*text, cell);
  }
  if (absl::Status status = CheckCategories(type); !status.ok()) return status;
  ColumnBuilder one(type);
  if (absl::Status status = one.Append(cell); !status.ok()) return Mismatch(cell);
  absl::StatusOr<Column> value = one.Finish();
  if (!value.ok()) return value.status();
  return AppendCategory(value->CellText(0), cell);
}

absl::Status ColumnBuilder::AppendCategory(absl::string_view printed, const Cell& cell) {
  const auto next = static_cast<int64_t>(category_index_.size());
  const auto found = category_index_.find(printed);
  if (found != category_index_.end()) return AppendInteger(type_.index_kind(), found->second);
  if (!grows_) {
    return absl::InvalidArgumentError(
        absl::StrCat(cell.Describe(), " is none of the column's ", next, " categories"));
  }
  if (absl::Status status = AppendInteger(type_.index_kind(), next); !status.ok()) return status;
  category_index_.emplace(printed, next);
  return children_[0].Append(cell);
}

absl::StatusOr<Column> ColumnBuilder::Finish() {
  if (!failed_.ok()) return failed_;
  const ColumnLayout layout = LayoutOf(type_);
  ColumnData data = {.type = type_, .length = length_, .null_count = nulls_};
  if (HasOffsets(type_)) {
    absl::Status status = AppendZeroValue();  // where the last one ends
    if (!status.ok()) return status;
  }
  ColumnBuffer validity = validity_.Take();
  if (layout.buffers.size() > 0) data.buffers.push_back(std::move(validity));
  if (layout.buffers.size() > 1) data.buffers.push_back(values_.Take());
  if (layout.buffers.size() > 2) data.buffers.push_back(content_.Take());
  for (ColumnBuilder& child : children_) {
    const bool given = type_.is_categorical() && given_categories_.has_value();
    absl::StatusOr<Column> made = given ? WholeColumn(*given_categories_) : child.Finish();
    if (!made.ok()) return made.status();
    if (type_.is_categorical()) {
      data.dictionary = made->data();
    } else {
      data.children.push_back(made->data());
    }
  }
  length_ = nulls_ = 0;
  if (grows_) category_index_.clear();
  return Column::FromData(std::make_shared<const ColumnData>(std::move(data)));
}

namespace internal {

absl::Status InRow(int64_t row, const absl::Status& status) {
  return InContext(absl::StrCat("row ", row), status);
}

absl::StatusOr<Column> CopyNumbers(ColumnType type, const void* numbers, int64_t count) {
  const size_t bytes = static_cast<size_t>(count) * NumberBytes(type.kind());
  absl::StatusOr<Buffer> buffer = Buffer::Allocate(bytes);
  if (!buffer.ok()) return buffer.status();
  if (bytes > 0) std::memcpy(buffer->mutable_data(), numbers, bytes);
  ColumnData data = {.type = std::move(type), .length = count};
  data.buffers = {{}, ColumnBuffer::Of(*std::move(buffer))};
  return Column::FromData(std::make_shared<const ColumnData>(std::move(data)));
}

}  // namespace internal
}  // namespace slabpipe
