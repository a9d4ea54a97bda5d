// value.

#include <cstddef>
#include <functional>
#include <string>

#include "absl/strings/str_cat.h"
#include "slabpipe/bench/codec/cases.h"
#include "slabpipe/bench/codec/codec_case.h"
#include "slabpipe/codec/value.h"

namespace slabpipe::bench {
namespace {

constexpr size_t kBytes = 64 << 10;

// `size` entries; every tenth of a map that is not the innermost is another map.
ValueMap NestedMap(int size, int levels) {
  ValueMap map;
  for (int i = 0; i < size; ++i) {
    const std::string key = absl::StrCat("key", i);
    if (levels > 0 && i % 10 == 0) {
      map.Set(key, NestedMap(size, levels - 1));
    } else {
      map.Set(key, i);
    }
  }
  return map;
}

template <typename Make>
void AddValue(const std::string& name, Make make) {
  AddCase(
      "value/" + name, [make](MessageLoop&) { return make(); }, std::equal_to<>());
}

}  // namespace

void AddValueCases() {
  AddValue("int", [] { return 7; });
  AddValue("text_of_20", [] { return std::string(20, 'x'); });
  AddValue("map_of_20", [] { return NestedMap(20, 0); });
  // Two maps in it, and two in each of these: 7 maps, 134 numbers.
  AddValue("map_of_20_nested_twice", [] { return NestedMap(20, 2); });
  AddValue("bytes_64KiB", [] { return Bytes{std::string(kBytes, 'x')}; });
}

}  // namespace slabpipe::bench
