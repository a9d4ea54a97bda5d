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
#include "slabpipe/transport/posix_segment.h"

namespace slabpipe::tests {
namespace {

// For faults that only a deadline ends, at first and at most; and for those that are noticed
// without.
constexpr absl::Duration kPatience = absl::Milliseconds(300);
constexpr absl::Duration kMostPatience = absl::Seconds(10);
constexpr absl::Duration kLong = absl::Seconds(60);
constexpr absl::Duration kShortGrace = absl::Milliseconds(50);

// Phase, fault, whether by ring or socket.
using Place = std::tuple<const char*, const char*, const char*>;

class WorkerFaultTest : public SessionTest, public ::testing::WithParamInterface<Place> {
 protected:
  WorkerFaultTest() : once_(absl::StrCat(::testing::TempDir(), "/faulty.", ::getpid())) {
    AdoptOrphans();
  }
  ~WorkerFaultTest() override {
    ::unlink(once_.c_str());
    ::unlink(time_file().c_str());
  }

  std::string phase() const { return std::get<0>(GetParam()); }
  std::string fault() const { return std::get<1>(GetParam()); }
  bool by_ring() const { return std::get<2>(GetParam()) == std::string("ring"); }
  bool NeedsADeadline() const { return fault() == "hang" || fault() == "SIGSTOP"; }

  SessionOptions Options() {
    return {.program = "tests/workers/faulty",
            .arguments = {phase(), fault(), std::get<2>(GetParam()), once_, kGoodWorker},
            .start_timeout = kLong,
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

  // The status that main's caller gets. Afterwards there is a session that works, unless the worker
  // was not struck in time.
  absl::Status StrikeAtTheStart() {
    SessionOptions options = Options();
    options.start_timeout = Patience();
    absl::Status status = Session::Start(std::move(options)).status();
    if (!Noticed()) return status;
    Session session = StartGood(Options());
    ExpectGood(session);
    return status;
  }
  absl::Status StrikeInACall() {
    Session session = StartGood(Options());
    // With an array, so that there is memory to be left behind. In the middle of a request there is
    // more of it than a socket holds.
    const std::string text(phase() == "mid-request" ? 4 << 20 : 4, 'x');
    absl::Status status =
        session.Call({.timeout = Patience()}, "faults.take", Counting(1000), text);
    if (!Noticed()) return status;
    if (NeedsADeadline()) {
      EXPECT_THAT(session.Shutdown(kShortGrace), StatusIs(absl::StatusCode::kDeadlineExceeded));
      EXPECT_THAT(session.Restart(), IsOk());
    }
    ExpectGood(session);
    return status;
  }
  absl::Status StrikeInAStream() {
    Session session = StartGood(Options());
    ResultStream<Object> stream =
        session.Stream<Object>({.timeout = Patience()}, "any.thing", Counting(1000));
    int results = 0;
    while (stream.Next()) ++results;
    if (!Noticed(results == 2)) return stream.status();
    if (NeedsADeadline()) {
      EXPECT_THAT(session.Shutdown(kShortGrace), StatusIs(absl::StatusCode::kDeadlineExceeded));
      EXPECT_THAT(session.Restart(), IsOk());
    }
    ExpectGood(session);
    return stream.status();
  }
  absl::Status StrikeInAShutdown() {
    Session session = StartGood(Options());
    absl::Status status = session.Shutdown(Patience());
    if (!Noticed()) return status;
    EXPECT_THAT(session.Restart(), IsOk());
    ExpectGood(session);
    return status;
  }
  absl::Status Strike() {
    std::ofstream(once_) << "";
    ::unlink(time_file().c_str());
    if (phase() == "before hello") return StrikeAtTheStart();
    if (phase() == "mid-stream") return StrikeInAStream();
    return phase() == "mid-shutdown" ? StrikeInAShutdown() : StrikeInACall();
  }
  // On a busy machine the deadline may come before the fault: then once more, with more patience.
  absl::Status StrikeOnce() {
    absl::Status status = Strike();
    while (NeedsADeadline() && !struck_ && patience_ < kMostPatience) {
      patience_ *= 2;
      status = Strike();
    }
    EXPECT_TRUE(struck_) << "the worker was not struck, or not where it should be";
    return status;
  }

  int64_t noticed_us() const { return noticed_us_; }

 private:
  std::string time_file() const { return absl::StrCat(once_, ".at"); }
  absl::Duration Patience() const { return NeedsADeadline() ? patience_ : kLong; }
  // Main has its status. Whether the worker has been struck, after all that comes before it.
  bool Noticed(bool all_came_before = true) {
    int64_t struck_us = 0;
    std::ifstream(time_file()) >> struck_us;
    noticed_us_ = NowUs() - struck_us;
    return struck_ = struck_us > 0 && all_came_before;
  }

  const std::string once_;
  absl::Duration patience_ = kPatience;
  bool struck_ = false;
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
  left += SharedMemoryEntries(PosixSegmentPrefix()).size();
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
