#include "slabpipe/transport/slab.h"

namespace slabpipe {

std::optional<Block> Slab::Allocate(size_t size_bytes, bool temporary) {
  const size_t offset = AlignBlockSize(used_bytes_);
  if (offset > capacity_bytes() || size_bytes > capacity_bytes() - offset) return std::nullopt;
  used_bytes_ = offset + size_bytes;
  return Block(lease_, offset, size_bytes, size_bytes, temporary);
}

}  // namespace slabpipe
