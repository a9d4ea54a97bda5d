// Arrow arrays made by hand, whose releases are counted:
//
//   Counts counts;
//   ArrowColumn id = Numbers<int64_t>("id", "l", {1, std::nullopt, 3});
//   ArrowColumn kind = Categories("kind", {0, 1, std::nullopt}, {"red", "green"});
//   ArrowArrayStream stream = MakeStream({{id, kind}}, &counts);   // one batch of two columns
//   ...
//   EXPECT_EQ(counts.released, counts.made);
//
// Each buffer of each array is an allocation of its own, exactly as long as the format asks for,
// and is freed when the array is released: AddressSanitizer sees what reads too far or too late.

#ifndef SLABPIPE_TESTS_EXAMPLES_ARROW_TABLE_H_
#define SLABPIPE_TESTS_EXAMPLES_ARROW_TABLE_H_

#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "slabpipe/codec/arrow_abi.h"

namespace slabpipe::tests {

// Schemas, arrays and streams, those inside of others included.
struct Counts {
  std::atomic<int> made{0};
  std::atomic<int> released{0};
};

using Bytes = std::vector<uint8_t>;

// A column: what its schema and its array say.
struct ArrowColumn {
  std::string name;
  std::string format;
  int64_t length = 0;
  int64_t offset = 0;
  int64_t null_count = 0;
  // The first one is the bitmap; nullopt: a null pointer.
  std::vector<std::optional<Bytes>> buffers = {};
  std::vector<ArrowColumn> children = {};
  std::shared_ptr<ArrowColumn> dictionary = nullptr;

  // The same without its first rows, which stay in the buffers.
  ArrowColumn Skip(int64_t rows) const;
};

// The bitmap of what is there, or nullopt if all is.
template <typename T>
std::optional<Bytes> Bitmap(const std::vector<std::optional<T>>& values, int64_t* null_count) {
  Bytes bits((values.size() + 7) / 8);
  *null_count = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i].has_value()) {
      bits[i / 8] = static_cast<uint8_t>(bits[i / 8] | 1 << (i % 8));
    } else {
      ++*null_count;
    }
  }
  if (*null_count == 0) return std::nullopt;
  return bits;
}

template <typename T>
ArrowColumn Numbers(std::string name, std::string format, std::vector<std::optional<T>> values) {
  ArrowColumn column{.name = std::move(name), .format = std::move(format)};
  column.length = static_cast<int64_t>(values.size());
  column.buffers.push_back(Bitmap(values, &column.null_count));
  Bytes data(values.size() * sizeof(T));
  for (size_t i = 0; i < values.size(); ++i) {
    const T value = values[i].value_or(T{});
    std::memcpy(data.data() + i * sizeof(T), &value, sizeof(T));
  }
  column.buffers.push_back(std::move(data));
  return column;
}

using Texts = std::vector<std::optional<std::string>>;

ArrowColumn MakeBools(std::string name, std::vector<std::optional<bool>> values);
// 32-bit offsets for "u" and "z", 64-bit ones for "U" and "Z".
ArrowColumn MakeTexts(std::string name, const Texts& values, std::string format = "u");
// Codes of type int8_t.
ArrowColumn CategoriesOf(std::string name, std::vector<std::optional<int8_t>> codes,
                         ArrowColumn values);
ArrowColumn Categories(std::string name, std::vector<std::optional<int8_t>> codes,
                       const Texts& values);
// Lists of `sizes` elements each, one after the other.
ArrowColumn MakeLists(std::string name, const std::vector<std::optional<int32_t>>& sizes,
                      ArrowColumn elements);
// Lists of `size` elements each; `there` as below.
ArrowColumn MakeFixedLists(std::string name, int32_t size, ArrowColumn elements,
                           const std::vector<std::optional<bool>>& there = {});
// `there`: which structs are there; all, if it is empty.
ArrowColumn MakeStructs(std::string name, std::vector<ArrowColumn> fields,
                        const std::vector<std::optional<bool>>& there = {});

ArrowSchema MakeSchema(const std::vector<ArrowColumn>& columns, Counts* counts);
ArrowArray MakeArray(const std::vector<ArrowColumn>& columns, Counts* counts);

// Fails after its batches with `error` (an errno value), if not 0.
ArrowArrayStream MakeStream(std::vector<std::vector<ArrowColumn>> batches, Counts* counts,
                            int error = 0);

}  // namespace slabpipe::tests

#endif  // SLABPIPE_TESTS_EXAMPLES_ARROW_TABLE_H_
