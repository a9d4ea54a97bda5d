#include "slabpipe/tests/testing/orphans.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "slabpipe/tests/testing/process_state.h"
#include "slabpipe/tests/testing/sanitizers.h"

namespace slabpipe::tests {
namespace {

constexpr int kPatienceMs = kSanitized ? 120'000 : 30'000;

bool EndsInTime(pid_t child) {
  const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, child, 0));
  if (pidfd < 0) return true;
  pollfd ended = {.fd = pidfd, .events = POLLIN, .revents = 0};
  int ready = 0;
  while ((ready = ::poll(&ended, 1, kPatienceMs)) < 0 && errno == EINTR) {
  }
  ::close(pidfd);
  return ready > 0;
}

std::string CommandOf(pid_t process) {
  std::ifstream file(absl::StrCat("/proc/", process, "/cmdline"));
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  std::replace(text.begin(), text.end(), '\0', ' ');
  return text;
}

}  // namespace

void AdoptOrphans() { ::prctl(PR_SET_CHILD_SUBREAPER, 1); }

size_t ReapAll() {
  size_t left = 0;
  // Those that end may leave others.
  for (std::vector<pid_t> children = Children(); !children.empty(); children = Children()) {
    for (const pid_t child : children) {
      if (!EndsInTime(child)) {
        ++left;
        std::fprintf(stderr, "process %d has not ended: %s\n", child, CommandOf(child).c_str());
        ::kill(child, SIGKILL);
      }
      ::waitpid(child, nullptr, 0);
    }
  }
  return left;
}

}  // namespace slabpipe::tests
