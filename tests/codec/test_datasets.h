// Datasets for tests.

#ifndef SLABPIPE_TESTS_CODEC_TEST_DATASETS_H_
#define SLABPIPE_TESTS_CODEC_TEST_DATASETS_H_

#include <cstdint>

#include "absl/types/span.h"
#include "slabpipe/codec/dataset.h"
#include "slabpipe/codec/ndarray.h"

namespace slabpipe::tests {

// first, first + 1, ... in private memory.
NdArray<double> Counting(absl::Span<const int64_t> shape, double first = 0);

// Two groups, with all that a dataset can have: coordinates of text, numbers and time, one along
// two dimensions and one along none; arrays of rank 0 to 3; columns with missing values and
// categories; attributes of all three kinds.
//
//   posterior (chain: 2, draw: 4, school: 3)      observed_data (school: 3, day: 2)
//     * school  text                                 * day    timestamp[s, UTC]
//     * draw    100 to 103                           * school text
//       lucky   (chain, draw) bool                     region scalar text
//     theta (chain, draw, school) 0 to 23            y (school) 0 1 2;  n () 8
//     mu    (chain, draw)         50 to 57           grade (school) categorical, one missing
//                                                    note  (day, school) text
Dataset MakeFit();

}  // namespace slabpipe::tests

#endif  // SLABPIPE_TESTS_CODEC_TEST_DATASETS_H_
