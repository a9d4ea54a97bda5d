// New shared memory, filled once: what the kernel takes to find and to clear pages. Three ways.

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <vector>

#include "slabpipe/bench/floors/floors.h"
#include "slabpipe/bench/harness/array_work.h"
#include "slabpipe/bench/harness/clock.h"
#include "slabpipe/bench/harness/cpus.h"
#include "slabpipe/bench/harness/repeat.h"
#include "slabpipe/transport/unique_fd.h"

namespace slabpipe::bench {
namespace {

#ifndef MADV_POPULATE_WRITE
constexpr int kMadvPopulateWrite = 23;  // since Linux 5.14
#else
constexpr int kMadvPopulateWrite = MADV_POPULATE_WRITE;
#endif

// A memfd and its mapping.
class FreshMemory {
 public:
  explicit FreshMemory(size_t bytes) : bytes_(bytes), fd_(::memfd_create("touch", MFD_CLOEXEC)) {
    if (!fd_.valid() || ::ftruncate(fd_.get(), static_cast<off_t>(bytes)) != 0) return;
    memory_ = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), 0);
  }
  FreshMemory(const FreshMemory&) = delete;
  FreshMemory& operator=(const FreshMemory&) = delete;
  ~FreshMemory() {
    if (ok()) ::munmap(memory_, bytes_);
  }

  bool ok() const { return memory_ != MAP_FAILED; }
  int fd() const { return fd_.get(); }
  void* data() const { return memory_; }
  absl::Span<const double> elements() const {
    return {static_cast<const double*>(memory_), bytes_ / sizeof(double)};
  }

 private:
  size_t bytes_;
  UniqueFd fd_;
  void* memory_ = MAP_FAILED;
};

bool WriteAll(int fd, const std::byte* from, size_t bytes) {
  size_t written = 0;
  while (written < bytes) {
    const ssize_t n = ::pwrite(fd, from + written, bytes - written, static_cast<off_t>(written));
    if (n <= 0) return false;
    written += static_cast<size_t>(n);
  }
  return true;
}

// `fill(memory, from, bytes)` is timed with the making of the memory, not with its end.
template <typename Fill>
absl::StatusOr<Measurement> MeasureTouch(const Request& request, Fill fill) {
  if (absl::Status placed = PlaceSelf(request.mode, 0); !placed.ok()) return placed;
  std::vector<double> from = PatternArray(request.elements());
  if (from.empty()) return absl::InvalidArgumentError("at least 8 bytes");
  const size_t bytes = from.size() * sizeof(double);
  Measurement measurement;
  const int64_t end = NowNs() + request.budget_ns;
  for (int64_t i = 0; i < request.count && (i < 3 || NowNs() < end); ++i) {
    from[0] = Tag(i);
    const int64_t begin = NowNs();
    const FreshMemory memory(bytes);
    if (!memory.ok() || !fill(memory, from.data(), bytes)) {
      return absl::ResourceExhaustedError("no shared memory, or the kernel does not know this way");
    }
    measurement.samples.Add(NowNs() - begin);
    absl::Status arrived = CheckLook(Sum(memory.elements()), PatternSum(from.size(), Tag(i)));
    if (!arrived.ok()) return arrived;
  }
  return measurement;
}

}  // namespace

absl::StatusOr<Measurement> MeasureTouchByMemcpy(const Request& request) {
  return MeasureTouch(request, [](const FreshMemory& memory, const double* from, size_t bytes) {
    std::memcpy(memory.data(), from, bytes);
    return true;
  });
}

absl::StatusOr<Measurement> MeasureTouchByPwrite(const Request& request) {
  return MeasureTouch(request, [](const FreshMemory& memory, const double* from, size_t bytes) {
    return WriteAll(memory.fd(), reinterpret_cast<const std::byte*>(from), bytes);
  });
}

absl::StatusOr<Measurement> MeasureTouchByPopulate(const Request& request) {
  return MeasureTouch(request, [](const FreshMemory& memory, const double* from, size_t bytes) {
    if (::madvise(memory.data(), bytes, kMadvPopulateWrite) != 0) return false;
    std::memcpy(memory.data(), from, bytes);
    return true;
  });
}

}  // namespace slabpipe::bench
