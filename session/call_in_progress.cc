#include "slabpipe/session/call_in_progress.h"

#include <cxxabi.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "absl/strings/str_cat.h"
#include "slabpipe/session/worker_loss.h"

namespace slabpipe {
namespace {

// By default, of OnDeadline::kKill.
constexpr absl::Duration kKillGrace = absl::Seconds(1);
// To tell the worker that nobody waits may take so long, even if it has no grace: its ring may be
// full, or another message be on its way.
constexpr absl::Duration kTimeToTell = absl::Milliseconds(5);
// A worker beats four times a second; one that is looked at all the time is never heard.
constexpr absl::Duration kLeastHangTimeout = absl::Seconds(1);
// How often a call that no thread waits for alone looks whether its worker has ended.
constexpr absl::Duration kLookForEnd = absl::Milliseconds(10);
// How often in a hang_timeout the worker's health is looked at.
constexpr int kLooks = 4;

absl::Duration GraceOf(const CallOptions& options) {
  const bool kills = options.on_deadline == OnDeadline::kKill;
  return options.grace.value_or(kills ? kKillGrace : absl::ZeroDuration());
}

}  // namespace

CallInProgress::CallInProgress(Connection& connection, absl::string_view target,
                               const CallOptions& options, Deadline deadline,
                               absl::Duration hang_timeout, Waiter& waiter)
    : connection_(connection),
      target_(target),
      options_(options),
      deadline_(deadline),
      hang_timeout_(std::max(hang_timeout, kLeastHangTimeout)),
      reply_(schemas::Message::RESPONSE, waiter, target),
      patience_ends_(deadline) {
  SetNextLook();
}

CallInProgress::~CallInProgress() {
  on_stop_.reset();
  if (sent_ != 0) {
    connection_.router().Abandon(reply_);
  } else {
    connection_.router().Withdraw(reply_);
  }
}

std::optional<CallOutcome> CallInProgress::Start(absl::Span<const ArgumentRef> arguments,
                                                 uint32_t credit) {
  if (options_.cancellation.stop_requested()) {
    return CallOutcome{
        .result = absl::CancelledError(absl::StrCat(target_, ": cancelled before it was sent")),
        .gave_up = true};
  }
  ReplyRouter& router = connection_.router();
  reply_.AllowItems(credit);
  streams_ = credit > 0;
  if (absl::Status entered = router.Enter(reply_); !entered.ok()) {
    const bool lost = !connection_.over().ok();
    CallOutcome failed = {.result = entered, .lost = lost};
    if (lost && !connection_.closing()) {
      failed = Lost(absl::StrCat("'", target_, "' was to be called"));
    }
    failed.may_have_run = false;
    failed.shut_out = connection_.closing();
    return failed;
  }
  // It would not be run.
  if (deadline_.HasPassed()) {
    router.Withdraw(reply_);
    return CallOutcome{.result = absl::DeadlineExceededError(
                           absl::StrCat(target_, ": its deadline had passed before it was sent")),
                       .gave_up = true};
  }
  if (options_.cancellation.stop_possible()) {
    on_stop_.emplace(options_.cancellation, [this] { Cancel(); });
  }
  bool worker_is_full = false;
  absl::Status sent = connection_.SendRequest(Head(credit), arguments, sent_, worker_is_full);
  if (sent.ok()) return std::nullopt;
  router.Withdraw(reply_);
  const bool closing = connection_.closing();
  if (!absl::IsFailedPrecondition(sent) && !connection_.over().ok()) {
    CallOutcome lost = Lost(absl::StrCat("'", target_, "' was being called"));
    lost.shut_out = closing;
    return lost;
  }
  const bool gave_up = absl::IsDeadlineExceeded(sent) || absl::IsCancelled(sent);
  // Unless the worker takes nothing, it may be well.
  if (!gave_up || !worker_is_full) {
    return CallOutcome{.result = sent,
                       .gave_up = gave_up,
                       .shut_out = closing && absl::IsFailedPrecondition(sent)};
  }
  reason_ = sent.code();
  return GivenUp("it could not be sent");
}

Connection::RequestHead CallInProgress::Head(uint32_t credit) const {
  return {.id = reply_.id(),
          .target = target_,
          .deadline = deadline_,
          .credit = credit,
          .reports = options_.progress != nullptr,
          .cancellation = options_.cancellation,
          .hang_timeout = hang_timeout_};
}

// Without credit a stream runs dry, and then the end is seen, however slow its reader is.
void CallInProgress::Grant(uint32_t items) {
  if (asked_to_stop_ || cancelled_ || deadline_.HasPassed()) return;
  connection_.router().AllowMore(reply_, items);
  connection_.SendCredit(Head(items)).IgnoreError();  // then the next look says why
}

CallOutcome CallInProgress::Broken() {
  connection_.router().Withdraw(reply_);
  return Lost(absl::StrCat("it yielded the results of '", target_, "'"));
}

CallOutcome CallInProgress::Finish() {
  while (true) {
    Happening now = connection_.router().Await(reply_, next_look_);
    if (std::optional<CallOutcome> outcome = Advance(now)) return *std::move(outcome);
  }
}

CallInProgress::Next CallInProgress::FinishOrItem() {
  while (true) {
    Happening now = connection_.router().Await(reply_, next_look_);
    if (now.item != nullptr) return {.item = std::move(now.item), .outcome = std::nullopt};
    if (std::optional<CallOutcome> outcome = Advance(now)) {
      return {.item = nullptr, .outcome = std::move(outcome)};
    }
  }
}

// Behind a report there may be the answer. Another report behind it has come meanwhile, and so will
// be looked at again: this call is not the only one, and more may come all the time.
std::optional<CallOutcome> CallInProgress::Look() {
  looked_at_ = true;
  bool reported = true;
  for (int looks = 0; looks < 2 && reported; ++looks) {
    Happening now = connection_.router().Look(reply_);
    reported = now.progress != nullptr;
    if (std::optional<CallOutcome> outcome = Advance(now)) return outcome;
  }
  return std::nullopt;
}

std::optional<CallOutcome> CallInProgress::Advance(Happening& now) {
  if (now.answer != nullptr) {
    Connection::Answer answer = connection_.ReadAnswer(*now.answer, target_);
    if (!answer.broken.ok()) return Lost(absl::StrCat("it answered '", target_, "'"));
    return CallOutcome{.result = std::move(answer.result)};
  }
  if (now.over) {
    if (MustWaitForEnd()) return std::nullopt;
    return given_up_.empty() ? Lost(absl::StrCat("it ran '", target_, "'")) : Killed();
  }
  if (now.progress != nullptr && options_.progress) Report(*now.progress);
  // Reports, which may come all the time, go before it. Of a stream, what has arrived goes, too.
  const bool cancelled = now.cancelled || !thrown_.empty() || (cancelled_ && !streams_);
  if (cancelled || patience_ends_.HasPassed()) {
    if (std::optional<CallOutcome> outcome = LoseHeart(cancelled)) return outcome;
    if (!given_up_.empty()) return std::nullopt;  // the end of the worker is waited for
  }
  if (hang_timeout_ < absl::InfiniteDuration()) {
    connection_.TerminateIfHung(hang_timeout_, target_);
  }
  SetNextLook();
  return std::nullopt;
}

// What the callback throws cancels the call.
void CallInProgress::Report(const Progress& progress) {
  if (!thrown_.empty()) return;
  try {
    options_.progress(progress);
  } catch (const abi::__forced_unwind&) {
    throw;  // this thread is being cancelled
  } catch (const std::exception& exception) {
    thrown_ = absl::StrCat("its progress callback has thrown: ", exception.what());
  } catch (...) {
    thrown_ = "its progress callback has thrown what is no std::exception";
  }
}

// The first time the worker is told, and has the grace. The second time is the end.
std::optional<CallOutcome> CallInProgress::LoseHeart(bool cancelled) {
  if (asked_to_stop_) {
    if (!patience_ends_.HasPassed()) return std::nullopt;  // cancelled after its deadline
    return GiveUp();
  }
  asked_to_stop_ = true;
  reason_ = cancelled ? absl::StatusCode::kCancelled : absl::StatusCode::kDeadlineExceeded;
  patience_ends_ = Deadline::After(GraceOf(options_));
  connection_.SendCancel(reply_.id(), !cancelled,
                         std::max(patience_ends_, Deadline::After(kTimeToTell)));
  return patience_ends_.HasPassed() ? GiveUp() : std::nullopt;
}

std::optional<CallOutcome> CallInProgress::GiveUp() {
  // It may have come just now, behind a report or items.
  Happening now = connection_.router().Look(reply_);
  while (now.progress != nullptr || now.item != nullptr) now = connection_.router().Look(reply_);
  if (now.answer != nullptr || now.over) return Advance(now);
  const bool cancelled = reason_ == absl::StatusCode::kCancelled;
  const std::string what = !cancelled        ? "no answer in time"
                           : thrown_.empty() ? "the call was cancelled"
                                             : thrown_;
  if (options_.on_deadline == OnDeadline::kKill) return GivenUp(what);
  return GivenUp(absl::StrCat(
      what, "; the worker goes on with it, unless its function asks whether it is cancelled"));
}

std::optional<CallOutcome> CallInProgress::GivenUp(absl::string_view what) {
  if (options_.on_deadline == OnDeadline::kAbandon) {
    connection_.router().Abandon(reply_);
    return CallOutcome{.result = absl::Status(reason_, absl::StrCat(target_, ": ", what)),
                       .gave_up = true};
  }
  given_up_ = std::string(what);
  const std::string phase = absl::StrCat("running '", target_, "'");
  const absl::Duration grace = std::max(GraceOf(options_), absl::Milliseconds(1));
  if (looked_at_) {
    connection_.BeginToTerminate(phase, grace);
  } else {
    connection_.Terminate(phase, grace);
  }
  if (MustWaitForEnd()) return std::nullopt;
  return Killed();
}

CallOutcome CallInProgress::Killed() {
  const CallOutcome lost =
      Lost(absl::StrCat("it ran '", target_, "'"), Deadline::After(absl::ZeroDuration()));
  absl::Status status(reason_,
                      absl::StrCat(target_, ": ", given_up_, ": ", lost.result.status().message()));
  if (std::optional<WorkerLoss> loss = GetWorkerLoss(lost.result.status())) {
    AttachLoss(status, *loss);
  }
  return {.result = status, .lost = true, .gave_up = true};
}

bool CallInProgress::MustWaitForEnd() {
  if (!looked_at_ || connection_.AwaitEnd(Deadline::After(absl::ZeroDuration()))) return false;
  const bool kills = !given_up_.empty();  // and waits for the grace, whatever time it is
  if (!kills && deadline_.HasPassed()) return false;
  next_look_ = Deadline::After(kLookForEnd);
  if (!kills) next_look_ = Deadline::Earlier(next_look_, deadline_);
  return true;
}

CallOutcome CallInProgress::Lost(absl::string_view doing, Deadline patience) {
  Loss loss = connection_.Lost(doing, sent_, target_, reply_.id(), patience);
  return {.result = std::move(loss.status), .lost = true, .may_have_run = loss.may_have_run};
}

void CallInProgress::SetNextLook() {
  next_look_ = patience_ends_;
  if (hang_timeout_ < absl::InfiniteDuration()) {
    next_look_ = Deadline::Earlier(next_look_, Deadline::After(hang_timeout_ / kLooks));
  }
}

}  // namespace slabpipe
