#include "slabpipe/transport/control_block.h"

#include <sys/stat.h>

#include <bit>
#include <cstring>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "slabpipe/transport/memfd_segment.h"

namespace slabpipe {
namespace {

constexpr uint32_t kLeastRingBytes = 4u << 10;
constexpr uint32_t kMostRingBytes = 64u << 20;
constexpr uint32_t kMostLogEntries = 1u << 16;
constexpr char kName[] = "control";

// Where the parts lie, of either side's view.
template <typename View, typename Byte>
View ViewAt(Byte* memory, const ControlSizes& sizes) {
  View view;
  view.header = reinterpret_cast<decltype(view.header)>(memory);
  view.ring = memory + sizeof(ControlHeader);
  view.log = reinterpret_cast<decltype(view.log)>(view.ring + sizes.ring_bytes);
  view.sizes = sizes;
  return view;
}

}  // namespace

bool AreSound(const ControlSizes& sizes) {
  return std::has_single_bit(sizes.ring_bytes) && sizes.ring_bytes >= kLeastRingBytes &&
         sizes.ring_bytes <= kMostRingBytes && std::has_single_bit(sizes.log_entries) &&
         sizes.log_entries <= kMostLogEntries;
}

OwnControl FormatControl(std::byte* memory, const ControlSizes& sizes) {
  auto* header = new (memory) ControlHeader;
  header->ring_bytes = sizes.ring_bytes;
  header->log_entries = sizes.log_entries;
  return ViewAt<OwnControl>(memory, sizes);
}

PeerControl ViewControl(const std::byte* memory, const ControlSizes& sizes) {
  return ViewAt<PeerControl>(memory, sizes);
}

absl::StatusOr<ControlSegment> ControlSegment::Create(const ControlSizes& sizes) {
  if (!AreSound(sizes)) {
    return absl::InvalidArgumentError(absl::StrCat("a ring has a power of two of bytes, from ",
                                                   kLeastRingBytes, " to ", kMostRingBytes,
                                                   " (or 0 for none), not ", sizes.ring_bytes));
  }
  absl::StatusOr<std::unique_ptr<Segment>> segment =
      MemfdSegmentProvider().Create(kName, sizes.total_bytes());
  if (!segment.ok()) return segment.status();
  ControlSegment control;
  control.segment_ = *std::move(segment);
  control.view_ = FormatControl(control.segment_->mutable_data(), sizes);
  return control;
}

absl::StatusOr<PeerControlSegment> PeerControlSegment::Open(UniqueFd descriptor) {
  struct stat object = {};
  if (::fstat(descriptor.get(), &object) != 0 ||
      static_cast<size_t>(object.st_size) < sizeof(ControlHeader)) {
    return absl::DataLossError("the peer's control block is too small, or no memory object");
  }
  const auto size_bytes = static_cast<size_t>(object.st_size);
  absl::StatusOr<std::unique_ptr<Segment>> segment =
      MemfdSegmentProvider().Open(kName, size_bytes, std::move(descriptor));
  if (!segment.ok()) return segment.status();
  // The identity is copied before it is checked: the peer can still write to it.
  uint32_t identity[4];
  std::memcpy(identity, (*segment)->data(), sizeof(identity));
  const ControlSizes sizes = {.ring_bytes = identity[2], .log_entries = identity[3]};
  if (identity[0] != ControlHeader::kMagic || identity[1] != ControlHeader::kVersion ||
      !AreSound(sizes) || sizes.total_bytes() != size_bytes) {
    return absl::DataLossError(absl::StrCat(
        "the peer's control block is none of version ", ControlHeader::kVersion, ": magic ",
        identity[0], ", version ", identity[1], ", ring of ", sizes.ring_bytes, " bytes, log of ",
        sizes.log_entries, " entries in ", size_bytes, " bytes"));
  }
  PeerControlSegment control;
  control.segment_ = *std::move(segment);
  control.view_ = ViewControl(control.segment_->data(), sizes);
  return control;
}

}  // namespace slabpipe
