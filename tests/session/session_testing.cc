#include "slabpipe/tests/session/session_testing.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <iostream>
#include <memory>
#include <numeric>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "slabpipe/codec/built_in.h"
#include "slabpipe/tests/testing/process_state.h"
#include "slabpipe/tests/workers/values.h"

namespace slabpipe::tests {

LogSink LogCollector::sink() {
  return [this](const LogRecord& record) {
    std::lock_guard<std::mutex> lock(mutex_);
    records_.push_back(record);
    added_.notify_all();
  };
}

std::vector<LogRecord> LogCollector::records() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return records_;
}

std::vector<std::string> LogCollector::texts(LogRecord::Source source) const {
  std::vector<std::string> texts;
  for (const LogRecord& record : records()) {
    if (record.source == source) texts.push_back(record.text);
  }
  return texts;
}

void LogCollector::AwaitText(const std::string& part) {
  std::unique_lock<std::mutex> lock(mutex_);
  added_.wait(lock, [&] {
    for (const LogRecord& record : records_) {
      if (absl::StrContains(record.text, part)) return true;
    }
    return false;
  });
}

size_t LogCollector::size() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return records_.size();
}

Gate::Gate() {
  static std::atomic<int> gates = 0;
  path_ = absl::StrCat(::testing::TempDir(), "/gate.", ::getpid(), ".", ++gates);
  if (::mkfifo(path_.c_str(), 0600) != 0) ::perror("mkfifo"), ::abort();
}

Gate::~Gate() {
  Open();
  ::unlink(path_.c_str());
}

void Gate::AwaitArrival() { writer_ = ::open(path_.c_str(), O_WRONLY | O_CLOEXEC); }

void Gate::Open() {
  if (writer_ >= 0) ::close(writer_);
  writer_ = -1;
}

SessionTest::~SessionTest() { EXPECT_THAT(Children(), ::testing::IsEmpty()); }

SessionOptions SessionTest::GoodOptions() {
  auto codecs = std::make_shared<CodecRegistry>(BuiltInCodecs());
  EXPECT_TRUE(codecs->Add(std::make_unique<CloudCodec>()).ok());
  EXPECT_TRUE(codecs->Add(std::make_unique<BombCodec>()).ok());
  return {.program = kGoodWorker,
          .start_timeout = absl::Seconds(60),
          .log_sink = log.sink(),
          .codecs = std::move(codecs)};
}

SessionOptions SessionTest::LongOptions(int threads) {
  SessionOptions options = GoodOptions();
  options.program = "tests/workers/long_worker";
  options.arguments = {std::to_string(threads)};
  return options;
}

Session SessionTest::StartGood(SessionOptions options) {
  absl::StatusOr<Session> session = Session::Start(std::move(options));
  if (!session.ok()) std::cerr << session.status() << "\n", ::abort();
  return *std::move(session);
}

NdArray<double> Counting(int64_t size) {
  NdArray<double> array = *NdArray<double>::Create({size});
  std::iota(array.span().begin(), array.span().end(), 0.0);
  return array;
}

double SumOfCounting(int64_t size) {
  return static_cast<double>(size) * static_cast<double>(size - 1) / 2;
}

}  // namespace slabpipe::tests
