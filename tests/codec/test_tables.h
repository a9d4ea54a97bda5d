// Tables for tests.

#ifndef SLABPIPE_TESTS_CODEC_TEST_TABLES_H_
#define SLABPIPE_TESTS_CODEC_TEST_TABLES_H_

#include "slabpipe/codec/table.h"

namespace slabpipe::tests {

// Seven rows: text, categories, real numbers, integers, some missing; attributes, and an index of
// one column.
Table Penguins();

// 19 rows, a column of each kind and some of their variants, with and without missing values.
Table AllKinds();

}  // namespace slabpipe::tests

#endif  // SLABPIPE_TESTS_CODEC_TEST_TABLES_H_
