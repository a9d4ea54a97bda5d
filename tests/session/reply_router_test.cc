#include "slabpipe/session/reply_router.h"

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "capnp/any.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/tests/session/router_testing.h"

// What one thread sees of a router. See reply_router_threads_test.cc for several.

namespace slabpipe::tests {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class ReplyRouterTest : public RouterTest {
 protected:
  // What has come so far has ended the connection, and so does a waiting call learn.
  void ExpectDataLoss(const std::string& why) {
    EXPECT_THAT(router_.AwaitOver(Past()), StatusIs(absl::StatusCode::kDeadlineExceeded));
    EXPECT_EQ(witness_.Await(), "over");
    EXPECT_THAT(router_.over(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr(why)));
  }
  // What has come so far was in order.
  void ExpectNoHarm() {
    Answer(witness_.id(), "no harm");
    EXPECT_EQ(witness_.Await(), "answer no harm");
    EXPECT_THAT(router_.over(), IsOk());
  }

  Call witness_{router_};
};

TEST_F(ReplyRouterTest, AnswersMayComeInAnyOrder) {
  Call a(router_), b(router_), c(router_);
  Answer(c.id(), "c");
  Answer(a.id(), "a");
  Answer(b.id(), "b");
  EXPECT_EQ(b.Await(), "answer b");
  EXPECT_EQ(c.Await(), "answer c");
  EXPECT_EQ(a.Await(), "answer a");
  ExpectNoHarm();
}

TEST_F(ReplyRouterTest, EachReplyHasAnIdOfItsOwn) {
  std::set<uint64_t> ids = {0, witness_.id()};
  for (int i = 0; i < 100; ++i) {
    Call call(router_, 0, i % 2 == 0 ? schemas::Message::RESPONSE : schemas::Message::PONG);
    EXPECT_TRUE(ids.insert(call.id()).second) << call.id();
  }
}

TEST_F(ReplyRouterTest, APingIsAnsweredByItsPong) {
  Call ping(router_, 0, schemas::Message::PONG);
  EXPECT_FALSE(router_.has_answered());
  Pong(ping.id());
  EXPECT_EQ(ping.Await(), "pong 2");
  EXPECT_TRUE(router_.has_answered());
}

TEST_F(ReplyRouterTest, NotesThatSomethingWasAnswered) {
  Progress(witness_.id(), 1, "");
  EXPECT_EQ(witness_.Await(), "progress 1/9 ");
  EXPECT_FALSE(router_.has_answered());
  ExpectNoHarm();
  EXPECT_TRUE(router_.has_answered());
}

TEST_F(ReplyRouterTest, AnAnswerOfAnotherKindEndsTheConnection) {
  Pong(witness_.id());
  ExpectDataLoss("which nobody has asked");
}

TEST_F(ReplyRouterTest, AnAnswerThatNobodyHasAskedForEndsTheConnection) {
  Answer(4711, "what?");
  ExpectDataLoss("the worker answers 4711");
}

TEST_F(ReplyRouterTest, ASecondAnswerEndsTheConnection) {
  Call call(router_);
  Answer(call.id(), "once");
  Answer(call.id(), "twice");
  ExpectDataLoss("or once more");
  EXPECT_EQ(call.Await(), "answer once") << "it came before the end";
}

TEST_F(ReplyRouterTest, ASecondAnswerEndsTheConnectionAlsoWhenTheFirstOneHasBeenTaken) {
  Call call(router_);
  Answer(call.id(), "once");
  Answer(call.id(), "twice");
  EXPECT_EQ(call.Await(), "answer once");
  ExpectDataLoss("or once more");
}

TEST_F(ReplyRouterTest, ItemsComeInOrderAndBeforeTheAnswer) {
  Call stream(router_, 3);
  Item(stream.id(), "a");
  Item(stream.id(), "b");
  Item(stream.id(), "c");
  Answer(stream.id(), "end");
  ExpectNoHarm();  // all of it is there now
  EXPECT_EQ(stream.Await(), "item a");
  EXPECT_EQ(stream.Await(), "item b");
  EXPECT_EQ(stream.Await(), "item c");
  EXPECT_EQ(stream.Await(), "answer end");
}

TEST_F(ReplyRouterTest, AnItemAboveTheCreditEndsTheConnection) {
  Call stream(router_, 2);
  Item(stream.id(), "a");
  EXPECT_EQ(stream.Await(), "item a") << "that it was taken gives no credit";
  Item(stream.id(), "b");
  Item(stream.id(), "c");
  ExpectDataLoss("no credit");
  EXPECT_EQ(stream.Await(), "item b");
  EXPECT_EQ(stream.Await(), "over");
}

TEST_F(ReplyRouterTest, MoreItemsMayComeWhenMoreAreAllowed) {
  Call stream(router_, 2);
  Item(stream.id(), "a");
  EXPECT_EQ(stream.Await(), "item a");
  router_.AllowMore(stream.reply(), 1);
  Item(stream.id(), "b");
  Item(stream.id(), "c");
  EXPECT_EQ(stream.Await(), "item b");
  EXPECT_EQ(stream.Await(), "item c");
  Item(stream.id(), "d");
  ExpectDataLoss("no credit");
}

TEST_F(ReplyRouterTest, AnItemOfACallThatIsNoStreamEndsTheConnection) {
  Item(witness_.id(), "a");
  ExpectDataLoss("no credit");
}

TEST_F(ReplyRouterTest, AnItemThatNobodyHasAskedForEndsTheConnection) {
  Item(4711, "a");
  ExpectDataLoss("a result of 4711");
}

TEST_F(ReplyRouterTest, AnItemBehindTheAnswerEndsTheConnection) {
  Call stream(router_, 2);
  Answer(stream.id(), "end");
  Item(stream.id(), "a");
  ExpectDataLoss("no credit");
}

TEST_F(ReplyRouterTest, WhatComesForAnAbandonedCallIsDropped) {
  Call call(router_, 3);
  Item(call.id(), "a");
  EXPECT_EQ(call.Await(), "item a");
  router_.Abandon(call.reply());
  Item(call.id(), "b");
  Progress(call.id(), 1, "");
  Item(call.id(), "c");
  Answer(call.id(), "late");
  ExpectNoHarm();
}

TEST_F(ReplyRouterTest, AnAbandonedCallHasNoMoreCreditThanItHad) {
  Call call(router_, 2);
  Item(call.id(), "a");
  EXPECT_EQ(call.Await(), "item a");
  router_.Abandon(call.reply());
  Item(call.id(), "b");
  Item(call.id(), "c");
  ExpectDataLoss("no credit");
}

TEST_F(ReplyRouterTest, AnAbandonedCallIsAnsweredOnce) {
  Call call(router_);
  router_.Abandon(call.reply());
  Answer(call.id(), "late");
  Answer(call.id(), "again");
  ExpectDataLoss("or once more");
}

TEST_F(ReplyRouterTest, AnAbandonedCallThatHasItsAnswerGetsNoOther) {
  Call call(router_), other(router_);
  Answer(call.id(), "in time, but not taken");
  Answer(other.id(), "");
  EXPECT_EQ(other.Await(), "answer ");
  router_.Abandon(call.reply());
  Answer(call.id(), "again");
  ExpectDataLoss("or once more");
}

TEST_F(ReplyRouterTest, AnAbandonedCallIsStillAnsweredByItsKind) {
  Call ping(router_, 0, schemas::Message::PONG);
  router_.Abandon(ping.reply());
  Call call(router_);
  router_.Abandon(call.reply());
  Pong(ping.id());
  Pong(call.id());
  ExpectDataLoss("the worker answers 3");
}

TEST_F(ReplyRouterTest, NothingMayComeForWhatWasWithdrawn) {
  Call call(router_);
  router_.Withdraw(call.reply());
  Answer(call.id(), "what?");
  ExpectDataLoss("which nobody has asked");
}

TEST_F(ReplyRouterTest, OfProgressTheLatestIsKept) {
  Call call(router_, 1);
  Progress(call.id(), 1, "a");
  Progress(call.id(), 2, "b");
  Item(call.id(), "x");
  Progress(call.id(), 3, "c");
  Answer(call.id(), "end");
  ExpectNoHarm();  // all of it is there now
  EXPECT_EQ(call.Await(), "progress 3/9 c");
  EXPECT_EQ(call.Await(), "item x");
  EXPECT_EQ(call.Await(), "answer end");
}

TEST_F(ReplyRouterTest, ProgressOfNoCallIsPassedOver) {
  Call ping(router_, 0, schemas::Message::PONG);
  Progress(4711, 1, "");
  Progress(ping.id(), 1, "");
  Pong(ping.id());
  EXPECT_EQ(ping.Await(), "pong 2");
  EXPECT_THAT(logs_, IsEmpty());
}

TEST_F(ReplyRouterTest, TheTextOfProgressIsCut) {
  Progress(witness_.id(), 1, std::string(2000, 'x'));
  EXPECT_EQ(witness_.Await(), "progress 1/9 " + std::string(1024, 'x'));
}

TEST_F(ReplyRouterTest, ACancelledCallIsToldOnceAndMayStillBeAnswered) {
  Call call(router_);
  router_.Cancel(call.reply());
  EXPECT_EQ(call.Await(), "cancelled");
  router_.Cancel(call.reply());
  EXPECT_EQ(call.Await(Past()), "nothing");
  Answer(call.id(), "all the same");
  EXPECT_EQ(call.Await(), "answer all the same");
}

TEST_F(ReplyRouterTest, AnAnswerGoesBeforeTheCancellation) {
  Call call(router_);
  Answer(call.id(), "in time");
  ExpectNoHarm();
  router_.Cancel(call.reply());
  EXPECT_EQ(call.Await(), "answer in time");
}

TEST_F(ReplyRouterTest, NothingHasHappenedWhenTheDeadlinePasses) {
  Call call(router_);
  EXPECT_EQ(call.Await(Past()), "nothing");
  EXPECT_EQ(call.Await(Deadline::After(absl::Milliseconds(2))), "nothing");
  Answer(call.id(), "at last");
  EXPECT_EQ(call.Await(), "answer at last");
}

TEST_F(ReplyRouterTest, WhatIsThereIsTakenAlsoWhenTheDeadlineHasPassed) {
  Call call(router_);
  Answer(call.id(), "just so");
  ExpectNoHarm();
  EXPECT_EQ(call.Await(Past()), "answer just so");
}

TEST_F(ReplyRouterTest, TheFirstReasonOfTheEndStays) {
  const Wait sending = router_.SendWait(Deadline::Never());
  ASSERT_NE(sending.cancellation, nullptr);
  EXPECT_THAT(router_.AwaitOver(Past()), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_FALSE(sending.cancellation->cancelled());
  router_.SetOver(absl::AbortedError("first"));
  router_.SetOver(absl::InternalError("second"));
  EXPECT_THAT(router_.over(), StatusIs(absl::StatusCode::kAborted, "first"));
  EXPECT_THAT(router_.AwaitOver(Past()), IsOk());
  EXPECT_TRUE(sending.cancellation->cancelled()) << "whoever sends is interrupted";
}

TEST_F(ReplyRouterTest, AfterTheEndNothingIsEnteredOrSent) {
  router_.SetOver(absl::AbortedError("over"));
  EXPECT_EQ(witness_.Await(), "over");
  Waiter waiter;
  PendingReply late(schemas::Message::RESPONSE, waiter);
  EXPECT_THAT(router_.Enter(late),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("ended")));
  EXPECT_THAT(ends_.main.channel().Send([](schemas::Message::Builder) {}, {}),
              StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(ReplyRouterTest, WhatAWorkerSaidBeforeItWentIsHeard) {
  Call call(router_);
  Answer(call.id(), "my last");
  ends_.worker.Leave();
  EXPECT_EQ(call.Await(), "answer my last");
  EXPECT_EQ(witness_.Await(), "over");
  EXPECT_THAT(router_.over(), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(ReplyRouterTest, OneCallerClosesAndNothingIsEnteredThen) {
  EXPECT_FALSE(router_.closing());
  EXPECT_TRUE(router_.Close());
  EXPECT_TRUE(router_.closing());
  EXPECT_FALSE(router_.Close());
  Waiter waiter;
  PendingReply late(schemas::Message::RESPONSE, waiter);
  EXPECT_THAT(router_.Enter(late),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("shut down")));
  ExpectNoHarm();  // what was asked before is answered
}

TEST_F(ReplyRouterTest, TheGoodbyeComesToWhoeverHasClosed) {
  ASSERT_TRUE(router_.Close());
  Waiter waiter;
  PendingReply goodbye(schemas::Message::GOODBYE, waiter);
  router_.EnterGoodbye(goodbye);
  Answer(witness_.id(), "before");
  Goodbye();
  EXPECT_EQ(InWords(router_.Await(goodbye, Deadline::Never())), "goodbye");
  EXPECT_EQ(witness_.Await(), "answer before");
}

TEST_F(ReplyRouterTest, AGoodbyeThatNobodyAskedForEndsTheConnection) {
  Goodbye();
  ExpectDataLoss("which nobody has asked");
}

TEST_F(ReplyRouterTest, MessagesThatAreNotAWorkersEndTheConnection) {
  ends_.worker.Send([](schemas::Message::Builder root) { root.setPing(1); });
  ExpectDataLoss("not its to send");
}

TEST_F(ReplyRouterTest, AnEventOfNoKindEndsTheConnection) {
  ends_.worker.Send([](schemas::Message::Builder root) {
    capnp::AnyStruct::Builder event = root.initEvent();
    event.getDataSection()[0] = 7;  // which member of the union it is
  });
  ExpectDataLoss("an event of kind 7");
}

TEST_F(ReplyRouterTest, LogsArePassedOnAndLeasesAreNone) {
  Log("a line");
  ends_.worker.Send([](schemas::Message::Builder root) { root.setLeases(); });
  Log("another");
  ExpectNoHarm();
  EXPECT_THAT(logs_, ElementsAre("a line", "another"));
}

TEST_F(ReplyRouterTest, ALogRecordThatIsNoneEndsTheConnection) {
  of_logs_ = absl::DataLossError("no log record");
  Log("");
  ExpectDataLoss("no log record");
}

TEST_F(ReplyRouterTest, WhatIsLeftOfTheLogsIsPassedOnAfterTheEndOnce) {
  Log("one");
  Answer(4711, "what?");
  Progress(witness_.id(), 1, "");
  Log("two");
  router_.SetOver(absl::AbortedError("over"));
  router_.DrainEvents();
  EXPECT_THAT(logs_, ElementsAre("one", "two"));
  Log("three");
  router_.DrainEvents();
  EXPECT_THAT(logs_, ElementsAre("one", "two"));
  EXPECT_THAT(router_.over(), StatusIs(absl::StatusCode::kAborted));
}

TEST_F(ReplyRouterTest, TheRestOfTheLogsIsGivenUpAtTheFirstThatIsNone) {
  of_logs_ = absl::DataLossError("no log record");
  Log("one");
  Log("two");
  router_.SetOver(absl::AbortedError("over"));
  router_.DrainEvents();
  EXPECT_THAT(logs_, ElementsAre("one"));
}

// The history.

TEST_F(ReplyRouterTest, TheCallThatAloneRanIsKnown) {
  const CallHistory& history = router_.history();
  const auto ran_alone = [&](uint64_t since) { return history.RanAlone(since, absl::Hours(1)).id; };
  EXPECT_EQ(ran_alone(0), witness_.id());
  Call later(router_);
  EXPECT_EQ(ran_alone(0), witness_.id()) << "the other waits for its turn";
  router_.SetConcurrency(2);
  EXPECT_EQ(ran_alone(0), 0u);
  router_.SetConcurrency(1);
  ExpectNoHarm();
  EXPECT_EQ(history.ended(), 1u);
  EXPECT_EQ(ran_alone(0), 0u) << "one has ended, one runs";
  EXPECT_EQ(ran_alone(1), later.id());
  Answer(later.id(), "later");
  EXPECT_EQ(later.Await(), "answer later");
  EXPECT_EQ(ran_alone(0), 0u) << "both have ended";
  EXPECT_EQ(ran_alone(1), later.id());
  EXPECT_EQ(ran_alone(2), 0u);
}

TEST_F(ReplyRouterTest, ACallThatEndedTooLongAgoDoesNotCount) {
  ExpectNoHarm();
  while (router_.history().RanAlone(0, absl::Nanoseconds(1)).id != 0) {
  }
  EXPECT_EQ(router_.history().RanAlone(0, absl::Hours(1)).target, "test.target");
}

TEST_F(ReplyRouterTest, PingsAndCallsThatWereNotSentAreNoneOfTheHistory) {
  Call ping(router_, 0, schemas::Message::PONG);
  Pong(ping.id());
  EXPECT_EQ(ping.Await(), "pong 2");
  router_.Withdraw(Call(router_).reply());
  EXPECT_EQ(router_.history().ended(), 0u);
  EXPECT_EQ(router_.history().RanAlone(0, absl::Hours(1)).id, witness_.id());
}

TEST_F(ReplyRouterTest, ACallThatNobodyWaitsForRunsTillItsAnswer) {
  Call given_up(router_);
  const uint64_t id = given_up.id();
  router_.Abandon(given_up.reply());
  ExpectNoHarm();
  EXPECT_EQ(router_.history().RanAlone(1, absl::Hours(1)).id, id);
  EXPECT_EQ(router_.TargetOf(id), "test.target");
  Answer(id, "nobody waits");
  Call ping(router_, 0, schemas::Message::PONG);
  Pong(ping.id());
  EXPECT_EQ(ping.Await(), "pong 3");
  EXPECT_EQ(router_.history().ended(), 2u);
  EXPECT_EQ(router_.TargetOf(id), "test.target") << "the last that ended";
  EXPECT_EQ(router_.TargetOf(witness_.id()), "");
  EXPECT_EQ(router_.TargetOf(0), "");
}

// One waiter for many replies.
class AwaitAnyTest : public ReplyRouterTest {
 protected:
  AwaitAnyTest() {
    for (PendingReply* reply : {&a_, &b_, &c_}) EXPECT_THAT(router_.Enter(*reply), IsOk());
  }
  ~AwaitAnyTest() override {
    for (PendingReply* reply : {&a_, &b_, &c_}) router_.Withdraw(*reply);
  }
  std::vector<PendingReply*> AwaitAny(Deadline deadline = Deadline::Never()) {
    return router_.AwaitAny(waiter_, deadline);
  }
  std::string Look(PendingReply& reply) { return InWords(router_.Look(reply)); }

  Waiter waiter_;
  PendingReply a_{schemas::Message::RESPONSE, waiter_};
  PendingReply b_{schemas::Message::RESPONSE, waiter_};
  PendingReply c_{schemas::Message::RESPONSE, waiter_};
};

TEST_F(AwaitAnyTest, NamesThoseToWhichSomethingHasHappened) {
  Answer(c_.id(), "c");
  Progress(b_.id(), 1, "b");
  Progress(b_.id(), 2, "b");
  ExpectNoHarm();  // all of it is there now
  EXPECT_THAT(AwaitAny(), UnorderedElementsAre(&b_, &c_)) << "each once";
  EXPECT_EQ(Look(c_), "answer c");
  EXPECT_EQ(Look(b_), "progress 2/9 b");
  EXPECT_EQ(Look(b_), "nothing");
  EXPECT_EQ(Look(a_), "nothing");
}

TEST_F(AwaitAnyTest, NamesOneAgainWhenMoreHappens) {
  Progress(b_.id(), 1, "");
  EXPECT_THAT(AwaitAny(), ElementsAre(&b_));
  EXPECT_EQ(Look(b_), "progress 1/9 ");
  EXPECT_THAT(AwaitAny(Past()), IsEmpty());
  Answer(b_.id(), "b");
  EXPECT_THAT(AwaitAny(), ElementsAre(&b_));
  EXPECT_EQ(Look(b_), "answer b");
}

TEST_F(AwaitAnyTest, NamesACancelledOne) {
  router_.Cancel(a_);
  EXPECT_THAT(AwaitAny(), ElementsAre(&a_));
  EXPECT_EQ(Look(a_), "cancelled");
  router_.Cancel(a_);
  EXPECT_THAT(AwaitAny(Past()), IsEmpty());
}

TEST_F(AwaitAnyTest, NamesNoneThatNobodyWaitsForAnyMore) {
  Answer(a_.id(), "a");
  Progress(b_.id(), 1, "b");
  ExpectNoHarm();  // both are there now
  router_.Withdraw(a_);
  router_.Abandon(b_);
  Answer(c_.id(), "c");
  EXPECT_THAT(AwaitAny(), ElementsAre(&c_));
}

TEST_F(AwaitAnyTest, ReturnsWhenItIsNudgedOnce) {
  Answer(a_.id(), "a");
  router_.Nudge(waiter_);
  router_.Nudge(waiter_);
  EXPECT_THAT(AwaitAny(), IsEmpty()) << "before it has read";
  EXPECT_THAT(AwaitAny(), ElementsAre(&a_));
}

TEST_F(AwaitAnyTest, ReturnsAfterTheEnd) {
  router_.SetOver(absl::AbortedError("over"));
  EXPECT_THAT(AwaitAny(), IsEmpty());
  for (PendingReply* reply : {&a_, &b_, &c_}) EXPECT_EQ(Look(*reply), "over");
}

}  // namespace
}  // namespace slabpipe::tests
