// LogRecord, LogSink: what a worker says, on its way to main.
//
//   SessionOptions options = {.program = "stats_worker"};
//   options.log_sink = [](const slabpipe::LogRecord& record) {
//     my_log.Write(record.time, record.worker, record.target, record.text);
//   };
//   ... session.FlushLogs(absl::Seconds(1)) ...   // all that has come so far has been passed on
//
// Contract. A session has one queue (log_queue.h) and one thread that empties it into the sink:
// calls of the sink never overlap, and go on in order over restarts of the worker. Neither the
// worker nor a call waits for the sink. When it is slower than the worker, the oldest records are
// dropped, and a record in their place says how many. What a worker has said before it died
// arrives; at the session's end, what is queued still does, unless the sink takes longer than five
// seconds for it. Then the rest is dropped, and a call of the sink that is still going on is left
// alone: it may outlast the session.
//
// What is printed comes through pipes, at any time. Records of Worker::Log come with the messages
// of the connection: at once while somebody waits for something (a call, a future, a ping),
// otherwise within a quarter of a second.
//
// A sink may block, and may call the session. What it throws is caught.

#ifndef SLABPIPE_SESSION_LOG_SINK_H_
#define SLABPIPE_SESSION_LOG_SINK_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>

#include "absl/time/time.h"

namespace slabpipe {

enum class LogSeverity { kInfo = 0, kWarning = 1, kError = 2 };

struct LogRecord {
  enum class Source { kStdout, kStderr, kLog };  // kLog: Worker::Log
  Source source = Source::kLog;
  LogSeverity severity = LogSeverity::kInfo;  // of kLog; kInfo for the others
  pid_t worker = 0;
  std::string text = {};  // one line, without its end
  // Of kLog when it was said, by the worker's clock; of the others when main read it.
  absl::Time time = absl::InfinitePast();
  // The request during which it was said, and the target of that. 0, or empty: none, or not known.
  // Of kLog it is that of the thread that said it. Of the others it is a good guess: that of the
  // call that alone ran just before main read the line.
  uint64_t call = 0;
  std::string target = {};
  // Not 0: stands for so many records of this source that were dropped here; its text says so.
  uint64_t dropped = 0;
};

// Null: what is said is dropped.
using LogSink = std::function<void(const LogRecord& record)>;

// The default: a line to this process's stderr, "[12:34:56.789 1234 W stats.mean] text": time, pid,
// severity (I, W, E), the target where it is known. If the text has more lines, they are indented;
// control characters are escapes.
void LogToStderr(const LogRecord& record);
// That line, with its end.
std::string FormatLogRecord(const LogRecord& record, absl::TimeZone zone = absl::LocalTimeZone());

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_LOG_SINK_H_
