// QueryResult: what a query gave, as Arrow arrays.
//
//   absl::StatusOr<QueryResult> result =
//       database->Query("SELECT kind, avg(x) FROM t GROUP BY kind");
//   ArrowArrayStream stream;
//   std::move(*result).Export(&stream);   // or, by hand:
//
//   absl::Status status = result->Schema(&schema);
//   absl::StatusOr<bool> more = result->Next(&batch);   // false: that was all
//
// Batches have 2048 rows at most. Schemas and batches are the caller's, to be released when they
// are no longer needed, and do not need the result or the database. What DuckDB's types become,
// with the settings that Database makes:
//
//   BOOLEAN b, TINYINT .. BIGINT c s i l, UTINYINT .. UBIGINT C S I L, FLOAT f, DOUBLE g
//   VARCHAR, UUID u, BLOB, BIT z, ENUM codes C S I with a dictionary u
//   DECIMAL(w, s) d:w,s,128; HUGEINT, and so every sum of integers, d:38,0
//   DATE tdD, TIME ttu, TIMESTAMP tsu: (_S tss:, _MS tsm:, _NS tsn:), TIMESTAMPTZ tsu:UTC
//   INTERVAL tin, LIST +l, ARRAY +w:n, STRUCT +s, MAP +m; NULL without a type i
//
// Arrow's types have no room for all: HUGEINT has values of 39 digits, INTERVAL microseconds that
// are too many as nanoseconds, TIMETZ a zone. DuckDB cuts these without a word.
//
// Thread-compatible.

#ifndef SLABPIPE_EXAMPLES_SQL_QUERY_RESULT_H_
#define SLABPIPE_EXAMPLES_SQL_QUERY_RESULT_H_

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "slabpipe/codec/arrow_abi.h"
#include "slabpipe/examples/sql/duckdb_api.h"

namespace sql {

class QueryResult {
 public:
  // Takes the result over. `connection` is kept until the result is gone.
  QueryResult(const DuckdbApi& duckdb, DuckdbResult result, std::shared_ptr<const void> connection);
  ~QueryResult();
  QueryResult(QueryResult&& other);
  QueryResult& operator=(QueryResult&& other) = delete;

  // A struct with a child for each column. Any number of times.
  absl::Status Schema(ArrowSchema* out);

  // The next rows, as a struct array; false, and nothing in `out`, after the last ones.
  absl::StatusOr<bool> Next(ArrowArray* out);

  // What is left, as a stream.
  void Export(ArrowArrayStream* out) &&;

 private:
  const DuckdbApi* duckdb_;
  std::shared_ptr<const void> connection_;
  DuckdbResult result_;
  DuckdbOwned<DuckdbArrowOptions> options_;
};

}  // namespace sql

#endif  // SLABPIPE_EXAMPLES_SQL_QUERY_RESULT_H_
