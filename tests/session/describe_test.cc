#include "slabpipe/session/describe.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/tests/testing/status_matchers.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::vector<TargetInfo> Targets() {
  return {
      {.name = "stats.mean",
       .documentation = "Arithmetic mean of x.\n\nAny shape.\n",
       .parameters = {{.name = "x", .type = "array of float64"}},
       .result = "double"},
      {.name = "bayes::Model.draw", .documentation = "", .parameters = {}, .result = "Table"},
      {.name = "stats.sum",
       .documentation = "",
       .parameters = {{.name = "", .type = "array"}},
       .result = "double"},
      {.name = "bayes.fit",
       .documentation = "Fits.",
       .parameters = {{.name = "data", .type = "Table"},
                      {.name = "chains", .type = "int", .optional = true, .default_value = "4"}},
       .result = "Dataset"}};
}

TEST(DescribeTest, GroupsByModule) {
  EXPECT_EQ(DescribeTargets(Targets()),
            "stats\n"
            "  stats.mean(x: array of float64) -> double\n"
            "      Arithmetic mean of x.\n"
            "\n"
            "      Any shape.\n"
            "  stats.sum(array) -> double\n"
            "\n"
            "bayes::Model\n"
            "  bayes::Model.draw() -> Table\n"
            "\n"
            "bayes\n"
            "  bayes.fit(data: Table, chains: int = 4) -> Dataset\n"
            "      Fits.\n");
  EXPECT_EQ(DescribeTargets({}), "");
}

TEST(DescribeTest, OneTargetOrOneModule) {
  EXPECT_EQ(*DescribeTargets(Targets(), "bayes.fit"),
            "bayes.fit(data: Table, chains: int = 4) -> Dataset\n    Fits.\n");
  EXPECT_THAT(
      *DescribeTargets(Targets(), "bayes"),
      AllOf(HasSubstr("bayes.fit"), HasSubstr("bayes::Model.draw"), Not(HasSubstr("stats"))));
  EXPECT_THAT(*DescribeTargets(Targets(), "bayes::Model"),
              AllOf(HasSubstr("bayes::Model.draw"), Not(HasSubstr("bayes.fit"))));
}

TEST(DescribeTest, AnUnknownNameSaysWhatMayHaveBeenMeant) {
  EXPECT_THAT(DescribeTargets(Targets(), "bayes.fitt"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("did you mean 'bayes.fit'?")));
  EXPECT_THAT(DescribeTargets(Targets(), "stat"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("did you mean 'stats'?")));
  EXPECT_THAT(DescribeTargets(Targets(), ""), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(DescribeTargets({}, "x"), StatusIs(absl::StatusCode::kNotFound));
}

TEST(DescribeTest, ALongSignatureTakesALineForEachParameter) {
  TargetInfo info = {.name = "m.f", .documentation = "", .parameters = {}, .result = "int"};
  for (int i = 0; i < 8; ++i) {
    info.parameters.push_back({.name = "number_" + std::to_string(i), .type = "array of float64"});
  }
  EXPECT_THAT(DescribeTargets({info}),
              AllOf(HasSubstr("  m.f(\n          number_0: array of float64,\n"),
                    HasSubstr("          number_7: array of float64) -> int\n")));
}

TEST(DescribeTest, HoldsNoControlCharacters) {
  TargetInfo info = {.name = "m.f",
                     .documentation = "\x1b]0;title\x07",
                     .parameters = {{.name = "x", .type = "\x1b[31m"}},
                     .result = "\xc2\x9b"};
  const std::string text = DescribeTargets({info});
  EXPECT_THAT(text, AllOf(Not(HasSubstr("\x1b")), Not(HasSubstr("\x07")), Not(HasSubstr("\xc2"))));
  EXPECT_THAT(text, HasSubstr("\\033]0;title"));
}

TEST(FindModuleTest, AModuleIsOneOfWhichThereAreTargets) {
  EXPECT_THAT(FindModule(Targets(), "stats"), IsOk());
  EXPECT_THAT(FindModule(Targets(), "bayes::Model"), IsOk());
  EXPECT_THAT(FindModule(Targets(), "sta"), Not(IsOk()));
  EXPECT_THAT(FindModule(Targets(), "state"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("did you mean 'stats'?")));
  EXPECT_THAT(
      FindModule(Targets(), "quantum"),
      StatusIs(absl::StatusCode::kNotFound, HasSubstr("there are stats, bayes::Model, bayes")));
  EXPECT_THAT(FindModule(Targets(), "stats.mean"), Not(IsOk()));
  EXPECT_THAT(FindModule({}, "stats"), StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace slabpipe
