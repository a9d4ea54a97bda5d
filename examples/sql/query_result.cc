#include "slabpipe/examples/sql/query_result.h"

#include <cerrno>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "slabpipe/examples/sql/arrow_import.h"

namespace sql {
namespace {

// What a stream owns.
struct Stream {
  QueryResult result;
  std::string last_error;
};

Stream& StreamOf(ArrowArrayStream* stream) { return *static_cast<Stream*>(stream->private_data); }

int Fail(Stream& stream, const absl::Status& status) {
  stream.last_error = std::string(status.message());
  return EIO;
}

int StreamSchema(ArrowArrayStream* stream, ArrowSchema* out) {
  const absl::Status status = StreamOf(stream).result.Schema(out);
  return status.ok() ? 0 : Fail(StreamOf(stream), status);
}

int StreamNext(ArrowArrayStream* stream, ArrowArray* out) {
  const absl::StatusOr<bool> more = StreamOf(stream).result.Next(out);
  if (!more.ok()) return Fail(StreamOf(stream), more.status());
  if (!*more) out->release = nullptr;
  return 0;
}

const char* StreamError(ArrowArrayStream* stream) {
  const std::string& error = StreamOf(stream).last_error;
  return error.empty() ? nullptr : error.c_str();
}

void StreamRelease(ArrowArrayStream* stream) {
  delete &StreamOf(stream);
  stream->release = nullptr;
}

}  // namespace

QueryResult::QueryResult(const DuckdbApi& duckdb, DuckdbResult result,
                         std::shared_ptr<const void> connection)
    : duckdb_(&duckdb),
      connection_(std::move(connection)),
      result_(result),
      options_(duckdb.destroy_arrow_options, duckdb.result_get_arrow_options(&result_)) {}

QueryResult::QueryResult(QueryResult&& other)
    : duckdb_(other.duckdb_),
      connection_(std::move(other.connection_)),
      result_(std::exchange(other.result_, {})),
      options_(std::move(other.options_)) {}

QueryResult::~QueryResult() {
  if (result_.internal_data != nullptr) duckdb_->destroy_result(&result_);
}

absl::Status QueryResult::Schema(ArrowSchema* out) {
  *out = {};
  std::vector<DuckdbOwned<DuckdbType>> owned;
  std::vector<DuckdbType> types;
  std::vector<const char*> names;
  for (uint64_t i = 0; i < duckdb_->column_count(&result_); ++i) {
    names.push_back(duckdb_->column_name(&result_, i));
    types.push_back(duckdb_->column_logical_type(&result_, i));
    owned.emplace_back(duckdb_->destroy_logical_type, types.back());
  }
  return TakeError(
      *duckdb_,
      duckdb_->to_arrow_schema(options_.get(), types.data(), names.data(), types.size(), out),
      absl::StatusCode::kUnimplemented, "a result's types as an Arrow schema");
}

absl::StatusOr<bool> QueryResult::Next(ArrowArray* out) {
  *out = {};
  DuckdbOwned<DuckdbChunk> chunk(duckdb_->destroy_data_chunk, duckdb_->fetch_chunk(result_));
  if (!chunk) return false;
  const absl::Status status =
      TakeError(*duckdb_, duckdb_->data_chunk_to_arrow(options_.get(), chunk.get(), out),
                absl::StatusCode::kUnimplemented, "a result's rows as an Arrow array");
  if (!status.ok()) return status;
  return true;
}

void QueryResult::Export(ArrowArrayStream* out) && {
  out->get_schema = StreamSchema;
  out->get_next = StreamNext;
  out->get_last_error = StreamError;
  out->release = StreamRelease;
  out->private_data = new Stream{std::move(*this), ""};
}

}  // namespace sql
