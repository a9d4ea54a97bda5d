// Seeds of tables and columns.

#ifndef SLABPIPE_TESTS_FUZZ_TABLE_SEEDS_H_
#define SLABPIPE_TESTS_FUZZ_TABLE_SEEDS_H_

#include "slabpipe/tests/fuzz/seed_writer.h"

namespace slabpipe::fuzz {

// For the fuzzers `table`, `column` and `message`.
void AddTables(SeedWriter& writer);

}  // namespace slabpipe::fuzz

#endif  // SLABPIPE_TESTS_FUZZ_TABLE_SEEDS_H_
