#include "slabpipe/session/async_calls.h"

#include <cxxabi.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <unordered_map>
#include <utility>
#include <vector>

#include "slabpipe/session/service_thread.h"

namespace slabpipe {

namespace {

// On a thread of the session's, which others wait for, too.
void RunCallback(const std::function<void()>& callback) {
  try {
    return callback();
  } catch (const abi::__forced_unwind&) {
    throw;
  } catch (const std::exception& exception) {
    std::fprintf(stderr, "slabpipe: a future's callback has thrown: %s\n", exception.what());
  } catch (...) {
    std::fputs("slabpipe: a future's callback has thrown what is no std::exception\n", stderr);
  }
}

}  // namespace

void AsyncResult::Set(absl::StatusOr<Object> result) {
  std::vector<std::pair<uint64_t, std::function<void()>>> callbacks;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    result_ = std::move(result);
    ready_ = true;
    callbacks.swap(callbacks_);
    cancel_ = nullptr;
  }
  changed_.notify_all();
  for (const auto& [number, callback] : callbacks) RunCallback(callback);
}

// SUBTLE: in a forked process nobody may have the lock but a thread that is not there.
absl::Status AsyncResult::CheckProcess() const {
  if (!fork_watch_.in_forked_child()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "this process was forked from the one that made the call, which alone gets its result");
}

absl::Status AsyncResult::Wait(Deadline deadline) const {
  if (ready_) return absl::OkStatus();
  if (absl::Status mine = CheckProcess(); !mine.ok()) return mine;
  std::unique_lock<std::mutex> lock(mutex_);
  while (!result_.has_value()) {
    if (deadline.HasPassed()) {
      return absl::DeadlineExceededError("there is no result yet; the call goes on");
    }
    const absl::Duration rest = std::min(deadline.Remaining(), absl::Hours(1));
    changed_.wait_for(lock, absl::ToChronoNanoseconds(rest));
  }
  return absl::OkStatus();
}

uint64_t AsyncResult::OnReady(std::function<void()> callback) {
  if (!ready_) {
    if (!CheckProcess().ok()) return 0;
    std::lock_guard<std::mutex> lock(mutex_);
    if (!result_.has_value()) {
      callbacks_.emplace_back(++last_callback_, std::move(callback));
      return last_callback_;
    }
  }
  callback();
  return 0;
}

void AsyncResult::Forget(uint64_t callback) {
  if (!CheckProcess().ok()) return;
  std::function<void()> dropped;  // destroyed without the lock
  std::lock_guard<std::mutex> lock(mutex_);
  const auto place =
      std::lower_bound(callbacks_.begin(), callbacks_.end(), callback,
                       [](const auto& entry, uint64_t number) { return entry.first < number; });
  if (place == callbacks_.end() || place->first != callback) return;
  dropped.swap(place->second);
  callbacks_.erase(place);
}

size_t AsyncResult::callback_count() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return callbacks_.size();
}

void AsyncResult::SetCancel(std::function<void()> cancel) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!result_.has_value()) cancel_ = std::move(cancel);
}

void AsyncResult::Cancel() {
  if (!CheckProcess().ok()) return;
  std::lock_guard<std::mutex> lock(mutex_);
  if (cancel_ != nullptr) cancel_();
}

// What outlives the AsyncCalls if that is destroyed by a callback.
struct AsyncCalls::Shared {
  struct Entry {
    std::shared_ptr<AsyncCall> call;
    std::shared_ptr<AsyncResult> result;
  };
  // All calls of one connection, which is seen to until they are settled.
  using Entries = std::unordered_map<PendingReply*, Entry>;

  explicit Shared(Settle how) : settle(std::move(how)) {}
  void Run();
  void See(Connection& connection, Entries& entries);
  void SettleOne(Entries& entries, Entries::iterator place, CallOutcome outcome);
  void TakeNew(Connection& connection, Entries& entries);
  void LookAt(const std::vector<PendingReply*>& replies, Entries& entries);
  void CancelAll(Entries& entries);
  void AwaitLook(Deadline deadline);

  const Settle settle;
  std::mutex mutex;  // guards the next
  std::condition_variable changed;
  std::vector<Entry> added;
  std::shared_ptr<Connection> seen;  // by the thread; null if there is nothing to see to
  bool stop = false;
  size_t count = 0;
};

AsyncCalls::AsyncCalls(Settle settle) : shared_(std::make_shared<Shared>(std::move(settle))) {}

AsyncCalls::~AsyncCalls() {
  std::shared_ptr<Connection> seen;
  {
    std::lock_guard<std::mutex> lock(shared_->mutex);
    shared_->stop = true;
    seen = shared_->seen;
  }
  shared_->changed.notify_all();
  if (seen != nullptr) seen->router().Nudge(seen->async_waiter());
  if (!thread_.has_value()) return;
  if (thread_->get_id() == std::this_thread::get_id()) {
    thread_->detach();
  } else {
    thread_->join();
  }
}

absl::Status AsyncCalls::Add(std::shared_ptr<AsyncCall> call, std::shared_ptr<AsyncResult> result) {
  {
    std::lock_guard<std::mutex> lock(thread_mutex_);
    if (!thread_.has_value()) {
      auto thread = StartServiceThread([shared = shared_] { shared->Run(); });
      if (!thread.ok()) return thread.status();
      thread_ = *std::move(thread);
    }
  }
  const std::shared_ptr<Connection> connection = call->connection();
  {
    std::lock_guard<std::mutex> lock(shared_->mutex);
    shared_->added.push_back({.call = std::move(call), .result = std::move(result)});
    ++shared_->count;
  }
  shared_->changed.notify_all();
  connection->router().Nudge(connection->async_waiter());
  return absl::OkStatus();
}

size_t AsyncCalls::size() const {
  std::lock_guard<std::mutex> lock(shared_->mutex);
  return shared_->count;
}

void AsyncCalls::Shared::Run() {
  while (true) {
    std::shared_ptr<Connection> connection;
    {
      std::unique_lock<std::mutex> lock(mutex);
      changed.wait(lock, [this] { return stop || !added.empty(); });
      if (added.empty()) return;
      connection = seen = added.front().call->connection();
    }
    Entries entries;
    See(*connection, entries);
    std::lock_guard<std::mutex> lock(mutex);
    seen = nullptr;
  }
}

// To settle a call whose worker is lost may take as long as its deadline lets it. So these are the
// last, and of them those that have least time the first.
void AsyncCalls::Shared::LookAt(const std::vector<PendingReply*>& replies, Entries& entries) {
  std::vector<std::pair<Entries::iterator, CallOutcome>> lost;
  for (PendingReply* reply : replies) {
    const auto place = entries.find(reply);
    if (place == entries.end()) continue;  // not taken over yet
    std::optional<CallOutcome> outcome = place->second.call->in_progress().Look();
    if (!outcome.has_value()) continue;
    if (outcome->lost) {
      lost.emplace_back(place, *std::move(outcome));
    } else {
      SettleOne(entries, place, *std::move(outcome));
    }
  }
  std::sort(lost.begin(), lost.end(), [](const auto& a, const auto& b) {
    return a.first->second.call->deadline() < b.first->second.call->deadline();
  });
  for (auto& [place, outcome] : lost) SettleOne(entries, place, std::move(outcome));
}

// Takes over those calls of `connection` that were added, and looks at each once: something may
// have happened to it before.
void AsyncCalls::Shared::TakeNew(Connection& connection, Entries& entries) {
  std::vector<Entry> taken;
  {
    std::lock_guard<std::mutex> lock(mutex);
    const auto others = std::stable_partition(added.begin(), added.end(), [&](const Entry& entry) {
      return entry.call->connection().get() != &connection;
    });
    taken.assign(std::make_move_iterator(others), std::make_move_iterator(added.end()));
    added.erase(others, added.end());
  }
  for (Entry& entry : taken) {
    AsyncCall& call = *entry.call;
    const auto place = entries.emplace(&call.in_progress().reply(), std::move(entry)).first;
    if (auto outcome = call.in_progress().Look()) SettleOne(entries, place, *std::move(outcome));
  }
}

void AsyncCalls::Shared::SettleOne(Entries& entries, Entries::iterator place, CallOutcome outcome) {
  const Entry entry = std::move(place->second);
  entries.erase(place);
  bool stopped = false;  // then whoever settles may be gone
  {
    std::lock_guard<std::mutex> lock(mutex);
    --count;
    stopped = stop;
  }
  entry.result->Set(stopped ? std::move(outcome.result) : settle(*entry.call, std::move(outcome)));
}

void AsyncCalls::Shared::CancelAll(Entries& entries) {
  while (!entries.empty()) {
    SettleOne(entries, entries.begin(),
              {.result = absl::CancelledError("the session is gone"), .gave_up = true});
  }
}

// When the connection is over, and calls wait for nothing but the end of its process. What is added
// meanwhile waits no longer than these do.
void AsyncCalls::Shared::AwaitLook(Deadline deadline) {
  std::unique_lock<std::mutex> lock(mutex);
  const absl::Duration rest = std::min(deadline.Remaining(), absl::Seconds(1));
  changed.wait_for(lock, absl::ToChronoNanoseconds(rest), [this] { return stop; });
}

void AsyncCalls::Shared::See(Connection& connection, Entries& entries) {
  bool looked_after_end = false;
  while (true) {
    TakeNew(connection, entries);
    if (entries.empty()) return;
    {
      std::lock_guard<std::mutex> lock(mutex);
      if (stop) break;
    }
    Deadline next = Deadline::Never();
    for (const auto& [reply, entry] : entries) {
      next = Deadline::Earlier(next, entry.call->in_progress().next_look());
    }
    const bool over = !connection.over().ok();
    if (over) AwaitLook(looked_after_end ? next : Deadline::After(absl::ZeroDuration()));
    std::vector<PendingReply*> happened = connection.router().AwaitAny(
        connection.async_waiter(), over ? Deadline::After(absl::ZeroDuration()) : next);
    looked_after_end = over;
    if (over || next.HasPassed()) {
      happened.clear();
      for (const auto& [reply, entry] : entries) happened.push_back(reply);
    }
    if (!over && !connection.over().ok()) continue;  // all of them
    LookAt(happened, entries);
  }
  CancelAll(entries);
}

}  // namespace slabpipe
