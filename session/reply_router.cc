#include "slabpipe/session/reply_router.h"

#include <time.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "slabpipe/transport/kj_boundary.h"

namespace slabpipe {
namespace {

// The id under which Shutdown waits for the goodbye. Requests begin at 1.
constexpr uint64_t kGoodbyeId = 0;
// What is shown to people need not be longer.
constexpr size_t kMaxProgressBytes = 1024;

// CLOCK_MONOTONIC as of the last tick, some milliseconds ago at most: a third of the price.
int64_t CoarseNanoseconds() {
  timespec now = {};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

ReplyRouter::ReplyRouter(Channel& channel, EventSink events, Cancellation interrupt,
                         Cancellation poke)
    : channel_(channel),
      events_(std::move(events)),
      history_(*this),
      interrupt_(std::move(interrupt)),
      poke_(std::move(poke)),
      reading_meanwhile_(*this) {}

absl::Status ReplyRouter::Enter(PendingReply& reply) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!over_.ok()) return absl::FailedPreconditionError("the worker has ended");
  if (closing_) return absl::FailedPreconditionError("the session is being shut down");
  reply.id_ = next_id_++;
  reply.pending_ = true;
  pending_.push_back(&reply);
  return absl::OkStatus();
}

void ReplyRouter::EnterGoodbye(PendingReply& reply) {
  std::lock_guard<std::mutex> lock(mutex_);
  reply.id_ = kGoodbyeId;
  reply.pending_ = true;
  pending_.insert(pending_.begin(), &reply);
}

PendingReply* ReplyRouter::Find(uint64_t id) const {
  const auto found = std::lower_bound(
      pending_.begin(), pending_.end(), id,
      [](const PendingReply* reply, uint64_t wanted) { return reply->id_ < wanted; });
  return found == pending_.end() || (*found)->id_ != id ? nullptr : *found;
}

std::string ReplyRouter::TargetOf(uint64_t id) const {
  std::lock_guard<std::mutex> lock(mutex_);
  if (const PendingReply* reply = Find(id)) return std::string(reply->name_);
  const auto abandoned = abandoned_.find(id);
  if (abandoned != abandoned_.end()) return abandoned->second.name;
  return id != 0 && id == last_ended_.id ? last_ended_.target : "";
}

void ReplyRouter::SetConcurrency(uint32_t calls) {
  std::lock_guard<std::mutex> lock(mutex_);
  concurrency_ = calls;
}

uint64_t ReplyRouter::History::ended() const {
  std::lock_guard<std::mutex> lock(router_.mutex_);
  return router_.ended_;
}

CallName ReplyRouter::History::RanAlone(uint64_t since_ended, absl::Duration at_most) const {
  std::lock_guard<std::mutex> lock(router_.mutex_);
  const int64_t since = CoarseNanoseconds() - absl::ToInt64Nanoseconds(at_most);
  const bool last_counts = router_.ended_ > since_ended && router_.last_end_ >= since;
  const bool one_before_counts =
      router_.ended_ > since_ended + 1 && router_.one_before_end_ >= since;
  std::vector<CallName> in_flight = router_.CallsInFlight();
  if (in_flight.empty())
    return last_counts && !one_before_counts ? router_.last_ended_ : CallName();
  // The others wait for the first.
  const bool alone = router_.concurrency_ == 1 || in_flight.size() == 1;
  return alone && !last_counts ? in_flight.front() : CallName();
}

std::vector<CallName> ReplyRouter::CallsInFlight() const {
  std::vector<CallName> calls;
  for (const PendingReply* reply : pending_) {
    if (reply->kind_ != schemas::Message::RESPONSE || reply->ended_) continue;
    calls.push_back({.id = reply->id_, .target = std::string(reply->name_)});
  }
  for (const auto& [id, abandoned] : abandoned_) {
    if (abandoned.kind != schemas::Message::RESPONSE) continue;
    calls.push_back({.id = id, .target = abandoned.name});
  }
  std::sort(calls.begin(), calls.end(),
            [](const CallName& a, const CallName& b) { return a.id < b.id; });
  return calls;
}

void ReplyRouter::NoteAnswer(PendingReply& reply) {
  if (reply.kind_ != schemas::Message::RESPONSE || std::exchange(reply.ended_, true)) return;
  NoteEnd(reply.id_, reply.name_);
}

void ReplyRouter::NoteEnd(uint64_t id, absl::string_view name) {
  ++ended_;
  last_ended_.id = id;
  last_ended_.target.assign(name.data(), name.size());
  one_before_end_ = std::exchange(last_end_, CoarseNanoseconds());
}

void ReplyRouter::Forget(PendingReply& reply) {
  if (!std::exchange(reply.pending_, false)) return;
  pending_.erase(std::find(pending_.begin(), pending_.end(), &reply));
  auto& happened = reply.waiter_.happened_;
  happened.erase(std::remove(happened.begin(), happened.end(), &reply), happened.end());
}

void ReplyRouter::Withdraw(PendingReply& reply) {
  if (!reply.pending_) return;  // mostly: it has its answer
  std::lock_guard<std::mutex> lock(mutex_);
  Forget(reply);
}

void ReplyRouter::Abandon(PendingReply& reply) {
  if (!reply.pending_) return;
  std::lock_guard<std::mutex> lock(mutex_);
  if (reply.answer_ == nullptr) {
    abandoned_.emplace(
        reply.id_,
        Abandoned{.kind = reply.kind_, .credit = reply.credit_, .name = std::string(reply.name_)});
  }
  Forget(reply);
}

void ReplyRouter::Cancel(PendingReply& reply) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (std::exchange(reply.cancelled_, true) || !reply.pending_) return;
  Notify(reply);
  if (reader_ == &reply.waiter_) poke_.Cancel();
}

void ReplyRouter::AllowMore(PendingReply& reply, uint32_t items) {
  std::lock_guard<std::mutex> lock(mutex_);
  reply.credit_ += items;
}

void ReplyRouter::Notify(PendingReply& reply) {
  if (!std::exchange(reply.noted_, true)) reply.waiter_.happened_.push_back(&reply);
  Wake(reply.waiter_);
}

void ReplyRouter::Wake(Waiter& waiter) {
  if (waiter.asleep_) waiter.wake_.notify_one();
}

void ReplyRouter::Nudge(Waiter& waiter) {
  std::lock_guard<std::mutex> lock(mutex_);
  waiter.nudged_ = true;
  Wake(waiter);
  if (reader_ == &waiter) poke_.Cancel();
}

Happening ReplyRouter::Take(PendingReply& reply) {
  Happening now;
  now.progress = std::move(reply.progress_);
  if (now.progress != nullptr) return now;
  if (!reply.items_.empty()) {
    now.item = std::move(reply.items_.front());
    reply.items_.pop_front();
  } else if (reply.answer_ != nullptr) {
    now.answer = std::move(reply.answer_);
    NoteAnswer(reply);
    Forget(reply);
  } else if (!over_.ok()) {
    now.over = true;
    Forget(reply);
  } else if (reply.cancelled_) {
    now.cancelled = !std::exchange(reply.told_cancelled_, true);
  }
  return now;
}

Happening ReplyRouter::Look(PendingReply& reply) {
  std::lock_guard<std::mutex> lock(mutex_);
  return Take(reply);
}

Happening ReplyRouter::Await(PendingReply& reply, Deadline deadline) {
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    Happening now = Take(reply);
    if (now.nothing() && !deadline.HasPassed()) {
      Step(lock, reply.waiter_, &reply, deadline);
      continue;
    }
    reply.waiter_.happened_.clear();
    reply.noted_ = false;
    PassOnReading();
    if (now.answer == nullptr || pending_.empty()) return now;
    lock.unlock();
    // Others wait, and some of them have just got their answers. Where callers are more than
    // processors, they would otherwise wait until the kernel takes this one off its processor.
    std::this_thread::yield();
    return now;
  }
}

std::vector<PendingReply*> ReplyRouter::AwaitAny(Waiter& waiter, Deadline deadline) {
  std::unique_lock<std::mutex> lock(mutex_);
  while (waiter.happened_.empty() && !waiter.nudged_ && over_.ok() && !deadline.HasPassed()) {
    Step(lock, waiter, nullptr, deadline);
  }
  waiter.nudged_ = false;
  PassOnReading();
  std::vector<PendingReply*> happened(waiter.happened_.begin(), waiter.happened_.end());
  waiter.happened_.clear();
  for (PendingReply* reply : happened) reply->noted_ = false;
  return happened;
}

void ReplyRouter::Step(std::unique_lock<std::mutex>& lock, Waiter& waiter, PendingReply* own,
                       Deadline deadline) {
  if (reading_) {
    waiter.asleep_ = true;
    asleep_.push_back(&waiter);
    const absl::Duration rest = deadline.Remaining();
    if (rest == absl::InfiniteDuration()) {
      waiter.wake_.wait(lock);
    } else {
      waiter.wake_.wait_for(lock, absl::ToChronoNanoseconds(rest));
    }
    asleep_.erase(std::find(asleep_.begin(), asleep_.end(), &waiter));
    waiter.asleep_ = false;
    return;
  }
  reading_ = true;
  reader_ = &waiter;
  lock.unlock();
  absl::Status read = ReadOne(own, deadline);
  lock.lock();
  reading_ = false;
  reader_ = nullptr;
  if (!over_.ok()) over_changed_.notify_all();
  if (read.ok() || absl::IsDeadlineExceeded(read)) return;
  if (absl::IsCancelled(read) && over_.ok()) {
    poke_.Reset();
  } else {
    EndLocked(read);
  }
}

void ReplyRouter::PassOnReading() {
  if (!reading_ && !asleep_.empty()) asleep_.front()->wake_.notify_one();
}

absl::Duration ReplyRouter::ArmReading() {
  // Somebody else reads. When that one stops, nobody might: this one asks again.
  constexpr absl::Duration kPause = absl::Milliseconds(10);
  std::lock_guard<std::mutex> lock(mutex_);
  if (reading_) return kPause;
  // Not for ever: another one may read meanwhile, and then stop.
  return channel_.pipe().Arm() ? absl::ZeroDuration() : kPause;
}

void ReplyRouter::ReadMeanwhile() {
  std::unique_lock<std::mutex> lock(mutex_);
  if (!over_.ok() || reading_) return;  // the send is about to be cancelled; somebody else reads
  reading_ = true;
  lock.unlock();
  absl::Status read = ReadOne(nullptr, Deadline::After(absl::ZeroDuration()));
  lock.lock();
  reading_ = false;
  if (!over_.ok()) over_changed_.notify_all();
  if (absl::IsCancelled(read) && over_.ok()) {
    poke_.Reset();
  } else if (!read.ok() && !absl::IsDeadlineExceeded(read)) {
    EndLocked(read);
  }
  PassOnReading();
}

bool ReplyRouter::ReadWhatIsThere() {
  constexpr int kMostMessages = 100'000;  // then next time
  for (int i = 0; i < kMostMessages; ++i) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (reading_) return false;
      if (!over_.ok() || !channel_.pipe().HasMessage()) return true;
    }
    ReadMeanwhile();
  }
  return false;
}

absl::Status ReplyRouter::ReadOne(PendingReply* own, Deadline deadline) {
  absl::StatusOr<std::unique_ptr<Received>> received =
      channel_.Receive({.deadline = deadline, .cancellation = &poke_});
  if (!received.ok()) return received.status();
  return Handle(*std::move(received), own);
}

absl::Status ReplyRouter::Handle(std::unique_ptr<Received> received, PendingReply* own) {
  return CatchKj([&] {
    const schemas::Message::Reader root = received->root;
    const schemas::Message::Which kind = root.which();
    switch (kind) {
      case schemas::Message::LEASES:
        return absl::OkStatus();
      case schemas::Message::EVENT: {
        const schemas::Event::Reader event = root.getEvent();
        if (event.isLog()) return events_(*received);
        if (!event.isProgress()) {
          return absl::DataLossError(absl::StrCat("the worker sent an event of kind ",
                                                  static_cast<int>(event.which()),
                                                  ", which there is not"));
        }
        std::lock_guard<std::mutex> lock(mutex_);
        DeliverProgress(event.getProgress());
        return absl::OkStatus();
      }
      case schemas::Message::RESPONSE: {
        const uint64_t id = root.getResponse().getId();
        // The reader's own answer needs no lock: nobody else delivers while it reads.
        if (own != nullptr && own->id_ == id && own->kind_ == kind && own->answer_ == nullptr) {
          own->answer_ = std::move(received);
          has_answered_.store(true, std::memory_order_relaxed);
          return absl::OkStatus();
        }
        std::lock_guard<std::mutex> lock(mutex_);
        return Deliver(id, kind, std::move(received));
      }
      case schemas::Message::ITEM: {
        std::lock_guard<std::mutex> lock(mutex_);
        return DeliverItem(root.getItem().getId(), std::move(received));
      }
      case schemas::Message::PONG: {
        std::lock_guard<std::mutex> lock(mutex_);
        return Deliver(root.getPong(), kind, std::move(received));
      }
      case schemas::Message::GOODBYE: {
        std::lock_guard<std::mutex> lock(mutex_);
        return Deliver(kGoodbyeId, kind, std::move(received));
      }
      default:
        return absl::DataLossError(absl::StrCat("the worker sent a message of kind ",
                                                static_cast<int>(kind),
                                                ", which is not its to send"));
    }
  });
}

absl::Status ReplyRouter::Deliver(uint64_t id, schemas::Message::Which kind,
                                  std::unique_ptr<Received> received) {
  PendingReply* reply = Find(id);
  if (reply != nullptr && reply->kind_ == kind && reply->answer_ == nullptr) {
    has_answered_.store(true, std::memory_order_relaxed);
    reply->answer_ = std::move(received);
    NoteAnswer(*reply);
    Notify(*reply);
    return absl::OkStatus();
  }
  const auto abandoned = abandoned_.find(id);
  if (reply == nullptr && abandoned != abandoned_.end() && abandoned->second.kind == kind) {
    if (kind == schemas::Message::RESPONSE) NoteEnd(id, abandoned->second.name);
    abandoned_.erase(abandoned);
    return absl::OkStatus();
  }
  return absl::DataLossError(
      absl::StrCat("the worker answers ", id, ", which nobody has asked, or once more"));
}

absl::Status ReplyRouter::DeliverItem(uint64_t id, std::unique_ptr<Received> received) {
  PendingReply* reply = Find(id);
  const auto abandoned = abandoned_.find(id);
  uint32_t none = 0;
  uint32_t& credit = reply != nullptr                ? reply->credit_
                     : abandoned != abandoned_.end() ? abandoned->second.credit
                                                     : none;
  if (credit == 0 || (reply != nullptr && reply->answer_ != nullptr)) {
    return absl::DataLossError(
        absl::StrCat("the worker sends a result of ", id, " for which it has no credit"));
  }
  --credit;
  if (reply == nullptr) return absl::OkStatus();
  reply->items_.push_back(std::move(received));
  Notify(*reply);
  return absl::OkStatus();
}

void ReplyRouter::DeliverProgress(schemas::Progress::Reader in) {
  PendingReply* reply = Find(in.getId());
  // Nobody waits for it any more, or it is no call.
  if (reply == nullptr || reply->kind_ != schemas::Message::RESPONSE) return;
  const capnp::Text::Reader text = in.getText();
  reply->progress_ = std::make_unique<Progress>(
      Progress{.done = in.getDone(),
               .total = in.getTotal(),
               .text = std::string(text.begin(), std::min(text.size(), kMaxProgressBytes))});
  Notify(*reply);
}

bool ReplyRouter::Close() {
  std::lock_guard<std::mutex> lock(mutex_);
  return !closing_.exchange(true);
}

void ReplyRouter::SetOver(const absl::Status& why) {
  std::lock_guard<std::mutex> lock(mutex_);
  EndLocked(why);
}

void ReplyRouter::EndLocked(const absl::Status& why) {
  if (over_.ok()) over_ = why;
  channel_.Close();
  interrupt_.Cancel();
  poke_.Cancel();
  over_changed_.notify_all();
  for (Waiter* waiter : asleep_) waiter->wake_.notify_one();
}

void ReplyRouter::DrainEvents() {
  std::unique_lock<std::mutex> lock(mutex_);
  // Whoever reads is interrupted, or is another one that drains.
  over_changed_.wait(lock, [this] { return drained_ || !reading_; });
  if (drained_) return;
  reading_ = true;  // for good
  lock.unlock();
  PassOnLastEvents();
  lock.lock();
  drained_ = true;
  over_changed_.notify_all();
}

void ReplyRouter::PassOnLastEvents() {
  // More than ring and socket hold.
  constexpr int kMostMessages = 1'000'000;
  for (int i = 0; i < kMostMessages; ++i) {
    absl::StatusOr<std::unique_ptr<Received>> received =
        channel_.Receive({.deadline = Deadline::After(absl::ZeroDuration())});
    if (!received.ok()) return;
    absl::Status passed_on = CatchKj([&] {
      const schemas::Message::Reader root = (*received)->root;
      const bool log = root.isEvent() && root.getEvent().isLog();
      return log ? events_(**received) : absl::OkStatus();
    });
    if (!passed_on.ok()) return;
  }
}

absl::Status ReplyRouter::over() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return over_;
}

absl::Status ReplyRouter::AwaitOver(Deadline deadline) {
  std::unique_lock<std::mutex> lock(mutex_);
  while (over_.ok()) {
    if (deadline.HasPassed()) return absl::DeadlineExceededError("it goes on");
    const absl::Duration rest = std::min(deadline.Remaining(), absl::Hours(1));
    over_changed_.wait_for(lock, absl::ToChronoNanoseconds(rest));
  }
  return absl::OkStatus();
}

}  // namespace slabpipe
