// WorkerEnd: how a worker process ended, as a value.
//
//   if (std::optional<WorkerEnd> end = session.last_end()) {
//     if (const Signalled* signalled = std::get_if<Signalled>(&*end)) ...
//     std::cerr << DescribeEnd(*end);      // "was killed by signal 11 (SIGSEGV)"
//   }

#ifndef SLABPIPE_SESSION_WORKER_END_H_
#define SLABPIPE_SESSION_WORKER_END_H_

#include <string>
#include <variant>

namespace slabpipe {

// It called exit, or returned from main.
struct Exited {
  int code = 0;
  friend bool operator==(const Exited&, const Exited&) = default;
};
// A signal killed it. SIGKILL is also what slabpipe ends it with for reasons of main's own, which
// the status then tells: nothing left to map its memory with, the session restarted or destroyed.
struct Signalled {
  int signal = 0;
  bool core_dumped = false;
  friend bool operator==(const Signalled&, const Signalled&) = default;
};
// It did not answer in time, and slabpipe killed it.
struct TimedOut {
  // What it was at: "handshake" (from its start on), "running 'x.y'" (past a deadline that kills,
  // or without a sign of life), "shutdown"; or "heartbeat": it was stopped, or starved.
  std::string phase;
  friend bool operator==(const TimedOut&, const TimedOut&) = default;
};
// It broke the protocol, and slabpipe killed it.
struct Misbehaved {
  std::string what;
  friend bool operator==(const Misbehaved&, const Misbehaved&) = default;
};
// The process could not be made.
struct FailedToStart {
  std::string why;
  friend bool operator==(const FailedToStart&, const FailedToStart&) = default;
};
// It has ended, but another part of this program has taken its exit status (a SIGCHLD handler that
// waits for all children, or SIGCHLD ignored).
struct EndedUnobserved {
  friend bool operator==(const EndedUnobserved&, const EndedUnobserved&) = default;
};

using WorkerEnd =
    std::variant<Exited, Signalled, TimedOut, Misbehaved, FailedToStart, EndedUnobserved>;

// Completes a sentence that begins with "the worker": "exited with code 3".
std::string DescribeEnd(const WorkerEnd& end);

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_WORKER_END_H_
