#include "slabpipe/transport/slab_heap.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "slabpipe/transport/wait.h"

namespace slabpipe {
namespace {

constexpr size_t kSmallestSlabBytes = size_t{64} << 10;
// A free slab is taken for a request of at least 1/kMaxSlack of its size, so that small messages
// don't sit on big slabs.
constexpr size_t kMaxSlack = 4;

// Rounds up to one of four sizes in each power of two, so that requests of about the same size
// share slabs, and at most a quarter is wasted. 0 on overflow.
size_t SizeClass(size_t capacity) {
  if (capacity <= kSmallestSlabBytes) return kSmallestSlabBytes;
  if (capacity > std::numeric_limits<size_t>::max() / 2) return 0;
  const size_t step = std::bit_floor(capacity - 1) / 4;
  return (capacity + step - 1) / step * step;
}

}  // namespace

class SlabHeap::OwnerLease : public Lease {
 public:
  OwnerLease(std::shared_ptr<SlabHeap> heap, const Entry& slab)
      : Lease(slab.segment, slab.slot, slab.generation, heap.get()), heap_(std::move(heap)) {}
  ~OwnerLease() override { heap_->LeaseDied(slot()); }

 private:
  const std::shared_ptr<SlabHeap> heap_;
};

std::shared_ptr<SlabHeap> SlabHeap::Create(SlabHeapOptions options,
                                           std::shared_ptr<SegmentProvider> provider) {
  return std::shared_ptr<SlabHeap>(new SlabHeap(std::move(options), std::move(provider)));
}

SlabHeap::SlabHeap(SlabHeapOptions options, std::shared_ptr<SegmentProvider> provider)
    : options_(std::move(options)), provider_(std::move(provider)) {}

SlabHeap::~SlabHeap() = default;

absl::StatusOr<std::shared_ptr<const Lease>> SlabHeap::Open(size_t capacity) {
  Discarded discarded;
  std::unique_lock<std::mutex> lock(mutex_);
  if (closed_) return absl::FailedPreconditionError("the pool is closed");
  DrainLogLocked(discarded);
  Entry* slab = TakeFree(capacity);
  if (slab != nullptr) {
    ++slabs_reused_;
  } else {
    absl::StatusOr<Entry*> created = CreateSlab(capacity, lock);
    if (!created.ok()) return created.status();
    slab = *created;
  }
  ++slab->generation;
  TrimIdleLocked(discarded);
  return MakeLease(*slab);
}

absl::StatusOr<std::shared_ptr<const Lease>> SlabHeap::Find(absl::string_view name,
                                                            uint64_t generation) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto known = slot_of_name_.find(std::string(name));
  Entry* slab = known == slot_of_name_.end() ? nullptr : FindSlot(known->second);
  if (slab == nullptr || slab->generation != generation || !slab->in_use()) {
    return absl::NotFoundError(absl::StrCat("generation ", generation, " of a segment '", name,
                                            "' is not in use on this side"));
  }
  return MakeLease(*slab);
}

absl::StatusOr<std::shared_ptr<const Lease>> SlabHeap::FindGranted(uint32_t slot,
                                                                   uint64_t generation) {
  std::lock_guard<std::mutex> lock(mutex_);
  Entry* slab = FindSlot(slot);
  if (slab == nullptr || slab->generation != generation || slab->grants == 0) {
    return absl::DataLossError(
        absl::StrCat("stale reference: the peer holds no lease on generation ", generation,
                     " of this side's segment in slot ", slot));
  }
  return MakeLease(*slab);
}

bool SlabHeap::OwnsName(absl::string_view name) const {
  return absl::StartsWith(name, options_.name_prefix);
}

SegmentGrantInfo SlabHeap::Grant(const Lease& lease) {
  std::lock_guard<std::mutex> lock(mutex_);
  Entry& slab = *slots_[lease.slot()];
  ++slab.grants;
  SegmentGrantInfo grant = {.slot = slab.slot, .generation = slab.generation, .first = nullptr};
  if (!std::exchange(slab.peer_has_it, true)) grant.first = slab.segment;
  return grant;
}

void SlabHeap::Ungrant(const SegmentGrantInfo& grant) {
  Discarded discarded;
  std::lock_guard<std::mutex> lock(mutex_);
  Entry* slab = FindSlot(grant.slot);
  if (slab == nullptr || slab->generation != grant.generation || slab->grants == 0) return;
  --slab->grants;
  if (grant.first != nullptr) slab->peer_has_it = false;
  FreeIfUnused(*slab, discarded);
}

absl::Status SlabHeap::Return(uint32_t slot, uint64_t generation, uint64_t count) {
  Discarded discarded;
  std::lock_guard<std::mutex> lock(mutex_);
  Entry* slab = FindSlot(slot);
  if (slab != nullptr && slab->generation != generation) slab = nullptr;
  return ReturnLocked(slab, slot, count, discarded);
}

absl::Status SlabHeap::ReturnLocked(Entry* slab, uint32_t slot, uint64_t count,
                                    Discarded& discarded) {
  if (slab == nullptr || count == 0 || slab->grants < count) {
    return absl::DataLossError(absl::StrCat("the peer returns ", count,
                                            " leases on this side's segment in slot ", slot,
                                            ", which it does not hold"));
  }
  slab->grants -= count;
  FreeIfUnused(*slab, discarded);
  return absl::OkStatus();
}

void SlabHeap::AttachLog(std::unique_ptr<LeaseLogReader> log) {
  std::lock_guard<std::mutex> lock(mutex_);
  log_ = std::move(log);
  log_status_ = absl::OkStatus();
  log_failed_ = false;
  messages_accepted_ = 0;
}

absl::Status SlabHeap::MessageAccepted() {
  // Relaxed: whoever drains the log reads it later, or waits for a later look.
  messages_accepted_.fetch_add(1, std::memory_order_relaxed);
  if (!log_failed_.load(std::memory_order_relaxed)) return absl::OkStatus();
  std::lock_guard<std::mutex> lock(mutex_);
  return log_status_;
}

void SlabHeap::DrainLog() {
  Discarded discarded;
  std::lock_guard<std::mutex> lock(mutex_);
  DrainLogLocked(discarded);
}

// A log that had an error is not looked at again: the connection ends with the next message.
void SlabHeap::DrainLogLocked(Discarded& discarded) {
  if (log_ == nullptr || !log_status_.ok() || !log_->MayHaveEntries()) return;
  log_status_ = log_->Drain(messages_accepted_, [&](uint32_t slot, uint32_t count) {
    return ReturnLocked(FindSlot(slot), slot, count, discarded);
  });
  log_failed_ = !log_status_.ok();
}

void SlabHeap::PeerGone() {
  Discarded discarded;
  std::lock_guard<std::mutex> lock(mutex_);
  log_ = nullptr;
  log_status_ = absl::OkStatus();
  log_failed_ = false;
  free_slots_.insert(free_slots_.end(), retired_.begin(), retired_.end());
  retired_.clear();
  has_retired_ = false;
  // Freeing may remove any free slab, and would retire what the peer has: so that is forgotten of
  // all slabs first.
  for (const std::unique_ptr<Entry>& slab : slots_) {
    if (slab != nullptr) slab->peer_has_it = false;
  }
  for (size_t slot = 0; slot < slots_.size(); ++slot) {
    if (slots_[slot] != nullptr && std::exchange(slots_[slot]->grants, 0) > 0) {
      FreeIfUnused(*slots_[slot], discarded);
    }
  }
}

std::vector<uint32_t> SlabHeap::TakeRetired() {
  std::lock_guard<std::mutex> lock(mutex_);
  has_retired_ = false;
  return std::exchange(retired_, {});
}

// Only now: before, a new segment in the slot would have come to a peer that still knew the old.
void SlabHeap::RetiredSent(const std::vector<uint32_t>& slots) {
  std::lock_guard<std::mutex> lock(mutex_);
  free_slots_.insert(free_slots_.end(), slots.begin(), slots.end());
}

void SlabHeap::RestoreRetired(const std::vector<uint32_t>& slots) {
  std::lock_guard<std::mutex> lock(mutex_);
  retired_.insert(retired_.end(), slots.begin(), slots.end());
  has_retired_ = !retired_.empty();
}

void SlabHeap::TrimIdle() {
  Discarded discarded;
  std::lock_guard<std::mutex> lock(mutex_);
  DrainLogLocked(discarded);
  TrimIdleLocked(discarded);
}

void SlabHeap::Close() {
  Discarded discarded;
  std::lock_guard<std::mutex> lock(mutex_);
  closed_ = true;
  TrimTo(0, discarded);
}

SlabHeapStats SlabHeap::stats() {
  Discarded discarded;
  std::lock_guard<std::mutex> lock(mutex_);
  DrainLogLocked(discarded);
  SlabHeapStats stats = {.segments_created = segments_created_,
                         .slabs_reused = slabs_reused_,
                         .bytes = bytes_,
                         .free_bytes = free_bytes_};
  for (const std::unique_ptr<Entry>& slab : slots_) {
    if (slab == nullptr) continue;
    ++stats.segments;
    stats.grants_out += slab->grants;
  }
  return stats;
}

void SlabHeap::LeaseDied(uint32_t slot) {
  Discarded discarded;
  std::lock_guard<std::mutex> lock(mutex_);
  Entry& slab = *slots_[slot];
  --slab.leases;
  FreeIfUnused(slab, discarded);
}

void SlabHeap::FreeIfUnused(Entry& slab, Discarded& discarded) {
  if (slab.in_use()) return;
  const size_t size_bytes = slab.segment->size_bytes();
  free_by_age_.push_front(&slab);
  slab.by_age = free_by_age_.begin();
  std::list<Entry*>& same_size = free_by_size_[size_bytes];
  same_size.push_front(&slab);
  slab.by_size = same_size.begin();
  slab.freed_at = MonotonicNanoseconds();
  free_bytes_ += size_bytes;
  if (closed_ || size_bytes > options_.max_kept_bytes) {
    Remove(slab, discarded);  // not at the expense of all the others
  }
  TrimTo(closed_ ? 0 : options_.max_kept_bytes, discarded);
}

void SlabHeap::TrimTo(size_t kept_bytes, Discarded& discarded) {
  while (free_bytes_ > kept_bytes || free_by_age_.size() > options_.max_kept_slabs) {
    Remove(*free_by_age_.back(), discarded);
  }
}

void SlabHeap::TrimIdleLocked(Discarded& discarded) {
  if (free_by_age_.empty()) return;
  const int64_t now = MonotonicNanoseconds();
  const int64_t max_idle = absl::ToInt64Nanoseconds(options_.max_idle);
  while (!free_by_age_.empty() && now - free_by_age_.back()->freed_at > max_idle) {
    Remove(*free_by_age_.back(), discarded);
  }
}

void SlabHeap::TakeOutOfFree(Entry& slab) {
  const auto same_size = free_by_size_.find(slab.segment->size_bytes());
  same_size->second.erase(slab.by_size);
  if (same_size->second.empty()) free_by_size_.erase(same_size);
  free_by_age_.erase(slab.by_age);
  free_bytes_ -= slab.segment->size_bytes();
}

// REQUIRES: the slab is free.
void SlabHeap::Remove(Entry& slab, Discarded& discarded) {
  TakeOutOfFree(slab);
  bytes_ -= slab.segment->size_bytes();
  slot_of_name_.erase(slab.segment->name());
  if (slab.peer_has_it) {
    retired_.push_back(slab.slot);
    has_retired_ = true;
  } else {
    free_slots_.push_back(slab.slot);
  }
  discarded.push_back(std::move(slots_[slab.slot]));
}

// The best fit among the free ones; of equals the one freed last, which is the warmest.
SlabHeap::Entry* SlabHeap::TakeFree(size_t capacity) {
  const auto fitting = free_by_size_.lower_bound(capacity);
  if (fitting == free_by_size_.end() || fitting->first / kMaxSlack > SizeClass(capacity)) {
    return nullptr;
  }
  Entry* slab = fitting->second.front();
  TakeOutOfFree(*slab);
  return slab;
}

// The lock is let go of while the kernel reserves the memory.
absl::StatusOr<SlabHeap::Entry*> SlabHeap::CreateSlab(size_t capacity,
                                                      std::unique_lock<std::mutex>& lock) {
  const size_t size_bytes = SizeClass(capacity);
  if (size_bytes == 0) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a slab of ", capacity, " bytes is larger than an address space"));
  }
  if (slot_of_name_.size() >= options_.max_segments) {
    return absl::ResourceExhaustedError(
        absl::StrCat("this side has ", slot_of_name_.size(),
                     " segments in use, and may have no more (max_segments): put many arrays into "
                     "one"));
  }
  const std::string name = absl::StrCat(options_.name_prefix, next_number_++);
  lock.unlock();
  absl::StatusOr<std::unique_ptr<Segment>> segment = provider_->Create(name, size_bytes);
  if (absl::IsResourceExhausted(segment.status())) {
    Discarded discarded;
    lock.lock();
    TrimTo(0, discarded);
    lock.unlock();
    const bool gained = !discarded.empty();
    discarded.clear();
    if (gained) segment = provider_->Create(name, size_bytes);
  }
  lock.lock();
  if (!segment.ok()) return segment.status();
  ++segments_created_;
  bytes_ += size_bytes;
  const uint32_t slot = NewSlot();
  slots_[slot] = std::make_unique<Entry>();
  slots_[slot]->slot = slot;
  slots_[slot]->segment = *std::move(segment);
  slot_of_name_[name] = slot;
  return slots_[slot].get();
}

uint32_t SlabHeap::NewSlot() {
  if (free_slots_.empty()) {
    slots_.emplace_back();
    return static_cast<uint32_t>(slots_.size() - 1);
  }
  const uint32_t slot = free_slots_.back();
  free_slots_.pop_back();
  return slot;
}

std::shared_ptr<const Lease> SlabHeap::MakeLease(Entry& slab) {
  ++slab.leases;
  return std::make_shared<OwnerLease>(shared_from_this(), slab);
}

SlabHeap::Entry* SlabHeap::FindSlot(uint32_t slot) {
  return slot < slots_.size() ? slots_[slot].get() : nullptr;
}

}  // namespace slabpipe
