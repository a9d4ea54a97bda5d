#include "slabpipe/transport/shm_pool.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"

namespace slabpipe {
namespace {

PeerSegmentsOptions PeerOptions(const ShmPoolOptions& options, std::string prefix) {
  return {.name_prefix = std::move(prefix), .max_segments = options.max_peer_segments};
}

absl::Status CheckBlockSize(size_t size) {
  if (size > 0 && size <= std::numeric_limits<size_t>::max() / 4) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("a block has at least 1 byte and fits an address space; asked for ", size));
}

}  // namespace

ShmPool::ShmPool(ShmPoolOptions options, std::shared_ptr<SegmentProvider> provider)
    : options_(std::move(options)),
      provider_(std::move(provider)),
      heap_(SlabHeap::Create(
          {.name_prefix = options_.prefix, .max_kept_bytes = options_.max_kept_bytes}, provider_)),
      peer_(PeerSegments::Create(PeerOptions(options_, options_.peer_prefix), provider_)),
      current_peer_(peer_.get()) {}

ShmPool::~ShmPool() {
  CloseAll();
  peer_->Forget();
}

absl::StatusOr<Block> ShmPool::Alloc(size_t size, bool temporary) {
  if (absl::Status status = CheckBlockSize(size); !status.ok()) return status;
  std::lock_guard<std::mutex> lock(mutex_);
  return slab_.has_value() ? AllocFromSlabLocked(size, temporary)
                           : AllocSegmentLocked(size, temporary);
}

absl::StatusOr<Block> ShmPool::AllocLasting(size_t size) {
  if (absl::Status status = CheckBlockSize(size); !status.ok()) return status;
  std::lock_guard<std::mutex> lock(mutex_);
  return size < kSharedSlabBytes / 8 ? AllocSharedLocked(size) : AllocSegmentLocked(size, false);
}

// The first shared slab is small, and each that is full is followed by one of twice its size: few
// small arrays cost little, and many share few segments.
absl::StatusOr<Block> ShmPool::AllocSharedLocked(size_t size) {
  std::optional<Block> block;
  size_t capacity = kSharedSlabBytes / 8;
  if (shared_slab_.has_value()) {
    // A free slab that was taken may be larger than what was asked for.
    capacity = std::min(shared_slab_->capacity_bytes(), kSharedSlabBytes);
    // Otherwise nothing in it is used here any more: it is begun again, or, as long as the peer
    // uses it, another one that is free and warm.
    if (shared_slab_->lease().use_count() > 1) {
      block = shared_slab_->Allocate(size, false);
      capacity = std::min(2 * capacity, kSharedSlabBytes);
    }
  }
  if (!block.has_value()) {
    shared_slab_.reset();
    absl::StatusOr<std::shared_ptr<const Lease>> lease = heap_->Open(capacity);
    if (!lease.ok()) return lease.status();
    shared_slab_.emplace(*std::move(lease));
    block = shared_slab_->Allocate(size, false);
  }
  ++blocks_;
  PinLocked(block->lease());
  return *std::move(block);
}

absl::StatusOr<Block> ShmPool::AllocSegmentLocked(size_t size, bool temporary) {
  absl::StatusOr<std::shared_ptr<const Lease>> lease = heap_->Open(size);
  if (!lease.ok()) return lease.status();
  ++blocks_;
  PinLocked(*lease);
  return *Slab(*std::move(lease)).Allocate(size, temporary);
}

absl::StatusOr<Block> ShmPool::AllocFromSlabLocked(size_t size, bool temporary) {
  std::optional<Block> block = slab_->Allocate(size, temporary);
  if (!block.has_value()) {
    const size_t capacity = std::max(2 * slab_->capacity_bytes(), AlignBlockSize(size));
    slab_.reset();  // sealed
    if (absl::Status opened = OpenSlabLocked(capacity); !opened.ok()) return opened;
    block = slab_->Allocate(size, temporary);
  }
  ++blocks_;
  return *std::move(block);
}

absl::StatusOr<Block> ShmPool::Attach(const ShmRef& ref) {
  std::lock_guard<std::mutex> lock(mutex_);
  absl::StatusOr<std::shared_ptr<const Lease>> lease = FindLease(ref);
  if (!lease.ok()) return lease.status();
  PinLocked(*lease);
  return CheckedBlock(ref, *std::move(lease));
}

absl::StatusOr<std::shared_ptr<const Lease>> ShmPool::FindLease(const ShmRef& ref) const {
  return heap_->OwnsName(ref.name) ? heap_->Find(ref.name, ref.generation)
                                   : peer_->Find(ref.name, ref.generation);
}

absl::Status ShmPool::OpenSlab(size_t capacity) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (slab_.has_value()) {
    return absl::FailedPreconditionError(absl::StrCat("a slab is open already, '",
                                                      slab_->lease()->segment().name(),
                                                      "': SealSlab() before the next OpenSlab()"));
  }
  return OpenSlabLocked(capacity);
}

absl::Status ShmPool::OpenSlabLocked(size_t capacity) {
  absl::StatusOr<std::shared_ptr<const Lease>> lease = heap_->Open(capacity);
  if (!lease.ok()) return lease.status();
  ++slabs_opened_;
  PinLocked(*lease);
  slab_.emplace(*std::move(lease));
  return absl::OkStatus();
}

void ShmPool::SealSlab() {
  std::optional<Slab> sealed;  // its lease is dropped without the lock
  std::lock_guard<std::mutex> lock(mutex_);
  sealed.swap(slab_);
}

void ShmPool::Clear() {
  // Relaxed: what this thread has pinned it knows of, and what others pin meanwhile is theirs.
  if (!has_pins_.load(std::memory_order_relaxed)) return;
  std::vector<std::shared_ptr<const Lease>> dropped;
  std::lock_guard<std::mutex> lock(mutex_);
  dropped.swap(pins_);
  has_pins_ = false;
}

void ShmPool::Clear(absl::string_view name) {
  std::vector<std::shared_ptr<const Lease>> dropped;
  std::lock_guard<std::mutex> lock(mutex_);
  const auto kept_end = std::partition(pins_.begin(), pins_.end(), [&](const auto& lease) {
    return lease->segment().name() != name;
  });
  dropped.assign(std::make_move_iterator(kept_end), std::make_move_iterator(pins_.end()));
  pins_.erase(kept_end, pins_.end());
}

void ShmPool::CloseAll() {
  SealSlab();
  {
    std::optional<Slab> dropped;
    std::lock_guard<std::mutex> lock(mutex_);
    dropped.swap(shared_slab_);
  }
  Clear();
  heap_->Close();
}

void ShmPool::Pin(std::shared_ptr<const Lease> lease) {
  std::lock_guard<std::mutex> lock(mutex_);
  PinLocked(lease);
}

// Leases of one use may be several objects; one pin a use is enough.
void ShmPool::PinLocked(const std::shared_ptr<const Lease>& lease) {
  for (auto pin = pins_.rbegin(); pin != pins_.rend(); ++pin) {
    if ((*pin)->origin() == lease->origin() && &(*pin)->segment() == &lease->segment() &&
        (*pin)->generation() == lease->generation()) {
      return;
    }
  }
  pins_.push_back(lease);
  has_pins_ = true;
}

void ShmPool::AttachLeaseLogs(const OwnControl& own, const PeerControl& peer,
                              std::shared_ptr<const void> keeper) {
  heap_->AttachLog(std::make_unique<LeaseLogReader>(own, peer, keeper));
  this->peer()->AttachLog(std::make_unique<LeaseLogWriter>(own, peer, std::move(keeper)));
}

bool ShmPool::ResetPeer(std::string peer_prefix, Deadline deadline) {
  std::shared_ptr<PeerSegments> next =
      PeerSegments::Create(PeerOptions(options_, std::move(peer_prefix)), provider_);
  // Had by this very thread, the turn can't be waited for, and nothing else writes.
  const absl::Status taken = turn_.Take(deadline);
  if (absl::IsDeadlineExceeded(taken)) return false;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    next.swap(peer_);
    current_peer_ = peer_.get();
  }
  next->Forget();  // the old one
  Clear();
  heap_->PeerGone();
  if (taken.ok()) turn_.Release();
  return true;
}

void ShmPool::CountCopies(uint64_t copies, uint64_t bytes) {
  copies_.fetch_add(copies, std::memory_order_relaxed);
  bytes_copied_.fetch_add(bytes, std::memory_order_relaxed);
}

ShmPoolStats ShmPool::stats() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return {.own = heap_->stats(),
          .peer = peer_->stats(),
          .pins = pins_.size(),
          .blocks = blocks_,
          .slabs_opened = slabs_opened_,
          .copies = copies_,
          .bytes_copied = bytes_copied_};
}

std::shared_ptr<PeerSegments> ShmPool::peer() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return peer_;
}

}  // namespace slabpipe
