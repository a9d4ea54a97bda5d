#include "slabpipe/session/worker_loss.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "slabpipe/codec/text_width.h"
#include "slabpipe/session/crash_report.h"
#include "slabpipe/session/last_lines.h"
#include "slabpipe/session/stack_text.h"
#include "slabpipe/session/status_detail.h"

namespace slabpipe {
namespace {

constexpr absl::string_view kName = "slabpipe.WorkerLoss";
constexpr size_t kTailBytes = size_t{16} << 10;
constexpr size_t kShownTailBytes = size_t{4} << 10;

}  // namespace

void SetLastWords(WorkerLoss& loss, absl::string_view stderr_text) {
  if (std::optional<CrashReport> report = FindCrashReport(stderr_text)) {
    loss.stack = std::move(report->stack);
    loss.crash_reason = std::move(report->reason);
  }
  loss.stderr_tail = std::string(LastLines(stderr_text, kTailBytes));
}

std::string DescribeLoss(const WorkerLoss& loss) {
  std::string text =
      absl::StrCat("the worker '", loss.program, "' ", SafeText(DescribeEnd(loss.end)));
  if (!loss.doing.empty()) absl::StrAppend(&text, " while ", loss.doing);
  if (!loss.why.empty()) absl::StrAppend(&text, ": ", SafeText(loss.why));
  const bool was_asked = std::holds_alternative<TimedOut>(loss.end);
  if (!loss.stack.empty())
    absl::StrAppend(&text, was_asked ? "\n  it was at" : "\n  it crashed at");
  AppendFrames(text, loss.stack);
  // Of what is listed above, not once more.
  const std::string rest =
      loss.stack.empty() ? loss.stderr_tail : WithoutCrashStacks(loss.stderr_tail);
  if (!rest.empty()) {
    const absl::string_view tail = LastLines(rest, kShownTailBytes);
    absl::StrAppend(&text, "\n  the end of its stderr:");
    for (const absl::string_view line : absl::StrSplit(absl::StripSuffix(tail, "\n"), '\n')) {
      absl::StrAppend(&text, "\n", SafeText(line));  // alone: one may be no UTF-8
    }
  }
  if (!loss.recovery_note.empty()) absl::StrAppend(&text, "\n  ", loss.recovery_note);
  return text;
}

absl::Status ToStatus(absl::StatusCode code, const WorkerLoss& loss) {
  absl::Status status(code, DescribeLoss(loss));
  AttachLoss(status, loss);
  return status;
}

void AttachLoss(absl::Status& status, const WorkerLoss& loss) {
  SetStatusDetail(status, kName, absl::StrCat("worker ", loss.pid), loss);
}

absl::Status WithNote(const absl::Status& status, absl::string_view note, pid_t new_worker) {
  absl::Status noted(status.code(), absl::StrCat(status.message(), "\n  ", note));
  if (std::optional<WorkerLoss> loss = GetWorkerLoss(status)) {
    loss->recovered = new_worker > 0;
    loss->new_pid = new_worker;
    loss->recovery_note = std::string(note);
    AttachLoss(noted, *loss);
  }
  return noted;
}

std::optional<WorkerLoss> GetWorkerLoss(const absl::Status& status) {
  const std::shared_ptr<const WorkerLoss> loss = GetStatusDetail<WorkerLoss>(status, kName);
  return loss == nullptr ? std::nullopt : std::make_optional(*loss);
}

}  // namespace slabpipe
