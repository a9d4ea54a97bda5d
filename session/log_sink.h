// LogRecord, LogSink: what a worker says, on its way to main.

#ifndef SLABPIPE_SESSION_LOG_SINK_H_
#define SLABPIPE_SESSION_LOG_SINK_H_

#include <sys/types.h>

#include <functional>
#include <string>

namespace slabpipe {

enum class LogSeverity { kInfo = 0, kWarning = 1, kError = 2 };

struct LogRecord {
  enum class Source { kStdout, kStderr, kLog };  // kLog: Worker::Log
  Source source = Source::kLog;
  LogSeverity severity = LogSeverity::kInfo;  // of kLog; kInfo for the others
  pid_t worker = 0;
  std::string text;  // one line, without its end
};

// Is called with each line: those of stdout and stderr on a thread of the session's own, those of
// Worker::Log on whichever thread reads the answer to a call. Calls may overlap. It must not call
// the session, nor throw. Null: what is said is dropped.
using LogSink = std::function<void(const LogRecord& record)>;

// The default: "[worker 1234] text" to this process's stderr.
void LogToStderr(const LogRecord& record);

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_LOG_SINK_H_
