#include <algorithm>
#include <atomic>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/session/reply_router.h"
#include "slabpipe/tests/session/router_testing.h"
#include "slabpipe/tests/testing/one_gate.h"
#include "slabpipe/tests/testing/test_thread.h"

// Several threads that wait: one reads for all.

namespace slabpipe::tests {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A call, and a thread that waits for what happens to it.
class WaitingCall {
 public:
  explicit WaitingCall(ReplyRouter& router, uint32_t credit = 0,
                       Deadline deadline = Deadline::Never())
      : call_(router, credit), thread_([this, deadline] { heard_ = call_.Await(deadline); }) {
    thread_.AwaitSleep();
  }
  uint64_t id() const { return call_.id(); }
  PendingReply& reply() { return call_.reply(); }
  bool done() const { return thread_.done(); }
  // What it heard in the end.
  const std::string& heard() {
    thread_.Join();
    return heard_;
  }

 private:
  Call call_;
  std::string heard_;
  TestThread thread_;
};

class RouterThreadsTest : public RouterTest {
 protected:
  using RouterTest::RouterTest;
};

// The first one to wait reads; those after it sleep.
TEST_F(RouterThreadsTest, TheOneThatReadsHandsTheOthersTheirAnswers) {
  WaitingCall reader(router_), a(router_), b(router_);
  Answer(b.id(), "b");
  EXPECT_EQ(b.heard(), "answer b");
  Answer(a.id(), "a");
  EXPECT_EQ(a.heard(), "answer a");
  EXPECT_FALSE(reader.done());
  Answer(reader.id(), "reader's");
  EXPECT_EQ(reader.heard(), "answer reader's");
}

TEST_F(RouterThreadsTest, TheOneThatReadsWakesAnotherWhenItHasItsAnswer) {
  std::vector<std::unique_ptr<WaitingCall>> calls;
  for (int i = 0; i < 4; ++i) calls.push_back(std::make_unique<WaitingCall>(router_));
  for (const auto& call : calls) {
    Answer(call->id(), "yours");
    EXPECT_EQ(call->heard(), "answer yours");
  }
}

TEST_F(RouterThreadsTest, TheOneThatReadsWakesAnotherWhenItsDeadlinePasses) {
  WaitingCall reader(router_, 0, Deadline::After(absl::Milliseconds(20)));
  WaitingCall other(router_);
  EXPECT_EQ(reader.heard(), "nothing");
  Answer(other.id(), "yours");
  EXPECT_EQ(other.heard(), "answer yours");
}

TEST_F(RouterThreadsTest, TheDeadlineOfOneThatSleepsPasses) {
  WaitingCall reader(router_);
  WaitingCall other(router_, 0, Deadline::After(absl::Milliseconds(2)));
  EXPECT_EQ(other.heard(), "nothing");
  Answer(reader.id(), "yours");
  EXPECT_EQ(reader.heard(), "answer yours");
}

TEST_F(RouterThreadsTest, TheOneThatReadsIsCancelledAndWakesAnother) {
  WaitingCall reader(router_), other(router_);
  router_.Cancel(reader.reply());
  EXPECT_EQ(reader.heard(), "cancelled");
  Answer(other.id(), "yours");
  EXPECT_EQ(other.heard(), "answer yours");
}

TEST_F(RouterThreadsTest, OneThatSleepsIsCancelled) {
  WaitingCall reader(router_), other(router_);
  router_.Cancel(other.reply());
  EXPECT_EQ(other.heard(), "cancelled");
  EXPECT_FALSE(reader.done());
  Answer(reader.id(), "yours");
  EXPECT_EQ(reader.heard(), "answer yours");
}

TEST_F(RouterThreadsTest, ItemsAndProgressWakeTheirWaiters) {
  WaitingCall reader(router_), stream(router_, 1), slow(router_);
  Item(stream.id(), "a");
  EXPECT_EQ(stream.heard(), "item a");
  Progress(slow.id(), 5, "half");
  EXPECT_EQ(slow.heard(), "progress 5/9 half");
  Progress(reader.id(), 1, "");
  EXPECT_EQ(reader.heard(), "progress 1/9 ");
}

TEST_F(RouterThreadsTest, TheEndWakesAll) {
  WaitingCall reader(router_), other(router_);
  Waiter any;
  std::vector<PendingReply*> happened;
  TestThread any_thread([&] { happened = router_.AwaitAny(any, Deadline::Never()); });
  any_thread.AwaitSleep();
  absl::Status end;
  TestThread end_thread([&] { end = router_.AwaitOver(Deadline::Never()); });
  end_thread.AwaitSleep();
  router_.SetOver(absl::AbortedError("over"));
  EXPECT_EQ(reader.heard(), "over");
  EXPECT_EQ(other.heard(), "over");
  any_thread.Join();
  EXPECT_THAT(happened, IsEmpty());
  end_thread.Join();
  EXPECT_THAT(end, IsOk());
}

TEST_F(RouterThreadsTest, AllLearnThatTheWorkerIsGone) {
  WaitingCall reader(router_), a(router_), b(router_);
  ends_.worker.Leave();
  EXPECT_EQ(b.heard(), "over");
  EXPECT_EQ(a.heard(), "over");
  EXPECT_EQ(reader.heard(), "over");
  EXPECT_THAT(router_.over(), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(RouterThreadsTest, TheRestOfTheLogsIsReadWhenTheOneThatReadsHasStopped) {
  OneGate gate;
  while_passed_on_ = [&] {
    if (logs_.size() == 1) gate.Pass();
  };
  WaitingCall reader(router_);
  Log("one");
  gate.AwaitArrival();
  Log("two");
  router_.SetOver(absl::AbortedError("over"));
  TestThread drain([&] { router_.DrainEvents(); });
  drain.AwaitSleep();
  EXPECT_FALSE(drain.done());
  gate.Open();
  drain.Join();
  EXPECT_EQ(reader.heard(), "over");
  EXPECT_THAT(logs_, ElementsAre("one", "two"));
}

TEST_F(RouterThreadsTest, WhoAsksForTheRestOfTheLogsHasItWhoeverReadsIt) {
  OneGate reading, draining;
  while_passed_on_ = [&] {
    if (logs_.size() == 1) reading.Pass();
    if (logs_.size() == 2) draining.Pass();
  };
  WaitingCall reader(router_);
  Log("one");
  reading.AwaitArrival();
  Log("two");
  Log("three");
  router_.SetOver(absl::AbortedError("over"));
  const auto drain = [&] {
    router_.DrainEvents();
    EXPECT_THAT(logs_, ElementsAre("one", "two", "three"));
  };
  TestThread a(drain), b(drain);
  a.AwaitSleep();
  b.AwaitSleep();
  reading.Open();
  draining.AwaitArrival();
  EXPECT_FALSE(a.done());
  EXPECT_FALSE(b.done());
  draining.Open();
  a.Join();
  b.Join();
  EXPECT_EQ(reader.heard(), "over");
}

TEST_F(RouterThreadsTest, ANudgeWakesTheOneThatReads) {
  Waiter waiter;
  TestThread thread([&] { EXPECT_THAT(router_.AwaitAny(waiter, Deadline::Never()), IsEmpty()); });
  thread.AwaitSleep();
  WaitingCall other(router_);
  router_.Nudge(waiter);
  thread.Join();
  Answer(other.id(), "yours");
  EXPECT_EQ(other.heard(), "answer yours");
}

TEST_F(RouterThreadsTest, ANudgeWakesOneThatSleeps) {
  WaitingCall reader(router_);
  Waiter waiter;
  TestThread thread([&] { EXPECT_THAT(router_.AwaitAny(waiter, Deadline::Never()), IsEmpty()); });
  thread.AwaitSleep();
  router_.Nudge(waiter);
  thread.Join();
  Answer(reader.id(), "yours");
  EXPECT_EQ(reader.heard(), "answer yours");
}

TEST_F(RouterThreadsTest, AnAnswerWakesAWaiterOfMany) {
  WaitingCall reader(router_);
  Waiter waiter;
  PendingReply a(schemas::Message::RESPONSE, waiter), b(schemas::Message::RESPONSE, waiter);
  ASSERT_THAT(router_.Enter(a), IsOk());
  ASSERT_THAT(router_.Enter(b), IsOk());
  TestThread thread(
      [&] { EXPECT_THAT(router_.AwaitAny(waiter, Deadline::Never()), ElementsAre(&b)); });
  thread.AwaitSleep();
  Answer(b.id(), "b");
  thread.Join();
  EXPECT_EQ(InWords(router_.Look(b)), "answer b");
  router_.Withdraw(a);
  router_.Cancel(reader.reply());
}

// Each of many callers gets its own answer, whoever reads, in whatever order they come.
TEST_F(RouterThreadsTest, ManyCallersGetTheirOwnAnswers) {
  constexpr int kCallers = 8, kCalls = 100;
  std::atomic<int> wrong = 0;
  std::thread worker([&] {
    std::mt19937 random(1);
    std::vector<uint64_t> asked;
    for (int answered = 0; answered < kCallers * kCalls;) {
      while (asked.empty() || ends_.worker.channel().pipe().HasMessage()) {
        asked.push_back(ends_.worker.Receive()->root.getRequest().getId());
      }
      std::shuffle(asked.begin(), asked.end(), random);
      Answer(asked.back(), absl::StrCat(asked.back()));
      asked.pop_back();
      ++answered;
    }
  });
  std::vector<std::thread> callers;
  for (int i = 0; i < kCallers; ++i) {
    callers.emplace_back([&] {
      for (int k = 0; k < kCalls; ++k) {
        Call call(router_);
        const absl::Status sent = ends_.main.channel().Send(
            [&](schemas::Message::Builder root) { root.initRequest().setId(call.id()); },
            router_.SendWait(Deadline::Never()));
        if (!sent.ok() || call.Await() != absl::StrCat("answer ", call.id())) ++wrong;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  worker.join();
  EXPECT_EQ(wrong, 0);
}

// Whoever sends cancels, at random instants, and withdraws, while others wait and read.
TEST_F(RouterThreadsTest, CallsMayBeCancelledWhileOthersWait) {
  constexpr int kCalls = 300;
  Call witness(router_);
  TestThread reader([&] { EXPECT_EQ(witness.Await(), "answer at last"); });
  for (int i = 0; i < kCalls; ++i) {
    Call call(router_);
    TestThread caller([&] { EXPECT_EQ(call.Await(), "cancelled"); });
    router_.Cancel(call.reply());
    caller.Join();
  }
  Answer(witness.id(), "at last");
}

class FullRingTest : public RouterTest {
 protected:
  FullRingTest() : RouterTest({.ring_bytes = 4096}) {}
  static void WritePing(schemas::Message::Builder root) { root.setPing(7); }
};

// The worker reads nothing until its own message is taken; so main must read while it sends.
TEST_F(FullRingTest, WhoeverSendsReadsMeanwhile) {
  Call call(router_);
  ends_.worker.SendUntilFull([](schemas::Message::Builder root) { root.setLeases(); });
  const int sent = ends_.main.SendUntilFull(WritePing);
  ASSERT_GT(sent, 0);
  TestThread worker([&] {
    Answer(call.id(), "behind all of it");
    for (int i = 0; i < sent + 1; ++i) ends_.worker.Receive();
  });
  worker.AwaitSleep();
  EXPECT_THAT(ends_.main.channel().Send(WritePing, router_.SendWait(Deadline::Never())), IsOk());
  EXPECT_EQ(call.Await(), "answer behind all of it");
}

// It passes reading on to one that began to wait meanwhile, and what it has read to all.
TEST_F(FullRingTest, OneThatWaitsGetsItsAnswerWhileAnotherSends) {
  const int sent = ends_.main.SendUntilFull(WritePing);
  TestThread sender([&] {
    EXPECT_THAT(ends_.main.channel().Send(WritePing, router_.SendWait(Deadline::Never())), IsOk());
  });
  sender.AwaitSleep();
  for (int i = 0; i < 10; ++i) {
    Call call(router_);
    TestThread caller([&] { EXPECT_EQ(call.Await(), "answer yours"); });
    Answer(call.id(), "yours");
  }
  for (int i = 0; i < sent + 1; ++i) ends_.worker.Receive();
}

// One that began to wait while a sender read sleeps; it reads when the sender does no more.
TEST_F(FullRingTest, WhoeverHasSentPassesReadingOn) {
  OneGate gate;
  while_passed_on_ = [&] { gate.Pass(); };
  const int sent = ends_.main.SendUntilFull(WritePing);
  TestThread sender([&] {
    EXPECT_THAT(ends_.main.channel().Send(WritePing, router_.SendWait(Deadline::Never())), IsOk());
  });
  sender.AwaitSleep();
  Log("read by the sender");
  gate.AwaitArrival();
  WaitingCall call(router_);
  for (int i = 0; i < sent; ++i) ends_.worker.Receive();  // now there is room
  gate.Open();
  sender.Join();
  Answer(call.id(), "yours");
  EXPECT_EQ(call.heard(), "answer yours");
}

TEST_F(FullRingTest, TheEndInterruptsWhoeverSends) {
  ends_.main.SendUntilFull(WritePing);
  absl::Status status;
  TestThread sender(
      [&] { status = ends_.main.channel().Send(WritePing, router_.SendWait(Deadline::Never())); });
  sender.AwaitSleep();
  router_.SetOver(absl::AbortedError("over"));
  sender.Join();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kCancelled));
}

// What it reads there may end the connection, and then the send, too.
TEST_F(FullRingTest, WhoeverSendsLearnsOfTheEndThatItReads) {
  Call call(router_);
  ends_.main.SendUntilFull(WritePing);
  absl::Status status;
  TestThread sender(
      [&] { status = ends_.main.channel().Send(WritePing, router_.SendWait(Deadline::Never())); });
  sender.AwaitSleep();
  Answer(4711, "what?");
  sender.Join();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(router_.over(), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_EQ(call.Await(), "over");
}

}  // namespace
}  // namespace slabpipe::tests
