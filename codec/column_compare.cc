// The comparison of two columns.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "slabpipe/codec/column.h"
#include "slabpipe/codec/column_view.h"

namespace slabpipe {
namespace {

// Compares a column and what is below it.
class Comparison {
 public:
  bool Same(const Column& a, const Column& b);

 private:
  bool SameRow(const Column& a, const Column& b, int64_t row, size_t value_bytes);
  bool SameRows(const Column& a, const Column& b, size_t value_bytes);
  bool SameFields(const Column& a, const Column& b, int64_t begin, int64_t end);
  bool SameStructs(const Column& a, const Column& b);
  bool SameCategories(const Column& a, const Column& b);

  // Of dictionaries: those of a list's items come again with each row.
  absl::flat_hash_map<std::pair<const ColumnData*, const ColumnData*>, bool> same_;
};

template <typename T>
bool SameViews(const Column& a, const Column& b) {
  const ColumnView<T> left = *a.As<T>(), right = *b.As<T>();
  return std::equal(left.begin(), left.end(), right.begin());
}

// The items of all rows of a list of fixed size.
Column AllItems(const Column& column) {
  const int64_t width = column.type().width();
  const int64_t first = (column.data()->offset + column.begin()) * width;
  return *Column::FromChecked(column.data()->children[0])
              .Slice(first, first + column.size() * width);
}

bool Comparison::SameRow(const Column& a, const Column& b, int64_t row, size_t value_bytes) {
  if (a.type().is_list()) return Same(*a.Items(row), *b.Items(row));
  if (a.type().is_categorical()) return a.CategoryIndex(row) == b.CategoryIndex(row);
  return std::memcmp(internal::FixedValue(a, row, value_bytes),
                     internal::FixedValue(b, row, value_bytes), value_bytes) == 0;
}

bool Comparison::SameRows(const Column& a, const Column& b, size_t value_bytes) {
  for (int64_t row = 0; row < a.size(); ++row) {
    if (a.is_null(row) != b.is_null(row)) return false;
    if (!a.is_null(row) && !SameRow(a, b, row, value_bytes)) return false;
  }
  return true;
}

bool Comparison::SameFields(const Column& a, const Column& b, int64_t begin, int64_t end) {
  for (size_t i = 0; i < a.type().fields().size(); ++i) {
    if (!Same(*a.Field(i).Slice(begin, end), *b.Field(i).Slice(begin, end))) return false;
  }
  return true;
}

// Where a struct is missing, its fields don't matter.
bool Comparison::SameStructs(const Column& a, const Column& b) {
  if (a.null_count() == 0 && b.null_count() == 0) return SameFields(a, b, 0, a.size());
  for (int64_t row = 0; row < a.size(); ++row) {
    if (a.is_null(row) != b.is_null(row)) return false;
    if (!a.is_null(row) && !SameFields(a, b, row, row + 1)) return false;
  }
  return true;
}

bool Comparison::SameCategories(const Column& a, const Column& b) {
  const std::pair<const ColumnData*, const ColumnData*> pair(a.data()->dictionary.get(),
                                                             b.data()->dictionary.get());
  if (pair.first == pair.second) return true;
  const auto known = same_.find(pair);
  if (known != same_.end()) return known->second;
  const bool same = Same(*a.Categories(), *b.Categories());
  same_.emplace(pair, same);
  return same;
}

bool Comparison::Same(const Column& a, const Column& b) {
  if (a.type() != b.type() || a.size() != b.size()) return false;
  if (a.type().kind() == ColumnType::kNull) return true;
  if (a.type().kind() == ColumnType::kBool) return SameViews<bool>(a, b);
  if (a.type().kind() == ColumnType::kStruct) return SameStructs(a, b);
  // SUBTLE: not row by row, for rows that take no bytes may be very many.
  if (a.type().kind() == ColumnType::kFixedList && a.null_count() == 0 && b.null_count() == 0) {
    return Same(AllItems(a), AllItems(b));
  }
  if (a.type().is_categorical() && !SameCategories(a, b)) return false;
  const ColumnLayout layout = LayoutOf(a.type());
  if (layout.buffers.size() == 3) return SameViews<absl::string_view>(a, b);
  return SameRows(a, b, layout.value_bytes);
}

}  // namespace

bool SameValues(const Column& a, const Column& b) { return Comparison().Same(a, b); }

}  // namespace slabpipe
