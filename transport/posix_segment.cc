#include "slabpipe/transport/posix_segment.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace slabpipe {
namespace {

constexpr char kNameStart[] = "slabpipe";

// Field 22 of /proc/PID/stat; 0 if there is no such process. The second field, the command, is in
// parentheses and may contain anything, so fields are counted from its end.
uint64_t StartTime(int64_t pid) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/stat"));
  const std::string line((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const size_t command_end = line.rfind(')');
  if (command_end == std::string::npos) return 0;
  const std::vector<std::string> fields =
      absl::StrSplit(line.substr(command_end + 1), ' ', absl::SkipEmpty());
  constexpr size_t kIndex = 22 - 3;  // the first field behind the command is number 3
  uint64_t start_time = 0;
  if (fields.size() <= kIndex || !absl::SimpleAtoi(fields[kIndex], &start_time)) return 0;
  return start_time;
}

// Whether `file_name` is of the form slabpipe.PID.STARTTIME.* and no such process runs.
bool HasDeadOwner(const std::string& file_name) {
  const std::vector<std::string> parts = absl::StrSplit(file_name, '.');
  int64_t pid = 0;
  uint64_t start_time = 0;
  if (parts.size() < 4 || parts[0] != kNameStart) return false;
  if (!absl::SimpleAtoi(parts[1], &pid) || !absl::SimpleAtoi(parts[2], &start_time)) return false;
  return StartTime(pid) != start_time;
}

std::string PathOf(absl::string_view name) { return absl::StrCat("/", name); }

// Of this user's files only.
int UnlinkIf(absl::FunctionRef<bool(const std::string& name)> wanted) {
  int unlinked = 0;
  std::error_code error;
  for (std::filesystem::directory_iterator entry("/dev/shm", error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    struct stat status;
    if (!wanted(name) || ::lstat(entry->path().c_str(), &status) != 0) continue;
    if (status.st_uid == ::geteuid() && ::shm_unlink(PathOf(name).c_str()) == 0) ++unlinked;
  }
  return unlinked;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Segment>> PosixSegmentProvider::Create(absl::string_view name,
                                                                      size_t size_bytes) {
  const std::string path = PathOf(name);
  UniqueFd object(::shm_open(path.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600));
  if (!object.valid()) return SegmentError(name, "shm_open", errno, size_bytes);
  absl::Status reserved = ReserveMemory(name, object.get(), size_bytes);
  absl::StatusOr<std::byte*> mapping =
      reserved.ok() ? MapSegment(name, object.get(), size_bytes, true) : reserved;
  if (!mapping.ok()) {
    ::shm_unlink(path.c_str());
    return mapping.status();
  }
  return std::make_unique<Segment>(std::string(name), *mapping, size_bytes, true, UniqueFd(), path);
}

absl::StatusOr<std::unique_ptr<Segment>> PosixSegmentProvider::Open(absl::string_view name,
                                                                    size_t size_bytes,
                                                                    UniqueFd descriptor) {
  if (descriptor.valid() || size_bytes == 0) {
    return absl::DataLossError(
        absl::StrCat("segment '", name, "' is not as its owner said: ",
                     size_bytes == 0 ? "its size is 0" : "it goes by name, yet a descriptor came"));
  }
  UniqueFd object(::shm_open(PathOf(name).c_str(), O_RDONLY, 0));
  if (!object.valid()) return SegmentError(name, "shm_open", errno, size_bytes);
  struct stat status;
  if (::fstat(object.get(), &status) != 0) return SegmentError(name, "fstat", errno, size_bytes);
  if (static_cast<size_t>(status.st_size) != size_bytes) {
    return absl::DataLossError(absl::StrCat("segment '", name,
                                            "' is not as its owner said: it has ", status.st_size,
                                            " bytes, not ", size_bytes));
  }
  absl::StatusOr<std::byte*> mapping = MapSegment(name, object.get(), size_bytes, false);
  if (!mapping.ok()) return mapping.status();
  return std::make_unique<Segment>(std::string(name), *mapping, size_bytes, false, UniqueFd(), "");
}

std::string PosixSegmentPrefix() {
  const int64_t pid = ::getpid();
  return absl::StrCat(kNameStart, ".", pid, ".", StartTime(pid), ".");
}

int SweepDeadOwners() { return UnlinkIf(HasDeadOwner); }

int UnlinkSegments(absl::string_view prefix) {
  return UnlinkIf([&](const std::string& name) { return absl::StartsWith(name, prefix); });
}

}  // namespace slabpipe
