#include "slabpipe/session/log_sink.h"

#include <stdio.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "slabpipe/codec/text_width.h"

namespace slabpipe {
namespace {

char Letter(LogSeverity severity) {
  switch (severity) {
    case LogSeverity::kInfo:
      return 'I';
    case LogSeverity::kWarning:
      return 'W';
    case LogSeverity::kError:
      return 'E';
  }
  return '?';
}

}  // namespace

std::string FormatLogRecord(const LogRecord& record, absl::TimeZone zone) {
  const std::string time = record.time == absl::InfinitePast()
                               ? "--:--:--.---"
                               : absl::FormatTime("%H:%M:%E3S", record.time, zone);
  return absl::StrCat("[", time, " ", record.worker, " ", std::string(1, Letter(record.severity)),
                      record.target.empty() ? "" : " ", record.target, "] ",
                      absl::StrReplaceAll(SafeText(record.text), {{"\n", "\n    "}}), "\n");
}

void LogToStderr(const LogRecord& record) {
  const std::string line = FormatLogRecord(record);
  ::fwrite(line.data(), 1, line.size(), stderr);  // one call: lines of several threads don't mix
}

}  // namespace slabpipe
