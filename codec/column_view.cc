#include "slabpipe/codec/column_view.h"

namespace slabpipe::internal {
namespace {

bool IsTextLike(const ColumnType& type) { return type.is_text() || type.is_bytes(); }

bool IsDate(const ColumnType& type) {
  return type.kind() == ColumnType::kDate32 || type.kind() == ColumnType::kDate64;
}

constexpr int64_t kSecondsPerDay = 24 * 60 * 60;
constexpr int64_t kMillisecondsPerDay = 1000 * kSecondsPerDay;

}  // namespace

bool ColumnReader<absl::string_view>::Fits(const ColumnType& type) {
  return IsTextLike(type.is_categorical() ? type.categories() : type);
}

ColumnReader<absl::string_view>::ColumnReader(const ColumnData& data) : texts_(&data) {
  if (data.type.is_categorical()) {
    codes_ = &data;
    texts_ = data.dictionary.get();
  }
  const ColumnLayout layout = LayoutOf(texts_->type);
  offsets_ = layout.buffers[1] == BufferRole::kOffsets32   ? Offsets::k32
             : layout.buffers[1] == BufferRole::kOffsets64 ? Offsets::k64
                                                           : Offsets::kNone;
}

absl::string_view ColumnReader<absl::string_view>::ReadText(int64_t row) const {
  if (offsets_ == Offsets::kNone) {
    const auto width = static_cast<size_t>(texts_->type.width());
    return {texts_->buffers[1].as<char>() + static_cast<size_t>(row) * width, width};
  }
  const ColumnBuffer& content = texts_->buffers[2];
  const auto limit = static_cast<int64_t>(content.size_bytes);
  const OffsetRange range = offsets_ == Offsets::k32
                                ? ReadOffsets<int32_t>(texts_->buffers[1], row, limit)
                                : ReadOffsets<int64_t>(texts_->buffers[1], row, limit);
  if (range.size() == 0) return "";
  return {content.as<char>() + range.begin, static_cast<size_t>(range.size())};
}

std::optional<absl::string_view> ColumnReader<absl::string_view>::ReadCategory(int64_t row) const {
  const int64_t index = ReadIndex(*codes_, row);
  if (index < 0 || CountNulls(*texts_, index, 1) != 0) return std::nullopt;
  return ReadText(texts_->offset + index);
}

TimeReader::TimeReader(const ColumnData& data)
    : values_(data.buffers[1].data),
      wide_(LayoutOf(data.type).value_bytes == sizeof(int64_t)),
      days_(data.type.kind() == ColumnType::kDate32),
      unit_(data.type.kind() == ColumnType::kDate64 ? TimeUnit::kMillisecond : data.type.unit()) {}

absl::Duration TimeReader::ToDuration(int64_t number) const {
  if (days_) return absl::Seconds(number * kSecondsPerDay);
  switch (unit_) {
    case TimeUnit::kSecond:
      return absl::Seconds(number);
    case TimeUnit::kMillisecond:
      return absl::Milliseconds(number);
    case TimeUnit::kMicrosecond:
      return absl::Microseconds(number);
    case TimeUnit::kNanosecond:
      return absl::Nanoseconds(number);
  }
  return absl::ZeroDuration();
}

bool ColumnReader<absl::Time>::Fits(const ColumnType& type) {
  return IsDate(type) || type.kind() == ColumnType::kTimestamp;
}

std::optional<absl::Time> ColumnReader<absl::Time>::Read(int64_t row) const {
  return absl::UnixEpoch() + ToDuration(ReadNumber(row));
}

bool ColumnReader<absl::Duration>::Fits(const ColumnType& type) {
  return type.kind() == ColumnType::kDuration || type.kind() == ColumnType::kTime32 ||
         type.kind() == ColumnType::kTime64;
}

bool ColumnReader<absl::CivilDay>::Fits(const ColumnType& type) { return IsDate(type); }

std::optional<absl::CivilDay> ColumnReader<absl::CivilDay>::Read(int64_t row) const {
  const int64_t number = ReadNumber(row);
  int64_t days = number;
  if (!days_) {
    days = number / kMillisecondsPerDay - (number % kMillisecondsPerDay < 0 ? 1 : 0);
  }
  return absl::CivilDay(1970, 1, 1) + days;
}

}  // namespace slabpipe::internal
