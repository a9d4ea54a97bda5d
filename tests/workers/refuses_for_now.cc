// Refuses because it lacks memory, which another one may have.

#include "absl/status/status.h"
#include "slabpipe/tests/workers/raw_worker.h"

int main() {
  using namespace slabpipe::tests;
  SendWelcome({.refusal = "no memory left",
               .refusal_code = static_cast<uint16_t>(absl::StatusCode::kResourceExhausted)});
  return 4;
}
