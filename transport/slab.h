// Slab: hands out blocks from one segment, one behind the other.
//
//   Slab slab(lease);                                    // open
//   std::optional<Block> a = slab.Allocate(100, false);  // bytes 0 .. 99
//   std::optional<Block> b = slab.Allocate(8, false);    // bytes 128 .. 135: at a multiple of 64
//
// A slab is sealed by letting go of this object: blocks hold the lease on their own.

#ifndef SLABPIPE_TRANSPORT_SLAB_H_
#define SLABPIPE_TRANSPORT_SLAB_H_

#include <cstddef>
#include <memory>
#include <optional>

#include "slabpipe/transport/block.h"

namespace slabpipe {

// Thread-compatible. REQUIRES: the lease's segment is writable here, and nothing else allocates
// from it.
class Slab {
 public:
  explicit Slab(std::shared_ptr<const Lease> lease) : lease_(std::move(lease)) {}

  // A block of `size_bytes`, all of it content for a start; nullopt if it does not fit. REQUIRES:
  // size_bytes > 0.
  std::optional<Block> Allocate(size_t size_bytes, bool temporary);

  const std::shared_ptr<const Lease>& lease() const { return lease_; }
  size_t capacity_bytes() const { return lease_->segment().size_bytes(); }
  // Up to the end of the last block, the padding before it included.
  size_t used_bytes() const { return used_bytes_; }

 private:
  std::shared_ptr<const Lease> lease_;
  size_t used_bytes_ = 0;
};

}  // namespace slabpipe

#endif  // SLABPIPE_TRANSPORT_SLAB_H_
