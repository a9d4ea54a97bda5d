#include "slabpipe/bench/harness/process_size.h"

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace slabpipe::bench {
namespace {

int64_t CountEntries(const std::string& folder) {
  std::unique_ptr<DIR, int (*)(DIR*)> entries(::opendir(folder.c_str()), ::closedir);
  if (entries == nullptr) return -1;
  int64_t count = 0;
  while (const dirent* entry = ::readdir(entries.get())) {
    if (entry->d_name[0] != '.') ++count;
  }
  return count;
}

}  // namespace

absl::StatusOr<ProcessSize> SizeOfProcess(pid_t pid) {
  const std::string folder = absl::StrCat("/proc/", pid);
  ProcessSize size;
  size.descriptors = CountEntries(folder + "/fd");
  if (size.descriptors < 0) return absl::NotFoundError(absl::StrCat("no process ", pid));
  std::ifstream maps(folder + "/maps");
  size.mappings = std::count(std::istreambuf_iterator<char>(maps), {}, '\n');
  int64_t pages = 0;
  std::ifstream statm(folder + "/statm");
  statm >> pages >> pages;  // the second is what is resident
  size.resident_kib = pages * ::sysconf(_SC_PAGESIZE) / 1024;
  return size;
}

}  // namespace slabpipe::bench
