// Doorbell: wakes a process that sleeps.
//
//   absl::StatusOr<Doorbell> bell = Doorbell::ToListenTo();
//   RingDoorbell(bell->ringer.get());           // the listener becomes readable
//   SilenceDoorbell(bell->listener.get());      // and is no more
//
// Main makes the bells of both sides, keeps one end of each and gives the other end away.
//
// SUBTLE: a bell whose listener is not trusted is a pipe(2), not an eventfd(2). Both sides of an
// eventfd hold the same open file description: a hostile listener could clear O_NONBLOCK on it,
// fill the counter, and so make the ringer's write block for ever. The ends of a pipe have flags of
// their own. The trusting side keeps its listening end open, too, so that ringing raises no
// SIGPIPE.

#ifndef SLABPIPE_TRANSPORT_DOORBELL_H_
#define SLABPIPE_TRANSPORT_DOORBELL_H_

#include "absl/status/statusor.h"
#include "slabpipe/transport/unique_fd.h"

namespace slabpipe {

struct Doorbell {
  UniqueFd ringer;
  UniqueFd listener;

  // An eventfd: the maker listens, and trusts nobody. Both ends are one object.
  // RESOURCE_EXHAUSTED when no descriptor is left, as below.
  static absl::StatusOr<Doorbell> ToListenTo();
  // A pipe: the maker rings, and does not trust the listener.
  static absl::StatusOr<Doorbell> ToRing();
};

// Never blocks and never fails in a way that matters: a bell that has rung enough is readable.
// Async-signal-safe.
void RingDoorbell(int ringer);

// Never blocks, whatever the peer does with its end. What rings after this call has begun is not
// lost.
void SilenceDoorbell(int listener);

}  // namespace slabpipe

#endif  // SLABPIPE_TRANSPORT_DOORBELL_H_
