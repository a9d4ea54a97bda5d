// MessageInput: what the fuzzer `message` reads: the messages of one connection, as the kernel
// would hand them over. Up to four, one behind the other; of each:
//
//   bytes
//       1  number of descriptors, modulo 5
//       1  bit 0: what it is decoded to is dropped at once; bit 1: the slabs change after decoding;
//          bit 2: what it is decoded to is sent back
//       2  words of the message
//   4 x n  descriptors: 1 byte kind (below), modulo 5; 1 byte size in pages, less one, modulo 16;
//          2 bytes: how many bytes come for it
//       -  the descriptors' bytes, each from its start
//   8 x n  the message, with Cap'n Proto's segment table

#ifndef SLABPIPE_TESTS_FUZZ_MESSAGE_INPUT_H_
#define SLABPIPE_TESTS_FUZZ_MESSAGE_INPUT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "slabpipe/tests/fuzz/byte_reader.h"

namespace slabpipe::fuzz {

inline constexpr size_t kPageBytes = 4096;

enum class DescriptorKind : uint8_t {
  kSealed,      // as a good peer's
  kUnsealed,    // a memfd that may shrink
  kShrinkOnly,  // sealed against shrinking, not against new writers
  kSparse,      // sealed, its memory not reserved
  kNoMemfd,
};
inline constexpr size_t kDescriptorKinds = 5;

struct MessageInput {
  struct Descriptor {
    DescriptorKind kind = DescriptorKind::kSealed;
    size_t size_bytes = kPageBytes;  // 1 to 16 pages
    absl::Span<const uint8_t> bytes = {};
  };
  struct Message {
    bool drop = false;
    bool change = false;
    bool send_back = false;
    std::vector<Descriptor> descriptors = {};
    absl::Span<const uint8_t> words = {};  // whole ones
  };
  std::vector<Message> messages;
};

// Every byte string is one. Borrows it.
MessageInput ParseMessageInput(absl::Span<const uint8_t> bytes);

// The byte string that is parsed to `input`. REQUIRES: its numbers fit.
std::string FormatMessageInput(const MessageInput& input);

// The same for one message, inside another input.
MessageInput::Message ParseMessage(ByteReader& in);
void FormatMessage(const MessageInput::Message& message, ByteWriter& out);

}  // namespace slabpipe::fuzz

#endif  // SLABPIPE_TESTS_FUZZ_MESSAGE_INPUT_H_
