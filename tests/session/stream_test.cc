// Functions that yield many results.

#include <sys/types.h>

#include <future>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/codec/binding.h"
#include "slabpipe/codec/ndarray.h"
#include "slabpipe/session/argument.h"
#include "slabpipe/session/session.h"
#include "slabpipe/tests/session/session_testing.h"
#include "slabpipe/tests/testing/status_matchers.h"

namespace slabpipe::tests {
namespace {

using ::testing::HasSubstr;

class StreamTest : public SessionTest {
 protected:
  Session StartLong(int threads = 1) {
    SessionOptions options = LongOptions();
    options.arguments = {std::to_string(threads)};
    return StartGood(options);
  }
};

TEST_F(StreamTest, AllResultsComeInOrder) {
  Session session = StartLong();
  ResultStream<int64_t> numbers = session.Stream<int64_t>("stream.count", 1000);
  int64_t next = 0;
  while (numbers.Next()) EXPECT_EQ(numbers.value(), next++);
  EXPECT_THAT(numbers.status(), IsOk());
  EXPECT_EQ(next, 1000);
  EXPECT_FALSE(numbers.Next());
  next = 0;
  for (const int64_t number : session.Stream<int64_t>("stream.count", Named("count", 5))) {
    EXPECT_EQ(number, next++);
  }
  EXPECT_EQ(next, 5);
  EXPECT_FALSE(session.Stream<int64_t>("stream.count", 0).Next());
}

TEST_F(StreamTest, ArraysComeWithoutACopyAndLastLongerThanTheStream) {
  Session session = StartLong();
  std::vector<NdArray<const double>> kept;
  {
    auto arrays = session.Stream<NdArray<const double>>("stream.arrays", 20, 1000);
    while (arrays.Next()) kept.push_back(arrays.value());
    EXPECT_THAT(arrays.status(), IsOk());
  }
  ASSERT_THAT(session.Shutdown(absl::Seconds(10)), IsOk());
  ASSERT_EQ(kept.size(), 20u);
  for (size_t i = 0; i < kept.size(); ++i) EXPECT_EQ(kept[i](999), 999 + static_cast<double>(i));
}

TEST_F(StreamTest, TheWorkerGoesAheadByTheWindowAlone) {
  Session session = StartLong();
  auto numbers = session.Stream<int64_t>({.window = 4}, "stream.count", 1'000'000);
  for (int64_t i = 0; i < 10; ++i) ASSERT_TRUE(numbers.Next());
  numbers = session.Stream<int64_t>("stream.count", 0);  // the first one is given up
  EXPECT_FALSE(numbers.Next());
  EXPECT_THAT(numbers.status(), IsOk());
  const absl::StatusOr<int64_t> written = session.Call<int64_t>("stream.written");
  ASSERT_THAT(written, IsOk());
  EXPECT_GE(*written, 10);
  EXPECT_LE(*written, 14);
}

TEST_F(StreamTest, OneThatIsDroppedEarlyEndsTheFunction) {
  Session session = StartLong();
  for (int i = 0; i < 50; ++i) {
    auto numbers = session.Stream<int64_t>({.window = 2}, "stream.count", int64_t{1} << 40);
    ASSERT_TRUE(numbers.Next());
  }
  EXPECT_THAT(session.Call<int64_t>("echo.number", 1), IsOkAndHolds(1));
}

TEST_F(StreamTest, ACancelledOneSaysSo) {
  Session session = StartLong();
  auto numbers = session.Stream<int64_t>("stream.count", int64_t{1} << 40);
  ASSERT_TRUE(numbers.Next());
  numbers.Cancel();
  while (numbers.Next()) {
  }
  EXPECT_THAT(numbers.status(), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(session.Call<int64_t>("echo.number", 1), IsOkAndHolds(1));
}

TEST_F(StreamTest, ASlowReaderCancelsItAllTheSame) {
  Session session = StartLong(2);
  Future<bool> nap = session.Submit<bool>("long.nap", 3'600'000);  // whose thread reads meanwhile
  auto numbers = session.Stream<int64_t>({.window = 8}, "stream.count", int64_t{1} << 40);
  ASSERT_TRUE(numbers.Next());
  numbers.Cancel();
  int results = 0;
  while (results < 1000 && numbers.Next()) {
    ++results;
    absl::SleepFor(absl::Microseconds(500));  // the worker is faster
  }
  EXPECT_LE(results, 16);
  EXPECT_THAT(numbers.status(), StatusIs(absl::StatusCode::kCancelled));
  nap.Cancel();
}

// An argument that is not encoded before it may be.
struct HeldArgument {
  static absl::Status Visit(const void* pointer, ModelVisitor visit) {
    auto* argument = const_cast<HeldArgument*>(static_cast<const HeldArgument*>(pointer));
    argument->reached.set_value();
    argument->released.get_future().wait();
    return VisitValue(int64_t{1}, visit);
  }
  std::promise<void> reached, released;
};

TEST_F(StreamTest, TheWorkerHearsOfItsEndThoughAnotherMessageIsBeingWritten) {
  Session session = StartLong();
  std::optional<ResultStream<int64_t>> numbers =
      session.Stream<int64_t>({.window = 1}, "stream.count", int64_t{1} << 40);
  ASSERT_TRUE(numbers->Next());
  HeldArgument held;
  absl::StatusOr<Object> result = absl::UnknownError("not called");
  std::thread caller([&] {
    const ArgumentRef argument = {.name = "", .value = &held, .visit = &HeldArgument::Visit};
    result = session.CallObject({.timeout = absl::Seconds(20)}, "echo.number", {argument});
  });
  held.reached.get_future().wait();
  numbers.reset();
  held.released.set_value();
  caller.join();
  EXPECT_THAT(result, IsOk()) << "the stream's function has made room for the call";
}

TEST_F(StreamTest, ADeadlineEndsIt) {
  Session session = StartLong();
  auto numbers = session.Stream<int64_t>({.timeout = absl::Milliseconds(50)}, "stream.count",
                                         int64_t{1} << 40);
  while (numbers.Next()) {
  }
  EXPECT_THAT(numbers.status(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(session.Call<int64_t>("echo.number", 1), IsOkAndHolds(1));
}

TEST_F(StreamTest, OneThatIsCancelledDoesNotWaitForAnotherWorker) {
  Session session = StartLong();
  auto numbers = session.Stream<int64_t>(
      {.on_deadline = OnDeadline::kKill, .grace = absl::ZeroDuration()}, "stream.break", 1, "hang");
  ASSERT_TRUE(numbers.Next());
  numbers.Cancel();
  EXPECT_FALSE(numbers.Next());
  EXPECT_THAT(numbers.status(),
              StatusIs(absl::StatusCode::kCancelled, HasSubstr("the next call starts")));
  EXPECT_EQ(session.worker_pid(), -1);
  EXPECT_THAT(session.Call<int64_t>("echo.number", 1), IsOkAndHolds(1));
}

TEST_F(StreamTest, WhatEndsTheFunctionEndsTheStreamBehindItsResults) {
  Session session = StartLong();
  const std::vector<std::pair<std::string, absl::StatusCode>> ways = {
      {"status", absl::StatusCode::kAborted},
      {"throw", absl::StatusCode::kUnknown},
      {"kill", absl::StatusCode::kUnavailable}};
  for (const auto& [how, code] : ways) {
    auto numbers = session.Stream<int64_t>("stream.break", 3, how);
    int64_t count = 0;
    while (numbers.Next()) ++count;
    EXPECT_EQ(count, 3) << how;
    EXPECT_THAT(numbers.status(), StatusIs(code)) << how;
    EXPECT_THAT(session.Call<int64_t>("echo.number", 1), IsOkAndHolds(1)) << how;
  }
}

TEST_F(StreamTest, StreamsAndCallsAreToldApart) {
  Session session = StartLong();
  EXPECT_THAT(session.Call("stream.count", 1),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("Stream it")));
  auto one = session.Stream<int64_t>("echo.number", 1);
  EXPECT_FALSE(one.Next());
  EXPECT_THAT(one.status(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("Call it")));
}

TEST_F(StreamTest, AResultThatIsNoneOfTheTypeEndsIt) {
  Session session = StartLong();
  auto texts = session.Stream<std::string>("stream.count", 1'000'000);
  EXPECT_FALSE(texts.Next());
  EXPECT_THAT(texts.status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("stream.count")));
  EXPECT_THAT(session.Call<int64_t>("echo.number", 1), IsOkAndHolds(1));
}

TEST_F(StreamTest, ItMayOutliveItsSession) {
  std::optional<ResultStream<int64_t>> numbers;
  {
    SessionOptions options = LongOptions();
    options.shutdown_grace = absl::Milliseconds(50);
    Session session = StartGood(options);
    numbers.emplace(session.Stream<int64_t>("stream.count", int64_t{1} << 40));
    ASSERT_TRUE(numbers->Next());
  }
  while (numbers->Next()) {
  }
  EXPECT_FALSE(numbers->status().ok());
}

TEST_F(StreamTest, ASteadyLoadOfStreamsHasASteadyCost) {
  Session session = StartLong();
  const auto run = [&] {
    auto arrays = session.Stream<NdArray<const double>>("stream.arrays", 50, 10'000);
    while (arrays.Next()) {
    }
    return arrays.status();
  };
  for (int i = 0; i < 3; ++i) ASSERT_THAT(run(), IsOk());
  for (int i = 0; i < 10; ++i) ASSERT_THAT(run(), IsOk());
  // The window's, one that is being written, one that is being read.
  EXPECT_LE(session.stats().pool.peer.segments_mapped, CallOptions().window + 2);
}

}  // namespace
}  // namespace slabpipe::tests
