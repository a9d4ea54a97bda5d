#include "slabpipe/session/output_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <string_view>
#include <utility>

namespace slabpipe {
namespace {

constexpr size_t kTailBytes = 4096;
// A line that is longer is passed on in pieces.
constexpr size_t kMaxLineBytes = size_t{64} << 10;

// Signals meant for the application must not be delivered to this thread: they are blocked while it
// is created.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<OutputReader>> OutputReader::Start(LogSink sink) {
  absl::StatusOr<Cancellation> stop = Cancellation::Create();
  if (!stop.ok()) return stop.status();
  std::unique_ptr<OutputReader> reader(new OutputReader(std::move(sink), *std::move(stop)));
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
  const SignalsBlocked blocked;
  reader->thread_ = std::thread([raw = reader.get()] { raw->Run(); });
  return reader;
}

void OutputReader::CloseWriters() {
  for (Stream& stream : streams_) stream.writer.reset();
}

void OutputReader::Finish() {
  std::lock_guard<std::mutex> lock(finish_mutex_);
  if (!thread_.joinable()) return;
  stop_.Cancel();
  thread_.join();
}

std::string OutputReader::stderr_tail() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return stderr_tail_;
}

void OutputReader::Run() {
  std::array<WaitFd, 2> fds = {{{.fd = streams_[0].reader.get(), .events = POLLIN},
                                {.fd = streams_[1].reader.get(), .events = POLLIN}}};
  const Wait wait = {.deadline = Deadline::Never(), .cancellation = &stop_};
  while (WaitForAny(absl::MakeSpan(fds), wait).ok()) {
    for (size_t i = 0; i < fds.size(); ++i) {
      if (fds[i].revents == 0 || ReadAvailable(streams_[i])) continue;
      fds[i].fd = -1;  // its end; the other one, or the stop, goes on
    }
  }
  for (Stream& stream : streams_) {
    ReadAvailable(stream);
    if (!stream.partial.empty()) Emit(stream, std::exchange(stream.partial, ""));
  }
}

bool OutputReader::ReadAvailable(Stream& stream) {
  // More than a pipe holds, and an end to it, should somebody write for ever.
  constexpr int kMostReads = 16;
  char buffer[16 << 10];
  for (int reads = 0; reads < kMostReads; ++reads) {
    const ssize_t got = ::read(stream.reader.get(), buffer, sizeof(buffer));
    if (got > 0) {
      TakeText(stream, {buffer, static_cast<size_t>(got)});
    } else if (got < 0 && errno == EINTR) {
      continue;
    } else {
      return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    }
  }
  return true;
}

void OutputReader::TakeText(Stream& stream, std::string_view text) {
  if (stream.source == LogRecord::Source::kStderr) {
    std::lock_guard<std::mutex> lock(mutex_);
    stderr_tail_.append(text);
    if (stderr_tail_.size() > kTailBytes) stderr_tail_.erase(0, stderr_tail_.size() - kTailBytes);
  }
  while (!text.empty()) {
    const size_t end = text.find('\n');
    stream.partial.append(text.substr(0, end));
    if (end == std::string_view::npos && stream.partial.size() < kMaxLineBytes) return;
    Emit(stream, std::exchange(stream.partial, ""));
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + 1);
  }
}

void OutputReader::Emit(Stream& stream, std::string line) {
  sink_({.source = stream.source,
         .severity = LogSeverity::kInfo,
         .worker = worker_,
         .text = std::move(line)});
}

}  // namespace slabpipe
