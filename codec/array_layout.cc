#include "slabpipe/codec/array_layout.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "slabpipe/codec/sort_axes.h"
#include "slabpipe/codec/strided_copy.h"

namespace slabpipe {
namespace {

using Axes = absl::InlinedVector<size_t, 4>;

// Unsigned, so that the lowest stride there is has one.
uint64_t Magnitude(int64_t stride) {
  return stride < 0 ? -static_cast<uint64_t>(stride) : static_cast<uint64_t>(stride);
}

// The axes from the one that varies slowest in memory to the one that varies fastest.
Axes AxesBySpeed(const ArrayLayout& layout) {
  Axes axes(layout.rank());
  std::iota(axes.begin(), axes.end(), size_t{0});
  // Axes of extent 1 may have any stride: among equals, and for them, the first axis counts as
  // slower.
  SortAxes(axes, [&](size_t a, size_t b) {
    return Magnitude(layout.strides[a]) > Magnitude(layout.strides[b]);
  });
  return axes;
}

// Strides without gaps, `axes` listing the axes from slowest to fastest.
Extents PackedStrides(absl::Span<const int64_t> shape, size_t element_bytes, const Axes& axes) {
  Extents strides(shape.size());
  int64_t stride = static_cast<int64_t>(element_bytes);
  for (auto axis = axes.rbegin(); axis != axes.rend(); ++axis) {
    strides[*axis] = stride;
    stride *= std::max<int64_t>(shape[*axis], 1);
  }
  return strides;
}

absl::Status CheckStrides(const ArrayLayout& layout, size_t alignment_bytes) {
  for (size_t axis = 0; axis < layout.rank(); ++axis) {
    const int64_t stride = layout.strides[axis];
    if (stride % static_cast<int64_t>(alignment_bytes) != 0) {
      return absl::InvalidArgumentError(absl::StrCat("stride ", stride, " of axis ", axis,
                                                     " is no multiple of ", alignment_bytes));
    }
    if (stride == 0 && layout.shape[axis] > 1) {
      return absl::InvalidArgumentError(
          absl::StrCat("stride of axis ", axis, " is 0, its extent ", layout.shape[axis]));
    }
  }
  return absl::OkStatus();
}

absl::Status OutOfBlock(absl::string_view what, uint64_t content_bytes) {
  return absl::InvalidArgumentError(
      absl::StrCat(what, " lies outside the block's ", content_bytes, " bytes"));
}

}  // namespace

int64_t ElementCount(absl::Span<const int64_t> shape) {
  int64_t count = 1;
  for (const int64_t extent : shape) count *= extent;
  return count;
}

absl::Status CheckShape(absl::Span<const int64_t> shape, size_t element_bytes) {
  if (shape.size() > kMaxRank) {
    return absl::InvalidArgumentError(
        absl::StrCat("an array has at most ", kMaxRank, " axes, not ", shape.size()));
  }
  int64_t bytes = static_cast<int64_t>(element_bytes);
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    if (shape[axis] < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("extent ", shape[axis], " of axis ", axis, " is negative"));
    }
    if (__builtin_mul_overflow(bytes, std::max<int64_t>(shape[axis], 1), &bytes)) {
      return absl::InvalidArgumentError(
          absl::StrCat("an array of shape ", ShapeName(shape), " is larger than an address space"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckLayout(const ArrayLayout& layout, size_t element_bytes, size_t alignment_bytes,
                         uint64_t byte_offset, uint64_t content_bytes) {
  absl::Status status = CheckShape(layout.shape, element_bytes);
  if (!status.ok()) return status;
  if (layout.strides.size() != layout.rank()) {
    return absl::InvalidArgumentError(
        absl::StrCat(layout.strides.size(), " strides for ", layout.rank(), " axes"));
  }
  status = CheckStrides(layout, alignment_bytes);
  if (!status.ok()) return status;
  if (ElementCount(layout.shape) == 0) return absl::OkStatus();
  if (byte_offset % alignment_bytes != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("byteOffset ", byte_offset, " is no multiple of ", alignment_bytes));
  }
  if (byte_offset > content_bytes || content_bytes > std::numeric_limits<int64_t>::max()) {
    return OutOfBlock("element (0, ...)", content_bytes);
  }
  const std::optional<ByteReach> reach = ReachOf(layout, element_bytes);
  if (!reach.has_value() || reach->begin + static_cast<int64_t>(byte_offset) < 0 ||
      reach->end > static_cast<int64_t>(content_bytes - byte_offset)) {
    return OutOfBlock(absl::StrCat("an array of shape ", ShapeName(layout.shape), " and strides ",
                                   ShapeName(layout.strides)),
                      content_bytes);
  }
  return absl::OkStatus();
}

std::optional<ByteReach> ReachOf(const ArrayLayout& layout, size_t element_bytes) {
  ByteReach reach = {.begin = 0, .end = static_cast<int64_t>(element_bytes)};
  for (size_t axis = 0; axis < layout.rank(); ++axis) {
    int64_t distance;
    int64_t& end = layout.strides[axis] < 0 ? reach.begin : reach.end;
    if (__builtin_mul_overflow(layout.strides[axis], layout.shape[axis] - 1, &distance) ||
        __builtin_add_overflow(end, distance, &end)) {
      return std::nullopt;
    }
  }
  return reach;
}

ArrayLayout ContiguousLayout(absl::Span<const int64_t> shape, size_t element_bytes, Order order) {
  Axes axes(shape.size());
  std::iota(axes.begin(), axes.end(), size_t{0});
  if (order == Order::kColumnMajor) std::reverse(axes.begin(), axes.end());
  return {.shape = Extents(shape.begin(), shape.end()),
          .strides = PackedStrides(shape, element_bytes, axes)};
}

ArrayLayout PackedLayout(const ArrayLayout& layout, size_t element_bytes) {
  return {.shape = layout.shape,
          .strides = PackedStrides(layout.shape, element_bytes, AxesBySpeed(layout))};
}

bool IsContiguous(const ArrayLayout& layout, size_t element_bytes, Order order) {
  if (ElementCount(layout.shape) == 0) return true;
  const ArrayLayout packed = ContiguousLayout(layout.shape, element_bytes, order);
  for (size_t axis = 0; axis < layout.rank(); ++axis) {
    if (layout.shape[axis] != 1 && layout.strides[axis] != packed.strides[axis]) return false;
  }
  return true;
}

ElementRow RowOf(const ArrayLayout& layout) {
  ElementRow row = {.extent = 1, .stride = 0, .outer_axes = layout.rank()};
  for (; row.outer_axes > 0; --row.outer_axes) {
    const int64_t extent = layout.shape[row.outer_axes - 1];
    const int64_t stride = layout.strides[row.outer_axes - 1];
    if (extent == 1) continue;  // its stride may be anything
    // Unsigned: of an array without elements, strides may be anything, too.
    const uint64_t row_bytes =
        static_cast<uint64_t>(row.extent) * static_cast<uint64_t>(row.stride);
    if (row.extent != 1 && static_cast<uint64_t>(stride) != row_bytes) break;
    if (row.extent == 1) row.stride = stride;
    row.extent *= extent;
  }
  return row;
}

void CopyElements(const ArrayLayout& from_layout, const std::byte* from,
                  const ArrayLayout& to_layout, std::byte* to, size_t element_bytes) {
  if (ElementCount(from_layout.shape) == 0) return;
  StridedCopy(from_layout, to_layout, element_bytes).Run(from, to);
}

std::string ShapeName(absl::Span<const int64_t> shape) {
  return absl::StrCat("(", absl::StrJoin(shape, ", "), shape.size() == 1 ? ",)" : ")");
}

}  // namespace slabpipe
