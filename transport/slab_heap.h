// SlabHeap: one side's own slabs. Makes them, counts who uses them, and uses them again when nobody
// does.
//
//   auto heap = SlabHeap::Create({.name_prefix = "m."}, provider);
//   auto slab = heap->Open(1 << 20);      // a lease; writable, at least a mebibyte
//   heap->Grant(**slab);                  // a message that names it is on its way to the peer
//   slab->reset();                        // nothing here uses it any more
//   heap->Return(slot, generation, 1);    // the peer is done, too: it is free, and still warm
//
// A slab is in use as long as a Lease of this side's lives or a grant is out. What is free is kept
// for reuse, by size, up to `max_kept_bytes`; beyond that the least recently freed go, and so does
// what has been free for `max_idle`. Memory that is used again costs no page fault, no system call
// and no new mapping on either side: that is what makes a steady load cheap.
//
// The peer gives grants back in messages (Return) or through a log in shared memory (lease_log.h),
// which is looked at whenever memory is wanted and whenever a message has been sent.

#ifndef SLABPIPE_TRANSPORT_SLAB_HEAP_H_
#define SLABPIPE_TRANSPORT_SLAB_HEAP_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "slabpipe/transport/block.h"
#include "slabpipe/transport/lease_log.h"
#include "slabpipe/transport/segment.h"

namespace slabpipe {

struct SlabHeapOptions {
  // What the names of its segments begin with. The rest is a number.
  std::string name_prefix;
  // How much free memory to keep for reuse, and for how long at most.
  size_t max_kept_bytes = size_t{1} << 30;
  absl::Duration max_idle = absl::Seconds(30);
  // How many free slabs to keep, and how many segments to have at all: each costs both sides a
  // mapping and this one a descriptor.
  size_t max_kept_slabs = 256;
  size_t max_segments = 8192;
};

struct SlabHeapStats {
  uint64_t segments_created = 0;  // since the start
  uint64_t slabs_reused = 0;      // opened without creating a segment
  size_t segments = 0;            // there now, in use or free
  size_t bytes = 0;               // of these
  size_t free_bytes = 0;          // of the free ones
  uint64_t grants_out = 0;        // not yet returned by the peer
};

// What a message must say of a segment that its refs point into.
struct SegmentGrantInfo {
  uint32_t slot = 0;
  uint64_t generation = 0;
  // Set if the peer hears of the segment for the first time.
  std::shared_ptr<const Segment> first;
};

// Thread-safe. Always in a shared_ptr: each lease holds one, so that it may outlive all others.
class SlabHeap : public std::enable_shared_from_this<SlabHeap> {
 public:
  static std::shared_ptr<SlabHeap> Create(SlabHeapOptions options,
                                          std::shared_ptr<SegmentProvider> provider);
  ~SlabHeap();

  // A slab of at least `capacity` bytes that nobody else uses: a free one if one fits, a new one
  // otherwise. Its bytes are whatever the last use left there. RESOURCE_EXHAUSTED when there is no
  // memory even after all free slabs have been given up; FAILED_PRECONDITION when closed.
  absl::StatusOr<std::shared_ptr<const Lease>> Open(size_t capacity);

  // Another lease on a use that is still going on. NOT_FOUND if there is no such segment or that
  // use is over.
  absl::StatusOr<std::shared_ptr<const Lease>> Find(absl::string_view name, uint64_t generation);
  // The same for a ref that the peer has sent back: DATA_LOSS also if the peer holds no grant of
  // it.
  absl::StatusOr<std::shared_ptr<const Lease>> FindGranted(uint32_t slot, uint64_t generation);
  // Whether a segment of that name is this heap's to speak of.
  bool OwnsName(absl::string_view name) const;

  // One more message to the peer names the lease's segment. REQUIRES: the lease is of this heap.
  SegmentGrantInfo Grant(const Lease& lease);
  // Takes a grant back whose message has not been sent.
  void Ungrant(const SegmentGrantInfo& grant);
  // The peer gives grants back. DATA_LOSS if it never had them.
  absl::Status Return(uint32_t slot, uint64_t generation, uint64_t count);
  // From now on it does so through `log`, too. Messages are counted from here on.
  void AttachLog(std::unique_ptr<LeaseLogReader> log);
  // One more message of the peer's has been taken in. DATA_LOSS if the peer was found to have given
  // back through the log what it never had.
  absl::Status MessageAccepted();
  // Takes back what the log says. Open, stats and TrimIdle do so, too.
  void DrainLog();
  // The peer is no more: all its grants are back, and the next one knows no segment yet.
  void PeerGone();

  // The slots of segments that the peer has mapped and that are no more, since the last call: to be
  // told to it. Then one of the next two: the message was sent, or it was not.
  std::vector<uint32_t> TakeRetired();
  void RetiredSent(const std::vector<uint32_t>& slots);
  void RestoreRetired(const std::vector<uint32_t>& slots);
  // Whether TakeRetired would return anything. Without a lock.
  bool HasRetired() const { return has_retired_.load(std::memory_order_relaxed); }

  // Gives up what has been free for longer than max_idle. Open does so, too.
  void TrimIdle();
  // Gives up what is free, now and from now on. What is in use goes when its leases do.
  void Close();

  SlabHeapStats stats();

 private:
  class OwnerLease;
  struct Entry {
    uint32_t slot = 0;
    std::shared_ptr<const Segment> segment;
    uint64_t generation = 0;
    uint64_t leases = 0;  // OwnerLease objects of this generation
    uint64_t grants = 0;  // messages that named it and are not answered by a Return
    bool peer_has_it = false;
    // While free:
    int64_t freed_at = 0;  // MonotonicNanoseconds
    std::list<Entry*>::iterator by_age;
    std::list<Entry*>::iterator by_size;
    bool in_use() const { return leases + grants > 0; }
  };

  SlabHeap(SlabHeapOptions options, std::shared_ptr<SegmentProvider> provider);

  // What these take out of the heap is destroyed by the caller without the lock: unmapping is slow.
  using Discarded = std::vector<std::unique_ptr<Entry>>;
  void LeaseDied(uint32_t slot);
  absl::Status ReturnLocked(Entry* slab, uint32_t slot, uint64_t count, Discarded& discarded);
  void DrainLogLocked(Discarded& discarded);
  void FreeIfUnused(Entry& slab, Discarded& discarded);
  void TrimTo(size_t kept_bytes, Discarded& discarded);
  void TrimIdleLocked(Discarded& discarded);
  void Remove(Entry& slab, Discarded& discarded);
  void TakeOutOfFree(Entry& slab);

  Entry* TakeFree(size_t capacity);
  absl::StatusOr<Entry*> CreateSlab(size_t capacity, std::unique_lock<std::mutex>& lock);
  uint32_t NewSlot();
  std::shared_ptr<const Lease> MakeLease(Entry& slab);
  Entry* FindSlot(uint32_t slot);

  const SlabHeapOptions options_;
  const std::shared_ptr<SegmentProvider> provider_;

  mutable std::mutex mutex_;                   // guards all below
  std::vector<std::unique_ptr<Entry>> slots_;  // null: no segment has the number
  std::vector<uint32_t> free_slots_;           // numbers that may be given out again
  std::unordered_map<std::string, uint32_t> slot_of_name_;
  std::list<Entry*> free_by_age_;                     // most recently freed first
  std::map<size_t, std::list<Entry*>> free_by_size_;  // by segment size; most recently freed first
  size_t free_bytes_ = 0;
  size_t bytes_ = 0;
  uint64_t next_number_ = 1;
  uint64_t segments_created_ = 0;
  uint64_t slabs_reused_ = 0;
  bool closed_ = false;
  std::vector<uint32_t> retired_;
  std::atomic<bool> has_retired_ = false;
  std::unique_ptr<LeaseLogReader> log_;
  absl::Status log_status_;  // the first error that it had
  std::atomic<bool> log_failed_ = false;
  std::atomic<uint64_t> messages_accepted_ = 0;  // since log_ is there
};

}  // namespace slabpipe

#endif  // SLABPIPE_TRANSPORT_SLAB_HEAP_H_
