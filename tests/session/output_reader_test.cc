#include "slabpipe/session/output_reader.h"

#include <fcntl.h>
#include <unistd.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/session/log_sink.h"
#include "slabpipe/tests/testing/process_state.h"
#include "slabpipe/tests/testing/status_matchers.h"
#include "slabpipe/tests/testing/watchdog.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::IsOk;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::IsEmpty;

class OutputReaderTest : public ::testing::Test {
 protected:
  OutputReaderTest() {
    auto reader = OutputReader::Start([this](const LogRecord& record) {
      std::lock_guard<std::mutex> lock(mutex_);
      records_.push_back(record);
      added_.notify_all();
    });
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
  // After Finish.
  std::vector<std::string> Texts(LogRecord::Source source) {
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
  EXPECT_EQ(reader_->stderr_tail().size(), 4096u);
  EXPECT_THAT(reader_->stderr_tail(), EndsWith("line 9998\nline 9999\n"));
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

TEST_F(OutputReaderTest, NothingIsLeftOfIt) {
  reader_.reset();
  const size_t descriptors = tests::OpenDescriptors();
  {
    auto reader = OutputReader::Start([](const LogRecord&) {});
  }
  EXPECT_EQ(tests::OpenDescriptors(), descriptors);
}

TEST_F(OutputReaderTest, ItsDescriptorsAreNotInherited) {
  EXPECT_NE(::fcntl(reader_->stdout_writer(), F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_NE(::fcntl(reader_->stderr_writer(), F_GETFD) & FD_CLOEXEC, 0);
}

}  // namespace
}  // namespace slabpipe
