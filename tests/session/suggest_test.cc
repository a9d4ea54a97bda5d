#include "slabpipe/session/suggest.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/tests/testing/status_matchers.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

using Names = std::vector<absl::string_view>;

TEST(EditDistanceTest, CountsSteps) {
  EXPECT_EQ(EditDistance("mean", "mean", 5), 0u);
  EXPECT_EQ(EditDistance("mean", "means", 5), 1u);
  EXPECT_EQ(EditDistance("mean", "man", 5), 1u);
  EXPECT_EQ(EditDistance("mean", "moan", 5), 1u);
  EXPECT_EQ(EditDistance("mean", "maen", 5), 1u);
  EXPECT_EQ(EditDistance("mean", "MeaN", 5), 1u);
  EXPECT_EQ(EditDistance("kitten", "sitting", 5), 3u);
  EXPECT_EQ(EditDistance("", "abc", 5), 3u);
  EXPECT_EQ(EditDistance("", "", 5), 0u);
}

TEST(EditDistanceTest, GoesNoFurtherThanItsBound) {
  EXPECT_EQ(EditDistance("kitten", "sitting", 2), 3u);
  EXPECT_EQ(EditDistance("kitten", "sitting", 1), 2u);
  EXPECT_EQ(EditDistance("a", std::string(50, 'b'), 3), 4u);
  EXPECT_EQ(EditDistance(std::string(64, 'a'), std::string(63, 'a') + "b", 3), 1u);
  // Too long to be looked at.
  EXPECT_EQ(EditDistance(std::string(65, 'a'), std::string(64, 'a') + "b", 3), 4u);
}

TEST(SuggestNamesTest, NearestFirst) {
  EXPECT_THAT(SuggestNames("chians", Names{"seed", "chain", "chains", "draws"}),
              ElementsAre("chains", "chain"));
  EXPECT_THAT(SuggestNames("echo.vlaue", Names{"echo.flag", "echo.value"}),
              ElementsAre("echo.value"));
  EXPECT_THAT(SuggestNames("x", Names{"y", "xs", "xyz"}), ElementsAre("xs"));
  EXPECT_THAT(SuggestNames("X", Names{"y", "x"}), ElementsAre("x"));
  EXPECT_THAT(SuggestNames("chains", Names{"seed"}), IsEmpty());
  EXPECT_THAT(SuggestNames("chains", Names{}), IsEmpty());
  EXPECT_THAT(SuggestNames("aa", Names{"ab", "ac", "ad", "ae"}, 2), ElementsAre("ab", "ac"));
}

TEST(SuggestTargetsTest, NearNamesThenTheSameFunctionThenTheSameModule) {
  const Names names = {"stats.mean", "stats.sum", "bayes.fit", "robust.mean", "bayes::Model.fit"};
  EXPECT_THAT(SuggestTargets("stats.maen", names), ElementsAre("stats.mean"));
  EXPECT_THAT(SuggestTargets("Stats.Mean", names), ElementsAre("stats.mean"));
  EXPECT_THAT(SuggestTargets("regression.fit", names),
              ElementsAre("bayes.fit", "bayes::Model.fit"));
  EXPECT_THAT(SuggestTargets("mean", names), ElementsAre("stats.mean", "robust.mean"));
  EXPECT_THAT(SuggestTargets("stats.quantile", names), ElementsAre("stats.mean", "stats.sum"));
  EXPECT_THAT(SuggestTargets("nothing.alike", names), IsEmpty());
}

TEST(NoTargetTest, SuggestsOrLists) {
  EXPECT_THAT(NoTarget("stats.maen", Names{"stats.mean"}),
              StatusIs(absl::StatusCode::kNotFound,
                       "the worker has no target 'stats.maen'; did you mean 'stats.mean'?"));
  EXPECT_THAT(NoTarget("a.mean", Names{"b.mean", "c.mean", "d.mean"}).message(),
              HasSubstr("'b.mean', 'c.mean' or 'd.mean'?"));
  EXPECT_THAT(NoTarget("q.q", Names{"stats.mean", "stats.sum"}).message(),
              HasSubstr("there are stats.mean, stats.sum"));
  EXPECT_THAT(NoTarget("q.q", Names{}).message(), HasSubstr("none at all"));
}

TEST(NoTargetTest, IsBoundedAndPrintable) {
  std::vector<std::string> many;
  for (int i = 0; i < 1000; ++i) many.push_back(absl::StrCat("many.t", i));
  const Names names(many.begin(), many.end());
  const absl::Status status = NoTarget(std::string(10'000, '\x1b'), names);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("and 980 more"), Not(HasSubstr("\x1b"))));
  EXPECT_LT(status.message().size(), 1000u);
}

}  // namespace
}  // namespace slabpipe
