// The views of an AnyNdArray: other layouts of the same memory. None reaches an element that the
// array itself does not have.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "slabpipe/codec/ndarray.h"
#include "slabpipe/codec/reshape.h"

namespace slabpipe {

absl::StatusOr<AnyNdArray> AnyNdArray::Slice(size_t axis, int64_t begin, int64_t end,
                                             int64_t step) const {
  const auto bad = [&](absl::string_view why) {
    return absl::InvalidArgumentError(absl::StrCat(
        "slice ", begin, ":", end, ":", step, " of axis ", axis, " of ", Describe(), ": ", why));
  };
  if (axis >= rank()) return bad("there is no such axis");
  if (step == 0) return bad("the step is 0");
  const int64_t extent = shape()[axis];
  const bool up = step > 0;
  const bool inside = up ? begin >= 0 && begin <= end && end <= extent
                         : end >= -1 && end <= begin && begin < extent;
  if (!inside) return bad("the range leaves the axis");
  const int64_t distance = up ? end - begin : begin - end;
  // In unsigned numbers, so that the lowest step there is has a magnitude.
  const uint64_t magnitude = up ? static_cast<uint64_t>(step) : -static_cast<uint64_t>(step);
  const int64_t count =
      distance == 0 ? 0
                    : static_cast<int64_t>((static_cast<uint64_t>(distance) - 1) / magnitude + 1);
  AnyNdArray view = *this;
  view.layout_.shape[axis] = count;
  if (count > 0 && !empty()) view.origin_ += begin * strides()[axis];
  // Where no second element is reached, the stride is never used, and must not overflow.
  if (count > 1 && !empty()) view.layout_.strides[axis] *= step;
  return view;
}

AnyNdArray AnyNdArray::Transpose() const {
  AnyNdArray view = *this;
  std::reverse(view.layout_.shape.begin(), view.layout_.shape.end());
  std::reverse(view.layout_.strides.begin(), view.layout_.strides.end());
  return view;
}

absl::StatusOr<AnyNdArray> AnyNdArray::Transpose(absl::Span<const size_t> axes) const {
  const auto bad = [&](absl::string_view why) {
    return absl::InvalidArgumentError(
        absl::StrCat("axes (", absl::StrJoin(axes, ", "), ") of ", Describe(), ": ", why));
  };
  if (axes.size() != rank()) {
    return bad(absl::StrCat(axes.size(), " axes are named, there are ", rank()));
  }
  AnyNdArray view = *this;
  uint64_t seen = 0;
  static_assert(kMaxRank <= 64);
  for (size_t i = 0; i < axes.size(); ++i) {
    if (axes[i] >= rank()) return bad(absl::StrCat("there is no axis ", axes[i]));
    const uint64_t bit = uint64_t{1} << axes[i];
    if ((seen & bit) != 0) return bad(absl::StrCat("axis ", axes[i], " is named twice"));
    seen |= bit;
    view.layout_.shape[i] = shape()[axes[i]];
    view.layout_.strides[i] = strides()[axes[i]];
  }
  return view;
}

absl::StatusOr<AnyNdArray> AnyNdArray::Select(size_t axis, int64_t index) const {
  if (axis >= rank()) {
    return absl::InvalidArgumentError(absl::StrCat("index ", index, " of axis ", axis, " of ",
                                                   Describe(), ": there is no such axis"));
  }
  if (index < 0 || index >= shape()[axis]) {
    return absl::OutOfRangeError(
        absl::StrCat("index ", index, " is not inside axis ", axis, " of ", Describe()));
  }
  AnyNdArray view = *this;
  if (!empty()) view.origin_ += index * strides()[axis];
  view.layout_.shape.erase(view.layout_.shape.begin() + static_cast<ptrdiff_t>(axis));
  view.layout_.strides.erase(view.layout_.strides.begin() + static_cast<ptrdiff_t>(axis));
  return view;
}

AnyNdArray AnyNdArray::Squeeze() const {
  AnyNdArray view = *this;
  view.layout_.shape.clear();
  view.layout_.strides.clear();
  for (size_t axis = 0; axis < rank(); ++axis) {
    if (shape()[axis] == 1) continue;
    view.layout_.shape.push_back(shape()[axis]);
    view.layout_.strides.push_back(strides()[axis]);
  }
  return view;
}

absl::StatusOr<AnyNdArray> AnyNdArray::ExpandDims(size_t axis) const {
  if (axis > rank()) {
    return absl::InvalidArgumentError(absl::StrCat("an axis before axis ", axis, " of ", Describe(),
                                                   ": it has ", rank(), " axes"));
  }
  if (rank() == kMaxRank) {
    return absl::InvalidArgumentError(
        absl::StrCat("one more axis of ", Describe(), ": an array has at most ", kMaxRank));
  }
  AnyNdArray view = *this;
  const auto place = static_cast<ptrdiff_t>(axis);
  view.layout_.shape.insert(view.layout_.shape.begin() + place, 1);
  view.layout_.strides.insert(view.layout_.strides.begin() + place,
                              static_cast<int64_t>(element_bytes()));
  return view;
}

absl::StatusOr<AnyNdArray> AnyNdArray::Reshape(absl::Span<const int64_t> shape, Order order) const {
  absl::StatusOr<Extents> extents = InferShape(layout_.shape, shape, element_bytes());
  if (!extents.ok()) return extents.status();
  std::optional<ArrayLayout> layout = ReshapedLayout(layout_, *extents, element_bytes(), order);
  if (!layout.has_value()) {
    const char* name = order == Order::kRowMajor ? "kRowMajor" : "kColumnMajor";
    return absl::FailedPreconditionError(absl::StrCat(
        Describe(), " with strides ", ShapeName(strides()), " can't be seen in shape ",
        ShapeName(*extents), " where its elements lie: Copy(Order::", name, ") it first"));
  }
  AnyNdArray view = *this;
  view.layout_ = *std::move(layout);
  return view;
}

}  // namespace slabpipe
