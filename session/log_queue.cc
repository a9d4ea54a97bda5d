#include "slabpipe/session/log_queue.h"

#include <stdio.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "slabpipe/session/service_thread.h"

namespace slabpipe {
namespace {

constexpr size_t kSources = 3;
constexpr std::array<absl::string_view, kSources> kSourceNames = {"stdout", "stderr", "log"};

size_t SizeOf(const LogRecord& record) {
  return sizeof(LogRecord) + record.text.size() + record.target.size();
}

// So that no single text fills the queue.
void CutText(std::string& text, size_t limit) {
  if (text.size() <= limit) return;
  const size_t rest = text.size() - limit;
  text.resize(limit);
  text.shrink_to_fit();
  absl::StrAppend(&text, "... (", rest, " bytes more)");
}

// What was dropped of one source.
struct Gap {
  uint64_t records = 0;
  pid_t worker = 0;  // that said the last of them
  absl::Time time;

  LogRecord ToRecord(LogRecord::Source source) const {
    return {.source = source,
            .severity = LogSeverity::kWarning,
            .worker = worker,
            .text = absl::StrCat(records, records == 1 ? " line" : " lines", " of the worker's ",
                                 kSourceNames[static_cast<size_t>(source)],
                                 records == 1 ? " was" : " were",
                                 " dropped: the log sink is slower than the worker"),
            .time = time,
            .dropped = records};
  }
};

}  // namespace

class LogQueue::State {
 public:
  State(LogSink sink, const LogQueueOptions& options)
      : sink_(std::move(sink)),
        max_records_(std::max<size_t>(options.max_records, 1)),
        max_bytes_(std::max<size_t>(options.max_bytes, 16 * sizeof(LogRecord))) {}

  bool has_sink() const { return sink_ != nullptr; }
  void Push(LogRecord record);
  bool Flush(Deadline deadline);
  // Nothing is delivered any more; the thread ends as soon as the sink returns.
  void Stop();
  void Run();
  LogQueueStats stats() const;

 private:
  // In order: what was dropped before it, then the next record. Nothing: the end.
  std::vector<LogRecord> TakeNext();
  void Deliver(const LogRecord& record);
  // Guarded by mutex_, held by the caller:
  void DropOldest(size_t records, size_t bytes);
  // The number, by the order of pushing, of the oldest that is neither delivered nor dropped.
  uint64_t FirstLeft() const { return delivering_.value_or(stats_.pushed - queue_.size()); }

  const LogSink sink_;
  const size_t max_records_;
  const size_t max_bytes_;

  mutable std::mutex mutex_;  // guards the next
  std::condition_variable not_empty_;
  std::condition_variable progress_;
  std::deque<LogRecord> queue_;
  size_t bytes_ = 0;
  // Dropped in front of the queue's first record. There is one then: dropping makes room for it.
  std::array<Gap, kSources> gaps_;
  std::optional<uint64_t> delivering_;  // the number of the one that the thread has taken
  LogQueueStats stats_;
  bool stopped_ = false;
};

void LogQueue::State::Push(LogRecord record) {
  CutText(record.text, max_bytes_ / 4);
  const size_t size = SizeOf(record);
  std::lock_guard<std::mutex> lock(mutex_);
  ++stats_.pushed;
  if (sink_ == nullptr || stopped_) {
    ++stats_.dropped;
    return;
  }
  if (queue_.size() + 1 > max_records_ || bytes_ + size > max_bytes_) {
    const size_t keep = max_bytes_ - max_bytes_ / 4;
    DropOldest(max_records_ - (max_records_ + 3) / 4, keep - std::min(keep, size));
  }
  bytes_ += size;
  queue_.push_back(std::move(record));
  if (queue_.size() == 1) not_empty_.notify_one();
}

// Until no more than so many are left.
void LogQueue::State::DropOldest(size_t records, size_t bytes) {
  while (!queue_.empty() && (queue_.size() > records || bytes_ > bytes)) {
    const LogRecord& oldest = queue_.front();
    Gap& gap = gaps_[static_cast<size_t>(oldest.source)];
    ++gap.records;
    gap.worker = oldest.worker;
    gap.time = oldest.time;
    ++stats_.dropped;
    bytes_ -= SizeOf(oldest);
    queue_.pop_front();
  }
}

bool LogQueue::State::Flush(Deadline deadline) {
  std::unique_lock<std::mutex> lock(mutex_);
  const uint64_t target = stats_.pushed;
  const auto done = [&] { return FirstLeft() >= target; };
  while (!done() && !deadline.HasPassed()) {
    const absl::Duration rest = std::min(deadline.Remaining(), absl::Hours(1));
    progress_.wait_for(lock, absl::ToChronoNanoseconds(rest));
  }
  return done();
}

void LogQueue::State::Stop() {
  std::lock_guard<std::mutex> lock(mutex_);
  stopped_ = true;
  stats_.dropped += queue_.size();
  queue_.clear();
  bytes_ = 0;
  not_empty_.notify_one();
  progress_.notify_all();
}

std::vector<LogRecord> LogQueue::State::TakeNext() {
  std::vector<LogRecord> next;
  std::unique_lock<std::mutex> lock(mutex_);
  not_empty_.wait(lock, [this] { return stopped_ || !queue_.empty(); });
  if (stopped_) return next;
  for (size_t i = 0; i < kSources; ++i) {
    const Gap gap = std::exchange(gaps_[i], Gap());
    if (gap.records > 0) next.push_back(gap.ToRecord(static_cast<LogRecord::Source>(i)));
  }
  delivering_ = stats_.pushed - queue_.size();
  bytes_ -= SizeOf(queue_.front());
  next.push_back(std::move(queue_.front()));
  queue_.pop_front();
  return next;
}

void LogQueue::State::Run() {
  while (true) {
    const std::vector<LogRecord> next = TakeNext();
    if (next.empty()) return;
    for (const LogRecord& record : next) Deliver(record);
    std::lock_guard<std::mutex> lock(mutex_);
    ++stats_.delivered;
    delivering_.reset();
    progress_.notify_all();
  }
}

void LogQueue::State::Deliver(const LogRecord& record) {
  try {
    sink_(record);
  } catch (...) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (++stats_.thrown > 1) return;
    ::fputs("slabpipe: a session's log sink throws; its exceptions are caught, and counted\n",
            stderr);
  }
}

LogQueueStats LogQueue::State::stats() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return stats_;
}

absl::StatusOr<std::unique_ptr<LogQueue>> LogQueue::Start(LogSink sink,
                                                          const LogQueueOptions& options) {
  auto state = std::make_shared<State>(std::move(sink), options);
  std::unique_ptr<LogQueue> queue(new LogQueue(state, options.end_timeout));
  if (!state->has_sink()) return queue;
  auto thread = StartServiceThread([state] { state->Run(); });
  if (!thread.ok()) return thread.status();
  queue->thread_ = *std::move(thread);
  return queue;
}

LogQueue::~LogQueue() {
  if (!thread_.joinable()) return;
  const bool inside = thread_.get_id() == std::this_thread::get_id();
  const bool delivered = !inside && state_->Flush(Deadline::After(end_timeout_));
  state_->Stop();
  if (delivered) {
    thread_.join();
  } else {
    thread_.detach();
  }
}

void LogQueue::Push(LogRecord record) { state_->Push(std::move(record)); }

absl::Status LogQueue::Flush(Deadline deadline) {
  if (thread_.get_id() == std::this_thread::get_id()) {
    return absl::FailedPreconditionError("a log sink can't wait until it has been told all");
  }
  if (state_->Flush(deadline)) return absl::OkStatus();
  const LogQueueStats stats = state_->stats();
  return absl::DeadlineExceededError(absl::StrCat("the log sink has not been told all in time: ",
                                                  stats.pushed - stats.delivered - stats.dropped,
                                                  " records are left"));
}

LogQueueStats LogQueue::stats() const { return state_->stats(); }

}  // namespace slabpipe
