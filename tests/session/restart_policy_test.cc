// Which restarts a policy allows, and when.

#include "slabpipe/session/restart_policy.h"

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/tests/testing/status_matchers.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::IsOkAndHolds;
using ::slabpipe::tests::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

const absl::Time kStart = absl::FromUnixSeconds(1'000'000);
constexpr absl::Duration kSecond = absl::Seconds(1);

TEST(RestartPolicyTest, NeverIsNever) {
  RestartBudget budget(RestartPolicy::Never());
  EXPECT_THAT(budget.NextStart(kStart, true),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("Never")));
}

TEST(RestartPolicyTest, OnceIsOnceHoweverLateTheSecondIs) {
  RestartBudget budget(RestartPolicy::Once());
  EXPECT_THAT(budget.NextStart(kStart, true), IsOkAndHolds(kStart));
  EXPECT_THAT(budget.NextStart(kStart + absl::Hours(100'000), true),
              StatusIs(absl::StatusCode::kResourceExhausted));
  budget.Reset();
  EXPECT_THAT(budget.NextStart(kStart, true), IsOkAndHolds(kStart));
}

TEST(RestartPolicyTest, ARateIsOfAWindowThatMoves) {
  RestartBudget budget({.most_restarts = 2, .window = absl::Seconds(10)});
  EXPECT_THAT(budget.NextStart(kStart, true), IsOkAndHolds(kStart));
  EXPECT_THAT(budget.NextStart(kStart + 6 * kSecond, true), IsOkAndHolds(kStart + 6 * kSecond));
  EXPECT_THAT(budget.NextStart(kStart + 10 * kSecond, true),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       AllOf(HasSubstr("2 restarts within 10s"), HasSubstr("most_restarts"))));
  EXPECT_THAT(budget.NextStart(kStart + 11 * kSecond, true), IsOkAndHolds(kStart + 11 * kSecond));
}

TEST(RestartPolicyTest, WorkersThatAreOfNoUseFollowEachOtherMoreAndMoreSlowly) {
  RestartBudget budget({.most_restarts = 1000, .first_delay = kSecond, .max_delay = 5 * kSecond});
  EXPECT_THAT(budget.NextStart(kStart, false), IsOkAndHolds(kStart)) << "the first at once";
  EXPECT_THAT(budget.NextStart(kStart, false), IsOkAndHolds(kStart + 1 * kSecond));
  EXPECT_THAT(budget.NextStart(kStart, false), IsOkAndHolds(kStart + 2 * kSecond));
  EXPECT_THAT(budget.NextStart(kStart, false), IsOkAndHolds(kStart + 4 * kSecond));
  for (int i = 0; i < 100; ++i) {
    EXPECT_THAT(budget.NextStart(kStart, false), IsOkAndHolds(kStart + 5 * kSecond));
  }
  EXPECT_THAT(budget.NextStart(kStart, true), IsOkAndHolds(kStart)) << "it had answered";
  EXPECT_THAT(budget.NextStart(kStart, false), IsOkAndHolds(kStart));
}

}  // namespace
}  // namespace slabpipe
