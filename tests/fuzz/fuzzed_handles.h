// FuzzedHandles: takes every number for a handle of an object elsewhere, and gives it back.

#ifndef SLABPIPE_TESTS_FUZZ_FUZZED_HANDLES_H_
#define SLABPIPE_TESTS_FUZZ_FUZZED_HANDLES_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "slabpipe/codec/handle.h"
#include "slabpipe/codec/handle_owner.h"

namespace slabpipe::fuzz {

// Thread-safe: has no state.
class FuzzedHandles : public HandleOwner {
 public:
  absl::Status Check(const Handle<>& handle) const override;
  absl::StatusOr<uint64_t> Send(const Handle<>& handle) override;
  void TakeBack(uint64_t) override {}
  // INVALID_ARGUMENT for 0.
  absl::StatusOr<Handle<>> Find(uint64_t number) override;
};

}  // namespace slabpipe::fuzz

#endif  // SLABPIPE_TESTS_FUZZ_FUZZED_HANDLES_H_
