// HandleOwner: the handles of one end of a connection, as codecs see them.
//
//   absl::StatusOr<uint64_t> number = owner.Send(handle);     // to be written into a message
//   absl::StatusOr<Handle<>> handle = owner.Find(number);     // that was read from one
//
// session/handle_table.h is the worker's, session/remote_handles.h main's.

#ifndef SLABPIPE_CODEC_HANDLE_OWNER_H_
#define SLABPIPE_CODEC_HANDLE_OWNER_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "slabpipe/codec/handle.h"

namespace slabpipe {

// Thread-safe.
class HandleOwner {
 public:
  virtual ~HandleOwner() = default;
  // Whether it can be sent to the peer. FAILED_PRECONDITION if it is stale, of no object, or of an
  // object that lives elsewhere.
  virtual absl::Status Check(const Handle<>& handle) const = 0;
  // What stands for it in a message to the peer: above 0. Counts as sent once, until the peer
  // releases it, or TakeBack. Errors are those of Check; RESOURCE_EXHAUSTED if there are too many.
  virtual absl::StatusOr<uint64_t> Send(const Handle<>& handle) = 0;
  // The message was not sent, or had it already.
  virtual void TakeBack(uint64_t number) = 0;
  // What the peer means by `number`.
  virtual absl::StatusOr<Handle<>> Find(uint64_t number) = 0;
};

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_HANDLE_OWNER_H_
