#include "slabpipe/transport/block.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace slabpipe {
namespace {

// What is wrong with the ref, or nothing.
std::string Fault(const ShmRef& ref, const Lease& lease) {
  const size_t segment_bytes = lease.segment().size_bytes();
  if (ref.name != lease.segment().name()) return "name is another segment's";
  if (ref.generation != lease.generation()) {
    return absl::StrCat("generation is stale: now at ", lease.generation());
  }
  if (ref.size == 0) return "size is 0";
  if (ref.offset % kBlockAlignmentBytes != 0) return "offset is no multiple of 64";
  if (ref.offset >= segment_bytes) {
    return absl::StrCat("offset lies past the segment's ", segment_bytes, " bytes");
  }
  if (ref.size > segment_bytes - ref.offset) {
    return absl::StrCat("offset + size lies past the segment's ", segment_bytes, " bytes");
  }
  if (ref.content_size > ref.size) return "content_size is above size";
  return "";
}

}  // namespace

ShmRef Block::ref() const {
  return {.name = lease_->segment().name(),
          .generation = lease_->generation(),
          .offset = offset_,
          .size = size_,
          .content_size = content_size_,
          .temporary = temporary_};
}

absl::Span<std::byte> Block::mutable_bytes() const {
  std::byte* base = lease_->segment().mutable_data();
  return base == nullptr ? absl::Span<std::byte>() : absl::Span<std::byte>(base + offset_, size_);
}

absl::StatusOr<Block> CheckedBlock(const ShmRef& ref, std::shared_ptr<const Lease> lease) {
  const std::string fault = Fault(ref, *lease);
  if (fault.empty()) {
    return Block(std::move(lease), ref.offset, ref.size, ref.content_size, ref.temporary);
  }
  return absl::DataLossError(absl::StrCat(
      "bad reference to segment '", ref.name, "' (generation ", ref.generation, ", offset ",
      ref.offset, ", size ", ref.size, ", content_size ", ref.content_size, "): ", fault));
}

}  // namespace slabpipe
