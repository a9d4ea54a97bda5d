// Workers that are struck by a fault at one point of a session: main's caller gets a status in
// time, nothing is left behind, and the next call works.

#include <unistd.h>

#include <fstream>
#include <string>
#include <tuple>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/session/session.h"
#include "slabpipe/tests/faults/matrix.h"
#include "slabpipe/tests/session/session_testing.h"
#include "slabpipe/tests/testing/clock.h"
#include "slabpipe/tests/testing/orphans.h"
#include "slabpipe/tests/testing/process_state.h"
#include "slabpipe/tests/testing/status_matchers.h"

namespace slabpipe::tests {
namespace {

// For faults that only a deadline ends, and for those that are noticed without.
constexpr absl::Duration kPatience = absl::Milliseconds(300);
constexpr absl::Duration kLong = absl::Seconds(60);
constexpr absl::Duration kShortGrace = absl::Milliseconds(50);

// Phase, fault, whether by ring or socket.
using Strike = std::tuple<const char*, const char*, const char*>;

class WorkerFaultTest : public SessionTest, public ::testing::WithParamInterface<Strike> {
 protected:
  WorkerFaultTest() : once_(absl::StrCat(::testing::TempDir(), "/faulty.", ::getpid())) {
    AdoptOrphans();
    std::ofstream(once_) << "";
  }
  ~WorkerFaultTest() override {
    ::unlink(once_.c_str());
    ::unlink(absl::StrCat(once_, ".at").c_str());
  }

  std::string phase() const { return std::get<0>(GetParam()); }
  std::string fault() const { return std::get<1>(GetParam()); }
  bool by_ring() const { return std::get<2>(GetParam()) == std::string("ring"); }
  bool NeedsADeadline() const { return fault() == "hang" || fault() == "SIGSTOP"; }

  SessionOptions Options() {
    return {.program = "tests/workers/faulty",
            .arguments = {phase(), fault(), std::get<2>(GetParam()), once_, kGoodWorker},
            .start_timeout = phase() == "before hello" && NeedsADeadline() ? kPatience : kLong,
            .shutdown_grace = kShortGrace,
            .log_sink = log.sink()};
  }

  absl::StatusCode Expected() const {
    if (NeedsADeadline()) return absl::StatusCode::kDeadlineExceeded;
    if (fault() == "garbage") return absl::StatusCode::kDataLoss;
    return absl::StatusCode::kUnavailable;
  }

  void ExpectGood(Session& session) {
    const NdArray<double> x = Counting(1000);
    EXPECT_THAT(session.Call<double>({.timeout = kLong}, "arrays.sum", x),
                IsOkAndHolds(SumOfCounting(1000)));
  }

  // The status that main's caller gets. Afterwards there is a session that works.
  absl::Status StrikeAtTheStart() {
    absl::Status status = Session::Start(Options()).status();
    Noticed();
    Session session = StartGood(Options());
    ExpectGood(session);
    return status;
  }
  absl::Status StrikeInACall() {
    Session session = StartGood(Options());
    // With an array, so that there is memory to be left behind. In the middle of a request there is
    // more of it than a socket holds.
    const std::string text(phase() == "mid-request" ? 4 << 20 : 4, 'x');
    absl::Status status = session.Call({.timeout = NeedsADeadline() ? kPatience : kLong},
                                       "faults.take", Counting(1000), text);
    Noticed();
    if (NeedsADeadline()) {
      EXPECT_THAT(session.Shutdown(kShortGrace), StatusIs(absl::StatusCode::kDeadlineExceeded));
      EXPECT_THAT(session.Restart(), IsOk());
    }
    ExpectGood(session);
    return status;
  }
  absl::Status StrikeInAStream() {
    Session session = StartGood(Options());
    ResultStream<Object> stream = session.Stream<Object>(
        {.timeout = NeedsADeadline() ? kPatience : kLong}, "any.thing", Counting(1000));
    EXPECT_TRUE(stream.Next());
    EXPECT_TRUE(stream.Next());
    EXPECT_FALSE(stream.Next());
    Noticed();
    if (NeedsADeadline()) {
      EXPECT_THAT(session.Shutdown(kShortGrace), StatusIs(absl::StatusCode::kDeadlineExceeded));
      EXPECT_THAT(session.Restart(), IsOk());
    }
    ExpectGood(session);
    return stream.status();
  }
  absl::Status StrikeInAShutdown() {
    Session session = StartGood(Options());
    absl::Status status = session.Shutdown(NeedsADeadline() ? kPatience : kLong);
    Noticed();
    EXPECT_THAT(session.Restart(), IsOk());
    ExpectGood(session);
    return status;
  }
  absl::Status StrikeOnce() {
    if (phase() == "before hello") return StrikeAtTheStart();
    if (phase() == "mid-stream") return StrikeInAStream();
    return phase() == "mid-shutdown" ? StrikeInAShutdown() : StrikeInACall();
  }

  int64_t noticed_us() const { return noticed_us_; }

 private:
  void Noticed() {
    int64_t struck_us = 0;
    std::ifstream(absl::StrCat(once_, ".at")) >> struck_us;
    ASSERT_GT(struck_us, 0) << "the worker was not struck";
    noticed_us_ = NowUs() - struck_us;
  }

  const std::string once_;
  int64_t noticed_us_ = 0;
};

TEST_P(WorkerFaultTest, EndsInAStatusAndTheNextCallWorks) {
  { Session warm_up = StartGood(); }
  const size_t descriptors = OpenDescriptors(), mappings = SegmentMappings();
  const absl::Status status = StrikeOnce();
  // A request of which half was read has not begun, and may go to the next worker.
  if (phase() != "mid-request" || !status.ok()) {
    EXPECT_THAT(status, StatusIs(Expected()));
  }
  size_t left = ReapAll();
  left += OpenDescriptors() - descriptors + SegmentMappings() - mappings;
  left += SharedMemoryEntries(absl::StrCat("slabpipe.", ::getpid(), ".")).size();
  EXPECT_EQ(left, 0u);
  TheMatrix().Add({.who = "worker",
                   .phase = phase() + (by_ring() ? "" : ", by socket"),
                   .fault = fault(),
                   .outcome = absl::StatusCodeToString(status.code()),
                   .noticed_us = noticed_us(),
                   .left = left,
                   .after = HasFailure() ? "FAILED" : "the next call works"});
}

INSTANTIATE_TEST_SUITE_P(
    Matrix, WorkerFaultTest,
    ::testing::Combine(::testing::Values("before hello", "mid-request", "mid-run", "mid-response",
                                         "mid-stream", "mid-shutdown"),
                       ::testing::ValuesIn(kFaults), ::testing::Values("ring", "socket")),
    [](const auto& info) {
      return ToTestName(absl::StrCat(std::get<0>(info.param), "_", std::get<1>(info.param), "_",
                                     std::get<2>(info.param)));
    });

}  // namespace
}  // namespace slabpipe::tests
