// SessionOptions: the worker, and how the session deals with it. SessionStats: what has happened.
//
//   absl::StatusOr<Session> session =
//       Session::Start({.program = "stats_worker",
//                       .arguments = {"--quiet"},
//                       .limits = {.memory_bytes = uint64_t{8} << 30},
//                       .call_timeout = absl::Minutes(10),
//                       .restart = RestartPolicy::Once()});
//
// Plain values.

#ifndef SLABPIPE_SESSION_SESSION_OPTIONS_H_
#define SLABPIPE_SESSION_SESSION_OPTIONS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "slabpipe/codec/registry.h"
#include "slabpipe/session/child_process.h"
#include "slabpipe/session/handshake.h"
#include "slabpipe/session/log_sink.h"
#include "slabpipe/session/resource_limits.h"
#include "slabpipe/session/restart_policy.h"
#include "slabpipe/transport/message_pipe.h"
#include "slabpipe/transport/shm_pool.h"

namespace slabpipe {

struct SessionOptions {
  // The worker: a path, or a name that is looked for beside this program's executable, in Bazel's
  // runfiles, where programs are installed, and in PATH (find_program.h); or kThisProgram
  // (single_binary.h).
  std::string program;
  std::vector<std::string> arguments = {};
  // Variables to set, or (std::nullopt) to unset, for the worker.
  EnvironmentChanges environment = {};
  // Where the worker starts; this process's own folder if empty.
  std::string working_directory = {};
  ResourceLimits limits = {};
  // Absolute, from -20 (eager) to 19; this process's own if none.
  std::optional<int> niceness = std::nullopt;
  // Called one after the other, without arguments, whenever a worker has been started, before it is
  // used. An error of one of them is an error of the start.
  std::vector<std::string> start_up_targets = {};
  // How long the worker may take from being started to being ready: its hello, and the start-up
  // targets.
  absl::Duration start_timeout = absl::Seconds(10);
  // For calls that don't say otherwise. A call without a deadline ends with the worker, or with
  // Shutdown.
  absl::Duration call_timeout = absl::InfiniteDuration();
  // How long the destructor lets the worker finish what it runs.
  absl::Duration shutdown_grace = absl::Seconds(5);
  // Whether, and when, a worker that was lost is followed by another. The call that lost it fails
  // either way, unless the worker had not begun it, or it may be repeated
  // (CallOptions::idempotent): then Call, which has the arguments still, sends it once more. Submit
  // and Stream have not.
  RestartPolicy restart = {};
  // A worker that gives no sign of life for this long while a call waits for it is killed: it is
  // stopped, or its function neither uses processor time, nor reports, nor asks whether it is
  // cancelled, nor waits in its CallContext or ResultWriter. A second at least: less is taken for
  // that. By default never: a debugger stops workers, and a function may wait for something.
  // Without a ring (PipeOptions::ring_bytes is 0) there is no sign of life, and this does nothing.
  absl::Duration hang_timeout = absl::InfiniteDuration();
  // Where the worker's output and log records go; see log_sink.h.
  LogSink log_sink = LogToStderr;
  // The built-in codecs if null. Shared with the session: fill it first.
  std::shared_ptr<const CodecRegistry> codecs = nullptr;
  SegmentKind segments = SegmentKind::kMemfd;
  // How much free shared memory this side keeps warm for reuse.
  size_t max_kept_bytes = size_t{1} << 30;
  PipeOptions pipe = {};
};

struct SessionStats {
  ShmPoolStats pool;
  uint64_t calls = 0;     // begun
  uint64_t repeats = 0;   // calls that were sent once more, to a new worker
  uint64_t restarts = 0;  // workers started after the first
  // Objects in the worker that runs now, of which main has handles.
  size_t handles = 0;
  // Sent to the worker that runs now: messages, and their size without what lies in shared memory.
  uint64_t messages_sent = 0;
  uint64_t message_bytes_sent = 0;
};

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_SESSION_OPTIONS_H_
