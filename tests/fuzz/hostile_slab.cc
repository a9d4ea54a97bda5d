#include "slabpipe/tests/fuzz/hostile_slab.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "slabpipe/tests/fuzz/check.h"
#include "slabpipe/tests/fuzz/decoder_input.h"
#include "slabpipe/transport/memfd_segment.h"

// Abseil may define __has_feature where the compiler does not.
#if defined(__SANITIZE_ADDRESS__)
#define SLABPIPE_FUZZ_POISONS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLABPIPE_FUZZ_POISONS 1
#endif
#endif

#if defined(SLABPIPE_FUZZ_POISONS)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

namespace slabpipe::fuzz {
namespace {

constexpr char kName[] = "w.1";
constexpr uint8_t kPadding = 'a';

}  // namespace

HostileSlab::HostileSlab() {
  auto created = MemfdSegmentProvider().Create(kName, kSlabBytes);
  FUZZ_CHECK(created.ok(), created.status().ToString());
  segment_ = *std::move(created);
}

void HostileSlab::Fill(absl::Span<const uint8_t> bytes, size_t used_bytes) {
  FUZZ_CHECK(used_bytes <= kSlabBytes, "a ref reaches out of the slab");
  const size_t filled = std::min(bytes.size(), used_bytes);
  if (filled > 0) std::memcpy(segment_->mutable_data(), bytes.data(), filled);
  std::memset(segment_->mutable_data() + filled, kPadding, used_bytes - filled);
  used_bytes_ = used_bytes;
}

void HostileSlab::Change(uint8_t mask) {
  std::byte* const bytes = segment_->mutable_data();
  for (size_t i = 0; i < used_bytes_; ++i) bytes[i] ^= std::byte{mask};
}

void HostileSlab::Grant(schemas::SegmentGrant::Builder grant, std::vector<UniqueFd>& descriptors) {
  grant.setGeneration(++generation_);
  if (generation_ > 1) return;
  grant.initSegment().setName(kName);
  grant.getSegment().setSizeBytes(kSlabBytes);
  grant.setDescriptor(static_cast<uint16_t>(descriptors.size()));
  descriptors.emplace_back(::dup(segment_->descriptor()));
}

void HostileSlab::AllowOnly(const Segment& mapping, absl::Span<const Block> blocks) {
  ASAN_POISON_MEMORY_REGION(mapping.data(), mapping.size_bytes());
  for (const Block& block : blocks) {
    ASAN_UNPOISON_MEMORY_REGION(block.data(), block.content_size());
  }
}

void HostileSlab::AllowAll(const Segment& mapping) {
  ASAN_UNPOISON_MEMORY_REGION(mapping.data(), mapping.size_bytes());
}

}  // namespace slabpipe::fuzz
