#include "slabpipe/examples/sql/dictionary.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace sql {
namespace {

// What stands for a missing value among codes.
constexpr uint32_t kMissing = UINT32_MAX;

bool BitIsSet(const void* bitmap, int64_t i) {
  return (static_cast<const uint8_t*>(bitmap)[i / 8] >> (i % 8) & 1) != 0;
}

// The codes from `begin` on, missing ones included; one that can't be a code becomes kMissing - 1.
template <typename Code>
void Widen(const void* buffer, int64_t begin, std::vector<uint32_t>* codes) {
  const Code* from = static_cast<const Code*>(buffer) + begin;
  for (size_t i = 0; i < codes->size(); ++i) {
    // A negative one is huge as uint64_t.
    (*codes)[i] = static_cast<uint32_t>(
        std::min<uint64_t>(static_cast<uint64_t>(from[i]), uint64_t{kMissing - 1}));
  }
}

bool WidenAs(char format, const void* buffer, int64_t begin, std::vector<uint32_t>* codes) {
  switch (format) {
    case 'c':
      Widen<int8_t>(buffer, begin, codes);
      return true;
    case 'C':
      Widen<uint8_t>(buffer, begin, codes);
      return true;
    case 's':
      Widen<int16_t>(buffer, begin, codes);
      return true;
    case 'S':
      Widen<uint16_t>(buffer, begin, codes);
      return true;
    case 'i':
      Widen<int32_t>(buffer, begin, codes);
      return true;
    case 'I':
      Widen<uint32_t>(buffer, begin, codes);
      return true;
    case 'l':
      Widen<int64_t>(buffer, begin, codes);
      return true;
    case 'L':
      Widen<uint64_t>(buffer, begin, codes);
      return true;
    default:
      return false;
  }
}

// The texts of `count` values of an imported dictionary; empty if one is missing, there twice, or
// holds a zero byte, which the name of an ENUM's value can't.
std::vector<std::string> EnumNames(const DuckdbApi& duckdb, DuckdbVector values, int64_t count) {
  const auto* texts = static_cast<const DuckdbString*>(duckdb.vector_get_data(values));
  const uint64_t* validity = duckdb.vector_get_validity(values);
  std::vector<std::string> names;
  absl::flat_hash_set<std::string> seen;
  for (int64_t i = 0; i < count; ++i) {
    if (validity != nullptr && (validity[i / 64] >> (i % 64) & 1) == 0) return {};
    std::string name(texts[i].data(), texts[i].length);
    if (name.find('\0') != std::string::npos || !seen.insert(name).second) return {};
    names.push_back(std::move(name));
  }
  return names;
}

template <typename Code>
void Narrow(const std::vector<uint32_t>& codes, void* to) {
  for (size_t i = 0; i < codes.size(); ++i) {
    static_cast<Code*>(to)[i] = codes[i] == kMissing ? Code{0} : static_cast<Code>(codes[i]);
  }
}

void WriteEnum(const DuckdbApi& duckdb, int internal_type, const std::vector<uint32_t>& codes,
               DuckdbVector vector) {
  void* to = duckdb.vector_get_data(vector);
  switch (internal_type) {
    case kDuckdbUint8:
      return Narrow<uint8_t>(codes, to);
    case kDuckdbUint16:
      return Narrow<uint16_t>(codes, to);
    default:
      return Narrow<uint32_t>(codes, to);
  }
}

void CopyValues(const DuckdbApi& duckdb, DuckdbVector values, const std::vector<uint32_t>& codes,
                DuckdbVector vector) {
  DuckdbSelection selection = duckdb.create_selection_vector(codes.size());
  uint32_t* rows = duckdb.selection_vector_get_data_ptr(selection);
  for (size_t i = 0; i < codes.size(); ++i) rows[i] = codes[i] == kMissing ? 0 : codes[i];
  duckdb.vector_copy_sel(values, vector, selection, codes.size(), 0, 0);
  duckdb.destroy_selection_vector(selection);
}

void MarkMissing(const DuckdbApi& duckdb, const std::vector<uint32_t>& codes, DuckdbVector vector) {
  if (std::find(codes.begin(), codes.end(), kMissing) == codes.end()) return;
  duckdb.vector_ensure_validity_writable(vector);
  uint64_t* validity = duckdb.vector_get_validity(vector);
  for (size_t i = 0; i < codes.size(); ++i) {
    if (codes[i] == kMissing) duckdb.validity_set_row_invalid(validity, i);
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<DictionaryColumn>> DictionaryColumn::Make(
    const DuckdbApi& duckdb, DuckdbConnection connection, std::shared_ptr<const ArrowBatches> table,
    int64_t index) {
  const ArrowSchema& schema = *table->column_schema(index).dictionary;
  absl::StatusOr<ArrowImporter> importer = ArrowImporter::Make(duckdb, connection, schema);
  if (!importer.ok()) return importer.status();
  absl::StatusOr<DuckdbOwned<DuckdbType>> type = importer->Type();
  if (!type.ok()) return type.status();
  std::unique_ptr<DictionaryColumn> column(
      new DictionaryColumn(duckdb, table, index, std::move(*type)));
  for (int64_t batch = 0; batch < table->batch_count(); ++batch) {
    const ArrowArray* values = table->column(batch, index).dictionary;
    if (values == nullptr) return absl::InvalidArgumentError("an array lacks its dictionary");
    ArrowArray slice;
    table->Slice(schema, *values, values->offset, values->length, &slice);
    absl::StatusOr<DuckdbOwned<DuckdbChunk>> chunk = importer->Import(&slice);
    if (!chunk.ok()) return chunk.status();
    column->values_.push_back(std::move(*chunk));
  }
  if (duckdb.get_type_id(column->values_type_.get()) == kDuckdbVarchar) column->MakeEnum();
  return column;
}

void DictionaryColumn::MakeEnum() {
  std::vector<std::string> names;
  for (size_t batch = 0; batch < values_.size(); ++batch) {
    std::vector<std::string> of_batch =
        EnumNames(duckdb_, duckdb_.data_chunk_get_vector(values_[batch].get(), 0),
                  table_->column(static_cast<int64_t>(batch), index_).dictionary->length);
    if (batch > 0 && of_batch != names) return;
    names = std::move(of_batch);
  }
  if (names.empty()) return;
  std::vector<const char*> pointers;
  for (const std::string& name : names) pointers.push_back(name.c_str());
  *enum_.out() = duckdb_.create_enum_type(pointers.data(), pointers.size());
}

absl::Status DictionaryColumn::ReadCodes(int64_t batch, int64_t begin, int64_t length,
                                         std::vector<uint32_t>* codes) const {
  const ArrowArray& column = table_->column(batch, index_);
  const ArrowSchema& schema = table_->column_schema(index_);
  const int64_t first = table_->first_row(batch, index_) + begin;
  codes->resize(length);
  if (!WidenAs(schema.format[0], column.buffers[1], first, codes)) {
    return absl::InvalidArgumentError(
        absl::StrCat("codes of the Arrow format \"", schema.format, "\""));
  }
  const void* bitmap = column.null_count == 0 ? nullptr : column.buffers[0];
  for (int64_t i = 0; i < length; ++i) {
    if (bitmap != nullptr && !BitIsSet(bitmap, first + i)) {
      (*codes)[i] = kMissing;
    } else if ((*codes)[i] >= static_cast<uint64_t>(column.dictionary->length)) {
      return absl::InvalidArgumentError(absl::StrCat("row ", begin + i, " of column '", schema.name,
                                                     "' has no value: of ",
                                                     column.dictionary->length, " categories"));
    }
  }
  return absl::OkStatus();
}

absl::Status DictionaryColumn::Fill(int64_t batch, int64_t begin, int64_t length,
                                    DuckdbVector vector) const {
  std::vector<uint32_t> codes;
  if (absl::Status status = ReadCodes(batch, begin, length, &codes); !status.ok()) return status;
  if (enum_) {
    WriteEnum(duckdb_, duckdb_.enum_internal_type(enum_.get()), codes, vector);
  } else if (table_->column(batch, index_).dictionary->length > 0) {
    CopyValues(duckdb_, duckdb_.data_chunk_get_vector(values_[batch].get(), 0), codes, vector);
  }
  MarkMissing(duckdb_, codes, vector);
  return absl::OkStatus();
}

}  // namespace sql
