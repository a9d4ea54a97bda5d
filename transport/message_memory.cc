#include "slabpipe/transport/message_memory.h"

#include <string>
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
    absl::Status status = pool.heap()->Return(View(returned.getName()), returned.getGeneration(),
                                              returned.getCount());
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status AcceptRetired(schemas::MemoryTable::Reader table, ShmPool& pool) {
  for (const capnp::Text::Reader name : table.getRetired()) {
    if (absl::Status status = pool.peer()->Retire(View(name)); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

// If another peer has taken the old one's place since, there is nothing to take back: the new one
// has never heard of any of it.
OutgoingMemory::~OutgoingMemory() {
  if (committed_ || peer_ != pool_.peer()) return;
  for (const SegmentGrantInfo& grant : grants_) pool_.heap()->Ungrant(grant);
  if (!returns_.empty()) peer_->RestoreReturns(returns_);
  if (!retired_.empty()) pool_.heap()->RestoreRetired(std::move(retired_));
}

absl::StatusOr<uint32_t> OutgoingMemory::Add(const Block& block) {
  if (!pool_.CanRefer(block)) {
    return absl::FailedPreconditionError(
        absl::StrCat("the block lies in segment '", block.lease()->segment().name(),
                     "', which is of another session: its bytes must be copied"));
  }
  refs_.push_back({.segment = SegmentIndex(block.lease()),
                   .temporary = block.temporary(),
                   .offset = block.offset(),
                   .size = block.size(),
                   .content_size = block.content_size()});
  return ref_count() - 1;
}

// Most messages have one segment, or the same one many times in a row: the search begins at the
// end.
uint32_t OutgoingMemory::SegmentIndex(const std::shared_ptr<const Lease>& lease) {
  for (size_t i = leases_.size(); i > 0; --i) {
    const Lease& known = *leases_[i - 1];
    if (&known.segment() == &lease->segment() && known.generation() == lease->generation()) {
      return static_cast<uint32_t>(i - 1);
    }
  }
  leases_.push_back(lease);
  return static_cast<uint32_t>(leases_.size() - 1);
}

// A segment of the peer's is an echo: named, not granted.
SegmentGrantInfo OutgoingMemory::DescribeSegment(const Lease& lease) {
  if (lease.origin() != pool_.heap().get()) {
    return {.name = lease.segment().name(),
            .generation = lease.generation(),
            .size_bytes = lease.segment().size_bytes()};
  }
  grants_.push_back(pool_.heap()->Grant(lease));
  return grants_.back();
}

void OutgoingMemory::Write(schemas::MemoryTable::Builder table, std::vector<int>& descriptors) {
  peer_ = pool_.peer();
  if (!leases_.empty()) {
    auto segments = table.initSegments(static_cast<unsigned>(leases_.size()));
    for (unsigned i = 0; i < segments.size(); ++i) {
      const SegmentGrantInfo info = DescribeSegment(*leases_[i]);
      segments[i].setName(info.name.c_str());
      segments[i].setSizeBytes(info.size_bytes);
      segments[i].setGeneration(info.generation);
      if (info.descriptor < 0) continue;
      segments[i].setDescriptor(static_cast<uint16_t>(descriptors.size()));
      descriptors.push_back(info.descriptor);
    }
    auto refs = table.initRefs(ref_count());
    for (unsigned i = 0; i < refs.size(); ++i) {
      refs[i].setSegment(refs_[i].segment);
      refs[i].setTemporary(refs_[i].temporary);
      refs[i].setOffset(refs_[i].offset);
      refs[i].setSize(refs_[i].size);
      refs[i].setContentSize(refs_[i].content_size);
    }
  }
  returns_ = peer_->TakeReturns();
  if (!returns_.empty()) {
    auto returns = table.initReturns(static_cast<unsigned>(returns_.size()));
    for (unsigned i = 0; i < returns.size(); ++i) {
      returns[i].setName(returns_[i].name.c_str());
      returns[i].setGeneration(returns_[i].generation);
      returns[i].setCount(returns_[i].count);
    }
  }
  retired_ = pool_.heap()->TakeRetired();
  if (!retired_.empty()) {
    auto retired = table.initRetired(static_cast<unsigned>(retired_.size()));
    for (unsigned i = 0; i < retired.size(); ++i) retired.set(i, retired_[i].c_str());
  }
}

absl::StatusOr<IncomingMemory> IncomingMemory::Accept(schemas::MemoryTable::Reader table,
                                                      std::vector<UniqueFd>& descriptors,
                                                      ShmPool& pool) {
  IncomingMemory memory;
  absl::Status status = memory.AcceptSegments(table, descriptors, pool);
  if (status.ok()) status = memory.AcceptRefs(table);
  if (status.ok()) status = AcceptReturns(table, pool);
  if (status.ok()) status = AcceptRetired(table, pool);
  if (!status.ok()) return status;
  return memory;
}

absl::Status IncomingMemory::AcceptSegments(schemas::MemoryTable::Reader table,
                                            std::vector<UniqueFd>& descriptors, ShmPool& pool) {
  const std::shared_ptr<PeerSegments> peer = pool.peer();
  if (table.getSegments().size() > kMaxSegments) {
    return absl::DataLossError(absl::StrCat("a message names ", table.getSegments().size(),
                                            " segments; at most ", kMaxSegments, " are allowed"));
  }
  absl::flat_hash_set<std::string> names;
  for (const schemas::SegmentGrant::Reader grant : table.getSegments()) {
    if (!names.insert(std::string(View(grant.getName()))).second) {
      return absl::DataLossError(
          absl::StrCat("a message names segment '", View(grant.getName()), "' twice"));
    }
    const absl::string_view name = View(grant.getName());
    absl::StatusOr<UniqueFd> descriptor = TakeDescriptor(grant.getDescriptor(), descriptors);
    if (!descriptor.ok()) return descriptor.status();
    const bool echo = pool.heap()->OwnsName(name);
    if (echo && descriptor->valid()) {
      return absl::DataLossError(
          absl::StrCat("the peer sends a descriptor for segment '", name, "' of this side's"));
    }
    absl::StatusOr<std::shared_ptr<const Lease>> lease =
        echo ? pool.heap()->FindGranted(name, grant.getGeneration())
             : peer->Accept({.name = name,
                             .generation = grant.getGeneration(),
                             .size_bytes = grant.getSizeBytes()},
                            *std::move(descriptor));
    if (!lease.ok()) return lease.status();
    pool.Pin(*lease);
    leases_.push_back(*std::move(lease));
  }
  return absl::OkStatus();
}

// Temporary blocks are copied when they are decoded. All of them together are no larger than what
// there is: otherwise a few bytes of message could name the same memory again and again, and have
// it copied as often.
absl::Status IncomingMemory::AcceptRefs(schemas::MemoryTable::Reader table) {
  const auto refs = table.getRefs();
  if (refs.size() > kMaxRefs) {
    return absl::DataLossError(absl::StrCat("a message has ", refs.size(), " references; at most ",
                                            kMaxRefs, " are allowed"));
  }
  uint64_t to_copy = 0;
  for (const std::shared_ptr<const Lease>& lease : leases_)
    to_copy += lease->segment().size_bytes();
  blocks_.reserve(refs.size());
  for (const schemas::ShmRef::Reader ref : refs) {
    if (ref.getSegment() >= leases_.size()) {
      return absl::DataLossError(absl::StrCat("a reference names segment ", ref.getSegment(),
                                              " of ", leases_.size(), " in the message"));
    }
    const std::shared_ptr<const Lease>& lease = leases_[ref.getSegment()];
    absl::StatusOr<Block> block = CheckedBlock({.name = lease->segment().name(),
                                                .generation = lease->generation(),
                                                .offset = ref.getOffset(),
                                                .size = ref.getSize(),
                                                .content_size = ref.getContentSize(),
                                                .temporary = ref.getTemporary()},
                                               lease);
    if (!block.ok()) return block.status();
    if (block->temporary() && block->content_size() > to_copy) {
      return absl::DataLossError("a message's temporary blocks are larger than its segments");
    }
    if (block->temporary()) to_copy -= block->content_size();
    blocks_.push_back(*std::move(block));
  }
  return absl::OkStatus();
}

absl::StatusOr<Block> IncomingMemory::Attach(uint32_t index) const {
  if (index < blocks_.size()) return blocks_[index];
  return absl::DataLossError(
      absl::StrCat("there is no reference ", index, " of ", blocks_.size(), " in the message"));
}

}  // namespace slabpipe
