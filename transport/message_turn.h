// MessageTurn: one message at a time, from the clearing of the pool to the end of its send.
//
//   absl::Status mine = turn.Take(deadline);
//   if (!mine.ok()) return mine;          // DEADLINE_EXCEEDED: another one is being written
//   ... clear, encode, send ...
//   turn.Release();
//
// A mutex that is waited for with a deadline, and that tells a thread which has it already instead
// of letting it wait for ever.

#ifndef SLABPIPE_TRANSPORT_MESSAGE_TURN_H_
#define SLABPIPE_TRANSPORT_MESSAGE_TURN_H_

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "absl/status/status.h"
#include "slabpipe/transport/wait.h"

namespace slabpipe {

// Thread-safe.
class MessageTurn {
 public:
  // Waits for the turn until the deadline (a cancellation is not looked at). DEADLINE_EXCEEDED;
  // FAILED_PRECONDITION if this thread has it already.
  absl::Status Take(Deadline deadline);
  // REQUIRES: this thread has the turn.
  void Release();

 private:
  bool TryTake();

  std::atomic<std::thread::id> holder_ = std::thread::id();  // of no thread: free
  std::atomic<int> waiting_ = 0;
  std::mutex mutex_;  // of those that wait
  std::condition_variable released_;
};

}  // namespace slabpipe

#endif  // SLABPIPE_TRANSPORT_MESSAGE_TURN_H_
