// ColumnData: a column's values in Arrow's memory: the buffers that LayoutOf names, and what is
// below them. What Column (column.h) is a view of, and what the codec, the Arrow interface and the
// builders make.
//
// Hostile memory. The buffers of a decoded column may lie where the process that sent them can
// still write. CheckColumn reads all that leads from one place to another (offsets, indices of
// categories), so that nonsense is an error at once; and since it could be changed after the check,
// whoever follows an offset or an index later checks it again, at use: ReadOffsets and ReadIndex
// read each once and bring it into bounds. That costs two comparisons a value. (Other Arrow
// libraries don't do so: arrow.h says what that means.)

#ifndef SLABPIPE_CODEC_COLUMN_DATA_H_
#define SLABPIPE_CODEC_COLUMN_DATA_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "slabpipe/codec/buffer.h"
#include "slabpipe/codec/column_type.h"

namespace slabpipe {

// Bytes of a column, and what keeps them. A value; copies share the bytes.
struct ColumnBuffer {
  const std::byte* data = nullptr;
  size_t size_bytes = 0;
  std::shared_ptr<const Buffer> home = nullptr;  // where the bytes lie; null if there are none

  // All of `buffer`.
  static ColumnBuffer Of(Buffer buffer);
  template <typename T>
  const T* as() const {
    return reinterpret_cast<const T*>(data);
  }
  // Whether another process can write there.
  bool peer_can_write() const;
};

// Immutable once shared. `offset` values come before the first, in each buffer and in the children
// of a struct.
struct ColumnData {
  ColumnType type = {};
  int64_t length = 0;
  int64_t offset = 0;
  int64_t null_count = 0;
  absl::InlinedVector<ColumnBuffer, 3> buffers = {};             // as LayoutOf(type).buffers
  std::vector<std::shared_ptr<const ColumnData>> children = {};  // of lists and structs: fields()
  std::shared_ptr<const ColumnData> dictionary = nullptr;        // of a categorical: categories
};

// At most this many values, the offset included: so that sums and products of a few of them with
// the size of one fit an int64.
inline constexpr int64_t kMaxColumnValues = int64_t{1} << 56;
// Lists in lists in structs ...: at most so deep.
inline constexpr int kMaxColumnDepth = 32;

// A buffer of that role begins at a multiple of so many bytes.
size_t BufferAlignment(const ColumnType& type, BufferRole role);

// Whether `data` is what its type says: numbers of buffers and children, sizes, alignment, offsets
// that don't decrease and stay inside, indices of categories, and null_count. Reads all offsets,
// indices and validity, not the values. INVALID_ARGUMENT names what is wrong. REQUIRES: children
// and dictionary have been checked.
absl::Status CheckColumn(const ColumnData& data);

// Zeros among `count` bits, from bit `begin` of `bits` on; the bytes are read once.
int64_t CountZeros(const std::byte* bits, int64_t begin, int64_t count);
// Missing values among `count` from `begin` on (the offset not included).
int64_t CountNulls(const ColumnData& data, int64_t begin, int64_t count);

// Implementation details only below this line.

namespace internal {

// Reads once, whoever may be writing.
template <typename T>
T ReadOnce(const T* from) {
  return __atomic_load_n(from, __ATOMIC_RELAXED);
}

inline bool BitAt(const std::byte* bits, int64_t index) {
  return (static_cast<unsigned>(bits[index >> 3]) >> (index & 7) & 1) != 0;
}

// Calls function(T()), T being the integer type of that kind.
template <typename F>
auto WithIndexType(ColumnType::Kind kind, F function) {
  switch (kind) {
    case ColumnType::kInt8:
      return function(int8_t());
    case ColumnType::kInt16:
      return function(int16_t());
    case ColumnType::kInt64:
      return function(int64_t());
    case ColumnType::kUint8:
      return function(uint8_t());
    case ColumnType::kUint16:
      return function(uint16_t());
    case ColumnType::kUint32:
      return function(uint32_t());
    case ColumnType::kUint64:
      return function(uint64_t());
    default:
      return function(int32_t());
  }
}

// From begin to end, inside what they point into.
struct OffsetRange {
  int64_t begin;
  int64_t end;
  int64_t size() const { return end - begin; }
};

// Entries `row` and row + 1 of a buffer of offsets, brought into [0, limit].
template <typename Offset>
OffsetRange ReadOffsets(const ColumnBuffer& offsets, int64_t row, int64_t limit) {
  const Offset* entry = offsets.as<Offset>() + row;
  const int64_t begin = std::clamp<int64_t>(ReadOnce(entry), 0, limit);
  return {begin, std::clamp<int64_t>(ReadOnce(entry + 1), begin, limit)};
}
// Of text, bytes or lists of either width; `row` counts from the buffer's start.
OffsetRange ReadOffsets(const ColumnData& data, int64_t row, int64_t limit);

// The index of a category, or -1 if there is no such one. `row` counts from the buffer's start.
int64_t ReadIndex(const ColumnData& data, int64_t row);

}  // namespace internal

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_COLUMN_DATA_H_
