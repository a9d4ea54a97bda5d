// The fuzzer of the decoder that FUZZED_CODEC names (BUILD.bazel).

#include <cstddef>
#include <cstdint>

#include "slabpipe/tests/fuzz/decoder_harness.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static auto* const harness = new slabpipe::fuzz::DecoderHarness(FUZZED_CODEC);
  harness->Run({data, size}).IgnoreError();  // most inputs are bad
  return 0;
}
