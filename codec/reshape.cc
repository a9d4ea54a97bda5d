#include "slabpipe/codec/reshape.h"

#include <algorithm>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/strings/str_cat.h"

namespace slabpipe {
namespace {

// Axes that lie like a single one.
struct Run {
  int64_t extent;
  int64_t stride;
};
using Runs = absl::InlinedVector<Run, 4>;

void Reverse(ArrayLayout& layout) {
  std::reverse(layout.shape.begin(), layout.shape.end());
  std::reverse(layout.strides.begin(), layout.strides.end());
}

// The fewest runs, in row-major order, that the elements of `layout` make up.
Runs JoinedAxes(const ArrayLayout& layout) {
  Runs runs;
  for (size_t axis = 0; axis < layout.rank(); ++axis) {
    const Run next = {layout.shape[axis], layout.strides[axis]};
    if (next.extent == 1) continue;  // its stride may be anything
    if (!runs.empty() && runs.back().stride == next.extent * next.stride) {
      runs.back() = {runs.back().extent * next.extent, next.stride};
    } else {
      runs.push_back(next);
    }
  }
  return runs;
}

// Strides of `shape`, in row-major order: each axis takes its part of the fastest run that is not
// used up. An axis that needs more than is left of a run crosses to the next one, which begins
// elsewhere, or else the two would be one: no stride does that.
std::optional<Extents> SplitRuns(Runs runs, absl::Span<const int64_t> shape,
                                 int64_t element_bytes) {
  Extents strides(shape.size());
  int64_t stride = runs.empty() ? element_bytes : runs.back().stride;
  for (size_t axis = shape.size(); axis-- > 0;) {
    if (shape[axis] > 1) {
      if (runs.back().extent == 1) {
        runs.pop_back();
        stride = runs.back().stride;
      }
      if (runs.back().extent % shape[axis] != 0) return std::nullopt;
      runs.back().extent /= shape[axis];
    }
    strides[axis] = stride;
    stride *= shape[axis];
  }
  return strides;
}

absl::Status Mismatch(absl::Span<const int64_t> shape, absl::Span<const int64_t> wanted,
                      absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("an array of shape ", ShapeName(shape), " has ",
                                                 ElementCount(shape), " elements, shape ",
                                                 ShapeName(wanted), " ", why));
}

}  // namespace

absl::StatusOr<Extents> InferShape(absl::Span<const int64_t> shape,
                                   absl::Span<const int64_t> wanted, size_t element_bytes) {
  Extents result(wanted.begin(), wanted.end());
  const auto unknown = std::find(result.begin(), result.end(), -1);
  const bool infer = unknown != result.end();
  if (infer) *unknown = 1;
  if (infer && std::find(unknown, result.end(), -1) != result.end()) {
    return Mismatch(shape, wanted, "has more than one -1");
  }
  if (absl::Status status = CheckShape(result, element_bytes); !status.ok()) {
    return Mismatch(shape, wanted, absl::StrCat("is none: ", status.message()));
  }
  const int64_t count = ElementCount(shape);
  const int64_t known = ElementCount(result);
  if (!infer) {
    if (known != count) return Mismatch(shape, wanted, absl::StrCat("has ", known));
    return result;
  }
  if (known == 0) return Mismatch(shape, wanted, "has none, whatever -1 stands for");
  if (count % known != 0) {
    return Mismatch(shape, wanted, absl::StrCat("has a multiple of ", known));
  }
  *unknown = count / known;
  return result;
}

std::optional<ArrayLayout> ReshapedLayout(const ArrayLayout& layout,
                                          absl::Span<const int64_t> shape, size_t element_bytes,
                                          Order order) {
  if (ElementCount(shape) == 0) return ContiguousLayout(shape, element_bytes, order);
  ArrayLayout from = layout;
  ArrayLayout to = {.shape = Extents(shape.begin(), shape.end()), .strides = {}};
  const bool reversed = order == Order::kColumnMajor;  // it is row-major order, seen in a mirror
  if (reversed) {
    Reverse(from);
    Reverse(to);
  }
  std::optional<Extents> strides =
      SplitRuns(JoinedAxes(from), to.shape, static_cast<int64_t>(element_bytes));
  if (!strides.has_value()) return std::nullopt;
  to.strides = *std::move(strides);
  if (reversed) Reverse(to);
  return to;
}

}  // namespace slabpipe
