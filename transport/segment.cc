#include "slabpipe/transport/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <limits>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "slabpipe/transport/helper_threads.h"

// In the kernel since 5.14; older C libraries don't declare it.
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

namespace slabpipe {
namespace {

constexpr size_t kMaxNameBytes = 63;

// From this size on, a segment is checked against the memory that there is before any of it is
// reserved.
constexpr size_t kLargeBytes = size_t{16} << 20;

// Memory that can still be had, in bytes; the largest size_t if the kernel does not say.
// Source: MemAvailable and SwapFree, proc(5).
size_t AvailableMemoryBytes() {
  std::ifstream meminfo("/proc/meminfo");
  size_t kibibytes = 0;
  bool known = false;
  std::string field, unit;
  for (size_t value; meminfo >> field >> value && std::getline(meminfo, unit);) {
    if (field == "MemAvailable:") known = true;
    if (field == "MemAvailable:" || field == "SwapFree:") kibibytes += value;
  }
  return known ? kibibytes << 10 : std::numeric_limits<size_t>::max();
}

// The error that reserving so much would end in where the kernel itself does not say so but sends a
// signal: SIGXFSZ above the limit of a file's size, SIGKILL to some process when the machine's
// memory is used up. 0 if there is none.
int ForeseeableError(size_t size_bytes) {
  rlimit file_size;
  if (size_bytes > static_cast<size_t>(std::numeric_limits<off_t>::max())) return EFBIG;
  if (::getrlimit(RLIMIT_FSIZE, &file_size) == 0 && size_bytes > file_size.rlim_cur) return EFBIG;
  if (size_bytes >= kLargeBytes && size_bytes > AvailableMemoryBytes()) return ENOMEM;
  return 0;
}

// A block that is populated takes at most so much of what follows with it.
constexpr size_t kMostAheadBytes = size_t{256} << 10;

// From this size on, pages are populated by more than one thread, so many bytes at a time: threads
// that work on the same page table, which is one of 2 MiB, would keep each other waiting.
constexpr size_t kParallelPopulateBytes = size_t{4} << 20;
constexpr size_t kPageTableBytes = size_t{2} << 20;

// Makes the pages of [begin, end) ready for writing. Kernels before 5.14 can't, and then each page
// is made ready when it is written to. Source: madvise(2), MADV_POPULATE_WRITE.
void PopulatePages(std::byte* begin, std::byte* end) {
  const auto populate = [](std::byte* from, std::byte* to) {
    ::madvise(from, static_cast<size_t>(to - from), MADV_POPULATE_WRITE);
  };
  const auto bytes = static_cast<size_t>(end - begin);
  if (bytes < kParallelPopulateBytes) return populate(begin, end);
  const size_t skew = reinterpret_cast<uintptr_t>(begin) % kPageTableBytes;
  const size_t chunks = (skew + bytes - 1) / kPageTableBytes + 1;
  HelperThreads::Shared().ForEach(chunks, [=](size_t chunk) {
    const size_t from = chunk == 0 ? 0 : chunk * kPageTableBytes - skew;
    const size_t to = std::min((chunk + 1) * kPageTableBytes - skew, bytes);
    populate(begin + from, begin + to);
  });
}

// What has run out, and where its limit is set.
absl::string_view ExhaustedLimit(int error_number) {
  switch (error_number) {
    case ENOMEM:
      return "no memory, address space or mapping left (memory or cgroup limit, ulimit -v, "
             "vm.max_map_count)";
    case ENOSPC:
      return "no shared memory left (machine's memory or the size of /dev/shm)";
    case EMFILE:
      return "no descriptor left in this process (ulimit -n)";
    case ENFILE:
      return "no descriptor left on this machine (fs.file-max)";
    case EFBIG:
      return "larger than a file may be (ulimit -f)";
    default:
      return "";
  }
}

}  // namespace

Segment::Segment(std::string name, std::byte* mapping, size_t size_bytes, bool writable,
                 UniqueFd descriptor, std::string unlink_path)
    : name_(std::move(name)),
      mapping_(mapping),
      size_bytes_(size_bytes),
      writable_(writable),
      descriptor_(std::move(descriptor)),
      unlink_path_(std::move(unlink_path)) {}

Segment::~Segment() {
  ::munmap(mapping_, size_bytes_);
  if (!unlink_path_.empty()) ::shm_unlink(unlink_path_.c_str());
}

void Segment::Populate(size_t offset, size_t size_bytes) const {
  const size_t end = offset + size_bytes;
  size_t begin = populated_bytes_.load(std::memory_order_relaxed);
  if (end <= begin) return;
  // Blocks are handed out one behind the other: some of what follows is made ready with this one,
  // so that many small blocks are few system calls.
  const size_t target = std::min(size_bytes_, end + std::min(end, kMostAheadBytes));
  // Of two threads that come at the same time one does it all.
  if (!populated_bytes_.compare_exchange_strong(begin, target, std::memory_order_relaxed)) return;
  begin -= begin % static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  PopulatePages(mapping_ + begin, mapping_ + target);
}

bool IsValidSegmentName(absl::string_view name) {
  if (name.empty() || name.size() > kMaxNameBytes || name[0] == '.') return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_isalnum(c) || c == '.' || c == '_' || c == '-';
  });
}

absl::StatusOr<std::byte*> MapSegment(absl::string_view name, int descriptor, size_t size_bytes,
                                      bool writable) {
  const int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
  void* mapping = ::mmap(nullptr, size_bytes, protection, MAP_SHARED, descriptor, 0);
  if (mapping == MAP_FAILED) return SegmentError(name, "mmap", errno, size_bytes);
  return static_cast<std::byte*>(mapping);
}

absl::Status ReserveMemory(absl::string_view name, int descriptor, size_t size_bytes) {
  if (const int error = ForeseeableError(size_bytes); error != 0) {
    return SegmentError(name, "fallocate", error, size_bytes);
  }
  while (::fallocate(descriptor, 0, 0, static_cast<off_t>(size_bytes)) != 0) {
    if (errno != EINTR) return SegmentError(name, "fallocate", errno, size_bytes);
  }
  return absl::OkStatus();
}

absl::Status SegmentError(absl::string_view name, absl::string_view call, int error_number,
                          size_t size_bytes) {
  const std::string what =
      absl::StrCat("segment '", name, "' of ", size_bytes, " bytes: ", call, " failed: ");
  const absl::string_view limit = ExhaustedLimit(error_number);
  if (!limit.empty()) return absl::ResourceExhaustedError(absl::StrCat(what, limit));
  const absl::Status cause = absl::ErrnoToStatus(error_number, "");
  const absl::string_view reason = absl::StripPrefix(cause.message(), ": ");
  if (absl::IsNotFound(cause) || absl::IsAlreadyExists(cause)) {
    return absl::Status(cause.code(), absl::StrCat(what, reason));
  }
  return absl::InternalError(absl::StrCat(what, reason));
}

}  // namespace slabpipe
