// Buffer: bytes with shared ownership, wherever they lie. WeakBuffer: watches some without keeping
// them.
//
//   Buffer mine = *Buffer::Allocate(4096);         // private memory
//   Buffer theirs(block);                          // a block of shared memory; keeps its lease
//   WeakBuffer watch(theirs);
//   theirs = Buffer();
//   assert(watch.expired());                       // nobody here keeps the bytes any more
//
// Whoever stores a Buffer (an array does) has its bytes kept for as long; nothing else is to be
// done about lifetimes. (The pool that a block came from pins it until it is cleared, before the
// next message: a WeakBuffer counts that, too.)

#ifndef SLABPIPE_CODEC_BUFFER_H_
#define SLABPIPE_CODEC_BUFFER_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "slabpipe/transport/block.h"

namespace slabpipe {

// A value; copies share the bytes. Thread-compatible; the bytes need the caller's own order.
class Buffer {
 public:
  // No bytes.
  Buffer() = default;
  // A block of shared memory: its content. Writable if this side owns the segment.
  explicit Buffer(Block block);

  // New private memory, zero-filled, aligned to 64 bytes. RESOURCE_EXHAUSTED if there is none.
  static absl::StatusOr<Buffer> Allocate(size_t size_bytes);
  // Memory that is somebody else's and outlives this buffer and its copies.
  static Buffer Borrow(absl::Span<const std::byte> bytes);
  static Buffer BorrowMutable(absl::Span<std::byte> bytes);
  // Memory that lives as long as `owner` does.
  static Buffer Own(absl::Span<const std::byte> bytes, std::shared_ptr<const void> owner);
  static Buffer OwnMutable(absl::Span<std::byte> bytes, std::shared_ptr<const void> owner);

  // The same bytes, not to be written through this buffer and its copies.
  Buffer ReadOnly() const { return Buffer(*this).IntoReadOnly(); }
  Buffer&& IntoReadOnly() && {
    mutable_data_ = nullptr;
    return std::move(*this);
  }

  const std::byte* data() const { return data_; }
  // nullptr if the bytes may only be read.
  std::byte* mutable_data() const { return mutable_data_; }
  size_t size_bytes() const { return size_bytes_; }
  absl::Span<const std::byte> bytes() const { return {data_, size_bytes_}; }
  // The block that the bytes are the content of, if they lie in shared memory.
  const std::optional<Block>& block() const { return block_; }

 private:
  friend class WeakBuffer;
  const std::byte* data_ = nullptr;
  std::byte* mutable_data_ = nullptr;
  size_t size_bytes_ = 0;
  std::optional<Block> block_;
  std::shared_ptr<const void> owner_;  // of private memory; null if borrowed
};

// Thread-compatible.
class WeakBuffer {
 public:
  WeakBuffer() = default;
  explicit WeakBuffer(const Buffer& buffer);
  // Watches one use of a segment.
  explicit WeakBuffer(const std::shared_ptr<const Lease>& lease) : watched_(lease) {}

  // Whether nobody here keeps the bytes any more. Of bytes in shared memory: the whole slab that
  // they lie in, for memory goes back to its owner a slab at a time. Always true of borrowed bytes.
  bool expired() const { return watched_.expired(); }

 private:
  std::weak_ptr<const void> watched_;
};

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_BUFFER_H_
