// ToColumn: values of C++ types as a column. ColumnBuilder: a column value by value. Cell: one
// value of any type, on its way into a builder.
//
//   absl::StatusOr<Column> mass = ToColumn(std::vector<std::optional<double>>{3750, std::nullopt});
//   absl::StatusOr<Column> when = ToColumn(times, ColumnType::Timestamp(TimeUnit::kSecond, "UTC"));
//
//   ColumnBuilder species(ColumnType::Categorical(ColumnType::Text()));
//   species.Append("Adelie").IgnoreError();               // a new category
//   absl::StatusOr<Column> column = species.Finish();
//
// A value goes into a column only if it comes out again as it was: integers become real numbers
// where that is exact, times must not be finer than the column's unit. (The exception: a double in
// a column of float is rounded.)

#ifndef SLABPIPE_CODEC_COLUMN_BUILDER_H_
#define SLABPIPE_CODEC_COLUMN_BUILDER_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <optional>
#include <ranges>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "slabpipe/codec/buffer.h"
#include "slabpipe/codec/column.h"
#include "slabpipe/codec/column_type.h"

namespace slabpipe {

// Borrows texts, bytes and lists: valid as long as they are.
class Cell {
 public:
  using Storage = std::variant<std::monostate, bool, int64_t, uint64_t, double, absl::string_view,
                               absl::Time, absl::Duration, absl::CivilDay, absl::Span<const Cell>>;

  // A missing value.
  Cell() = default;
  Cell(std::nullopt_t) {}
  template <std::same_as<bool> T>
  Cell(T truth) : data_(truth) {}
  template <std::signed_integral T>
  Cell(T number) : data_(int64_t{number}) {}
  template <std::unsigned_integral T>
  requires(!std::same_as<T, bool>) Cell(T number) : data_(uint64_t{number}) {}
  template <std::floating_point T>
  Cell(T number) : data_(static_cast<double>(number)) {}
  // Texts of UTF-8, bytes for columns of bytes, and categories.
  Cell(const char* text) {  // null: a missing value
    if (text != nullptr) data_ = absl::string_view(text);
  }
  Cell(std::nullptr_t) {}
  Cell(char) = delete;  // a text of one character, or a number?
  Cell(absl::string_view text) : data_(text) {}
  Cell(const std::string& text) : data_(absl::string_view(text)) {}
  Cell(absl::Time time) : data_(time) {}
  Cell(absl::Duration duration) : data_(duration) {}
  Cell(absl::CivilDay day) : data_(day) {}
  // Items of a list; fields of a struct, in order.
  Cell(absl::Span<const Cell> items) : data_(items) {}
  template <typename T>
  Cell(const std::optional<T>& value) {
    if (value.has_value()) *this = Cell(*value);
  }

  const Storage& storage() const { return data_; }
  bool is_null() const { return data_.index() == 0; }
  // nullptr if it is of another kind.
  template <typename T>
  const T* get() const {
    return std::get_if<T>(&data_);
  }
  // For messages: "the text 'Adelie'".
  std::string Describe() const;

 private:
  Storage data_;
};

// Memory that grows, zeros at first.
class GrowingBuffer {
 public:
  // RESOURCE_EXHAUSTED; then nothing changes.
  absl::Status Append(const void* bytes, size_t size_bytes);
  absl::Status AppendZeros(size_t size_bytes);
  size_t size_bytes() const { return size_bytes_; }
  std::byte* data() const { return buffer_.mutable_data(); }
  // What has been appended; this one is empty again.
  ColumnBuffer Take();

 private:
  absl::Status Reserve(size_t more_bytes);

  Buffer buffer_;
  size_t size_bytes_ = 0;
};

// Movable. Thread-compatible.
class ColumnBuilder {
 public:
  // Of a categorical, categories are taken as they come, in that order.
  explicit ColumnBuilder(ColumnType type);
  // A categorical with all categories that there are to be. Those that are not missing must differ
  // from one another (Finish tells). REQUIRES: these are not categorical themselves.
  ColumnBuilder(const Column& categories, bool ordered);
  ColumnBuilder(ColumnBuilder&&) = default;
  ColumnBuilder& operator=(ColumnBuilder&&) = default;

  const ColumnType& type() const { return type_; }
  int64_t size() const { return length_; }

  // INVALID_ARGUMENT for a value of another type, a text that is not UTF-8, a category that is not
  // among those given, more digits of time than the unit has; OUT_OF_RANGE for a number or time
  // that does not fit, or bytes of another width; UNIMPLEMENTED for decimals and intervals, which
  // Column::FromData makes, and categories of lists or structs (Column::Categorical). The column
  // stays as it was, unless it was a list or struct whose item did not fit: then Finish fails, too.
  absl::Status Append(const Cell& cell);
  absl::Status AppendNull();

  // The column, in private memory. The builder is empty again. RESOURCE_EXHAUSTED.
  absl::StatusOr<Column> Finish();

 private:
  absl::Status AppendValue(const Cell& cell);
  absl::Status AppendNumber(const Cell& cell);
  absl::Status AppendTime(const Cell& cell);
  absl::Status AppendText(const Cell& cell);
  absl::Status AppendItems(const Cell& cell);
  absl::Status AppendCategory(const Cell& cell);
  absl::Status AppendCategory(absl::string_view printed, const Cell& cell);
  absl::Status AppendInteger(ColumnType::Kind kind, const Cell& cell);
  absl::Status CheckOffset(int64_t offset) const;
  absl::Status AppendOffset(int64_t offset);
  absl::Status AppendZeroValue();
  absl::Status CountRow(bool valid);
  absl::Status Mismatch(const Cell& cell) const;

  ColumnType type_;
  int64_t length_ = 0;
  int64_t nulls_ = 0;
  GrowingBuffer validity_;  // bits for all rows so far, once one is missing
  GrowingBuffer values_;    // or bits, or offsets
  GrowingBuffer content_;   // of texts
  std::vector<ColumnBuilder> children_;
  bool grows_ = true;  // new categories may come
  std::optional<Column> given_categories_;
  absl::flat_hash_map<std::string, int64_t> category_index_;
  absl::Status failed_;  // of a list's item
};

// The column type that a C++ type goes into: of numbers and bool the same; text; timestamps in
// nanoseconds of UTC; durations in nanoseconds; dates.
template <typename T>
ColumnType DefaultColumnType();

// A column of the values, some of which may be missing if they are std::optional. Copies them once.
// INVALID_ARGUMENT and OUT_OF_RANGE as ColumnBuilder::Append, with the row; RESOURCE_EXHAUSTED.
template <typename Range>
absl::StatusOr<Column> ToColumn(const Range& values, ColumnType type);
template <typename Range>
absl::StatusOr<Column> ToColumn(const Range& values);
inline absl::StatusOr<Column> ToColumn(std::initializer_list<absl::string_view> texts);

// Implementation details only below this line.

namespace internal {

template <typename T>
struct OptionalContent {
  using type = T;
};
template <typename T>
struct OptionalContent<std::optional<T>> {
  using type = T;
};
template <typename Range>
using ColumnItem = typename OptionalContent<
    std::remove_cvref_t<decltype(*std::begin(std::declval<const Range&>()))>>::type;

absl::Status InRow(int64_t row, const absl::Status& status);
absl::StatusOr<Column> CopyNumbers(ColumnType type, const void* numbers, int64_t count);

}  // namespace internal

template <typename T>
ColumnType DefaultColumnType() {
  if constexpr (std::is_same_v<T, absl::Time>) {
    return ColumnType::Timestamp(TimeUnit::kNanosecond, "UTC");
  } else if constexpr (std::is_same_v<T, absl::Duration>) {
    return ColumnType::Duration(TimeUnit::kNanosecond);
  } else if constexpr (std::is_same_v<T, absl::CivilDay>) {
    return ColumnType::kDate32;
  } else if constexpr (std::is_arithmetic_v<T>) {
    return ColumnType::Of<T>();
  } else {
    static_assert(std::is_convertible_v<const T&, Cell>, "columns hold no such values");
    return ColumnType::Text();
  }
}

template <typename Range>
absl::StatusOr<Column> ToColumn(const Range& values, ColumnType type) {
  using T = std::remove_cvref_t<decltype(*std::begin(values))>;
  if constexpr (std::is_arithmetic_v<T> && !std::is_same_v<T, bool> &&
                std::ranges::contiguous_range<const Range>) {
    if (type == ColumnType::Of<T>()) {
      return internal::CopyNumbers(type, std::ranges::data(values), std::ranges::ssize(values));
    }
  }
  ColumnBuilder builder(std::move(type));
  for (const auto& value : values) {
    absl::Status status = builder.Append(Cell(static_cast<const T&>(value)));
    if (!status.ok()) return internal::InRow(builder.size(), status);
  }
  return builder.Finish();
}

template <typename Range>
absl::StatusOr<Column> ToColumn(const Range& values) {
  return ToColumn(values, DefaultColumnType<internal::ColumnItem<Range>>());
}

inline absl::StatusOr<Column> ToColumn(std::initializer_list<absl::string_view> texts) {
  return ToColumn(texts, ColumnType::Text());
}

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_COLUMN_BUILDER_H_
