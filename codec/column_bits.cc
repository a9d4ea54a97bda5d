// CopyBits and SetBits: see column_copy.h.

#include <cstdint>
#include <cstring>

#include "slabpipe/codec/column_copy.h"
#include "slabpipe/codec/column_data.h"

namespace slabpipe {

void SetBits(std::byte* to, int64_t begin, int64_t count) {
  int64_t bit = begin, end = begin + count;
  for (; bit < end && bit % 8 != 0; ++bit) to[bit / 8] |= std::byte{1} << (bit % 8);
  const int64_t whole = (end - bit) / 8;
  if (whole > 0) std::memset(to + bit / 8, 0xff, static_cast<size_t>(whole));
  for (bit += whole * 8; bit < end; ++bit) to[bit / 8] |= std::byte{1} << (bit % 8);
}

void CopyBits(const std::byte* from, int64_t from_bit, std::byte* to, int64_t to_bit,
              int64_t count) {
  const auto set = [&](int64_t i) {
    const std::byte mask = std::byte{1} << ((to_bit + i) % 8);
    std::byte& byte = to[(to_bit + i) / 8];
    byte = internal::BitAt(from, from_bit + i) ? byte | mask : byte & ~mask;
  };
  int64_t i = 0;
  while (i < count && (to_bit + i) % 8 != 0) set(i++);
  // Whole bytes of `to`, each from two of `from`.
  const int64_t shift = (from_bit + i) % 8;
  const std::byte* source = from + (from_bit + i) / 8;
  std::byte* target = to + (to_bit + i) / 8;
  const int64_t whole = (count - i) / 8;
  if (shift == 0 && whole > 0) {
    std::memcpy(target, source, static_cast<size_t>(whole));
  } else {
    for (int64_t byte = 0; byte < whole; ++byte) {
      target[byte] = source[byte] >> shift | source[byte + 1] << (8 - shift);
    }
  }
  for (i += whole * 8; i < count; ++i) set(i);
}

}  // namespace slabpipe
