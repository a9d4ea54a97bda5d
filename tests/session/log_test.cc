// What a worker says, with a sink that is slow, blocks, or throws, and with a worker that dies.

#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/session/log_sink.h"
#include "slabpipe/session/session.h"
#include "slabpipe/tests/session/session_testing.h"
#include "slabpipe/tests/testing/status_matchers.h"

namespace slabpipe::tests {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr absl::Duration kLong = absl::Seconds(50);

class LogTest : public SessionTest {
 protected:
  // A sink that counts, and waits for `latch` at each record.
  LogSink CountingSink() {
    return [this](const LogRecord& record) {
      std::lock_guard<std::mutex> lock(latch);
      records[record.source] += record.dropped > 0 ? record.dropped : 1;
      dropped += record.dropped;
    };
  }
  Session StartWith(LogSink sink) {
    SessionOptions options = GoodOptions();
    options.log_sink = std::move(sink);
    return StartGood(std::move(options));
  }

  std::mutex latch;  // guards the next
  std::map<LogRecord::Source, uint64_t> records;
  uint64_t dropped = 0;
};

TEST_F(LogTest, AFloodWithABlockedSinkHoldsUpNoCallAndEveryLineIsCounted) {
  constexpr int kLines = 20'000;
  Session session = StartWith(CountingSink());
  {
    std::lock_guard<std::mutex> blocked(latch);
    ASSERT_THAT(session.Call("output.flood", kLines), IsOk());
    ASSERT_THAT(session.Call("arguments.none"), IsOk());
  }
  ASSERT_THAT(session.FlushLogs(kLong), IsOk());
  std::lock_guard<std::mutex> lock(latch);
  for (const auto source :
       {LogRecord::Source::kStdout, LogRecord::Source::kStderr, LogRecord::Source::kLog}) {
    EXPECT_EQ(records[source], uint64_t{kLines}) << static_cast<int>(source);
  }
  EXPECT_GT(dropped, 0u);
}

TEST_F(LogTest, AFlushOfABlockedSinkEndsAtItsDeadline) {
  Session session = StartWith(CountingSink());
  std::lock_guard<std::mutex> blocked(latch);
  ASSERT_THAT(session.Call("output.log", 0, "a line"), IsOk());
  EXPECT_THAT(session.FlushLogs(absl::Milliseconds(1)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST_F(LogTest, ABlockedSinkDoesNotHoldUpACrashNorTheNextWorker) {
  Session session = StartWith(CountingSink());
  std::lock_guard<std::mutex> blocked(latch);
  EXPECT_THAT(session.Call("process.last_words_then_die", "last words\n", "kill"),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("last words")));
  EXPECT_THAT(session.Call("arguments.none"), IsOk());
}

TEST_F(LogTest, ASinkThatThrowsHarmsNobody) {
  Session session = StartWith([](const LogRecord&) { throw std::runtime_error("no"); });
  ASSERT_THAT(session.Call("output.flood", 10), IsOk());
  EXPECT_THAT(session.FlushLogs(kLong), IsOk());
  EXPECT_THAT(session.Call("arguments.none"), IsOk());
}

TEST_F(LogTest, ASinkMayCallTheSession) {
  Session* raw = nullptr;
  absl::Status inside = absl::UnknownError("not called");
  absl::Status flushed;
  Session session = StartWith([&](const LogRecord& record) {
    if (record.text != "call me") return;
    inside = raw->Call("output.log", 0, "from the sink's call");
    flushed = raw->FlushLogs(kLong);
  });
  raw = &session;
  ASSERT_THAT(session.Call("output.log", 0, "call me"), IsOk());
  ASSERT_THAT(session.FlushLogs(kLong), IsOk());
  EXPECT_THAT(inside, IsOk());
  EXPECT_THAT(flushed, StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(LogTest, OneQueueLivesAcrossRestarts) {
  Session session = StartGood();
  ASSERT_THAT(session.Call("output.print", "before\n"), IsOk());
  const pid_t first = session.worker_pid();
  ASSERT_THAT(session.Restart(), IsOk());
  ASSERT_THAT(session.Call("output.print", "after\n"), IsOk());
  ASSERT_THAT(session.FlushLogs(kLong), IsOk());
  EXPECT_THAT(log.texts(LogRecord::Source::kStdout), ElementsAre("before", "after"));
  EXPECT_EQ(log.records()[0].worker, first);
  EXPECT_EQ(log.records()[1].worker, session.worker_pid());
}

TEST_F(LogTest, WhatIsQueuedArrivesAtTheSessionsEnd) {
  {
    Session session = StartGood();
    ASSERT_THAT(session.Call("output.flood", 1000), IsOk());
  }
  EXPECT_EQ(log.size(), 3000u);
}

class LastWordsTest : public LogTest, public ::testing::WithParamInterface<std::string> {};

TEST_P(LastWordsTest, OfTheMomentBeforeADeathArriveLoggedAndPrinted) {
  SessionOptions options = GoodOptions();
  options.restart = RestartPolicy::Always();
  Session session = StartGood(options);
  for (int i = 0; i < 10; ++i) {
    const std::string words = absl::StrCat("words ", i, ".");
    EXPECT_THAT(session.Call("process.say_all_then_die", words, GetParam()),
                StatusIs(absl::StatusCode::kUnavailable));
    ASSERT_THAT(session.FlushLogs(kLong), IsOk());
    EXPECT_THAT(log.texts(LogRecord::Source::kLog), Contains("logged " + words));
    EXPECT_THAT(log.texts(LogRecord::Source::kStdout), Contains("a whole line"));
    EXPECT_THAT(log.texts(LogRecord::Source::kStdout), Contains("printed " + words));
    EXPECT_THAT(log.texts(LogRecord::Source::kStderr), Contains(HasSubstr("complained " + words)));
  }
}

INSTANTIATE_TEST_SUITE_P(Ways, LastWordsTest, ::testing::Values("segv", "kill", "abort", "exit 7"),
                         [](const auto& info) { return info.param.substr(0, 4); });

TEST_F(LogTest, TheLastWordsOfAFloodArriveThoughMostIsDropped) {
  std::vector<std::string> last;
  Session session = StartWith([&](const LogRecord& record) {
    std::lock_guard<std::mutex> lock(latch);
    if (absl::StrContains(record.text, "last words")) last.push_back(record.text);
  });
  {
    std::lock_guard<std::mutex> blocked(latch);
    ASSERT_THAT(session.Call("output.flood", 20'000), IsOk());
    EXPECT_THAT(session.Call("process.say_all_then_die", "last words", "kill"),
                StatusIs(absl::StatusCode::kUnavailable));
  }
  ASSERT_THAT(session.FlushLogs(kLong), IsOk());
  EXPECT_EQ(last.size(), 3u);
}

}  // namespace
}  // namespace slabpipe::tests
