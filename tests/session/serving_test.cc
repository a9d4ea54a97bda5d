#include "slabpipe/session/serving.h"

#include <atomic>
#include <barrier>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/codec/handle.h"
#include "slabpipe/codec/ndarray.h"
#include "slabpipe/session/call_context.h"
#include "slabpipe/session/handle_table.h"
#include "slabpipe/tests/session/serving_testing.h"

// Requests and their answers. See serving_context_test.cc for what functions ask and say while they
// run.

namespace slabpipe::tests {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;
using ::testing::UnorderedElementsAreArray;

struct Model {
  explicit Model(std::function<void()> at_end) : at_end(std::move(at_end)) {}
  ~Model() { at_end(); }
  const std::function<void()> at_end;
};

class RequestsTest : public ServingTest {
 protected:
  RequestsTest() : RequestsTest(PipeOptions()) {}
  explicit RequestsTest(const PipeOptions& options) : ServingTest(options) {
    Offer("math.add", [](int64_t a, int64_t b) { return a + b; });
  }
};

TEST_F(RequestsTest, AnswersWithWhatTheFunctionReturns) {
  Serve();
  Ask({.id = 7, .target = "math.add"}, {2, 3});
  EXPECT_EQ(Hear(), "answer 7: 5");
  Ask({.id = 8, .target = "math.add"}, {2, -3});
  EXPECT_EQ(Hear(), "answer 8: -1");
}

TEST_F(RequestsTest, RequestsQueueAndAreAnsweredInTheirOrder) {
  OneGate gate;
  Offer("test.gate", [&] { gate.Pass(); });
  Serve();
  Ask({.id = 3, .target = "test.gate"});
  gate.AwaitArrival();
  Ask({.id = 1, .target = "math.add"}, {1, 1});
  Ask({.id = 2, .target = "math.add"}, {2, 2});
  gate.Open();
  EXPECT_EQ(Hear(), "answer 3: nothing");
  EXPECT_EQ(Hear(), "answer 1: 2");
  EXPECT_EQ(Hear(), "answer 2: 4");
}

TEST_F(RequestsTest, ErrorsConcernTheirCallAlone) {
  Offer("test.status", [] { return absl::NotFoundError("no such model"); });
  Offer("test.throw", []() -> int64_t { throw std::runtime_error("out of ideas"); });
  Offer("test.throw_int", []() -> int64_t { throw 4; });
  Serve();
  Ask({.id = 1, .target = "test.status"});
  EXPECT_EQ(Hear(), "error 1: NOT_FOUND no such model");
  Ask({.id = 2, .target = "test.throw"});
  EXPECT_THAT(Hear(),
              AllOf(StartsWith("error 2: UNKNOWN std::runtime_error"), HasSubstr("out of ideas")));
  Ask({.id = 3, .target = "test.throw_int"});
  EXPECT_THAT(Hear(), StartsWith("error 3: UNKNOWN int"));
  Ask({.id = 4, .target = "math.ad"});
  EXPECT_THAT(Hear(), AllOf(StartsWith("error 4: NOT_FOUND"), HasSubstr("math.add")));
  Ask({.id = 5, .target = "math.add"}, {1});
  EXPECT_THAT(Hear(), AllOf(StartsWith("error 5: INVALID_ARGUMENT"), HasSubstr("argument 2")));
  Ask({.id = 6, .target = "math.add"}, {1, "two"});
  EXPECT_THAT(Hear(), AllOf(StartsWith("error 6: INVALID_ARGUMENT"), HasSubstr("argument 2")));
  Ask({.id = 7, .target = "math.add"}, {1, 2});
  EXPECT_EQ(Hear(), "answer 7: 3");
}

TEST_F(RequestsTest, ArgumentsThatDoNotDecodeConcernTheirCallAlone) {
  Serve();
  ends_.main.Send([](schemas::Message::Builder root) {
    root.initCodecs(1).set(0, "value");
    auto request = root.initRequest();
    WriteHead({.id = 1, .target = "math.add"}, request);
    auto arguments = request.initArguments(2);
    arguments[0].initPayload().getMetadata().initAs<schemas::Value>().setSigned(1);
    arguments[1].initPayload().setCodec(4711);
  });
  EXPECT_THAT(Hear(), AllOf(StartsWith("error 1: "), HasSubstr("argument 2"), HasSubstr("4711")));
  Ping(1);
  EXPECT_EQ(Hear(), "pong 1");
}

TEST_F(RequestsTest, AResultThatCanNotBeSentIsAnError) {
  Offer("test.handle", [] { return Handle<int>(std::make_unique<int>(5), ""); });
  Serve();
  Ask({.id = 1, .target = "test.handle"});  // this channel has no handles
  EXPECT_THAT(Hear(), AllOf(StartsWith("error 1: "), HasSubstr("the result: ")));
  Ask({.id = 2, .target = "math.add"}, {1, 2});
  EXPECT_EQ(Hear(), "answer 2: 3");
}

class SmallMessagesTest : public RequestsTest {
 protected:
  SmallMessagesTest() : RequestsTest({.max_message_bytes = 64 << 10}) {}
};

TEST_F(SmallMessagesTest, AResultThatIsTooLargeForAMessageIsAnError) {
  Offer("test.large", [] { return std::vector<std::string>(10'000, "not much"); });
  Serve();
  Ask({.id = 1, .target = "test.large"});
  EXPECT_THAT(Hear(), StartsWith("error 1: INVALID_ARGUMENT"));
  Ask({.id = 2, .target = "math.add"}, {1, 2});
  EXPECT_EQ(Hear(), "answer 2: 3");
}

TEST_F(RequestsTest, StreamsAndCallsAreNotTakenForOneAnother) {
  std::atomic<bool> ran = false;
  Offer("test.count", [&](ResultWriter<int64_t>&) { ran = true; });
  Serve();
  Ask({.id = 1, .target = "test.count"});
  EXPECT_THAT(Hear(), AllOf(StartsWith("error 1: INVALID_ARGUMENT"), HasSubstr("Stream it")));
  Ask({.id = 2, .target = "math.add", .credit = 1}, {1, 2});
  EXPECT_THAT(Hear(), AllOf(StartsWith("error 2: INVALID_ARGUMENT"), HasSubstr("Call it")));
  EXPECT_FALSE(ran);
  Ask({.id = 3, .target = "test.count", .credit = 1});
  EXPECT_EQ(Hear(), "answer 3: nothing");
  EXPECT_TRUE(ran);
}

// Main may use the memory of the arguments for its next request.
TEST_F(RequestsTest, TheMemoryOfArgumentsIsBackWithTheAnswer) {
  Offer("array.size", [](const NdArray<const double>& x) { return x.size(); });
  Serve();
  const AnyNdArray array = *AnyNdArray::Create(ElementType::kFloat64, {1000});
  for (uint64_t id = 1; id < 4; ++id) {
    AskWith({.id = id, .target = "array.size"}, {AnyRef::To(array)});
    EXPECT_EQ(ends_.main.pool().stats().own.grants_out, 1u);
    EXPECT_EQ(Hear(), absl::StrCat("answer ", id, ": 1000"));
    EXPECT_EQ(ends_.main.pool().stats().own.grants_out, 0u);
  }
  EXPECT_EQ(ends_.main.pool().stats().own.segments_created, 1u);
}

// Their destructors are the user's: they run between requests.
TEST_F(RequestsTest, ObjectsThatMainReleasesGoBeforeTheNextMessageIsRead) {
  ends_.worker.channel().UseHandles(std::make_shared<HandleTable>());
  std::atomic<bool> alive = true, in_call = true;
  const auto at_end = [&] {
    alive = false;
    in_call = CallContext::Current() != nullptr;
  };
  Offer("test.handle", [&] { return Handle<Model>(std::make_unique<Model>(at_end), ""); });
  Serve();
  Ask({.id = 1, .target = "test.handle"});
  const std::unique_ptr<Received> answer = ends_.main.Receive();
  ASSERT_EQ(answer->root.getHandles().size(), 1u);
  EXPECT_TRUE(alive);
  const uint64_t number = answer->root.getHandles()[0].getNumber();
  ends_.main.Send([&](schemas::Message::Builder root) {
    root.setLeases();
    root.initReleasedHandles(1).set(0, number);
  });
  Ping(1);
  EXPECT_EQ(Hear(), "pong 1");
  EXPECT_FALSE(alive);
  EXPECT_FALSE(in_call);
}

TEST_F(RequestsTest, ShutdownAnswersWhatCameBeforeIt) {
  OneGate gate;
  Offer("test.gate", [&] { gate.Pass(); });
  Ask({.id = 1, .target = "test.gate"});
  Ask({.id = 2, .target = "math.add"}, {1, 2});
  Shutdown();
  Serve();
  gate.AwaitArrival();
  gate.Open();
  EXPECT_EQ(Hear(), "answer 1: nothing");
  EXPECT_EQ(Hear(), "answer 2: 3");
  EXPECT_EQ(Hear(), "goodbye");
  EXPECT_THAT(End(), IsOk());
}

TEST_F(RequestsTest, AllThreadsAnswerBeforeTheGoodbye) {
  OneGate gates[3];
  Offer("test.gate", [&](int64_t i) {
    gates[i].Pass();
    return i;
  });
  Serve(3);
  for (int i = 0; i < 3; ++i) {
    Ask({.id = static_cast<uint64_t>(i), .target = "test.gate"}, {i});
    gates[i].AwaitArrival();
  }
  Shutdown();
  for (OneGate& gate : {std::ref(gates[2]), std::ref(gates[0]), std::ref(gates[1])}) gate.Open();
  std::vector<std::string> heard = {Hear(), Hear(), Hear()};
  EXPECT_THAT(heard, UnorderedElementsAre("answer 0: 0", "answer 1: 1", "answer 2: 2"));
  EXPECT_EQ(Hear(), "goodbye");
  EXPECT_THAT(End(), IsOk());
}

TEST_F(RequestsTest, SeveralThreadsRunAsManyRequestsAtATime) {
  std::barrier together(2);
  Offer("test.meet", [&] { together.arrive_and_wait(); });
  Serve(2);
  for (int i = 0; i < 100; ++i) {
    Ask({.id = 1, .target = "test.meet"});
    Ask({.id = 2, .target = "test.meet"});
    const std::vector<std::string> heard = {Hear(), Hear()};
    EXPECT_THAT(heard, UnorderedElementsAre("answer 1: nothing", "answer 2: nothing"));
  }
  Stop();  // before the barrier goes
}

TEST_F(RequestsTest, OneThreadServesWhileAnotherRunsAFunctionThatAsksNothing) {
  OneGate gate;
  Offer("test.gate", [&] { gate.Pass(); });
  Serve(2);
  Ask({.id = 1, .target = "test.gate"});
  gate.AwaitArrival();
  Ping(5);
  EXPECT_EQ(Hear(), "pong 5");
  Ask({.id = 2, .target = "math.add"}, {1, 2});
  EXPECT_EQ(Hear(), "answer 2: 3");
  gate.Open();
  EXPECT_EQ(Hear(), "answer 1: nothing");
}

TEST_F(RequestsTest, OneThreadReadsAfterWhatItRuns) {
  OneGate gate;
  Offer("test.gate", [&] { gate.Pass(); });
  Serve();
  Ask({.id = 1, .target = "test.gate"});
  gate.AwaitArrival();
  Ping(5);
  gate.Open();
  EXPECT_EQ(Hear(), "answer 1: nothing");
  EXPECT_EQ(Hear(), "pong 5");
}

TEST_F(RequestsTest, ManyRequestsOnSeveralThreads) {
  constexpr int kRequests = 500;
  Serve(4);
  for (int i = 0; i < kRequests; ++i) {
    Ask({.id = static_cast<uint64_t>(i), .target = "math.add"}, {i, i});
  }
  Shutdown();
  std::vector<std::string> heard, expected;
  for (int i = 0; i < kRequests; ++i) {
    heard.push_back(Hear());
    expected.push_back(absl::StrCat("answer ", i, ": ", 2 * i));
  }
  EXPECT_THAT(heard, UnorderedElementsAreArray(expected));
  EXPECT_EQ(Hear(), "goodbye");
}

TEST_F(RequestsTest, EndsWithMain) {
  Serve(2);
  Leave();
  EXPECT_THAT(End(), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(RequestsTest, CreditsAndCancelsOfNoRequestArePassedOver) {
  Serve();
  Cancel(4711);
  Credit(4711, 1);
  ends_.main.Send([](schemas::Message::Builder root) { root.setLeases(); });
  Ask({.id = 1, .target = "math.add"}, {1, 2});
  EXPECT_EQ(Hear(), "answer 1: 3");
}

TEST_F(RequestsTest, ShowsWhatRuns) {
  EXPECT_GT(vitals_.heartbeat.load(), 0) << "since it was made";
  OneGate gate;
  Offer("test.gate", [&] { gate.Pass(); });
  Serve();
  Ask({.id = 9, .target = "test.gate"});
  gate.AwaitArrival();
  serving_->Beat();
  EXPECT_EQ(vitals_.request.load(), 9u);
  EXPECT_GT(vitals_.since.load(), 0);
  gate.Open();
  EXPECT_EQ(Hear(), "answer 9: nothing");
  Ping(1);  // read when the request is done with
  EXPECT_EQ(Hear(), "pong 1");
  serving_->Beat();
  EXPECT_EQ(vitals_.request.load(), 0u);
}

// Kinds of messages that are not main's.
class WrongKindTest : public RequestsTest,
                      public ::testing::WithParamInterface<schemas::Message::Which> {
 protected:
  static void Write(schemas::Message::Which kind, schemas::Message::Builder root) {
    switch (kind) {
      case schemas::Message::HELLO:
        root.initHello();
        break;
      case schemas::Message::WELCOME:
        root.initWelcome();
        break;
      case schemas::Message::RESPONSE:
        root.initResponse();
        break;
      case schemas::Message::PONG:
        root.setPong(1);
        break;
      case schemas::Message::EVENT:
        root.initEvent();
        break;
      case schemas::Message::ITEM:
        root.initItem();
        break;
      default:
        root.setGoodbye();
        break;
    }
  }
};

TEST_P(WrongKindTest, EndsTheConnection) {
  Serve(2);
  ends_.main.Send([](schemas::Message::Builder root) { Write(GetParam(), root); });
  EXPECT_THAT(End(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("not its to send")));
}

INSTANTIATE_TEST_SUITE_P(All, WrongKindTest,
                         ::testing::Values(schemas::Message::HELLO, schemas::Message::WELCOME,
                                           schemas::Message::RESPONSE, schemas::Message::PONG,
                                           schemas::Message::EVENT, schemas::Message::ITEM,
                                           schemas::Message::GOODBYE));

}  // namespace
}  // namespace slabpipe::tests
