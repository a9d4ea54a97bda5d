// LoopbackHandles: handles that cross from peer to peer in one process, where they stay what they
// are.
//
//   auto handles = std::make_shared<LoopbackHandles>();
//   main.UseHandles(handles), worker.UseHandles(handles);

#ifndef SLABPIPE_CODEC_TESTING_LOOPBACK_HANDLES_H_
#define SLABPIPE_CODEC_TESTING_LOOPBACK_HANDLES_H_

#include <cstdint>
#include <mutex>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "slabpipe/codec/handle.h"
#include "slabpipe/codec/handle_owner.h"

namespace slabpipe::codec_testing {

// Thread-safe. Keeps every handle that was sent for as long as it lives itself.
class LoopbackHandles : public HandleOwner {
 public:
  // OK for any handle of an object.
  absl::Status Check(const Handle<>& handle) const override { return handle.status(); }
  absl::StatusOr<uint64_t> Send(const Handle<>& handle) override;
  void TakeBack(uint64_t) override {}
  // FAILED_PRECONDITION for a number that Send has not given.
  absl::StatusOr<Handle<>> Find(uint64_t number) override;

 private:
  std::mutex mutex_;  // guards the next
  std::vector<Handle<>> handles_;
};

}  // namespace slabpipe::codec_testing

#endif  // SLABPIPE_CODEC_TESTING_LOOPBACK_HANDLES_H_
