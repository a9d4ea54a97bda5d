// WalkTable, WalkColumn: use a decoded table or column in all the ways that a program might.

#ifndef SLABPIPE_TESTS_FUZZ_WALK_TABLE_H_
#define SLABPIPE_TESTS_FUZZ_WALK_TABLE_H_

#include "slabpipe/codec/column.h"
#include "slabpipe/codec/table.h"

namespace slabpipe::fuzz {

// Reads cells of every column and of what is below it, as text, as C++ types and as arrays; ranges
// of rows; copies. Of long columns the first and the last rows: they may have 2^55 that take no
// memory. Aborts if a copy of what makes sense is not the same.
void WalkTable(const Table& table);
void WalkColumn(const Column& column);

}  // namespace slabpipe::fuzz

#endif  // SLABPIPE_TESTS_FUZZ_WALK_TABLE_H_
