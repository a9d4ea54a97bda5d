// ByteReader, ByteWriter: the numbers and byte strings that inputs are made of, little-endian.
//
//   ByteReader in(input);
//   const uint16_t words = in.U16();                   // 0 where the input is over
//   absl::Span<const uint8_t> bytes = in.Take(8 * words);      // or as many as there are

#ifndef SLABPIPE_TESTS_FUZZ_BYTE_READER_H_
#define SLABPIPE_TESTS_FUZZ_BYTE_READER_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/types/span.h"

namespace slabpipe::fuzz {

// Borrows the bytes. Every input is one: what is missing reads as nothing.
class ByteReader {
 public:
  explicit ByteReader(absl::Span<const uint8_t> bytes) : rest_(bytes) {}

  bool empty() const { return rest_.empty(); }
  uint8_t U8() {
    const absl::Span<const uint8_t> byte = Take(1);
    return byte.empty() ? 0 : byte[0];
  }
  uint16_t U16() {
    const uint8_t low = U8();
    return static_cast<uint16_t>(low | U8() << 8);
  }
  absl::Span<const uint8_t> Take(size_t count) {
    const absl::Span<const uint8_t> taken = rest_.subspan(0, std::min(count, rest_.size()));
    rest_.remove_prefix(taken.size());
    return taken;
  }
  absl::Span<const uint8_t> TakeRest() { return Take(rest_.size()); }

 private:
  absl::Span<const uint8_t> rest_;
};

class ByteWriter {
 public:
  void U8(size_t number) { bytes_.push_back(static_cast<char>(number)); }
  void U16(size_t number) {
    U8(number & 0xff);
    U8(number >> 8);
  }
  void Put(absl::Span<const uint8_t> bytes) { bytes_.append(bytes.begin(), bytes.end()); }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

}  // namespace slabpipe::fuzz

#endif  // SLABPIPE_TESTS_FUZZ_BYTE_READER_H_
