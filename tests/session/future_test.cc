// Calls that nobody waits for: futures.

#include "slabpipe/session/future.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <fstream>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/session/session.h"
#include "slabpipe/tests/session/session_testing.h"
#include "slabpipe/tests/testing/status_matchers.h"

namespace slabpipe::tests {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class FutureTest : public SessionTest {
 protected:
  ~FutureTest() override { ::unlink(block_.c_str()); }

  // Each worker that is started while the starts are blocked hangs.
  Session StartBlockable() {
    SessionOptions options = LongOptions();
    options.environment = {{"SLABPIPE_TEST_BLOCK", block_}};
    options.start_up_targets = {"start.unless_blocked"};
    return StartGood(std::move(options));
  }
  void BlockStarts() { std::ofstream(block_) << "the next worker hangs at its start\n"; }
  void LetStart() { ::unlink(block_.c_str()); }

 private:
  const std::string block_ = absl::StrCat(::testing::TempDir(), "/block.", ::getpid());
};

TEST_F(FutureTest, ManyCallsAreInFlightAndEachHasItsAnswer) {
  Session session = StartLong();
  std::vector<Future<int64_t>> futures;
  for (int64_t i = 0; i < 200; ++i) futures.push_back(session.Submit<int64_t>("echo.number", i));
  for (int64_t i = 0; i < 200; ++i) {
    EXPECT_THAT(futures[static_cast<size_t>(i)].Get(), IsOkAndHolds(i));
  }
  EXPECT_THAT(futures[7].Get(), IsOkAndHolds(7)) << "it may be asked again";
}

TEST_F(FutureTest, AWorkerWithThreadsAnswersInAnyOrder) {
  Session session = StartLong(2);
  Future<bool> slow = session.Submit<bool>("long.nap", 3'600'000);
  EXPECT_THAT(session.Submit<int64_t>("echo.number", 1).Get(), IsOkAndHolds(1));
  EXPECT_THAT(session.Call<int64_t>("echo.number", 2), IsOkAndHolds(2));
  EXPECT_FALSE(slow.ready());
  slow.Cancel();
  EXPECT_THAT(slow.Get(), StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(FutureTest, AnErrorIsAsCallsWouldBe) {
  Session session = StartLong();
  EXPECT_THAT(session.Submit<int64_t>("no.target").Get(), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(session.Submit("echo.number", "text").Get(),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(session.Submit<std::string>("echo.number", 1).Get(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("echo.number")));
}

TEST_F(FutureTest, TheWorkersDeathIsEveryonesErrorOnceAndANewOneRuns) {
  std::atomic<int> told = 0;
  Session session = StartLong();
  // Holds the worker until all calls are on their way.
  Future<> first = session.Submit("long.until_stopped", "");
  std::vector<Future<>> futures = {session.Submit("process.die")};
  for (int i = 0; i < 20; ++i) futures.push_back(session.Submit("echo.number", i));
  for (const Future<>& future : futures) future.OnReady([&] { ++told; });
  first.Cancel();
  EXPECT_THAT(WaitAll(std::vector<AnyFuture>(futures.begin(), futures.end())), IsOk());
  EXPECT_THAT(futures[0].Get(),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("while it ran 'process.die'")));
  for (size_t i = 1; i < futures.size(); ++i) {
    EXPECT_THAT(futures[i].Get(), StatusIs(absl::StatusCode::kUnavailable));
  }
  EXPECT_THAT(session.Call<int64_t>("echo.number", 5), IsOkAndHolds(5));
  EXPECT_EQ(session.stats().restarts, 1u);
  // A future may be ready before its callback has been called.
  while (told < 21) std::this_thread::yield();
  { const Session gone = std::move(session); }
  EXPECT_EQ(told, 21);
}

TEST_F(FutureTest, ADeadlineIsKeptThoughNobodyWaits) {
  Session session = StartLong();
  std::mutex mutex;
  std::condition_variable told;
  bool ready = false;
  Future<> hanging = session.Submit({.timeout = absl::Milliseconds(30)}, "long.hang", "", false);
  hanging.OnReady([&] {
    std::lock_guard<std::mutex> lock(mutex);
    ready = true;
    told.notify_one();
  });
  std::unique_lock<std::mutex> lock(mutex);
  told.wait(lock, [&] { return ready; });
  EXPECT_THAT(hanging.Get(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  session.Shutdown(absl::ZeroDuration()).IgnoreError();
}

TEST_F(FutureTest, ADeadlineIsKeptWhileOthersWaitForANewWorker) {
  Session session = StartBlockable();
  std::vector<AnyFuture> patient;
  for (int i = 0; i < 20; ++i) patient.push_back(session.Submit<bool>("long.nap", 3'600'000));
  Future<bool> hurried =
      session.Submit<bool>({.timeout = absl::Milliseconds(200)}, "long.nap", 3'600'000);
  for (int i = 0; i < 20; ++i) patient.push_back(session.Submit<bool>("long.nap", 3'600'000));
  BlockStarts();
  ::kill(session.worker_pid(), SIGKILL);
  EXPECT_FALSE(hurried.Get().ok());
  for (const AnyFuture& future : patient) EXPECT_FALSE(future.ready());
  session.Shutdown(absl::ZeroDuration()).IgnoreError();
  EXPECT_THAT(WaitAll(patient), IsOk());
}

TEST_F(FutureTest, ACancelledOneDoesNotWaitForANewWorker) {
  Session session = StartBlockable();
  const auto has_loss = StatusIs(absl::StatusCode::kUnavailable,
                                 AllOf(HasSubstr("long.nap"), HasSubstr("the next call starts")));
  std::stop_source stop;
  Future<bool> by_hand = session.Submit<bool>("long.nap", 3'600'000);
  BlockStarts();
  ::kill(session.worker_pid(), SIGKILL);
  while (session.stats().restarts < 1) std::this_thread::yield();
  by_hand.Cancel();
  EXPECT_THAT(by_hand.Get().status(), has_loss);
  LetStart();
  Future<bool> by_token =
      session.Submit<bool>({.cancellation = stop.get_token()}, "long.nap", 3'600'000);
  BlockStarts();
  ::kill(session.worker_pid(), SIGKILL);
  while (session.stats().restarts < 3) std::this_thread::yield();
  stop.request_stop();
  EXPECT_THAT(by_token.Get().status(), has_loss);
  LetStart();
  EXPECT_THAT(session.Call<int64_t>("echo.number", 1), IsOkAndHolds(1));
}

TEST_F(FutureTest, NorDoesAStream) {
  Session session = StartBlockable();
  std::stop_source stop;
  ResultStream<int64_t> stream =
      session.Stream<int64_t>({.cancellation = stop.get_token()}, "stream.count", 1'000'000);
  ASSERT_TRUE(stream.Next());
  BlockStarts();
  ::kill(session.worker_pid(), SIGKILL);
  std::thread canceller([&] {
    while (session.stats().restarts < 1) std::this_thread::yield();
    stop.request_stop();
  });
  while (stream.Next()) continue;
  EXPECT_THAT(stream.status(),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("the next call starts")));
  canceller.join();
  LetStart();
  EXPECT_THAT(session.Call<int64_t>("echo.number", 1), IsOkAndHolds(1));
}

TEST_F(FutureTest, WaitAnyNamesOneThatIsReady) {
  Session session = StartLong(2);
  std::vector<AnyFuture> futures = {session.Submit<bool>("long.nap", 3'600'000),
                                    session.Submit<int64_t>("echo.number", 1)};
  EXPECT_THAT(WaitAny(futures), IsOkAndHolds(1u));
  EXPECT_THAT(WaitAny(absl::MakeSpan(futures).subspan(0, 1), absl::Milliseconds(1)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(WaitAll(futures, absl::Milliseconds(1)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(WaitAny({}), StatusIs(absl::StatusCode::kInvalidArgument));
  futures[0].Cancel();
  EXPECT_THAT(WaitAll(futures), IsOk());
}

TEST(AsyncResultTest, WaitsInALoopLeaveNoCallbacksBehind) {
  const auto result = std::make_shared<AsyncResult>();
  const std::vector<AnyFuture> futures(2, AnyFuture("no.target", result));
  int told = 0;
  result->OnReady([&] { ++told; });
  for (int i = 0; i < 10; ++i) {
    EXPECT_THAT(WaitAny(futures, absl::Milliseconds(1)),
                StatusIs(absl::StatusCode::kDeadlineExceeded));
  }
  EXPECT_EQ(result->callback_count(), 1u);
  result->Set(absl::AbortedError("no result"));
  EXPECT_EQ(told, 1);
  EXPECT_THAT(WaitAny(futures), IsOkAndHolds(0u));
  EXPECT_EQ(result->callback_count(), 0u);
}

TEST(AsyncResultTest, ACallbackThatIsForgottenIsNotCalled) {
  AsyncResult result;
  const auto called = std::make_shared<std::vector<int>>();
  const auto note = [&](int number) { return [called, number] { called->push_back(number); }; };
  result.OnReady(note(1));
  const uint64_t second = result.OnReady(note(2));
  result.OnReady(note(3));
  result.Forget(second);
  result.Forget(second);
  result.Forget(0);
  EXPECT_EQ(called.use_count(), 3) << "what it held is gone";
  result.Set(Object());
  EXPECT_THAT(*called, ElementsAre(1, 3));
  EXPECT_EQ(result.OnReady(note(4)), 0u);
  EXPECT_THAT(*called, ElementsAre(1, 3, 4));
}

TEST_F(FutureTest, OneOfNoCallIsReadyAndSaysSo) {
  std::vector<Future<int64_t>> futures(3);
  EXPECT_TRUE(futures[0].ready());
  EXPECT_THAT(futures[0].Wait(), IsOk());
  EXPECT_THAT(futures[0].Get(), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(Future<>().Get(), StatusIs(absl::StatusCode::kFailedPrecondition));
  futures[0].Cancel();
  bool told = false;
  futures[0].OnReady([&] { told = true; });
  EXPECT_TRUE(told);
  EXPECT_THAT(WaitAny(std::vector<AnyFuture>(futures.begin(), futures.end())), IsOkAndHolds(0u));
  Session session = StartLong();
  for (int64_t i = 0; i < 3; ++i) {
    futures[static_cast<size_t>(i)] = session.Submit<int64_t>("echo.number", i);
  }
  EXPECT_THAT(futures[2].Get(), IsOkAndHolds(2));
  const Future<int64_t> taken = std::move(futures[2]);
  EXPECT_THAT(taken.Get(), IsOkAndHolds(2));
  EXPECT_THAT(futures[2].Get(), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(FutureTest, ItOutlivesItsSession) {
  std::optional<Future<bool>> nap;
  {
    SessionOptions options = LongOptions();
    options.shutdown_grace = absl::Milliseconds(50);
    Session session = StartGood(options);
    nap = session.Submit<bool>("long.nap", 3'600'000);
  }
  ASSERT_TRUE(nap->ready());
  EXPECT_FALSE(nap->Get().ok());
  nap->Cancel();
}

TEST_F(FutureTest, ACallbackMayEndTheSession) {
  std::mutex mutex;
  std::condition_variable told;
  bool gone = false;
  auto session = std::make_unique<Session>(StartLong());
  session->Submit("echo.number", 1).OnReady([&] {
    session.reset();
    std::lock_guard<std::mutex> lock(mutex);
    gone = true;
    told.notify_one();
  });
  std::unique_lock<std::mutex> lock(mutex);
  told.wait(lock, [&] { return gone; });
}

TEST_F(FutureTest, CallsAndSubmissionsOfManyThreadsMix) {
  Session session = StartLong(2);
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int64_t i = 0; i < 100; ++i) {
        Future<int64_t> future = session.Submit<int64_t>("echo.number", 1000 * t + i);
        absl::StatusOr<int64_t> called = session.Call<int64_t>("echo.number", i);
        absl::StatusOr<int64_t> submitted = future.Get();
        if (!called.ok() || *called != i) ++wrong;
        if (!submitted.ok() || *submitted != 1000 * t + i) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace slabpipe::tests
