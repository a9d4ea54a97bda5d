#include "slabpipe/codec/shared_array.h"

#include <utility>

#include "slabpipe/codec/buffer.h"

namespace slabpipe {

absl::StatusOr<AnyNdArray> NewSharedArray(ShmPool& pool, ElementType type,
                                          absl::Span<const int64_t> shape, Order order) {
  const size_t element_bytes = type.size_bytes();
  if (absl::Status status = CheckShape(shape, element_bytes); !status.ok()) return status;
  ArrayLayout layout = ContiguousLayout(shape, element_bytes, order);
  const size_t bytes = static_cast<size_t>(ElementCount(shape)) * element_bytes;
  Buffer buffer;
  if (bytes > 0) {
    absl::StatusOr<Block> block = pool.AllocLasting(bytes);
    if (!block.ok()) return block.status();
    block->Populate();  // whoever wants an array writes it
    buffer = Buffer(*std::move(block));
  }
  const std::byte* origin = buffer.data();
  return AnyNdArray(type, std::move(layout), std::move(buffer), origin);
}

}  // namespace slabpipe
