// DecoderInput: what the fuzzers of decoders read: one payload and a slab.
//
//   offset  bytes
//        0      2  words of the payload
//        2      1  number of refs, modulo 17
//        3      1  XORed onto every byte of the slab when all has been decoded; 0: left as it is
//        4      2  bit i: ref i is temporary
//        6      2  unused
//        8   4 x n refs: offset in units of 64 bytes, content in bytes; both modulo what there is
//           8 x n the payload: one Cap'n Proto segment whose root is a schemas.Payload
//            rest  the slab's bytes from its start; 'a' behind them
//
// Refs are made valid, and the message needs no segment table, so that what is mutated is what the
// decoder itself must check. The fuzzer `message` has the rest.

#ifndef SLABPIPE_TESTS_FUZZ_DECODER_INPUT_H_
#define SLABPIPE_TESTS_FUZZ_DECODER_INPUT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"

namespace slabpipe::fuzz {

// Of the slab that every input has.
inline constexpr size_t kSlabBytes = size_t{64} << 10;

struct DecoderInput {
  struct Ref {
    size_t offset_bytes = 0;   // a multiple of 64, less than kSlabBytes
    size_t content_bytes = 0;  // inside the slab
    bool temporary = false;

    // A block without bytes, which names no segment.
    bool empty() const { return offset_bytes == 0 && content_bytes == 0 && !temporary; }
  };
  uint8_t change = 0;
  std::vector<Ref> refs;
  absl::Span<const uint8_t> payload;  // whole words
  absl::Span<const uint8_t> slab;     // at most kSlabBytes

  // Up to where refs reach.
  size_t used_bytes() const;
};

// Every byte string is one. Borrows it.
DecoderInput ParseDecoderInput(absl::Span<const uint8_t> bytes);

// The byte string that is parsed to `input`. REQUIRES: it has at most 16 refs, 65,535 words.
std::string FormatDecoderInput(const DecoderInput& input);

}  // namespace slabpipe::fuzz

#endif  // SLABPIPE_TESTS_FUZZ_DECODER_INPUT_H_
