// PlaceProcess: pins a worker to CPUs, as PipeOptions::placement says.

#ifndef SLABPIPE_SESSION_PLACEMENT_H_
#define SLABPIPE_SESSION_PLACEMENT_H_

#include <sys/types.h>

#include "absl/status/status.h"
#include "slabpipe/transport/message_pipe.h"

namespace slabpipe {

// Pins the process, seen from the CPU that the calling thread runs on now. FAILED_PRECONDITION if
// there is no CPU to pin it to.
absl::Status PlaceProcess(pid_t process, Placement placement);

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_PLACEMENT_H_
