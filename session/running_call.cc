#include "slabpipe/session/running_call.h"

#include <algorithm>
#include <mutex>
#include <optional>

#include "absl/strings/str_cat.h"
#include "slabpipe/codec/text_wire.h"

namespace slabpipe {
namespace {

// Reports that come closer than this are dropped.
constexpr int64_t kReportNanoseconds = 50'000'000;
// Nobody reads more in a line.
constexpr size_t kMaxReportBytes = 1024;

thread_local CallContext* current = nullptr;

}  // namespace

CallContext* CallContext::Current() { return current; }

RunningCall::RunningCall(Serving& serving, ServedRequest& request, const std::string& target)
    : serving_(serving), request_(request), target_(target), outer_(current) {
  current = this;
}

RunningCall::~RunningCall() { current = outer_; }

bool RunningCall::cancelled() {
  serving_.signs_.fetch_add(1, std::memory_order_relaxed);
  if (request_.stopped()) return true;
  std::unique_lock<std::mutex> lock(serving_.mutex_);
  while (!serving_.reading_ && serving_.end_.ok() && serving_.channel_.pipe().HasMessage()) {
    serving_.ReadOne(lock, Deadline::After(absl::ZeroDuration()));
  }
  return !serving_.end_.ok() || request_.stopped();
}

absl::Status RunningCall::status() {
  if (!cancelled()) return absl::OkStatus();
  if (request_.cancelled) return absl::CancelledError("main has cancelled the call");
  if (request_.stopped()) {
    return absl::DeadlineExceededError("the call's deadline has passed");
  }
  return absl::CancelledError("main is gone");
}

bool RunningCall::SleepFor(absl::Duration duration) {
  const Deadline deadline = Deadline::Earlier(Deadline::After(duration), request_.deadline);
  if (cancelled()) return false;
  std::unique_lock<std::mutex> lock(serving_.mutex_);
  serving_.WaitUntil(lock, deadline, [this] { return request_.stopped(); });
  return serving_.end_.ok() && !request_.stopped();
}

void RunningCall::Report(double done, double total, absl::string_view text) {
  serving_.signs_.fetch_add(1, std::memory_order_relaxed);
  if (!request_.reports) return;
  const int64_t now = MonotonicNanoseconds();
  const bool is_done = total > 0 && done >= total;
  if (!is_done && now - last_report_.load(std::memory_order_relaxed) < kReportNanoseconds) return;
  last_report_.store(now, std::memory_order_relaxed);
  text = text.substr(0, kMaxReportBytes);
  // If it can't be sent, main is gone, and the next read says so.
  serving_.channel_
      .Send(
          [&](schemas::Message::Builder root) {
            schemas::Progress::Builder progress = root.initEvent().initProgress();
            progress.setId(request_.id);
            progress.setDone(done);
            progress.setTotal(total);
            WriteText(text, [&](unsigned bytes) { return progress.initText(bytes); });
          },
          Wait())
      .IgnoreError();
}

absl::Status RunningCall::TakeCredit() {
  if (absl::Status stopped = status(); !stopped.ok()) return stopped;
  std::unique_lock<std::mutex> lock(serving_.mutex_);
  serving_.WaitUntil(lock, request_.deadline,
                     [this] { return request_.credit > 0 || request_.stopped(); });
  if (request_.credit > 0 && !request_.stopped()) {
    --request_.credit;
    return absl::OkStatus();
  }
  lock.unlock();
  return status();
}

absl::Status RunningCall::SendItem(const ArgumentRef& item) {
  if (absl::Status credit = TakeCredit(); !credit.ok()) return credit;
  ValueMessage message(serving_.channel_);
  if (absl::Status begun = message.Begin(Wait()); !begun.ok()) return begun;
  schemas::Item::Builder out = message.root().initItem();
  out.setId(request_.id);
  absl::Status sent = item.visit(item.value, [&](AnyRef model) {
    absl::Status encoded = message.Prepare(model);
    if (encoded.ok()) encoded = message.OpenSlab();
    if (encoded.ok()) encoded = message.Encode(model, out.initValue());
    return encoded.ok() ? message.Send(Wait()) : encoded;
  });
  if (sent.ok()) return sent;
  std::lock_guard<std::mutex> lock(serving_.mutex_);
  ++request_.credit;  // nothing has gone out
  return absl::Status(sent.code(), absl::StrCat("a result: ", sent.message()));
}

}  // namespace slabpipe
