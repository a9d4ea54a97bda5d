#include "slabpipe/transport/ring.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace slabpipe {
namespace {

constexpr uint32_t kNumberMask = 0xffffff;

constexpr uint64_t MakeWord(FrameKind kind, uint32_t number, size_t body_bytes) {
  return uint64_t{static_cast<uint8_t>(kind)} | uint64_t{number & kNumberMask} << 8 |
         uint64_t{body_bytes} << 32;
}

}  // namespace

absl::StatusOr<bool> RingWriter::HasRoom(size_t body_bytes) {
  // The word after the frame is written to as well.
  const uint64_t needed = RingFrameBytes(body_bytes) + kRingAlignmentBytes;
  if (ring_bytes_ - (position_ - taken_) >= needed) return true;
  // Pairs with the store in RingReader::Take: what the peer has taken it has read. Sequentially
  // consistent, as there: a sender that is about to sleep first says so (wants_room) and then looks
  // here.
  const uint64_t taken = peer_->ring_taken.load(std::memory_order_seq_cst);
  if (taken < taken_ || taken > position_) {
    return absl::DataLossError(absl::StrCat("the peer has taken ", taken,
                                            " bytes of a ring to which ", position_,
                                            " were written, and ", taken_, " before"));
  }
  taken_ = taken;
  return ring_bytes_ - (position_ - taken_) >= needed;
}

void RingWriter::Append(const void* bytes, size_t count) {
  const uint64_t at = (position_ + sizeof(uint64_t) + body_bytes_) & (ring_bytes_ - 1);
  const size_t before_end = std::min<uint64_t>(count, ring_bytes_ - at);
  std::memcpy(ring_ + at, bytes, before_end);
  std::memcpy(ring_, static_cast<const std::byte*>(bytes) + before_end, count - before_end);
  body_bytes_ += count;
}

void RingWriter::Publish(FrameKind kind) {
  auto* word = reinterpret_cast<uint64_t*>(ring_ + (position_ & (ring_bytes_ - 1)));
  position_ += RingFrameBytes(body_bytes_);
  auto* next = reinterpret_cast<uint64_t*>(ring_ + (position_ & (ring_bytes_ - 1)));
  // Relaxed: ordered before the reader's look at it by the store below, which the reader sees
  // first.
  __atomic_store_n(next, 0, __ATOMIC_RELAXED);
  // SUBTLE: sequentially consistent, not only release: the caller looks next at whether the peer
  // sleeps (wants_message), and the peer, before it sleeps, first says so and then looks here. One
  // of the two must see what the other wrote. Pairs with RingReader::LoadWord.
  __atomic_store_n(word, MakeWord(kind, number_, body_bytes_), __ATOMIC_SEQ_CST);
  ++number_;
  body_bytes_ = 0;
}

uint64_t RingReader::LoadWord() const {
  const auto* word = reinterpret_cast<const uint64_t*>(ring_ + (position_ & (ring_bytes_ - 1)));
  return __atomic_load_n(word, __ATOMIC_SEQ_CST);  // pairs with RingWriter::Publish
}

absl::StatusOr<RingFrame> RingReader::Look() const {
  const uint64_t word = LoadWord();
  if (word == 0) return RingFrame{};
  const auto kind = static_cast<uint8_t>(word);
  const auto body_bytes = static_cast<uint32_t>(word >> 32);
  const bool message = kind == static_cast<uint8_t>(FrameKind::kMessage);
  const bool by_socket = kind == static_cast<uint8_t>(FrameKind::kBySocket);
  const bool fits = message ? body_bytes > 0 && body_bytes % sizeof(uint64_t) == 0 &&
                                  body_bytes <= ring_bytes_ / 4 * 3
                            : body_bytes == 0;
  if (!(message || by_socket) || !fits || ((word >> 8) & kNumberMask) != (number_ & kNumberMask)) {
    return absl::DataLossError(absl::StrCat("what the peer wrote to the ring is no frame: kind ",
                                            kind, ", number ", (word >> 8) & kNumberMask, ", not ",
                                            number_ & kNumberMask, ", ", body_bytes,
                                            " bytes of a ring of ", ring_bytes_));
  }
  return RingFrame{.kind = static_cast<FrameKind>(kind), .body_bytes = body_bytes};
}

void RingReader::Take(const RingFrame& frame, void* body) {
  const uint64_t at = (position_ + sizeof(uint64_t)) & (ring_bytes_ - 1);
  const size_t before_end = std::min<uint64_t>(frame.body_bytes, ring_bytes_ - at);
  if (before_end > 0) std::memcpy(body, ring_ + at, before_end);
  if (before_end < frame.body_bytes) {
    std::memcpy(static_cast<std::byte*>(body) + before_end, ring_, frame.body_bytes - before_end);
  }
  position_ += RingFrameBytes(frame.body_bytes);
  ++number_;
  // Sequentially consistent: releases what was read to RingWriter::HasRoom; and the caller looks
  // next at whether the peer sleeps for want of room, as in Publish.
  own_->ring_taken.store(position_, std::memory_order_seq_cst);
}

}  // namespace slabpipe
