#include "slabpipe/session/call_history.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/transport/wait.h"

namespace slabpipe {
namespace {

using ::testing::AllOf;
using ::testing::Field;

auto Is(uint64_t id, const char* target) {
  return AllOf(Field(&CallName::id, id), Field(&CallName::target, target));
}

TEST(CallHistoryTest, ACallThatRunsAloneIsKnownAlsoRightAfterItsEnd) {
  CallHistory history;
  EXPECT_THAT(history.During(0), Is(0, ""));
  history.Began(7, "stats.mean");
  EXPECT_THAT(history.During(0), Is(7, "stats.mean"));
  EXPECT_THAT(history.Now(), Is(7, "stats.mean"));
  history.Ended(7);
  EXPECT_THAT(history.During(0), Is(7, "stats.mean"));
  EXPECT_THAT(history.Now(), Is(0, ""));
  EXPECT_EQ(history.TargetOf(7), "stats.mean");
}

TEST(CallHistoryTest, OfTwoCallsInTheTimeNeitherIsKnown) {
  CallHistory history;
  history.Began(1, "a.a");
  history.Ended(1);
  history.Began(2, "b.b");
  EXPECT_THAT(history.During(0), Is(0, "")) << "one has ended, one runs";
  EXPECT_THAT(history.Now(), Is(2, "b.b"));
  history.Ended(2);
  EXPECT_THAT(history.During(0), Is(0, "")) << "both have ended";
}

TEST(CallHistoryTest, WhatEndedBeforeTheTimeDoesNotCount) {
  CallHistory history;
  history.Began(1, "a.a");
  history.Ended(1);
  int64_t later = MonotonicNanoseconds() + 1;
  while (MonotonicNanoseconds() <= later) {
  }
  EXPECT_THAT(history.During(later), Is(0, ""));
  history.Began(2, "b.b");
  EXPECT_THAT(history.During(later), Is(2, "b.b"));
  history.Ended(2);
  EXPECT_THAT(history.During(later), Is(2, "b.b"));
}

TEST(CallHistoryTest, TheOldestRunsWhileOthersWait) {
  CallHistory history;
  history.Began(1, "a.a");
  history.Began(2, "b.b");
  EXPECT_THAT(history.During(0), Is(1, "a.a"));
  EXPECT_EQ(history.TargetOf(2), "b.b");
  history.Ended(2);  // it was given up
  EXPECT_THAT(history.Now(), Is(1, "a.a"));
}

TEST(CallHistoryTest, OfCallsThatMayRunAtOnceNoneIsKnown) {
  CallHistory history(/*one_at_a_time=*/false);
  history.Began(1, "a.a");
  EXPECT_THAT(history.Now(), Is(1, "a.a"));
  history.Began(2, "b.b");
  EXPECT_THAT(history.Now(), Is(0, ""));
}

TEST(CallHistoryTest, AnEndWithoutABeginningChangesNothing) {
  CallHistory history;
  history.Ended(3);
  EXPECT_THAT(history.During(0), Is(0, ""));
  EXPECT_EQ(history.TargetOf(3), "");
  EXPECT_EQ(history.TargetOf(0), "");
}

}  // namespace
}  // namespace slabpipe
