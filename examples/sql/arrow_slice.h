// Slices of Arrow arrays as DuckDB's importer takes them: struct arrays of one child, the column,
// which refer to the buffers of the array that they are of.
//
//   absl::Status status = CheckColumnType(schema);      // once
//   ArrowArray rows;
//   SliceArray(schema, array, 2048, 2048, owner, &rows);   // copies no values
//   rows.release(&rows);
//
// A slice gives the importer only what it gets right (as of DuckDB 1.5):
//
//   Structs have offset 0, and their fields have it in their place, since the importer forgets it.
//   A bitmap of missing values that starts inside of a byte is copied, since the importer reads a
//   byte beyond the bits.
//   There is no dictionary. The importer does not check codes, and reads or writes beyond its
//   buffers where values are missing. See dictionary.h.
//
// What it would read from wrong places all the same is UNIMPLEMENTED: dictionaries inside of lists
// and structs, dictionaries of dictionaries or of lists, maps, unions, run-end encoded columns,
// views of lists.
//
// Thread-safe. Trusts the arrays: that they are what the schema says, and their buffers as long as
// that asks for.

#ifndef SLABPIPE_EXAMPLES_SQL_ARROW_SLICE_H_
#define SLABPIPE_EXAMPLES_SQL_ARROW_SLICE_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "slabpipe/codec/arrow_abi.h"

namespace sql {

// OK, or UNIMPLEMENTED as above. The dictionary that a column has itself is fine.
absl::Status CheckColumnType(const ArrowSchema& column);

// Rows [begin, begin + length) of `array`, counted from the start of its buffers, whose type is
// `schema`, without its dictionary. Keeps `owner` until `out` is released.
// REQUIRES: CheckColumnType(schema); the array has these rows.
void SliceArray(const ArrowSchema& schema, const ArrowArray& array, int64_t begin, int64_t length,
                std::shared_ptr<const void> owner, ArrowArray* out);

// A slice without rows, of no array.
void MakeEmptyArray(const ArrowSchema& schema, ArrowArray* out);

}  // namespace sql

#endif  // SLABPIPE_EXAMPLES_SQL_ARROW_SLICE_H_
