#include "slabpipe/session/output_reader.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/session/call_history.h"
#include "slabpipe/session/log_queue.h"
#include "slabpipe/session/log_sink.h"
#include "slabpipe/tests/testing/process_state.h"
#include "slabpipe/tests/testing/status_matchers.h"
#include "slabpipe/tests/testing/watchdog.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::IsOk;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::StartsWith;

struct FakeHistory : CallHistory {
  uint64_t ended() const override { return ended_calls; }
  CallName RanAlone(uint64_t since_ended, absl::Duration) const override {
    asked_since = since_ended;
    return call;
  }
  std::atomic<uint64_t> ended_calls = 0;
  mutable std::atomic<uint64_t> asked_since = 0;
  CallName call;
};

class OutputReaderTest : public ::testing::Test {
 protected:
  OutputReaderTest() {
    auto queue = LogQueue::Start(
        [this](const LogRecord& record) {
          std::lock_guard<std::mutex> lock(mutex_);
          records_.push_back(record);
          added_.notify_all();
        },
        {.max_records = 100'000});
    EXPECT_THAT(queue, IsOk());
    queue_ = *std::move(queue);
    auto reader = OutputReader::Start(*queue_);
    EXPECT_THAT(reader, IsOk());
    reader_ = *std::move(reader);
  }
  static void Write(int fd, absl::string_view text) {
    while (!text.empty()) {
      const ssize_t written = ::write(fd, text.data(), text.size());
      ASSERT_GT(written, 0);
      text.remove_prefix(static_cast<size_t>(written));
    }
  }
  void Print(absl::string_view text) { Write(reader_->stdout_writer(), text); }
  void Complain(absl::string_view text) { Write(reader_->stderr_writer(), text); }
  // Of what has been read.
  std::vector<std::string> Texts(LogRecord::Source source) {
    EXPECT_THAT(queue_->Flush(Deadline::After(absl::Seconds(50))), IsOk());
    std::lock_guard<std::mutex> lock(mutex_);
    std::vector<std::string> texts;
    for (const LogRecord& record : records_) {
      if (record.source == source) texts.push_back(record.text);
    }
    return texts;
  }
  void AwaitRecords(size_t count) {
    std::unique_lock<std::mutex> lock(mutex_);
    added_.wait(lock, [&] { return records_.size() >= count; });
  }

  tests::Watchdog watchdog_;
  std::mutex mutex_;
  std::condition_variable added_;
  std::vector<LogRecord> records_;
  FakeHistory history_;
  std::unique_ptr<LogQueue> queue_;
  std::unique_ptr<OutputReader> reader_;
};

TEST_F(OutputReaderTest, PassesLinesOnAsTheyCome) {
  reader_->set_worker(1234);
  Print("one\ntw");
  AwaitRecords(1);
  Print("o\n\n");
  AwaitRecords(3);
  Complain("a complaint\n");
  AwaitRecords(4);
  EXPECT_THAT(Texts(LogRecord::Source::kStdout), ElementsAre("one", "two", ""));
  EXPECT_THAT(Texts(LogRecord::Source::kStderr), ElementsAre("a complaint"));
  EXPECT_EQ(records_[0].worker, 1234);
}

TEST_F(OutputReaderTest, FinishReadsWhatIsThereAndTheUnfinishedLine) {
  Print("one\ntwo");
  Complain("three");
  reader_->CloseWriters();
  reader_->Finish();
  EXPECT_THAT(Texts(LogRecord::Source::kStdout), ElementsAre("one", "two"));
  EXPECT_THAT(Texts(LogRecord::Source::kStderr), ElementsAre("three"));
  EXPECT_EQ(reader_->stderr_tail(), "three");
  reader_->Finish();  // once more changes nothing
}

TEST_F(OutputReaderTest, FinishDoesNotWaitForWhoeverStillHoldsTheOtherEnd) {
  Print("one\n");
  reader_->Finish();  // the writers are open
  EXPECT_THAT(Texts(LogRecord::Source::kStdout), ElementsAre("one"));
}

TEST_F(OutputReaderTest, OneStreamsEndDoesNotEndTheOther) {
  const int copy = ::dup(reader_->stderr_writer());
  reader_->CloseWriters();  // stdout is over
  Write(copy, "still here\n");
  AwaitRecords(1);
  ::close(copy);
  reader_->Finish();
  EXPECT_THAT(Texts(LogRecord::Source::kStderr), ElementsAre("still here"));
}

TEST_F(OutputReaderTest, KeepsTheEndOfStderrOnly) {
  for (int i = 0; i < 10'000; ++i) Complain(absl::StrCat("line ", i, "\n"));
  Print("not of stderr\n");
  reader_->CloseWriters();
  reader_->Finish();
  const std::string tail = reader_->stderr_tail();
  EXPECT_LE(tail.size(), size_t{16} << 10);
  EXPECT_GT(tail.size(), size_t{15} << 10);
  EXPECT_THAT(tail, StartsWith("line ")) << "whole lines";
  EXPECT_THAT(tail, EndsWith("line 9998\nline 9999\n"));
  EXPECT_EQ(reader_->stderr_tail(25), "line 9998\nline 9999\n");
  EXPECT_EQ(reader_->stderr_tail(20), "line 9998\nline 9999\n");
  EXPECT_EQ(reader_->stderr_tail(19), "line 9999\n");
  EXPECT_GT(reader_->stderr_tail(size_t{64} << 10).size(), size_t{63} << 10);
  EXPECT_EQ(Texts(LogRecord::Source::kStderr).size(), 10'000u);
}

TEST_F(OutputReaderTest, ALineWithoutAnEndComesInPieces) {
  const std::string line(1'000'000, 'x');
  Print(line);
  reader_->CloseWriters();
  reader_->Finish();
  std::string all;
  for (const std::string& text : Texts(LogRecord::Source::kStdout)) {
    EXPECT_LT(text.size(), 200'000u);
    all += text;
  }
  EXPECT_EQ(all, line);
}

TEST_F(OutputReaderTest, BytesThatAreNoTextPassAsTheyAre) {
  Print(std::string("a\0\xff\n", 4));
  reader_->CloseWriters();
  reader_->Finish();
  EXPECT_THAT(Texts(LogRecord::Source::kStdout), ElementsAre(std::string("a\0\xff", 3)));
}

TEST_F(OutputReaderTest, OfALongLastLineTheTailHasTheEnd) {
  Complain("first\n" + std::string(30'000, 'x') + "the end\n");
  reader_->CloseWriters();
  reader_->Finish();
  EXPECT_EQ(reader_->stderr_tail(10), "xxthe end\n");
  EXPECT_THAT(reader_->stderr_tail(), EndsWith("xthe end\n"));
  EXPECT_EQ(reader_->stderr_tail().size(), size_t{16} << 10);
}

TEST_F(OutputReaderTest, WhatIsThereCanBeReadAtOnceButForAnUnfinishedLine) {
  Print("one\ntw");
  reader_->ReadNow();
  EXPECT_THAT(Texts(LogRecord::Source::kStdout), ElementsAre("one"));
  Print("o\n");
  reader_->ReadNow();
  EXPECT_THAT(Texts(LogRecord::Source::kStdout), ElementsAre("one", "two"));
}

TEST_F(OutputReaderTest, ALineHasItsTimeAndTheCallThatRan) {
  reader_->set_calls(&history_);
  const absl::Time before = absl::Now();
  history_.call = {.id = 7, .target = "stats.mean"};
  Print("one\n");
  AwaitRecords(1);
  EXPECT_EQ(records_[0].call, 7u);
  EXPECT_EQ(records_[0].target, "stats.mean");
  EXPECT_GE(records_[0].time, before);
  EXPECT_LE(records_[0].time, absl::Now());
}

TEST_F(OutputReaderTest, ALineIsOfACallThatEndedSinceThereWasNothingToRead) {
  history_.ended_calls = 5;
  reader_->set_calls(&history_);
  reader_->ReadNow();
  history_.ended_calls = 7;
  Print("one\n");
  AwaitRecords(1);
  EXPECT_EQ(history_.asked_since, 5u);
  reader_->ReadNow();
  Print("two\n");
  AwaitRecords(2);
  EXPECT_EQ(history_.asked_since, 7u);
}

TEST_F(OutputReaderTest, OutsideOfCallsALineHasNone) {
  reader_->set_calls(&history_);
  Print("one\n");
  AwaitRecords(1);
  EXPECT_EQ(records_[0].call, 0u);
  EXPECT_EQ(records_[0].target, "");
}

TEST_F(OutputReaderTest, ASinkThatBlocksDoesNotKeepTheWorkerFromPrinting) {
  std::mutex held;  // by the test, while the worker prints more than pipe and queue hold
  std::atomic<uint64_t> told = 0;
  auto queue = LogQueue::Start([&](const LogRecord& record) {
    std::lock_guard<std::mutex> lock(held);
    told += record.dropped > 0 ? record.dropped : 1;
  });
  ASSERT_THAT(queue, IsOk());
  {
    std::lock_guard<std::mutex> lock(held);
    auto reader = OutputReader::Start(**queue);
    ASSERT_THAT(reader, IsOk());
    for (int i = 0; i < 20'000; ++i) Write((*reader)->stdout_writer(), "a line\n");
    for (int i = 0; i < 20'000; ++i) Write((*reader)->stderr_writer(), "a complaint\n");
    (*reader)->CloseWriters();
    (*reader)->Finish();
  }
  *queue = nullptr;
  EXPECT_EQ(told, 40'000u);
}

TEST_F(OutputReaderTest, NothingIsLeftOfIt) {
  reader_.reset();
  const size_t descriptors = tests::OpenDescriptors();
  { auto reader = OutputReader::Start(*queue_); }
  EXPECT_EQ(tests::OpenDescriptors(), descriptors);
}

TEST_F(OutputReaderTest, ItsDescriptorsAreNotInherited) {
  EXPECT_NE(::fcntl(reader_->stdout_writer(), F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_NE(::fcntl(reader_->stderr_writer(), F_GETFD) & FD_CLOEXEC, 0);
}

}  // namespace
}  // namespace slabpipe
