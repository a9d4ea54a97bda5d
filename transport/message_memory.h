// OutgoingMemory, IncomingMemory: what a message says of shared memory (schemas/shm.capnp,
// MemoryTable), written and read.
//
// Sender:
//   OutgoingMemory memory(pool);
//   absl::StatusOr<uint32_t> index = memory.Add(block);   // for each block that is referred to
//   memory.Write([&] { return message.initMemory(); }, descriptors);  // grants, returns, ...
//   if (pipe.Send(...).ok()) memory.Commit();             // otherwise all of it is taken back
//
// Receiver:
//   auto memory = IncomingMemory::Accept(message.getMemory(), descriptors, pool);
//   absl::StatusOr<Block> block = memory->Attach(index);
//
// Both hold leases on the segments concerned for as long as they live, so that neither the pool's
// Clear on another thread nor the peer can take the memory away meanwhile.

#ifndef SLABPIPE_TRANSPORT_MESSAGE_MEMORY_H_
#define SLABPIPE_TRANSPORT_MESSAGE_MEMORY_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "slabpipe/schemas/shm.capnp.h"
#include "slabpipe/transport/block.h"
#include "slabpipe/transport/shm_pool.h"
#include "slabpipe/transport/unique_fd.h"

namespace slabpipe {

// Thread-compatible. Borrows the pool.
class OutgoingMemory {
 public:
  explicit OutgoingMemory(ShmPool& pool) : pool_(pool) {}
  // Takes back what Write has granted, unless Commit was called or the pool has got another peer.
  ~OutgoingMemory();
  OutgoingMemory(const OutgoingMemory&) = delete;
  OutgoingMemory& operator=(const OutgoingMemory&) = delete;

  // The message refers to `block`, which may be one without bytes (Block()); returns the index of
  // its ref. FAILED_PRECONDITION if the block
  // is of another pool; INVALID_ARGUMENT if it lies too far behind in its segment, or in one
  // segment too many.
  absl::StatusOr<uint32_t> Add(const Block& block);
  uint32_t ref_count() const { return static_cast<uint32_t>(refs_.size()); }

  // Fills in the table, if there is anything to say, and appends the descriptors that must go along
  // (borrowed; valid while this object lives). To be called once, last.
  void Write(absl::FunctionRef<schemas::MemoryTable::Builder()> init_table,
             std::vector<int>& descriptors);

  // The message is on its way.
  void Commit();

 private:
  // What is sent of a block, with its segment's index in `leases_`.
  struct Ref {
    uint64_t size;
    uint64_t content_size;
    uint32_t offset_units;
    uint16_t segment;
    bool temporary;
  };
  size_t SegmentIndex(const std::shared_ptr<const Lease>& lease);
  void WriteSegments(schemas::MemoryTable::Builder table, std::vector<int>& descriptors);
  void WriteRefs(schemas::MemoryTable::Builder table);
  void WriteReturns(schemas::MemoryTable::Builder table);
  void WriteRetired(schemas::MemoryTable::Builder table);

  ShmPool& pool_;
  std::shared_ptr<PeerSegments> peer_;  // whom Write wrote to; null if it had nothing to write
  absl::InlinedVector<std::shared_ptr<const Lease>, 2> leases_;  // one a segment
  absl::InlinedVector<Ref, 4> refs_;
  std::vector<SegmentGrantInfo> grants_;  // made by Write, of this side's segments only
  std::vector<ReturnedLease> returns_;
  std::vector<uint32_t> retired_;
  bool committed_ = false;
};

// Thread-compatible. A value; copies share the leases.
class IncomingMemory {
 public:
  IncomingMemory() = default;

  // Takes in what `table` says: maps new segments, pins them in the pool, takes leases back, drops
  // retired segments, checks every ref against its segment. DATA_LOSS if the table breaks a rule:
  // the connection must end then. RESOURCE_EXHAUSTED if there is no room for a segment. Call it for
  // every message, in the order of arrival. May throw kj::Exception: call it inside CatchKj.
  static absl::StatusOr<IncomingMemory> Accept(schemas::MemoryTable::Reader table,
                                               std::vector<UniqueFd>& descriptors, ShmPool& pool);

  uint32_t ref_count() const { return static_cast<uint32_t>(refs_.size()); }
  // The sizes of all segments that the message names, together.
  uint64_t segment_bytes() const { return segment_bytes_; }
  // The block of ref `index`, which Accept has checked: without a lease if it has no bytes.
  // DATA_LOSS if there is no such ref.
  absl::StatusOr<Block> Attach(uint64_t index) const;

 private:
  // A ref that has been checked.
  struct Ref {
    uint64_t offset;
    uint64_t size;
    uint64_t content_size;
    uint16_t segment;
    bool temporary;
  };
  absl::Status AcceptSegments(schemas::MemoryTable::Reader table,
                              std::vector<UniqueFd>& descriptors, ShmPool& pool);
  absl::Status AcceptRefs(schemas::MemoryTable::Reader table);
  static absl::Status CheckEmpty(const Ref& ref);

  absl::InlinedVector<std::shared_ptr<const Lease>, 2> leases_;  // by index in the table
  uint64_t segment_bytes_ = 0;
  std::vector<Ref> refs_;
};

}  // namespace slabpipe

#endif  // SLABPIPE_TRANSPORT_MESSAGE_MEMORY_H_
