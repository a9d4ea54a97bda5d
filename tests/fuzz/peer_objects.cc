#include "slabpipe/tests/fuzz/peer_objects.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "slabpipe/tests/fuzz/check.h"
#include "slabpipe/transport/memfd_segment.h"

// In the kernel since 5.1; older C libraries don't declare it.
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

namespace slabpipe::fuzz {
namespace {

constexpr std::byte kMask{0x5a};
constexpr size_t kChangedBytes = 512;

UniqueFd MakeMemfd(size_t size_bytes, bool reserve, int seals) {
  UniqueFd object(::memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  FUZZ_CHECK(object.valid(), "memfd_create");
  const auto size = static_cast<off_t>(size_bytes);
  FUZZ_CHECK(::ftruncate(object.get(), size) == 0, "ftruncate");
  if (reserve) FUZZ_CHECK(::fallocate(object.get(), 0, 0, size) == 0, "fallocate");
  if (seals != 0) FUZZ_CHECK(::fcntl(object.get(), F_ADD_SEALS, seals) == 0, "F_ADD_SEALS");
  return object;
}

}  // namespace

std::vector<UniqueFd> PeerObjects::Make(const std::vector<MessageInput::Descriptor>& descriptors) {
  std::vector<UniqueFd> made;
  for (const MessageInput::Descriptor& descriptor : descriptors) {
    const size_t size = descriptor.size_bytes;
    switch (descriptor.kind) {
      case DescriptorKind::kSealed:
        made.push_back(MakeSealed(descriptor));
        break;
      case DescriptorKind::kUnsealed:
        made.push_back(MakeMemfd(size, true, 0));
        break;
      case DescriptorKind::kShrinkOnly:
        made.push_back(MakeMemfd(size, true, F_SEAL_SHRINK));
        break;
      case DescriptorKind::kSparse:
        made.push_back(MakeMemfd(size, false, F_SEAL_SHRINK | F_SEAL_FUTURE_WRITE));
        break;
      case DescriptorKind::kNoMemfd:
        made.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        break;
    }
  }
  return made;
}

UniqueFd PeerObjects::MakeSealed(const MessageInput::Descriptor& descriptor) {
  auto segment = MemfdSegmentProvider().Create("fuzz", descriptor.size_bytes);
  FUZZ_CHECK(segment.ok(), segment.status().ToString());
  if (!descriptor.bytes.empty()) {
    std::memcpy((*segment)->mutable_data(), descriptor.bytes.data(), descriptor.bytes.size());
  }
  segments_.push_back(*std::move(segment));
  return UniqueFd(::dup(segments_.back()->descriptor()));
}

void PeerObjects::Change() {
  for (const std::unique_ptr<Segment>& segment : segments_) {
    // Each page's first bytes: what inputs bring is short.
    for (size_t page = 0; page < segment->size_bytes(); page += kPageBytes) {
      for (size_t i = 0; i < kChangedBytes; ++i) segment->mutable_data()[page + i] ^= kMask;
    }
  }
}

}  // namespace slabpipe::fuzz
