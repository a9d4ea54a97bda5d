// Functions of every shape, and how arguments find their parameters.

#include "slabpipe/session/target.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/codec/handle.h"
#include "slabpipe/codec/ndarray.h"
#include "slabpipe/codec/object.h"
#include "slabpipe/codec/value.h"
#include "slabpipe/session/function.h"
#include "slabpipe/tests/testing/fake_call_context.h"
#include "slabpipe/tests/testing/status_matchers.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

Object Of(Value value) { return Object::Make<Value>(std::move(value)); }

// Calls `function` with small values; its result, which must be a small value, too.
absl::StatusOr<Value> Call(const Function& function, const std::vector<Value>& arguments,
                           const std::vector<std::string>& names = {}) {
  std::vector<Object> objects;
  for (const Value& argument : arguments) objects.push_back(Of(argument));
  tests::FakeCallContext context;
  Value result = "no result";
  absl::Status status = function.call(context, objects, names, [&](const ArgumentRef& ref) {
    return ref.visit(ref.value, [&](AnyRef model) {
      EXPECT_NE(model.get<Value>(), nullptr);
      result = *model.get<Value>();
      return absl::OkStatus();
    });
  });
  if (!status.ok()) return status;
  return result;
}

int64_t Add(int64_t a, int64_t b) { return a + b; }
int AddNoexcept(int a, int b) noexcept { return a + b; }

TEST(FunctionTest, ContextAndWriterAreNoArguments) {
  const Function function = MakeFunction(
      [](int a, CallContext& context, const std::string& text, ResultWriter<int>& out) {
        context.Report(a);
        return out.Write(static_cast<int>(text.size()));
      });
  EXPECT_EQ(function.parameter_types.size(), 2u);
  EXPECT_NE(function.item_type, "");
  EXPECT_EQ(MakeFunction(Add).item_type, "");
  tests::FakeCallContext context;
  const std::vector<Object> arguments = {Of(7), Of("text")};
  absl::Status status =
      function.call(context, arguments, {}, [](const ArgumentRef&) { return absl::OkStatus(); });
  EXPECT_THAT(status, IsOk());
  EXPECT_EQ(context.last_report, 7);
  EXPECT_EQ(context.items, 1);
}

TEST(FunctionTest, AnyCallableWillDo) {
  EXPECT_EQ(Call(MakeFunction(Add), {1, 2}).value(), Value(3));
  EXPECT_EQ(Call(MakeFunction(&Add), {1, 2}).value(), Value(3));
  EXPECT_EQ(Call(MakeFunction(AddNoexcept), {1, 2}).value(), Value(3));
  EXPECT_EQ(Call(MakeFunction([](int a) { return a; }), {1}).value(), Value(1));
  EXPECT_EQ(Call(MakeFunction([](int a) noexcept { return a; }), {1}).value(), Value(1));
  EXPECT_EQ(Call(MakeFunction(std::function<int(int)>([](int a) { return a; })), {1}).value(),
            Value(1));
  Function counter = MakeFunction([count = 0]() mutable { return ++count; });
  EXPECT_EQ(Call(counter, {}).value(), Value(1));
  EXPECT_EQ(Call(counter, {}).value(), Value(2));
}

class Counter {
 public:
  int64_t Add(int64_t more) { return count_ += more; }
  int64_t Count() const noexcept { return count_; }

 private:
  int64_t count_ = 0;
};

TEST(FunctionTest, AMethodTakesItsObjectFirst) {
  const auto counter = std::make_shared<Counter>();
  const Object self = Object::Make<Handle<>>(Handle<Counter>(counter));
  const auto call = [&](const Function& method, std::vector<Object> arguments) {
    tests::FakeCallContext context;
    arguments.insert(arguments.begin(), self);
    return method.call(context, arguments, {}, [](const ArgumentRef&) { return absl::OkStatus(); });
  };
  const Function add = MakeFunction(&Counter::Add);
  EXPECT_THAT(add.parameter_types, ElementsAre(StartsWith("Handle<"), "int64"));
  EXPECT_THAT(call(add, {Of(2)}), IsOk());
  EXPECT_THAT(call(add, {Of(3)}), IsOk());
  EXPECT_THAT(call(MakeFunction(&Counter::Count), {}), IsOk());
  EXPECT_EQ(counter->Count(), 5);
}

TEST(FunctionTest, WhatHasSeveralSignaturesIsNoFunction) {
  struct Overloaded {
    int operator()(int a) { return a; }
    double operator()(double a) { return a; }
  };
  const auto generic = [](const auto& a) { return a; };
  static_assert(!internal::HasOneSignature<Overloaded>);
  static_assert(!internal::HasOneSignature<decltype(generic)>);
  static_assert(!internal::HasOneSignature<int64_t Counter::*>);
  static_assert(internal::HasOneSignature<decltype(&Counter::Count)>);
  static_assert(internal::HasOneSignature<decltype(&Add)>);
}

TEST(FunctionTest, ParametersAreTakenByValueOrByReferenceToConst) {
  EXPECT_EQ(Call(MakeFunction([](const std::string& a, std::string b, absl::string_view c,
                                 const std::string_view& d) {
                   return a + b + std::string(c) + std::string(d);
                 }),
                 {"w", "x", "y", "z"})
                .value(),
            Value("wxyz"));
  EXPECT_EQ(
      Call(MakeFunction([](std::optional<int> a) { return a.value_or(-1); }), {Value()}).value(),
      Value(-1));
  EXPECT_EQ(Call(MakeFunction([](const Value& a) { return a; }), {2.5}).value(), Value(2.5));
}

TEST(FunctionTest, ResultsMayBeNothingAStatusOrAValue) {
  EXPECT_EQ(Call(MakeFunction([] {}), {}).value(), Value());
  EXPECT_EQ(Call(MakeFunction([] { return absl::OkStatus(); }), {}).value(), Value());
  EXPECT_THAT(Call(MakeFunction([]() -> absl::Status { return absl::AbortedError("no"); }), {}),
              StatusIs(absl::StatusCode::kAborted, "no"));
  EXPECT_EQ(Call(MakeFunction([]() -> absl::StatusOr<int> { return 5; }), {}).value(), Value(5));
  EXPECT_THAT(
      Call(MakeFunction([]() -> absl::StatusOr<int> { return absl::AbortedError("no"); }), {}),
      StatusIs(absl::StatusCode::kAborted));
}

TEST(FunctionTest, AnArgumentThatDoesNotFitIsNamedWithWhatIsWantedAndWhatCame) {
  const Function function = MakeFunction(Add);
  EXPECT_THAT(Call(function, {1, "text"}), StatusIs(absl::StatusCode::kInvalidArgument,
                                                    "argument 2 wants int64, got text \"text\""));
  EXPECT_THAT(
      Call(function, {1, "four"}, {"a", "b"}),
      StatusIs(absl::StatusCode::kInvalidArgument, "parameter 'b' wants int64, got text \"four\""));
  EXPECT_THAT(Call(MakeFunction([](int8_t a) { return a; }), {1000}),
              StatusIs(absl::StatusCode::kOutOfRange,
                       AllOf(HasSubstr("argument 1 wants int8, got int 1000"),
                             HasSubstr("does not fit an integer of 8 bits"))));
  EXPECT_THAT(
      Call(MakeFunction([](const NdArray<const double>& a) { return a.size(); }), {1}),
      StatusIs(absl::StatusCode::kInvalidArgument, "argument 1 wants array of float64, got int 1"));
  EXPECT_THAT(
      Call(MakeFunction([](const std::vector<std::string>&) {}), {Value(ValueList{"a", 1})}),
      StatusIs(absl::StatusCode::kInvalidArgument,
               "argument 1 wants list of text, got list [\"a\", 1]: item 1: it is an integer, "
               "wanted a text"));
  EXPECT_THAT(Call(function, {1}), StatusIs(absl::StatusCode::kInternal));
}

TEST(FunctionTest, WhatCameIsShownBoundedAndWithoutControlCharacters) {
  const absl::Status status = Call(MakeFunction(Add), {1, std::string(1'000'000, '\x1b')}).status();
  EXPECT_THAT(status.message(), AllOf(HasSubstr("\\033"), Not(HasSubstr("\x1b"))));
  EXPECT_LT(status.message().size(), 200u);
}

TEST(FunctionTest, WhetherAParameterTakesAValueCanBeAsked) {
  const Function function = MakeFunction([](int, const std::string&) {});
  ASSERT_EQ(function.parameter_checks.size(), 2u);
  EXPECT_THAT(function.parameter_checks[0](Of(1)), IsOk());
  EXPECT_THAT(function.parameter_checks[1](Of(1)),
              StatusIs(absl::StatusCode::kInvalidArgument, "wants text, got int 1"));
}

TEST(FunctionTest, TheFunctionDoesNotRunIfAnArgumentDoesNotFit) {
  bool has_run = false;
  EXPECT_THAT(Call(MakeFunction([&](int, int) { has_run = true; }), {1, "text"}), Not(IsOk()));
  EXPECT_FALSE(has_run);
}

TEST(FunctionTest, ExceptionsPass) {
  EXPECT_THROW(Call(MakeFunction([] { throw std::runtime_error("x"); }), {}).IgnoreError(),
               std::runtime_error);
}

TEST(FunctionTest, TypesAreReadable) {
  const Function function = MakeFunction([](const std::string&, int64_t) { return 2.5; });
  EXPECT_THAT(function.parameter_types, ElementsAre("text", "int64"));
  EXPECT_EQ(function.result_type, "double");
}

// Targets.

class TargetTest : public ::testing::Test {
 protected:
  TargetTest() {
    EXPECT_THAT(table_.Add("m.add", MakeFunction(Add), "Adds.", {"a", {"b", 10}}), IsOk());
    EXPECT_THAT(table_.Add("m.plain", MakeFunction(Add), "", {}), IsOk());
  }
  // The arguments that m.add would get.
  absl::StatusOr<std::vector<Value>> Bind(std::vector<NamedObject> arguments,
                                          const std::string& target = "m.add") {
    absl::StatusOr<std::vector<Object>> bound = (*table_.Find(target))->Bind(std::move(arguments));
    if (!bound.ok()) return bound.status();
    std::vector<Value> values;
    for (const Object& object : *bound) values.push_back(*object.get<Value>());
    return values;
  }
  TargetTable table_;
};

TEST_F(TargetTest, ArgumentsFindTheirParameters) {
  EXPECT_THAT(Bind({{"", Of(1)}, {"", Of(2)}}).value(), ElementsAre(1, 2));
  EXPECT_THAT(Bind({{"", Of(1)}}).value(), ElementsAre(1, 10));
  EXPECT_THAT(Bind({{"", Of(1)}, {"b", Of(2)}}).value(), ElementsAre(1, 2));
  EXPECT_THAT(Bind({{"b", Of(2)}, {"a", Of(1)}}).value(), ElementsAre(1, 2));
  EXPECT_THAT(Bind({{"", Of(1)}, {"", Of(2)}}, "m.plain").value(), ElementsAre(1, 2));
}

TEST_F(TargetTest, ArgumentsThatDoNotFitShowTheSignature) {
  const auto bad = [](const std::string& what) {
    return StatusIs(
        absl::StatusCode::kInvalidArgument,
        AllOf(HasSubstr(what), HasSubstr(" is m.add(a: int64, b: int64 = 10) -> int64")));
  };
  EXPECT_THAT(Bind({}), bad("parameter 'a' is missing; it is m.add("));
  EXPECT_THAT(Bind({{"b", Of(1)}}), bad("'a' is missing"));
  EXPECT_THAT(Bind({{"", Of(1)}, {"", Of(2)}, {"", Of(3)}}),
              bad("3 arguments are too many, it takes 2"));
  EXPECT_THAT(Bind({{"total", Of(1)}}), bad("there is no parameter 'total'; it is"));
  EXPECT_THAT(Bind({{"A", Of(1)}}),
              bad("there is no parameter 'A'; did you mean 'a'? It is m.add("));
  EXPECT_THAT(Bind({{"", Of(1)}, {"a", Of(2)}}), bad("'a' is given twice"));
  EXPECT_THAT(Bind({{"a", Of(1)}, {"a", Of(2)}}), bad("'a' is given twice"));
  EXPECT_THAT(Bind({{"a", Of(1)}, {"", Of(2)}}), bad("behind a named one, 'a'"));
}

TEST_F(TargetTest, ParametersWithoutNamesAreGivenByPosition) {
  EXPECT_THAT(Bind({{"", Of(1)}, {"b", Of(1)}}, "m.plain"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "its parameters have no names, and 'b' is given by name; it is "
                       "m.plain(int64, int64) -> int64"));
  EXPECT_THAT(Bind({}, "m.plain"), StatusIs(absl::StatusCode::kInvalidArgument,
                                            HasSubstr("argument 1, argument 2 are missing")));
  ASSERT_THAT(table_.Add("m.none", MakeFunction([] {}), "", {}), IsOk());
  EXPECT_THAT(Bind({{"x", Of(1)}}, "m.none"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("there is no parameter 'x'")));
}

TEST_F(TargetTest, NamesFromElsewhereAreShownBoundedAndWithoutControlCharacters) {
  const absl::Status status = Bind({{std::string(100'000, '\x1b'), Of(1)}}).status();
  EXPECT_THAT(status.message(), Not(HasSubstr("\x1b")));
  EXPECT_LT(status.message().size(), 500u);
}

TEST_F(TargetTest, ATargetThatIsNotThereSuggestsOneThatIs) {
  EXPECT_THAT(table_.Find("m.adds"),
              StatusIs(absl::StatusCode::kNotFound,
                       "the worker has no target 'm.adds'; did you mean 'm.add'?"));
  EXPECT_THAT(table_.Find("n.plain"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("did you mean 'm.plain'?")));
  EXPECT_THAT(table_.Find("no.such"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("there are m.add, m.plain")));
}

TEST_F(TargetTest, ALongListIsCutShort) {
  for (int i = 0; i < 1000; ++i) {
    ASSERT_THAT(table_.Add("many.t" + std::to_string(i), MakeFunction(Add), "", {}), IsOk());
  }
  const absl::Status status = table_.Find("no.such").status();
  EXPECT_THAT(status.message(), HasSubstr("and 982 more"));
  EXPECT_LT(status.message().size(), 1000u);
  EXPECT_THAT(table_.Find("many.t999"), IsOk());
}

TEST_F(TargetTest, NamesMustBeOnesAndUnique) {
  const auto add = [&](const std::string& name) {
    return table_.Add(name, MakeFunction(Add), "", {});
  };
  EXPECT_THAT(add("module::Class.method"), IsOk());
  EXPECT_THAT(add("m.add"), StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("m.add")));
  for (const char* name : {"", "add", "a b", "a/b", "a\n", "\xc3\xa4", "a..b", "::b.c"}) {
    EXPECT_THAT(add(name), StatusIs(absl::StatusCode::kInvalidArgument)) << name;
  }
}

TEST_F(TargetTest, ParametersHaveNamesEachAnother) {
  const auto add = [&](std::vector<Param> params) {
    return table_.Add("m.more", MakeFunction(Add), "", std::move(params));
  };
  EXPECT_THAT(add({"a", "a"}), StatusIs(absl::StatusCode::kInvalidArgument,
                                        AllOf(HasSubstr("m.more"), HasSubstr("'a'"))));
  EXPECT_THAT(add({"a", "b c"}), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("'b c'")));
  EXPECT_THAT(add({"a", ""}), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("empty")));
}

TEST_F(TargetTest, ADefaultMustFitItsParameter) {
  EXPECT_THAT(table_.Add("m.more", MakeFunction(Add), "", {"a", {"b", "ten"}}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "target 'm.more': the default value of parameter 'b' does not fit: it wants "
                       "int64, got text \"ten\""));
  EXPECT_THAT(table_.Add("m.more", MakeFunction([](int8_t) {}), "", {{"a", 1000}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("8 bits")));
  const auto vector = [](const std::vector<double>&, std::optional<Object>) {};
  EXPECT_THAT(
      table_.Add("m.lists", MakeFunction(vector), "", {{"a", ValueList{1, 2}}, {"b", Value()}}),
      IsOk());
  EXPECT_EQ((*table_.Find("m.lists"))->info().Signature(),
            "m.lists(a: array of float64 = [1, 2], b: anything or nothing = nothing) -> nothing");
}

TEST_F(TargetTest, WhatIsTooMuchIsSaid) {
  const std::string long_text(kMaxDocumentationBytes, 'x');
  EXPECT_THAT(table_.Add("m.long", MakeFunction(Add), long_text + "x", {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("documentation")));
  absl::Status status;
  size_t added = 0;
  for (; status.ok() && added <= kMaxTargets; ++added) {
    status = table_.Add("long.t" + std::to_string(added), MakeFunction(Add), long_text, {});
  }
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("at most")));
  EXPECT_LT(added, kMaxTargets);
}

TEST(TargetTableTest, AWorkerHasSoManyTargetsAndNoMore) {
  TargetTable table;
  for (size_t i = 0; i < kMaxTargets; ++i) {
    ASSERT_THAT(table.Add("m.t" + std::to_string(i), MakeFunction([] {}), "", {}), IsOk());
  }
  EXPECT_THAT(table.Add("m.last", MakeFunction([] {}), "", {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("at most 4096")));
}

TEST_F(TargetTest, AllParametersAreNamedOrNone) {
  EXPECT_THAT(table_.Add("m.one", MakeFunction(Add), "", {"a"}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("2 arguments"), HasSubstr("1 parameters"))));
}

TEST_F(TargetTest, TargetsAreListedInTheirOrder) {
  const std::vector<const Target*> all = table_.all();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0]->info().name, "m.add");
  EXPECT_EQ(all[0]->info().documentation, "Adds.");
  EXPECT_EQ(all[1]->info().name, "m.plain");
}

}  // namespace
}  // namespace slabpipe
