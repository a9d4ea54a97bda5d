// record, sequence, map, variant.

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "slabpipe/bench/codec/cases.h"
#include "slabpipe/bench/codec/codec_case.h"
#include "slabpipe/codec/record.h"

namespace slabpipe::bench {
namespace {

constexpr int kItems = 1000;
constexpr int64_t kItemElements = 8;
constexpr int64_t kArrayElements = 128;

struct Settings {
  int64_t seed = 0;
  double step = 0;
  bool verbose = false;
  std::string model;
  std::string author;

  static constexpr auto SlabpipeFields() {
    return Fields("bench.Settings", Field("seed", &Settings::seed), Field("step", &Settings::step),
                  Field("verbose", &Settings::verbose), Field("model", &Settings::model),
                  Field("author", &Settings::author));
  }
  friend bool operator==(const Settings&, const Settings&) = default;
};

// The same and an array.
struct Fit {
  int64_t seed = 0;
  double step = 0;
  bool verbose = false;
  std::string model;
  std::string author;
  NdArray<const double> draws;

  static constexpr auto SlabpipeFields() {
    return Fields("bench.Fit", Field("seed", &Fit::seed), Field("step", &Fit::step),
                  Field("verbose", &Fit::verbose), Field("model", &Fit::model),
                  Field("author", &Fit::author), Field("draws", &Fit::draws));
  }
};

void AddRecords() {
  AddCase(
      "record/5_fields",
      [](MessageLoop&) {
        return Settings{7, 0.1, true, "eight", "Rubin"};
      },
      std::equal_to<>());
  AddCase(
      "record/5_fields_and_1KiB",
      [](MessageLoop&) {
        return Fit{7, 0.1, true, "eight", "Rubin", PrivateArray(kArrayElements)};
      },
      [](const Fit& a, const Fit& b) {
        return a.author == b.author && SameElements(a.draws, b.draws);
      });
}

using Arrays = std::vector<NdArray<const double>>;

bool SameArrays(const Arrays& a, const Arrays& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), SameElements);
}

void AddSequences() {
  AddCase(
      "sequence/1000_texts", [](MessageLoop&) { return MakeTexts(); }, std::equal_to<>());
  AddCase(
      "sequence/1000_arrays",
      [](MessageLoop&) {
        Arrays arrays;
        for (int i = 0; i < kItems; ++i) arrays.push_back(PrivateArray(kItemElements));
        return arrays;
      },
      SameArrays);
  AddCase(
      "sequence/1000_arrays_shared",
      [](MessageLoop& loop) {
        Arrays arrays;
        for (int i = 0; i < kItems; ++i) arrays.push_back(SharedArray(loop, kItemElements));
        return arrays;
      },
      SameArrays);
}

void AddVariants() {
  using Choice = std::variant<int64_t, std::string, NdArray<const double>>;
  AddCase(
      "variant/text_of_20", [](MessageLoop&) { return Choice(std::string(20, 'x')); },
      [](const Choice& a, const Choice& b) {
        return std::get<std::string>(a) == std::get<std::string>(b);
      });
  AddCase(
      "variant/array_1KiB", [](MessageLoop&) { return Choice(PrivateArray(kArrayElements)); },
      [](const Choice& a, const Choice& b) {
        return SameElements(std::get<NdArray<const double>>(a), std::get<NdArray<const double>>(b));
      });
}

}  // namespace

std::vector<std::string> MakeTexts() {
  std::vector<std::string> texts;
  for (int i = 0; i < kItems; ++i) texts.push_back(absl::StrCat("the text of number ", i));
  return texts;
}

std::map<std::string, double> MakeNumbers() {
  std::map<std::string, double> numbers;
  for (int i = 0; i < kItems; ++i) numbers[absl::StrCat("number ", i)] = i + 0.5;
  return numbers;
}

void AddCompoundCases() {
  AddRecords();
  AddSequences();
  AddCase(
      "map/1000_text_to_double", [](MessageLoop&) { return MakeNumbers(); }, std::equal_to<>());
  AddVariants();
}

}  // namespace slabpipe::bench
