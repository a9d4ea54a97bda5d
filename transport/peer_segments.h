// PeerSegments: the other side's segments as this side sees them. Maps each once, leases out their
// uses, and collects the leases that are over, to be told to the owner.
//
//   auto peers = PeerSegments::Create({.name_prefix = "w1."}, provider);
//   auto lease = peers->Accept(grant, std::move(descriptor));
//   ... objects hold copies of the lease; when the last is gone, the log tells, or ...
//   for (const ReturnedLease& lease : peers->TakeReturns()) ...   // ... the next message does
//
// Mappings are kept by slot after the leases on them are over, until the owner retires the segment:
// steady traffic neither maps nor passes descriptors. That keeps address space, not memory: whether
// the memory may be used again hangs on leases alone, and of those this class holds none, only weak
// references.

#ifndef SLABPIPE_TRANSPORT_PEER_SEGMENTS_H_
#define SLABPIPE_TRANSPORT_PEER_SEGMENTS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "slabpipe/transport/block.h"
#include "slabpipe/transport/lease_log.h"
#include "slabpipe/transport/segment.h"
#include "slabpipe/transport/unique_fd.h"

namespace slabpipe {

struct PeerSegmentsOptions {
  // What the names of the peer's segments must begin with.
  std::string name_prefix;
  // How many segments a peer may have here at a time. Each costs a mapping, of which the kernel
  // allows a process 65,530 (vm.max_map_count).
  size_t max_segments = 8192;
};

// What a message says of a segment, not yet believed.
struct ReceivedGrant {
  uint32_t slot = 0;
  uint64_t generation = 0;
  // With the first grant of a segment, and only then.
  bool first = false;
  absl::string_view name = {};
  uint64_t size_bytes = 0;
};

// `count` grants of one use of a segment are over.
struct ReturnedLease {
  uint32_t slot = 0;
  uint32_t count = 0;
  uint64_t generation = 0;
};

struct PeerSegmentsStats {
  uint64_t segments_mapped = 0;  // since the start
  size_t segments = 0;           // mapped now
  size_t bytes = 0;              // of these
  size_t leases = 0;             // uses that something here still holds
};

// Thread-safe. Always in a shared_ptr: leases may outlive all others.
class PeerSegments : public std::enable_shared_from_this<PeerSegments> {
 public:
  static std::shared_ptr<PeerSegments> Create(PeerSegmentsOptions options,
                                              std::shared_ptr<SegmentProvider> provider);
  ~PeerSegments();

  // Takes one grant. The first of a segment has it mapped; later ones must come without a
  // descriptor. DATA_LOSS if the grant breaks a rule (slot, name, size, descriptor, a generation
  // that is older than known or that reuses memory still leased here); RESOURCE_EXHAUSTED if the
  // peer has too many segments or there is no room for one more.
  absl::StatusOr<std::shared_ptr<const Lease>> Accept(const ReceivedGrant& grant,
                                                      UniqueFd descriptor);

  // The lease on a use that this side still holds. NOT_FOUND if there is none.
  absl::StatusOr<std::shared_ptr<const Lease>> Find(absl::string_view name,
                                                    uint64_t generation) const;

  // The owner has destroyed the segment. DATA_LOSS if it is unknown or still leased here.
  absl::Status Retire(uint32_t slot);

  // From now on leases that are over are written to `log`, as long as that has room. Messages are
  // counted from here on.
  void AttachLog(std::unique_ptr<LeaseLogWriter> log);
  // One more message has been sent to the peer.
  void MessageSent() { messages_sent_.fetch_add(1, std::memory_order_relaxed); }

  // What is over since the last call and did not go to the log; each use at most once.
  std::vector<ReturnedLease> TakeReturns();
  // Puts back what TakeReturns gave: the message was not sent.
  void RestoreReturns(absl::Span<const ReturnedLease> returns);
  // Whether TakeReturns would return anything. Without a lock.
  bool HasReturns() const { return has_returns_.load(std::memory_order_relaxed); }

  // Drops every mapping that no lease holds, and tells nobody: the peer is gone. Leases handed out
  // so far stay good. Final: another peer gets another PeerSegments.
  void Forget();

  PeerSegmentsStats stats() const;

 private:
  class ReaderLease;
  struct Entry {
    std::shared_ptr<const Segment> segment;
    uint64_t generation = 0;
    std::weak_ptr<ReaderLease> lease;
  };

  PeerSegments(PeerSegmentsOptions options, std::shared_ptr<SegmentProvider> provider);
  absl::StatusOr<Entry*> FindOrMap(const ReceivedGrant& grant, UniqueFd descriptor);
  absl::StatusOr<Entry*> Map(const ReceivedGrant& grant, UniqueFd descriptor);
  absl::Status CheckGeneration(const Entry& entry, const ReceivedGrant& grant) const;
  Entry* FindSlot(uint32_t slot);
  void LeaseDied(const ReaderLease& lease);
  void AddReturn(const ReturnedLease& returned);

  const PeerSegmentsOptions options_;
  const std::shared_ptr<SegmentProvider> provider_;

  mutable std::mutex mutex_;    // guards all below
  std::vector<Entry> entries_;  // by slot; one without a segment is unknown
  std::unordered_map<std::string, uint32_t> slot_of_name_;
  std::vector<ReturnedLease> returns_;
  std::atomic<bool> has_returns_ = false;
  std::unique_ptr<LeaseLogWriter> log_;
  std::atomic<uint64_t> messages_sent_ = 0;  // since log_ is there
  uint64_t segments_mapped_ = 0;
  size_t bytes_ = 0;
  bool forgotten_ = false;
};

}  // namespace slabpipe

#endif  // SLABPIPE_TRANSPORT_PEER_SEGMENTS_H_
