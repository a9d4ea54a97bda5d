#include "slabpipe/transport/doorbell.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"

namespace slabpipe {
namespace {

absl::Status NoDescriptor(absl::string_view call) {
  return absl::ResourceExhaustedError(
      absl::StrCat("no descriptors for a doorbell (see ulimit -n): ",
                   absl::ErrnoToStatus(errno, call).message()));
}

}  // namespace

absl::StatusOr<Doorbell> Doorbell::ToListenTo() {
  UniqueFd listener(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!listener.valid()) return NoDescriptor("eventfd");
  UniqueFd ringer(::fcntl(listener.get(), F_DUPFD_CLOEXEC, 0));
  if (!ringer.valid()) return NoDescriptor("dup");
  return Doorbell{.ringer = std::move(ringer), .listener = std::move(listener)};
}

absl::StatusOr<Doorbell> Doorbell::ToRing() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return NoDescriptor("pipe2");
  return Doorbell{.ringer = UniqueFd(ends[1]), .listener = UniqueFd(ends[0])};
}

void RingDoorbell(int ringer) {
  const uint64_t one = 1;
  // EAGAIN: it is full, and so it rings.
  [[maybe_unused]] const ssize_t written = ::write(ringer, &one, sizeof(one));
}

void SilenceDoorbell(int listener) {
  constexpr int kMostReads = 32;  // a pipe holds no more
  uint64_t rings[256];
  iovec part = {rings, sizeof(rings)};
  for (int reads = 0; reads < kMostReads; ++reads) {
    // RWF_NOWAIT: an eventfd's O_NONBLOCK is the peer's to clear, this is not.
    ssize_t got = ::preadv2(listener, &part, 1, -1, RWF_NOWAIT);
    // A kernel or a kind of descriptor that does not know the flag.
    if (got < 0 && errno == EOPNOTSUPP) got = ::read(listener, rings, sizeof(rings));
    if (got < static_cast<ssize_t>(sizeof(rings))) return;
  }
}

}  // namespace slabpipe
