// ShmPool: one side's blocks of shared memory. It allocates them, attaches the other side's, and
// holds them all for a while.
//
//   absl::StatusOr<Block> block = pool.Alloc(4096);    // writable; a segment of its own
//   absl::Status opened = pool.OpenSlab(1 << 20);      // from now on Alloc gives pieces of it
//   absl::StatusOr<Block> piece = pool.Alloc(100);
//   pool.SealSlab();
//   absl::StatusOr<Block> theirs = pool.Attach(ref);   // read-only; checked against the segment
//   pool.Clear();                                      // before each send: drops the pool's holds
//
// Pins and leases. What the pool allocates or attaches it also *pins*: until the next Clear,
// whatever happens in between may rely on the blocks being there. Everything else that uses a block
// holds its *lease* (Block and Buffer do so by themselves). Clearing drops pins, never leases. A
// slab whose pins and leases are gone, on both sides, is used again.

#ifndef SLABPIPE_TRANSPORT_SHM_POOL_H_
#define SLABPIPE_TRANSPORT_SHM_POOL_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "slabpipe/transport/block.h"
#include "slabpipe/transport/message_turn.h"
#include "slabpipe/transport/peer_segments.h"
#include "slabpipe/transport/segment.h"
#include "slabpipe/transport/slab.h"
#include "slabpipe/transport/slab_heap.h"

namespace slabpipe {

struct ShmPoolOptions {
  // The names of this side's segments begin with `prefix`, those of the peer's with `peer_prefix`.
  // Neither may begin with the other.
  std::string prefix = "m.";
  std::string peer_prefix = "w.";
  // How much free memory to keep warm for reuse.
  size_t max_kept_bytes = size_t{1} << 30;
  // How many segments of the peer's to map at most.
  size_t max_peer_segments = 8192;
};

struct ShmPoolStats {
  SlabHeapStats own;
  PeerSegmentsStats peer;
  size_t pins = 0;            // segments that the pool itself holds until the next Clear
  uint64_t blocks = 0;        // allocated since the start
  uint64_t slabs_opened = 0;  // by OpenSlab, or because one was full
  uint64_t copies = 0;        // of values into shared memory, since the start
  uint64_t bytes_copied = 0;  // by these
};

// Thread-safe; one thread at a time may have a slab open (OpenSlab ... SealSlab), and Alloc of any
// thread then uses it. Blocks may outlive the pool.
class ShmPool {
 public:
  ShmPool(ShmPoolOptions options, std::shared_ptr<SegmentProvider> provider);
  ~ShmPool();
  ShmPool(const ShmPool&) = delete;
  ShmPool& operator=(const ShmPool&) = delete;

  // A writable block of `size` bytes, all of them content for a start, pinned. Its bytes are
  // undefined. While a slab is open it is a piece of that (a slab that is full is sealed and a
  // larger one opened); otherwise a segment of its own. INVALID_ARGUMENT for size 0;
  // RESOURCE_EXHAUSTED with the limit's name.
  absl::StatusOr<Block> Alloc(size_t size, bool temporary = false);

  // A block for what outlives the message that is being written: not of the open slab. Large ones
  // (kSharedSlabBytes / 8 and more) are a segment each; small ones share slabs, so that thousands
  // cost a few segments. A shared slab is used again when all that lies in it is gone.
  absl::StatusOr<Block> AllocLasting(size_t size);
  static constexpr size_t kSharedSlabBytes = size_t{4} << 20;

  // The block that `ref` names, pinned. Attaching to a segment twice maps it once. DATA_LOSS with
  // the field that is wrong; NOT_FOUND if no lease is held on that use of that segment, here or by
  // a message that is being read.
  absl::StatusOr<Block> Attach(const ShmRef& ref);

  // From now on Alloc uses one slab of at least `capacity` bytes. FAILED_PRECONDITION if one is
  // open already.
  absl::Status OpenSlab(size_t capacity);
  // Ends that. Nothing happens if none is open.
  void SealSlab();

  // Drops all pins; those of one segment; all pins and what is kept for reuse, for good (Alloc
  // fails from then on).
  void Clear();
  void Clear(absl::string_view name);
  void CloseAll();

  // Holds a lease until the next Clear.
  void Pin(std::shared_ptr<const Lease> lease);

  // Whether `block` can be sent to this pool's peer as a ref: it lies in a segment of this side's
  // or of that peer's. Without a lock.
  bool CanRefer(const Block& block) const {
    const void* origin = block.lease()->origin();
    return origin == heap_.get() || origin == current_peer_.load(std::memory_order_acquire);
  }

  // From now on leases come back through the logs of the two control blocks, too; `keeper` keeps
  // them. Messages are counted from here on. REQUIRES: the turn, or nobody sends or receives yet.
  void AttachLeaseLogs(const OwnControl& own, const PeerControl& peer,
                       std::shared_ptr<const void> keeper);

  // Another peer takes the place of the old one (a restarted worker): what the old one held is
  // back, and nothing of it is known any more. Decoded objects stay valid. All pins
  // go. Waits for the turn: no message is being written meanwhile. False if it could not be had by
  // the deadline, and nothing was done.
  bool ResetPeer(std::string peer_prefix, Deadline deadline = Deadline::Never());

  // Whoever writes a message that uses this pool has the turn from before Clear until it is sent.
  MessageTurn& turn() { return turn_; }

  // For statistics: somebody copied so many values into blocks of this pool's.
  void CountCopies(uint64_t copies, uint64_t bytes);
  ShmPoolStats stats() const;

  // The two halves, for MessageMemory. Never null.
  const std::shared_ptr<SlabHeap>& heap() const { return heap_; }
  std::shared_ptr<PeerSegments> peer() const;
  // Whether the next message has something to say of leases or retired segments. REQUIRES: the
  // turn, as the next.
  bool HasNews() const { return heap_->HasRetired() || current_peer_.load()->HasReturns(); }
  // A message has been sent to the peer.
  void MessageSent() { current_peer_.load()->MessageSent(); }

 private:
  absl::StatusOr<Block> AllocSegmentLocked(size_t size, bool temporary);
  absl::StatusOr<Block> AllocSharedLocked(size_t size);
  absl::StatusOr<Block> AllocFromSlabLocked(size_t size, bool temporary);
  absl::Status OpenSlabLocked(size_t capacity);
  absl::StatusOr<std::shared_ptr<const Lease>> FindLease(const ShmRef& ref) const;
  void PinLocked(const std::shared_ptr<const Lease>& lease);

  const ShmPoolOptions options_;
  const std::shared_ptr<SegmentProvider> provider_;
  const std::shared_ptr<SlabHeap> heap_;
  MessageTurn turn_;

  mutable std::mutex mutex_;  // guards all below; taken before the mutexes of heap_ and peer_
  std::shared_ptr<PeerSegments> peer_;
  // The same, to be used without the lock by whoever has the turn: then it does not change.
  std::atomic<PeerSegments*> current_peer_;
  std::optional<Slab> slab_;
  std::optional<Slab> shared_slab_;  // of small lasting blocks
  std::vector<std::shared_ptr<const Lease>> pins_;
  std::atomic<bool> has_pins_ = false;
  uint64_t blocks_ = 0;
  uint64_t slabs_opened_ = 0;
  std::atomic<uint64_t> copies_ = 0;
  std::atomic<uint64_t> bytes_copied_ = 0;
};

}  // namespace slabpipe

#endif  // SLABPIPE_TRANSPORT_SHM_POOL_H_
