// SessionInput: what the fuzzer `session` reads: what a worker does, and what main does meanwhile.
//
//   bytes
//       1  bit 0: main has offered a ring; bit 1: the worker's first message is its welcome
//          (otherwise it has been a good one)
//   then up to 64 steps; of each:
//       1  what is done (below), modulo 12
//       1  which: of calls, its number modulo those that there are; else as said below
//       -  of kMessage: the message, as in message_input.h
//       2  of kBytes and kPrint: how many bytes come, and the bytes

#ifndef SLABPIPE_TESTS_FUZZ_SESSION_INPUT_H_
#define SLABPIPE_TESTS_FUZZ_SESSION_INPUT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "slabpipe/tests/fuzz/message_input.h"

namespace slabpipe::fuzz {

struct SessionInput {
  enum class Kind : uint8_t {
    // The worker:
    kMessage,  // sends one; the flag `change` holds, the other two don't
    kBytes,    // sends bytes that may be no message; with a ring, has them in its control block,
               // from 64 * `which` on, modulo its size
    kPrint,    // prints bytes on stderr
    // Main:
    kCall,     // calls; which: bits 0 and 1: the credit; bit 2: one waiter for all such calls;
               // bit 3: it is a ping; bit 4: with all values that it has as arguments
    kRead,     // reads what is there
    kLook,     // looks what has happened to a call
    kAbandon,  // waits for a call no more
    kCancel,   // has a call told that it is cancelled
    kAllow,    // lets two more items of a call come
    kDrop,     // lets go of all values, and says which handles it needs no more
    kGoodbye,  // asks for the worker's end
    kGiveUp,   // ends the connection
  };
  static constexpr size_t kKinds = 12;
  // Of kCall.
  enum Which : uint8_t { kCredit = 3, kShared = 4, kPing = 8, kArguments = 16 };

  struct Step {
    Kind kind;
    uint8_t which = 0;
    MessageInput::Message message = {};
    absl::Span<const uint8_t> bytes = {};
  };
  bool ring = false;
  bool greets = false;
  std::vector<Step> steps;
};

// Every byte string is one. Borrows it.
SessionInput ParseSessionInput(absl::Span<const uint8_t> bytes);

// The byte string that is parsed to `input`. REQUIRES: its numbers fit.
std::string FormatSessionInput(const SessionInput& input);

}  // namespace slabpipe::fuzz

#endif  // SLABPIPE_TESTS_FUZZ_SESSION_INPUT_H_
