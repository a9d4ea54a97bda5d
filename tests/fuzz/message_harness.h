// MessageHarness: what the fuzzer `message` does with an input (message_input.h).
//
//   static auto* const harness = new MessageHarness;
//   harness->Run(input);
//
// Takes the messages of one connection in as a session does: framing, memory table, names of
// codecs, and what each kind of message holds: arguments, result, error, hello, welcome, event.
// Before the first, this side has granted the peer its segment in slot 0, generation 1, once: that
// may be returned and echoed. What is decoded is used, sent back, and used again after the peer has
// gone. Aborts as DecoderHarness does, and if descriptors, leases or memory are not back at the
// end.

#ifndef SLABPIPE_TESTS_FUZZ_MESSAGE_HARNESS_H_
#define SLABPIPE_TESTS_FUZZ_MESSAGE_HARNESS_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "slabpipe/codec/registry.h"
#include "slabpipe/tests/fuzz/own_memory.h"

namespace slabpipe::fuzz {

// Thread-compatible. Keeps nothing from input to input but its codecs and one segment.
class MessageHarness {
 public:
  MessageHarness();

  // Returns the first error: of the connection, or of what a message holds.
  absl::Status Run(absl::Span<const uint8_t> bytes);

 private:
  class Connection;
  const CodecRegistry registry_;
  const std::shared_ptr<OwnMemory> memory_ = std::make_shared<OwnMemory>();
};

}  // namespace slabpipe::fuzz

#endif  // SLABPIPE_TESTS_FUZZ_MESSAGE_HARNESS_H_
