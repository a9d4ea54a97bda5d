// Serving: a worker's end of a connection, after the handshake: takes requests, runs their
// functions, answers.
//
//   Serving serving(channel, targets, vitals, stop);
//   absl::Status end = serving.Serve(threads);
//
// Whoever has nothing better to do reads: a thread without a request waits for the next message,
// and runs what it brings itself. A function that asks whether it is cancelled, or waits for
// credit, reads meanwhile if nobody else does. So a worker with one thread still hears that a call
// was cancelled, and nothing is handed from thread to thread on the way to an answer.

#ifndef SLABPIPE_SESSION_SERVING_H_
#define SLABPIPE_SESSION_SERVING_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "slabpipe/session/channel.h"
#include "slabpipe/session/remote_error.h"
#include "slabpipe/session/target.h"
#include "slabpipe/transport/control_block.h"
#include "slabpipe/transport/wait.h"

namespace slabpipe {

// A request, from its arrival to its answer.
struct ServedRequest {
  std::unique_ptr<Received> message;
  uint64_t id = 0;
  Deadline deadline;
  bool reports = false;
  bool streams = false;
  std::atomic<bool> cancelled = false;
  std::atomic<bool> overdue = false;  // main says so, by its clock
  uint64_t credit = 0;                // guarded by Serving's mutex

  bool stopped() const { return cancelled || overdue || deadline.HasPassed(); }
};

class Serving {
 public:
  // Borrows all. `vitals` may be null. `stop` is to end reads, and nothing else uses it.
  Serving(Channel& channel, const TargetTable& targets, Vitals* vitals, const Cancellation& stop)
      : channel_(channel), targets_(targets), vitals_(vitals), stop_(stop) {
    Beat(true);
  }

  // Serves on this thread and `threads - 1` more, until main asks for the end (OK), is gone
  // (UNAVAILABLE), or breaks the protocol (DATA_LOSS). What came before the end is answered.
  absl::Status Serve(int threads);

  // Notes that the worker lives, for main to see. To be called now and then by a thread of its own.
  // `active`: it does something, whatever its processor time says.
  void Beat(bool active = false);

 private:
  friend class RunningCall;

  // Serves on this thread until the end.
  void ServeOnThisThread();
  // The next request to be run, after `finished` (or none); null at the end.
  std::unique_ptr<ServedRequest> Next(std::unique_ptr<ServedRequest> finished);
  absl::Status Answer(ServedRequest& request);
  absl::Status ReadRequest(const Received& received, absl::string_view& target,
                           std::vector<NamedObject>& arguments) const;
  // Runs the function. Leaves the result, encoded, in `response`, or returns what went wrong.
  std::optional<RemoteError> Run(ServedRequest& request, std::optional<ValueMessage>& response);
  absl::Status EncodeResult(const ArgumentRef& result, uint64_t id,
                            std::optional<ValueMessage>& response);
  absl::Status SendError(uint64_t id, const RemoteError& error);

  // All with the lock held. Reads one message, without the lock meanwhile, and does what it says.
  void ReadOne(std::unique_lock<std::mutex>& lock, Deadline deadline);
  void TakeIn(std::unique_ptr<Received> received, std::optional<uint64_t>& ping);
  void End(const absl::Status& why);
  void ShowOldest();
  ServedRequest* FindRequest(uint64_t id);
  // Waits, and reads meanwhile, until `done` (asked with the lock held), the deadline, or the end.
  void WaitUntil(std::unique_lock<std::mutex>& lock, Deadline deadline,
                 absl::FunctionRef<bool()> done);

  Channel& channel_;
  const TargetTable& targets_;
  Vitals* const vitals_;
  const Cancellation& stop_;
  std::atomic<uint64_t> signs_ = 0;   // of life, from functions and between them
  std::atomic<uint64_t> oldest_ = 0;  // the id of the request that has run longest; 0: none runs
  std::atomic<int> waits_ = 0;        // functions that wait for main, or let time pass, in here

  std::mutex mutex_;  // guards the next
  std::condition_variable changed_;
  int waiting_ = 0;       // for `changed_`
  bool reading_ = false;  // somebody reads
  bool shutdown_ = false;
  absl::Status end_;
  std::deque<std::unique_ptr<ServedRequest>> queue_;  // not begun
  std::vector<ServedRequest*> running_;               // in the order in which they began

  // Beat's:
  uint64_t seen_request_ = 0;
  uint64_t seen_signs_ = 0;
  int64_t seen_cpu_ = 0;
};

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_SERVING_H_
