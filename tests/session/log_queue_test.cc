#include "slabpipe/session/log_queue.h"

#include <signal.h>

#include <condition_variable>
#include <filesystem>
#include <iterator>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/session/log_sink.h"
#include "slabpipe/tests/testing/status_matchers.h"
#include "slabpipe/tests/testing/watchdog.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::StatusIs;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

constexpr absl::Duration kLong = absl::Seconds(50);

// A sink that keeps what it is told, and can be held: calls then block until it is let go.
// Shared with the queue's thread, so that it may outlive the test's own variables.
struct HeldSink {
  std::mutex mutex;
  std::condition_variable changed;
  bool held = false;
  bool entered = false;
  std::vector<LogRecord> records;

  void Take(const LogRecord& record) {
    std::unique_lock<std::mutex> lock(mutex);
    entered = true;
    changed.notify_all();
    changed.wait(lock, [&] { return !held; });
    records.push_back(record);
  }
  void Hold() {
    std::lock_guard<std::mutex> lock(mutex);
    held = true;
  }
  void AwaitEntry() {
    std::unique_lock<std::mutex> lock(mutex);
    changed.wait(lock, [&] { return entered; });
  }
  void LetGo() {
    std::lock_guard<std::mutex> lock(mutex);
    held = false;
    changed.notify_all();
  }
  std::vector<LogRecord> Records() {
    std::lock_guard<std::mutex> lock(mutex);
    return records;
  }
  std::vector<std::string> Texts() {
    std::vector<std::string> texts;
    for (const LogRecord& record : Records()) texts.push_back(record.text);
    return texts;
  }
};

LogRecord Line(std::string text, LogRecord::Source source = LogRecord::Source::kStdout) {
  return {.source = source, .worker = 1234, .text = std::move(text)};
}

class LogQueueTest : public ::testing::Test {
 protected:
  void Start(const LogQueueOptions& options = {}) {
    auto queue =
        LogQueue::Start([held = sink](const LogRecord& record) { held->Take(record); }, options);
    ASSERT_THAT(queue, IsOk());
    queue_ = *std::move(queue);
  }
  // The sink's first call has begun, and does not end until LetGo.
  void StartHeld(const LogQueueOptions& options = {}) {
    Start(options);
    sink->Hold();
    queue_->Push(Line("first"));
    sink->AwaitEntry();
  }
  absl::Status Flush() { return queue_->Flush(Deadline::After(kLong)); }

  tests::Watchdog watchdog_;
  std::shared_ptr<HeldSink> sink = std::make_shared<HeldSink>();
  std::unique_ptr<LogQueue> queue_;
};

TEST_F(LogQueueTest, PassesRecordsOnInOrder) {
  Start();
  for (int i = 0; i < 1000; ++i) queue_->Push(Line(absl::StrCat(i)));
  ASSERT_THAT(Flush(), IsOk());
  const std::vector<LogRecord> records = sink->Records();
  ASSERT_EQ(records.size(), 1000u);
  for (size_t i = 0; i < records.size(); ++i) EXPECT_EQ(records[i].text, absl::StrCat(i));
  EXPECT_EQ(records[7].worker, 1234);
  EXPECT_EQ(queue_->stats().delivered, 1000u);
  EXPECT_EQ(queue_->stats().dropped, 0u);
}

TEST_F(LogQueueTest, PushDoesNotWaitForABlockedSinkAndEachRecordIsCounted) {
  StartHeld({.max_records = 100});
  for (int i = 0; i < 10'000; ++i) queue_->Push(Line(absl::StrCat(i)));
  sink->LetGo();
  ASSERT_THAT(Flush(), IsOk());
  uint64_t told = 0, lines = 0;
  for (const LogRecord& record : sink->Records()) {
    told += record.dropped;
    lines += record.dropped == 0 ? 1 : 0;
  }
  EXPECT_EQ(told + lines, 10'001u);
  EXPECT_GE(lines, 75u);
  EXPECT_LE(lines, 101u);
  const LogQueueStats stats = queue_->stats();
  EXPECT_EQ(stats.pushed, 10'001u);
  EXPECT_EQ(stats.delivered, lines);
  EXPECT_EQ(stats.dropped, told);
}

TEST_F(LogQueueTest, WhatWasSaidLastIsKeptAndTheGapStandsInItsPlace) {
  StartHeld({.max_records = 4});
  for (const char* text : {"a", "b", "c", "d", "e"}) queue_->Push(Line(text));
  sink->LetGo();
  ASSERT_THAT(Flush(), IsOk());
  // One more than fits: the oldest are dropped until a quarter is free.
  EXPECT_THAT(sink->Texts(),
              ElementsAre("first", HasSubstr("1 line of the worker's stdout was dropped"), "b", "c",
                          "d", "e"));
  const LogRecord gap = sink->Records()[1];
  EXPECT_EQ(gap.dropped, 1u);
  EXPECT_EQ(gap.source, LogRecord::Source::kStdout);
  EXPECT_EQ(gap.severity, LogSeverity::kWarning);
  EXPECT_EQ(gap.worker, 1234);
}

TEST_F(LogQueueTest, EachSourcesLossIsToldApart) {
  StartHeld({.max_records = 1});
  for (int i = 0; i < 2; ++i) queue_->Push(Line("x", LogRecord::Source::kStdout));
  for (int i = 0; i < 3; ++i) queue_->Push(Line("x", LogRecord::Source::kStderr));
  for (int i = 0; i < 4; ++i) queue_->Push(Line("x", LogRecord::Source::kLog));
  queue_->Push(Line("last"));
  sink->LetGo();
  ASSERT_THAT(Flush(), IsOk());
  EXPECT_THAT(sink->Texts(),
              ElementsAre("first", StartsWith("2 lines of the worker's stdout were dropped"),
                          StartsWith("3 lines of the worker's stderr were dropped"),
                          StartsWith("4 lines of the worker's log were dropped"), "last"));
}

TEST_F(LogQueueTest, TheQueueIsBoundedInBytes) {
  StartHeld({.max_records = 1'000'000, .max_bytes = 100'000});
  for (int i = 0; i < 1000; ++i) queue_->Push(Line(std::string(10'000, 'x')));
  const LogQueueStats stats = queue_->stats();
  EXPECT_LE((stats.pushed - stats.delivered - stats.dropped) * 10'000, 110'000u);
  EXPECT_GE((stats.pushed - stats.delivered - stats.dropped) * 10'000, 50'000u);
  sink->LetGo();
}

TEST_F(LogQueueTest, ATextThatWouldFillTheQueueIsCut) {
  Start({.max_bytes = 100'000});
  queue_->Push(Line(std::string(1'000'000, 'x')));
  ASSERT_THAT(Flush(), IsOk());
  ASSERT_EQ(sink->Texts().size(), 1u);
  EXPECT_LT(sink->Texts()[0].size(), 26'000u);
  EXPECT_THAT(sink->Texts()[0], EndsWith("... (975000 bytes more)"));
}

TEST_F(LogQueueTest, FlushEndsAtItsDeadlineWhileTheSinkBlocks) {
  StartHeld();
  EXPECT_THAT(queue_->Flush(Deadline::After(absl::Milliseconds(1))),
              StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("1 records are left")));
  sink->LetGo();
  EXPECT_THAT(Flush(), IsOk());
}

TEST_F(LogQueueTest, FlushWaitsForTheRecordThatTheSinkIsAtThoughLaterOnesAreDropped) {
  StartHeld({.max_records = 2});
  queue_->Push(Line("second"));
  std::thread flusher([&] {
    EXPECT_THAT(Flush(), IsOk());
    EXPECT_THAT(sink->Texts(), ::testing::Contains("first"));
  });
  for (int i = 0; i < 100; ++i) queue_->Push(Line("x"));
  sink->LetGo();
  flusher.join();
}

TEST_F(LogQueueTest, WhatIsQueuedIsDeliveredAtTheEnd) {
  Start();
  for (int i = 0; i < 1000; ++i) queue_->Push(Line("x"));
  queue_ = nullptr;
  EXPECT_EQ(sink->Records().size(), 1000u);
}

TEST_F(LogQueueTest, ASinkThatBlocksForEverDoesNotHoldTheEnd) {
  StartHeld({.end_timeout = absl::Milliseconds(1)});
  queue_->Push(Line("never told"));
  queue_ = nullptr;  // returns
  EXPECT_THAT(sink->Texts(), IsEmpty());
  std::weak_ptr<HeldSink> left = sink;
  sink->LetGo();
  sink = nullptr;
  // The thread lets go of the sink, and is told nothing more.
  while (std::shared_ptr<HeldSink> still = left.lock()) {
    EXPECT_LE(still->Records().size(), 1u);
    std::this_thread::yield();
  }
}

TEST_F(LogQueueTest, WhatASinkThrowsIsCaughtCountedAndToldOnce) {
  ::testing::internal::CaptureStderr();
  auto queue = LogQueue::Start([](const LogRecord& record) {
    if (record.text == "int") throw 42;
    if (record.text == "error") throw std::runtime_error("x");
  });
  ASSERT_THAT(queue, IsOk());
  for (const char* text : {"int", "fine", "error", "int"}) (*queue)->Push(Line(text));
  ASSERT_THAT((*queue)->Flush(Deadline::After(kLong)), IsOk());
  EXPECT_EQ((*queue)->stats().thrown, 3u);
  EXPECT_EQ((*queue)->stats().delivered, 4u);
  const std::string told = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(told, HasSubstr("log sink throws"));
  EXPECT_EQ(told.find("throws"), told.rfind("throws"));
}

TEST_F(LogQueueTest, ASinkThatFlushesIsToldThatItCanNot) {
  LogQueue* raw = nullptr;
  absl::Status inside;
  auto queue = LogQueue::Start([&](const LogRecord&) { inside = raw->Flush(Deadline::Never()); });
  ASSERT_THAT(queue, IsOk());
  raw = queue->get();
  raw->Push(Line("x"));
  ASSERT_THAT(raw->Flush(Deadline::After(kLong)), IsOk());
  EXPECT_THAT(inside, StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(LogQueueTest, ItMayEndInsideTheSink) {
  auto queue = std::make_shared<std::unique_ptr<LogQueue>>();
  auto ended = std::make_shared<HeldSink>();
  auto started = LogQueue::Start([queue, ended](const LogRecord& record) {
    *queue = nullptr;
    ended->Take(record);
  });
  ASSERT_THAT(started, IsOk());
  *queue = *std::move(started);
  (*queue)->Push(Line("x"));
  ended->AwaitEntry();
  EXPECT_EQ(*queue, nullptr);
}

size_t Threads() {
  const std::filesystem::directory_iterator tasks("/proc/self/task");
  return static_cast<size_t>(std::distance(begin(tasks), end(tasks)));
}

TEST_F(LogQueueTest, WithoutASinkAllIsDropped) {
  const size_t threads = Threads();
  auto queue = LogQueue::Start(nullptr);
  ASSERT_THAT(queue, IsOk());
  EXPECT_LE(Threads(), threads);
  (*queue)->Push(Line("x"));
  EXPECT_THAT((*queue)->Flush(Deadline::Never()), IsOk());
  EXPECT_EQ((*queue)->stats().dropped, 1u);
}

TEST_F(LogQueueTest, CallsOfTheSinkNeverOverlapThoughManyPush) {
  int calls = 0;  // unguarded: ThreadSanitizer would tell
  auto queue = LogQueue::Start([&](const LogRecord&) { ++calls; }, {.max_records = 100'000});
  ASSERT_THAT(queue, IsOk());
  std::vector<std::thread> pushers;
  for (int i = 0; i < 4; ++i) {
    pushers.emplace_back([&] {
      for (int k = 0; k < 1000; ++k) (*queue)->Push(Line("x"));
    });
  }
  for (std::thread& pusher : pushers) pusher.join();
  *queue = nullptr;
  EXPECT_EQ(calls, 4000);
}

TEST_F(LogQueueTest, SignalsOfTheApplicationAreNotDeliveredToItsThread) {
  sigset_t mask;
  auto queue =
      LogQueue::Start([&](const LogRecord&) { ::pthread_sigmask(SIG_SETMASK, nullptr, &mask); });
  ASSERT_THAT(queue, IsOk());
  (*queue)->Push(Line("x"));
  ASSERT_THAT((*queue)->Flush(Deadline::After(kLong)), IsOk());
  for (const int signal : {SIGTERM, SIGINT, SIGCHLD, SIGALRM, SIGUSR1}) {
    EXPECT_EQ(::sigismember(&mask, signal), 1) << signal;
  }
  ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  EXPECT_EQ(::sigismember(&mask, SIGTERM), 0) << "of this thread, nothing has changed";
}

TEST(LogSinkTest, ALineHasNoControlCharactersOfTheWorkers) {
  const LogRecord record = {.worker = 1234, .text = "50%\r[00:00:00.000 1 I] \x1b[2J\ttab"};
  EXPECT_EQ(FormatLogRecord(record, absl::UTCTimeZone()),
            "[--:--:--.--- 1234 I] 50%\\r[00:00:00.000 1 I] \\033[2J\ttab\n");
}

TEST(LogSinkTest, ALineShowsTimePidSeverityAndTarget) {
  LogRecord record = {.severity = LogSeverity::kWarning, .worker = 1234, .text = "two\nlines"};
  const absl::TimeZone utc = absl::UTCTimeZone();
  EXPECT_EQ(FormatLogRecord(record, utc), "[--:--:--.--- 1234 W] two\n    lines\n");
  record.time = absl::FromUnixMillis(45'296'789);
  record.target = "stats.mean";
  EXPECT_EQ(FormatLogRecord(record, utc), "[12:34:56.789 1234 W stats.mean] two\n    lines\n");
  record.severity = LogSeverity::kError;
  EXPECT_THAT(FormatLogRecord(record, utc), HasSubstr(" E "));
}

}  // namespace
}  // namespace slabpipe
