// ImportTable and its kin: see arrow.h.

#include "slabpipe/codec/arrow_import.h"

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "slabpipe/codec/arrow.h"
#include "slabpipe/codec/arrow_abi.h"
#include "slabpipe/codec/arrow_type.h"
#include "slabpipe/codec/buffer.h"
#include "slabpipe/codec/column_data.h"
#include "slabpipe/codec/models.h"

namespace slabpipe {
namespace {

absl::Status Bad(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("Arrow array: ", what));
}

// Owns what was taken from a producer.
template <typename Struct>
class Taken {
 public:
  // Leaves the mark of a moved struct behind.
  explicit Taken(Struct* source) : struct_(*source) { source->release = nullptr; }
  ~Taken() {
    if (struct_.release != nullptr) struct_.release(&struct_);
  }
  Taken(const Taken&) = delete;
  Taken& operator=(const Taken&) = delete;

  Struct& operator*() { return struct_; }
  Struct* operator->() { return &struct_; }

 private:
  Struct struct_;
};

using TakenArray = Taken<ArrowArray>;
using TakenSchema = Taken<ArrowSchema>;

// An array and what is below it, whose memory `owner` keeps.
class ArrayReader {
 public:
  explicit ArrayReader(std::shared_ptr<const void> owner) : owner_(std::move(owner)) {}
  absl::StatusOr<std::shared_ptr<const ColumnData>> Read(const ColumnType& type,
                                                         const ArrowArray& array);

 private:
  absl::Status CheckHead(const ColumnType& type, const ArrowArray& array, size_t buffers) const;
  absl::Status ReadBuffers(const ArrowArray& array, ColumnData& data);
  absl::Status ReadBelow(const ArrowArray& array, ColumnData& data);
  absl::StatusOr<ColumnBuffer> Own(const void* bytes, size_t size_bytes, size_t alignment) const;

  const std::shared_ptr<const void> owner_;
};

absl::Status ArrayReader::CheckHead(const ColumnType& type, const ArrowArray& array,
                                    size_t buffers) const {
  if (array.release == nullptr) return Bad("it has been released");
  if (array.length < 0 || array.offset < 0 || array.offset > kMaxColumnValues ||
      array.length > kMaxColumnValues - array.offset) {
    return Bad(
        absl::StrCat("length ", array.length, " and offset ", array.offset, " make no array"));
  }
  // Libraries of before 2020 give a null array a buffer.
  const bool null = type.kind() == ColumnType::kNull;
  if ((array.n_buffers != static_cast<int64_t>(buffers) && !null) ||
      (array.n_buffers > 0 && array.buffers == nullptr)) {
    return Bad(absl::StrCat(array.n_buffers, " buffers, wanted ", buffers, " for ", type.name()));
  }
  if (array.n_children != static_cast<int64_t>(type.fields().size()) ||
      (array.n_children > 0 && array.children == nullptr)) {
    return Bad(absl::StrCat(array.n_children, " children, wanted ", type.fields().size()));
  }
  return absl::OkStatus();
}

// The specification recommends alignment, and does not demand it: what is not aligned is copied.
absl::StatusOr<ColumnBuffer> ArrayReader::Own(const void* bytes, size_t size_bytes,
                                              size_t alignment) const {
  if (reinterpret_cast<uintptr_t>(bytes) % alignment == 0) {
    const absl::Span<const std::byte> span(static_cast<const std::byte*>(bytes), size_bytes);
    return ColumnBuffer::Of(Buffer::Own(span, owner_));
  }
  absl::StatusOr<Buffer> copy = Buffer::Allocate(size_bytes);
  if (!copy.ok()) return copy.status();
  if (size_bytes > 0) std::memcpy(copy->mutable_data(), bytes, size_bytes);
  return ColumnBuffer::Of(*std::move(copy));
}

// The interface tells no sizes: they follow from the numbers of rows, and from the last offset.
absl::Status ArrayReader::ReadBuffers(const ArrowArray& array, ColumnData& data) {
  const ColumnLayout layout = LayoutOf(data.type);
  const int64_t rows = array.offset + array.length;
  for (size_t i = 0; i < layout.buffers.size(); ++i) {
    const BufferRole role = layout.buffers[i];
    const void* bytes = array.buffers[i];
    if (role == BufferRole::kValues && layout.value_bytes > 0 &&
        rows > static_cast<int64_t>(PTRDIFF_MAX / layout.value_bytes)) {
      return Bad(absl::StrCat(rows, " values are more than an address space holds"));
    }
    size_t size = layout.BufferBytes(role, rows);
    if (role == BufferRole::kContent && array.length > 0) {
      const int64_t end = layout.buffers[1] == BufferRole::kOffsets32
                              ? data.buffers[1].as<int32_t>()[rows]
                              : data.buffers[1].as<int64_t>()[rows];
      if (end < 0) return Bad(absl::StrCat("offsets: the last one is ", end));
      size = static_cast<size_t>(end);
    }
    const bool no_rows = array.length == 0;
    if (bytes == nullptr && size > 0 && role != BufferRole::kValidity && !no_rows) {
      return Bad(absl::StrCat("buffer ", i, " is null, wanted ", size, " bytes"));
    }
    absl::StatusOr<ColumnBuffer> owned = ColumnBuffer();
    if (bytes != nullptr && !no_rows) {
      owned = Own(bytes, size, BufferAlignment(data.type, role));
      if (!owned.ok()) return owned.status();
    }
    data.buffers.push_back(*std::move(owned));
  }
  return absl::OkStatus();
}

absl::Status ArrayReader::ReadBelow(const ArrowArray& array, ColumnData& data) {
  for (size_t i = 0; i < data.type.fields().size(); ++i) {
    if (array.children[i] == nullptr) return Bad(absl::StrCat("child ", i, " is null"));
    auto child = Read(data.type.fields()[i].type, *array.children[i]);
    if (!child.ok()) {
      return InContext(absl::StrCat("'", data.type.fields()[i].name, "'"), child.status());
    }
    data.children.push_back(*std::move(child));
  }
  if (!data.type.is_categorical()) return absl::OkStatus();
  if (array.dictionary == nullptr) return Bad("its dictionary is missing");
  auto categories = Read(data.type.categories(), *array.dictionary);
  if (!categories.ok()) return InContext("dictionary", categories.status());
  data.dictionary = *std::move(categories);
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const ColumnData>> ArrayReader::Read(const ColumnType& type,
                                                                    const ArrowArray& array) {
  absl::Status status = CheckHead(type, array, LayoutOf(type).buffers.size());
  if (!status.ok()) return status;
  auto data = std::make_shared<ColumnData>();
  data->type = type;
  data->length = array.length;
  data->offset = array.length == 0 ? 0 : array.offset;
  status = ReadBuffers(array, *data);
  if (status.ok()) status = ReadBelow(array, *data);
  if (!status.ok()) return status;
  // What the producer says may be unknown (-1), or an upper bound: it is counted here.
  data->null_count = CountNulls(*data, 0, data->length);
  if (absl::Status checked = CheckColumn(*data); !checked.ok()) return Bad(checked.message());
  return data;
}

// Each column is moved out of the batch, so that each is released by itself.
absl::StatusOr<TableColumn> TakeColumn(const TableField& field, ArrowArray* array, int64_t begin,
                                       int64_t length) {
  const auto taken = std::make_shared<TakenArray>(array);
  auto data = ArrayReader(taken).Read(field.type, **taken);
  if (!data.ok()) return internal::InColumn(field.name, data.status());
  Column column = Column::FromChecked(*std::move(data));
  if (column.size() < begin + length) {
    return internal::InColumn(field.name,
                              Bad(absl::StrCat(column.size(), " values, wanted ", begin + length)));
  }
  return TableColumn{.name = field.name,
                     .values = *column.Slice(begin, begin + length),
                     .nullable = field.nullable,
                     .attributes = field.attributes};
}

absl::Status CheckBatch(const ArrowArray& array, size_t columns) {
  if (array.release == nullptr) return Bad("it has been released");
  if (array.length < 0 || array.offset < 0 || array.length > kMaxColumnValues ||
      array.offset > kMaxColumnValues) {
    return Bad(absl::StrCat("length ", array.length, ", offset ", array.offset));
  }
  if (array.n_children != static_cast<int64_t>(columns) ||
      (columns > 0 && array.children == nullptr)) {
    return Bad(absl::StrCat(array.n_children, " columns, wanted ", columns));
  }
  const bool has_bits =
      array.n_buffers > 0 && array.buffers != nullptr && array.buffers[0] != nullptr;
  if (has_bits && array.null_count != 0 &&
      CountZeros(static_cast<const std::byte*>(array.buffers[0]), array.offset, array.length) > 0) {
    return Bad("rows of a table can't be missing as a whole");
  }
  return absl::OkStatus();
}

absl::StatusOr<Table> SchemaTable(const ArrowSchema& schema) {
  absl::StatusOr<ColumnType> type = TypeOfSchema(schema);
  if (!type.ok()) return type.status();
  if (type->kind() != ColumnType::kStruct) {
    return absl::InvalidArgumentError(
        absl::StrCat("Arrow schema: it is ", type->name(), ", wanted a struct of columns"));
  }
  absl::StatusOr<Table> table = Table::Empty(type->fields());
  if (!table.ok()) return table;
  absl::StatusOr<ArrowMetadata> metadata = ReadArrowMetadata(schema.metadata);
  if (!metadata.ok()) return metadata.status();
  absl::Status taken = TakeTableMetadata(*metadata, *table);
  if (!taken.ok()) return taken;
  return table;
}

}  // namespace

absl::StatusOr<Table> ImportBatch(const Table& schema, ArrowArray* array) {
  TakenArray batch(array);
  absl::Status status = CheckBatch(*batch, schema.column_count());
  if (!status.ok()) return status;
  std::vector<TableColumn> columns;
  for (size_t i = 0; i < schema.column_count(); ++i) {
    if (batch->children[i] == nullptr) return Bad(absl::StrCat("column ", i, " is null"));
    absl::StatusOr<TableColumn> column =
        TakeColumn(schema.column(i).field(), batch->children[i], batch->offset, batch->length);
    if (!column.ok()) return column.status();
    columns.push_back(*std::move(column));
  }
  absl::StatusOr<Table> table = Table::Make(std::move(columns), batch->length);
  if (!table.ok()) return table;
  table->attributes() = schema.attributes();
  table->SetIndex(schema.range_index());
  if (absl::Status indexed = table->SetIndex(schema.index_columns()); !indexed.ok()) return indexed;
  return table;
}

absl::StatusOr<Table> ImportTable(ArrowSchema* schema, ArrowArray* array) {
  TakenSchema taken_schema(schema);
  TakenArray taken_array(array);
  absl::StatusOr<Table> columns = SchemaTable(*taken_schema);
  if (!columns.ok()) return columns;
  return ImportBatch(*columns, &*taken_array);
}

absl::StatusOr<TableColumn> ImportColumn(ArrowSchema* schema, ArrowArray* array) {
  TakenSchema taken_schema(schema);
  TakenArray taken_array(array);
  absl::StatusOr<TableField> field = FieldOfSchema(*taken_schema);
  if (!field.ok()) return field.status();
  return TakeColumn(*field, &*taken_array, 0, taken_array->length);
}

absl::StatusOr<Table> ImportSchema(ArrowSchema* schema) {
  TakenSchema taken(schema);
  return SchemaTable(*taken);
}

}  // namespace slabpipe
