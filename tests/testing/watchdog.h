// Watchdog: ends a test that blocks.
//
//   class SocketPipeTest : public ::testing::Test {
//     slabpipe::tests::Watchdog watchdog_;   // 60 seconds for each test
//   };
//
// When the time is over, the process says which test blocked, and aborts. It is a net, no
// assertion: the time is far above what a test needs, and longer under sanitizers.

#ifndef SLABPIPE_TESTS_TESTING_WATCHDOG_H_
#define SLABPIPE_TESTS_TESTING_WATCHDOG_H_

#include "absl/time/time.h"

namespace slabpipe::tests {

// One at a time in a process. Takes SIGALRM and alarm(2), so no thread is needed and forking is no
// trouble. A forked child has no watchdog: see ChildProcess for its own.
class Watchdog {
 public:
  explicit Watchdog(absl::Duration limit = absl::Seconds(60));
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;
};

}  // namespace slabpipe::tests

#endif  // SLABPIPE_TESTS_TESTING_WATCHDOG_H_
