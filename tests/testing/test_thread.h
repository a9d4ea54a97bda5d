// TestThread: a thread of a test's that one can wait for to fall asleep.
//
//   TestThread reader([&] { happening = router.Await(reply, Deadline::Never()); });
//   reader.AwaitSleep();      // there is nothing to read: it waits
//   ...                       // what must wake it
//   reader.Join();

#ifndef SLABPIPE_TESTS_TESTING_TEST_THREAD_H_
#define SLABPIPE_TESTS_TESTING_TEST_THREAD_H_

#include <sys/types.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <future>
#include <thread>
#include <utility>

#include "slabpipe/tests/testing/thread_state.h"

namespace slabpipe::tests {

class TestThread {
 public:
  explicit TestThread(std::function<void()> run)
      : thread_([this, run = std::move(run)] {
          id_.set_value(::gettid());
          run();
          done_.set_value();
        }),
        known_id_(id_.get_future().get()) {}
  ~TestThread() { Join(); }

  // Returns when the kernel says that it sleeps (for a lock, a condition, a descriptor), or when it
  // is done. A thread that is about to do no more than wait then does. The test's watchdog ends it.
  void AwaitSleep() {
    while (!done() && !ThreadSleeps(known_id_)) std::this_thread::yield();
  }
  bool done() const {
    return done_future_.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  }
  void Join() {
    if (thread_.joinable()) thread_.join();
  }

 private:
  std::promise<pid_t> id_;
  std::promise<void> done_;
  std::future<void> done_future_ = done_.get_future();
  std::thread thread_;
  const pid_t known_id_;
};

}  // namespace slabpipe::tests

#endif  // SLABPIPE_TESTS_TESTING_TEST_THREAD_H_
