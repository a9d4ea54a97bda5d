// CrashReport: what a process that died has said about it on stderr, as values.
//
//   if (std::optional<CrashReport> report = FindCrashReport(reader.stderr_tail())) {
//     std::cerr << report->signal << " in " << report->stack[0];
//   }
//
// Knows the reports of Abseil's failure signal handler, of slabpipe's own (crash_handler.h), of
// std::terminate, and of the sanitizers. The text comes from the worker, which may print anything:
// nothing here is more than a hint for people.

#ifndef SLABPIPE_SESSION_CRASH_REPORT_H_
#define SLABPIPE_SESSION_CRASH_REPORT_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace slabpipe {

struct CrashReport {
  std::string signal;  // "SIGSEGV"; empty if none is told
  // "terminate called after throwing an instance of 'X': what it says", or the first line of a
  // sanitizer's report; empty if there is none.
  std::string reason;
  std::vector<std::string> stack;  // innermost first: functions, or addresses of unknown ones
};

inline constexpr size_t kMostCrashFrames = 64;
inline constexpr size_t kMostCrashFrameBytes = 512;

// The last report in `text`; nullopt if there is none. Longer lists and lines are cut.
std::optional<CrashReport> FindCrashReport(absl::string_view text);

// `text` without the lines that FindCrashReport reads stacks from, of all reports.
std::string WithoutCrashStacks(absl::string_view text);

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_CRASH_REPORT_H_
