// FUZZ_CHECK, CheckRefusal: what must hold whatever the input is. A violation ends the program, so
// that the fuzzer keeps the input.
//
//   FUZZ_CHECK(stats.peer.leases == 0, "a lease is still out");
//   CheckRefusal(decoded.status(), input.size());

#ifndef SLABPIPE_TESTS_FUZZ_CHECK_H_
#define SLABPIPE_TESTS_FUZZ_CHECK_H_

#include <cstddef>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

#define FUZZ_CHECK(condition, message) \
  ((condition) ? void() : ::slabpipe::fuzz::Violated(__FILE__, __LINE__, #condition, (message)))

namespace slabpipe::fuzz {

// Says what was violated on stderr, and aborts.
[[noreturn]] void Violated(const char* file, int line, const char* condition,
                           absl::string_view message);

// A status that reading a bad message of `input_bytes` may end with: OK, or a code that tells whose
// fault it was, with a message that says more and is no larger than the input would make it.
void CheckRefusal(const absl::Status& status, size_t input_bytes);

// The same for making a C++ type of what was decoded.
void CheckMisfit(const absl::Status& status);

}  // namespace slabpipe::fuzz

#endif  // SLABPIPE_TESTS_FUZZ_CHECK_H_
