#include "slabpipe/tests/examples/arrow_table.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace slabpipe::tests {
namespace {

// What a schema or an array, and all inside of it, owns. Private to the one at the top of each: the
// ones inside have their own.
struct OwnedSchema {
  std::string name, format;
  std::vector<ArrowSchema> children;
  std::vector<ArrowSchema*> pointers;
  std::unique_ptr<ArrowSchema> dictionary;
  Counts* counts;
};

struct OwnedArray {
  std::vector<std::unique_ptr<uint8_t[]>> memory;
  std::vector<const void*> buffers;
  std::vector<ArrowArray> children;
  std::vector<ArrowArray*> pointers;
  std::unique_ptr<ArrowArray> dictionary;
  Counts* counts;
};

template <typename Struct, typename Owned>
void Release(Struct* of) {
  auto* owned = static_cast<Owned*>(of->private_data);
  for (Struct* child : owned->pointers) {
    if (child->release != nullptr) child->release(child);
  }
  if (owned->dictionary != nullptr && owned->dictionary->release != nullptr) {
    owned->dictionary->release(owned->dictionary.get());
  }
  ++owned->counts->released;
  delete owned;
  of->release = nullptr;
}

ArrowSchema SchemaOf(const ArrowColumn& column, Counts* counts) {
  auto* owned = new OwnedSchema{.name = column.name,
                                .format = column.format,
                                .children = {},
                                .pointers = {},
                                .dictionary = nullptr,
                                .counts = counts};
  for (const ArrowColumn& child : column.children)
    owned->children.push_back(SchemaOf(child, counts));
  for (ArrowSchema& child : owned->children) owned->pointers.push_back(&child);
  if (column.dictionary != nullptr) {
    owned->dictionary = std::make_unique<ArrowSchema>(SchemaOf(*column.dictionary, counts));
  }
  ++counts->made;
  ArrowSchema schema = {};
  schema.format = owned->format.c_str();
  schema.name = owned->name.c_str();
  schema.flags = ARROW_FLAG_NULLABLE;
  schema.n_children = static_cast<int64_t>(owned->pointers.size());
  schema.children = owned->pointers.data();
  schema.dictionary = owned->dictionary.get();
  schema.release = Release<ArrowSchema, OwnedSchema>;
  schema.private_data = owned;
  return schema;
}

void AddBuffer(const std::optional<Bytes>& bytes, OwnedArray* owned) {
  if (!bytes.has_value()) {
    owned->buffers.push_back(nullptr);
    return;
  }
  owned->memory.push_back(std::make_unique<uint8_t[]>(bytes->size()));
  std::copy(bytes->begin(), bytes->end(), owned->memory.back().get());
  owned->buffers.push_back(owned->memory.back().get());
}

ArrowArray ArrayOf(const ArrowColumn& column, Counts* counts) {
  auto* owned = new OwnedArray{.memory = {},
                               .buffers = {},
                               .children = {},
                               .pointers = {},
                               .dictionary = nullptr,
                               .counts = counts};
  for (const std::optional<Bytes>& bytes : column.buffers) AddBuffer(bytes, owned);
  for (const ArrowColumn& child : column.children)
    owned->children.push_back(ArrayOf(child, counts));
  for (ArrowArray& child : owned->children) owned->pointers.push_back(&child);
  if (column.dictionary != nullptr) {
    owned->dictionary = std::make_unique<ArrowArray>(ArrayOf(*column.dictionary, counts));
  }
  ++counts->made;
  ArrowArray array = {};
  array.length = column.length;
  array.null_count = column.null_count;
  array.offset = column.offset;
  array.n_buffers = static_cast<int64_t>(owned->buffers.size());
  array.buffers = owned->buffers.data();
  array.n_children = static_cast<int64_t>(owned->pointers.size());
  array.children = owned->pointers.data();
  array.dictionary = owned->dictionary.get();
  array.release = Release<ArrowArray, OwnedArray>;
  array.private_data = owned;
  return array;
}

template <typename Offset>
ArrowColumn MakeTextsWith(std::string name, const Texts& values, std::string format) {
  ArrowColumn column{.name = std::move(name), .format = std::move(format)};
  column.length = static_cast<int64_t>(values.size());
  std::vector<std::optional<Offset>> offsets = {Offset{0}};
  Bytes bytes;
  for (const std::optional<std::string>& value : values) {
    if (value.has_value()) bytes.insert(bytes.end(), value->begin(), value->end());
    offsets.push_back(static_cast<Offset>(bytes.size()));
  }
  column.buffers = {Bitmap(values, &column.null_count), Numbers("", "", offsets).buffers[1], bytes};
  return column;
}

struct Stream {
  std::vector<std::vector<ArrowColumn>> batches;
  size_t next = 0;
  int error;
  Counts* counts;
};

Stream& StreamOf(ArrowArrayStream* stream) { return *static_cast<Stream*>(stream->private_data); }

int StreamSchema(ArrowArrayStream* stream, ArrowSchema* out) {
  *out = MakeSchema(StreamOf(stream).batches.at(0), StreamOf(stream).counts);
  return 0;
}

int StreamNext(ArrowArrayStream* stream, ArrowArray* out) {
  Stream& of = StreamOf(stream);
  *out = {};
  if (of.next == of.batches.size()) return of.error;
  *out = MakeArray(of.batches[of.next++], of.counts);
  return 0;
}

void StreamRelease(ArrowArrayStream* stream) {
  ++StreamOf(stream).counts->released;
  delete &StreamOf(stream);
  stream->release = nullptr;
}

}  // namespace

ArrowColumn ArrowColumn::Skip(int64_t rows) const {
  ArrowColumn rest = *this;
  rest.offset += rows;
  rest.length -= rows;
  rest.null_count = null_count == 0 ? 0 : -1;
  return rest;
}

ArrowColumn MakeBools(std::string name, std::vector<std::optional<bool>> values) {
  ArrowColumn column{.name = std::move(name), .format = "b"};
  column.length = static_cast<int64_t>(values.size());
  std::vector<std::optional<bool>> set(values);
  for (std::optional<bool>& value : set) {
    if (!value.value_or(false)) value.reset();  // Bitmap writes a bit for each that is there
  }
  int64_t ignored;
  column.buffers = {Bitmap(values, &column.null_count),
                    Bitmap(set, &ignored).value_or(Bytes((values.size() + 7) / 8, 0xff))};
  return column;
}

ArrowColumn MakeTexts(std::string name, const Texts& values, std::string format) {
  if (format == "U" || format == "Z") return MakeTextsWith<int64_t>(name, values, format);
  return MakeTextsWith<int32_t>(name, values, format);
}

ArrowColumn CategoriesOf(std::string name, std::vector<std::optional<int8_t>> codes,
                         ArrowColumn values) {
  ArrowColumn column = Numbers<int8_t>(std::move(name), "c", std::move(codes));
  column.dictionary = std::make_shared<ArrowColumn>(std::move(values));
  return column;
}

ArrowColumn Categories(std::string name, std::vector<std::optional<int8_t>> codes,
                       const Texts& values) {
  return CategoriesOf(std::move(name), std::move(codes), MakeTexts("", values));
}

ArrowColumn MakeLists(std::string name, const std::vector<std::optional<int32_t>>& sizes,
                      ArrowColumn elements) {
  ArrowColumn column{.name = std::move(name), .format = "+l"};
  column.length = static_cast<int64_t>(sizes.size());
  std::vector<std::optional<int32_t>> offsets = {0};
  for (const std::optional<int32_t>& size : sizes) {
    offsets.push_back(*offsets.back() + size.value_or(0));
  }
  column.buffers = {Bitmap(sizes, &column.null_count), Numbers("", "", offsets).buffers[1]};
  column.children.push_back(std::move(elements));
  return column;
}

ArrowColumn MakeFixedLists(std::string name, int32_t size, ArrowColumn elements,
                           const std::vector<std::optional<bool>>& there) {
  ArrowColumn column{.name = std::move(name), .format = "+w:" + std::to_string(size)};
  column.length = elements.length / size;
  column.buffers = {Bitmap(there, &column.null_count)};
  column.children.push_back(std::move(elements));
  return column;
}

ArrowColumn MakeStructs(std::string name, std::vector<ArrowColumn> fields,
                        const std::vector<std::optional<bool>>& there) {
  ArrowColumn column{.name = std::move(name), .format = "+s"};
  column.length = fields.at(0).length;
  column.buffers = {Bitmap(there, &column.null_count)};
  column.children = std::move(fields);
  return column;
}

ArrowSchema MakeSchema(const std::vector<ArrowColumn>& columns, Counts* counts) {
  ArrowColumn table{.name = "", .format = "+s", .children = columns};
  return SchemaOf(table, counts);
}

ArrowArray MakeArray(const std::vector<ArrowColumn>& columns, Counts* counts) {
  ArrowColumn table{.name = "", .format = "+s", .buffers = {std::nullopt}, .children = columns};
  table.length = columns.empty() ? 0 : columns[0].length;
  return ArrayOf(table, counts);
}

ArrowArrayStream MakeStream(std::vector<std::vector<ArrowColumn>> batches, Counts* counts,
                            int error) {
  ++counts->made;
  ArrowArrayStream stream = {};
  stream.get_schema = StreamSchema;
  stream.get_next = StreamNext;
  stream.get_last_error = [](ArrowArrayStream*) -> const char* { return nullptr; };
  stream.release = StreamRelease;
  stream.private_data =
      new Stream{.batches = std::move(batches), .next = 0, .error = error, .counts = counts};
  return stream;
}

}  // namespace slabpipe::tests
