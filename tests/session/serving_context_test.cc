#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/codec/handle.h"
#include "slabpipe/session/call_context.h"
#include "slabpipe/session/serving.h"
#include "slabpipe/tests/session/serving_testing.h"

// What functions ask and say while they run: cancellation, credit, progress.

namespace slabpipe::tests {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kCancelled[] = "CANCELLED main has cancelled the call";

class ContextTest : public ServingTest {
 protected:
  ContextTest() {
    // Runs until it is cancelled, or the test has it stop.
    Offer("test.work", [this](CallContext& context) {
      begun_ = true;
      while (!context.cancelled() && !stop_working_) std::this_thread::yield();
      return context.status();
    });
    Offer("test.note", [this] { noted_ = true; });
    // Yields `count` numbers.
    Offer("test.count", [](int64_t count, ResultWriter<int64_t>& out) {
      absl::Status written;
      for (int64_t i = 0; i < count && written.ok(); ++i) written = out.Write(i);
      return written;
    });
  }
  ~ContextTest() override {
    stop_working_ = true;
    Stop();
  }
  void AwaitWork() {
    while (!begun_) std::this_thread::yield();
  }

  std::atomic<bool> begun_ = false, stop_working_ = false, noted_ = false;
};

TEST_F(ContextTest, ARunningCallIsCancelled) {
  Serve();
  Ask({.id = 1, .target = "test.work"});
  AwaitWork();
  Cancel(1);
  EXPECT_EQ(Hear(), absl::StrCat("error 1: ", kCancelled));
}

TEST_F(ContextTest, ARunningCallIsOverdue) {
  Serve();
  Ask({.id = 1, .target = "test.work"});
  AwaitWork();
  Cancel(1, /*overdue=*/true);
  EXPECT_THAT(Hear(), StartsWith("error 1: DEADLINE_EXCEEDED"));
}

TEST_F(ContextTest, ARunningCallSeesItsDeadlinePass) {
  Serve();
  Ask({.id = 1, .target = "test.work", .timeout_nanoseconds = 2'000'000});
  EXPECT_THAT(Hear(), StartsWith("error 1: DEADLINE_EXCEEDED"));
}

TEST_F(ContextTest, ACallThatIsCancelledBeforeItBeginsDoesNotRun) {
  Ask({.id = 1, .target = "test.note"});
  Cancel(1);
  Serve();
  EXPECT_EQ(Hear(), absl::StrCat("error 1: ", kCancelled));
  EXPECT_FALSE(noted_);
}

TEST_F(ContextTest, ACallThatIsOverdueBeforeItBeginsDoesNotRun) {
  Ask({.id = 1, .target = "test.note"});
  Cancel(1, /*overdue=*/true);
  Serve();
  EXPECT_THAT(Hear(), StartsWith("error 1: DEADLINE_EXCEEDED"));
  EXPECT_FALSE(noted_);
}

TEST_F(ContextTest, ACallThatWaitsIsCancelledWithoutTheOneThatRuns) {
  Serve();
  Ask({.id = 1, .target = "test.work"});
  Ask({.id = 2, .target = "test.note"});
  Cancel(2);
  Ping(1);
  EXPECT_EQ(Hear(), "pong 1");  // all of it has been read by the function that runs
  stop_working_ = true;
  EXPECT_EQ(Hear(), "answer 1: nothing");
  EXPECT_EQ(Hear(), absl::StrCat("error 2: ", kCancelled));
  EXPECT_FALSE(noted_);
}

TEST_F(ContextTest, AFunctionThatAsksHasPingsAnsweredAndRequestsQueued) {
  Serve();
  Ask({.id = 1, .target = "test.work"});
  AwaitWork();
  for (uint64_t i = 0; i < 10; ++i) {
    Ping(i);
    EXPECT_EQ(Hear(), absl::StrCat("pong ", i));
  }
  for (const uint64_t id : {3, 2}) Ask({.id = id, .target = "test.note"});
  Ping(10);
  EXPECT_EQ(Hear(), "pong 10");
  EXPECT_FALSE(noted_) << "their turn comes behind the other";
  stop_working_ = true;
  EXPECT_EQ(Hear(), "answer 1: nothing");
  EXPECT_EQ(Hear(), "answer 3: nothing");
  EXPECT_EQ(Hear(), "answer 2: nothing");
  EXPECT_TRUE(noted_);
}

TEST_F(ContextTest, AFunctionThatSleepsLearnsThatMainIsGone) {
  absl::Status seen;
  Offer("test.sleep", [&](CallContext& context) {
    begun_ = true;
    EXPECT_FALSE(context.SleepFor(absl::Hours(1)));
    seen = context.status();
  });
  Serve();
  Ask({.id = 1, .target = "test.sleep"});
  AwaitWork();
  Leave();
  EXPECT_THAT(End(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(seen, StatusIs(absl::StatusCode::kCancelled, "main is gone"));
}

TEST_F(ContextTest, AFunctionThatAsksFindsWhatBreaksTheRules) {
  Serve();
  Ask({.id = 1, .target = "test.work"});
  AwaitWork();
  ends_.main.Send([](schemas::Message::Builder root) { root.setPong(1); });
  EXPECT_THAT(End(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(ContextTest, ShutdownWaitsForAFunctionThatAsks) {
  Serve();
  Ask({.id = 1, .target = "test.work"});
  AwaitWork();
  Shutdown();
  Ping(1);
  EXPECT_EQ(Hear(), "pong 1");
  stop_working_ = true;
  EXPECT_EQ(Hear(), "answer 1: nothing");
  EXPECT_EQ(Hear(), "goodbye");
  EXPECT_THAT(End(), IsOk());
}

TEST_F(ContextTest, SleepEndsWhenTheCallIsCancelled) {
  Offer("test.sleep", [this](CallContext& context) {
    begun_ = true;
    return context.SleepFor(absl::Hours(1));
  });
  Serve();
  Ask({.id = 1, .target = "test.sleep"});
  AwaitWork();
  Ping(1);
  EXPECT_EQ(Hear(), "pong 1");  // it reads while it sleeps
  Cancel(1);
  EXPECT_EQ(Hear(), "answer 1: false");
}

TEST_F(ContextTest, SleepEndsWhenAnotherThreadReadsThatTheCallIsCancelled) {
  Offer("test.sleep", [this](CallContext& context) {
    begun_ = true;
    return context.SleepFor(absl::Hours(1));
  });
  Serve(3);
  for (uint64_t id = 1; id < 50; ++id) {
    begun_ = false;
    Ask({.id = id, .target = "test.sleep"});
    AwaitWork();
    Cancel(id);
    EXPECT_EQ(Hear(), absl::StrCat("answer ", id, ": false"));
  }
}

TEST_F(ContextTest, SleepLastsAsLongAsItShould) {
  Offer("test.sleep", [](CallContext& context) { return context.SleepFor(absl::Milliseconds(1)); });
  Serve();
  Ask({.id = 1, .target = "test.sleep"});
  EXPECT_EQ(Hear(), "answer 1: true");
}

TEST_F(ContextTest, ItemsAreSentAsFarAsTheCreditGoes) {
  Serve();
  Ask({.id = 1, .target = "test.count", .credit = 2}, {4});
  EXPECT_EQ(Hear(), "item 1: 0");
  EXPECT_EQ(Hear(), "item 1: 1");
  Ping(1);
  EXPECT_EQ(Hear(), "pong 1") << "it waits, and reads meanwhile";
  Credit(1, 1);
  EXPECT_EQ(Hear(), "item 1: 2");
  Ping(2);
  EXPECT_EQ(Hear(), "pong 2");
  Credit(1, 5);
  EXPECT_EQ(Hear(), "item 1: 3");
  EXPECT_EQ(Hear(), "answer 1: nothing");
}

TEST_F(ContextTest, CreditThatAnotherThreadReadsWakesTheStream) {
  constexpr int64_t kItems = 200;
  Serve(2);
  Ask({.id = 1, .target = "test.count", .credit = 1}, {kItems});
  for (int64_t i = 0; i < kItems; ++i) {
    EXPECT_EQ(Hear(), absl::StrCat("item 1: ", i));
    Credit(1, 1);
  }
  EXPECT_EQ(Hear(), "answer 1: nothing");
}

TEST_F(ContextTest, CreditMayComeBeforeTheStreamBegins) {
  Ask({.id = 1, .target = "test.count", .credit = 1}, {3});
  Credit(1, 2);
  Serve();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Hear(), absl::StrCat("item 1: ", i));
  EXPECT_EQ(Hear(), "answer 1: nothing");
}

TEST_F(ContextTest, AStreamThatWaitsForCreditIsCancelled) {
  Serve();
  Ask({.id = 1, .target = "test.count", .credit = 1}, {3});
  EXPECT_EQ(Hear(), "item 1: 0");
  Cancel(1);
  EXPECT_EQ(Hear(), absl::StrCat("error 1: ", kCancelled));
}

TEST_F(ContextTest, AStreamThatNeverWaitsIsCancelled) {
  Serve();
  Ask({.id = 1, .target = "test.count", .credit = 4'000'000'000}, {4'000'000'000});
  EXPECT_EQ(Hear(), "item 1: 0");
  Cancel(1);
  std::string heard = Hear();
  while (absl::StartsWith(heard, "item")) heard = Hear();
  EXPECT_EQ(heard, absl::StrCat("error 1: ", kCancelled));
}

TEST_F(ContextTest, AnItemThatCanNotBeSentTakesNoCredit) {
  struct Model {};
  using Item = std::optional<Handle<Model>>;
  absl::Status first;
  Offer("test.items", [&](ResultWriter<Item>& out) {
    first = out.Write(Handle<Model>(std::make_unique<Model>(), ""));  // there are no handles here
    return out.Write(std::nullopt);
  });
  Serve();
  Ask({.id = 1, .target = "test.items", .credit = 1});
  EXPECT_EQ(Hear(), "item 1: nothing");
  EXPECT_EQ(Hear(), "answer 1: nothing");
  Stop();
  EXPECT_THAT(first, StatusIs(absl::StatusCode::kFailedPrecondition, StartsWith("a result: ")));
}

TEST_F(ContextTest, ReportsReachThoseThatWantThem) {
  Offer("test.report", [](CallContext& context) {
    context.Report(1, 2, "half");
    context.Report(2, 2, "all");  // what is done is never dropped
  });
  Serve();
  Ask({.id = 1, .target = "test.report", .reports = true});
  EXPECT_EQ(Hear(), "progress 1: 1/2 half");
  EXPECT_EQ(Hear(), "progress 1: 2/2 all");
  EXPECT_EQ(Hear(), "answer 1: nothing");
  Ask({.id = 2, .target = "test.report"});
  EXPECT_EQ(Hear(), "answer 2: nothing");
}

TEST_F(ContextTest, TheTextOfAReportMayBePartOfALongerOneAndIsCut) {
  Offer("test.report", [](CallContext& context) {
    context.Report(1, 1, absl::string_view("half of it").substr(0, 4));
    context.Report(2, 2, std::string(2000, 'x'));
  });
  Serve();
  Ask({.id = 1, .target = "test.report", .reports = true});
  EXPECT_EQ(Hear(), "progress 1: 1/1 half");
  EXPECT_EQ(Hear(), "progress 1: 2/2 " + std::string(1024, 'x'));
  EXPECT_EQ(Hear(), "answer 1: nothing");
}

TEST_F(ContextTest, TellsWhichCallItIs) {
  Offer("test.who", [](CallContext& context) {
    return absl::StrCat(context.id(), " ", context.target(),
                        CallContext::Current() == &context ? ", current" : "",
                        context.deadline().is_never() ? "" : ", with a deadline");
  });
  Serve();
  Ask({.id = 8, .target = "test.who"});
  EXPECT_EQ(Hear(), "answer 8: \"8 test.who, current\"");
  Ask({.id = 9, .target = "test.who", .timeout_nanoseconds = 3'600'000'000'000});
  EXPECT_EQ(Hear(), "answer 9: \"9 test.who, current, with a deadline\"");
}

}  // namespace
}  // namespace slabpipe::tests
