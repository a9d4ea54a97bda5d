// Eight threads call, with small values and with arrays, while their worker is killed, fifty times
// over: each call ends once, with its own answer or with an error, and each loss costs one worker.

#include <signal.h>

#include <atomic>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/codec/ndarray.h"
#include "slabpipe/session/session.h"
#include "slabpipe/tests/session/session_testing.h"
#include "slabpipe/tests/testing/process_state.h"
#include "slabpipe/tests/testing/status_matchers.h"

namespace slabpipe::tests {
namespace {

using ::testing::AnyOf;

constexpr int kThreads = 8;
constexpr int kKills = 50;

class KilledWhileCalledTest : public SessionTest {
 protected:
  // Kills one worker after the other, each after up to forty good answers.
  void Kill(Session& session) {
    std::mt19937 random(6);
    pid_t last = -1;
    for (int kills = 0; kills < kKills; ++kills) {
      const int enough = good_ + static_cast<int>(random() % 40);
      while (good_ < enough) std::this_thread::yield();
      pid_t worker = session.worker_pid();
      for (; worker <= 0 || worker == last; worker = session.worker_pid()) {
        std::this_thread::yield();
      }
      last = worker;
      ::kill(worker, SIGKILL);
    }
    AwaitEnd(last);
    stop_ = true;
  }

  void CallUntilTheEnd(Session& session, int thread) {
    for (int number = thread; !stop_; number += kThreads) {
      const absl::Status status =
          number % 3 == 0 ? CallWithArray(session, number) : CallWithNumber(session, number);
      if (status.ok()) {
        ++good_;
        continue;
      }
      // FAILED_PRECONDITION: between the end of one worker and the start of the next.
      ASSERT_THAT(status, AnyOf(StatusIs(absl::StatusCode::kUnavailable),
                                StatusIs(absl::StatusCode::kFailedPrecondition)));
      ++lost_;
    }
  }

  std::atomic<bool> stop_ = false;
  std::atomic<int> good_ = 0, lost_ = 0;

 private:
  static absl::Status CallWithNumber(Session& session, int number) {
    const absl::StatusOr<int> answer = session.Call<int>("echo.integer", number);
    EXPECT_EQ(answer.value_or(number), number);
    return answer.status();
  }
  static absl::Status CallWithArray(Session& session, int number) {
    const NdArray<double> array = Counting(1000 + number % 1000);
    const auto answer = session.Call<NdArray<const double>>("echo.doubles", array);
    EXPECT_EQ(answer.value_or(array).ToVector(), array.ToVector());
    return answer.status();
  }
};

TEST_F(KilledWhileCalledTest, EachCallEndsOnceAndEachLossCostsOneWorker) {
  SessionOptions options = GoodOptions();
  options.restart = {.most_restarts = kKills, .first_delay = absl::Milliseconds(1)};
  Session session = StartGood(std::move(options));
  std::vector<std::thread> callers;
  for (int i = 0; i < kThreads; ++i) {
    callers.emplace_back([this, &session, i] { CallUntilTheEnd(session, i); });
  }
  Kill(session);
  for (std::thread& caller : callers) caller.join();
  absl::Status last = session.Call("arguments.none");
  if (absl::IsUnavailable(last)) ++lost_, last = session.Call("arguments.none");
  EXPECT_THAT(last, IsOk());
  EXPECT_GE(static_cast<uint64_t>(lost_) + session.stats().repeats, static_cast<uint64_t>(kKills))
      << "each worker was lost by a call, or before it had begun one";
  EXPECT_EQ(session.stats().restarts, static_cast<uint64_t>(kKills));
}

}  // namespace
}  // namespace slabpipe::tests
