// ChildProcess: spawns a program, waits for it, ends it and what it has spawned.
//
//   auto child = ChildProcess::Spawn({.path = "/bin/sleep", .descriptors = {{socket, 3}}});
//   std::optional<WorkerEnd> end = child->Wait(Deadline::After(absl::Seconds(5)));
//   if (!end) end = child->Kill();
//
// The child is exec'ed (posix_spawn), never forked from this program's state: locks and threads of
// the application don't matter. It leads a process group of its own, has default signal handlers
// and an empty signal mask, stdin at /dev/null, this program's stdout and stderr unless others are
// named, and no other descriptors but those named. The application's own signal settings are not
// touched.
//
// Limits and niceness are set from outside, as soon as the process runs its program, and before
// Spawn returns: what the program does in its first moments may come before them. Memory that it
// has by then is counted, but not taken away again. What they can't do is a status, and the process
// is gone.

#ifndef SLABPIPE_SESSION_CHILD_PROCESS_H_
#define SLABPIPE_SESSION_CHILD_PROCESS_H_

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "slabpipe/session/resource_limits.h"
#include "slabpipe/session/worker_end.h"
#include "slabpipe/transport/unique_fd.h"
#include "slabpipe/transport/wait.h"

namespace slabpipe {

// Environment variables to set, or (no value) to unset, on top of this process's own.
using EnvironmentChanges = std::map<std::string, std::optional<std::string>>;

struct SpawnOptions {
  std::string path;
  std::vector<std::string> arguments = {};  // without the program's name
  EnvironmentChanges environment = {};
  // Descriptors of this process (borrowed) and the numbers, from 0 to 9, that they get in the
  // child.
  std::vector<std::pair<int, int>> descriptors = {};
  // Where it starts; this process's own if empty. Both `path` and this are seen from this process's
  // own if they are relative.
  std::string working_directory = {};
  ResourceLimits limits = {};
  // Absolute; this process's own if none.
  std::optional<int> niceness = std::nullopt;
};

// Owns the process. Move-only; thread-compatible. The destructor kills and reaps what still runs.
class ChildProcess {
 public:
  // NOT_FOUND (also for a working directory that is none), PERMISSION_DENIED, RESOURCE_EXHAUSTED,
  // or INTERNAL with the system's reason; INVALID_ARGUMENT and PERMISSION_DENIED for limits, as
  // ApplyLimits has them.
  static absl::StatusOr<ChildProcess> Spawn(const SpawnOptions& options);
  ChildProcess(ChildProcess&& other) noexcept = default;
  ChildProcess& operator=(ChildProcess&& other) = delete;
  ~ChildProcess();

  pid_t pid() const { return pid_; }
  // Readable once the process has ended; borrowed.
  int pidfd() const { return pidfd_.get(); }

  // How it ended; nullopt if it has not by the deadline. When it has ended, what is left of its
  // process group is killed.
  std::optional<WorkerEnd> Wait(Deadline deadline);
  // Sends a signal to its process group, if it has not ended.
  void Signal(int signal);
  // SIGKILL to its process group, then waits. The end is that of the signal, unless it had ended by
  // itself.
  WorkerEnd Kill();

 private:
  ChildProcess(pid_t pid, UniqueFd pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}
  void KillAll();
  WorkerEnd Reap();

  pid_t pid_;
  UniqueFd pidfd_;
  std::optional<WorkerEnd> end_;
};

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_CHILD_PROCESS_H_
