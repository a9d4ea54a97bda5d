// ControlBlock: the shared memory through which one side speaks to the other without a system call.
//
// Each side creates one, may write to it, and gives the other a descriptor; the other maps it
// read-only. So no word in shared memory is written by both, and a side can spoil what it says
// itself, never what the other says.
//
//   +---------------------------+ 0
//   | identity                  |  written once, checked by the peer when it maps the block
//   +---------------------------+ 64
//   | what this side has taken  |  of the peer's ring and of the peer's lease log
//   +---------------------------+ 128
//   | how this side waits       |  whether its bells are to be rung, where it runs
//   +---------------------------+ 192
//   | how much log is written   |
//   +---------------------------+ 256
//   | vitals                    |  how a worker fares
//   +---------------------------+ 320
//   | ring                      |  messages to the peer: ring.h
//   +---------------------------+ 320 + ring_bytes
//   | lease log                 |  leases given back to the peer: lease_log.h
//   +---------------------------+
//
// What a reader finds here may be anything and may change between two looks: each value is read
// once, into a local variable, and checked there.

#ifndef SLABPIPE_TRANSPORT_CONTROL_BLOCK_H_
#define SLABPIPE_TRANSPORT_CONTROL_BLOCK_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "slabpipe/transport/segment.h"
#include "slabpipe/transport/unique_fd.h"

namespace slabpipe {

// Wire structure: how a worker fares, written by a thread of its own that watches those which
// serve. Times are CLOCK_MONOTONIC, in nanoseconds. Relaxed, but for `request`: each value is a
// fact of its own.
struct Vitals {
  std::atomic<int64_t> heartbeat = 0;  // the watching thread's last look; 0: none yet
  std::atomic<int64_t> active = 0;  // when it last saw the process work, or its function speak up
  std::atomic<int64_t> cpu = 0;     // processor time of the whole process
  // The id of the request that has run longest; 0: none runs. Release, the last to be written: the
  // times are its own.
  std::atomic<uint64_t> request = 0;
  std::atomic<int64_t> since = 0;  // when the watching thread first saw that one
};

// Wire structure: the head of a control block. Native byte order: both sides are one machine.
struct ControlHeader {
  static constexpr uint32_t kMagic = 0x43504c53;  // "SLPC"
  static constexpr uint32_t kVersion = 1;

  alignas(64) uint32_t magic = kMagic;
  uint32_t version = kVersion;
  uint32_t ring_bytes = 0;   // a power of two
  uint32_t log_entries = 0;  // a power of two

  // Bytes of the peer's ring, and entries of its lease log, that this side is done with. Both only
  // grow. The peer may write over what lies before them.
  alignas(64) std::atomic<uint64_t> ring_taken = 0;
  std::atomic<uint64_t> log_taken = 0;

  // Not 0: this side sleeps, or is about to; ring the bell when there is a message for it, or when
  // its messages have been taken and there is room again.
  alignas(64) std::atomic<uint32_t> wants_message = 0;
  std::atomic<uint32_t> wants_room = 0;
  // The CPU on which this side's receiving thread has been seen last.
  std::atomic<uint32_t> cpu = 0;
  uint32_t reserved = 0;

  // Entries that this side has written to its lease log. Only grows.
  alignas(64) std::atomic<uint64_t> log_written = 0;

  alignas(64) Vitals vitals;
};
static_assert(sizeof(ControlHeader) == 320 && alignof(ControlHeader) == 64);
static_assert(std::atomic<uint64_t>::is_always_lock_free);
static_assert(std::atomic<uint32_t>::is_always_lock_free);

// Wire structure: so many grants of a segment of the peer's are over.
struct LeaseLogEntry {
  uint32_t slot = 0;
  uint32_t count = 0;
  // To be looked at once so many messages of the writer's have been taken in: an earlier one may
  // still speak of the segment.
  uint64_t after_messages = 0;
};
static_assert(sizeof(LeaseLogEntry) == 16 && alignof(LeaseLogEntry) == 8);

struct ControlSizes {
  // A power of two, from 4 KiB to 64 MiB.
  uint32_t ring_bytes = 256u << 10;
  // A power of two, to 65536.
  uint32_t log_entries = 1024;

  size_t total_bytes() const {
    return sizeof(ControlHeader) + ring_bytes + log_entries * sizeof(LeaseLogEntry);
  }
};
bool AreSound(const ControlSizes& sizes);

// The parts of a control block at their addresses. For the side that writes; borrowed.
struct OwnControl {
  ControlHeader* header = nullptr;
  std::byte* ring = nullptr;
  LeaseLogEntry* log = nullptr;
  ControlSizes sizes;
};
// The same for the side that reads. `sizes` are those that were checked, not what stands there now.
struct PeerControl {
  const ControlHeader* header = nullptr;
  const std::byte* ring = nullptr;
  const LeaseLogEntry* log = nullptr;
  ControlSizes sizes;
};
// REQUIRES: `memory` is zeroed, aligned to 64, and sizes.total_bytes() long.
OwnControl FormatControl(std::byte* memory, const ControlSizes& sizes);
PeerControl ViewControl(const std::byte* memory, const ControlSizes& sizes);

// A control block in a sealed memory object of its own.
class ControlSegment {
 public:
  // RESOURCE_EXHAUSTED with the limit's name; INVALID_ARGUMENT for sizes that make no sense.
  static absl::StatusOr<ControlSegment> Create(const ControlSizes& sizes);

  const OwnControl& view() const { return view_; }
  // To be sent to the peer; borrowed.
  int descriptor() const { return segment_->descriptor(); }

 private:
  std::unique_ptr<Segment> segment_;
  OwnControl view_;
};

// The peer's, mapped read-only.
class PeerControlSegment {
 public:
  // DATA_LOSS if what came is no control block, or could shrink; RESOURCE_EXHAUSTED.
  static absl::StatusOr<PeerControlSegment> Open(UniqueFd descriptor);

  const PeerControl& view() const { return view_; }

 private:
  std::unique_ptr<Segment> segment_;
  PeerControl view_;
};

}  // namespace slabpipe

#endif  // SLABPIPE_TRANSPORT_CONTROL_BLOCK_H_
