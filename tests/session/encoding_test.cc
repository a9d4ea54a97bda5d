// Arguments whose encoding, which is the user's code, takes for ever, throws, or calls the session.

#include <functional>
#include <memory>
#include <semaphore>
#include <stdexcept>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/codec/built_in.h"
#include "slabpipe/codec/codec.h"
#include "slabpipe/session/session.h"
#include "slabpipe/tests/session/session_testing.h"
#include "slabpipe/tests/testing/status_matchers.h"

namespace slabpipe::tests {
namespace {

using ::testing::HasSubstr;

// Does something while it is encoded.
struct Hook {
  std::function<void()> run;
};

class HookCodec : public CodecFor<Hook> {
 public:
  absl::string_view name() const override { return "tests.hook"; }
  absl::Status Prepare(const Hook&, Sizer& sizer) const override { return sizer.AddBlock(4096); }
  absl::Status Encode(const Hook& hook, Encoder& encoder) const override {
    absl::StatusOr<absl::Span<std::byte>> block = encoder.AddBlock(4096);
    if (!block.ok()) return block.status();
    hook.run();
    return encoder.SetMetadata("done");
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

TEST_F(EncodingTest, I7OneThatNeverEndsHoldsUpNoShutdown) {
  Session session = StartWithHooks();
  std::binary_semaphore begun(0);
  std::binary_semaphore go_on(0);
  const Hook hook = {.run = [&] {
    begun.release();
    go_on.acquire();
  }};
  std::thread caller([&] { EXPECT_FALSE(session.Call("echo.number", hook).ok()); });
  begun.acquire();
  EXPECT_THAT(session.Shutdown(absl::Milliseconds(50)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(session.worker_pid(), -1);
  go_on.release();
  caller.join();
  ASSERT_THAT(session.Restart(), IsOk());
  ExpectWorks(session);
}

}  // namespace
}  // namespace slabpipe::tests
