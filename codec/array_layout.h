// ArrayLayout: where the elements of an n-dimensional array lie. Shapes, strides, copying.
//
//   ArrayLayout layout = ContiguousLayout({3, 4}, 8, Order::kRowMajor);    // strides {32, 8}
//   absl::Status inside = CheckLayout(layout, 8, 8, byte_offset, bytes);
//   CopyElements(layout, from, PackedLayout(layout, 8), to, 8);            // closes the gaps
//
// Strides are in bytes, of either sign. Element (i, j, ...) lies at i * strides[0] + j * strides[1]
// + ... from element (0, 0, ...), as in NumPy and DLPack.

#ifndef SLABPIPE_CODEC_ARRAY_LAYOUT_H_
#define SLABPIPE_CODEC_ARRAY_LAYOUT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace slabpipe {

inline constexpr size_t kMaxRank = 32;

// One number an axis.
using Extents = absl::InlinedVector<int64_t, 4>;

// The order in which the elements of an array lie in memory, first axis slowest or fastest.
enum class Order { kRowMajor, kColumnMajor };

struct ArrayLayout {
  Extents shape;
  Extents strides;  // in bytes, as many as axes

  size_t rank() const { return shape.size(); }
};

// The number of elements. REQUIRES: CheckShape(shape) is OK.
int64_t ElementCount(absl::Span<const int64_t> shape);

// INVALID_ARGUMENT if the rank is above kMaxRank, an extent is negative, or the product of the
// extents (0 counted as 1) and of the element's size exceeds 2^63 - 1.
absl::Status CheckShape(absl::Span<const int64_t> shape, size_t element_bytes);

// The whole check of a layout that came from elsewhere: CheckShape; as many strides as axes;
// element (0, ..., 0) at `byte_offset` and every element that can be reached inside [0,
// content_bytes) and aligned; no two elements in the same place because of a stride of 0.
// INVALID_ARGUMENT names the field.
absl::Status CheckLayout(const ArrayLayout& layout, size_t element_bytes, size_t alignment_bytes,
                         uint64_t byte_offset, uint64_t content_bytes);

// The bytes from the lowest to the highest that an element has, counted from element (0, ..., 0).
struct ByteReach {
  int64_t begin;  // 0 or below
  int64_t end;
};
// nullopt if the numbers overflow. REQUIRES: CheckShape is OK; as many strides as axes; at least
// one element.
std::optional<ByteReach> ReachOf(const ArrayLayout& layout, size_t element_bytes);

// Layouts without gaps. REQUIRES: CheckShape is OK.
ArrayLayout ContiguousLayout(absl::Span<const int64_t> shape, size_t element_bytes, Order order);
// Without gaps or negative strides, the axes in the order in which `layout` has them in memory.
ArrayLayout PackedLayout(const ArrayLayout& layout, size_t element_bytes);

// Whether the elements lie without gaps in that order. Axes of extent 1 don't matter; an array
// without elements has both.
bool IsContiguous(const ArrayLayout& layout, size_t element_bytes, Order order);

// Of the axes from the last one on, as many as lie like a single one; the others count its rows.
struct ElementRow {
  int64_t extent;
  int64_t stride;
  size_t outer_axes;  // how many axes are left
};
ElementRow RowOf(const ArrayLayout& layout);

// Copies each element of `from` to its place in `to`, at the speed of memory, big arrays by more
// than one thread (strided_copy.h). REQUIRES: equal shapes; both layouts fit their memory, which
// does not overlap; no two elements of `to` lie in the same place.
void CopyElements(const ArrayLayout& from_layout, const std::byte* from,
                  const ArrayLayout& to_layout, std::byte* to, size_t element_bytes);

// "(3, 4)"
std::string ShapeName(absl::Span<const int64_t> shape);

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_ARRAY_LAYOUT_H_
