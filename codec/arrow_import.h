// Batches of a stream. For arrow_stream.cc; see arrow.h.

#ifndef SLABPIPE_CODEC_ARROW_IMPORT_H_
#define SLABPIPE_CODEC_ARROW_IMPORT_H_

#include "absl/status/statusor.h"
#include "slabpipe/codec/arrow_abi.h"
#include "slabpipe/codec/table.h"

namespace slabpipe {

// Takes what `array` holds, whether it succeeds or not: rows of the columns that `schema`, a table
// without rows, has. Errors as ImportTable.
absl::StatusOr<Table> ImportBatch(const Table& schema, ArrowArray* array);

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_ARROW_IMPORT_H_
