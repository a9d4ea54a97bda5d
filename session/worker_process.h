// WorkerProcess: the process behind a connection, and its end: one thread brings it about, however
// many want it; the others wait for that, each with its own patience.
//
//   WorkerProcess process(*std::move(child));
//   ...
//   if (process.End(connection.over(), Deadline::Never())) Show(*process.end());

#ifndef SLABPIPE_SESSION_WORKER_PROCESS_H_
#define SLABPIPE_SESSION_WORKER_PROCESS_H_

#include <sys/types.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "slabpipe/session/child_process.h"
#include "slabpipe/session/worker_end.h"
#include "slabpipe/transport/wait.h"

namespace slabpipe {

// Thread-safe. How the process is ended follows from `why`, the end of its connection:
//   UNAVAILABLE          it closed its end: it may take 2 s to end by itself, then it is killed
//   FAILED_PRECONDITION  it refused, or was refused: the same
// DEADLINE_EXCEEDED    it is sent SIGTERM, if it has a grace, and killed: TimedOut; the message is
//                        the phase
//   DATA_LOSS            killed: Misbehaved; the message says what it did
//   others               killed
class WorkerProcess {
 public:
  explicit WorkerProcess(ChildProcess process) : process_(std::move(process)) {}
  // REQUIRES: its end is known.
  ~WorkerProcess();

  pid_t pid() const { return process_.pid(); }
  // Readable once it has ended; borrowed.
  int pidfd() const { return process_.pidfd(); }
  // Whether it runs no more. It may be a zombie yet.
  bool HasEnded() const;
  // How it ended; nullopt until that has been noted.
  std::optional<WorkerEnd> end() const;

  // Ends it, or waits until another thread has. False if that one has not by the time that
  // `patience` ends.
  bool End(const absl::Status& why, Deadline patience);

  // True: this thread has to end it, by one of the next two; whoever calls End waits until it has.
  // For one who must have that said before others learn that there is an end. False: it has ended,
  // or another thread ends it.
  bool Claim();
  // Between SIGTERM and SIGKILL lies the grace, at most a minute.
  void EndClaimed(const absl::Status& why, absl::Duration grace);
  // The same on a thread of its own, unless there can be none.
  void BeginToEndClaimed(const absl::Status& why, absl::Duration grace);
  // No more grace, for whatever ends it now or later.
  void Hurry() { hurried_ = true; }

  // If it has ended by itself, and no thread is about to end it, notes how: it is no zombie any
  // more. Does not wait. True if its end is known.
  bool Reap();

 private:
  WorkerEnd BringToEnd(const absl::Status& why, absl::Duration grace);

  ChildProcess
      process_;  // but for pid() and pidfd(), used by whoever has set ending_, or has mutex_
  std::atomic<bool> hurried_ = false;
  mutable std::mutex mutex_;  // guards the next
  std::condition_variable changed_;
  bool ending_ = false;  // a thread ends the process, without the lock
  std::optional<WorkerEnd> end_;
  std::thread terminator_;  // of BeginToEndClaimed
};

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_WORKER_PROCESS_H_
