// WorkerHealth: whether a worker works, waits, or is stuck.
//
//   const WorkerHealth health = session.health();              // asks nobody, from any thread
//   if (health.state == WorkerHealth::State::kBlocked && health.inactive > absl::Minutes(1)) {
//     std::cerr << health.target << " has run for " << health.running << "\n";
//   }
//
// A plain value. To have a worker that is stuck ended: SessionOptions::hang_timeout.

#ifndef SLABPIPE_SESSION_WORKER_HEALTH_H_
#define SLABPIPE_SESSION_WORKER_HEALTH_H_

#include <sys/types.h>

#include <string>

#include "absl/time/time.h"

namespace slabpipe {

// What is known of a worker at one moment. Its facts come from a thread of the worker's own, which
// looks at those that serve four times a second: a hostile worker may lie in them.
struct WorkerHealth {
  enum class State {
    kNone,     // there is no worker
    kUnknown,  // it has not beaten yet, or has no ring to say so (PipeOptions::ring_bytes is 0)
    kIdle,     // it waits for a call
    kWorking,  // it runs a function: it uses processor time, or the function reports or asks
               // whether it is cancelled
    kBlocked,  // it runs a function, and has done nothing of this for `inactive`: it waits for
               // something, or hangs
    kSilent,   // not even its watching thread has been heard for `silent`: it is stopped, or
               // starved
    kEnded,    // its process has ended, and no call has noticed yet: the next one starts another
               // if the policy says so
  };
  State state = State::kNone;
  pid_t worker = -1;
  // How long ago it was last heard, and how long ago it was last seen to do something.
  absl::Duration silent = absl::ZeroDuration();
  absl::Duration inactive = absl::ZeroDuration();
  // Of the function that has run longest: its target, if it is known, and for how long it has.
  std::string target = "";
  absl::Duration running = absl::ZeroDuration();
  // Processor time of the worker's process.
  absl::Duration cpu_time = absl::ZeroDuration();
};

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_WORKER_HEALTH_H_
