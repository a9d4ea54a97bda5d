// Callbacks of a session's user that throw, take long, or never stop to be called.

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <semaphore>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/session/session.h"
#include "slabpipe/tests/session/session_testing.h"
#include "slabpipe/tests/testing/status_matchers.h"

namespace slabpipe::tests {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class CallbackTest : public SessionTest {
 protected:
  static void Throw(const Progress&) { throw std::runtime_error("the window is closed"); }

  // A worker that says how far its first request is before it answers each other one.
  Session StartReporter() {
    return StartGood({.program = "tests/workers/reports_with_each_answer",
                      .start_timeout = absl::Seconds(60),
                      .shutdown_grace = absl::Milliseconds(50),
                      .log_sink = log.sink()});
  }
};

// Exceptions.

TEST_F(CallbackTest, ProgressThatThrowsCancelsItsCallAlone) {
  Session session = StartLong();
  EXPECT_THAT(session.Call({.progress = Throw}, "long.report", 10'000),
              StatusIs(absl::StatusCode::kCancelled,
                       AllOf(HasSubstr("long.report"), HasSubstr("the window is closed"))));
  // The function was told, and its late answer is dropped.
  EXPECT_THAT(session.Call<int64_t>("echo.number", 1), IsOkAndHolds(1));
  EXPECT_THAT(session.Call<int64_t>("echo.number", 2), IsOkAndHolds(2));
  EXPECT_EQ(session.stats().restarts, 0u);
}

TEST_F(CallbackTest, SoItDoesWhereNobodyWaits) {
  Session session = StartLong(2);
  Future<int64_t> nap = session.Submit<int64_t>("long.nap", 3'600'000);
  Future<int64_t> report = session.Submit<int64_t>({.progress = Throw}, "long.report", 10'000);
  EXPECT_THAT(report.Get(),
              StatusIs(absl::StatusCode::kCancelled, HasSubstr("the window is closed")));
  EXPECT_FALSE(nap.ready());
  nap.Cancel();
  EXPECT_THAT(session.Call<int64_t>("echo.number", 1), IsOkAndHolds(1));
  EXPECT_EQ(session.stats().restarts, 0u);
}

TEST_F(CallbackTest, AFutureWhoseCallbackThrowsIsReadyAndSoAreOthers) {
  Session session = StartLong();
  Future<> first = session.Submit("long.until_stopped", "");
  Future<int64_t> second = session.Submit<int64_t>("echo.number", 2);
  std::atomic<int> called = 0;
  std::binary_semaphore all_called(0);
  first.OnReady([&] {
    ++called;
    throw std::runtime_error("not now");
  });
  first.OnReady([&] {
    ++called;
    throw 7;
  });
  first.OnReady([&] { all_called.release(); });
  first.Cancel();
  EXPECT_THAT(second.Get(), IsOkAndHolds(2));
  all_called.acquire();
  EXPECT_EQ(called, 2);
}

// Reports that come faster than they are looked at.

// Another caller, on a thread of its own: each of its calls brings a report to the first one.
class OtherCaller {
 public:
  explicit OtherCaller(Session& session)
      : thread_([this, &session] {
          for (wanted_.acquire(); !stop_; wanted_.acquire()) {
            EXPECT_THAT(session.Call("any.thing"), IsOk());
            done_.release();
          }
        }) {}
  ~OtherCaller() {
    stop_ = true;
    wanted_.release();
    thread_.join();
  }
  void Call() {
    wanted_.release();
    done_.acquire();
  }

 private:
  std::counting_semaphore<> wanted_{0};
  std::counting_semaphore<> done_{0};
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

constexpr int kMany = 100;

TEST_F(CallbackTest, ReportsWithoutAnEndDoNotHideACancellation) {
  Session session = StartReporter();
  OtherCaller other(session);
  std::stop_source stop;
  int reports = 0;
  const CallOptions options = {.cancellation = stop.get_token(), .progress = [&](const Progress&) {
                                 if (++reports == 3) stop.request_stop();
                                 if (reports < kMany) other.Call();
                               }};
  EXPECT_THAT(session.Call(options, "any.thing"), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_LT(reports, kMany);
}

TEST_F(CallbackTest, ReportsOfOneCallWithoutAnEndLeaveOtherFuturesTheirTurn) {
  Session session = StartReporter();
  OtherCaller other(session);
  std::atomic<int> reports = 0;
  std::binary_semaphore begun(0);
  std::binary_semaphore go_on(0);
  const CallOptions options = {.progress = [&](const Progress&) {
    if (++reports == 1) {
      begun.release();
      go_on.acquire();
    }
    if (reports < kMany) other.Call();
  }};
  Future<> endless = session.Submit(options, "any.thing");
  begun.acquire();
  Future<> second = session.Submit("any.thing");
  std::atomic<int> reports_before = kMany;
  std::binary_semaphore told(0);
  second.OnReady([&] {
    reports_before = reports.load();
    told.release();
  });
  go_on.release();
  told.acquire();
  EXPECT_LT(reports_before, kMany);
  endless.Cancel();
  EXPECT_THAT(endless.Get(), StatusIs(absl::StatusCode::kCancelled));
}

}  // namespace
}  // namespace slabpipe::tests
