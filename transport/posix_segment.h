// PosixSegmentProvider: segments with a name in /dev/shm, for programs in other languages that
// attach by name.
//
// They can't be sealed: a peer that owns one can shrink it and so end a reader with SIGBUS. Use
// them only between processes that trust each other. Mode 0600. The owner unlinks a segment when it
// is done with it; what owners that were killed have left behind is swept by the next one that
// starts (SweepDeadOwners), told by the owner's pid and start time, which are part of each name.

#ifndef SLABPIPE_TRANSPORT_POSIX_SEGMENT_H_
#define SLABPIPE_TRANSPORT_POSIX_SEGMENT_H_

#include <memory>
#include <string>

#include "slabpipe/transport/segment.h"

namespace slabpipe {

// Thread-safe; holds no state.
class PosixSegmentProvider : public SegmentProvider {
 public:
  // `name` should begin with PosixSegmentPrefix() of the creating process, or a sweep will not know
  // whose it is.
  absl::StatusOr<std::unique_ptr<Segment>> Create(absl::string_view name,
                                                  size_t size_bytes) override;
  absl::StatusOr<std::unique_ptr<Segment>> Open(absl::string_view name, size_t size_bytes,
                                                UniqueFd descriptor) override;
  bool passes_descriptors() const override { return false; }
};

// "slabpipe.PID.STARTTIME." of this process: what the names of its segments begin with. STARTTIME
// is field 22 of /proc/PID/stat, proc(5), so that a process that has got a dead one's pid is not
// taken for it.
std::string PosixSegmentPrefix();

// Unlinks every slabpipe segment in /dev/shm, of this user's, whose owner is no longer there.
// Returns how many.
int SweepDeadOwners();

// Unlinks every segment in /dev/shm whose name begins with `prefix`: what a process that was killed
// has left. Returns how many.
int UnlinkSegments(absl::string_view prefix);

}  // namespace slabpipe

#endif  // SLABPIPE_TRANSPORT_POSIX_SEGMENT_H_
