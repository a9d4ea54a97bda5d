#include "slabpipe/transport/memfd_segment.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

// In the kernel since 5.1; older C libraries don't declare it.
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

namespace slabpipe {
namespace {

constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;
// What a reader relies on: without SHRINK a read could end in SIGBUS; without one of the WRITE
// seals holes could be punched.
constexpr int kSealsNeeded = F_SEAL_SHRINK | F_SEAL_FUTURE_WRITE;
constexpr size_t kStatBlockBytes = 512;  // st_blocks is in these units, stat(2)

absl::Status NotAsSaid(absl::string_view name, absl::string_view why) {
  return absl::DataLossError(absl::StrCat("segment '", name, "' is not as its owner said: ", why));
}

absl::Status CheckObject(absl::string_view name, size_t size_bytes, int descriptor) {
  const int seals = ::fcntl(descriptor, F_GET_SEALS);
  if (seals < 0) return NotAsSaid(name, "its descriptor is no memfd");
  if ((seals & kSealsNeeded) != kSealsNeeded) {
    return NotAsSaid(name, "it is not sealed against shrinking and new writers");
  }
  struct stat object;
  if (::fstat(descriptor, &object) != 0) return SegmentError(name, "fstat", errno, size_bytes);
  if (static_cast<size_t>(object.st_size) != size_bytes) {
    return NotAsSaid(name, absl::StrCat("it has ", object.st_size, " bytes, not ", size_bytes));
  }
  if (static_cast<size_t>(object.st_blocks) < (size_bytes - 1) / kStatBlockBytes + 1) {
    return NotAsSaid(name, "its memory is not reserved");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Segment>> MemfdSegmentProvider::Create(absl::string_view name,
                                                                      size_t size_bytes) {
  const std::string label = absl::StrCat("slabpipe:", name);
  UniqueFd object(::memfd_create(label.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!object.valid()) return SegmentError(name, "memfd_create", errno, size_bytes);
  if (absl::Status status = ReserveMemory(name, object.get(), size_bytes); !status.ok()) {
    return status;
  }
  absl::StatusOr<std::byte*> mapping = MapSegment(name, object.get(), size_bytes, true);
  if (!mapping.ok()) return mapping.status();
  auto segment = std::make_unique<Segment>(std::string(name), *mapping, size_bytes, true,
                                           std::move(object), "");
  if (::fcntl(segment->descriptor(), F_ADD_SEALS, kSeals) != 0) {
    return SegmentError(name, "fcntl(F_ADD_SEALS)", errno, size_bytes);
  }
  return segment;
}

absl::StatusOr<std::unique_ptr<Segment>> MemfdSegmentProvider::Open(absl::string_view name,
                                                                    size_t size_bytes,
                                                                    UniqueFd descriptor) {
  if (!descriptor.valid()) return NotAsSaid(name, "no descriptor came with it");
  if (size_bytes == 0) return NotAsSaid(name, "its size is 0");
  absl::Status checked = CheckObject(name, size_bytes, descriptor.get());
  if (!checked.ok()) return checked;
  absl::StatusOr<std::byte*> mapping = MapSegment(name, descriptor.get(), size_bytes, false);
  if (!mapping.ok()) return mapping.status();
  return std::make_unique<Segment>(std::string(name), *mapping, size_bytes, false, UniqueFd(), "");
}

}  // namespace slabpipe
