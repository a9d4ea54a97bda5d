// ExportTable and its kin: see arrow.h.

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "slabpipe/codec/arrow.h"
#include "slabpipe/codec/arrow_abi.h"
#include "slabpipe/codec/arrow_type.h"
#include "slabpipe/codec/column_copy.h"
#include "slabpipe/codec/column_data.h"

namespace slabpipe {
namespace {

// What an exported schema points to: its own.
struct SchemaHolder {
  std::string format;
  std::string name;
  std::string metadata;
  std::vector<ArrowSchema> children;
  std::vector<ArrowSchema*> child_pointers;
  ArrowSchema dictionary = {};
};

// Children that were moved elsewhere are marked as released.
template <typename Struct>
void ReleaseOnce(Struct& exported) {
  if (exported.release != nullptr) exported.release(&exported);
}

template <typename Holder, typename Struct>
void Release(Struct* exported) {
  auto* holder = static_cast<Holder*>(exported->private_data);
  for (Struct& child : holder->children) ReleaseOnce(child);
  ReleaseOnce(holder->dictionary);
  delete holder;
  exported->release = nullptr;
}

// Children get their pointers when they have all been made, and stay where they are.
template <typename Holder, typename Struct>
void LinkChildren(Holder& holder, Struct* exported) {
  for (Struct& child : holder.children) holder.child_pointers.push_back(&child);
  exported->n_children = static_cast<int64_t>(holder.children.size());
  exported->children = holder.child_pointers.empty() ? nullptr : holder.child_pointers.data();
  exported->dictionary = holder.dictionary.release == nullptr ? nullptr : &holder.dictionary;
  exported->release = &Release<Holder, Struct>;
  exported->private_data = &holder;
}

void FillSchema(const TableField& field, ArrowMetadata metadata, ArrowSchema* schema) {
  auto* holder = new SchemaHolder{.format = ArrowFormat(field.type),
                                  .name = field.name,
                                  .metadata = WriteArrowMetadata(metadata),
                                  .children = {},
                                  .child_pointers = {}};
  holder->children.resize(field.type.fields().size());
  for (size_t i = 0; i < holder->children.size(); ++i) {
    const TableField& child = field.type.fields()[i];
    FillSchema(child, ToArrowMetadata(child.attributes), &holder->children[i]);
  }
  if (field.type.is_categorical()) {
    FillSchema({.name = "", .type = field.type.categories()}, {}, &holder->dictionary);
  }
  *schema = {};
  schema->format = holder->format.c_str();
  schema->name = holder->name.c_str();
  schema->metadata = holder->metadata.empty() ? nullptr : holder->metadata.data();
  schema->flags = (field.nullable ? ARROW_FLAG_NULLABLE : 0) |
                  (field.type.ordered() ? ARROW_FLAG_DICTIONARY_ORDERED : 0);
  LinkChildren(*holder, schema);
}

void FillTableSchema(const Table& table, ArrowSchema* schema) {
  std::vector<TableField> fields;
  for (const TableColumn& column : table.columns()) fields.push_back(column.field());
  const TableField batch = {
      .name = "", .type = ColumnType::Struct(std::move(fields)), .nullable = false};
  FillSchema(batch, TableMetadata(table), schema);
}

// What an exported array points to: the column's data, which keeps its buffers.
struct ArrayHolder {
  std::shared_ptr<const ColumnData> data;
  std::vector<const void*> buffers;
  std::vector<ArrowArray> children;
  std::vector<ArrowArray*> child_pointers;
  ArrowArray dictionary = {};
};

// Stands for buffers without bytes, which some libraries don't take as null; and an offset of 0
// where there are no rows.
alignas(64) constexpr char kNoBytes[64] = {};

// The consumer gets `length` values from `begin` on, data.offset not counted.
void FillArray(std::shared_ptr<const ColumnData> data, int64_t begin, int64_t length,
               int64_t null_count, ArrowArray* array) {
  auto* holder =
      new ArrayHolder{.data = std::move(data), .buffers = {}, .children = {}, .child_pointers = {}};
  const ColumnData& column = *holder->data;
  for (size_t i = 0; i < column.buffers.size(); ++i) {
    const ColumnBuffer& buffer = column.buffers[i];
    const bool validity = i == 0;
    const void* absent = validity ? nullptr : kNoBytes;
    holder->buffers.push_back(buffer.size_bytes == 0 ? absent : buffer.data);
  }
  holder->children.resize(column.children.size());
  for (size_t i = 0; i < column.children.size(); ++i) {
    const auto& child = column.children[i];
    FillArray(child, 0, child->length, child->null_count, &holder->children[i]);
  }
  if (column.dictionary != nullptr) {
    const auto& dictionary = column.dictionary;
    FillArray(dictionary, 0, dictionary->length, dictionary->null_count, &holder->dictionary);
  }
  *array = {};
  array->length = length;
  array->null_count = null_count;
  array->offset = length == 0 ? 0 : column.offset + begin;
  array->n_buffers = static_cast<int64_t>(holder->buffers.size());
  array->buffers = holder->buffers.empty() ? nullptr : holder->buffers.data();
  LinkChildren(*holder, array);
}

absl::Status FillColumn(const Column& column, const ArrowExportOptions& options,
                        ArrowArray* array) {
  absl::StatusOr<Column> safe = options.trust_peer ? column : PinIndices(column);
  if (!safe.ok()) return safe.status();
  FillArray(safe->data(), safe->begin(), safe->size(), safe->null_count(), array);
  return absl::OkStatus();
}

// A struct without missing values.
absl::Status FillTable(const Table& table, const ArrowExportOptions& options, ArrowArray* array) {
  auto* holder =
      new ArrayHolder{.data = nullptr, .buffers = {nullptr}, .children = {}, .child_pointers = {}};
  holder->children.resize(table.column_count());
  absl::Status status;
  for (size_t i = 0; i < table.column_count() && status.ok(); ++i) {
    const TableColumn& column = table.column(i);
    status =
        internal::InColumn(column.name, FillColumn(column.values, options, &holder->children[i]));
  }
  *array = {};
  array->length = table.row_count();
  array->n_buffers = 1;
  array->buffers = holder->buffers.data();
  LinkChildren(*holder, array);
  if (!status.ok()) array->release(array);
  return status;
}

}  // namespace

absl::StatusOr<Table> PinIndices(const Table& table) {
  std::vector<TableColumn> columns = table.columns();
  for (TableColumn& column : columns) {
    absl::StatusOr<Column> pinned = PinIndices(column.values);
    if (!pinned.ok()) return internal::InColumn(column.name, pinned.status());
    column.values = *std::move(pinned);
  }
  return table.WithColumns(std::move(columns));
}

absl::Status ExportSchema(const Table& table, ArrowSchema* schema) {
  FillTableSchema(table, schema);
  return absl::OkStatus();
}

absl::Status ExportTable(const Table& table, ArrowSchema* schema, ArrowArray* array,
                         const ArrowExportOptions& options) {
  if (absl::Status status = FillTable(table, options, array); !status.ok()) return status;
  FillTableSchema(table, schema);
  return absl::OkStatus();
}

absl::Status ExportColumn(const TableColumn& column, ArrowSchema* schema, ArrowArray* array,
                          const ArrowExportOptions& options) {
  absl::Status status = FillColumn(column.values, options, array);
  if (!status.ok()) return internal::InColumn(column.name, status);
  FillSchema(column.field(), ToArrowMetadata(column.attributes), schema);
  return absl::OkStatus();
}

}  // namespace slabpipe
