// ShmRef, Lease, Block: a descriptor of shared bytes, a hold on them, and the bytes themselves.
//
//   ShmRef   what travels: a few numbers and a name. Points nowhere by itself, and nothing in it is
//            to be believed.
//   Lease    one side's hold on one use (generation) of one segment. When its last copy dies, the
//            memory goes back.
//   Block    a ref that has been checked against its segment, the bytes, and a lease that keeps
//            them.
//
// What comes from elsewhere becomes a Block only after CheckBlock.

#ifndef SLABPIPE_TRANSPORT_BLOCK_H_
#define SLABPIPE_TRANSPORT_BLOCK_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "slabpipe/transport/segment.h"

namespace slabpipe {

// Every block begins at a multiple of this, so that any element type and any vector instruction is
// aligned, and blocks share no cache line. (The Arrow columnar format recommends the same number.)
inline constexpr size_t kBlockAlignmentBytes = 64;

// `size_bytes` rounded up to the alignment. REQUIRES: no overflow, i.e. size_bytes <= SIZE_MAX
// - 63.
constexpr size_t AlignBlockSize(size_t size_bytes) {
  return (size_bytes + kBlockAlignmentBytes - 1) / kBlockAlignmentBytes * kBlockAlignmentBytes;
}

// Names a block. See schemas/shm.capnp for the rules of each field.
struct ShmRef {
  std::string name;           // of the segment
  uint64_t generation = 0;    // which use of the segment
  uint64_t offset = 0;        // bytes from the segment's start, a multiple of 64
  uint64_t size = 0;          // bytes allocated
  uint64_t content_size = 0;  // bytes used, from the block's start; <= size
  bool temporary = false;     // given back as soon as decoding ends

  friend bool operator==(const ShmRef&, const ShmRef&) = default;
};

// A hold on one use of one segment, shared by everything that uses its bytes: always in a
// shared_ptr<const Lease>. While any copy lives, the owner does not reuse the memory and the
// mapping stays. The destructor, which may run on any thread, tells whoever handed the lease out.
// Thread-safe.
class Lease {
 public:
  virtual ~Lease() = default;
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  const Segment& segment() const { return *segment_; }
  uint64_t generation() const { return generation_; }
  // The segment's number in its owner's table, by which messages name it.
  uint32_t slot() const { return slot_; }
  // Who handed it out: an identity to compare, not to follow. Tells a pool whether it may send the
  // bytes as a ref.
  const void* origin() const { return origin_; }

 protected:
  Lease(std::shared_ptr<const Segment> segment, uint32_t slot, uint64_t generation,
        const void* origin)
      : segment_(std::move(segment)), generation_(generation), slot_(slot), origin_(origin) {}

 private:
  const std::shared_ptr<const Segment> segment_;
  const uint64_t generation_;
  const uint32_t slot_;
  const void* const origin_;
};

// A checked piece of a segment. A small value: copies share the bytes. Keeps its bytes mapped and
// in place. Thread-compatible.
class Block {
 public:
  // No bytes, and no lease: has no data() and no ref().
  Block() = default;
  // REQUIRES: the piece lies inside the lease's segment. A ref that is not known to goes through
  // CheckedBlock.
  Block(std::shared_ptr<const Lease> lease, size_t offset, size_t size, size_t content_size,
        bool temporary)
      : lease_(std::move(lease)),
        offset_(offset),
        size_(size),
        content_size_(content_size),
        temporary_(temporary) {}

  // What travels in its place.
  ShmRef ref() const;
  const std::shared_ptr<const Lease>& lease() const { return lease_; }
  size_t offset() const { return offset_; }
  size_t size() const { return size_; }
  size_t content_size() const { return content_size_; }
  bool temporary() const { return temporary_; }

  const std::byte* data() const { return lease_->segment().data() + offset_; }
  // The bytes in use.
  absl::Span<const std::byte> content() const { return {data(), content_size_}; }
  // All of the block, writable; empty unless this side owns the segment.
  absl::Span<std::byte> mutable_bytes() const;
  // To be called before all of the block is written: see Segment::Populate. REQUIRES: this side
  // owns the segment.
  void Populate() const { lease_->segment().Populate(offset_, size_); }
  // Says how many of the bytes are in use. REQUIRES: content_size <= size().
  void set_content_size(size_t content_size) { content_size_ = content_size; }

 private:
  std::shared_ptr<const Lease> lease_;
  size_t offset_ = 0;
  size_t size_ = 0;
  size_t content_size_ = 0;
  bool temporary_ = false;
};

// Checks that a piece lies in the lease's segment: offset (a multiple of 64), size (not 0),
// content_size. DATA_LOSS with the field that is wrong.
absl::Status CheckBlock(const Lease& lease, uint64_t offset, uint64_t size, uint64_t content_size);

// Checks `ref` against the segment that it names: name and generation, too.
absl::StatusOr<Block> CheckedBlock(const ShmRef& ref, std::shared_ptr<const Lease> lease);

}  // namespace slabpipe

#endif  // SLABPIPE_TRANSPORT_BLOCK_H_
