#include "slabpipe/transport/slab_heap.h"

#include <algorithm>
#include <bit>
#include <iterator>
#include <limits>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

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
      : Lease(slab.segment, slab.generation, heap.get()), heap_(std::move(heap)) {}
  ~OwnerLease() override { heap_->LeaseDied(*this); }

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
  std::unique_lock<std::mutex> lock(mutex_);
  if (closed_) return absl::FailedPreconditionError("the pool is closed");
  Entry* slab = TakeFree(capacity);
  if (slab != nullptr) {
    ++slabs_reused_;
  } else {
    absl::StatusOr<Entry*> created = CreateSlab(capacity, lock);
    if (!created.ok()) return created.status();
    slab = *created;
  }
  ++slab->generation;
  return MakeLease(*slab);
}

absl::StatusOr<std::shared_ptr<const Lease>> SlabHeap::Find(absl::string_view name,
                                                            uint64_t generation) {
  std::lock_guard<std::mutex> lock(mutex_);
  Entry* slab = FindSlab(name);
  if (slab == nullptr || slab->generation != generation || !slab->in_use()) {
    return absl::NotFoundError(absl::StrCat("generation ", generation, " of a segment '", name,
                                            "' is not in use on this side"));
  }
  return MakeLease(*slab);
}

absl::StatusOr<std::shared_ptr<const Lease>> SlabHeap::FindGranted(absl::string_view name,
                                                                   uint64_t generation) {
  std::lock_guard<std::mutex> lock(mutex_);
  Entry* slab = FindSlab(name);
  if (slab == nullptr || slab->generation != generation || slab->grants == 0) {
    return absl::DataLossError(
        absl::StrCat("stale reference: the peer holds no lease on generation ", generation,
                     " of a segment '", name, "'"));
  }
  return MakeLease(*slab);
}

bool SlabHeap::OwnsName(absl::string_view name) const {
  return absl::StartsWith(name, options_.name_prefix);
}

SegmentGrantInfo SlabHeap::Grant(const Lease& lease) {
  std::lock_guard<std::mutex> lock(mutex_);
  Entry& slab = *FindSlab(lease.segment().name());
  ++slab.grants;
  SegmentGrantInfo grant = {.name = slab.segment->name(),
                            .generation = slab.generation,
                            .size_bytes = slab.segment->size_bytes(),
                            .first = !std::exchange(slab.peer_has_it, true)};
  if (grant.first) grant.descriptor = slab.segment->descriptor();
  return grant;
}

void SlabHeap::Ungrant(const SegmentGrantInfo& grant) {
  Discarded discarded;
  std::lock_guard<std::mutex> lock(mutex_);
  Entry* slab = FindSlab(grant.name);
  if (slab == nullptr || slab->generation != grant.generation || slab->grants == 0) return;
  --slab->grants;
  if (grant.first) slab->peer_has_it = false;
  FreeIfUnused(*slab, discarded);
}

absl::Status SlabHeap::Return(absl::string_view name, uint64_t generation, uint64_t count) {
  Discarded discarded;
  std::lock_guard<std::mutex> lock(mutex_);
  Entry* slab = FindSlab(name);
  if (slab == nullptr || slab->generation != generation || count == 0 || slab->grants < count) {
    return absl::DataLossError(absl::StrCat("the peer returns ", count, " leases on generation ",
                                            generation, " of segment '", name,
                                            "', which it does not hold"));
  }
  slab->grants -= count;
  FreeIfUnused(*slab, discarded);
  return absl::OkStatus();
}

void SlabHeap::PeerGone() {
  Discarded discarded;
  std::lock_guard<std::mutex> lock(mutex_);
  retired_.clear();
  // Freeing may remove any free slab from the map, and would retire what the peer has: so that is
  // forgotten of all slabs first, and freeing walks over a copy.
  std::vector<Entry*> granted;
  for (const auto& [name, slab] : slabs_) {
    slab->peer_has_it = false;
    if (std::exchange(slab->grants, 0) > 0) granted.push_back(slab.get());
  }
  for (Entry* slab : granted) FreeIfUnused(*slab, discarded);
}

std::vector<std::string> SlabHeap::TakeRetired() {
  std::lock_guard<std::mutex> lock(mutex_);
  return std::exchange(retired_, {});
}

void SlabHeap::RestoreRetired(std::vector<std::string> names) {
  std::lock_guard<std::mutex> lock(mutex_);
  retired_.insert(retired_.end(), std::make_move_iterator(names.begin()),
                  std::make_move_iterator(names.end()));
}

void SlabHeap::Close() {
  Discarded discarded;
  std::lock_guard<std::mutex> lock(mutex_);
  closed_ = true;
  TrimTo(0, discarded);
}

SlabHeapStats SlabHeap::stats() const {
  std::lock_guard<std::mutex> lock(mutex_);
  SlabHeapStats stats = {.segments_created = segments_created_,
                         .slabs_reused = slabs_reused_,
                         .segments = slabs_.size(),
                         .bytes = bytes_,
                         .free_bytes = free_bytes_};
  for (const auto& [name, slab] : slabs_) stats.grants_out += slab->grants;
  return stats;
}

void SlabHeap::LeaseDied(const Lease& lease) {
  Discarded discarded;
  std::lock_guard<std::mutex> lock(mutex_);
  Entry& slab = *FindSlab(lease.segment().name());
  --slab.leases;
  FreeIfUnused(slab, discarded);
}

void SlabHeap::FreeIfUnused(Entry& slab, Discarded& discarded) {
  if (slab.in_use()) return;
  free_.push_front(&slab);
  slab.free_position = free_.begin();
  free_bytes_ += slab.segment->size_bytes();
  if (closed_ || slab.segment->size_bytes() > options_.max_kept_bytes) {
    Remove(slab, discarded);  // not at the expense of all the others
  }
  TrimTo(closed_ ? 0 : options_.max_kept_bytes, discarded);
}

void SlabHeap::TrimTo(size_t kept_bytes, Discarded& discarded) {
  while (free_bytes_ > kept_bytes || free_.size() > options_.max_kept_slabs) {
    Remove(*free_.back(), discarded);
  }
}

// REQUIRES: the slab is free.
void SlabHeap::Remove(Entry& slab, Discarded& discarded) {
  free_.erase(slab.free_position);
  free_bytes_ -= slab.segment->size_bytes();
  bytes_ -= slab.segment->size_bytes();
  if (slab.peer_has_it) retired_.push_back(slab.segment->name());
  const auto position = slabs_.find(slab.segment->name());
  discarded.push_back(std::move(position->second));
  slabs_.erase(position);
}

// The best fit among the free ones; of equals the one freed last, which is the warmest.
SlabHeap::Entry* SlabHeap::TakeFree(size_t capacity) {
  Entry* best = nullptr;
  const size_t wanted = SizeClass(capacity);
  for (Entry* slab : free_) {
    const size_t size = slab->segment->size_bytes();
    if (size < capacity || size / kMaxSlack > wanted) continue;
    if (best == nullptr || size < best->segment->size_bytes()) best = slab;
    if (size == wanted) break;
  }
  if (best == nullptr) return nullptr;
  free_.erase(best->free_position);
  free_bytes_ -= best->segment->size_bytes();
  return best;
}

// The lock is let go of while the kernel reserves the memory.
absl::StatusOr<SlabHeap::Entry*> SlabHeap::CreateSlab(size_t capacity,
                                                      std::unique_lock<std::mutex>& lock) {
  const size_t size_bytes = SizeClass(capacity);
  if (size_bytes == 0) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a slab of ", capacity, " bytes is larger than an address space"));
  }
  if (slabs_.size() >= options_.max_segments) {
    return absl::ResourceExhaustedError(
        absl::StrCat("this side has ", slabs_.size(),
                     " segments in use, and may have no more (max_segments): put many small arrays "
                     "into one"));
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
  auto slab = std::make_unique<Entry>();
  slab->segment = *std::move(segment);
  return (slabs_[name] = std::move(slab)).get();
}

std::shared_ptr<const Lease> SlabHeap::MakeLease(Entry& slab) {
  ++slab.leases;
  return std::make_shared<OwnerLease>(shared_from_this(), slab);
}

SlabHeap::Entry* SlabHeap::FindSlab(absl::string_view name) {
  const auto position = slabs_.find(std::string(name));
  return position == slabs_.end() ? nullptr : position->second.get();
}

}  // namespace slabpipe
