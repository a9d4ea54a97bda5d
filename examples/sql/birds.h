// A table of penguins that nobody has seen: text, categories, times, numbers, some missing.

#ifndef SLABPIPE_EXAMPLES_SQL_BIRDS_H_
#define SLABPIPE_EXAMPLES_SQL_BIRDS_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "slabpipe/codec/column.h"
#include "slabpipe/codec/table.h"

namespace sql {

// `rows` of them, the same at each call, in memory of `source`.
absl::StatusOr<slabpipe::Table> MakeBirds(int64_t rows, slabpipe::BufferSource source);

}  // namespace sql

#endif  // SLABPIPE_EXAMPLES_SQL_BIRDS_H_
