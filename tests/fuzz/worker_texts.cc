#include "slabpipe/tests/fuzz/worker_texts.h"

#include <algorithm>
#include <utility>

#include "absl/time/time.h"
#include "slabpipe/codec/text_width.h"
#include "slabpipe/session/crash_report.h"
#include "slabpipe/session/error_wire.h"
#include "slabpipe/session/log_sink.h"
#include "slabpipe/session/progress_bar.h"
#include "slabpipe/session/remote_error.h"
#include "slabpipe/session/worker_loss.h"
#include "slabpipe/tests/fuzz/check.h"

namespace slabpipe::fuzz {
namespace {

constexpr size_t kMostProgressBytes = 1024;
constexpr size_t kMostTailBytes = size_t{16} << 10;
constexpr size_t kColumns = 80;

void CheckText(absl::string_view text) {
  FUZZ_CHECK(text == SafeText(text), "a control character");
}

}  // namespace

void CheckWelcome(const WelcomeInfo& welcome) {
  CheckText(welcome.software);
  for (const TargetInfo& target : welcome.targets) {
    FUZZ_CHECK(CheckTargetInfo(target).ok(), target.name);
    CheckText(target.Signature());
    CheckText(target.documentation);
  }
}

void CheckError(schemas::Error::Reader error, absl::string_view target) {
  const absl::Status status = ToStatus(ReadError(error), target);
  FUZZ_CHECK(!status.ok() && GetRemoteError(status).has_value(), "no error");
  CheckText(status.message());
}

void CheckProgress(const Progress& progress) {
  FUZZ_CHECK(progress.text.size() <= kMostProgressBytes, "a long report");
  CheckText(ProgressLine("fuzz", progress, absl::Seconds(1), kColumns));
}

// As Connection::PassOn does it.
void CheckLog(schemas::LogRecord::Reader log, std::string target) {
  const LogRecord record = {
      .severity = static_cast<LogSeverity>(std::min<int>(log.getSeverity(), 2)),
      .worker = 1,
      .text = std::string(log.getText().cStr(), log.getText().size()),
      .time = absl::FromUnixNanos(log.getTime()),
      .call = log.getRequest(),
      .target = std::move(target)};
  CheckText(FormatLogRecord(record, absl::UTCTimeZone()));
}

void CheckLoss(const absl::Status& why, absl::string_view stderr_text) {
  WorkerLoss loss = {.end = Misbehaved{.what = std::string(why.message())},
                     .pid = 1,
                     .program = "fuzz_worker",
                     .doing = "it was fuzzed"};
  SetLastWords(loss, stderr_text);
  FUZZ_CHECK(loss.stack.size() <= kMostCrashFrames, "too long a stack");
  for (const std::string& frame : loss.stack) {
    FUZZ_CHECK(frame.size() <= kMostCrashFrameBytes, "too long a frame");
  }
  FUZZ_CHECK(loss.stderr_tail.size() <= kMostTailBytes, "too long a tail");
  const absl::Status status = ToStatus(absl::StatusCode::kUnavailable, loss);
  CheckText(status.message());
  FUZZ_CHECK(GetWorkerLoss(status).has_value(), "no loss");
}

}  // namespace slabpipe::fuzz
