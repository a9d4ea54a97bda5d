// What the tests of a whole session have in common.
//
//   class CallTest : public SessionTest {};
//   TEST_F(CallTest, AddsNumbers) {
//     Session session = StartGood();
//     ...
//   }

#ifndef SLABPIPE_TESTS_SESSION_SESSION_TESTING_H_
#define SLABPIPE_TESTS_SESSION_SESSION_TESTING_H_

#include <sys/types.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/codec/ndarray.h"
#include "slabpipe/session/log_sink.h"
#include "slabpipe/session/session.h"
#include "slabpipe/tests/testing/status_matchers.h"
#include "slabpipe/tests/testing/watchdog.h"

namespace slabpipe::tests {

inline constexpr char kGoodWorker[] = "tests/workers/good_worker";

// Keeps what a worker says. Thread-safe.
class LogCollector {
 public:
  // To be given to a session. The collector must outlive it.
  LogSink sink();
  std::vector<LogRecord> records() const;
  // The texts that came from `source`.
  std::vector<std::string> texts(LogRecord::Source source) const;
  // Waits until one of the records' texts contains `part`. The test's watchdog ends it.
  void AwaitText(const std::string& part);
  size_t size() const;

 private:
  mutable std::mutex mutex_;
  std::condition_variable added_;
  std::vector<LogRecord> records_;
};

// Holds a call of time.wait_for or time.hang_after in the worker.
//
//   Gate gate;
//   std::thread caller([&] { session.Call("time.wait_for", gate.path()); });
//   gate.AwaitArrival();       // the worker is in the function
//   gate.Open();               // it returns
class Gate {
 public:
  Gate();
  ~Gate();
  const std::string& path() const { return path_; }
  void AwaitArrival();
  void Open();

 private:
  std::string path_;
  int writer_ = -1;
};

class SessionTest : public ::testing::Test {
 protected:
  // Checks that no process is left behind by the session of a derived fixture.
  ~SessionTest() override;

  // The options for the good worker, whose output goes to `log`.
  SessionOptions GoodOptions();
  Session StartGood() { return StartGood(GoodOptions()); }
  // Aborts the test program if it does not start.
  Session StartGood(SessionOptions options);
  // The same for the worker of calls that take long (tests/workers/long_worker.cc).
  SessionOptions LongOptions(int threads = 1);
  Session StartLong(int threads = 1) { return StartGood(LongOptions(threads)); }
  // Calls a function that waits for the gate first, and cancels the call as soon as it does.
  template <typename... Args>
  static void GiveUp(Session& session, Gate& gate, const char* target, const Args&... arguments) {
    std::stop_source stop;
    std::thread caller([&] {
      EXPECT_THAT(
          session.Call({.cancellation = stop.get_token()}, target, gate.path(), arguments...),
          StatusIs(absl::StatusCode::kCancelled));
    });
    gate.AwaitArrival();
    stop.request_stop();
    caller.join();
  }

  LogCollector log;

 private:
  Watchdog watchdog_;
};

// Elements 0, 1, 2, ..., in private memory.
NdArray<double> Counting(int64_t size);
// The sum of these.
double SumOfCounting(int64_t size);

}  // namespace slabpipe::tests

#endif  // SLABPIPE_TESTS_SESSION_SESSION_TESTING_H_
