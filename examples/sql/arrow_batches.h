// ArrowBatches: a table in Arrow's memory, of which pieces are handed out again and again. An Arrow
// stream can be read once; a table of a database is read as often as a query names it.
//
//   absl::StatusOr<std::shared_ptr<const ArrowBatches>> table = ArrowBatches::Take(&stream);
//   ArrowArray rows;
//   (*table)->Slice((*table)->column_schema(2), (*table)->column(0, 2), 2048, 2048, &rows);
//   rows.release(&rows);
//
// The stream, its schema and its arrays are taken over, and released, each once, when the
// ArrowBatches and all slices are gone.
//
// Errors: INVALID_ARGUMENT (arrays that do not fit the schema; missing rows, which a table has
// not), UNIMPLEMENTED (arrow_slice.h), the stream's own errors as INTERNAL.
//
// Thread-safe, once made. Trusts that the buffers are as long as the arrays' lengths and types say,
// which the interface has no way to tell.

#ifndef SLABPIPE_EXAMPLES_SQL_ARROW_BATCHES_H_
#define SLABPIPE_EXAMPLES_SQL_ARROW_BATCHES_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "slabpipe/codec/arrow_abi.h"

namespace sql {

class ArrowBatches : public std::enable_shared_from_this<ArrowBatches> {
 public:
  // Reads all of the stream. Releases it, whatever comes of it.
  static absl::StatusOr<std::shared_ptr<const ArrowBatches>> Take(ArrowArrayStream* stream);

  // A table of one batch. Both are moved from, whatever comes of it.
  static absl::StatusOr<std::shared_ptr<const ArrowBatches>> Take(ArrowSchema* schema,
                                                                  ArrowArray* array);

  ~ArrowBatches();
  ArrowBatches(const ArrowBatches&) = delete;
  ArrowBatches& operator=(const ArrowBatches&) = delete;

  int64_t column_count() const { return schema_.n_children; }
  const ArrowSchema& column_schema(int64_t column) const { return *schema_.children[column]; }

  int64_t batch_count() const { return static_cast<int64_t>(batches_.size()); }
  int64_t row_count() const;
  int64_t row_count(int64_t batch) const { return batches_[batch].length; }
  // The first row of `batch` in the column's array: the offset in its buffers.
  int64_t first_row(int64_t batch, int64_t column) const;
  const ArrowArray& column(int64_t batch, int64_t column) const {
    return *batches_[batch].children[column];
  }

  // SliceArray for an array that belongs to this, which `out` keeps alive.
  void Slice(const ArrowSchema& schema, const ArrowArray& array, int64_t begin, int64_t length,
             ArrowArray* out) const;

 private:
  ArrowBatches() : schema_() {}

  absl::Status Read(ArrowArrayStream* stream);
  absl::Status Add(ArrowArray* batch);
  absl::Status CheckSchema() const;

  ArrowSchema schema_;
  std::vector<ArrowArray> batches_;
};

}  // namespace sql

#endif  // SLABPIPE_EXAMPLES_SQL_ARROW_BATCHES_H_
