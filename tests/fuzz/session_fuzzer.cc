// The fuzzer of what a worker sends in a session.

#include <cstddef>
#include <cstdint>

#include "slabpipe/tests/fuzz/session_harness.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static auto* const harness = new slabpipe::fuzz::SessionHarness;
  harness->Run({data, size}).IgnoreError();  // most inputs are bad
  return 0;
}
