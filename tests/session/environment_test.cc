#include "slabpipe/session/environment.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/tests/testing/status_matchers.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::IsOkAndHolds;
using ::slabpipe::tests::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

Environment Whole() {
  return {.name = "r-4.3",
          .program = "r_worker",
          .arguments = std::vector<std::string>{"--quiet", ""},
          .variables = {{"R_HOME", "/opt/R"}, {"LD_PRELOAD", std::nullopt}, {"a/b~c", ""}},
          .working_directory = "/srv/fits",
          .start_up_targets = std::vector<std::string>{"stats.warm_up", "stats::Cache.fill"},
          .limits = {.memory_bytes = 0xffff'ffff'ffff'ffff,
                     .cpu_time = absl::Hours(1) + absl::Milliseconds(1500),
                     .open_files = 256,
                     .core_bytes = 0},
          .niceness = -3};
}

// JSON.

TEST(EnvironmentTest, GoesThroughJsonWhole) {
  const Environment whole = Whole();
  const absl::StatusOr<std::string> text = whole.ToJson();
  ASSERT_THAT(text, IsOk());
  EXPECT_THAT(Environment::FromJson(*text, "x.json"), IsOkAndHolds(whole));
}

TEST(EnvironmentTest, WhatIsNotSetIsNotSaidAndAnEmptyListIsNotNothing) {
  Environment bare = {.name = "bare"};
  EXPECT_THAT(bare.ToJson(), IsOkAndHolds("{\n  \"name\": \"bare\"\n}\n"));
  EXPECT_THAT(Environment::FromJson("{\"name\": \"bare\"}", "x"), IsOkAndHolds(bare));
  bare.arguments.emplace();
  bare.start_up_targets.emplace();
  EXPECT_THAT(Environment::FromJson(bare.ToJson().value(), "x"), IsOkAndHolds(bare));
}

TEST(EnvironmentTest, TheTextIsForPeople) {
  const Environment environment = {.name = "fit",
                                   .variables = {{"OMP_NUM_THREADS", "1"}, {"DEBUG", std::nullopt}},
                                   .limits = {.cpu_time = absl::Minutes(90)}};
  EXPECT_THAT(environment.ToJson(), IsOkAndHolds(R"({
  "name": "fit",
  "variables": {
    "DEBUG": null,
    "OMP_NUM_THREADS": "1"
  },
  "limits": {
    "cpu_time": "1h30m"
  }
}
)"));
}

TEST(EnvironmentTest, TheNameMayComeFromOutside) {
  EXPECT_EQ(Environment::FromJson("{}", "x", "fit")->name, "fit");
  EXPECT_EQ(Environment::FromJson(R"({"name": "fit"})", "x", "fit")->name, "fit");
  EXPECT_THAT(Environment::FromJson("{}", "x"),
              StatusIs(absl::StatusCode::kInvalidArgument, "x: /name is missing"));
  EXPECT_THAT(Environment::FromJson(R"({"name": "other"})", "x", "fit"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "x: /name is 'other'; it is 'fit', as the file's, or left out"));
}

struct BadText {
  std::string text;
  std::string where;
  std::string right;
};

class BadTextTest : public ::testing::TestWithParam<BadText> {};

TEST_P(BadTextTest, SaysWhereAndWhatWouldBeRight) {
  EXPECT_THAT(Environment::FromJson(GetParam().text, "r.json", "r"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(StartsWith(absl::StrCat("r.json: ", GetParam().where)),
                             HasSubstr(GetParam().right))));
}

INSTANTIATE_TEST_SUITE_P(
    Texts, BadTextTest,
    ::testing::Values(
        BadText{"", "the text is no JSON: ", "line 1, column 1"},
        BadText{"{\"name\": \"r\",\n}", "the text is no JSON: ", "line 2, column 1"},
        BadText{"{} {}", "the text is no JSON: ", "column 4"},
        BadText{"{\"name\": \"\xff\"}", "the text is no JSON: ", "UTF-8"},
        BadText{"[]", "the text is []; ", "an object"},
        BadText{"null", "the text is null; ", "an object"},
        BadText{R"({"programm": "x"})", "/programm is unknown; ", "name, program, arguments"},
        BadText{R"({"a/b": 1})", "/a~1b is unknown; ", "niceness"},
        BadText{R"({"\u001b[2J": 1})", "/\\033[2J is unknown; ", "niceness"},
        BadText{R"({"limits": {"memory": 1}})", "/limits/memory is unknown; ", "memory_bytes"},
        BadText{R"({"program": "a", "program": "b"})", "/program is there twice", ""},
        BadText{R"({"variables": {"A": "1", "B": "1", "A": "2"}})", "/variables/A is there twice",
                ""},
        BadText{R"({"limits": {}, "variables": {"A": "1"}, "limits": {}})",
                "/limits is there twice", ""},
        BadText{"{\"arguments\": " + std::string(100'000, '[') + std::string(100'000, ']') + "}",
                "the text is nested too deep", ""},
        BadText{R"({"name": 1})", "/name is 1; ", "a text"},
        BadText{R"({"program": null})", "/program is null; ", "a text"},
        BadText{R"({"program": ""})", "/program is empty", "left out"},
        BadText{R"({"arguments": "x"})", "/arguments is \"x\"; ", "a list of texts"},
        BadText{R"({"arguments": ["a", 5]})", "/arguments/1 is 5; ", "a text"},
        BadText{R"({"arguments": ["a\u0000b"]})", "/arguments/0 has a NUL", ""},
        BadText{R"({"variables": ["A=1"]})", "/variables is [\"A=1\"]; ", "null for unset"},
        BadText{R"({"variables": {"A": 1}})", "/variables/A is 1; ", "null for unset"},
        BadText{R"({"variables": {"A=B": "1"}})", "/variables/A=B is no name", "no '='"},
        BadText{R"({"variables": {"": "1"}})", "/variables/ is no name", "one character"},
        BadText{R"({"variables": {"A": "\u0000"}})", "/variables/A has a NUL", ""},
        BadText{R"({"variables": {"SLABPIPE_FD": "9"}})", "/variables/SLABPIPE_FD is slabpipe's",
                ""},
        BadText{R"({"working_directory": ""})", "/working_directory is empty", "left out"},
        BadText{R"({"start_up_targets": [""]})", "/start_up_targets/0 is empty", "module.function"},
        BadText{R"({"limits": 5})", "/limits is 5; ", "an object"},
        BadText{R"({"limits": {"memory_bytes": 0}})", "/limits/memory_bytes is 0; ", "1 at least"},
        BadText{R"({"limits": {"memory_bytes": -1}})", "/limits/memory_bytes is -1; ",
                "at most 18446744073709551615"},
        BadText{R"({"limits": {"memory_bytes": 18446744073709551616}})",
                "/limits/memory_bytes is 1.8", "at most 18446744073709551615"},
        BadText{R"({"limits": {"memory_bytes": 1.5}})", "/limits/memory_bytes is 1.5; ", "whole"},
        BadText{R"({"limits": {"memory_bytes": "4 GiB"}})", "/limits/memory_bytes is \"4 GiB\"; ",
                "whole number"},
        BadText{R"({"limits": {"open_files": 0}})", "/limits/open_files is 0; ", "1 at least"},
        BadText{R"({"limits": {"cpu_time": 600}})", "/limits/cpu_time is 600; ", "\"10m\""},
        BadText{R"({"limits": {"cpu_time": "600"}})", "/limits/cpu_time is \"600\"; ", "\"10m\""},
        BadText{R"({"limits": {"cpu_time": "0s"}})", "/limits/cpu_time is 0; ", "above 0"},
        BadText{R"({"limits": {"cpu_time": "inf"}})", "/limits/cpu_time is inf; ", "above 0"},
        BadText{R"({"niceness": 20})", "/niceness is 20; ", "between -20 and 19"},
        BadText{R"({"niceness": -1e3})", "/niceness is -1000.0; ", "between -20 and 19"},
        BadText{R"({"niceness": 4294967296})", "/niceness is 4294967296; ", "between -20 and 19"},
        BadText{R"({"niceness": 1.0})", "/niceness is 1.0; ", "whole number"}));

TEST(EnvironmentTest, WhatAnErrorShowsIsBounded) {
  const std::string text = absl::StrCat("{\"niceness\": \"", std::string(100'000, 'x'), "\"}");
  const absl::Status status = Environment::FromJson(text, "x", "r").status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("...")));
  EXPECT_LT(status.message().size(), 300u);
}

// Values.

TEST(EnvironmentTest, WhatCanNotBeSaidInJsonIsAnErrorThatSaysWhere) {
  Environment environment = {.name = "x", .arguments = std::vector<std::string>{"a", "\xff"}};
  EXPECT_THAT(environment.Validate(), IsOk()) << "a program takes any bytes";
  EXPECT_THAT(environment.ToJson(), StatusIs(absl::StatusCode::kInvalidArgument,
                                             StartsWith("/arguments/1 is not UTF-8")));
  environment = {.name = "x", .variables = {{"\xff", "1"}}};
  EXPECT_THAT(environment.ToJson(), StatusIs(absl::StatusCode::kInvalidArgument,
                                             StartsWith("/variables/\\xff is not UTF-8")));
}

TEST(EnvironmentTest, WhatIsNotValidIsNotMadeToJson) {
  EXPECT_THAT(Environment({.name = "x", .niceness = 99}).ToJson(),
              StatusIs(absl::StatusCode::kInvalidArgument, StartsWith("/niceness is 99; ")));
  EXPECT_THAT(Environment().ToJson(),
              StatusIs(absl::StatusCode::kInvalidArgument, StartsWith("/name: '' is no name")));
}

TEST(EnvironmentTest, NamesAreFileNames) {
  for (const char* name : {"a", "7", "r-4.3", "R_4", "a..b"}) {
    EXPECT_THAT(ValidateEnvironmentName(name), IsOk()) << name;
  }
  EXPECT_THAT(ValidateEnvironmentName(std::string(64, 'x')), IsOk());
  for (const std::string& name :
       std::vector<std::string>{"", ".", "..", ".hidden", "-x", "_x", "a/b", "../x", "a b", "a\n",
                                "\xc3\xa4", std::string("a\0b", 3), std::string(65, 'x')}) {
    EXPECT_THAT(ValidateEnvironmentName(name),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("letters, digits")))
        << name;
  }
}

}  // namespace
}  // namespace slabpipe
