// NewSharedArray: an array that lies in shared memory from the start, so that sending it copies
// nothing. SharedMemory: the same for what is made of several buffers.

#ifndef SLABPIPE_CODEC_SHARED_ARRAY_H_
#define SLABPIPE_CODEC_SHARED_ARRAY_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "slabpipe/codec/buffer.h"
#include "slabpipe/codec/ndarray.h"
#include "slabpipe/transport/shm_pool.h"

namespace slabpipe {

// Where columns and tables get their memory from, if they are to lie in shared memory: a
// BufferSource (column.h). A small value; borrows the pool. Thread-safe.
//
//   absl::StatusOr<Table> shared = table.Copy(session.memory());
class SharedMemory {
 public:
  // Of no pool, yet.
  SharedMemory() = default;
  explicit SharedMemory(ShmPool& pool) : pool_(&pool) {}
  // Writable, its bytes undefined. RESOURCE_EXHAUSTED with the limit's name; FAILED_PRECONDITION
  // without a pool.
  absl::StatusOr<Buffer> operator()(size_t size_bytes) const;

 private:
  ShmPool* pool_ = nullptr;
};

// Writable, in memory of the pool's, its elements undefined. May outlive the pool. INVALID_ARGUMENT
// for a shape that is none; RESOURCE_EXHAUSTED with the limit's name. Thread-safe.
absl::StatusOr<AnyNdArray> NewSharedArray(SharedMemory memory, ElementType type,
                                          absl::Span<const int64_t> shape,
                                          Order order = Order::kRowMajor);
inline absl::StatusOr<AnyNdArray> NewSharedArray(ShmPool& pool, ElementType type,
                                                 absl::Span<const int64_t> shape,
                                                 Order order = Order::kRowMajor) {
  return NewSharedArray(SharedMemory(pool), type, shape, order);
}

template <ArrayElement T>
absl::StatusOr<NdArray<T>> NewSharedArray(ShmPool& pool, absl::Span<const int64_t> shape,
                                          Order order = Order::kRowMajor) {
  absl::StatusOr<AnyNdArray> array = NewSharedArray(pool, kElementTypeOf<T>, shape, order);
  if (!array.ok()) return array.status();
  return NdArray<T>::FromAny(*array);
}

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_SHARED_ARRAY_H_
