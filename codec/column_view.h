// ColumnView<T>: a column's rows as values of a C++ type, std::nullopt where they are missing.
//
//   absl::StatusOr<ColumnView<int64_t>> view = mass.As<int64_t>();     // error: it is float64
//   const ColumnView<double> grams = *mass.As<double>();
//   for (std::optional<double> value : grams) ...
//   absl::Span<const double> all = grams.values();                     // as they lie in memory
//
//   T                        columns of
//   integers, float, double  that type, exactly
//   bool                     bool
//   absl::string_view        text, bytes, and categories of these
//   absl::Time               timestamps (a clock on a wall counts as UTC), dates
//   absl::Duration           durations, times of day
//   absl::CivilDay           dates

#ifndef SLABPIPE_CODEC_COLUMN_VIEW_H_
#define SLABPIPE_CODEC_COLUMN_VIEW_H_

#include <cassert>
#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <type_traits>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "slabpipe/codec/column.h"
#include "slabpipe/codec/column_data.h"
#include "slabpipe/codec/column_type.h"

namespace slabpipe {

namespace internal {

template <typename T>
concept ColumnNumber = std::is_arithmetic_v<T> && !std::is_same_v<T, bool>;

// Reads a row of the buffers as a T; never outside of them. `row` counts from their start. Keeps
// nothing: the view keeps the column.
template <typename T>
class ColumnReader;

template <ColumnNumber T>
class ColumnReader<T> {
 public:
  static bool Fits(const ColumnType& type) { return type == ColumnType::Of<T>(); }
  explicit ColumnReader(const ColumnData& data) : values_(data.buffers[1].as<T>()) {}
  std::optional<T> Read(int64_t row) const { return values_[row]; }
  const T* values() const { return values_; }

 private:
  const T* values_;
};

template <>
class ColumnReader<bool> {
 public:
  static bool Fits(const ColumnType& type) { return type.kind() == ColumnType::kBool; }
  static constexpr absl::string_view kWanted = "bool";
  explicit ColumnReader(const ColumnData& data) : bits_(data.buffers[1].data) {}
  std::optional<bool> Read(int64_t row) const { return BitAt(bits_, row); }

 private:
  const std::byte* bits_;
};

template <>
class ColumnReader<absl::string_view> {
 public:
  static bool Fits(const ColumnType& type);
  static constexpr absl::string_view kWanted = "text, bytes, or categories of these";
  explicit ColumnReader(const ColumnData& data);
  std::optional<absl::string_view> Read(int64_t row) const {
    if (codes_ != nullptr) return ReadCategory(row);
    return ReadText(row);
  }

 private:
  absl::string_view ReadText(int64_t row) const;
  std::optional<absl::string_view> ReadCategory(int64_t row) const;

  const ColumnData* texts_;            // those of the rows, or of the categories
  const ColumnData* codes_ = nullptr;  // of a categorical
  enum class Offsets : uint8_t { k32, k64, kNone } offsets_;
};

// The numbers of a time column.
class TimeReader {
 public:
  explicit TimeReader(const ColumnData& data);
  int64_t ReadNumber(int64_t row) const {
    return wide_ ? static_cast<const int64_t*>(values_)[row]
                 : static_cast<const int32_t*>(values_)[row];
  }

 protected:
  // So many units of the column's.
  absl::Duration ToDuration(int64_t number) const;

  const void* values_;
  bool wide_;  // 64 bits, otherwise 32
  bool days_;
  TimeUnit unit_;
};

template <>
class ColumnReader<absl::Time> : TimeReader {
 public:
  static bool Fits(const ColumnType& type);
  static constexpr absl::string_view kWanted = "timestamps or dates";
  using TimeReader::TimeReader;
  std::optional<absl::Time> Read(int64_t row) const;
};

template <>
class ColumnReader<absl::Duration> : TimeReader {
 public:
  static bool Fits(const ColumnType& type);
  static constexpr absl::string_view kWanted = "durations or times of day";
  using TimeReader::TimeReader;
  std::optional<absl::Duration> Read(int64_t row) const { return ToDuration(ReadNumber(row)); }
};

template <>
class ColumnReader<absl::CivilDay> : TimeReader {
 public:
  static bool Fits(const ColumnType& type);
  static constexpr absl::string_view kWanted = "dates";
  using TimeReader::TimeReader;
  std::optional<absl::CivilDay> Read(int64_t row) const;
};

}  // namespace internal

// Random access, and a range. A value; keeps the column's memory. Thread-compatible.
template <typename T>
class ColumnView {
 public:
  class Iterator;
  using value_type = std::optional<T>;

  int64_t size() const { return column_.size(); }
  bool empty() const { return size() == 0; }
  int64_t null_count() const { return column_.null_count(); }
  bool is_null(int64_t row) const { return column_.is_null(row); }
  // REQUIRES: 0 <= row < size() (asserted in debug builds). A string_view is valid as long as the
  // column's memory.
  std::optional<T> operator[](int64_t row) const {
    assert(row >= 0 && row < size());
    if (is_null(row)) return std::nullopt;
    return reader_.Read(first_ + row);
  }
  T value_or(int64_t row, T fallback) const { return (*this)[row].value_or(std::move(fallback)); }
  // All the numbers as they lie in memory; where values are missing, anything.
  absl::Span<const T> values() const requires internal::ColumnNumber<T> {
    if (empty()) return {};
    return {reader_.values() + first_, static_cast<size_t>(size())};
  }
  const Column& column() const { return column_; }

  // SUBTLE: not of a temporary: `for (auto x : *column.As<T>())` would outlive it.
  Iterator begin() const& { return Iterator(this, 0); }
  Iterator end() const& { return Iterator(this, size()); }
  Iterator begin() && = delete;
  Iterator end() && = delete;

 private:
  friend class Column;
  explicit ColumnView(Column column)
      : column_(std::move(column)),
        first_(column_.data()->offset + column_.begin()),
        reader_(*column_.data()) {}

  Column column_;
  int64_t first_;  // row 0 in the buffers
  internal::ColumnReader<T> reader_;
};

// Valid as long as the view.
template <typename T>
class ColumnView<T>::Iterator {
 public:
  using iterator_category = std::random_access_iterator_tag;
  using value_type = std::optional<T>;
  using difference_type = int64_t;
  using pointer = void;
  using reference = value_type;

  Iterator() = default;
  value_type operator*() const { return (*view_)[row_]; }
  value_type operator[](difference_type n) const { return (*view_)[row_ + n]; }
  Iterator& operator++() { return *this += 1; }
  Iterator& operator--() { return *this += -1; }
  Iterator operator++(int) { return Iterator(view_, row_++); }
  Iterator operator--(int) { return Iterator(view_, row_--); }
  Iterator& operator+=(difference_type n) {
    row_ += n;
    return *this;
  }
  Iterator& operator-=(difference_type n) { return *this += -n; }
  friend Iterator operator+(Iterator i, difference_type n) { return i += n; }
  friend Iterator operator+(difference_type n, Iterator i) { return i += n; }
  friend Iterator operator-(Iterator i, difference_type n) { return i -= n; }
  friend difference_type operator-(const Iterator& a, const Iterator& b) { return a.row_ - b.row_; }
  friend bool operator==(const Iterator& a, const Iterator& b) { return a.row_ == b.row_; }
  friend auto operator<=>(const Iterator& a, const Iterator& b) { return a.row_ <=> b.row_; }

 private:
  friend class ColumnView;
  Iterator(const ColumnView* view, int64_t row) : view_(view), row_(row) {}

  const ColumnView* view_ = nullptr;
  int64_t row_ = 0;
};

// Implementation details only below this line.

template <typename T>
absl::StatusOr<ColumnView<T>> Column::As() const {
  using Reader = internal::ColumnReader<T>;
  if (Reader::Fits(type())) return ColumnView<T>(*this);
  if constexpr (internal::ColumnNumber<T>) {
    return WrongType(ColumnType::Of<T>().name());
  } else {
    return WrongType(Reader::kWanted);
  }
}

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_COLUMN_VIEW_H_
