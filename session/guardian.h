// Guardian: ends a worker whose main is gone, and says that it lives while main is there.
//
// A thread that waits until the other end of the connection is closed for good, then kills the
// worker's process group: a worker that computes, hangs or has children of its own does not outlive
// its main, even if that was killed by SIGKILL. Nor does one that has closed its own end. Main's
// process is watched, too: a child that main has forked may hold a copy of the other end. Meanwhile
// the guardian beats, four times a second.

#ifndef SLABPIPE_SESSION_GUARDIAN_H_
#define SLABPIPE_SESSION_GUARDIAN_H_

#include <functional>
#include <memory>
#include <thread>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "slabpipe/transport/unique_fd.h"
#include "slabpipe/transport/wait.h"

namespace slabpipe {

inline constexpr absl::Duration kHeartbeat = absl::Milliseconds(250);

// What a guardian does. For whoever else finds out that main is gone: the worker's children are to
// go, too. A program that leads no process group of its own ends alone.
[[noreturn]] void EndWithMain();

class Guardian {
 public:
  // Watches `socket` (borrowed), one end of a socket pair, and calls `beat` once a kHeartbeat.
  // RESOURCE_EXHAUSTED.
  static absl::StatusOr<std::unique_ptr<Guardian>> Start(int socket, std::function<void()> beat);
  // Ends the watch.
  ~Guardian();

 private:
  Guardian(int socket, std::function<void()> beat, Cancellation stop);
  void Run();

  const int socket_;
  const UniqueFd main_;  // a pidfd; none if main's process can't be told
  const std::function<void()> beat_;
  const Cancellation stop_;
  std::thread thread_;
};

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_GUARDIAN_H_
