// What a binding to another language needs: what there is to be called, arguments that are put
// together at run time, results of any type; and modules.

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/codec/binding.h"
#include "slabpipe/codec/ndarray.h"
#include "slabpipe/codec/object.h"
#include "slabpipe/codec/value.h"
#include "slabpipe/session/argument_list.h"
#include "slabpipe/session/proxy.h"
#include "slabpipe/session/session.h"
#include "slabpipe/tests/session/session_testing.h"
#include "slabpipe/tests/testing/status_matchers.h"

namespace slabpipe::tests {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class DynamicCallTest : public SessionTest {
 protected:
  DynamicCallTest() : session(StartGood()) {}

  absl::StatusOr<std::string> Describe(const ArgumentList& arguments) {
    absl::StatusOr<Object> result = session.CallObject({}, "arguments.describe", arguments.refs());
    if (!result.ok()) return result.status();
    return FromObject<std::string>(*result);
  }

  Session session;
};

TEST_F(DynamicCallTest, ArgumentsArePutTogetherAtRunTime) {
  ArgumentList arguments;
  arguments.Add(ToObject(7)).Add("c", ToObject(0.5));
  EXPECT_EQ(Describe(arguments).value(), "a=7 b=none c=0.5");
  const std::string b = "borrowed";
  arguments.AddBorrowed(ToArgumentRef(Named("b", b)));
  EXPECT_EQ(arguments.size(), 3u);
  EXPECT_EQ(Describe(arguments).value(), "a=7 b=borrowed c=0.5");
}

TEST_F(DynamicCallTest, AListOfArgumentsMayBeMoved) {
  ArgumentList first;
  for (int i = 0; i < 3; ++i) first.Add(i == 0 ? "a" : i == 1 ? "b" : "c", ToObject(Value(i)));
  ArgumentList moved = std::move(first);
  EXPECT_THAT(Describe(moved),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("'b' wants text, got int 1")));
  ArgumentList again;
  again.Add("x", ToObject(1));
  again = std::move(moved);
  EXPECT_THAT(Describe(again),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("'b' wants text, got int 1")));
}

TEST_F(DynamicCallTest, SmallValuesInAListAndAMapAreArguments) {
  EXPECT_EQ(Describe(ArgumentList::Of({1, "x"}, {{"c", 3}})).value(), "a=1 b=x c=3");
  EXPECT_EQ(Describe(ArgumentList::Of({}, {{"b", "y"}, {"a", 2}})).value(), "a=2 b=y c=2.5");
  EXPECT_THAT(Describe(ArgumentList::Of({})),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("'a' is missing")));
}

TEST_F(DynamicCallTest, ResultsOfAnyTypeComeAsObjectsAndGoOnWithoutACopy) {
  const NdArray<double> array = *session.NewArray<double>({1000});
  for (double& element : array) element = 1;
  ArgumentList arguments;
  arguments.Add(ToObject(AnyNdArray(array)));
  const uint64_t copies = session.stats().pool.copies;
  absl::StatusOr<Object> back = session.CallObject({}, "echo.object", arguments.refs());
  ASSERT_THAT(back, IsOk());
  ASSERT_NE(back->get<AnyNdArray>(), nullptr);
  EXPECT_EQ(session.Call<double>("arrays.sum", *back).value(), 1000);
  EXPECT_EQ(session.stats().pool.copies, copies);
}

TEST_F(DynamicCallTest, AnySmallResultIsAValue) {
  EXPECT_EQ(session.Call<Value>("arguments.describe", 1).value(), Value("a=1 b=none c=2.5"));
  EXPECT_EQ(session.Call<Value>("echo.integer", 3).value(), Value(3));
  EXPECT_EQ(session.Call<Value>("echo.texts", std::vector<std::string>{"a", "b"}).value(),
            Value(ValueList{"a", "b"}));
  EXPECT_EQ(session.Call<Value>("echo.maybe", Value()).value(), Value());
  EXPECT_THAT(session.Call<Value>("echo.array", Counting(3)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("the result of echo.array"), HasSubstr("an array"))));
  EXPECT_NE(session.Call<Object>("echo.array", Counting(3))->get<AnyNdArray>(), nullptr);
}

TEST_F(DynamicCallTest, TheSessionDescribesWhatThereIs) {
  EXPECT_THAT(session.Describe(),
              AllOf(HasSubstr("echo\n  echo.value(x: small value) -> small value\n"
                              "      Any small value.\n"),
                    HasSubstr("process\n  process.pid() -> int64\n")));
  EXPECT_EQ(session.Describe("arguments.describe").value(),
            "arguments.describe(a: int64, b: text = \"none\", c: double = 2.5) -> text\n"
            "    Shows its arguments.\n");
  EXPECT_THAT(session.Describe("arrays").value(),
              AllOf(HasSubstr("arrays.sum(x: array"), Not(HasSubstr("echo."))));
  EXPECT_THAT(
      session.Describe("argument.describe"),
      StatusIs(absl::StatusCode::kNotFound, HasSubstr("did you mean 'arguments.describe'?")));
}

TEST_F(DynamicCallTest, AModuleIsCalledByTheShortNamesOfItsFunctions) {
  absl::StatusOr<Proxy> arguments = session.Module("arguments");
  ASSERT_THAT(arguments, IsOk());
  EXPECT_EQ(arguments->scope(), "arguments");
  EXPECT_EQ(arguments->Call<int>("subtract", 5, 3).value(), 2);
  EXPECT_EQ(
      arguments->Call<std::string>({.timeout = absl::Seconds(60)}, "describe", 1, Named("c", 1))
          .value(),
      "a=1 b=none c=1");
  EXPECT_EQ(arguments->Submit<int>("subtract", 5, 3).Get().value(), 2);
  EXPECT_THAT(arguments->Call("none"), IsOk());
  EXPECT_THAT(arguments->CallObject({}, "none", {}), IsOk());
  EXPECT_THAT(
      arguments->Call("substract", 1, 2),
      StatusIs(absl::StatusCode::kNotFound, HasSubstr("did you mean 'arguments.subtract'?")));
  EXPECT_THAT(arguments->Describe().value(), HasSubstr("arguments.subtract(int64, int64)"));
}

TEST_F(DynamicCallTest, AModuleThatIsNotThereIsNotFound) {
  EXPECT_THAT(session.Module("argument"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("did you mean 'arguments'?")));
  EXPECT_THAT(session.Module("arguments.describe"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(session.Module(""), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(DynamicCallTest, AProxyGoesOnWithTheNextWorker) {
  const Proxy process = *session.Module("process");
  const int64_t first = process.Call<int64_t>("pid").value();
  ASSERT_THAT(session.Restart(), IsOk());
  EXPECT_NE(process.Call<int64_t>("pid").value(), first);
}

}  // namespace
}  // namespace slabpipe::tests
