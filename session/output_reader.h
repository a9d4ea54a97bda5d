// OutputReader: reads what a worker prints, passes it on line by line, and remembers the end of its
// stderr.
//
//   absl::StatusOr<std::unique_ptr<OutputReader>> reader = OutputReader::Start(sink);
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
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "slabpipe/session/log_sink.h"
#include "slabpipe/transport/unique_fd.h"
#include "slabpipe/transport/wait.h"

namespace slabpipe {

// Thread-safe. Has a thread of its own, which sleeps while the worker is silent.
class OutputReader {
 public:
  // RESOURCE_EXHAUSTED when no descriptor is left.
  static absl::StatusOr<std::unique_ptr<OutputReader>> Start(LogSink sink);
  ~OutputReader() { Finish(); }

  // The ends for the worker to write to; borrowed.
  int stdout_writer() const { return streams_[0].writer.get(); }
  int stderr_writer() const { return streams_[1].writer.get(); }
  // To be called when the worker has them. Otherwise its end would not be seen.
  void CloseWriters();
  void set_worker(pid_t pid) { worker_ = pid; }

  // Reads what is there, passes on unfinished lines too, and ends the thread. Does not wait for
  // more, even if a child of the worker's still holds the other end.
  void Finish();

  // The last lines of stderr, at most 4 KiB.
  std::string stderr_tail() const;

 private:
  struct Stream {
    UniqueFd reader;
    UniqueFd writer;
    LogRecord::Source source;
    std::string partial;  // of a line
  };
  OutputReader(LogSink sink, Cancellation stop) : sink_(std::move(sink)), stop_(std::move(stop)) {}
  void Run();
  // Reads until there is nothing to read for now. False at the end of the stream.
  bool ReadAvailable(Stream& stream);
  void TakeText(Stream& stream, std::string_view text);
  void Emit(Stream& stream, std::string line);

  const LogSink sink_;
  const Cancellation stop_;
  std::array<Stream, 2> streams_;
  std::atomic<pid_t> worker_ = 0;
  mutable std::mutex mutex_;  // guards the next
  std::string stderr_tail_;
  std::mutex finish_mutex_;  // for joining the thread once
  std::thread thread_;
};

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_OUTPUT_READER_H_
