#include "slabpipe/tests/testing/child_process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gtest/gtest.h"
#include "slabpipe/tests/testing/sanitizers.h"

// Of UndefinedBehaviorSanitizer's runtime: null in programs without it.
extern "C" void __ubsan_handle_dynamic_type_cache_miss_abort() __attribute__((weak));

namespace slabpipe::tests {
namespace {

// A child that blocks ends by SIGALRM, and Wait says so.
constexpr unsigned kLimitSeconds = kSanitized ? 200 : 50;

}  // namespace

ChildProcess::ChildProcess(const std::function<int()>& work) {
  ::fflush(nullptr);  // or the child would print it again
  pid_ = ::fork();
  if (pid_ != 0) return;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::signal(SIGALRM, SIG_DFL);
  ::alarm(kLimitSeconds);
  const int exit_code = work();
  ::fflush(nullptr);
  ::_exit(exit_code);
}

ChildProcess::~ChildProcess() {
  if (reaped_ || pid_ <= 0) return;
  Kill();
  Wait();
}

void ChildProcess::Kill() const { ::kill(pid_, SIGKILL); }

int ChildProcess::Wait() {
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0) {
    if (errno != EINTR) return -1000;
  }
  reaped_ = true;
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

bool PassesInChild(const std::function<void()>& body) {
  ChildProcess child([&] {
    body();
    return ::testing::Test::HasFailure() ? 1 : 0;
  });
  const int end = child.Wait();
  if (end != 0) ::fprintf(stderr, "the child ended with %d\n", end);
  return end == 0;
}

void ForbidMoreDescriptors() {
  rlimit limit;
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = 0;  // open descriptors stay
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

void UseUpDescriptors() {
  rlimit limit;
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = 128;  // soon used up
  ::setrlimit(RLIMIT_NOFILE, &limit);
  while (::open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0) {
  }
}

bool CanRunWithoutDescriptors() { return __ubsan_handle_dynamic_type_cache_miss_abort == nullptr; }

}  // namespace slabpipe::tests
