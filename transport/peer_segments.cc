#include "slabpipe/transport/peer_segments.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "slabpipe/transport/fork_watch.h"

namespace slabpipe {

class PeerSegments::ReaderLease : public Lease {
 public:
  ReaderLease(std::shared_ptr<PeerSegments> home, const Entry& entry, uint32_t slot)
      : Lease(entry.segment, slot, entry.generation, home.get()), home_(std::move(home)) {}
  // In a copy of this process it is the other's still, and its log, in shared memory, is not
  // this one's to write.
  ~ReaderLease() override {
    if (!fork_watch_.in_forked_child()) home_->LeaseDied(*this);
  }

  // How many grants end with this lease. Guarded by the home's mutex.
  uint32_t grants = 0;

 private:
  const std::shared_ptr<PeerSegments> home_;
  const ForkWatch fork_watch_;
};

std::shared_ptr<PeerSegments> PeerSegments::Create(PeerSegmentsOptions options,
                                                   std::shared_ptr<SegmentProvider> provider) {
  return std::shared_ptr<PeerSegments>(new PeerSegments(std::move(options), std::move(provider)));
}

PeerSegments::PeerSegments(PeerSegmentsOptions options, std::shared_ptr<SegmentProvider> provider)
    : options_(std::move(options)), provider_(std::move(provider)) {}

PeerSegments::~PeerSegments() = default;

absl::StatusOr<std::shared_ptr<const Lease>> PeerSegments::Accept(const ReceivedGrant& grant,
                                                                  UniqueFd descriptor) {
  // A lease that expires while the lock is held would lock again: `previous` outlives the lock.
  std::shared_ptr<ReaderLease> previous;
  std::lock_guard<std::mutex> lock(mutex_);
  absl::StatusOr<Entry*> found = FindOrMap(grant, std::move(descriptor));
  if (!found.ok()) return found.status();
  Entry& entry = **found;
  previous = entry.lease.lock();
  absl::Status current = CheckGeneration(entry, grant);
  if (!current.ok()) return current;
  if (previous == nullptr) {
    entry.generation = grant.generation;
    previous = std::make_shared<ReaderLease>(shared_from_this(), entry, grant.slot);
    entry.lease = previous;
  }
  ++previous->grants;
  return std::shared_ptr<const Lease>(previous);
}

PeerSegments::Entry* PeerSegments::FindSlot(uint32_t slot) {
  if (slot >= entries_.size() || entries_[slot].segment == nullptr) return nullptr;
  return &entries_[slot];
}

absl::StatusOr<PeerSegments::Entry*> PeerSegments::FindOrMap(const ReceivedGrant& grant,
                                                             UniqueFd descriptor) {
  Entry* known = FindSlot(grant.slot);
  if (known == nullptr && grant.first) return Map(grant, std::move(descriptor));
  if (known == nullptr) {
    return absl::DataLossError(absl::StrCat("the peer grants a segment in slot ", grant.slot,
                                            ", which is not known here"));
  }
  if (grant.first || descriptor.valid()) {
    return absl::DataLossError(absl::StrCat("segment '", known->segment->name(), "' in slot ",
                                            grant.slot, " is known, and the peer announces ",
                                            descriptor.valid() ? "another descriptor" : "another"));
  }
  return known;
}

absl::StatusOr<PeerSegments::Entry*> PeerSegments::Map(const ReceivedGrant& grant,
                                                       UniqueFd descriptor) {
  const std::string name(grant.name);
  if (!IsValidSegmentName(name) || !absl::StartsWith(name, options_.name_prefix)) {
    return absl::DataLossError(absl::StrCat("a segment of the peer's must be named '",
                                            options_.name_prefix,
                                            "...' in letters, digits and ._-"));
  }
  if (slot_of_name_.contains(name)) {
    return absl::DataLossError(
        absl::StrCat("the peer announces segment '", name, "' once more, in slot ", grant.slot));
  }
  // Slots are given out from the lowest; those of segments that are being retired are not free yet.
  if (slot_of_name_.size() >= options_.max_segments || grant.slot >= 2 * options_.max_segments) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the peer has more than ", options_.max_segments, " segments (max_segments)"));
  }
  absl::StatusOr<std::unique_ptr<Segment>> segment =
      provider_->Open(name, grant.size_bytes, std::move(descriptor));
  if (!segment.ok()) return segment.status();
  ++segments_mapped_;
  bytes_ += grant.size_bytes;
  if (grant.slot >= entries_.size()) entries_.resize(grant.slot + 1);
  slot_of_name_[name] = grant.slot;
  Entry& entry = entries_[grant.slot];
  entry = Entry();
  entry.segment = *std::move(segment);
  return &entry;
}

// A generation may come again while it is leased (another message about the same use) and a newer
// one once it is not.
absl::Status PeerSegments::CheckGeneration(const Entry& entry, const ReceivedGrant& grant) const {
  const bool leased = !entry.lease.expired();
  if (leased ? grant.generation == entry.generation : grant.generation >= entry.generation) {
    if (grant.generation > 0) return absl::OkStatus();
  }
  return absl::DataLossError(absl::StrCat("the peer grants generation ", grant.generation,
                                          " of segment '", entry.segment->name(),
                                          "' while generation ", entry.generation,
                                          leased ? " is still leased here" : " has been here"));
}

absl::StatusOr<std::shared_ptr<const Lease>> PeerSegments::Find(absl::string_view name,
                                                                uint64_t generation) const {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto known = slot_of_name_.find(std::string(name));
  if (known != slot_of_name_.end() && entries_[known->second].generation == generation) {
    std::shared_ptr<const Lease> lease = entries_[known->second].lease.lock();
    if (lease != nullptr) return lease;
  }
  return absl::NotFoundError(
      absl::StrCat("no lease is held on generation ", generation, " of a segment '", name, "'"));
}

absl::Status PeerSegments::Retire(uint32_t slot) {
  std::shared_ptr<const Segment> dropped;  // unmapped after the lock is gone
  std::lock_guard<std::mutex> lock(mutex_);
  Entry* known = FindSlot(slot);
  if (known == nullptr) {
    return absl::DataLossError(
        absl::StrCat("the peer retires the segment in slot ", slot, ", which is not known here"));
  }
  if (!known->lease.expired()) {
    return absl::DataLossError(absl::StrCat("the peer retires segment '", known->segment->name(),
                                            "', which is still leased here"));
  }
  bytes_ -= known->segment->size_bytes();
  slot_of_name_.erase(known->segment->name());
  dropped = std::move(known->segment);
  *known = Entry();
  return absl::OkStatus();
}

void PeerSegments::AttachLog(std::unique_ptr<LeaseLogWriter> log) {
  std::lock_guard<std::mutex> lock(mutex_);
  log_ = std::move(log);
  messages_sent_ = 0;
}

std::vector<ReturnedLease> PeerSegments::TakeReturns() {
  std::lock_guard<std::mutex> lock(mutex_);
  has_returns_ = false;
  return std::exchange(returns_, {});
}

void PeerSegments::Forget() {
  std::vector<Entry> dropped;  // unmapped after the lock is gone
  std::lock_guard<std::mutex> lock(mutex_);
  forgotten_ = true;
  bytes_ = 0;
  returns_.clear();
  has_returns_ = false;
  log_ = nullptr;
  slot_of_name_.clear();
  dropped.swap(entries_);
}

PeerSegmentsStats PeerSegments::stats() const {
  std::lock_guard<std::mutex> lock(mutex_);
  PeerSegmentsStats stats = {
      .segments_mapped = segments_mapped_, .segments = slot_of_name_.size(), .bytes = bytes_};
  for (const Entry& entry : entries_) stats.leases += entry.lease.expired() ? 0 : 1;
  return stats;
}

void PeerSegments::RestoreReturns(absl::Span<const ReturnedLease> returns) {
  std::lock_guard<std::mutex> lock(mutex_);
  for (const ReturnedLease& returned : returns) AddReturn(returned);
}

void PeerSegments::LeaseDied(const ReaderLease& lease) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (forgotten_) return;
  const ReturnedLease returned = {
      .slot = lease.slot(), .count = lease.grants, .generation = lease.generation()};
  // Relaxed: whoever drops the last hold on a lease does so after the sends that named it.
  const uint64_t sent = messages_sent_.load(std::memory_order_relaxed);
  if (log_ != nullptr && log_->Append(returned.slot, returned.count, sent)) return;
  AddReturn(returned);
}

void PeerSegments::AddReturn(const ReturnedLease& returned) {
  if (forgotten_) return;
  has_returns_ = true;
  for (ReturnedLease& known : returns_) {
    if (known.slot == returned.slot && known.generation == returned.generation) {
      known.count += returned.count;
      return;
    }
  }
  returns_.push_back(returned);
}

}  // namespace slabpipe
