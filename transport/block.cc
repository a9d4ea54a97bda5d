#include "slabpipe/transport/block.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace slabpipe {
namespace {

// What is wrong with the piece, or nothing.
absl::string_view Fault(uint64_t segment_bytes, uint64_t offset, uint64_t size,
                        uint64_t content_size) {
  if (size == 0) return "size is 0";
  if (offset % kBlockAlignmentBytes != 0) return "offset is no multiple of 64";
  if (offset >= segment_bytes) return "offset lies past the segment's end";
  if (size > segment_bytes - offset) return "offset + size lies past the segment's end";
  if (content_size > size) return "content_size is above size";
  return "";
}

absl::Status BadReference(const Lease& lease, uint64_t offset, uint64_t size, uint64_t content_size,
                          absl::string_view fault) {
  return absl::DataLossError(absl::StrCat(
      "bad reference to segment '", lease.segment().name(), "' of ", lease.segment().size_bytes(),
      " bytes, generation ", lease.generation(), " (offset ", offset, ", size ", size,
      ", content_size ", content_size, "): ", fault));
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

absl::Status CheckBlock(const Lease& lease, uint64_t offset, uint64_t size, uint64_t content_size) {
  const absl::string_view fault = Fault(lease.segment().size_bytes(), offset, size, content_size);
  if (fault.empty()) return absl::OkStatus();
  return BadReference(lease, offset, size, content_size, fault);
}

absl::StatusOr<Block> CheckedBlock(const ShmRef& ref, std::shared_ptr<const Lease> lease) {
  std::string fault;
  if (ref.name != lease->segment().name()) {
    fault = absl::StrCat("name is another segment's, '", ref.name, "'");
  } else if (ref.generation != lease->generation()) {
    fault = absl::StrCat("generation is stale: ", ref.generation);
  }
  if (!fault.empty()) {
    return BadReference(*lease, ref.offset, ref.size, ref.content_size, fault);
  }
  absl::Status inside = CheckBlock(*lease, ref.offset, ref.size, ref.content_size);
  if (!inside.ok()) return inside;
  return Block(std::move(lease), ref.offset, ref.size, ref.content_size, ref.temporary);
}

}  // namespace slabpipe
