// Guardian: ends a worker whose main is gone.
//
// A thread that sleeps until the other end of the connection is closed for good, then kills the
// worker's process group: a worker that computes, hangs or has children of its own does not outlive
// its main, even if that was killed by SIGKILL.

#ifndef SLABPIPE_SESSION_GUARDIAN_H_
#define SLABPIPE_SESSION_GUARDIAN_H_

#include <memory>
#include <thread>

#include "absl/status/statusor.h"
#include "slabpipe/transport/wait.h"

namespace slabpipe {

class Guardian {
 public:
  // Watches `socket` (borrowed), one end of a socket pair.
  static absl::StatusOr<std::unique_ptr<Guardian>> Start(int socket);
  // Ends the watch.
  ~Guardian();

 private:
  Guardian(int socket, Cancellation stop);

  const Cancellation stop_;
  std::thread thread_;
};

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_GUARDIAN_H_
