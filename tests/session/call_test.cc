// Calls, end to end: values of every kind there and back, arguments, errors, and what the worker
// says.

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstdint>
#include <limits>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/codec/built_in.h"
#include "slabpipe/codec/codec.h"
#include "slabpipe/codec/dataset.h"
#include "slabpipe/codec/ndarray.h"
#include "slabpipe/codec/object.h"
#include "slabpipe/codec/value.h"
#include "slabpipe/session/remote_error.h"
#include "slabpipe/session/session.h"
#include "slabpipe/tests/session/session_testing.h"
#include "slabpipe/tests/testing/process_state.h"
#include "slabpipe/tests/testing/status_matchers.h"
#include "slabpipe/tests/workers/values.h"

namespace slabpipe::tests {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

class CallTest : public SessionTest {
 protected:
  CallTest() : session(StartGood()) {}

  template <typename R, typename T>
  R Echo(const std::string& target, const T& value) {
    absl::StatusOr<R> result = session.Call<R>(target, value);
    EXPECT_THAT(result, IsOk());
    return result.ok() ? *std::move(result) : R();
  }

  Session session;
};

TEST_F(CallTest, RunsInAnotherProcess) {
  EXPECT_EQ(session.Call<pid_t>("process.pid").value(), session.worker_pid());
  EXPECT_NE(session.worker_pid(), ::getpid());
}

// Values of every kind.

TEST_F(CallTest, SmallValuesComeBackAsTheyWent) {
  const std::vector<Value> values = {
      Value(),
      true,
      false,
      0,
      -1,
      std::numeric_limits<int64_t>::min(),
      std::numeric_limits<uint64_t>::max(),
      0.1,
      -0.0,
      std::numeric_limits<double>::infinity(),
      "",
      "text, \xc3\xa4 and \xf0\x9f\x90\x98",
      std::string("a\0b", 3),
      std::string(100'000, 'x'),
      Bytes{std::string("\0\xff", 2)},
      Bytes{std::string(100'000, '\xfe')},
      ValueList{},
      ValueMap{},
      ValueMap{{"seed", 7}, {"names", ValueList{"a", Value(), ValueMap{{"b", 2.5}}}}}};
  for (const Value& value : values) {
    EXPECT_EQ(Echo<Value>("echo.value", value), value) << value.DebugString().substr(0, 100);
  }
  EXPECT_TRUE(std::isnan(Echo<double>("echo.real", std::nan(""))));
}

TEST_F(CallTest, NativeTypesComeBackAsTheyWent) {
  EXPECT_TRUE(Echo<bool>("echo.flag", true));
  EXPECT_EQ(Echo<int>("echo.integer", -7), -7);
  EXPECT_EQ(Echo<uint8_t>("echo.byte", uint8_t{255}), 255);
  EXPECT_EQ(Echo<double>("echo.real", 2.5), 2.5);
  EXPECT_EQ(Echo<std::string>("echo.text", "char pointers, too"), "char pointers, too");
  EXPECT_EQ(Echo<std::string>("arguments.view", std::string("text")), "<text>");
  EXPECT_EQ(Echo<std::optional<int64_t>>("echo.maybe", std::optional<int64_t>(3)), 3);
  EXPECT_EQ(Echo<std::optional<int64_t>>("echo.maybe", std::optional<int64_t>()), std::nullopt);
}

TEST_F(CallTest, ArraysOfEveryTypeShapeAndOrderComeBackAsTheyWent) {
  std::vector<ElementType> types = {ElementType::Bytes(5), ElementType::Text(3)};
  for (int kind = 0; kind < ElementType::kBytes; ++kind) {
    types.emplace_back(static_cast<ElementType::Kind>(kind));
  }
  for (const ElementType type : types) {
    for (const Order order : {Order::kRowMajor, Order::kColumnMajor}) {
      for (const std::vector<int64_t>& shape :
           std::vector<std::vector<int64_t>>{{}, {0}, {5}, {2, 3}, {3, 0, 2}, {2, 3, 4}}) {
        AnyNdArray array = *AnyNdArray::Create(type, shape, order);
        for (size_t i = 0; i < array.size_bytes(); ++i) {
          array.mutable_origin()[i] = static_cast<std::byte>(i % 2);  // good for a bool, too
        }
        const AnyNdArray back = Echo<AnyNdArray>("echo.array", array);
        EXPECT_TRUE(SameElements(back, array)) << array.Describe();
        if (array.empty()) continue;
        EXPECT_EQ(back.strides(), array.strides()) << array.Describe();
      }
    }
  }
}

TEST_F(CallTest, ViewsComeBackWithTheirElements) {
  NdArray<double> array = *NdArray<double>::Create({6, 4});
  for (int64_t i = 0; i < 24; ++i) array.span()[static_cast<size_t>(i)] = static_cast<double>(i);
  const NdArray<double> view = array.Slice(0, 5, 0, -2)->Transpose();
  EXPECT_EQ(Echo<NdArray<const double>>("echo.doubles", view).ToVector(), view.ToVector());
}

TEST_F(CallTest, ColumnMajorStridedAndReversedArraysEchoBitEqualWithTheirStrides) {
  NdArray<double> columns = *session.NewArray<double>({5, 7}, Order::kColumnMajor);
  NdArray<double> cube = *session.NewArray<double>({6, 8, 10});
  NdArray<double> line = *session.NewArray<double>({100});
  double next = 0.1;
  for (const NdArray<double>& array : {columns, cube, line}) {
    for (double& element : array) element = next *= -1.01;
  }
  const NdArray<double> strided = *cube.Slice(0, 1, 6, 2)->Slice(1, 0, 8, 3)->Slice(2, 9, -1, -4);
  const NdArray<double> reversed = *line.Slice(0, 99, -1, -1);
  const uint64_t copies = session.stats().pool.copies;
  for (const NdArray<double>& sent : {columns, strided, reversed}) {
    const AnyNdArray back = Echo<AnyNdArray>("echo.array", sent);
    EXPECT_TRUE(SameElements(back, sent)) << sent.Describe();
    EXPECT_EQ(back.strides(), sent.strides()) << sent.Describe();
  }
  EXPECT_EQ(session.stats().pool.copies, copies);
  // From private memory the order is kept, too, and gaps are closed.
  const NdArray<double> mine = *strided.Copy(Order::kColumnMajor);
  const AnyNdArray back = Echo<AnyNdArray>("echo.array", mine);
  EXPECT_TRUE(SameElements(back, mine));
  EXPECT_EQ(back.strides(), mine.strides());
  EXPECT_EQ(session.stats().pool.copies, copies + 1);
}

TEST_F(CallTest, VectorsComeBackAsTheyWent) {
  EXPECT_THAT(Echo<std::vector<double>>("echo.vector", std::vector<double>{1, 2.5}),
              ElementsAre(1, 2.5));
  EXPECT_THAT(Echo<std::vector<double>>("echo.vector", std::vector<double>{}), ElementsAre());
  EXPECT_THAT(Echo<std::vector<std::string>>("echo.texts", std::vector<std::string>{"a", ""}),
              ElementsAre("a", ""));
}

Fit ExampleFit() {
  return {.draws = Counting(1000), .model = "eight schools", .chains = 4, .score = 0.5};
}

void ExpectIsExample(const Fit& fit) {
  EXPECT_EQ(fit.draws.ToVector(), Counting(1000).ToVector());
  EXPECT_EQ(fit.model, "eight schools");
  EXPECT_EQ(fit.chains, 4);
  EXPECT_EQ(fit.score, 0.5);
}

TEST_F(CallTest, RecordsComeBackAsTheyWent) {
  ExpectIsExample(Echo<Fit>("echo.record", ExampleFit()));
  const std::vector<Fit> fits =
      Echo<std::vector<Fit>>("echo.records", std::vector<Fit>{ExampleFit(), ExampleFit()});
  ASSERT_EQ(fits.size(), 2u);
  ExpectIsExample(fits[1]);
}

TEST_F(CallTest, DatasetsComeBackAsTheyWent) {
  Dataset dataset;
  DatasetGroup& group = dataset.AddGroup("posterior");
  ASSERT_THAT(group.AddCoordinate("school", Labels{"Choate", "Deerfield"}), IsOk());
  ASSERT_THAT(group.AddVariable("theta", {"school"}, Counting(2), {{"unit", "points"}}), IsOk());
  dataset.attributes().Set("sampler", "slice");
  const Dataset back = Echo<Dataset>("echo.dataset", dataset);
  EXPECT_TRUE(SameDatasets(back, dataset)) << back;
  ASSERT_NE(back.Find("posterior", "theta"), nullptr);
  EXPECT_EQ(back.Find("posterior", "theta")->Array<const double>()->ToVector(),
            Counting(2).ToVector());
  EXPECT_EQ(back.Find("posterior", "theta")->attributes.at("unit"), Value("points"));
  EXPECT_EQ(back.attributes().at("sampler"), Value("slice"));
}

TEST_F(CallTest, ValuesOfAUsersCodecComeBackAndKeepTheirMemory) {
  const std::vector<float> points = {1, 2, 3};
  absl::StatusOr<Leased<Cloud>> cloud =
      session.Call<Cloud>("echo.cloud", Cloud{.sensor = "roof", .points = points});
  ASSERT_THAT(cloud, IsOk());
  EXPECT_EQ((*cloud)->sensor, "roof");
  EXPECT_THAT((*cloud)->points, ElementsAre(1, 2, 3));
  const std::vector<WeakBuffer> watch = cloud->buffers();
  ASSERT_EQ(watch.size(), 1u);
  session.Call("arguments.none").IgnoreError();  // clears the pool
  EXPECT_FALSE(watch[0].expired());
  cloud = absl::UnknownError("gone");
  EXPECT_TRUE(watch[0].expired());
}

TEST_F(CallTest, AnObjectIsAnyResultAndCanBeSentOn) {
  absl::StatusOr<Object> object = session.Call<Object>("echo.array", Counting(10));
  ASSERT_THAT(object, IsOk());
  ASSERT_NE(object->get<AnyNdArray>(), nullptr);
  EXPECT_EQ(session.Call<double>("arrays.sum", *object).value(), SumOfCounting(10));
  EXPECT_EQ(session.Call<int>("echo.object", 5).value(), 5);
}

TEST_F(CallTest, AFunctionMayReturnNothing) {
  EXPECT_THAT(session.Call("arguments.none"), IsOk());
  EXPECT_THAT(session.Call<void>("arguments.none"), IsOk());
  EXPECT_TRUE(session.Call<Value>("arguments.none")->is_nothing());
}

// Arguments.

constexpr char kDescribe[] =
    "arguments.describe(a: int64, b: text = \"none\", c: double = 2.5) -> text";

TEST_F(CallTest, ArgumentsGoByPositionByNameOrByDefault) {
  const auto describe = [&](const auto&... arguments) {
    return session.Call<std::string>("arguments.describe", arguments...).value_or("failed");
  };
  EXPECT_EQ(describe(1, "x", 0.5), "a=1 b=x c=0.5");
  EXPECT_EQ(describe(1, "x"), "a=1 b=x c=2.5");
  EXPECT_EQ(describe(1), "a=1 b=none c=2.5");
  EXPECT_EQ(describe(Named("c", 1), Named("a", 2)), "a=2 b=none c=1");
  EXPECT_EQ(describe(1, Named("c", 7), Named("b", "y")), "a=1 b=y c=7");
}

TEST_F(CallTest, ArgumentsThatDoNotFitAreInvalidAndTheWorkerGoesOn) {
  const pid_t worker = session.worker_pid();
  const auto describe = [&](const auto&... arguments) {
    return session.Call<std::string>("arguments.describe", arguments...);
  };
  const auto invalid = [](const auto& message) {
    return StatusIs(absl::StatusCode::kInvalidArgument,
                    AllOf(HasSubstr("arguments.describe"), message));
  };
  const auto with_signature = HasSubstr(kDescribe);
  EXPECT_THAT(describe(), invalid(AllOf(HasSubstr("'a'"), HasSubstr("missing"), with_signature)));
  EXPECT_THAT(describe(1, "x", 2.5, 4), invalid(AllOf(HasSubstr("too many"), with_signature)));
  EXPECT_THAT(describe(1, Named("d", 2)), invalid(AllOf(HasSubstr("'d'"), with_signature)));
  EXPECT_THAT(describe(1, Named("a", 2)), invalid(AllOf(HasSubstr("twice"), with_signature)));
  EXPECT_THAT(describe(Named("a", 2), "x"),
              invalid(AllOf(HasSubstr("positional"), with_signature)));
  EXPECT_THAT(describe("text"), invalid(HasSubstr("parameter 'a' wants int64, got text \"text\"")));
  EXPECT_THAT(describe(1, 2), invalid(HasSubstr("parameter 'b' wants text, got int 2")));
  EXPECT_THAT(session.Call("echo.byte", 256),
              StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("'x'")));
  EXPECT_THAT(session.Call("echo.doubles", *NdArray<float>::Create({2})),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("float32")));
  EXPECT_THAT(describe(1), IsOk());
  EXPECT_EQ(session.worker_pid(), worker);
}

TEST_F(CallTest, AnArgumentThatCanNotBeSentIsNamedAndNothingIsSent) {
  struct Unknown {};
  EXPECT_THAT(session.Call("arguments.subtract", 1, Unknown()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("argument 2"), HasSubstr("Unknown"))));
  EXPECT_THAT(session.Call("arguments.subtract", 1, std::string("\xff")),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("argument 2")));
  EXPECT_EQ(session.Call<int>("arguments.subtract", 5, 3).value(), 2);
}

TEST_F(CallTest, AMessageAboveTheLimitIsRefusedAndNothingIsSent) {
  SessionOptions options = GoodOptions();
  options.pipe.max_message_bytes = 100'000;
  session = StartGood(std::move(options));
  EXPECT_THAT(session.Call("echo.value", ValueList(10'000, Value(7))),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("limit")));
  EXPECT_THAT(session.Call("errors.too_large"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("limit")));
  EXPECT_THAT(session.Ping(absl::Seconds(30)), IsOk());
}

TEST_F(CallTest, AnUnknownTargetIsNotFoundAndOnesThatAreLikeItAreSuggested) {
  EXPECT_THAT(session.Call("echo.vlaue"),
              StatusIs(absl::StatusCode::kNotFound,
                       AllOf(HasSubstr("'echo.vlaue'"), HasSubstr("did you mean 'echo.value'?"))));
  EXPECT_THAT(session.Call("nothing.alike"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("there are echo.value")));
  EXPECT_THAT(session.Call(""), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(CallTest, AResultOfAnotherTypeIsInvalid) {
  EXPECT_THAT(session.Call<double>("echo.text", "x"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("the result of echo.text")));
  EXPECT_THAT(session.Call<NdArray<const float>>("echo.array", Counting(3)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("float64")));
}

TEST_F(CallTest, TargetsAreListedWithTheirDocumentation) {
  const std::vector<TargetInfo> targets = session.targets();
  ASSERT_FALSE(targets.empty());
  EXPECT_EQ(targets[0].name, "echo.value");
  EXPECT_EQ(targets[0].documentation, "Any small value.");
  const auto describe = std::find_if(targets.begin(), targets.end(), [](const TargetInfo& target) {
    return target.name == "arguments.describe";
  });
  ASSERT_NE(describe, targets.end());
  EXPECT_EQ(describe->Signature(), kDescribe);
  EXPECT_FALSE(describe->parameters[0].optional);
  EXPECT_TRUE(describe->parameters[1].optional);
  EXPECT_EQ(describe->parameters[2].default_value, "2.5");
  EXPECT_EQ(describe->result, "text");
}

// Errors.

TEST_F(CallTest, AnExceptionComesWithTypeMessageAndTraceback) {
  const pid_t worker = session.worker_pid();
  EXPECT_THAT(session.Call("errors.throw", "out of paper"),
              StatusIs(absl::StatusCode::kUnknown,
                       AllOf(StartsWith("errors.throw: std::runtime_error: out of paper"),
                             HasSubstr("ThrowDeepDown"))));
  EXPECT_THAT(session.Call("errors.throw", "again"),
              StatusIs(absl::StatusCode::kUnknown,
                       AllOf(HasSubstr("again"), Not(HasSubstr("out of paper")))));
  EXPECT_THAT(session.Call("arguments.none"), IsOk());
  EXPECT_EQ(session.worker_pid(), worker);
}

TEST_F(CallTest, NestedExceptionsComeWithTheirCauses) {
  const absl::Status status = session.Call("errors.throw_nested");
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnknown,
                               AllOf(HasSubstr("the outermost"),
                                     HasSubstr("caused by std::runtime_error: in between"),
                                     HasSubstr("caused by std::out_of_range: the innermost"),
                                     HasSubstr("the innermost, thrown at"))));
  const std::string text(status.message());
  EXPECT_LT(text.find("in between"), text.find("the innermost"));
}

TEST_F(CallTest, WhatIsNoStdExceptionIsAnErrorAsWell) {
  EXPECT_THAT(session.Call("errors.throw_int"),
              StatusIs(absl::StatusCode::kUnknown, HasSubstr("int: it is no std::exception")));
}

TEST_F(CallTest, AnErrorIsAValueAsWell) {
  const std::optional<RemoteError> error =
      GetRemoteError(session.Call("errors.throw", "out of paper"));
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->code, absl::StatusCode::kUnknown);
  EXPECT_EQ(error->type, "std::runtime_error");
  EXPECT_EQ(error->message, "out of paper");
  ASSERT_FALSE(error->traceback.empty());
  EXPECT_THAT(error->traceback[0], HasSubstr("ThrowDeepDown"));
  EXPECT_THAT(error->causes, IsEmpty());
  EXPECT_FALSE(GetRemoteError(session.Call("arguments.none")).has_value());
}

TEST_F(CallTest, EachOfManyNestedExceptionsComesWithItsOwnTraceback) {
  const std::optional<RemoteError> error =
      GetRemoteError(session.Call("errors.throw_deeply_nested", 20));
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->message, "level 1");
  ASSERT_EQ(error->causes.size(), 19u);
  for (size_t i = 0; i < error->causes.size(); ++i) {
    const RemoteError::Cause& cause = error->causes[i];
    EXPECT_EQ(cause.message, absl::StrCat("level ", i + 2));
    EXPECT_EQ(cause.type, i + 2 == 20 ? "std::out_of_range" : "std::runtime_error");
    ASSERT_FALSE(cause.traceback.empty()) << i;
    EXPECT_LE(cause.traceback.size(), 8u);
    EXPECT_THAT(cause.traceback[0], HasSubstr("ThrowDeeplyNested")) << i;
  }
}

TEST_F(CallTest, EndlesslyNestedExceptionsAreCutOff) {
  const std::optional<RemoteError> error =
      GetRemoteError(session.Call("errors.throw_deeply_nested", 1000));
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->message, "level 1");
  EXPECT_EQ(error->causes.size(), 33u);
  EXPECT_THAT(error->causes.back().message, HasSubstr("more"));
}

TEST_F(CallTest, AHugeMessageOfAnExceptionIsCutOff) {
  const std::optional<RemoteError> error =
      GetRemoteError(session.Call("errors.throw_huge", 100'000'000));
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->message, std::string(size_t{64} << 10, 'x'));
  EXPECT_THAT(session.Call("arguments.none"), IsOk());
}

TEST_F(CallTest, WhatIsNoStdExceptionMayHaveCauses) {
  const std::optional<RemoteError> error = GetRemoteError(session.Call("errors.throw_oddity"));
  ASSERT_TRUE(error.has_value());
  EXPECT_THAT(error->type, HasSubstr("Oddity"));
  ASSERT_EQ(error->causes.size(), 1u);
  EXPECT_EQ(error->causes[0].message, "what lies below");
}

TEST_F(CallTest, TheTracebackIsThatOfTheExceptionNotOfALaterOneThatWasCaught) {
  const std::optional<RemoteError> error =
      GetRemoteError(session.Call("errors.throw_past_a_careful_one", "out of paper"));
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->message, "out of paper");
  ASSERT_FALSE(error->traceback.empty());
  EXPECT_THAT(error->traceback[0], HasSubstr("ThrowDeepDown"));
}

TEST_F(CallTest, AStatusComesWithItsOwnCode) {
  for (int code = 1; code <= 16; ++code) {
    EXPECT_THAT(
        session.Call("errors.status", code, absl::StrCat("code ", code)),
        StatusIs(static_cast<absl::StatusCode>(code), absl::StrCat("errors.status: code ", code)));
  }
  EXPECT_THAT(session.Call("errors.status", 0, ""), IsOk());
  EXPECT_THAT(session.Call("errors.status_or", false), StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_EQ(session.Call<double>("errors.status_or", true).value(), 1.5);
  EXPECT_EQ(session.stats().restarts, 0u) << "a status of UNAVAILABLE is no crash";
}

TEST_F(CallTest, AResultThatCanNotBeSentIsAnError) {
  EXPECT_THAT(session.Call("errors.bad_text"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("the result")));
  EXPECT_THAT(session.Call("arguments.none"), IsOk());
}

// What the worker says.

TEST_F(CallTest, WhatTheWorkerPrintsReachesTheLogLineByLine) {
  ASSERT_THAT(session.Call("output.print", "one\ntwo\nthr"), IsOk());
  ASSERT_THAT(session.Call("output.print", "ee\nlast"), IsOk());
  ASSERT_THAT(session.Call("output.complain", "a complaint\n"), IsOk());
  ASSERT_THAT(session.Shutdown(absl::Seconds(30)), IsOk());  // all of it has been read
  EXPECT_THAT(log.texts(LogRecord::Source::kStdout), ElementsAre("one", "two", "three", "last"));
  EXPECT_THAT(log.texts(LogRecord::Source::kStderr), ElementsAre("a complaint"));
}

TEST_F(CallTest, LogRecordsComeWithSeverityPidTimeCallAndTarget) {
  const absl::Time before = absl::Now();
  ASSERT_THAT(session.Call("output.log", 1, "a warning"), IsOk());
  ASSERT_THAT(session.FlushLogs(absl::Seconds(30)), IsOk());
  const std::vector<LogRecord> records = log.records();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].source, LogRecord::Source::kLog);
  EXPECT_EQ(records[0].severity, LogSeverity::kWarning);
  EXPECT_EQ(records[0].text, "a warning");
  EXPECT_EQ(records[0].worker, session.worker_pid());
  EXPECT_GE(records[0].time, before);
  EXPECT_LE(records[0].time, absl::Now());
  EXPECT_NE(records[0].call, 0u);
  EXPECT_EQ(records[0].target, "output.log");
  // The next call has another number.
  ASSERT_THAT(session.Call("output.log", 1, "again"), IsOk());
  log.AwaitText("again");
  EXPECT_GT(log.records()[1].call, records[0].call);
}

TEST_F(CallTest, WhatThreadsOfTheWorkersOwnLogIsOfNoCall) {
  ASSERT_THAT(session.Call("output.log_from_threads", 1, 1), IsOk());
  log.AwaitText("from a thread");
  EXPECT_EQ(log.records()[0].call, 0u);
  EXPECT_EQ(log.records()[0].target, "");
}

TEST_F(CallTest, AFlushTellsTheSinkWhatWasPrintedInTheCallBefore) {
  for (int i = 0; i < 20; ++i) {
    ASSERT_THAT(session.Call("output.print", absl::StrCat("line ", i, "\n")), IsOk());
    ASSERT_THAT(session.FlushLogs(absl::Seconds(30)), IsOk());
    EXPECT_EQ(log.texts(LogRecord::Source::kStdout).back(), absl::StrCat("line ", i));
  }
}

TEST_F(CallTest, APrintedLineHasTheTargetOfTheCallThatStillRuns) {
  Gate gate;
  std::thread caller(
      [&] { EXPECT_THAT(session.Call("output.print_and_wait", "a line\n", gate.path()), IsOk()); });
  log.AwaitText("a line");
  EXPECT_EQ(log.records()[0].target, "output.print_and_wait");
  EXPECT_NE(log.records()[0].call, 0u);
  gate.AwaitArrival();
  gate.Open();
  caller.join();
}

TEST_F(CallTest, LogRecordsMayComeFromManyThreads) {
  ASSERT_THAT(session.Call("output.log_from_threads", 4, 100), IsOk());
  ASSERT_THAT(session.FlushLogs(absl::Seconds(30)), IsOk());
  EXPECT_EQ(log.texts(LogRecord::Source::kLog).size(), 400u);
}

TEST_F(CallTest, WhatIsPrintedDoesNotDisturbTheProtocol) {
  ASSERT_THAT(session.Call("output.print", std::string(1'000'000, 'x') + "\n"), IsOk());
  EXPECT_THAT(session.Ping(absl::Seconds(30)), IsOk());
}

TEST_F(CallTest, CallsAreCounted) {
  EXPECT_EQ(session.stats().calls, 0u);
  session.Call("arguments.none").IgnoreError();
  session.Call("no.such").IgnoreError();
  EXPECT_EQ(session.stats().calls, 2u);
}

// Start.

class StartTest : public SessionTest {};

TEST_F(StartTest, TheWorkersArgumentsAndEnvironmentAreAsAsked) {
  ::setenv("SLABPIPE_TEST_UNSET", "1", 1);
  ::setenv("SLABPIPE_TEST_INHERITED", "2", 1);
  SessionOptions options = GoodOptions();
  options.arguments = {"an argument"};
  options.environment = {{"SLABPIPE_TEST_SET", "3"}, {"SLABPIPE_TEST_UNSET", std::nullopt}};
  Session session = StartGood(std::move(options));
  const auto variable = [&](const std::string& name) {
    return session.Call<std::optional<std::string>>("process.environment", name).value();
  };
  EXPECT_EQ(session.Call<std::string>("process.argument").value(), "an argument");
  EXPECT_EQ(variable("SLABPIPE_TEST_SET"), "3");
  EXPECT_EQ(variable("SLABPIPE_TEST_UNSET"), std::nullopt);
  EXPECT_EQ(variable("SLABPIPE_TEST_INHERITED"), "2");
  EXPECT_EQ(variable("SLABPIPE_FD"), std::nullopt) << "not for programs that the worker starts";
}

TEST_F(StartTest, AProgramThatIsNotThereIsNotFound) {
  EXPECT_THAT(Session::Start({.program = "no/such/worker"}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("no/such/worker")));
  EXPECT_THAT(Session::Start({.program = "no_such_worker"}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("/usr/bin")));
  EXPECT_THAT(Session::Start({.program = ""}), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(StartTest, AFileThatIsNoProgramIsAnError) {
  const std::string path = ::testing::TempDir() + "/no_program";
  FILE* file = ::fopen(path.c_str(), "w");
  ::fputs(
      "\x7f"
      "ELF is not enough",
      file);
  ::fclose(file);
  ::chmod(path.c_str(), 0755);
  EXPECT_THAT(Session::Start({.program = path}), Not(IsOk()));
  ::unlink(path.c_str());
}

TEST_F(StartTest, AWorkerStartedByHandSaysSo) {
  EXPECT_EQ(WEXITSTATUS(::system("tests/workers/good_worker 2> /dev/null")), 2);
}

TEST_F(StartTest, TwoSessionsInOneProcessDoNotDisturbEachOther) {
  Session a = StartGood(), b = StartGood();
  EXPECT_NE(a.worker_pid(), b.worker_pid());
  const NdArray<double> from_a = *a.NewArray<double>({100});
  std::fill(from_a.span().begin(), from_a.span().end(), 1.0);
  EXPECT_EQ(a.Call<double>("arrays.sum", from_a).value(), 100);
  EXPECT_EQ(b.Call<double>("arrays.sum", from_a).value(), 100) << "another pool's: it is copied";
  auto answer = a.Call<NdArray<const double>>("arrays.make", 50, true);
  ASSERT_THAT(answer, IsOk());
  EXPECT_EQ(b.Call<double>("arrays.sum", *answer).value(), SumOfCounting(50));
  EXPECT_THAT(a.Call("process.die", "kill"), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(b.Call("arguments.none"), IsOk());
}

TEST_F(StartTest, ASessionCanBeMoved) {
  Session first = StartGood();
  const pid_t worker = first.worker_pid();
  Session second = std::move(first);
  EXPECT_EQ(second.worker_pid(), worker);
  Session third = StartGood();
  const pid_t replaced = third.worker_pid();
  third = std::move(second);
  EXPECT_FALSE(ProcessExists(replaced));
  EXPECT_EQ(third.Call<pid_t>("process.pid").value(), worker);
}

TEST_F(StartTest, AWorkerMayHaveAWorkerOfItsOwn) {
  absl::StatusOr<Session> outer =
      Session::Start({.program = "tests/workers/nested_worker", .arguments = {kGoodWorker}});
  ASSERT_THAT(outer, IsOk());
  absl::StatusOr<pid_t> inner = outer->Call<pid_t>("nested.start");
  ASSERT_THAT(inner, IsOk());
  EXPECT_EQ(outer->Call<double>("nested.sum", Counting(1000)).value(), SumOfCounting(1000));
  EXPECT_THAT(outer->Call("nested.kill_inner"),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("signal 9")));
  EXPECT_EQ(outer->Call<double>("nested.sum", Counting(1000)).value(), SumOfCounting(1000));
  EXPECT_EQ(outer->stats().restarts, 0u);
}

TEST_F(StartTest, TheWorkersWorkerEndsWithItsMain) {
  absl::StatusOr<Session> outer =
      Session::Start({.program = "tests/workers/nested_worker", .arguments = {kGoodWorker}});
  ASSERT_THAT(outer, IsOk());
  absl::StatusOr<pid_t> inner = outer->Call<pid_t>("nested.start");
  ASSERT_THAT(inner, IsOk());
  ::kill(outer->worker_pid(), SIGKILL);
  AwaitEnd(*inner);
}

// What a codec of one's own throws, before anything has been sent.
struct Fuse {
  bool burns_in_prepare = false;
};

class FuseCodec : public CodecFor<Fuse> {
 public:
  absl::string_view name() const override { return "tests.fuse"; }
  absl::Status Prepare(const Fuse& fuse, Sizer&) const override {
    if (fuse.burns_in_prepare) throw std::out_of_range("in prepare");
    return absl::OkStatus();
  }
  absl::Status Encode(const Fuse&, Encoder&) const override { throw std::bad_alloc(); }
  absl::StatusOr<Fuse> Decode(Decoder&) const override { return Fuse(); }
};

TEST_F(SessionTest, ACodecThatThrowsFailsItsCallAndNothingElse) {
  SessionOptions options = GoodOptions();
  options.codecs = *CodecsWith<FuseCodec>();
  Session session = StartGood(std::move(options));
  EXPECT_THAT(session.Call<bool>("echo.flag", Fuse{.burns_in_prepare = true}),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("in prepare")));
  EXPECT_THAT(session.Call<bool>("echo.flag", Fuse{}),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("memory")));
  EXPECT_THAT(session.Call<bool>("echo.flag", true), IsOkAndHolds(true));
  EXPECT_EQ(session.stats().restarts, 0u);
}

}  // namespace
}  // namespace slabpipe::tests
