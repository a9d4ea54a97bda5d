#include "slabpipe/session/async_calls.h"

#include <unistd.h>

#include <atomic>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/codec/value.h"
#include "slabpipe/tests/session/played_worker.h"
#include "slabpipe/tests/testing/status_matchers.h"
#include "slabpipe/tests/testing/test_thread.h"
#include "slabpipe/tests/testing/thread_state.h"
#include "slabpipe/tests/testing/watchdog.h"

namespace slabpipe::tests {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Deadline Past() { return Deadline::After(absl::ZeroDuration()); }
Object ToResult(Value value) { return Object::Make<Value>(std::move(value)); }

// A result in words; waits for it.
std::string InWords(const AsyncResult& result) {
  EXPECT_THAT(result.Wait(Deadline::Never()), IsOk());
  if (!result.get().ok()) return result.get().status().ToString();
  const Value* value = result.get()->get<Value>();
  return value == nullptr ? "no value" : value->DebugString();
}

class AsyncResultTest : public ::testing::Test {
 protected:
  AsyncResult result_;

 private:
  Watchdog watchdog_;
};

TEST_F(AsyncResultTest, IsReadyOnceItIsSet) {
  EXPECT_FALSE(result_.ready());
  EXPECT_THAT(result_.Wait(Past()), StatusIs(absl::StatusCode::kDeadlineExceeded));
  result_.Set(ToResult(5));
  EXPECT_TRUE(result_.ready());
  EXPECT_THAT(result_.Wait(Past()), IsOk());
  EXPECT_EQ(InWords(result_), "5");
}

TEST_F(AsyncResultTest, WakesAllThatWait) {
  std::string a, b;
  TestThread first([&] { a = InWords(result_); });
  TestThread second([&] { b = InWords(result_); });
  first.AwaitSleep();
  second.AwaitSleep();
  result_.Set(absl::NotFoundError("none"));
  first.Join();
  second.Join();
  EXPECT_EQ(a, "NOT_FOUND: none");
  EXPECT_EQ(b, a);
}

TEST_F(AsyncResultTest, CallbacksRunOnceOnTheThreadThatSetsIt) {
  std::vector<std::thread::id> calls;
  const auto note = [&] {
    EXPECT_TRUE(result_.ready());
    calls.push_back(std::this_thread::get_id());
  };
  result_.OnReady(note);
  result_.OnReady([&] { result_.OnReady(note); });  // no lock is held then
  EXPECT_THAT(calls, ElementsAre());
  std::thread setter([&] { result_.Set(ToResult(1)); });
  const std::thread::id id = setter.get_id();
  setter.join();
  EXPECT_THAT(calls, ElementsAre(id, id));
  result_.OnReady(note);
  EXPECT_THAT(calls, ElementsAre(id, id, std::this_thread::get_id()));
}

TEST_F(AsyncResultTest, CanBeCancelledUntilItIsSet) {
  int cancels = 0;
  result_.Cancel();
  result_.SetCancel([&] { ++cancels; });
  result_.Cancel();
  EXPECT_EQ(cancels, 1);
  result_.Set(ToResult(1));
  result_.Cancel();
  result_.SetCancel([&] { ++cancels; });
  result_.Cancel();
  EXPECT_EQ(cancels, 1);
}

class AsyncCallsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (PlayedWorker* worker : {&worker_, &other_}) ASSERT_THAT(worker->Start(), IsOk());
  }
  ~AsyncCallsTest() override { calls_.reset(); }

  // As a session does.
  static std::shared_ptr<AsyncCall> Begin(PlayedWorker& worker, CallOptions options = {},
                                          Deadline deadline = Deadline::Never()) {
    auto call = std::make_shared<AsyncCall>(worker.connection(), "test.target", std::move(options),
                                            deadline, absl::InfiniteDuration());
    EXPECT_FALSE(call->in_progress().Start({}).has_value());
    return call;
  }
  std::shared_ptr<AsyncResult> Add(std::shared_ptr<AsyncCall> call) {
    auto result = std::make_shared<AsyncResult>();
    result->SetCancel([weak = std::weak_ptr<AsyncCall>(call)] {
      if (const auto running = weak.lock()) running->in_progress().Cancel();
    });
    EXPECT_THAT(calls_->Add(std::move(call), result), IsOk());
    return result;
  }
  std::shared_ptr<AsyncResult> Submit(PlayedWorker& worker, CallOptions options = {},
                                      Deadline deadline = Deadline::Never()) {
    return Add(Begin(worker, std::move(options), deadline));
  }

  // A call that is in flight, and the thread waits for its answer and for nothing else.
  std::shared_ptr<AsyncResult> SubmitAndAwaitSleep() {
    std::promise<pid_t> reported;
    CallOptions options = {.progress = [&](const Progress&) { reported.set_value(::gettid()); }};
    auto result = Submit(worker_, std::move(options));
    Report(worker_.ReceiveRequest());
    const pid_t thread = reported.get_future().get();
    while (!ThreadSleeps(thread)) std::this_thread::yield();
    return result;
  }
  void Report(uint64_t id) {
    worker_.end().Send([&](schemas::Message::Builder root) {
      auto progress = root.initEvent().initProgress();
      progress.setId(id);
      progress.setDone(4);
      progress.setText("steps");
    });
  }

  PlayedWorker worker_, other_;
  std::atomic<int> settled_ = 0, lost_ = 0;
  std::atomic<std::thread::id> thread_ = std::thread::id();  // that settles
  std::optional<AsyncCalls> calls_{std::in_place, [this](AsyncCall&, CallOutcome outcome) {
                                     ++settled_;
                                     if (outcome.lost) ++lost_;
                                     thread_ = std::this_thread::get_id();
                                     return std::move(outcome.result);
                                   }};

 private:
  Watchdog watchdog_;
};

TEST_F(AsyncCallsTest, AnswersMayComeInAnyOrder) {
  const auto a = Submit(worker_), b = Submit(worker_), c = Submit(worker_);
  const uint64_t first = worker_.ReceiveRequest();
  EXPECT_EQ(calls_->size(), 3u);
  worker_.Answer(first + 2, "c");
  worker_.Answer(first, "a");
  EXPECT_EQ(InWords(*a), "\"a\"");
  EXPECT_EQ(InWords(*c), "\"c\"");
  EXPECT_FALSE(b->ready());
  EXPECT_EQ(calls_->size(), 1u);
  worker_.Answer(first + 1, "b");
  EXPECT_EQ(InWords(*b), "\"b\"");
  EXPECT_EQ(calls_->size(), 0u);
  EXPECT_EQ(settled_, 3);
}

TEST_F(AsyncCallsTest, CallsOfTwoConnectionsAreSeenTo) {
  const auto a = Submit(worker_), b = Submit(other_), c = Submit(worker_);
  const uint64_t first = worker_.ReceiveRequest();
  other_.Answer(other_.ReceiveRequest(), "b");
  worker_.Answer(first, "a");
  worker_.Answer(first + 1, "c");
  EXPECT_EQ(InWords(*b), "\"b\"");
  EXPECT_EQ(InWords(*a), "\"a\"");
  EXPECT_EQ(InWords(*c), "\"c\"");
  const auto again = Submit(worker_);
  worker_.Answer(first + 2, "again");
  EXPECT_EQ(InWords(*again), "\"again\"");
}

TEST_F(AsyncCallsTest, WhenAWorkerIsLostThoseOfTheNextOneAreSeenTo) {
  const auto a = Submit(worker_), b = Submit(worker_), c = Submit(other_);
  worker_.ReceiveRequest();
  worker_.Exit(3);
  EXPECT_THAT(InWords(*a), HasSubstr("UNAVAILABLE"));
  EXPECT_THAT(InWords(*b), HasSubstr("exited with code 3"));
  other_.Answer(other_.ReceiveRequest(), "c");
  EXPECT_EQ(InWords(*c), "\"c\"");
  EXPECT_EQ(settled_, 3);
  EXPECT_EQ(lost_, 2);
}

TEST_F(AsyncCallsTest, CallbacksRunOnTheThreadThatSettles) {
  const auto result = Submit(worker_);
  std::promise<std::thread::id> called;
  result->OnReady([&] { called.set_value(std::this_thread::get_id()); });
  worker_.Answer(worker_.ReceiveRequest(), 1);
  const std::thread::id id = called.get_future().get();
  EXPECT_EQ(id, thread_.load());
  EXPECT_NE(id, std::this_thread::get_id());
}

TEST_F(AsyncCallsTest, ProgressIsHandedOnBeforeTheResult) {
  std::promise<std::string> reported;
  CallOptions options = {.progress = [&](const Progress& progress) {
    reported.set_value(absl::StrCat(progress.done, " ", progress.text));
  }};
  const auto result = Submit(worker_, std::move(options));
  const uint64_t id = worker_.ReceiveRequest();
  Report(id);
  EXPECT_EQ(reported.get_future().get(), "4 steps");
  EXPECT_FALSE(result->ready());
  worker_.Answer(id, 1);
  EXPECT_EQ(InWords(*result), "1");
}

TEST_F(AsyncCallsTest, ACancelledCallIsGivenUpAndTheWorkerTold) {
  const auto a = Submit(worker_), b = Submit(worker_);
  const uint64_t first = worker_.ReceiveRequest();
  worker_.ReceiveRequest();
  a->Cancel();
  EXPECT_THAT(InWords(*a), HasSubstr("CANCELLED: test.target"));
  const std::unique_ptr<Received> told = worker_.end().Receive();
  ASSERT_TRUE(told->root.isCancel());
  EXPECT_EQ(told->root.getCancel().getId(), first);
  EXPECT_FALSE(told->root.getCancel().getOverdue());
  worker_.Answer(first, "too late");
  worker_.Answer(first + 1, "b");
  EXPECT_EQ(InWords(*b), "\"b\"");
}

TEST_F(AsyncCallsTest, AnAnswerWithinTheGraceCounts) {
  const auto result = Submit(worker_, {.grace = absl::Hours(1)});
  const uint64_t id = worker_.ReceiveRequest();
  result->Cancel();
  EXPECT_TRUE(worker_.end().Receive()->root.isCancel());
  EXPECT_FALSE(result->ready());
  worker_.Answer(id, "in time");
  EXPECT_EQ(InWords(*result), "\"in time\"");
}

TEST_F(AsyncCallsTest, DeadlinesAreKeptThoughNobodyWaits) {
  const auto patient = SubmitAndAwaitSleep();
  const auto result = Submit(worker_, {}, Deadline::After(absl::Seconds(1)));
  EXPECT_THAT(InWords(*result), HasSubstr("DEADLINE_EXCEEDED"));
  EXPECT_FALSE(patient->ready());
  const uint64_t second = worker_.ReceiveRequest();
  EXPECT_TRUE(worker_.end().Receive()->root.getCancel().getOverdue());
  worker_.Answer(second - 1, "patient");
  EXPECT_EQ(InWords(*patient), "\"patient\"");
}

// Another thread may have read it, while it waited for something else.
TEST_F(AsyncCallsTest, AnAnswerThatCameBeforeTheCallWasAddedIsFound) {
  const std::shared_ptr<AsyncCall> call = Begin(worker_);
  const uint64_t id = worker_.ReceiveRequest();
  TestThread answering([&] {
    const uint64_t ping = worker_.end().Receive()->root.getPing();
    worker_.Answer(id, "early");
    worker_.end().Send([&](schemas::Message::Builder root) { root.setPong(ping); });
  });
  EXPECT_THAT(worker_.connection()->Ping(Deadline::Never()), IsOk());
  EXPECT_EQ(InWords(*Add(call)), "\"early\"");
}

// The thread has passed over what it does not see to yet.
TEST_F(AsyncCallsTest, AnAnswerThatTheThreadReadBeforeTheCallWasAddedIsFound) {
  const auto first = SubmitAndAwaitSleep();
  const std::shared_ptr<AsyncCall> call = Begin(worker_);
  worker_.Answer(worker_.ReceiveRequest(), "early");
  const auto other = Submit(worker_);
  worker_.Answer(worker_.ReceiveRequest(), "other");
  EXPECT_EQ(InWords(*other), "\"other\"");  // behind the early one
  EXPECT_EQ(InWords(*Add(call)), "\"early\"");
}

TEST_F(AsyncCallsTest, TheEndWakesTheThread) {
  const auto result = SubmitAndAwaitSleep();
  calls_.reset();
  EXPECT_EQ(InWords(*result), "CANCELLED: the session is gone");
}

TEST_F(AsyncCallsTest, TheEndCancelsWhatIsInFlight) {
  const auto a = Submit(worker_), b = Submit(worker_), c = Submit(other_);
  worker_.Answer(worker_.ReceiveRequest(), "a");
  EXPECT_EQ(InWords(*a), "\"a\"");
  calls_.reset();
  EXPECT_TRUE(b->ready());
  EXPECT_TRUE(c->ready());
  EXPECT_EQ(InWords(*b), "CANCELLED: the session is gone");
  EXPECT_EQ(InWords(*c), "CANCELLED: the session is gone");
  EXPECT_EQ(settled_, 1) << "nobody is there to settle the others";
}

TEST_F(AsyncCallsTest, TheEndWithoutACallStartsNoThread) {
  calls_.reset();
  EXPECT_EQ(settled_, 0);
}

TEST_F(AsyncCallsTest, ACallbackMayBeTheEnd) {
  const auto a = Submit(worker_), b = Submit(worker_);
  std::promise<void> ended;
  a->OnReady([&] {
    calls_.reset();
    ended.set_value();
  });
  worker_.Answer(worker_.ReceiveRequest(), "a");
  ended.get_future().wait();
  EXPECT_EQ(InWords(*b), "CANCELLED: the session is gone");
  // The thread is on its own now: it is done when it has dropped the calls.
  while (worker_.connection().use_count() > 1) std::this_thread::yield();
}

TEST_F(AsyncCallsTest, ManyCallsOfManyThreadsAreSettledOnce) {
  constexpr int kThreads = 4, kCalls = 50;
  std::thread answering([&] {
    std::vector<uint64_t> asked;
    for (int i = 0; i < kThreads * kCalls; ++i) {
      asked.push_back(worker_.ReceiveRequest());
      // The latest first, and some of them much later.
      while (!asked.empty() && (i % 3 == 0 || i + 1 == kThreads * kCalls)) {
        worker_.Answer(asked.back(), asked.back());
        asked.pop_back();
      }
    }
  });
  std::vector<int> right(kThreads);
  std::vector<std::thread> callers;
  for (size_t t = 0; t < kThreads; ++t) {
    callers.emplace_back([&, t] {
      std::vector<std::pair<uint64_t, std::shared_ptr<AsyncResult>>> results;
      for (int i = 0; i < kCalls; ++i) {
        const std::shared_ptr<AsyncCall> call = Begin(worker_);
        const uint64_t id = call->in_progress().reply().id();
        results.emplace_back(id, Add(call));
      }
      for (const auto& [id, result] : results) right[t] += InWords(*result) == absl::StrCat(id);
    });
  }
  for (std::thread& caller : callers) caller.join();
  answering.join();
  EXPECT_THAT(right, Each(kCalls));
  EXPECT_EQ(settled_, kThreads * kCalls);
  EXPECT_EQ(calls_->size(), 0u);
}

}  // namespace
}  // namespace slabpipe::tests
