// CatchKj: the place where exceptions end: Cap'n Proto's, and those of containers without memory.
//
//   absl::Status read = CatchKj([&] { return ReadRequest(message.root<schemas::Message>()); });
//
// Reading a malformed message (a pointer out of bounds, nesting too deep, too much to traverse, a
// text that is not one) throws kj::Exception. Every function of ours that reads Cap'n Proto data
// which came from elsewhere runs inside CatchKj.

#ifndef SLABPIPE_TRANSPORT_KJ_BOUNDARY_H_
#define SLABPIPE_TRANSPORT_KJ_BOUNDARY_H_

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

namespace slabpipe {

// Runs `read` and returns its status; DATA_LOSS with kj's description if it threw kj::Exception;
// StatusOfException if it threw anything else, as a codec of the user's own may.
absl::Status CatchKj(absl::FunctionRef<absl::Status()> read);

// The same for building a message: INVALID_ARGUMENT, for then it was too large for Cap'n Proto.
absl::Status CatchKjBuilding(absl::FunctionRef<absl::Status()> build);

// What the exception that is being handled is in our terms: RESOURCE_EXHAUSTED for std::bad_alloc
// and std::length_error, INTERNAL with its text for others. REQUIRES: inside a catch block.
absl::Status StatusOfException();

}  // namespace slabpipe

#endif  // SLABPIPE_TRANSPORT_KJ_BOUNDARY_H_
