// ArrowScan: an Arrow table as a table function of DuckDB, which queries can scan as often as they
// like, also twice in one. (duckdb_arrow_scan, DuckDB's own, reads a stream, once: a query that
// scans it again finds nothing.)
//
//   absl::StatusOr<std::shared_ptr<const ArrowScan>> scan =
//       ArrowScan::Make(duckdb, connection, table);
//   auto slot = std::make_shared<ArrowScanSlot>(*scan);
//   absl::Status status = RegisterArrowScan(duckdb, connection, "scan_1", slot);
//   duckdb.query(connection, "SELECT * FROM scan_1()", &result);
//   slot->Reset();   // DuckDB never drops a function; this drops the table
//
// A scan converts only the columns that the query wants, 2048 rows at a time (a vector of
// DuckDB's), and copies no numbers and texts; codes of categories are copied, and checked. With
// more than one thread, a query without ORDER BY gets the rows in any order.
//
// Thread-safe. The table lives until the slot is reset and the queries that scan it are over. The
// connection must outlive it.

#ifndef SLABPIPE_EXAMPLES_SQL_ARROW_SCAN_H_
#define SLABPIPE_EXAMPLES_SQL_ARROW_SCAN_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "slabpipe/examples/sql/arrow_batches.h"
#include "slabpipe/examples/sql/arrow_import.h"
#include "slabpipe/examples/sql/dictionary.h"
#include "slabpipe/examples/sql/duckdb_api.h"

namespace sql {

class ArrowScan {
 public:
  // Some rows of a batch, as many as a vector of DuckDB's has at most.
  struct Piece {
    int64_t batch;
    int64_t begin;
    int64_t length;
  };

  // UNIMPLEMENTED for types that DuckDB has not; see arrow_batches.h too.
  static absl::StatusOr<std::shared_ptr<const ArrowScan>> Make(
      const DuckdbApi& duckdb, DuckdbConnection connection,
      std::shared_ptr<const ArrowBatches> table);

  const DuckdbApi& duckdb() const { return duckdb_; }
  const ArrowBatches& table() const { return *table_; }
  DuckdbType type(int64_t column) const;
  const std::vector<Piece>& pieces() const { return pieces_; }

  // Makes `vector` the rows of `piece` in a column.
  absl::Status Fill(int64_t column, const Piece& piece, DuckdbVector vector) const;

 private:
  // One of the two, importer (with its type) or dictionary.
  struct Column {
    std::unique_ptr<ArrowImporter> importer;
    std::unique_ptr<DuckdbOwned<DuckdbType>> type;
    std::unique_ptr<DictionaryColumn> dictionary;
  };

  ArrowScan(const DuckdbApi& duckdb, std::shared_ptr<const ArrowBatches> table)
      : duckdb_(duckdb), table_(std::move(table)) {}

  absl::Status AddColumn(DuckdbConnection connection, int64_t index);
  void CutPieces();

  const DuckdbApi& duckdb_;
  std::shared_ptr<const ArrowBatches> table_;
  std::vector<Column> columns_;
  std::vector<Piece> pieces_;
};

// Where a table function finds its table. Thread-safe.
class ArrowScanSlot {
 public:
  explicit ArrowScanSlot(std::shared_ptr<const ArrowScan> scan)
      : duckdb_(scan->duckdb()), scan_(std::move(scan)) {}

  const DuckdbApi& duckdb() const { return duckdb_; }
  // Null after Reset.
  std::shared_ptr<const ArrowScan> scan() const {
    std::lock_guard<std::mutex> lock(mutex_);
    return scan_;
  }
  void Reset() {
    std::shared_ptr<const ArrowScan> last;  // destroyed without the lock
    std::lock_guard<std::mutex> lock(mutex_);
    last.swap(scan_);
  }

 private:
  const DuckdbApi& duckdb_;
  mutable std::mutex mutex_;
  std::shared_ptr<const ArrowScan> scan_;
};

// Makes `name`() a table function that scans the slot's table. `name` must be new. INTERNAL if
// DuckDB refuses.
absl::Status RegisterArrowScan(const DuckdbApi& duckdb, DuckdbConnection connection,
                               const std::string& name, std::shared_ptr<ArrowScanSlot> slot);

}  // namespace sql

#endif  // SLABPIPE_EXAMPLES_SQL_ARROW_SCAN_H_
