#include "slabpipe/tests/fuzz/walk_table.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "slabpipe/codec/column_copy.h"
#include "slabpipe/codec/column_data.h"
#include "slabpipe/codec/column_view.h"
#include "slabpipe/tests/fuzz/check.h"

namespace slabpipe::fuzz {
namespace {

// Where what has been read goes, so that no compiler leaves the reading out.
volatile uint64_t sink;

void ReadBytes(const void* data, size_t size_bytes) {
  uint64_t sum = 0;
  for (size_t i = 0; i < size_bytes; ++i) sum += static_cast<const unsigned char*>(data)[i];
  sink = sum;
}

// Whether it would be accepted as it is now: the peer may have changed it.
bool MakesSense(const ColumnData& data) {
  for (const auto& child : data.children) {
    if (!MakesSense(*child)) return false;
  }
  if (data.dictionary != nullptr && !MakesSense(*data.dictionary)) return false;
  return CheckColumn(data).ok();
}

// What copying something that another process can write may end with.
void CheckCopy(const absl::Status& status) {
  if (status.ok()) return;
  FUZZ_CHECK(absl::IsDataLoss(status) || absl::IsResourceExhausted(status), status.ToString());
}

class ColumnWalker {
 public:
  void Walk(const Column& column);

 private:
  static constexpr int64_t kRows = 16;  // at either end

  // So many rows in all: lists hold lists, and those without bytes hold as many as they like.
  bool Spend() { return budget_-- > 0; }
  template <typename F>
  void ForRows(const Column& column, F function);
  void WalkRow(const Column& column, int64_t row);
  template <typename T>
  void WalkView(const Column& column);
  void WalkStorage(const Column& column);
  void WalkBelow(const Column& column);

  int budget_ = 1500;
};

template <typename F>
void ColumnWalker::ForRows(const Column& column, F function) {
  const int64_t size = column.size();
  for (int64_t row = 0; row < std::min(size, kRows); ++row) {
    if (Spend()) function(row);
  }
  for (int64_t row = std::max(size - kRows, kRows); row < size; ++row) {
    if (Spend()) function(row);
  }
}

void ColumnWalker::WalkRow(const Column& column, int64_t row) {
  const std::string text = column.CellText(row);
  ReadBytes(text.data(), text.size());
  if (column.type().is_categorical()) {
    const int64_t index = column.CategoryIndex(row);
    FUZZ_CHECK(index >= -1 && index < column.Categories()->size(), column.type().name());
  }
  if (column.type().is_list()) Walk(*column.Items(row));
}

template <typename T>
void ColumnWalker::WalkView(const Column& column) {
  const absl::StatusOr<ColumnView<T>> view = column.As<T>();
  CheckMisfit(view.status());
  if (!view.ok()) return;
  FUZZ_CHECK(view->size() == column.size() && view->end() - view->begin() == view->size(),
             column.type().name());
  ForRows(column, [&](int64_t row) {
    const std::optional<T> value = (*view)[row];
    if (!value.has_value()) return;
    if constexpr (std::is_same_v<T, absl::string_view>) {
      ReadBytes(value->data(), value->size());
    } else {
      ReadBytes(&*value, sizeof(T));
    }
  });
  if constexpr (std::is_arithmetic_v<T> && !std::is_same_v<T, bool>) {
    ReadBytes(view->values().data(), view->values().size() * sizeof(T));
  }
}

void ColumnWalker::WalkStorage(const Column& column) {
  const absl::StatusOr<AnyNdArray> array = column.Storage();
  CheckMisfit(array.status());
  if (!array.ok()) return;
  FUZZ_CHECK(array->rank() == 1 && array->size() == column.size(), column.type().name());
  if (!array->empty()) ReadBytes(array->origin(), array->size_bytes());
}

void ColumnWalker::WalkBelow(const Column& column) {
  CheckMisfit(column.Categories().status());
  if (column.type().is_categorical()) Walk(*column.Categories());
  if (column.type().kind() != ColumnType::kStruct) return;
  for (size_t i = 0; i < column.type().fields().size(); ++i) {
    const std::string& name = column.type().fields()[i].name;
    FUZZ_CHECK(column.Field(name).ok() && column.Field(i).size() == column.size(), name);
    if (Spend()) Walk(column.Field(i));
  }
}

void ColumnWalker::Walk(const Column& column) {
  sink = static_cast<uint64_t>(column.null_count());
  ForRows(column, [&](int64_t row) { WalkRow(column, row); });
  WalkView<bool>(column);
  WalkView<int8_t>(column);
  WalkView<int16_t>(column);
  WalkView<int32_t>(column);
  WalkView<int64_t>(column);
  WalkView<uint8_t>(column);
  WalkView<uint16_t>(column);
  WalkView<uint32_t>(column);
  WalkView<uint64_t>(column);
  WalkView<float>(column);
  WalkView<double>(column);
  WalkView<absl::string_view>(column);
  WalkView<absl::Time>(column);
  WalkView<absl::Duration>(column);
  WalkView<absl::CivilDay>(column);
  WalkStorage(column);
  WalkBelow(column);
}

// A part, and a copy of it.
void WalkPart(const Column& column) {
  ColumnWalker().Walk(column);
  const absl::StatusOr<Column> copy = column.Copy();
  CheckCopy(copy.status());
  CheckCopy(PinIndices(column).status());
  if (!MakesSense(*column.data())) return;
  FUZZ_CHECK(copy.ok(), copy.status().ToString());
  FUZZ_CHECK(MakesSense(*copy->data()), column.type().name());
  FUZZ_CHECK(SameValues(*copy, column), column.type().name());
  FUZZ_CHECK(copy->null_count() == column.null_count(), column.type().name());
  const absl::StatusOr<Column> pinned = PinIndices(column);
  FUZZ_CHECK(pinned.ok(), pinned.status().ToString());
  FUZZ_CHECK(SameValues(*pinned, column), column.type().name());
}

// Put together with itself.
void WalkTwice(const Column& column) {
  const absl::StatusOr<Column> copy = column.Copy();
  if (!copy.ok()) return;
  const Column pair[] = {*copy, column};
  const absl::StatusOr<Column> twice = Concatenate(pair, &Buffer::Allocate);
  if (!twice.ok() || !MakesSense(*column.data())) return;
  FUZZ_CHECK(SameValues(*twice->Slice(0, column.size()), column), column.type().name());
}

}  // namespace

void WalkColumn(const Column& column) {
  WalkPart(column);
  const int64_t size = column.size();
  WalkPart(*column.Slice(size / 3, size));
  WalkPart(*column.Slice(0, size / 2));
  WalkTwice(column);
}

void WalkTable(const Table& table) {
  ReadBytes(table.ToText().data(), 1);
  sink = table.Describe().size();
  for (const TableColumn& column : table.columns()) {
    FUZZ_CHECK(column.values.size() == table.row_count(), column.name);
    const TableColumn* found = table.Find(column.name);
    FUZZ_CHECK(found == nullptr || found == &column, column.name);
    CheckMisfit(table.Column<double>(column.name).status());
    WalkColumn(column.values);
  }
  const int64_t rows = table.row_count();
  const Table part = *table.Slice(rows / 4, rows - rows / 4);
  sink = part.ToText().size();
  if (table.column_count() > 0 && table.Find(table.column(0).name) != nullptr) {
    sink = table.Select({table.column(0).name})->ToText().size();
  }
  const absl::StatusOr<Table> copy = table.Copy();
  CheckCopy(copy.status());
  for (const TableColumn& column : table.columns()) {
    if (!MakesSense(*column.values.data())) return;
  }
  FUZZ_CHECK(copy.ok(), copy.status().ToString());
  FUZZ_CHECK(SameTables(*copy, table), table.Describe());
}

}  // namespace slabpipe::fuzz
