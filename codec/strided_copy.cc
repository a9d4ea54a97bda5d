#include "slabpipe/codec/strided_copy.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <utility>

#include "absl/functional/function_ref.h"
#include "slabpipe/codec/sort_axes.h"
#include "slabpipe/transport/helper_threads.h"
#include "slabpipe/transport/parallel_copy.h"
#include "slabpipe/transport/streamed_copy.h"

namespace slabpipe {
namespace {

// Pieces from this size on are copied by memcpy and may be split between threads.
constexpr size_t kLongBlockBytes = 4096;
// Larger blocks use the cache well in any order.
constexpr size_t kTiledBlockBytes = 16;
// Below this the caches hold all of it, in any order.
constexpr size_t kTiledBytes = size_t{1} << 20;
// The side of a tile, in blocks; it has more columns if it has fewer rows.
constexpr int64_t kTileSide = 32;
// How many of a tile's columns are copied side by side.
constexpr int64_t kColumnsAtOnce = 8;

// From this size on, tiles are put together in a buffer and streamed from there into the target.
// The axes of such an array are often of a length which puts the same part of all rows into the
// same few lines of the caches; in the buffer they lie side by side, and the target is never read.
constexpr size_t kStreamedTilesBytes = size_t{6} << 20;
constexpr size_t kTileBufferBytes = size_t{64} << 10;
// What a streamed tile has of a row of the target: whole cache lines if all its rows begin at one,
// else long pieces, so that there are few lines that are shared by two of them.
constexpr size_t kAlignedPieceBytes = 2 * kCacheLineBytes;
constexpr size_t kUnalignedPieceBytes = 16 * kCacheLineBytes;
constexpr int64_t kStreamedTileRows = 256;

int64_t TileCount(int64_t extent, int64_t tile) { return (extent - 1) / tile + 1; }

// Where waking another thread begins to pay. Elements take longer than bytes.
constexpr size_t kParallelBytes = kParallelCopyBytes / 2;

// Calls run(begin, end) for pieces of [0, count) that make up all of it; `bytes` is what one of
// `count` has. Shares them with helper threads if all of them are many.
void InChunks(int64_t count, size_t bytes, absl::FunctionRef<void(int64_t, int64_t)> run) {
  if (static_cast<size_t>(count) < kParallelBytes / bytes) return run(0, count);
  const auto step = static_cast<int64_t>(std::max<size_t>(kCopyChunkBytes / bytes, 1));
  HelperThreads::Shared().ForEach(static_cast<size_t>((count - 1) / step + 1), [&](size_t chunk) {
    const int64_t begin = static_cast<int64_t>(chunk) * step;
    run(begin, std::min(begin + step, count));
  });
}

// What differs between blocks of different sizes: with one that is known, the compiler makes single
// moves of it.
template <size_t kBytes>
struct FixedBlock {
  explicit FixedBlock(size_t) {}
  void Copy(std::byte* to, const std::byte* from) const { std::memcpy(to, from, kBytes); }
};
struct AnyBlock {
  explicit AnyBlock(size_t size) : bytes(size) {}
  void Copy(std::byte* to, const std::byte* from) const { std::memcpy(to, from, bytes); }
  const size_t bytes;
};

template <typename Function>
void WithBlock(size_t bytes, Function function) {
  switch (bytes) {
    case 1:
      return function(FixedBlock<1>(bytes));
    case 2:
      return function(FixedBlock<2>(bytes));
    case 4:
      return function(FixedBlock<4>(bytes));
    case 8:
      return function(FixedBlock<8>(bytes));
    case 16:
      return function(FixedBlock<16>(bytes));
    default:
      return function(AnyBlock(bytes));
  }
}

// Copies `count` blocks that are one stride apart in each array.
template <typename Block>
void CopyRow(Block block, int64_t count, int64_t from_stride, const std::byte* from,
             int64_t to_stride, std::byte* to) {
  for (int64_t i = 0; i < count; ++i) block.Copy(to + i * to_stride, from + i * from_stride);
}
// Bytes without gaps.
void CopyRow(FixedBlock<1> block, int64_t count, int64_t from_stride, const std::byte* from,
             int64_t to_stride, std::byte* to) {
  if (from_stride == 1 && to_stride == 1) {
    std::memcpy(to, from, static_cast<size_t>(count));
  } else {
    CopyRow<FixedBlock<1>>(block, count, from_stride, from, to_stride, to);
  }
}

// Some columns of all rows, then the next ones: few enough that the source's cache lines are still
// there when the next row wants its part of them.
template <typename Block, typename Axis>
void CopyTile(Block block, int64_t rows, int64_t columns, const Axis& row, const Axis& column,
              const std::byte* from, std::byte* to) {
  for (int64_t begin = 0; begin < columns; begin += kColumnsAtOnce) {
    const int64_t count = std::min(kColumnsAtOnce, columns - begin);
    for (int64_t i = 0; i < rows; ++i) {
      const std::byte* source = from + i * row.from_stride + begin * column.from_stride;
      std::byte* target = to + i * row.to_stride + begin * column.to_stride;
      if (count == kColumnsAtOnce) {
        CopyRow(block, kColumnsAtOnce, column.from_stride, source, column.to_stride, target);
      } else {
        CopyRow(block, count, column.from_stride, source, column.to_stride, target);
      }
    }
  }
}

// The whole lines past the caches, what is left at both ends not.
void StreamBytes(std::byte* to, const std::byte* from, size_t size_bytes) {
  const size_t head =
      std::min(-reinterpret_cast<uintptr_t>(to) % kCacheLineBytes, uintptr_t{size_bytes});
  std::memcpy(to, from, head);
  size_t done = head;
  for (; size_bytes - done >= kCacheLineBytes; done += kCacheLineBytes) {
    StreamLine(to + done, from + done);
  }
  std::memcpy(to + done, from + done, size_bytes - done);
}

}  // namespace

// A place in the axes, counted in the target's order, and where it lies in both arrays.
class StridedCopy::Cursor {
 public:
  // At place `place`. Borrows `axes`.
  Cursor(const AxisList& axes, int64_t place) : axes_(axes), index_(axes.size()) {
    for (size_t axis = axes.size(); axis-- > 0; place /= axes[axis].extent) {
      index_[axis] = place % axes[axis].extent;
      from_ += index_[axis] * axes[axis].from_stride;
      to_ += index_[axis] * axes[axis].to_stride;
    }
  }

  int64_t index(size_t axis) const { return index_[axis]; }
  int64_t from() const { return from_; }
  int64_t to() const { return to_; }

  // To the next place; from the last one to the first.
  void Advance() {
    for (size_t axis = axes_.size(); axis-- > 0;) {
      const Axis& a = axes_[axis];
      from_ += a.from_stride;
      to_ += a.to_stride;
      if (++index_[axis] < a.extent) return;
      from_ -= a.extent * a.from_stride;
      to_ -= a.extent * a.to_stride;
      index_[axis] = 0;
    }
  }

 private:
  const AxisList& axes_;
  Extents index_;
  int64_t from_ = 0;
  int64_t to_ = 0;
};

StridedCopy::StridedCopy(const ArrayLayout& from, const ArrayLayout& to, size_t element_bytes)
    : block_bytes_(element_bytes) {
  AddAxes(from, to);
  JoinAxes();
  JoinBlocks();
  ChooseTiles();
}

// In the target's order, its strides made positive.
void StridedCopy::AddAxes(const ArrayLayout& from, const ArrayLayout& to) {
  for (size_t i = 0; i < from.rank(); ++i) {
    Axis axis = {from.shape[i], from.strides[i], to.strides[i]};
    if (axis.extent == 1) continue;  // its strides may be anything
    if (axis.to_stride < 0) {
      from_offset_ += (axis.extent - 1) * axis.from_stride;
      to_offset_ += (axis.extent - 1) * axis.to_stride;
      axis.from_stride = -axis.from_stride;
      axis.to_stride = -axis.to_stride;
    }
    axes_.push_back(axis);
  }
  SortAxes(axes_, [](const Axis& a, const Axis& b) { return a.to_stride > b.to_stride; });
}

// Two axes of which the slower one goes on where the faster one ends are one.
void StridedCopy::JoinAxes() {
  AxisList joined;
  for (const Axis& axis : axes_) {
    if (!joined.empty() && joined.back().from_stride == axis.extent * axis.from_stride &&
        joined.back().to_stride == axis.extent * axis.to_stride) {
      joined.back() = {joined.back().extent * axis.extent, axis.from_stride, axis.to_stride};
    } else {
      joined.push_back(axis);
    }
  }
  axes_ = std::move(joined);
}

// The fastest axis, if it has no gaps: a short one is one block, a long one remains a row of bytes.
void StridedCopy::JoinBlocks() {
  if (axes_.empty()) return;
  column_ = axes_.back();
  axes_.pop_back();
  if (!gapless()) return;
  block_bytes_ *= static_cast<size_t>(column_.extent);
  if (axes_.empty() || block_bytes_ >= kLongBlockBytes) {
    column_ = {static_cast<int64_t>(std::exchange(block_bytes_, 1)), 1, 1};
  } else {
    column_ = axes_.back();
    axes_.pop_back();
  }
}

bool StridedCopy::gapless() const {
  const auto block = static_cast<int64_t>(block_bytes_);
  return column_.from_stride == block && column_.to_stride == block;
}

int64_t StridedCopy::Places() const {
  int64_t places = 1;
  for (const Axis& axis : axes_) places *= axis.extent;
  return places;
}

// If the source runs faster along another axis than the target does.
void StridedCopy::ChooseTiles() {
  if (gapless() || axes_.empty() || block_bytes_ > kTiledBlockBytes) return;
  // A stride of 0 is no direction in which the source runs.
  const auto distance = [](const Axis& axis) {
    return axis.from_stride == 0 ? std::numeric_limits<int64_t>::max() : std::abs(axis.from_stride);
  };
  const auto row = std::min_element(axes_.begin(), axes_.end(), [&](const Axis& a, const Axis& b) {
    return distance(a) < distance(b);
  });
  if (distance(*row) >= distance(column_)) return;
  if (static_cast<size_t>(Places() * column_.extent) < kTiledBytes / block_bytes_) return;
  tiled_ = true;
  row_ = *row;
  axes_.erase(row);
  tile_rows_ = std::min(row_.extent, kTileSide);
  tile_columns_ = std::min(column_.extent, kTileSide * kTileSide / tile_rows_);
  StreamTiles();
  axes_.push_back({TileCount(row_.extent, tile_rows_), tile_rows_ * row_.from_stride,
                   tile_rows_ * row_.to_stride});
  axes_.push_back({TileCount(column_.extent, tile_columns_), tile_columns_ * column_.from_stride,
                   tile_columns_ * column_.to_stride});
}

// If that is worth it: whether it is has been found by measuring.
void StridedCopy::StreamTiles() {
  const auto block = static_cast<int64_t>(block_bytes_);
  if (!kCanStream || column_.to_stride != block || row_.extent < kTileSide) return;
  const int64_t blocks = Places() * row_.extent * column_.extent;
  const auto is_aligned = [](const Axis& axis) { return axis.to_stride % kCacheLineBytes == 0; };
  const bool aligned = is_aligned(row_) && std::all_of(axes_.begin(), axes_.end(), is_aligned);
  const size_t piece_bytes = aligned ? kAlignedPieceBytes : kUnalignedPieceBytes;
  const auto columns = static_cast<int64_t>(piece_bytes / block_bytes_);
  if (piece_bytes % block_bytes_ != 0 || column_.extent < columns) return;
  if (blocks < static_cast<int64_t>(kStreamedTilesBytes) / block) return;
  streamed_ = true;
  tile_columns_ = columns;
  const auto most_rows = static_cast<int64_t>(kTileBufferBytes / piece_bytes);
  tile_rows_ = std::min({row_.extent, kStreamedTileRows, most_rows});
}

void StridedCopy::Run(const std::byte* from, std::byte* to) const {
  from += from_offset_;
  to += to_offset_;
  if (axes_.empty() && gapless()) {
    return CopyBytes(to, from, block_bytes_ * static_cast<size_t>(column_.extent));
  }
  if (tiled_) {
    InChunks(Places(), block_bytes_ * static_cast<size_t>(tile_rows_ * tile_columns_),
             [=, this](int64_t begin, int64_t end) { CopyTiles(begin, end, from, to); });
  } else {
    InChunks(Places() * column_.extent, block_bytes_,
             [=, this](int64_t begin, int64_t end) { CopyRows(begin, end, from, to); });
  }
}

// Blocks `begin` up to `end`, counted in the target's order.
void StridedCopy::CopyRows(int64_t begin, int64_t end, const std::byte* from, std::byte* to) const {
  Cursor row(axes_, begin / column_.extent);
  int64_t column = begin % column_.extent;
  WithBlock(block_bytes_, [&](auto block) {
    for (int64_t left = end - begin; left > 0; row.Advance(), column = 0) {
      const int64_t count = std::min(left, column_.extent - column);
      CopyRow(block, count, column_.from_stride, from + row.from() + column * column_.from_stride,
              column_.to_stride, to + row.to() + column * column_.to_stride);
      left -= count;
    }
  });
}

void StridedCopy::CopyTiles(int64_t begin, int64_t end, const std::byte* from,
                            std::byte* to) const {
  Cursor tile(axes_, begin);
  WithBlock(block_bytes_, [&](auto block) {
    for (int64_t left = end - begin; left > 0; tile.Advance(), --left) {
      const int64_t rows =
          std::min(tile_rows_, row_.extent - tile.index(axes_.size() - 2) * tile_rows_);
      const int64_t columns =
          std::min(tile_columns_, column_.extent - tile.index(axes_.size() - 1) * tile_columns_);
      if (streamed_) {
        StreamTile(block, rows, columns, from + tile.from(), to + tile.to());
      } else {
        CopyTile(block, rows, columns, row_, column_, from + tile.from(), to + tile.to());
      }
    }
  });
  if (streamed_) FinishStreaming();
}

template <typename Block>
void StridedCopy::StreamTile(Block block, int64_t rows, int64_t columns, const std::byte* from,
                             std::byte* to) const {
  alignas(kCacheLineBytes) std::byte buffer[kTileBufferBytes];
  const auto bytes = static_cast<int64_t>(block_bytes_);
  const Axis buffer_row = {rows, row_.from_stride, tile_columns_ * bytes};
  const Axis buffer_column = {columns, column_.from_stride, bytes};
  CopyTile(block, rows, columns, buffer_row, buffer_column, from, buffer);
  for (int64_t row = 0; row < rows; ++row) {
    StreamBytes(to + row * row_.to_stride, buffer + row * buffer_row.to_stride,
                static_cast<size_t>(columns * bytes));
  }
}

}  // namespace slabpipe
