#include "slabpipe/tests/fuzz/session_harness.h"

#include <unistd.h>

#include <vector>

#include "slabpipe/tests/fuzz/check.h"
#include "slabpipe/tests/fuzz/sample_types.h"
#include "slabpipe/tests/fuzz/session_input.h"
#include "slabpipe/tests/fuzz/session_main.h"
#include "slabpipe/tests/fuzz/walk.h"
#include "slabpipe/transport/unique_fd.h"

namespace slabpipe::fuzz {
namespace {

// The number that the next descriptor gets: changes if one is left open.
int NextDescriptor() {
  const UniqueFd next(::dup(STDERR_FILENO));
  FUZZ_CHECK(next.valid(), "no descriptors are left");
  return next.get();
}

}  // namespace

// A first connection makes the descriptor that stays.
SessionHarness::SessionHarness() : registry_(FuzzedCodecs()) {
  FuzzedMain(registry_, memory_, {}).End();
}

absl::Status SessionHarness::Run(absl::Span<const uint8_t> bytes) {
  const SessionInput input = ParseSessionInput(bytes);
  const int next_descriptor = NextDescriptor();
  absl::Status error;
  {
    std::vector<Object> objects;
    {
      FuzzedMain main(registry_, memory_, input);
      for (const SessionInput::Step& step : input.steps) main.Do(step);
      main.End();
      objects = main.TakeObjects();
      error = main.error();
    }
    for (const Object& object : objects) Walk(object);
  }
  FUZZ_CHECK(NextDescriptor() == next_descriptor, "a descriptor is left open");
  return error;
}

}  // namespace slabpipe::fuzz
