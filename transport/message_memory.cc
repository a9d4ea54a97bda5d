#include "slabpipe/transport/message_memory.h"

#include <limits>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"

namespace slabpipe {
namespace {

constexpr uint16_t kNoDescriptor = 0xffff;
// Cap'n Proto can state a long list in few bytes; this bounds the memory that one costs here.
constexpr unsigned kMaxRefs = 1u << 22;
// More than a peer may have (PeerSegmentsOptions::max_segments) and more than a message needs.
constexpr unsigned kMaxSegments = 4096;

absl::string_view View(capnp::Text::Reader text) { return {text.cStr(), text.size()}; }

// Takes the descriptor that a grant names out of those that came with the message.
absl::StatusOr<UniqueFd> TakeDescriptor(uint16_t index, std::vector<UniqueFd>& descriptors) {
  if (index == kNoDescriptor) return UniqueFd();
  if (index < descriptors.size() && descriptors[index].valid())
    return std::move(descriptors[index]);
  return absl::DataLossError(absl::StrCat("a segment refers to descriptor ", index, ", but ",
                                          descriptors.size(), " came, each for one segment"));
}

absl::Status AcceptReturns(schemas::MemoryTable::Reader table, ShmPool& pool) {
  for (const schemas::LeaseReturn::Reader returned : table.getReturns()) {
    absl::Status status =
        pool.heap()->Return(returned.getSlot(), returned.getGeneration(), returned.getCount());
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status AcceptRetired(schemas::MemoryTable::Reader table, ShmPool& pool) {
  for (const uint32_t slot : table.getRetired()) {
    if (absl::Status status = pool.peer()->Retire(slot); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

// If another peer has taken the old one's place since, there is nothing to take back: the new one
// has never heard of any of it.
OutgoingMemory::~OutgoingMemory() {
  if (committed_ || peer_ == nullptr) return;
  if (peer_ != pool_.peer()) {
    if (!retired_.empty()) pool_.heap()->RetiredSent(retired_);
    return;
  }
  for (const SegmentGrantInfo& grant : grants_) pool_.heap()->Ungrant(grant);
  if (!returns_.empty()) peer_->RestoreReturns(returns_);
  if (!retired_.empty()) pool_.heap()->RestoreRetired(retired_);
}

absl::StatusOr<uint32_t> OutgoingMemory::Add(const Block& block) {
  if (block.lease() == nullptr) {
    refs_.push_back({});
    return ref_count() - 1;
  }
  if (!pool_.CanRefer(block)) {
    return absl::FailedPreconditionError(
        absl::StrCat("the block lies in segment '", block.lease()->segment().name(),
                     "', which is of another session: its bytes must be copied"));
  }
  const size_t offset_units = block.offset() / kBlockAlignmentBytes;
  const size_t segment = SegmentIndex(block.lease());
  if (offset_units > std::numeric_limits<uint32_t>::max() || segment >= kMaxSegments) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a message refers to at most ", kMaxSegments,
        " segments, and to blocks in the first 256 GiB of each; this one is in segment ", segment,
        " at byte ", block.offset()));
  }
  refs_.push_back({.size = block.size(),
                   .content_size = block.content_size(),
                   .offset_units = static_cast<uint32_t>(offset_units),
                   .segment = static_cast<uint16_t>(segment),
                   .temporary = block.temporary()});
  return ref_count() - 1;
}

// Most messages have one segment, or the same one many times in a row: the search begins at the
// end.
size_t OutgoingMemory::SegmentIndex(const std::shared_ptr<const Lease>& lease) {
  for (size_t i = leases_.size(); i > 0; --i) {
    const Lease& known = *leases_[i - 1];
    if (&known.segment() == &lease->segment() && known.generation() == lease->generation()) {
      return i - 1;
    }
  }
  leases_.push_back(lease);
  return leases_.size() - 1;
}

void OutgoingMemory::Write(absl::FunctionRef<schemas::MemoryTable::Builder()> init_table,
                           std::vector<int>& descriptors) {
  if (refs_.empty() && !pool_.HasNews()) return;
  peer_ = pool_.peer();
  const schemas::MemoryTable::Builder table = init_table();
  WriteSegments(table, descriptors);
  WriteRefs(table);
  WriteReturns(table);
  WriteRetired(table);
}

// A segment of the peer's is an echo: named, not granted.
void OutgoingMemory::WriteSegments(schemas::MemoryTable::Builder table,
                                   std::vector<int>& descriptors) {
  if (leases_.empty()) return;
  auto segments = table.initSegments(static_cast<unsigned>(leases_.size()));
  for (unsigned i = 0; i < segments.size(); ++i) {
    const Lease& lease = *leases_[i];
    segments[i].setSlot(lease.slot());
    segments[i].setGeneration(lease.generation());
    if (lease.origin() != pool_.heap().get()) {
      segments[i].setEcho(true);
      continue;
    }
    grants_.push_back(pool_.heap()->Grant(lease));
    const Segment* first = grants_.back().first.get();
    if (first == nullptr) continue;
    segments[i].initSegment().setName(first->name().c_str());
    segments[i].getSegment().setSizeBytes(first->size_bytes());
    if (first->descriptor() < 0) continue;
    segments[i].setDescriptor(static_cast<uint16_t>(descriptors.size()));
    descriptors.push_back(first->descriptor());
  }
}

void OutgoingMemory::WriteRefs(schemas::MemoryTable::Builder table) {
  if (refs_.empty()) return;
  auto refs = table.initRefs(ref_count());
  for (unsigned i = 0; i < refs.size(); ++i) {
    schemas::ShmRef::Builder ref = refs[i];
    ref.setSegment(refs_[i].segment);
    ref.setTemporary(refs_[i].temporary);
    ref.setOffsetUnits(refs_[i].offset_units);
    ref.setSize(refs_[i].size);
    ref.setContentSize(refs_[i].content_size);
  }
}

void OutgoingMemory::WriteReturns(schemas::MemoryTable::Builder table) {
  if (!peer_->HasReturns()) return;
  returns_ = peer_->TakeReturns();
  auto returns = table.initReturns(static_cast<unsigned>(returns_.size()));
  for (unsigned i = 0; i < returns.size(); ++i) {
    returns[i].setSlot(returns_[i].slot);
    returns[i].setGeneration(returns_[i].generation);
    returns[i].setCount(returns_[i].count);
  }
}

void OutgoingMemory::WriteRetired(schemas::MemoryTable::Builder table) {
  if (!pool_.heap()->HasRetired()) return;
  retired_ = pool_.heap()->TakeRetired();
  auto retired = table.initRetired(static_cast<unsigned>(retired_.size()));
  for (unsigned i = 0; i < retired.size(); ++i) retired.set(i, retired_[i]);
}

void OutgoingMemory::Commit() {
  committed_ = true;
  pool_.MessageSent();
  // Now, while the peer is at work on the message, and not when its answer is awaited.
  pool_.heap()->DrainLog();
  if (!retired_.empty()) pool_.heap()->RetiredSent(retired_);
}

absl::StatusOr<IncomingMemory> IncomingMemory::Accept(schemas::MemoryTable::Reader table,
                                                      std::vector<UniqueFd>& descriptors,
                                                      ShmPool& pool) {
  IncomingMemory memory;
  absl::Status status = memory.AcceptSegments(table, descriptors, pool);
  if (status.ok()) status = memory.AcceptRefs(table);
  if (status.ok()) status = AcceptReturns(table, pool);
  if (status.ok()) status = AcceptRetired(table, pool);
  if (status.ok()) status = pool.heap()->MessageAccepted();
  if (!status.ok()) return status;
  return memory;
}

absl::Status IncomingMemory::AcceptSegments(schemas::MemoryTable::Reader table,
                                            std::vector<UniqueFd>& descriptors, ShmPool& pool) {
  const auto segments = table.getSegments();
  if (segments.size() == 0) return absl::OkStatus();
  if (segments.size() > kMaxSegments) {
    return absl::DataLossError(absl::StrCat("a message names ", segments.size(),
                                            " segments; at most ", kMaxSegments, " are allowed"));
  }
  const std::shared_ptr<PeerSegments> peer = pool.peer();
  absl::flat_hash_set<std::pair<bool, uint32_t>> named;
  for (const schemas::SegmentGrant::Reader grant : segments) {
    const bool echo = grant.getEcho();
    if (segments.size() > 1 && !named.emplace(echo, grant.getSlot()).second) {
      return absl::DataLossError(
          absl::StrCat("a message names the segment in slot ", grant.getSlot(), " twice"));
    }
    absl::StatusOr<UniqueFd> descriptor = TakeDescriptor(grant.getDescriptor(), descriptors);
    if (!descriptor.ok()) return descriptor.status();
    if (echo && (descriptor->valid() || grant.hasSegment())) {
      return absl::DataLossError(absl::StrCat("the peer announces the segment in slot ",
                                              grant.getSlot(), ", which is this side's own"));
    }
    const bool first = grant.hasSegment();
    absl::StatusOr<std::shared_ptr<const Lease>> lease =
        echo ? pool.heap()->FindGranted(grant.getSlot(), grant.getGeneration())
             : peer->Accept({.slot = grant.getSlot(),
                             .generation = grant.getGeneration(),
                             .first = first,
                             .name = first ? View(grant.getSegment().getName()) : "",
                             .size_bytes = first ? grant.getSegment().getSizeBytes() : 0},
                            *std::move(descriptor));
    if (!lease.ok()) return lease.status();
    pool.Pin(*lease);
    segment_bytes_ += (*lease)->segment().size_bytes();
    leases_.push_back(*std::move(lease));
  }
  return absl::OkStatus();
}

// Temporary blocks are copied when they are decoded. All of them together are no larger than what
// there is: otherwise a few bytes of message could name the same memory again and again, and have
// it copied as often.
absl::Status IncomingMemory::AcceptRefs(schemas::MemoryTable::Reader table) {
  const auto refs = table.getRefs();
  if (refs.size() == 0) return absl::OkStatus();
  if (refs.size() > kMaxRefs) {
    return absl::DataLossError(absl::StrCat("a message has ", refs.size(), " references; at most ",
                                            kMaxRefs, " are allowed"));
  }
  uint64_t to_copy = segment_bytes_;
  refs_.reserve(refs.size());
  for (const schemas::ShmRef::Reader in : refs) {
    const Ref ref = {.offset = uint64_t{in.getOffsetUnits()} * kBlockAlignmentBytes,
                     .size = in.getSize(),
                     .content_size = in.getContentSize(),
                     .segment = in.getSegment(),
                     .temporary = in.getTemporary()};
    if (ref.size == 0) {
      if (absl::Status status = CheckEmpty(ref); !status.ok()) return status;
      refs_.push_back(ref);
      continue;
    }
    if (ref.segment >= leases_.size()) {
      return absl::DataLossError(absl::StrCat("a reference names segment ", ref.segment, " of ",
                                              leases_.size(), " in the message"));
    }
    absl::Status inside = CheckBlock(*leases_[ref.segment], ref.offset, ref.size, ref.content_size);
    if (!inside.ok()) return inside;
    if (ref.temporary && ref.content_size > to_copy) {
      return absl::DataLossError("a message's temporary blocks are larger than its segments");
    }
    if (ref.temporary) to_copy -= ref.content_size;
    refs_.push_back(ref);
  }
  return absl::OkStatus();
}

absl::Status IncomingMemory::CheckEmpty(const Ref& ref) {
  if (ref.offset == 0 && ref.content_size == 0 && ref.segment == 0 && !ref.temporary) {
    return absl::OkStatus();
  }
  return absl::DataLossError(absl::StrCat(
      "bad reference: size is 0, but not all of offset (", ref.offset, "), content_size (",
      ref.content_size, "), segment (", ref.segment, ") and temporary (", ref.temporary, ")"));
}

absl::StatusOr<Block> IncomingMemory::Attach(uint64_t index) const {
  if (index >= refs_.size()) {
    return absl::DataLossError(
        absl::StrCat("there is no reference ", index, " of ", refs_.size(), " in the message"));
  }
  const Ref& ref = refs_[index];
  if (ref.size == 0) return Block();
  return Block(leases_[ref.segment], ref.offset, ref.size, ref.content_size, ref.temporary);
}

}  // namespace slabpipe
