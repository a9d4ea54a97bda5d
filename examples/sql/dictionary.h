// DictionaryColumn: a column of categories as DuckDB has it. Arrow's column is codes and, in each
// batch, the values that they stand for; DuckDB's is
//
//   an ENUM   if the values are texts, none twice, none missing, the same in all batches: ordered
//             as the categories are, and given back as a dictionary
//   the values themselves, otherwise
//
//   absl::StatusOr<std::unique_ptr<DictionaryColumn>> column =
//       DictionaryColumn::Make(duckdb, connection, table, 2);
//   duckdb.bind_add_result_column(info, "kind", (*column)->type());
//   absl::Status status = (*column)->Fill(batch, begin, length, vector);
//
// Codes are checked: one without a value is INVALID_ARGUMENT. DuckDB's own import of dictionaries
// is not used: it does not check them, and (as of 1.5) reads or writes beyond its buffers where
// values are missing.
//
// Thread-safe, once made. `duckdb` and the table's buffers must outlive it.

#ifndef SLABPIPE_EXAMPLES_SQL_DICTIONARY_H_
#define SLABPIPE_EXAMPLES_SQL_DICTIONARY_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "slabpipe/examples/sql/arrow_batches.h"
#include "slabpipe/examples/sql/arrow_import.h"
#include "slabpipe/examples/sql/duckdb_api.h"

namespace sql {

class DictionaryColumn {
 public:
  // For column `index` of `table`, which has a dictionary.
  static absl::StatusOr<std::unique_ptr<DictionaryColumn>> Make(
      const DuckdbApi& duckdb, DuckdbConnection connection,
      std::shared_ptr<const ArrowBatches> table, int64_t index);

  DuckdbType type() const { return enum_ ? enum_.get() : values_type_.get(); }

  // Writes rows [begin, begin + length) of the batch to `vector`, which is of type().
  absl::Status Fill(int64_t batch, int64_t begin, int64_t length, DuckdbVector vector) const;

 private:
  DictionaryColumn(const DuckdbApi& duckdb, std::shared_ptr<const ArrowBatches> table,
                   int64_t index, DuckdbOwned<DuckdbType> values_type)
      : duckdb_(duckdb),
        table_(std::move(table)),
        index_(index),
        values_type_(std::move(values_type)),
        enum_(duckdb.destroy_logical_type) {}

  void MakeEnum();
  absl::Status ReadCodes(int64_t batch, int64_t begin, int64_t length,
                         std::vector<uint32_t>* codes) const;

  const DuckdbApi& duckdb_;
  std::shared_ptr<const ArrowBatches> table_;
  int64_t index_;
  DuckdbOwned<DuckdbType> values_type_;
  DuckdbOwned<DuckdbType> enum_;                  // null: the values themselves
  std::vector<DuckdbOwned<DuckdbChunk>> values_;  // a batch's dictionary, imported
};

}  // namespace sql

#endif  // SLABPIPE_EXAMPLES_SQL_DICTIONARY_H_
