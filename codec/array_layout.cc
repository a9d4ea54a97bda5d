#include "slabpipe/codec/array_layout.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

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
  std::stable_sort(axes.begin(), axes.end(), [&](size_t a, size_t b) {
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

// Copies along one axis at a time, the last ones of `axes` in the innermost loops.
class ElementCopier {
 public:
  ElementCopier(const ArrayLayout& from, const ArrayLayout& to, Axes axes, size_t element_bytes)
      : from_(from), to_(to), axes_(std::move(axes)), run_bytes_(element_bytes) {
    JoinInnerAxes();
  }

  void Copy(const std::byte* from, std::byte* to) const { CopyAxis(0, from, to); }

 private:
  // Elements that lie side by side in both layouts are copied in one go.
  void JoinInnerAxes() {
    while (!axes_.empty()) {
      const size_t axis = axes_.back();
      const int64_t run = static_cast<int64_t>(run_bytes_);
      if (from_.shape[axis] != 1 && (from_.strides[axis] != run || to_.strides[axis] != run))
        return;
      run_bytes_ *= static_cast<size_t>(from_.shape[axis]);
      axes_.pop_back();
    }
  }

  void CopyAxis(size_t depth, const std::byte* from, std::byte* to) const {
    if (depth == axes_.size()) {
      std::memcpy(to, from, run_bytes_);
      return;
    }
    const size_t axis = axes_[depth];
    const int64_t extent = from_.shape[axis];
    if (depth + 1 == axes_.size()) {
      CopyRow(extent, from, from_.strides[axis], to, to_.strides[axis]);
      return;
    }
    for (int64_t i = 0; i < extent; ++i) {
      CopyAxis(depth + 1, from + i * from_.strides[axis], to + i * to_.strides[axis]);
    }
  }

  // The innermost loop, with sizes that the compiler turns into single moves.
  void CopyRow(int64_t count, const std::byte* from, int64_t from_stride, std::byte* to,
               int64_t to_stride) const {
    switch (run_bytes_) {
      case 1:
        return CopyRuns<1>(count, from, from_stride, to, to_stride);
      case 2:
        return CopyRuns<2>(count, from, from_stride, to, to_stride);
      case 4:
        return CopyRuns<4>(count, from, from_stride, to, to_stride);
      case 8:
        return CopyRuns<8>(count, from, from_stride, to, to_stride);
      case 16:
        return CopyRuns<16>(count, from, from_stride, to, to_stride);
      default:
        for (int64_t i = 0; i < count; ++i) {
          std::memcpy(to + i * to_stride, from + i * from_stride, run_bytes_);
        }
    }
  }

  template <size_t kBytes>
  static void CopyRuns(int64_t count, const std::byte* from, int64_t from_stride, std::byte* to,
                       int64_t to_stride) {
    for (int64_t i = 0; i < count; ++i) {
      std::memcpy(to + i * to_stride, from + i * from_stride, kBytes);
    }
  }

  const ArrayLayout& from_;
  const ArrayLayout& to_;
  Axes axes_;
  size_t run_bytes_;
};

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
  // The lowest and the highest byte that any element has.
  int64_t lowest = static_cast<int64_t>(byte_offset);
  int64_t highest = lowest;
  if (__builtin_add_overflow(highest, static_cast<int64_t>(element_bytes), &highest)) {
    return OutOfBlock("element (0, ...)", content_bytes);
  }
  for (size_t axis = 0; axis < layout.rank(); ++axis) {
    int64_t reach;
    int64_t& end = layout.strides[axis] < 0 ? lowest : highest;
    if (__builtin_mul_overflow(layout.strides[axis], layout.shape[axis] - 1, &reach) ||
        __builtin_add_overflow(end, reach, &end)) {
      return OutOfBlock(absl::StrCat("the end of axis ", axis), content_bytes);
    }
  }
  if (lowest < 0 || highest > static_cast<int64_t>(content_bytes)) {
    return OutOfBlock(absl::StrCat("an array of shape ", ShapeName(layout.shape), " and strides ",
                                   ShapeName(layout.strides)),
                      content_bytes);
  }
  return absl::OkStatus();
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

void CopyElements(const ArrayLayout& from_layout, const std::byte* from,
                  const ArrayLayout& to_layout, std::byte* to, size_t element_bytes) {
  if (ElementCount(from_layout.shape) == 0) return;
  ElementCopier(from_layout, to_layout, AxesBySpeed(to_layout), element_bytes).Copy(from, to);
}

std::string ShapeName(absl::Span<const int64_t> shape) {
  return absl::StrCat("(", absl::StrJoin(shape, ", "), shape.size() == 1 ? ",)" : ")");
}

}  // namespace slabpipe
