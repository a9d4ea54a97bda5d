// Column: values of one type, some of which may be missing, in Arrow's memory.
//
//   absl::StatusOr<Column> mass = Column::FromArray(grams);       // an array's memory, not copied
//   mass->null_count();
//   mass->Slice(10, 20);                                          // shares the memory
//   absl::StatusOr<ColumnView<double>> view = mass->As<double>(); // see column_view.h
//
// Made from arrays, by column_builder.h, or decoded.
//
// Memory. A column keeps its bytes as long as it lives, as an array does. Of one that came from
// another process, those are bytes that a hostile one could change at any time: a view then shows
// other values, even two different ones for one row; but it reads nothing outside (column_data.h),
// and an index that leads nowhere is a missing value. Copy() gives bytes that nobody else can
// write.
//
// Thread-compatible: reading from several threads is fine.

#ifndef SLABPIPE_CODEC_COLUMN_H_
#define SLABPIPE_CODEC_COLUMN_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "slabpipe/codec/binding.h"
#include "slabpipe/codec/buffer.h"
#include "slabpipe/codec/column_data.h"
#include "slabpipe/codec/column_type.h"
#include "slabpipe/codec/ndarray.h"

namespace slabpipe {

template <typename T>
class ColumnView;

// Where the memory of new columns comes from: writable, at least so many bytes, aligned to 64.
// Buffer::Allocate is one; SharedMemory (shared_array.h) makes others.
using BufferSource = absl::FunctionRef<absl::StatusOr<Buffer>(size_t size_bytes)>;

// A value type; copies and slices share the memory.
class Column {
 public:
  // No values, of type null.
  Column();
  // All of `data`. INVALID_ARGUMENT as CheckColumn says. REQUIRES: not null.
  static absl::StatusOr<Column> FromData(std::shared_ptr<const ColumnData> data);
  // The same without a check. REQUIRES: CheckColumn(*data) is OK.
  static Column FromChecked(std::shared_ptr<const ColumnData> data);
  // An array as a column, nothing copied: one axis, without gaps, of integers, float16, float or
  // double. Sent, it is not copied either if it lies in shared memory. INVALID_ARGUMENT for others;
  // of bool, too, which columns pack into bits (column_builder.h).
  static absl::StatusOr<Column> FromArray(const AnyNdArray& array);
  // With bits that tell which values are there, as Arrow has them: bit i % 8 of byte i / 8.
  // INVALID_ARGUMENT also if these are too few.
  static absl::StatusOr<Column> FromArray(const AnyNdArray& array, const Buffer& validity);
  // The same numbers as those of `type`, which has the same width: timestamps from int64.
  static absl::StatusOr<Column> FromArray(const AnyNdArray& array, ColumnType type,
                                          const Buffer& validity = Buffer());
  // Row i has the category indices(i); where that is below 0 it is missing, as in pandas. The
  // indices are not copied. INVALID_ARGUMENT for an index behind the last category, or an array
  // that FromArray would not take.
  static absl::StatusOr<Column> Categorical(const AnyNdArray& indices, const Column& categories,
                                            bool ordered = false);
  // Row i has the items offsets[i] to offsets[i + 1] of `items`: one number more than rows.
  // INVALID_ARGUMENT if they are not in order or lead outside.
  static absl::StatusOr<Column> ListOf(absl::Span<const int32_t> offsets, const Column& items);

  const ColumnType& type() const { return data_->type; }
  int64_t size() const { return length_; }
  bool empty() const { return length_ == 0; }
  // Counted when asked for, if this is a slice.
  int64_t null_count() const;
  // REQUIRES: 0 <= row < size(), as for all that take one.
  bool is_null(int64_t row) const;
  // Whether all of its bytes do, so that sending it copies nothing.
  bool in_shared_memory() const;

  // INVALID_ARGUMENT says what the column is and what T would have needed.
  template <typename T>
  absl::StatusOr<ColumnView<T>> As() const;
  // The numbers of a column of fixed width as an array, not copied; where values are missing,
  // anything. Timestamps are int64, dates of days int32 and so on; a categorical's are its indices.
  // INVALID_ARGUMENT for text, bits, and types that are wider.
  absl::StatusOr<AnyNdArray> Storage() const;
  // Of a categorical; INVALID_ARGUMENT of others.
  absl::StatusOr<Column> Categories() const;
  // The index of a row's category, -1 if it is missing. REQUIRES: a categorical.
  int64_t CategoryIndex(int64_t row) const;
  // A row's items; none of a missing one. INVALID_ARGUMENT if the column is no list.
  absl::StatusOr<Column> Items(int64_t row) const;
  // A struct's field, for all rows, whether or not the struct itself is missing there. NOT_FOUND;
  // INVALID_ARGUMENT if it is no struct.
  absl::StatusOr<Column> Field(absl::string_view name) const;
  // The same by its position; names may come twice. REQUIRES: a struct that has so many fields.
  Column Field(size_t index) const;

  // Rows begin to end. OUT_OF_RANGE if they leave the column.
  absl::StatusOr<Column> Slice(int64_t begin, int64_t end) const;
  // In private memory, or that of `source`, where nobody else can write. RESOURCE_EXHAUSTED, and
  // DATA_LOSS if another process has made nonsense of it meanwhile.
  absl::StatusOr<Column> Copy() const { return Copy(&Buffer::Allocate); }
  absl::StatusOr<Column> Copy(BufferSource source) const;

  // Whether all texts are UTF-8, those of lists, structs and categories, too: builders see to it,
  // the other process may not have. INVALID_ARGUMENT names a row. Of a Copy() it stays true.
  absl::Status CheckUtf8() const;

  // A value for people: "3.5", "Adelie", "2013-06-01T12:00:00+00:00", "[1, 2]"; "null". Of long
  // lists, the beginning.
  std::string CellText(int64_t row) const;

  const std::shared_ptr<const ColumnData>& data() const { return data_; }
  // Values of data() before this column's first, data()->offset not counted.
  int64_t begin() const { return begin_; }

 private:
  Column(std::shared_ptr<const ColumnData> data, int64_t begin, int64_t length)
      : data_(std::move(data)), begin_(begin), length_(length) {}
  int64_t BufferRow(int64_t row) const { return data_->offset + begin_ + row; }
  absl::Status WrongType(absl::string_view wanted) const;

  std::shared_ptr<const ColumnData> data_;
  int64_t begin_ = 0;
  int64_t length_ = 0;
};

// Same type, and row by row the same value, or both missing. Floating-point numbers are compared
// as bits, so that a NaN equals itself. Of categoricals: the same categories in the same order.
bool SameValues(const Column& a, const Column& b);

// Columns keep their bytes by themselves.
template <>
struct Binding<Column> {
  static constexpr bool kOwnsItsBytes = true;
  static absl::Status Visit(const Column& column, ModelVisitor visit) {
    return visit(AnyRef::To(column));
  }
  static absl::StatusOr<Column> Make(const Object& object) {
    if (const Column* column = object.get<Column>()) return *column;
    return WrongModel(object, "a column");
  }
};

// Implementation details only below this line.

namespace internal {

// A row of a column of fixed width.
inline const std::byte* FixedValue(const Column& column, int64_t row, size_t width) {
  const ColumnData& data = *column.data();
  return data.buffers[1].data + static_cast<size_t>(data.offset + column.begin() + row) * width;
}

}  // namespace internal

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_COLUMN_H_
