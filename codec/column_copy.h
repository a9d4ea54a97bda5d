// Concatenate: columns one behind the other in new memory. And what it is made of: memory, copies
// of bits and offsets.
//
//   absl::StatusOr<Column> all = Concatenate({morning, evening}, &Buffer::Allocate);

#ifndef SLABPIPE_CODEC_COLUMN_COPY_H_
#define SLABPIPE_CODEC_COLUMN_COPY_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "slabpipe/codec/buffer.h"
#include "slabpipe/codec/column.h"
#include "slabpipe/codec/column_data.h"

namespace slabpipe {

// Memory for many buffers, in few chunks: so that a table in shared memory is a few blocks, however
// many columns it has. Thread-compatible. Borrows the source.
class ColumnMemory {
 public:
  explicit ColumnMemory(BufferSource source) : source_(source) {}

  // Bytes that are to be filled, undefined at first, at a multiple of 64.
  struct Piece {
    ColumnBuffer column;
    std::byte* bytes = nullptr;
  };
  // The source's errors.
  absl::StatusOr<Piece> Allocate(size_t size_bytes);

 private:
  // Each chunk is twice as large as the one before, up to this.
  static constexpr size_t kMostChunkBytes = size_t{4} << 20;
  struct Chunk {
    std::byte* next = nullptr;
    size_t left = 0;
    std::shared_ptr<const Buffer> home;
  };
  absl::StatusOr<Chunk> NewChunk(size_t size_bytes);
  static Piece PieceOf(const Chunk& chunk, size_t size_bytes);

  BufferSource source_;
  Chunk chunk_;
  size_t last_bytes_ = 0;
};

// The rows of all columns, in memory that `source` gives. Categories that differ are put together,
// each once, in order of appearance, and the indices changed accordingly. What other processes can
// still write is read once and checked as copied: DATA_LOSS if it makes no sense any more.
// INVALID_ARGUMENT if there is no column, the types differ, categories do that are neither text nor
// of a fixed width, or ordered categories
// do and none of them has the order of all; OUT_OF_RANGE if the texts or lists are more than 32-bit
// offsets can count, the categories more than their indices can, or the rows too many;
// RESOURCE_EXHAUSTED.
absl::StatusOr<Column> Concatenate(absl::Span<const Column> columns, BufferSource source);
absl::StatusOr<Column> Concatenate(absl::Span<const Column> columns, ColumnMemory& memory);

// The column itself if it is all of its data, as children and dictionaries must be; otherwise a
// copy in private memory.
absl::StatusOr<Column> WholeColumn(const Column& column);

// The same column with offsets, indices of categories, validity and other bits in private memory,
// if another process can write there now; values and texts stay where they are. For libraries that
// check such things no more than once: arrow.h. DATA_LOSS if they make no sense any more;
// RESOURCE_EXHAUSTED.
absl::StatusOr<Column> PinIndices(const Column& column);

// For Column::Categorical: rows whose index is below 0 become missing. REQUIRES: an integer
// column's data, without validity but for that.
absl::Status MarkNegativeIndices(ColumnData& data);

// `count` bits from bit `from_bit` of `from` to bit `to_bit` of `to`. Other bits of the bytes
// written keep their values.
void CopyBits(const std::byte* from, int64_t from_bit, std::byte* to, int64_t to_bit,
              int64_t count);
void SetBits(std::byte* to, int64_t begin, int64_t count);

// `count` offsets to `to`, less `base`, brought into [0, limit] whatever they are.
template <typename Offset>
void CopyOffsets(const Offset* from, int64_t count, Offset base, Offset limit, Offset* to) {
  for (int64_t i = 0; i < count; ++i) {
    // SUBTLE: `from` may be any number, and the difference may wrap: then it is clamped.
    using Unsigned = std::make_unsigned_t<Offset>;
    const auto moved =
        static_cast<Offset>(static_cast<Unsigned>(from[i]) - static_cast<Unsigned>(base));
    to[i] = moved < 0 ? 0 : moved > limit ? limit : moved;
  }
}

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_COLUMN_COPY_H_
