#include "slabpipe/transport/peer_segments.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace slabpipe {

class PeerSegments::ReaderLease : public Lease {
 public:
  ReaderLease(std::shared_ptr<PeerSegments> home, const Entry& entry)
      : Lease(entry.segment, entry.generation, home.get()), home_(std::move(home)) {}
  ~ReaderLease() override { home_->LeaseDied(*this); }

  // How many grants end with this lease. Guarded by the home's mutex.
  uint64_t grants = 0;

 private:
  const std::shared_ptr<PeerSegments> home_;
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
    previous = std::make_shared<ReaderLease>(shared_from_this(), entry);
    entry.lease = previous;
  }
  ++previous->grants;
  return std::shared_ptr<const Lease>(previous);
}

absl::StatusOr<PeerSegments::Entry*> PeerSegments::FindOrMap(const ReceivedGrant& grant,
                                                             UniqueFd descriptor) {
  const std::string name(grant.name);
  const auto known = entries_.find(name);
  if (known != entries_.end()) {
    Entry& entry = known->second;
    if (descriptor.valid() || entry.segment->size_bytes() != grant.size_bytes) {
      return absl::DataLossError(
          absl::StrCat("segment '", name, "' is known, with ", entry.segment->size_bytes(),
                       " bytes; the peer now announces ", grant.size_bytes, " bytes",
                       descriptor.valid() ? " and sends another descriptor" : ""));
    }
    return &entry;
  }
  if (!IsValidSegmentName(name) || !absl::StartsWith(name, options_.name_prefix)) {
    return absl::DataLossError(absl::StrCat("a segment of the peer's must be named '",
                                            options_.name_prefix,
                                            "...' in letters, digits and ._-"));
  }
  if (entries_.size() >= options_.max_segments) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the peer has more than ", options_.max_segments, " segments (max_segments)"));
  }
  absl::StatusOr<std::unique_ptr<Segment>> segment =
      provider_->Open(name, grant.size_bytes, std::move(descriptor));
  if (!segment.ok()) return segment.status();
  ++segments_mapped_;
  bytes_ += grant.size_bytes;
  Entry& entry = entries_[name];
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
                                          " of segment '", grant.name, "' while generation ",
                                          entry.generation,
                                          leased ? " is still leased here" : " has been here"));
}

absl::StatusOr<std::shared_ptr<const Lease>> PeerSegments::Find(absl::string_view name,
                                                                uint64_t generation) const {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto known = entries_.find(std::string(name));
  if (known != entries_.end() && known->second.generation == generation) {
    std::shared_ptr<const Lease> lease = known->second.lease.lock();
    if (lease != nullptr) return lease;
  }
  return absl::NotFoundError(
      absl::StrCat("no lease is held on generation ", generation, " of a segment '", name, "'"));
}

absl::Status PeerSegments::Retire(absl::string_view name) {
  std::shared_ptr<const Segment> dropped;  // unmapped after the lock is gone
  std::lock_guard<std::mutex> lock(mutex_);
  const auto known = entries_.find(std::string(name));
  if (known == entries_.end()) {
    return absl::DataLossError(
        absl::StrCat("the peer retires segment '", name, "', which is not known here"));
  }
  if (!known->second.lease.expired()) {
    return absl::DataLossError(
        absl::StrCat("the peer retires segment '", name, "', which is still leased here"));
  }
  bytes_ -= known->second.segment->size_bytes();
  dropped = std::move(known->second.segment);
  entries_.erase(known);
  return absl::OkStatus();
}

std::vector<ReturnedLease> PeerSegments::TakeReturns() {
  std::lock_guard<std::mutex> lock(mutex_);
  return std::exchange(returns_, {});
}

bool PeerSegments::HasReturns() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return !returns_.empty();
}

void PeerSegments::Forget() {
  std::unordered_map<std::string, Entry> dropped;  // unmapped after the lock is gone
  std::lock_guard<std::mutex> lock(mutex_);
  forgotten_ = true;
  bytes_ = 0;
  returns_.clear();
  dropped.swap(entries_);
}

PeerSegmentsStats PeerSegments::stats() const {
  std::lock_guard<std::mutex> lock(mutex_);
  PeerSegmentsStats stats = {
      .segments_mapped = segments_mapped_, .segments = entries_.size(), .bytes = bytes_};
  for (const auto& [name, entry] : entries_) stats.leases += entry.lease.expired() ? 0 : 1;
  return stats;
}

void PeerSegments::RestoreReturns(absl::Span<const ReturnedLease> returns) {
  std::lock_guard<std::mutex> lock(mutex_);
  for (const ReturnedLease& returned : returns) AddReturn(returned);
}

void PeerSegments::LeaseDied(const ReaderLease& lease) {
  std::lock_guard<std::mutex> lock(mutex_);
  AddReturn(
      {.name = lease.segment().name(), .generation = lease.generation(), .count = lease.grants});
}

void PeerSegments::AddReturn(const ReturnedLease& returned) {
  if (forgotten_) return;
  for (ReturnedLease& known : returns_) {
    if (known.name == returned.name && known.generation == returned.generation) {
      known.count += returned.count;
      return;
    }
  }
  returns_.push_back(returned);
}

}  // namespace slabpipe
