// Arguments whose encoding, which is the user's code, takes for ever, throws, or calls the session.

#include <signal.h>

#include <functional>
#include <memory>
#include <semaphore>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/codec/built_in.h"
#include "slabpipe/codec/codec.h"
#include "slabpipe/session/call_options.h"
#include "slabpipe/session/result_stream.h"
#include "slabpipe/session/session.h"
#include "slabpipe/tests/session/session_testing.h"
#include "slabpipe/tests/testing/status_matchers.h"
#include "slabpipe/transport/wait.h"

namespace slabpipe::tests {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Does something while it is encoded.
struct Hook {
  std::function<void()> run;
  absl::Status says = absl::OkStatus();  // then
};

class HookCodec : public CodecFor<Hook> {
 public:
  absl::string_view name() const override { return "tests.hook"; }
  absl::Status Prepare(const Hook&, Sizer& sizer) const override { return sizer.AddBlock(4096); }
  absl::Status Encode(const Hook& hook, Encoder& encoder) const override {
    absl::StatusOr<absl::Span<std::byte>> block = encoder.AddBlock(4096);
    if (!block.ok()) return block.status();
    hook.run();
    return hook.says.ok() ? encoder.SetMetadata("done") : hook.says;
  }
  absl::StatusOr<Hook> Decode(Decoder&) const override { return Hook(); }
};

class EncodingTest : public SessionTest {
 protected:
  Session StartWithHooks() {
    auto codecs = std::make_shared<CodecRegistry>(BuiltInCodecs());
    EXPECT_THAT(codecs->Add(std::make_unique<HookCodec>()), IsOk());
    SessionOptions options = LongOptions();
    options.codecs = std::move(codecs);
    options.shutdown_grace = absl::Milliseconds(50);
    return StartGood(std::move(options));
  }
  static void ExpectWorks(Session& session) {
    EXPECT_THAT(session.Call<int64_t>("echo.number", 1), IsOkAndHolds(1));
    EXPECT_EQ(session.stats().pool.own.grants_out, 0u);
  }
};

TEST_F(EncodingTest, WhatItThrowsIsTheCallsError) {
  Session session = StartWithHooks();
  const Hook hook = {.run = [] { throw std::runtime_error("not this one"); }};
  EXPECT_THAT(session.Call("echo.number", hook).ToString(), HasSubstr("not this one"));
  EXPECT_THAT(session.Submit("echo.number", hook).Get().ToString(), HasSubstr("not this one"));
  ExpectWorks(session);
}

TEST_F(EncodingTest, TheSessionCanBeUsedForNoOtherMessageMeanwhile) {
  Session session = StartWithHooks();
  const Hook hook = {.run = [&] {
    EXPECT_THAT(session.Call("echo.number", 1), StatusIs(absl::StatusCode::kFailedPrecondition));
    EXPECT_THAT(session.Submit("echo.number", 1).Get(),
                StatusIs(absl::StatusCode::kFailedPrecondition));
    EXPECT_THAT(session.Ping(absl::Seconds(1)), StatusIs(absl::StatusCode::kFailedPrecondition));
    EXPECT_THAT(session.NewArray<double>({100}), IsOk());
  }};
  session.Call("echo.number", hook).IgnoreError();  // the worker does not know the codec
  ExpectWorks(session);
}

TEST_F(EncodingTest, ItMayEndTheWorkerThatItIsMeantFor) {
  Session session = StartWithHooks();
  const Hook end = {.run = [&] { session.Shutdown(absl::ZeroDuration()).IgnoreError(); }};
  EXPECT_FALSE(session.Call("echo.number", end).ok());
  EXPECT_EQ(session.worker_pid(), -1);
  ASSERT_THAT(session.Restart(), IsOk());
  ExpectWorks(session);
  const Hook restart = {.run = [&] { EXPECT_FALSE(session.Restart().ok()); }};
  EXPECT_FALSE(session.Call("echo.number", restart).ok());
  ASSERT_THAT(session.Restart(), IsOk());
  ExpectWorks(session);
}

// Holds the call that it is an argument of in its encoding.
class Held {
 public:
  Hook hook() {
    return {.run = [this] {
      begun_.release();
      go_on_.acquire();
    }};
  }
  void AwaitBegin() { begun_.acquire(); }
  void LetGo() { go_on_.release(); }

 private:
  std::binary_semaphore begun_{0};
  std::binary_semaphore go_on_{0};
};

TEST_F(EncodingTest, ACallThatItKeepsFromBeingSentEndsNoWorker) {
  Session session = StartWithHooks();
  const pid_t worker = session.worker_pid();
  Held held;
  std::thread caller(
      [&] { session.Call("echo.number", held.hook()).IgnoreError(); });  // an unknown codec
  held.AwaitBegin();
  const CallOptions options = {
      .timeout = absl::Seconds(1), .on_deadline = OnDeadline::kKill, .grace = absl::ZeroDuration()};
  const auto not_sent = StatusIs(absl::StatusCode::kDeadlineExceeded,
                                 AllOf(HasSubstr("echo.number: it was not sent"),
                                       HasSubstr("another message was on its way")));
  EXPECT_THAT(session.Call(options, "echo.number", 1), not_sent);
  EXPECT_THAT(session.Submit(options, "echo.number", 1).Get(), not_sent);
  ResultStream<int64_t> stream = session.Stream<int64_t>(options, "echo.number", 1);
  EXPECT_FALSE(stream.Next());
  EXPECT_THAT(stream.status(), not_sent);
  held.LetGo();
  caller.join();
  EXPECT_EQ(session.worker_pid(), worker);
  ExpectWorks(session);
}

TEST_F(EncodingTest, ACallWhoseOwnArgumentsTakeTooLongIsNotSentAndEndsNoWorker) {
  Session session = StartWithHooks();
  const pid_t worker = session.worker_pid();
  ASSERT_EQ(::kill(worker, SIGSTOP), 0) << "it would not answer in time";
  const Deadline deadline = Deadline::After(absl::Milliseconds(50));
  const Hook late = {.run = [&] {
    while (!deadline.HasPassed()) std::this_thread::yield();
  }};
  const CallOptions options = {
      .deadline = deadline, .on_deadline = OnDeadline::kKill, .grace = absl::ZeroDuration()};
  EXPECT_THAT(session.Call(options, "process.die", late),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  ASSERT_EQ(session.worker_pid(), worker);
  ASSERT_EQ(::kill(worker, SIGCONT), 0);
  ExpectWorks(session);
}

TEST_F(EncodingTest, WhatItSaysOfADeadlineIsNotTheCalls) {
  Session session = StartWithHooks();
  const pid_t worker = session.worker_pid();
  const Hook late = {.run = [] {}, .says = absl::DeadlineExceededError("the disk is slow")};
  EXPECT_THAT(session.Call({.on_deadline = OnDeadline::kKill}, "echo.number", late),
              StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("the disk is slow")));
  EXPECT_EQ(session.worker_pid(), worker);
  ExpectWorks(session);
}

// The same wait for another message, but it is the worker that keeps it from being sent.
TEST_F(EncodingTest, AWorkerThatTakesNothingIsEndedWhoeverElseWaitsForIt) {
  Session session = StartWithHooks();
  const pid_t worker = session.worker_pid();
  ASSERT_EQ(::kill(worker, SIGSTOP), 0);
  Held held;
  const std::string much(size_t{16} << 20, 'x');
  std::thread caller([&] {
    EXPECT_THAT(session.Call("echo.number", held.hook(), much),
                StatusIs(absl::StatusCode::kUnavailable));
  });
  held.AwaitBegin();
  held.LetGo();
  const CallOptions options = {.timeout = absl::Milliseconds(50),
                               .on_deadline = OnDeadline::kKill,
                               .grace = absl::ZeroDuration()};
  // Not before the message is encoded. A call after that may meet the end, or the next worker.
  int timed_out = 0;
  while (session.worker_pid() == worker) {
    timed_out += absl::IsDeadlineExceeded(session.Call(options, "echo.number", 1));
  }
  EXPECT_GT(timed_out, 0);
  caller.join();
  ExpectWorks(session);
}

TEST_F(EncodingTest, I7OneThatNeverEndsHoldsUpNoShutdown) {
  Session session = StartWithHooks();
  Held held;
  std::thread caller([&] { EXPECT_FALSE(session.Call("echo.number", held.hook()).ok()); });
  held.AwaitBegin();
  EXPECT_THAT(session.Shutdown(absl::Milliseconds(50)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(session.worker_pid(), -1);
  held.LetGo();
  caller.join();
  ASSERT_THAT(session.Restart(), IsOk());
  ExpectWorks(session);
}

}  // namespace
}  // namespace slabpipe::tests
