#include "slabpipe/tests/fuzz/check.h"

#include <cstdlib>
#include <iostream>

namespace slabpipe::fuzz {
namespace {

// Each level of nesting says where it was, by a name that may lie anywhere in the message. What a
// reader may visit of one (transport/message_pipe.cc), and four characters for each byte of it.
constexpr size_t kMessageBytesPerInputByte = 16;
constexpr size_t kLeastMessageBytes = size_t{512} << 10;

}  // namespace

void Violated(const char* file, int line, const char* condition, absl::string_view message) {
  std::cerr << file << ":" << line << ": violated: " << condition << ": " << message << std::endl;
  std::abort();
}

void CheckRefusal(const absl::Status& status, size_t input_bytes) {
  if (status.ok()) return;
  FUZZ_CHECK(absl::IsInvalidArgument(status) || absl::IsDataLoss(status) ||
                 absl::IsFailedPrecondition(status) || absl::IsResourceExhausted(status),
             status.ToString());
  FUZZ_CHECK(!status.message().empty(), status.ToString());
  FUZZ_CHECK(
      status.message().size() <= kLeastMessageBytes + kMessageBytesPerInputByte * input_bytes,
      "the error's message is larger than the input accounts for");
}

void CheckMisfit(const absl::Status& status) {
  if (status.ok()) return;
  // DATA_LOSS: what was changed after it had been decoded.
  FUZZ_CHECK(
      absl::IsInvalidArgument(status) || absl::IsOutOfRange(status) || absl::IsDataLoss(status),
      status.ToString());
  FUZZ_CHECK(!status.message().empty(), status.ToString());
}

}  // namespace slabpipe::fuzz
