// Runs a fuzzer over its corpus as a GoogleTest program, in any compiler: PROGRAM CORPUS_FOLDER.
// One test for each file: as it is, cut short, and with a few bytes changed, the same ones each
// time.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

constexpr int kMutations = 24;
constexpr int kMostChanges = 4;

using Bytes = std::vector<uint8_t>;

void RunInput(const Bytes& input) {
  // A copy of just that size, so that AddressSanitizer sees what is read behind it.
  const Bytes exact(input.begin(), input.end());
  EXPECT_EQ(LLVMFuzzerTestOneInput(exact.data(), exact.size()), 0);
}

Bytes Mutate(Bytes input, std::mt19937& random) {
  if (input.empty()) return input;
  if (random() % 4 == 0) {
    input.resize(random() % input.size());
    return input;
  }
  // Most of what is checked stands in the first bytes.
  const size_t range = random() % 2 == 0 ? std::min<size_t>(input.size(), 64) : input.size();
  for (uint32_t changes = 1 + random() % kMostChanges; changes > 0; --changes) {
    input[random() % range] ^= static_cast<uint8_t>(1u << random() % 8);
  }
  return input;
}

class ReplayTest : public ::testing::Test {
 public:
  explicit ReplayTest(std::filesystem::path file) : file_(std::move(file)) {}

  void TestBody() override {
    std::ifstream in(file_, std::ios::binary);
    const Bytes input((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    ASSERT_FALSE(in.bad()) << file_;
    RunInput(input);
    std::mt19937 random(1);
    for (int i = 0; i < kMutations; ++i) RunInput(Mutate(input, random));
  }

 private:
  const std::filesystem::path file_;
};

void RegisterTests(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  for (const std::filesystem::path& file : files) {
    ::testing::RegisterTest(folder.filename().c_str(), file.filename().c_str(), nullptr, nullptr,
                            __FILE__, __LINE__,
                            [file]() -> ReplayTest* { return new ReplayTest(file); });
  }
}

}  // namespace

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  if (argc != 2 || !std::filesystem::is_directory(argv[1]) || std::filesystem::is_empty(argv[1])) {
    std::cerr << "usage: " << argv[0] << " CORPUS_FOLDER, which has files in it" << std::endl;
    return 2;
  }
  RegisterTests(argv[1]);
  return RUN_ALL_TESTS();
}
