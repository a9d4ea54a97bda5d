// Names, signatures, and what is too much.

#include "slabpipe/session/target_info.h"

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/session/target_name.h"
#include "slabpipe/tests/testing/status_matchers.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(TargetNameTest, AModuleAndAFunctionOrAClassAndAMethod) {
  for (const char* name : {"stats.mean", "a.b", "_x._1", "py.signal.filter", "bayes::Model.fit",
                           "a.b::C::D.e", "m.add_2"}) {
    EXPECT_THAT(CheckTargetName(name), IsOk()) << name;
  }
}

TEST(TargetNameTest, WhatIsWrongIsSaidAndWhatWouldBeRight) {
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"", "nothing in it"},       {"mean", "no module"},     {".mean", "an empty part"},
      {"stats.", "an empty part"}, {"a..b", "an empty part"}, {"a::.b", "an empty part"},
      {"::A.b", "an empty part"},  {"a:B.c", "':' in it"},    {"a:::B.c", "':' in it"},
      {"a b.c", "' ' in it"},      {"a/b.c", "'/' in it"},    {"a.b\n", "'\\n' in it"},
      {"a.b::c", "':' in it"},     {"\xc3\xa4.b", "\\303"},   {"a.2b", "begins with a digit"}};
  for (const auto& [name, why] : bad) {
    EXPECT_THAT(CheckTargetName(name),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr(why), HasSubstr("use module.function"))))
        << name;
  }
  EXPECT_THAT(CheckTargetName("m." + std::string(253, 'f')), IsOk());
  EXPECT_THAT(CheckTargetName("m." + std::string(254, 'f')),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("255")));
}

TEST(TargetNameTest, ParametersHaveNamesWithDots) {
  for (const char* name : {"x", "na.rm", "_", "x1"}) {
    EXPECT_THAT(CheckParameterName(name), IsOk()) << name;
  }
  for (const char* name : {"", "1x", "a b", ".x", "x\x1b", "a::b"}) {
    EXPECT_THAT(CheckParameterName(name),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr("parameter"), Not(HasSubstr("\x1b")))))
        << name;
  }
}

TEST(TargetNameTest, ScopeAndFunctionAreTheTwoSidesOfTheLastDot) {
  EXPECT_EQ(ScopeOfTarget("bayes::Model.fit"), "bayes::Model");
  EXPECT_EQ(FunctionOfTarget("bayes::Model.fit"), "fit");
  EXPECT_EQ(ScopeOfTarget("a.b.c"), "a.b");
  EXPECT_EQ(ScopeOfTarget("mean"), "");
  EXPECT_EQ(FunctionOfTarget("mean"), "mean");
}

TargetInfo Fit() {
  return {.name = "bayes.fit",
          .documentation = "Fits.",
          .parameters = {{.name = "data", .type = "Table"},
                         {.name = "chains", .type = "int", .optional = true, .default_value = "4"},
                         {.name = "seed", .type = "int", .optional = true, .default_value = "0"}},
          .result = "Dataset"};
}

TEST(SignatureTest, HasTypesNamesAndDefaults) {
  EXPECT_EQ(Fit().Signature(), "bayes.fit(data: Table, chains: int = 4, seed: int = 0) -> Dataset");
  TargetInfo stream = Fit();
  stream.item_type = "array of float64";
  EXPECT_THAT(stream.Signature(), HasSubstr(") -> stream of array of float64"));
  EXPECT_EQ((TargetInfo{.name = "m.f",
                        .documentation = "",
                        .parameters = {{.name = "", .type = "int"}},
                        .result = "nothing"})
                .Signature(),
            "m.f(int) -> nothing");
}

TEST(CheckTargetInfoTest, LimitsAreNamed) {
  const auto bad = [](const TargetInfo& info, const std::string& why) {
    EXPECT_THAT(CheckTargetInfo(info),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(why)));
  };
  EXPECT_THAT(CheckTargetInfo(Fit()), IsOk());
  TargetInfo info = Fit();
  info.name = "fit";
  bad(info, "no module");
  info = Fit();
  info.documentation = std::string(kMaxDocumentationBytes + 1, 'x');
  bad(info, "bayes.fit");
  info = Fit();
  info.result = std::string(kMaxTypeNameBytes + 1, 'x');
  bad(info, "result");
  info = Fit();
  info.item_type = std::string(kMaxTypeNameBytes + 1, 'x');
  bad(info, "items");
  info = Fit();
  info.parameters[1].type = std::string(kMaxTypeNameBytes + 1, 'x');
  bad(info, "a type's name");
  info = Fit();
  info.parameters[1].default_value = std::string(kMaxTypeNameBytes + 1, 'x');
  bad(info, "a default value");
  info = Fit();
  info.parameters[1].name = "a b";
  bad(info, "no name for a parameter");
  info = Fit();
  info.parameters[1].name = "data";
  bad(info, "two parameters of the name 'data'");
  info = Fit();
  info.parameters.resize(kMaxParameters + 1);
  bad(info, "256 parameters");
}

}  // namespace
}  // namespace slabpipe
