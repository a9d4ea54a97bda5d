// LogQueue: between those that hear what the worker says and the sink that it is meant for.
//
//   absl::StatusOr<std::unique_ptr<LogQueue>> queue = LogQueue::Start(sink);
//   (*queue)->Push({.source = LogRecord::Source::kStdout, .text = "a line"});   // never waits
//   absl::Status told = (*queue)->Flush(Deadline::After(absl::Seconds(1)));
//   LogQueueStats stats = (*queue)->stats();
//
// A thread of its own calls the sink with one record after the other. The queue is bounded, in
// records and in bytes. When it is full, the oldest quarter is dropped: what was said last, before
// a crash, is what is looked for. In place of what was dropped the sink gets a record for each
// source (LogRecord::dropped).

#ifndef SLABPIPE_SESSION_LOG_QUEUE_H_
#define SLABPIPE_SESSION_LOG_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "slabpipe/session/log_sink.h"
#include "slabpipe/transport/wait.h"

namespace slabpipe {

struct LogQueueOptions {
  size_t max_records = 10'000;                    // at least 1
  size_t max_bytes = size_t{4} << 20;             // of texts and records; a longer text is cut
  absl::Duration end_timeout = absl::Seconds(5);  // how long the destructor may deliver
};

// Every record that was pushed is, or will be, counted in one of the first two.
struct LogQueueStats {
  uint64_t pushed = 0;
  uint64_t delivered = 0;  // the sink was called and has returned, or thrown
  uint64_t dropped = 0;
  uint64_t thrown = 0;  // so many calls of the sink ended by an exception
};

// Thread-safe, but for being destroyed.
class LogQueue {
 public:
  // Without a sink there is no thread, and all is dropped. RESOURCE_EXHAUSTED if there is no thread
  // to be had. Signals that are meant for the application are not delivered to the thread.
  static absl::StatusOr<std::unique_ptr<LogQueue>> Start(LogSink sink,
                                                         const LogQueueOptions& options = {});
  // Delivers what is queued, for at most `end_timeout`; drops the rest. A call of the sink that
  // still goes on then is left to itself, and so is it if this runs inside one.
  ~LogQueue();
  LogQueue(const LogQueue&) = delete;
  LogQueue& operator=(const LogQueue&) = delete;

  // Never waits for the sink.
  void Push(LogRecord record);
  // Waits until all that has been pushed so far is delivered or dropped. DEADLINE_EXCEEDED;
  // FAILED_PRECONDITION inside a call of the sink, which would wait for itself.
  absl::Status Flush(Deadline deadline);

  LogQueueStats stats() const;

 private:
  // Shared with the thread, which may outlive the queue.
  class State;
  LogQueue(std::shared_ptr<State> state, absl::Duration end_timeout)
      : state_(std::move(state)), end_timeout_(end_timeout) {}

  const std::shared_ptr<State> state_;
  const absl::Duration end_timeout_;
  std::thread thread_;  // none without a sink
};

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_LOG_QUEUE_H_
