#include "slabpipe/codec/shared_array.h"

#include <utility>

namespace slabpipe {

absl::StatusOr<AnyNdArray> NewSharedArray(SharedMemory memory, ElementType type,
                                          absl::Span<const int64_t> shape, Order order) {
  const size_t element_bytes = type.size_bytes();
  if (absl::Status status = CheckShape(shape, element_bytes); !status.ok()) return status;
  ArrayLayout layout = ContiguousLayout(shape, element_bytes, order);
  const size_t bytes = static_cast<size_t>(ElementCount(shape)) * element_bytes;
  absl::StatusOr<Buffer> buffer = memory(bytes);
  if (!buffer.ok()) return buffer.status();
  const std::byte* origin = buffer->data();
  return AnyNdArray(type, std::move(layout), *std::move(buffer), origin);
}

absl::StatusOr<Buffer> SharedMemory::operator()(size_t size_bytes) const {
  if (pool_ == nullptr) {
    return absl::FailedPreconditionError("a worker has shared memory only while it serves");
  }
  if (size_bytes == 0) return Buffer();
  absl::StatusOr<Block> block = pool_->AllocLasting(size_bytes);
  if (!block.ok()) return block.status();
  block->Populate();  // whoever wants memory writes it
  return Buffer(*std::move(block));
}

}  // namespace slabpipe
