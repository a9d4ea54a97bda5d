#include "slabpipe/bench/harness/contestant.h"

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "slabpipe/bench/harness/cpus.h"

namespace slabpipe::bench {
namespace {

absl::StatusOr<Measurement> Measure(const std::map<std::string, MeasureFunction>& cases,
                                    const std::string& line) {
  absl::StatusOr<Request> request = ParseRequest(line);
  if (!request.ok()) return request.status();
  const auto found = cases.find(request->name);
  if (found == cases.end()) {
    return absl::UnimplementedError(absl::StrCat("no case '", request->name, "'"));
  }
  return found->second(*request);
}

}  // namespace

void DieWithParent() {
  const pid_t parent = ::getppid();
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);
}

int RunContestant(const std::map<std::string, MeasureFunction>& cases) {
  DieWithParent();
  ::signal(SIGPIPE, SIG_IGN);
  AllowedCpus();  // as they are before anything is pinned
  std::string line;
  while (std::getline(std::cin, line)) {
    if (line.empty()) continue;
    std::printf("%s\n", ToJson(Measure(cases, line)).c_str());
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace slabpipe::bench
