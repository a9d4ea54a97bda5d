#include "slabpipe/tests/fuzz/own_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <string>

namespace slabpipe::fuzz {

absl::StatusOr<std::unique_ptr<Segment>> OwnMemory::Create(absl::string_view name,
                                                           size_t size_bytes) {
  if (name != "m.1" || (first_.valid() && size_bytes != first_bytes_)) {
    return real_.Create(name, size_bytes);
  }
  if (!first_.valid()) {
    first_ = UniqueFd(::memfd_create("fuzz:m.1", MFD_CLOEXEC));
    first_bytes_ = size_bytes;
    absl::Status reserved = ReserveMemory(name, first_.get(), size_bytes);
    if (!reserved.ok()) return reserved;
  }
  const absl::StatusOr<std::byte*> mapping = MapSegment(name, first_.get(), size_bytes, true);
  if (!mapping.ok()) return mapping.status();
  return std::make_unique<Segment>(std::string(name), *mapping, size_bytes, true,
                                   UniqueFd(::dup(first_.get())), "");
}

}  // namespace slabpipe::fuzz
