#include "slabpipe/examples/sql/arrow_slice.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace sql {
namespace {

// Where the buffers of arrays without rows point, should an importer read the first offset anyway.
alignas(64) constexpr uint8_t kZeros[64] = {};

// An array that refers to another one's buffers, and what it owns besides.
struct Piece {
  std::shared_ptr<const void> owner;  // of the buffers; of the one at the top only
  ArrowArray array = {};
  std::vector<const void*> buffers;
  std::vector<uint8_t> validity;  // a copy of the bitmap, if that was needed
  std::vector<std::unique_ptr<Piece>> children;
  std::vector<ArrowArray*> child_arrays;
};

// What a struct of one column owns.
struct Table {
  Piece column;
  ArrowArray* children[1] = {&column.array};
  const void* buffers[1] = {nullptr};  // nothing is missing
};

void ReleaseNothing(ArrowArray* array) { array->release = nullptr; }

void ReleaseTable(ArrowArray* array) {
  delete static_cast<Table*>(array->private_data);
  array->release = nullptr;
}

// Makes the piece's array point at what the piece has.
void Finish(Piece* piece) {
  for (const std::unique_ptr<Piece>& child : piece->children) {
    piece->child_arrays.push_back(&child->array);
  }
  piece->array.n_buffers = static_cast<int64_t>(piece->buffers.size());
  piece->array.buffers = piece->buffers.data();
  piece->array.n_children = static_cast<int64_t>(piece->children.size());
  piece->array.children = piece->child_arrays.data();
  piece->array.dictionary = nullptr;
  piece->array.release = ReleaseNothing;
  piece->array.private_data = nullptr;
}

void Export(std::unique_ptr<Table> table, ArrowArray* out) {
  *out = {};
  out->length = table->column.array.length;
  out->n_buffers = 1;
  out->buffers = table->buffers;
  out->n_children = 1;
  out->children = table->children;
  out->release = ReleaseTable;
  out->private_data = table.release();
}

// The bits [from, from + length) of `bitmap`, as bits [to, to + length) of the result, with a byte
// after them.
std::vector<uint8_t> MoveBits(const uint8_t* bitmap, int64_t from, int64_t length, int64_t to) {
  std::vector<uint8_t> bits((to + length + 7) / 8 + 1);
  if (from % 8 == to % 8) {
    std::memcpy(bits.data() + to / 8, bitmap + from / 8, (from % 8 + length + 7) / 8);
    return bits;
  }
  for (int64_t i = 0; i < length; ++i) {
    const int bit = bitmap[(from + i) / 8] >> ((from + i) % 8) & 1;
    bits[(to + i) / 8] = static_cast<uint8_t>(bits[(to + i) / 8] | bit << ((to + i) % 8));
  }
  return bits;
}

// A piece of `array` with the same buffers, of which the rows [begin, begin + length) will be read,
// as rows from `as` on: a copy of their bitmap, unless it can be read as it is.
void Refer(const ArrowArray& array, int64_t begin, int64_t length, int64_t as, Piece* piece) {
  piece->array = array;
  piece->array.null_count = array.null_count == 0 ? 0 : -1;
  piece->buffers.assign(array.buffers, array.buffers + array.n_buffers);
  if (piece->array.null_count == 0 || piece->buffers.empty()) return;
  if (piece->buffers[0] == nullptr || (begin == as && begin % 8 == 0)) return;
  piece->validity = MoveBits(static_cast<const uint8_t*>(piece->buffers[0]), begin, length, as % 8);
  // SUBTLE: not an address of anything, until a reader adds the first row's byte.
  piece->buffers[0] = reinterpret_cast<const void*>(
      reinterpret_cast<uintptr_t>(piece->validity.data()) - static_cast<uintptr_t>(as / 8));
}

bool IsStruct(absl::string_view format) { return format == "+s"; }
bool IsFixedList(absl::string_view format) { return absl::StartsWith(format, "+w:"); }

bool IsList(absl::string_view format) {
  return format == "+l" || format == "+L" || IsFixedList(format);
}

// Elements of each list, of a fixed size.
int64_t ListSize(const ArrowSchema& schema) { return std::strtoll(schema.format + 3, nullptr, 10); }

// The row of the elements where row `row` of the lists begins.
int64_t ListBegin(const ArrowSchema& schema, const ArrowArray& lists, int64_t row) {
  if (IsFixedList(schema.format)) return row * ListSize(schema);
  if (schema.format[1] == 'L') return static_cast<const int64_t*>(lists.buffers[1])[row];
  return static_cast<const int32_t*>(lists.buffers[1])[row];
}

Piece* AddChild(Piece* piece) {
  piece->children.push_back(std::make_unique<Piece>());
  return piece->children.back().get();
}

// The rows of `array` from its buffers' row `begin` on, inside of a list, which counts them from
// the array's offset. `shift`: what the structs around it, up to the list, have of offsets, which
// the importer would forget.
void ReferBelow(const ArrowSchema& schema, const ArrowArray& array, int64_t begin, int64_t length,
                int64_t shift, Piece* piece);

// The elements of the lists [begin, begin + length).
void ReferElements(const ArrowSchema& schema, const ArrowArray& lists, int64_t begin,
                   int64_t length, Piece* piece) {
  const ArrowArray& elements = *lists.children[0];
  const int64_t first = length == 0 ? 0 : ListBegin(schema, lists, begin);
  const int64_t end = length == 0 ? 0 : ListBegin(schema, lists, begin + length);
  ReferBelow(*schema.children[0], elements, elements.offset + first, end - first, /*shift=*/0,
             AddChild(piece));
}

void ReferBelow(const ArrowSchema& schema, const ArrowArray& array, int64_t begin, int64_t length,
                int64_t shift, Piece* piece) {
  const bool is_struct = IsStruct(schema.format);
  const int64_t origin = array.offset + shift;
  Refer(array, begin, length, is_struct ? begin - origin : begin, piece);
  piece->array.offset = is_struct ? 0 : origin;
  for (int64_t i = 0; is_struct && i < schema.n_children; ++i) {
    const ArrowArray& field = *array.children[i];
    ReferBelow(*schema.children[i], field, field.offset + begin, length, origin, AddChild(piece));
  }
  if (IsList(schema.format)) ReferElements(schema, array, begin, length, piece);
  Finish(piece);
}

// Rows [begin, begin + length) of a column, or of a field of a struct that is one. Structs start at
// their first row, as their fields do.
void SliceColumn(const ArrowSchema& schema, const ArrowArray& array, int64_t begin, int64_t length,
                 Piece* piece) {
  const bool is_struct = IsStruct(schema.format);
  Refer(array, begin, length, is_struct ? 0 : begin, piece);
  piece->array.offset = is_struct ? 0 : begin;
  piece->array.length = length;
  for (int64_t i = 0; is_struct && i < schema.n_children; ++i) {
    const ArrowArray& field = *array.children[i];
    SliceColumn(*schema.children[i], field, field.offset + begin, length, AddChild(piece));
  }
  if (IsList(schema.format)) ReferElements(schema, array, begin, length, piece);
  Finish(piece);
}

// The number of buffers of an array without rows.
int64_t BufferCount(absl::string_view format) {
  if (format == "n") return 0;
  if (IsStruct(format) || IsFixedList(format)) return 1;
  if (format == "vu" || format == "vz") return 3;  // the lengths of no further buffers
  if (format == "u" || format == "U" || format == "z" || format == "Z") return 3;
  return 2;
}

void MakeEmptyColumn(const ArrowSchema& schema, Piece* piece) {
  piece->buffers.assign(BufferCount(schema.format), kZeros);
  for (int64_t i = 0; i < schema.n_children; ++i) {
    piece->children.push_back(std::make_unique<Piece>());
    MakeEmptyColumn(*schema.children[i], piece->children.back().get());
  }
  Finish(piece);
}

bool IsNested(absl::string_view format) { return absl::StartsWith(format, "+"); }

absl::Status Unimplemented(absl::string_view what) {
  return absl::UnimplementedError(
      absl::StrCat("a column with ", what, ", which DuckDB 1.5 reads from wrong places"));
}

// For a column, or what lies inside of one.
absl::Status CheckType(const ArrowSchema& schema) {
  const absl::string_view format = schema.format;
  if (schema.dictionary != nullptr) return Unimplemented("a dictionary inside");
  if (IsNested(format) && !IsList(format) && !IsStruct(format)) {
    return Unimplemented(absl::StrCat("the format \"", format, "\""));
  }
  for (int64_t i = 0; i < schema.n_children; ++i) {
    if (absl::Status status = CheckType(*schema.children[i]); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckColumnType(const ArrowSchema& column) {
  const ArrowSchema* values = column.dictionary;
  if (values == nullptr) return CheckType(column);
  if (values->dictionary != nullptr || IsNested(values->format)) {
    return Unimplemented("a dictionary of nested values");
  }
  return absl::OkStatus();
}

void SliceArray(const ArrowSchema& schema, const ArrowArray& array, int64_t begin, int64_t length,
                std::shared_ptr<const void> owner, ArrowArray* out) {
  auto table = std::make_unique<Table>();
  table->column.owner = std::move(owner);
  SliceColumn(schema, array, begin, length, &table->column);
  Export(std::move(table), out);
}

void MakeEmptyArray(const ArrowSchema& schema, ArrowArray* out) {
  auto table = std::make_unique<Table>();
  MakeEmptyColumn(schema, &table->column);
  Export(std::move(table), out);
}

}  // namespace sql
