#include "slabpipe/examples/sql/arrow_import.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "slabpipe/examples/sql/arrow_slice.h"

namespace sql {
namespace {

void ReleaseNothing(ArrowSchema* schema) { schema->release = nullptr; }

// What the conversions say is JSON, of which this is the text itself; what others say is plain.
absl::string_view PlainMessage(absl::string_view message) {
  constexpr absl::string_view kKey = "\"exception_message\":\"";
  const size_t key = message.find(kKey);
  if (key == absl::string_view::npos) return message;
  const size_t begin = key + kKey.size();
  size_t end = begin;
  while (end < message.size() && message[end] != '"') end += message[end] == '\\' ? 2 : 1;
  return message.substr(begin, end - begin);
}

}  // namespace

absl::Status TakeError(const DuckdbApi& duckdb, DuckdbError error, absl::StatusCode code,
                       const char* what) {
  if (error == nullptr) return absl::OkStatus();
  absl::Status status(code,
                      absl::StrCat(what, ": ", PlainMessage(duckdb.error_data_message(error))));
  duckdb.destroy_error_data(&error);
  return status;
}

absl::StatusOr<ArrowImporter> ArrowImporter::Make(const DuckdbApi& duckdb,
                                                  DuckdbConnection connection,
                                                  const ArrowSchema& column) {
  ArrowImporter importer(duckdb, connection, column);
  ArrowSchema* children[] = {&importer.column_};
  ArrowSchema table = {};
  table.format = "+s";
  table.name = "";
  table.n_children = 1;
  table.children = children;
  table.release = ReleaseNothing;
  const absl::Status status =
      TakeError(duckdb, duckdb.schema_from_arrow(connection, &table, importer.converted_.out()),
                absl::StatusCode::kUnimplemented, "DuckDB does not take a column's Arrow type");
  if (!status.ok()) return status;
  return importer;
}

absl::StatusOr<DuckdbOwned<DuckdbType>> ArrowImporter::Type() const {
  ArrowArray empty;
  MakeEmptyArray(column_, &empty);
  absl::StatusOr<DuckdbOwned<DuckdbChunk>> chunk = Import(&empty);
  if (!chunk.ok()) return chunk.status();
  return DuckdbOwned<DuckdbType>(
      duckdb_->destroy_logical_type,
      duckdb_->vector_get_column_type(duckdb_->data_chunk_get_vector(chunk->get(), 0)));
}

absl::StatusOr<DuckdbOwned<DuckdbChunk>> ArrowImporter::Import(ArrowArray* slice) const {
  DuckdbOwned<DuckdbChunk> chunk(duckdb_->destroy_data_chunk);
  const absl::Status status = TakeError(
      *duckdb_, duckdb_->data_chunk_from_arrow(connection_, slice, converted_.get(), chunk.out()),
      absl::StatusCode::kInvalidArgument, "DuckDB does not take an Arrow array");
  if (slice->release != nullptr) slice->release(slice);
  if (!status.ok()) return status;
  return chunk;
}

}  // namespace sql
