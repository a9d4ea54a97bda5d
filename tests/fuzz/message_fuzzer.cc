// The fuzzer of whole messages.

#include <cstddef>
#include <cstdint>

#include "slabpipe/tests/fuzz/message_harness.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static auto* const harness = new slabpipe::fuzz::MessageHarness;
  harness->Run({data, size}).IgnoreError();  // most inputs are bad
  return 0;
}
