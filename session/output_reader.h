// OutputReader: reads what a worker prints, puts it into the log queue line by line, and remembers
// the end of its stderr.
//
//   absl::StatusOr<std::unique_ptr<OutputReader>> reader = OutputReader::Start(queue);
//   ... spawn with (*reader)->stdout_writer(), (*reader)->stderr_writer() ...
//   (*reader)->CloseWriters();
//   ...
//   (*reader)->Finish();               // after the worker's end: reads what it printed last
//   std::string tail = (*reader)->stderr_tail();

#ifndef SLABPIPE_SESSION_OUTPUT_READER_H_
#define SLABPIPE_SESSION_OUTPUT_READER_H_

#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "absl/status/statusor.h"
#include "slabpipe/session/call_history.h"
#include "slabpipe/session/log_queue.h"
#include "slabpipe/session/log_sink.h"
#include "slabpipe/transport/unique_fd.h"
#include "slabpipe/transport/wait.h"

namespace slabpipe {

// Thread-safe. Has a thread of its own, which sleeps while the worker is silent, but for its looks.
class OutputReader {
 public:
  // Borrows the queue. RESOURCE_EXHAUSTED when no descriptor, or no thread, is left.
  static absl::StatusOr<std::unique_ptr<OutputReader>> Start(LogQueue& queue);
  ~OutputReader() { Finish(); }

  // The ends for the worker to write to; borrowed.
  int stdout_writer() const { return streams_[0].writer.get(); }
  int stderr_writer() const { return streams_[1].writer.get(); }
  // To be called when the worker has them. Otherwise its end would not be seen.
  void CloseWriters();
  void set_worker(pid_t pid) { worker_ = pid; }
  // Whom to ask which call has printed what was read just now; borrowed until Finish has returned.
  // A good guess: the call that alone ran in the last 20 ms, or since there was nothing to read.
  void set_calls(const CallHistory* calls);
  // What is called on its thread four times a second, until Finish has returned: for other things
  // that a worker may say while nobody waits for it. It may take no longer than reading does.
  void set_look(std::function<void()> look);

  // Puts what has been printed so far, but for an unfinished line, into the queue.
  void ReadNow();
  // Reads what is there, passes on unfinished lines too, and ends the thread. Does not wait for
  // more, even if a child of the worker's still holds the other end.
  void Finish();

  // The last whole lines of stderr, at most so many bytes (but 64 KiB), and the unfinished one. Of
  // a line that is longer than that, its end.
  std::string stderr_tail(size_t max_bytes = size_t{16} << 10) const;

 private:
  struct Stream {
    UniqueFd reader;
    UniqueFd writer;
    LogRecord::Source source;
    std::string partial;        // of a line
    uint64_t ended_before = 0;  // calls, when there was nothing to read last
  };
  OutputReader(LogQueue& queue, Cancellation stop) : queue_(queue), stop_(std::move(stop)) {}
  void Run();
  void Look();
  // Guarded by mutex_, held by the caller:
  //
  uint64_t EndedCalls() const { return calls_ == nullptr ? 0 : calls_->ended(); }
  // Reads until there is nothing to read for now. False at the end of the stream.
  bool ReadAvailable(Stream& stream);
  void TakeText(Stream& stream, std::string_view text);
  void Emit(Stream& stream, LogRecord record);
  // Without a text: when, and by which call, what has been read now was printed.
  LogRecord RecordFor(const Stream& stream) const;

  LogQueue& queue_;
  const Cancellation stop_;
  std::atomic<pid_t> worker_ = 0;
  mutable std::mutex mutex_;  // guards the next, but for the descriptors
  std::array<Stream, 2> streams_;
  std::string stderr_tail_;
  const CallHistory* calls_ = nullptr;
  std::function<void()> look_;
  std::mutex finish_mutex_;  // for joining the thread once
  std::thread thread_;
};

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_OUTPUT_READER_H_
