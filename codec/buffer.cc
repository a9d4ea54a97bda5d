#include "slabpipe/codec/buffer.h"

#include <cstdlib>
#include <cstring>
#include <new>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace slabpipe {

Buffer::Buffer(Block block)
    : data_(block.data()),
      mutable_data_(block.mutable_bytes().data()),
      size_bytes_(block.content_size()),
      block_(std::move(block)) {}

absl::StatusOr<Buffer> Buffer::Allocate(size_t size_bytes) {
  Buffer buffer;
  if (size_bytes == 0) return buffer;
  void* memory = size_bytes > SIZE_MAX - kBlockAlignmentBytes
                     ? nullptr
                     : std::aligned_alloc(kBlockAlignmentBytes, AlignBlockSize(size_bytes));
  if (memory == nullptr) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no memory for an array of ", size_bytes, " bytes"));
  }
  std::memset(memory, 0, size_bytes);
  buffer.owner_ = std::shared_ptr<const void>(memory, [](void* pointer) { std::free(pointer); });
  buffer.mutable_data_ = static_cast<std::byte*>(memory);
  buffer.data_ = buffer.mutable_data_;
  buffer.size_bytes_ = size_bytes;
  return buffer;
}

Buffer Buffer::Borrow(absl::Span<const std::byte> bytes) { return Own(bytes, nullptr); }

Buffer Buffer::BorrowMutable(absl::Span<std::byte> bytes) { return OwnMutable(bytes, nullptr); }

Buffer Buffer::Own(absl::Span<const std::byte> bytes, std::shared_ptr<const void> owner) {
  Buffer buffer;
  buffer.data_ = bytes.data();
  buffer.size_bytes_ = bytes.size();
  buffer.owner_ = std::move(owner);
  return buffer;
}

Buffer Buffer::OwnMutable(absl::Span<std::byte> bytes, std::shared_ptr<const void> owner) {
  Buffer buffer = Own(bytes, std::move(owner));
  buffer.mutable_data_ = bytes.data();
  return buffer;
}

WeakBuffer::WeakBuffer(const Buffer& buffer) {
  if (buffer.block_.has_value()) {
    watched_ = buffer.block_->lease();
  } else {
    watched_ = buffer.owner_;
  }
}

}  // namespace slabpipe
