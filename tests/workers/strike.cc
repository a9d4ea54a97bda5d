#include "slabpipe/tests/workers/strike.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace slabpipe::tests {

void PrepareToBeStruck() {
  const rlimit none = {.rlim_cur = 0, .rlim_max = 0};
  ::setrlimit(RLIMIT_CORE, &none);
  ::signal(SIGSEGV, SIG_DFL);  // a sanitizer's handler would make an exit of it
}

void Strike(const std::string& fault, const std::function<void()>& send_garbage) {
  if (fault == "SIGKILL") ::raise(SIGKILL);
  if (fault == "SIGSEGV") ::raise(SIGSEGV);
  if (fault == "SIGSTOP") ::raise(SIGSTOP);
  if (fault == "exit") ::_exit(kStruckExit);
  if (fault == "garbage") send_garbage();
  if (fault == "closed descriptors") ::syscall(SYS_close_range, 0u, ~0u, 0u);
}

}  // namespace slabpipe::tests
