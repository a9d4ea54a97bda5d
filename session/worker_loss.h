// WorkerLoss: that a call has lost its worker, how that ended, and what is known about it.
//
//   absl::StatusOr<double> mean = session.Call<double>("stats.mean", x);
//   if (std::optional<WorkerLoss> loss = GetWorkerLoss(mean.status())) {
//     std::cerr << loss->target << ": " << DescribeEnd(loss->end) << "\n";
//     for (const std::string& frame : loss->stack) std::cerr << "  " << frame << "\n";
//     if (loss->recovered && !loss->may_have_run) ... call again ...
//   }
//
// It comes with the statuses UNAVAILABLE, DATA_LOSS, DEADLINE_EXCEEDED, ... of calls, pings and
// starts that lost their worker, and with no others: a function of the worker's that returns
// UNAVAILABLE has none (it has a RemoteError, remote_error.h). Copies of a status share it. A
// status that is taken apart and put together again, from its code and message, loses it.

#ifndef SLABPIPE_SESSION_WORKER_LOSS_H_
#define SLABPIPE_SESSION_WORKER_LOSS_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "slabpipe/session/worker_end.h"

namespace slabpipe {

struct WorkerLoss {
  WorkerEnd end = EndedUnobserved();
  pid_t pid = 0;
  std::string program = {};  // as it was asked for
  // What it was doing, for main: "it ran 'stats.mean'", "shaking hands"; or, of a call that it had
  // not begun: "'stats.mean' waited for its turn".
  std::string doing = {};
  // Of the call that this status belongs to; empty and 0 if it was none, but a ping or the start.
  std::string target = {};
  uint64_t call = 0;
  // Why main gave it up, where `end` does not say so.
  std::string why = {};
  // The worker's stack where it crashed, innermost frame first, and what it said of the reason
  // ("terminate called after ..."). As the worker has told: empty if it died without a word.
  std::vector<std::string> stack = {};
  std::string crash_reason = {};
  std::string stderr_tail = {};  // the last whole lines of its stderr, at most 16 KiB
  // False: the worker had not begun with the call, and calling again can't do anything twice.
  bool may_have_run = false;
  // Whether another worker runs now, and if not, why ("a new worker could not be started: ...").
  bool recovered = false;
  pid_t new_pid = 0;
  std::string recovery_note = {};
};

// Fills in stack, crash_reason and stderr_tail from what is left of stderr, the more the better.
void SetLastWords(WorkerLoss& loss, absl::string_view stderr_text);

// The text of a status: what, where, the stack, the end of stderr (at most 4 KiB), whether there is
// another worker. Control characters of the worker's are escapes.
std::string DescribeLoss(const WorkerLoss& loss);

// A status with that text, and with the loss.
absl::Status ToStatus(absl::StatusCode code, const WorkerLoss& loss);
// Puts it into a status whose text is another one.
void AttachLoss(absl::Status& status, const WorkerLoss& loss);
// The status with a line more, that says what became of the session afterwards; in its loss, too,
// if it has one. `new_worker`: the pid of the one that runs now, 0 for none.
absl::Status WithNote(const absl::Status& status, absl::string_view note, pid_t new_worker = 0);
// Nullopt if the status is not about a worker that was lost.
std::optional<WorkerLoss> GetWorkerLoss(const absl::Status& status);

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_WORKER_LOSS_H_
