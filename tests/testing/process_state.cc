#include "slabpipe/tests/testing/process_state.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace slabpipe::tests {
namespace {

namespace fs = std::filesystem;

// An empty list if the folder is gone or must not be read.
std::vector<fs::path> Entries(const fs::path& folder) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    entries.push_back(entry->path());
  }
  return entries;
}

// Whether a line of /proc/PID/maps or the target of a descriptor names a segment of a pool's. A
// program's own path may contain "slabpipe" as well; a control block is no pool's.
bool NamesSegment(absl::string_view text, absl::string_view name_part) {
  return (absl::StrContains(text, "/memfd:slabpipe:") ||
          absl::StrContains(text, "/dev/shm/slabpipe.")) &&
         !absl::StrContains(text, "slabpipe:control") && absl::StrContains(text, name_part);
}

size_t MappingsOf(const std::string& process, absl::string_view name_part) {
  std::ifstream maps(absl::StrCat("/proc/", process, "/maps"));
  size_t count = 0;
  for (std::string line; std::getline(maps, line);) {
    if (NamesSegment(line, name_part)) ++count;
  }
  return count;
}

size_t DescriptorsOf(const std::string& process, absl::string_view name_part) {
  size_t count = 0;
  for (const fs::path& entry : Entries(absl::StrCat("/proc/", process, "/fd"))) {
    std::error_code error;
    const std::string target = fs::read_symlink(entry, error).string();
    if (NamesSegment(target, name_part)) ++count;
  }
  return count;
}

}  // namespace

size_t OpenDescriptors() {
  return Entries("/proc/self/fd").size() - 1;  // less the one that reads the folder
}

size_t SegmentMappings(absl::string_view name_part) { return MappingsOf("self", name_part); }

std::string MappingRights(const void* address) {
  std::ifstream maps("/proc/self/maps");
  const uintptr_t wanted = reinterpret_cast<uintptr_t>(address);
  uintptr_t begin, end;
  char dash;
  std::string rights, rest;
  while (maps >> std::hex >> begin >> dash >> end >> rights && std::getline(maps, rest)) {
    if (begin <= wanted && wanted < end) return rights;
  }
  return "";
}

size_t ResidentBytes() { return ResidentBytesOf(::getpid()); }

size_t OpenDescriptorsOf(pid_t process) {
  return Entries(absl::StrCat("/proc/", process, "/fd")).size();
}

size_t SegmentMappingsOf(pid_t process, absl::string_view name_part) {
  return MappingsOf(absl::StrCat(process), name_part);
}

size_t ResidentBytesOf(pid_t process) {
  std::ifstream statm(absl::StrCat("/proc/", process, "/statm"));
  size_t total_pages = 0, resident_pages = 0;
  statm >> total_pages >> resident_pages;
  return resident_pages * static_cast<size_t>(::sysconf(_SC_PAGESIZE));
}

void AwaitEnd(pid_t process) {
  const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, process, 0));
  if (pidfd < 0) return;  // it is gone altogether
  pollfd ended = {.fd = pidfd, .events = POLLIN, .revents = 0};
  while (::poll(&ended, 1, -1) < 0 && errno == EINTR) {
  }
  ::close(pidfd);
}

bool ProcessExists(pid_t process) { return ::kill(process, 0) == 0; }

bool IsZombie(pid_t process) {
  std::ifstream file(absl::StrCat("/proc/", process, "/stat"));
  std::string text;
  std::getline(file, text);
  // The state follows the name, which may contain anything.
  const size_t name_end = text.rfind(')');
  return name_end != std::string::npos && text.substr(name_end, 3) == ") Z";
}

std::vector<pid_t> Children() {
  std::vector<pid_t> children;
  for (const fs::path& thread : Entries("/proc/self/task")) {
    std::ifstream file(thread / "children");
    for (pid_t child; file >> child;) children.push_back(child);
  }
  return children;
}

int64_t PageFaults() {
  rusage usage;
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt;
}

std::vector<std::string> SharedMemoryEntries(absl::string_view prefix) {
  std::vector<std::string> names;
  for (const fs::path& entry : Entries("/dev/shm")) {
    std::string name = entry.filename().string();
    if (absl::StartsWith(name, prefix)) names.push_back(std::move(name));
  }
  std::sort(names.begin(), names.end());
  return names;
}

size_t HoldersOnThisMachine(absl::string_view name_part) {
  size_t count = 0;
  for (const fs::path& entry : Entries("/proc")) {
    const std::string process = entry.filename().string();
    if (!std::all_of(process.begin(), process.end(), absl::ascii_isdigit)) continue;
    count += MappingsOf(process, name_part) + DescriptorsOf(process, name_part);
  }
  return count;
}

}  // namespace slabpipe::tests
