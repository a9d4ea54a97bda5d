#include "slabpipe/session/worker_loss.h"

#include <signal.h>

#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/session/remote_error.h"
#include "slabpipe/tests/testing/status_matchers.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::StatusIs;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr char kStderr[] =
    "about to compute\n"
    "terminate called after throwing an instance of 'std::logic_error'\n"
    "*** SIGABRT received at time=1795436876 on cpu 1 ***\n"
    "PC: @     0x7fe96daa8eec  (unknown)  (unknown)\n"
    "*** stack of the thread that failed ***\n"
    "    @ 0x00007fe96daa8eed  abort\n"
    "    @ 0x0000000000401234  stats::Mean()\n"
    "*** end of stack ***\n";

WorkerLoss Example() {
  WorkerLoss loss = {.end = Signalled{.signal = SIGABRT},
                     .pid = 1234,
                     .program = "stats_worker",
                     .doing = "it ran 'stats.mean'",
                     .target = "stats.mean",
                     .call = 17,
                     .may_have_run = true,
                     .recovered = true,
                     .new_pid = 1235,
                     .recovery_note = "a new worker is running (pid 1235)"};
  SetLastWords(loss, kStderr);
  return loss;
}

TEST(WorkerLossTest, ComesBackFromItsStatus) {
  const std::optional<WorkerLoss> loss =
      GetWorkerLoss(ToStatus(absl::StatusCode::kUnavailable, Example()));
  ASSERT_TRUE(loss.has_value());
  EXPECT_EQ(loss->end, WorkerEnd(Signalled{.signal = SIGABRT}));
  EXPECT_EQ(loss->pid, 1234);
  EXPECT_EQ(loss->target, "stats.mean");
  EXPECT_EQ(loss->call, 17u);
  EXPECT_THAT(loss->stack, ElementsAre("abort", "stats::Mean()"));
  EXPECT_THAT(loss->crash_reason, StartsWith("terminate called"));
  EXPECT_EQ(loss->stderr_tail, kStderr);
  EXPECT_TRUE(loss->may_have_run);
  EXPECT_TRUE(loss->recovered);
  EXPECT_EQ(loss->new_pid, 1235);
}

TEST(WorkerLossTest, TheTextTellsTheSameForPeople) {
  EXPECT_THAT(ToStatus(absl::StatusCode::kUnavailable, Example()),
              StatusIs(absl::StatusCode::kUnavailable,
                       "the worker 'stats_worker' was killed by signal 6 (SIGABRT) while it ran "
                       "'stats.mean'\n"
                       "  it crashed at\n"
                       "    abort\n"
                       "    stats::Mean()\n"
                       "  the end of its stderr:\n"
                       "about to compute\n"
                       "terminate called after throwing an instance of 'std::logic_error'\n"
                       "  a new worker is running (pid 1235)"));
}

TEST(WorkerLossTest, WhatIsNotKnownIsNotMentioned) {
  const WorkerLoss loss = {.end = Exited{.code = 3}, .program = "w", .why = "no memory"};
  EXPECT_EQ(DescribeLoss(loss), "the worker 'w' exited with code 3: no memory");
}

TEST(WorkerLossTest, OfALongStderrTheLastWholeLinesAreKept) {
  std::string text;
  for (int i = 0; i < 10'000; ++i) absl::StrAppend(&text, "line ", i, "\n");
  WorkerLoss loss;
  SetLastWords(loss, text);
  EXPECT_LE(loss.stderr_tail.size(), size_t{16} << 10);
  EXPECT_GT(loss.stderr_tail.size(), size_t{15} << 10);
  EXPECT_THAT(loss.stderr_tail, StartsWith("line "));
  EXPECT_THAT(loss.stderr_tail, EndsWith("\nline 9999\n"));
  EXPECT_LT(DescribeLoss(loss).size(), 5000u);
  EXPECT_THAT(DescribeLoss(loss), EndsWith("\nline 9999"));
}

TEST(WorkerLossTest, TheTextHasNoControlCharactersOfTheWorkers) {
  WorkerLoss loss = Example();
  loss.end = Misbehaved{.what = "a codec 'x\x1b[1m'"};
  loss.stack = {"f\x1b[2J()"};
  loss.stderr_tail = "gr\xc3\xbc\xc3\x9f\x65\n50%\r99%\x1b[K\n\xff\n";
  const std::string text = DescribeLoss(loss);
  EXPECT_THAT(text, HasSubstr("a codec 'x\\033[1m'"));
  EXPECT_THAT(text, HasSubstr("\n    f\\033[2J()\n"));
  EXPECT_THAT(text, HasSubstr("\ngr\xc3\xbc\xc3\x9f\x65\n50%\\r99%\\033[K\n\\377\n"));
  EXPECT_EQ(GetWorkerLoss(ToStatus(absl::StatusCode::kDataLoss, loss))->stderr_tail,
            loss.stderr_tail);
}

TEST(WorkerLossTest, AStackFartherBackThanTheTailIsFound) {
  WorkerLoss loss;
  SetLastWords(loss, absl::StrCat(kStderr, std::string(20'000, 'x'), "\n"));
  EXPECT_THAT(loss.stack, ElementsAre("abort", "stats::Mean()"));
  EXPECT_THAT(loss.stderr_tail, Not(HasSubstr("abort")));
}

TEST(WorkerLossTest, FramesOfTheLibraryBelowTheFunctionAreNotInTheText) {
  WorkerLoss loss = Example();
  loss.stack.push_back("slabpipe::internal::FunctionMaker<>::Call<>()");
  loss.stack.push_back("main");
  EXPECT_EQ(DescribeLoss(loss), DescribeLoss(Example()));
  loss.stack = {"slabpipe::internal::FunctionMaker<>::Call<>()", "main"};
  EXPECT_THAT(DescribeLoss(loss), HasSubstr("    slabpipe::internal::FunctionMaker<>::Call<>()\n"))
      << "where it failed is always there";
}

TEST(WorkerLossTest, MayBeAttachedToAnotherText) {
  absl::Status status = absl::DeadlineExceededError("too late");
  AttachLoss(status, Example());
  EXPECT_EQ(status.message(), "too late");
  EXPECT_EQ(GetWorkerLoss(status)->pid, 1234);
}

TEST(WorkerLossTest, AnUnavailableOfTheFunctionsOwnIsToldApart) {
  const absl::Status own = ToStatus(ToRemoteError(absl::UnavailableError("no paper")), "p.print");
  EXPECT_FALSE(GetWorkerLoss(own).has_value());
  ASSERT_TRUE(GetRemoteError(own).has_value());
  EXPECT_EQ(GetRemoteError(own)->message, "no paper");
  const absl::Status lost = ToStatus(absl::StatusCode::kUnavailable, Example());
  EXPECT_FALSE(GetRemoteError(lost).has_value());
  EXPECT_FALSE(GetWorkerLoss(absl::UnavailableError("of somebody else")).has_value());
}

}  // namespace
}  // namespace slabpipe
