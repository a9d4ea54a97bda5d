#include "slabpipe/bench/harness/cpus.h"

#include <dirent.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace slabpipe::bench {
namespace {

absl::Status PinTask(pid_t task, const cpu_set_t& set) {
  if (::sched_setaffinity(task, sizeof(set), &set) == 0 || errno == ESRCH) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("sched_setaffinity: ", std::strerror(errno)));
}

cpu_set_t SetOf(const std::vector<int>& cpus) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int cpu : cpus) CPU_SET(cpu, &set);
  return set;
}

absl::StatusOr<std::vector<int>> CpusOf(absl::string_view mode, int index) {
  const std::vector<int>& cpus = AllowedCpus();
  if (mode == "one-core") return std::vector<int>{cpus[0]};
  if (mode != "two-cores" && mode != "asleep") return cpus;
  if (cpus.size() < 2) {
    return absl::UnimplementedError(absl::StrCat(mode, " needs two CPUs; one is allowed"));
  }
  return std::vector<int>{cpus[static_cast<size_t>(index)]};
}

}  // namespace

const std::vector<int>& AllowedCpus() {
  static const auto* const cpus = [] {
    auto* allowed = new std::vector<int>();
    cpu_set_t set;
    CPU_ZERO(&set);
    ::sched_getaffinity(0, sizeof(set), &set);
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &set)) allowed->push_back(cpu);
    }
    if (allowed->empty()) allowed->push_back(0);
    return allowed;
  }();
  return *cpus;
}

absl::Status PinProcess(pid_t pid, const std::vector<int>& cpus) {
  const cpu_set_t set = SetOf(cpus);
  std::unique_ptr<DIR, int (*)(DIR*)> tasks(::opendir(absl::StrCat("/proc/", pid, "/task").c_str()),
                                            ::closedir);
  if (tasks == nullptr) {
    return absl::InternalError(absl::StrCat("there is no process ", pid));
  }
  while (const dirent* entry = ::readdir(tasks.get())) {
    const pid_t task = std::atoi(entry->d_name);
    if (task <= 0) continue;
    if (absl::Status status = PinTask(task, set); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::string_view ModeOfReserved() { return AllowedCpus().size() < 2 ? "one-core" : "two-cores"; }

absl::Status PlaceSelf(absl::string_view mode, int index) {
  absl::StatusOr<std::vector<int>> cpus = CpusOf(mode, index);
  return cpus.ok() ? PinProcess(::getpid(), *cpus) : cpus.status();
}

absl::Status PlaceThread(absl::string_view mode, int index) {
  absl::StatusOr<std::vector<int>> cpus = CpusOf(mode, index);
  return cpus.ok() ? PinTask(0, SetOf(*cpus)) : cpus.status();
}

absl::Status Place(absl::string_view mode, pid_t worker) {
  if (absl::Status status = PlaceSelf(mode, 0); !status.ok()) return status;
  absl::StatusOr<std::vector<int>> cpus = CpusOf(mode, 1);
  return cpus.ok() ? PinProcess(worker, *cpus) : cpus.status();
}

}  // namespace slabpipe::bench
