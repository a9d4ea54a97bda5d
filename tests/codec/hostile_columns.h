// Columns for tests of bad peers, and how their memory is overwritten.

#ifndef SLABPIPE_TESTS_CODEC_HOSTILE_COLUMNS_H_
#define SLABPIPE_TESTS_CODEC_HOSTILE_COLUMNS_H_

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "slabpipe/codec/column.h"
#include "slabpipe/codec/column_builder.h"

namespace slabpipe::tests {

// Overwrites number `index` of a column's buffer, whoever is looking on.
template <typename T>
void Poke(const ColumnBuffer& buffer, size_t index, T number) {
  ASSERT_LE((index + 1) * sizeof(T), buffer.size_bytes);
  std::memcpy(const_cast<std::byte*>(buffer.data) + index * sizeof(T), &number, sizeof(T));
}

inline const ColumnBuffer& BufferOf(const Column& column, size_t index) {
  return column.data()->buffers[index];
}

inline Column Numbers() {
  return *ToColumn(std::vector<std::optional<int32_t>>{1, std::nullopt, 3, 4, 5});
}

inline Column Texts(ColumnType type = ColumnType::Text()) {
  return *ToColumn(std::vector<std::string>{"one", "two", "three", "four"}, std::move(type));
}

inline Column Lists(ColumnType type = ColumnType::List(ColumnType::Of<int16_t>())) {
  ColumnBuilder builder(std::move(type));
  const std::vector<Cell> items = {1, 2, 3};
  for (size_t i = 0; i < 4; ++i) {
    if (!builder.Append(absl::MakeConstSpan(items).first(i)).ok()) std::abort();
  }
  return *builder.Finish();
}

inline Column Categories(ColumnType::Kind index = ColumnType::kInt32) {
  const std::vector<std::optional<std::string>> texts = {"a", "b", "a", std::nullopt};
  return *ToColumn(texts, ColumnType::Categorical(ColumnType::Text(), {.index = index}));
}

}  // namespace slabpipe::tests

#endif  // SLABPIPE_TESTS_CODEC_HOSTILE_COLUMNS_H_
