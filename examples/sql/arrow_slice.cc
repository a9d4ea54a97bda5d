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

// A copy of the bits [begin, begin + length) of `bitmap`, at the same place in their bytes, with a
// byte after them.
std::vector<uint8_t> CopyBits(const uint8_t* bitmap, int64_t begin, int64_t length) {
  const int64_t first_byte = begin / 8;
  const int64_t end_byte = (begin + length + 7) / 8;
  std::vector<uint8_t> copy(end_byte - first_byte + 1);
  std::memcpy(copy.data(), bitmap + first_byte, end_byte - first_byte);
  return copy;
}

// The same from the first bit of the first byte on.
std::vector<uint8_t> ShiftBits(const uint8_t* bitmap, int64_t begin, int64_t length) {
  std::vector<uint8_t> bits = CopyBits(bitmap, begin, length);
  const int shift = static_cast<int>(begin % 8);
  for (size_t i = 0; i + 1 < bits.size(); ++i) {
    bits[i] = static_cast<uint8_t>((bits[i] | bits[i + 1] << 8) >> shift);
  }
  return bits;
}

// A piece of `array` with the same buffers, of which the rows [begin, begin + length) will be read:
// a copy of their bitmap, if they start inside of a byte.
void Refer(const ArrowArray& array, int64_t begin, int64_t length, Piece* piece) {
  piece->array = array;
  piece->array.null_count = array.null_count == 0 ? 0 : -1;
  piece->buffers.assign(array.buffers, array.buffers + array.n_buffers);
  if (piece->array.null_count == 0 || begin % 8 == 0 || piece->buffers.empty()) return;
  if (piece->buffers[0] == nullptr) return;
  piece->validity = CopyBits(static_cast<const uint8_t*>(piece->buffers[0]), begin, length);
  // SUBTLE: not an address of anything, until a reader adds the first row's byte.
  piece->buffers[0] = reinterpret_cast<const void*>(
      reinterpret_cast<uintptr_t>(piece->validity.data()) - static_cast<uintptr_t>(begin / 8));
}

bool IsFixedList(absl::string_view format) { return absl::StartsWith(format, "+w:"); }

// Elements of each list, of a fixed size.
int64_t ListSize(const ArrowSchema& schema) { return std::strtoll(schema.format + 3, nullptr, 10); }

// The row of the elements where row `row` of the lists begins.
int64_t ListBegin(const ArrowSchema& schema, const ArrowArray& lists, int64_t row) {
  if (IsFixedList(schema.format)) return row * ListSize(schema);
  if (schema.format[1] == 'L') return static_cast<const int64_t*>(lists.buffers[1])[row];
  return static_cast<const int32_t*>(lists.buffers[1])[row];
}

// Refer for arrays below a column: their offsets stay as they are, since lists count from there.
void ReferBelow(const ArrowSchema& schema, const ArrowArray& array, int64_t begin, int64_t length,
                Piece* piece) {
  Refer(array, begin, length, piece);
  if (schema.n_children == 1 && length > 0) {
    const int64_t first = ListBegin(schema, array, begin);
    const int64_t elements = ListBegin(schema, array, begin + length) - first;
    const ArrowArray& below = *array.children[0];
    piece->children.push_back(std::make_unique<Piece>());
    ReferBelow(*schema.children[0], below, below.offset + first, elements,
               piece->children.back().get());
  } else if (schema.n_children == 1) {
    piece->children.push_back(std::make_unique<Piece>());
    ReferBelow(*schema.children[0], *array.children[0], 0, 0, piece->children.back().get());
  }
  Finish(piece);
}

// Rows [begin, begin + length) of a column, or of a field of a struct that is one.
void SliceColumn(const ArrowSchema& schema, const ArrowArray& array, int64_t begin, int64_t length,
                 Piece* piece) {
  if (std::strcmp(schema.format, "+s") != 0) {
    ReferBelow(schema, array, begin, length, piece);
    piece->array.offset = begin;
    piece->array.length = length;
    return;
  }
  // A struct starts at its first row: its fields do in their arrays.
  Refer(array, 0, 0, piece);
  if (piece->array.null_count != 0 && !piece->buffers.empty() && piece->buffers[0] != nullptr) {
    piece->validity = ShiftBits(static_cast<const uint8_t*>(array.buffers[0]), begin, length);
    piece->buffers[0] = piece->validity.data();
  }
  for (int64_t i = 0; i < schema.n_children; ++i) {
    const ArrowArray& field = *array.children[i];
    piece->children.push_back(std::make_unique<Piece>());
    SliceColumn(*schema.children[i], field, field.offset + begin, length,
                piece->children.back().get());
  }
  Finish(piece);
  piece->array.offset = 0;
  piece->array.length = length;
}

// The number of buffers of an array without rows.
int64_t BufferCount(absl::string_view format) {
  if (format == "n") return 0;
  if (format == "+s" || IsFixedList(format)) return 1;
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

// For a column, or what lies inside of one, of lists if `in_list`.
absl::Status CheckType(const ArrowSchema& schema, bool in_list) {
  const absl::string_view format = schema.format;
  if (schema.dictionary != nullptr) return Unimplemented("a dictionary inside");
  if (format == "+s" && in_list) return Unimplemented("a struct inside of a list");
  const bool is_list = format == "+l" || format == "+L" || IsFixedList(format);
  if (IsNested(format) && !is_list && format != "+s") {
    return Unimplemented(absl::StrCat("the format \"", format, "\""));
  }
  for (int64_t i = 0; i < schema.n_children; ++i) {
    absl::Status status = CheckType(*schema.children[i], in_list || is_list);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckColumnType(const ArrowSchema& column) {
  const ArrowSchema* values = column.dictionary;
  if (values == nullptr) return CheckType(column, /*in_list=*/false);
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
