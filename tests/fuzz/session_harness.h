// SessionHarness: what the fuzzer `session` does with an input (session_input.h).
//
//   static auto* const harness = new SessionHarness;
//   harness->Run(input);
//
// Main's end of a connection, its handshake, router and handles, reads what a worker sends that
// does as it likes; calls, streams, pings and the goodbye wait for it. In the end the worker is
// gone. Aborts if a call does not end then, or ends twice; if it gets what it has no credit for; if
// the connection is over for a reason that is none; if a text that is to be shown has control
// characters; if it releases handles that the worker has not sent; and as MessageHarness does.

#ifndef SLABPIPE_TESTS_FUZZ_SESSION_HARNESS_H_
#define SLABPIPE_TESTS_FUZZ_SESSION_HARNESS_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "slabpipe/codec/registry.h"
#include "slabpipe/tests/fuzz/own_memory.h"

namespace slabpipe::fuzz {

// Thread-compatible. Keeps nothing from input to input but its codecs and one segment.
class SessionHarness {
 public:
  SessionHarness();

  // Returns the first error that was the worker's fault: of the connection, or of an answer.
  absl::Status Run(absl::Span<const uint8_t> bytes);

 private:
  const CodecRegistry registry_;
  const std::shared_ptr<OwnMemory> memory_ = std::make_shared<OwnMemory>();
};

}  // namespace slabpipe::fuzz

#endif  // SLABPIPE_TESTS_FUZZ_SESSION_HARNESS_H_
