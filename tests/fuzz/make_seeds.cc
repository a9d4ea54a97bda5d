// Writes the corpora's seeds anew, after the wire format has changed:
//
//   rm -f tests/fuzz/corpus/*/seed_*
//   bazel run //tests/fuzz:make_seeds -- "$PWD/tests/fuzz/corpus"
//
// Real values, encoded as for a message, in the form that the fuzzers read.

#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <string>

#include "slabpipe/tests/fuzz/seeds.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: " << argv[0] << " CORPUS_FOLDER" << std::endl;
    return 2;
  }
  size_t bytes = 0;
  const auto seeds = slabpipe::fuzz::MakeSeeds();
  for (const slabpipe::fuzz::Seed& seed : seeds) {
    const std::filesystem::path folder = std::filesystem::path(argv[1]) / seed.target;
    std::filesystem::create_directories(folder);
    std::ofstream out(folder / ("seed_" + seed.name), std::ios::binary);
    out << seed.input;
    if (!out.flush()) {
      std::cerr << "can't write to " << folder << std::endl;
      return 1;
    }
    bytes += seed.input.size();
  }
  std::cout << seeds.size() << " seeds of " << bytes << " bytes" << std::endl;
}
