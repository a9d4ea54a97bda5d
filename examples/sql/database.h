// Database: an embedded DuckDB in memory, that has tables in Arrow's memory and gives its answers
// in it.
//
//   absl::StatusOr<const DuckdbLibrary*> library = DuckdbLibrary::Open();
//   absl::StatusOr<std::unique_ptr<Database>> database = Database::Open(**library);
//   absl::Status status = (*database)->Register("cars", &stream);   // an ArrowArrayStream
//   absl::StatusOr<QueryResult> result =
//       (*database)->Query("SELECT a.name FROM cars a JOIN cars b ON a.id = b.next");
//
// It is closed to the outside: SQL can't read or write files, fetch extensions, spill to disk, or
// change the settings that say so.
//
// Texts are taken for UTF-8, unchecked. DuckDB has no float16 and no decimals of 256 bits
// (UNIMPLEMENTED). Durations become INTERVAL, and timestamps with a zone TIMESTAMPTZ, which is in
// UTC; both have microseconds, and lose what is smaller.
//
// Errors: a query's are DuckDB's messages, as INVALID_ARGUMENT; RESOURCE_EXHAUSTED beyond
// max_memory_bytes; INTERNAL where DuckDB itself is at fault. Register: see arrow_batches.h.
//
// Thread-safe: one call after the other.

#ifndef SLABPIPE_EXAMPLES_SQL_DATABASE_H_
#define SLABPIPE_EXAMPLES_SQL_DATABASE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "slabpipe/codec/arrow_abi.h"
#include "slabpipe/examples/sql/arrow_batches.h"
#include "slabpipe/examples/sql/arrow_scan.h"
#include "slabpipe/examples/sql/duckdb_api.h"
#include "slabpipe/examples/sql/duckdb_library.h"
#include "slabpipe/examples/sql/query_result.h"

namespace sql {

struct DatabaseOptions {
  int threads = 1;               // with more, rows come in any order, unless a query orders them
  int64_t max_memory_bytes = 0;  // 0: DuckDB's default, 80% of the machine's memory
};

class Database {
 public:
  static absl::StatusOr<std::unique_ptr<Database>> Open(const DuckdbLibrary& library,
                                                        const DatabaseOptions& options = {});
  // Results that are left keep what they need.
  ~Database();

  // Makes the Arrow table readable as `name`, in place of one of that name. Values are not copied:
  // stream and arrays are taken over, and released when the table is dropped or replaced, the
  // queries that scan it are over, or the database is closed.
  absl::Status Register(const std::string& name, ArrowArrayStream* stream);
  absl::Status Register(const std::string& name, ArrowSchema* schema, ArrowArray* array);

  // Drops a table that Register made. NOT_FOUND if there is none of that name.
  absl::Status Drop(const std::string& name);

  // Runs one statement, or several with ';' between; the result is the first one's. All of the
  // result is in memory when this returns.
  absl::StatusOr<QueryResult> Query(const std::string& sql);

 private:
  struct Connection;  // the database and its connection

  explicit Database(std::shared_ptr<Connection> connection);

  absl::Status RegisterBatches(const std::string& name, std::shared_ptr<const ArrowBatches> table);
  absl::Status Run(const std::string& sql);  // a statement whose result does not matter

  std::shared_ptr<Connection> connection_;
  std::mutex mutex_;  // guards what follows, and a call as a whole
  std::map<std::string, std::shared_ptr<ArrowScanSlot>> tables_;
  int64_t registered_ = 0;
};

}  // namespace sql

#endif  // SLABPIPE_EXAMPLES_SQL_DATABASE_H_
