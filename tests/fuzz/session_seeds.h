// The seeds of the fuzzer `session`: calls, streams, handles and ends, as good workers have them,
// and as bad ones do.

#ifndef SLABPIPE_TESTS_FUZZ_SESSION_SEEDS_H_
#define SLABPIPE_TESTS_FUZZ_SESSION_SEEDS_H_

#include <vector>

#include "slabpipe/tests/fuzz/seeds.h"

namespace slabpipe::fuzz {

std::vector<Seed> MakeSessionSeeds();

}  // namespace slabpipe::fuzz

#endif  // SLABPIPE_TESTS_FUZZ_SESSION_SEEDS_H_
