// StridedCopy: copies an array between two layouts, at the speed of memory, whatever their strides.
//
//   StridedCopy(from_layout, to_layout, 8).Run(from, to);
//
// Axes that lie alike in both are joined, so that what is one piece in both is copied as one. What
// is left is gone through in the target's order; where the source runs fastest along another axis
// (a transpose), in tiles, so that the cache lines of both are used as a whole. Big ones are shared
// with helper threads, as in parallel_copy.h.

#ifndef SLABPIPE_CODEC_STRIDED_COPY_H_
#define SLABPIPE_CODEC_STRIDED_COPY_H_

#include <cstddef>
#include <cstdint>

#include "absl/container/inlined_vector.h"
#include "slabpipe/codec/array_layout.h"

namespace slabpipe {

// A plan; immutable, thus thread-safe. REQUIRES: both layouts have the same shape, and at least one
// element.
class StridedCopy {
 public:
  StridedCopy(const ArrayLayout& from, const ArrayLayout& to, size_t element_bytes);

  // `from` and `to` are the addresses of element (0, 0, ...). REQUIRES: the elements of the two
  // don't overlap, nor those of `to` each other.
  void Run(const std::byte* from, std::byte* to) const;

 private:
  // One axis of both arrays, strides in bytes.
  struct Axis {
    int64_t extent;
    int64_t from_stride;
    int64_t to_stride;
  };
  using AxisList = absl::InlinedVector<Axis, 4>;
  class Cursor;

  void AddAxes(const ArrayLayout& from, const ArrayLayout& to);
  void JoinAxes();
  void JoinBlocks();
  void ChooseTiles();
  bool gapless() const;
  int64_t Places() const;
  void CopyRows(int64_t begin, int64_t end, const std::byte* from, std::byte* to) const;
  void CopyTiles(int64_t begin, int64_t end, const std::byte* from, std::byte* to) const;
  void StreamTiles();
  template <typename Block>
  void StreamTile(Block block, int64_t rows, int64_t columns, const std::byte* from,
                  std::byte* to) const;

  size_t block_bytes_;  // what is copied at once: an element, or several side by side in both
  // The distance from element (0, 0, ...) to where all axes begin.
  int64_t from_offset_ = 0;
  int64_t to_offset_ = 0;
  // In the target's order, the slowest first, without those below. When tiled, the last two count
  // tiles.
  AxisList axes_;
  Axis column_ = {1, 0, 0};  // the axis along which the target runs fastest
  bool tiled_ = false;
  bool streamed_ = false;
  Axis row_ = {1, 0, 0};  // of tiles: the axis along which the source runs fastest
  int64_t tile_rows_ = 1;
  int64_t tile_columns_ = 1;
};

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_STRIDED_COPY_H_
