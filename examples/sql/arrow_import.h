// ArrowImporter: Arrow columns of one type as DuckDB's vectors, by DuckDB's own import. Numbers and
// texts stay where they are.
//
//   absl::StatusOr<ArrowImporter> importer =
//       ArrowImporter::Make(duckdb, connection, table->column_schema(2));
//   ArrowArray rows;
//   table->Slice(table->column_schema(2), table->column(0, 2), 0, 2048, &rows);
//   absl::StatusOr<DuckdbOwned<DuckdbChunk>> chunk = importer->Import(&rows);
//   duckdb.vector_reference_vector(output, duckdb.data_chunk_get_vector(chunk->get(), 0));
//
// One column at a time, not a table's all at once: of a table, the first column's vector alone
// keeps the memory, and releases it when it goes, whoever still refers to the others.
//
// Thread-safe. The connection must outlive it.

#ifndef SLABPIPE_EXAMPLES_SQL_ARROW_IMPORT_H_
#define SLABPIPE_EXAMPLES_SQL_ARROW_IMPORT_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "slabpipe/codec/arrow_abi.h"
#include "slabpipe/examples/sql/duckdb_api.h"

namespace sql {

// The error as `code`, with what failed; destroys it. OK if it is null.
absl::Status TakeError(const DuckdbApi& duckdb, DuckdbError error, absl::StatusCode code,
                       const char* what);

class ArrowImporter {
 public:
  // For columns of the type that `column` tells, its dictionary aside. UNIMPLEMENTED if DuckDB has
  // no such type. `column` is borrowed, for as long as the importer.
  static absl::StatusOr<ArrowImporter> Make(const DuckdbApi& duckdb, DuckdbConnection connection,
                                            const ArrowSchema& column);

  // DuckDB's type of the column.
  absl::StatusOr<DuckdbOwned<DuckdbType>> Type() const;

  // A chunk of one vector, from a struct array of one column (SliceArray), which it
  // releases when the last reference to the vector goes, or at once, if this fails.
  absl::StatusOr<DuckdbOwned<DuckdbChunk>> Import(ArrowArray* slice) const;

 private:
  ArrowImporter(const DuckdbApi& duckdb, DuckdbConnection connection, const ArrowSchema& column)
      : duckdb_(&duckdb),
        connection_(connection),
        column_(column),
        converted_(duckdb.destroy_arrow_converted_schema) {
    column_.dictionary = nullptr;
  }

  const DuckdbApi* duckdb_;
  DuckdbConnection connection_;
  ArrowSchema column_;
  DuckdbOwned<DuckdbArrowSchema> converted_;
};

}  // namespace sql

#endif  // SLABPIPE_EXAMPLES_SQL_ARROW_IMPORT_H_
