// MakeSeeds: inputs to begin with, made of real values: every codec, layout and kind, what is
// empty, nested and large.

#ifndef SLABPIPE_TESTS_FUZZ_SEEDS_H_
#define SLABPIPE_TESTS_FUZZ_SEEDS_H_

#include <string>
#include <vector>

namespace slabpipe::fuzz {

struct Seed {
  std::string target;  // "ndarray": of //tests/fuzz:ndarray_fuzzer
  std::string name;    // "bad_...": it is refused; all others are decoded
  std::string input;
};

std::vector<Seed> MakeSeeds();

}  // namespace slabpipe::fuzz

#endif  // SLABPIPE_TESTS_FUZZ_SEEDS_H_
