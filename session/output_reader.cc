#include "slabpipe/session/output_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "slabpipe/session/last_lines.h"
#include "slabpipe/session/service_thread.h"

namespace slabpipe {
namespace {

// What is kept; asked for is mostly less.
constexpr size_t kTailBytes = size_t{64} << 10;
// A line that is longer is passed on in pieces.
constexpr size_t kMaxLineBytes = size_t{64} << 10;

// What has been printed is read within this, unless the machine is very busy.
constexpr absl::Duration kReadingDelay = absl::Milliseconds(20);

constexpr absl::Duration kTimeBetweenLooks = absl::Milliseconds(250);

}  // namespace

absl::StatusOr<std::unique_ptr<OutputReader>> OutputReader::Start(LogQueue& queue) {
  absl::StatusOr<Cancellation> stop = Cancellation::Create();
  if (!stop.ok()) return stop.status();
  std::unique_ptr<OutputReader> reader(new OutputReader(queue, *std::move(stop)));
  for (Stream& stream : reader->streams_) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) {
      return absl::ResourceExhaustedError(
          "no descriptor left for a worker's output (see ulimit -n)");
    }
    stream.reader.reset(ends[0]);
    stream.writer.reset(ends[1]);
    ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  }
  reader->streams_[0].source = LogRecord::Source::kStdout;
  reader->streams_[1].source = LogRecord::Source::kStderr;
  auto thread = StartServiceThread([raw = reader.get()] { raw->Run(); });
  if (!thread.ok()) return thread.status();
  reader->thread_ = *std::move(thread);
  return reader;
}

void OutputReader::CloseWriters() {
  for (Stream& stream : streams_) stream.writer.reset();
}

void OutputReader::set_calls(const CallHistory* calls) {
  std::lock_guard<std::mutex> lock(mutex_);
  calls_ = calls;
}

void OutputReader::set_look(std::function<void()> look) {
  std::lock_guard<std::mutex> lock(mutex_);
  look_ = std::move(look);
}

void OutputReader::Look() {
  std::function<void()> look;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    look = look_;
  }
  if (look != nullptr) look();
}

void OutputReader::ReadNow() {
  std::lock_guard<std::mutex> lock(mutex_);
  for (Stream& stream : streams_) ReadAvailable(stream);
}

void OutputReader::Finish() {
  std::lock_guard<std::mutex> finishing(finish_mutex_);
  if (!thread_.joinable()) return;
  stop_.Cancel();
  thread_.join();
  std::lock_guard<std::mutex> lock(mutex_);
  calls_ = nullptr;
  look_ = nullptr;
}

std::string OutputReader::stderr_tail(size_t max_bytes) const {
  std::lock_guard<std::mutex> lock(mutex_);
  return std::string(LastLines(stderr_tail_, max_bytes));
}

void OutputReader::Run() {
  std::array<WaitFd, 2> fds = {{{.fd = streams_[0].reader.get(), .events = POLLIN},
                                {.fd = streams_[1].reader.get(), .events = POLLIN}}};
  Deadline next_look = Deadline::After(kTimeBetweenLooks);
  while (true) {
    const Wait wait = {.deadline = next_look, .cancellation = &stop_};
    const absl::Status waited = WaitForAny(absl::MakeSpan(fds), wait);
    if (next_look.HasPassed() && !absl::IsCancelled(waited)) {
      Look();
      next_look = Deadline::After(kTimeBetweenLooks);
    }
    if (absl::IsDeadlineExceeded(waited)) continue;
    if (!waited.ok()) break;
    std::lock_guard<std::mutex> lock(mutex_);
    for (size_t i = 0; i < fds.size(); ++i) {
      if (fds[i].revents == 0 || ReadAvailable(streams_[i])) continue;
      fds[i].fd = -1;  // its end; the other one, or the stop, goes on
    }
  }
  std::lock_guard<std::mutex> lock(mutex_);
  for (Stream& stream : streams_) {
    ReadAvailable(stream);
    if (!stream.partial.empty()) Emit(stream, RecordFor(stream));
  }
}

bool OutputReader::ReadAvailable(Stream& stream) {
  // More than a pipe holds, and an end to it, should somebody write for ever.
  constexpr int kMostReads = 16;
  char buffer[16 << 10];
  for (int reads = 0; reads < kMostReads; ++reads) {
    const uint64_t ended = EndedCalls();
    const ssize_t got = ::read(stream.reader.get(), buffer, sizeof(buffer));
    if (got > 0) {
      TakeText(stream, {buffer, static_cast<size_t>(got)});
    } else if (got < 0 && errno == EINTR) {
      continue;
    } else {
      stream.ended_before = ended;
      return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    }
  }
  return true;
}

void OutputReader::TakeText(Stream& stream, std::string_view text) {
  if (stream.source == LogRecord::Source::kStderr) {
    stderr_tail_.append(text);
    // Not each time: that would move all of it.
    if (stderr_tail_.size() > 2 * kTailBytes) {
      stderr_tail_.erase(0, stderr_tail_.size() - kTailBytes);
    }
  }
  const LogRecord record = RecordFor(stream);
  while (!text.empty()) {
    const size_t end = text.find('\n');
    stream.partial.append(text.substr(0, end));
    if (end == std::string_view::npos && stream.partial.size() < kMaxLineBytes) return;
    Emit(stream, record);
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + 1);
  }
}

LogRecord OutputReader::RecordFor(const Stream& stream) const {
  CallName call =
      calls_ == nullptr ? CallName() : calls_->RanAlone(stream.ended_before, kReadingDelay);
  return {.source = stream.source,
          .severity = LogSeverity::kInfo,
          .worker = worker_,
          .time = absl::Now(),
          .call = call.id,
          .target = std::move(call.target)};
}

void OutputReader::Emit(Stream& stream, LogRecord record) {
  record.text = std::exchange(stream.partial, "");
  queue_.Push(std::move(record));
}

}  // namespace slabpipe
