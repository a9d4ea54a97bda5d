// The views of a DatasetVariable by position.

#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "slabpipe/codec/column_copy.h"
#include "slabpipe/codec/dataset_variable.h"

namespace slabpipe {
namespace {

// Places along an axis: the first of them, how many, and how far apart.
struct Places {
  int64_t begin;
  int64_t count;
  int64_t step;
};

// The rows at some places of an axis, with all that lies along the others: pieces of the column,
// those that touch joined. One piece is a view.
class PieceTaker {
 public:
  explicit PieceTaker(const Column& column) : column_(column) {}

  void Add(int64_t begin, int64_t length) {
    if (!pieces_.empty() && pieces_.back().end == begin) {
      pieces_.back().end += length;
    } else if (length > 0) {
      pieces_.push_back({begin, begin + length});
    }
  }
  absl::StatusOr<Column> Take() const {
    if (pieces_.empty()) return column_.Slice(0, 0);
    if (pieces_.size() == 1) return column_.Slice(pieces_[0].begin, pieces_[0].end);
    // SUBTLE: offsets that another process changes could have each piece be all of the content.
    const absl::StatusOr<Column> pinned = PinIndices(column_);
    if (!pinned.ok()) return pinned.status();
    std::vector<Column> columns;
    for (const Piece& piece : pieces_) columns.push_back(*pinned->Slice(piece.begin, piece.end));
    return Concatenate(columns, &Buffer::Allocate);
  }
  bool too_many() const { return pieces_.size() > kMostPieces; }

 private:
  static constexpr size_t kMostPieces = size_t{1} << 24;
  struct Piece {
    int64_t begin;
    int64_t end;
  };

  const Column& column_;
  std::vector<Piece> pieces_;
};

// `position_of(i)` for i from 0 to `count` are the positions, `consecutive` if each is the next.
// REQUIRES: they are inside the axis, and the column has as many values as its shape says.
template <typename F>
absl::StatusOr<ShapedColumn> TakeRows(const ShapedColumn& from, size_t axis, int64_t count,
                                      bool consecutive, F position_of) {
  Extents shape = from.shape;
  shape[axis] = count;
  PieceTaker taker(from.values);
  if (ElementCount(shape) > 0) {
    const absl::Span<const int64_t> extents = from.shape;
    const int64_t outer = ElementCount(extents.subspan(0, axis));
    const int64_t inner = ElementCount(extents.subspan(axis + 1));
    const int64_t steps = consecutive ? 1 : count, length = consecutive ? count * inner : inner;
    for (int64_t row = 0; row < outer; ++row) {
      for (int64_t i = 0; i < steps; ++i) {
        taker.Add((row * extents[axis] + position_of(i)) * inner, length);
        if (taker.too_many()) {
          return absl::ResourceExhaustedError("a part of a column that has too many pieces");
        }
      }
    }
  }
  absl::StatusOr<Column> taken = taker.Take();
  if (!taken.ok()) return taken.status();
  return ShapedColumn(*std::move(taken), std::move(shape));
}

absl::StatusOr<AnyNdArray> TakeElements(const AnyNdArray& from, size_t axis,
                                        absl::Span<const int64_t> positions) {
  Extents shape = from.shape();
  shape[axis] = static_cast<int64_t>(positions.size());
  absl::StatusOr<AnyNdArray> taken = AnyNdArray::Create(from.element_type(), shape);
  if (!taken.ok()) return taken;
  for (size_t i = 0; i < positions.size(); ++i) {
    const absl::StatusOr<AnyNdArray> source = from.Select(axis, positions[i]);
    if (!source.ok()) return source.status();
    absl::Status copied = taken->Select(axis, static_cast<int64_t>(i))->CopyFrom(*source);
    if (!copied.ok()) return copied;
  }
  return taken;
}

// As a slice has them; nothing if they are not evenly spaced.
std::optional<Places> EvenPlaces(absl::Span<const int64_t> positions) {
  if (positions.empty()) return Places{0, 0, 1};
  const int64_t step = positions.size() == 1 ? 1 : positions[1] - positions[0];
  if (step == 0) return std::nullopt;
  for (size_t i = 1; i < positions.size(); ++i) {
    if (positions[i] - positions[i - 1] != step) return std::nullopt;
  }
  return Places{positions[0], static_cast<int64_t>(positions.size()), step};
}

// What is seen at some places of an axis.
absl::StatusOr<VariableData> DataAt(const VariableData& data, size_t axis, Places places) {
  if (const AnyNdArray* array = std::get_if<AnyNdArray>(&data)) {
    // The slice ends one place behind the last of them, in its own direction.
    const int64_t last = places.begin + (places.count - 1) * places.step;
    const int64_t end = places.count == 0 ? places.begin : last + (places.step > 0 ? 1 : -1);
    absl::StatusOr<AnyNdArray> view = array->Slice(axis, places.begin, end, places.step);
    if (!view.ok()) return view.status();
    return *std::move(view);
  }
  absl::StatusOr<ShapedColumn> column =
      TakeRows(std::get<ShapedColumn>(data), axis, places.count, places.step == 1,
               [&](int64_t i) { return places.begin + i * places.step; });
  if (!column.ok()) return column.status();
  return *std::move(column);
}

absl::StatusOr<size_t> AxisOf(const DatasetVariable& variable, absl::string_view dimension) {
  if (const std::optional<size_t> axis = variable.dimensions.Axis(dimension)) return *axis;
  return internal::InVariable(
      variable.name, absl::NotFoundError(absl::StrCat(
                         "it has no dimension '", internal::NameInError(dimension), "', but ",
                         internal::NameInError(variable.dimensions.Describe()))));
}

absl::Status Outside(const DatasetVariable& variable, absl::string_view dimension, int64_t position,
                     int64_t extent) {
  return internal::InVariable(
      variable.name,
      absl::OutOfRangeError(absl::StrCat("position ", position, " is not inside dimension '",
                                         dimension, "' of extent ", extent)));
}

// The places of a slice. INVALID_ARGUMENT as AnyNdArray::Slice.
absl::StatusOr<Places> PlacesOf(absl::string_view dimension, int64_t extent, int64_t begin,
                                int64_t end, int64_t step) {
  const bool up = step > 0;
  const bool inside = up ? begin >= 0 && begin <= end && end <= extent
                         : end >= -1 && end <= begin && begin < extent;
  if (step == 0 || !inside) {
    return absl::InvalidArgumentError(absl::StrCat(
        "slice ", begin, ":", end, ":", step, " of dimension '", dimension, "' of extent ", extent,
        step == 0 ? ": the step is 0" : ": the range leaves it"));
  }
  const int64_t distance = up ? end - begin : begin - end;
  const uint64_t magnitude = up ? static_cast<uint64_t>(step) : -static_cast<uint64_t>(step);
  const int64_t count =
      distance == 0 ? 0
                    : static_cast<int64_t>((static_cast<uint64_t>(distance) - 1) / magnitude + 1);
  if (count == 0) return Places{0, 0, 1};
  // Where no second place is reached, the step must not overflow.
  return Places{begin, count, count > 1 ? step : 1};
}

// The variable with other data, of the same dimensions.
DatasetVariable With(const DatasetVariable& variable, VariableData data) {
  return {.name = variable.name,
          .dimensions = variable.dimensions,
          .data = std::move(data),
          .attributes = variable.attributes};
}

}  // namespace

absl::StatusOr<DatasetVariable> DatasetVariable::SelectAt(absl::string_view dimension,
                                                          int64_t position) const {
  const absl::StatusOr<size_t> axis = AxisOf(*this, dimension);
  if (!axis.ok()) return axis.status();
  if (position < 0 || position >= shape()[*axis]) {
    return Outside(*this, dimension, position, shape()[*axis]);
  }
  absl::StatusOr<VariableData> selected = DataAt(data, *axis, {position, 1, 1});
  if (!selected.ok()) return internal::InVariable(name, selected.status());
  if (ShapedColumn* column = std::get_if<ShapedColumn>(&*selected)) {
    column->shape.erase(column->shape.begin() + static_cast<ptrdiff_t>(*axis));
  } else {
    selected = *std::get<AnyNdArray>(*selected).Select(*axis, 0);
  }
  DatasetVariable view = With(*this, *std::move(selected));
  view.dimensions = dimensions.Without(*axis);
  return view;
}

absl::StatusOr<DatasetVariable> DatasetVariable::Slice(absl::string_view dimension, int64_t begin,
                                                       int64_t end, int64_t step) const {
  const absl::StatusOr<size_t> axis = AxisOf(*this, dimension);
  if (!axis.ok()) return axis.status();
  const absl::StatusOr<Places> places = PlacesOf(dimension, shape()[*axis], begin, end, step);
  if (!places.ok()) return internal::InVariable(name, places.status());
  absl::StatusOr<VariableData> sliced = DataAt(data, *axis, *places);
  if (!sliced.ok()) return internal::InVariable(name, sliced.status());
  return With(*this, *std::move(sliced));
}

absl::StatusOr<DatasetVariable> DatasetVariable::Take(absl::string_view dimension,
                                                      absl::Span<const int64_t> positions) const {
  const absl::StatusOr<size_t> axis = AxisOf(*this, dimension);
  if (!axis.ok()) return axis.status();
  for (const int64_t position : positions) {
    if (position >= 0 && position < shape()[*axis]) continue;
    return Outside(*this, dimension, position, shape()[*axis]);
  }
  absl::StatusOr<VariableData> taken = VariableData();
  if (const std::optional<Places> places = EvenPlaces(positions)) {
    taken = DataAt(data, *axis, *places);
  } else if (array() != nullptr) {
    absl::StatusOr<AnyNdArray> elements = TakeElements(*array(), *axis, positions);
    if (!elements.ok()) return internal::InVariable(name, elements.status());
    taken = *std::move(elements);
  } else {
    absl::StatusOr<ShapedColumn> rows = TakeRows(
        std::get<ShapedColumn>(data), *axis, static_cast<int64_t>(positions.size()),
        /*consecutive=*/false, [&](int64_t i) { return positions[static_cast<size_t>(i)]; });
    if (!rows.ok()) return internal::InVariable(name, rows.status());
    taken = *std::move(rows);
  }
  if (!taken.ok()) return internal::InVariable(name, taken.status());
  return With(*this, *std::move(taken));
}

}  // namespace slabpipe
