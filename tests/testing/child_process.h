// ChildProcess: a forked child of a test.
//
//   ChildProcess child([&] { return Work() ? 0 : 1; });
//   child.Kill();                                  // SIGKILL
//   EXPECT_EQ(child.Wait(), ChildProcess::kKilled);
//
//   EXPECT_TRUE(PassesInChild([] { LowerALimit(); EXPECT_THAT(...); }));
//
// The child shares nothing with the test but what was there when it forked, leaves with _exit (no
// destructor of the test's runs in it), and does not outlive the test.

#ifndef SLABPIPE_TESTS_TESTING_CHILD_PROCESS_H_
#define SLABPIPE_TESTS_TESTING_CHILD_PROCESS_H_

#include <signal.h>
#include <sys/types.h>

#include <functional>

namespace slabpipe::tests {

// Thread-compatible. The destructor kills a child that has not been waited for.
class ChildProcess {
 public:
  static constexpr int kKilled = -SIGKILL;

  // Runs `work` in a new process, which exits with what it returns. REQUIRES: no other thread of
  // this process is inside malloc, that is: no other thread runs.
  explicit ChildProcess(const std::function<int()>& work);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  void Kill() const;
  // Waits for its end: the exit code, or minus the number of the signal that ended it. To be called
  // once.
  int Wait();

 private:
  pid_t pid_;
  bool reaped_ = false;
};

// Whether `body` runs in a child without a failed expectation, and to its end.
bool PassesInChild(const std::function<void()>& body);

// Lets this process open no more descriptors. For a child.
void ForbidMoreDescriptors();

// The same by opening files until no descriptor is left: unlike a limit of none, poll(2) stands it.
void UseUpDescriptors();

// Whether a program can run like that. Not under UndefinedBehaviorSanitizer, which opens pipes to
// find out what memory may be read, and takes good objects for bad ones when it can't.
bool CanRunWithoutDescriptors();

}  // namespace slabpipe::tests

#endif  // SLABPIPE_TESTS_TESTING_CHILD_PROCESS_H_
