// RingWriter, RingReader: messages in shared memory, one way, from one writer to one reader.
//
//   RingWriter writer(own_control, peer_control);
//   absl::StatusOr<bool> room = writer.HasRoom(body_bytes);
//   if (*room) { writer.Append(...); writer.Publish(FrameKind::kMessage); }
//
//   RingReader reader(own_control, peer_control);
//   absl::StatusOr<RingFrame> frame = reader.Look();
//   if (frame->kind == FrameKind::kMessage) reader.Take(*frame, buffer);
//
// Format. The ring is a sequence of frames, each at a multiple of 64 bytes:
//
//   word 0     body_bytes (32 bits) | number (24 bits) | kind (8 bits)
//   then       body_bytes bytes of body; a frame that reaches the ring's end goes on at its start
//
// The word comes last: the writer fills in the body, sets the word of the *next* frame to 0, and
// then stores this frame's word. So a reader that waits looks at one word, in the same cache line
// as the message itself, and a small message crosses in one cache miss. Frames are numbered from 0
// on; the number is checked modulo 2^24.
//
// The reader copies a body out before anything looks at it. It believes nothing: a word that makes
// no sense is DATA_LOSS.

#ifndef SLABPIPE_TRANSPORT_RING_H_
#define SLABPIPE_TRANSPORT_RING_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "slabpipe/transport/control_block.h"

namespace slabpipe {

enum class FrameKind : uint8_t {
  kNone = 0,      // not written yet
  kMessage = 1,   // the body is a message
  kBySocket = 2,  // no body: the message in this place comes through the socket
};

struct RingFrame {
  FrameKind kind = FrameKind::kNone;
  uint32_t body_bytes = 0;
};

inline constexpr size_t kRingAlignmentBytes = 64;

// What a frame takes up in the ring.
constexpr size_t RingFrameBytes(size_t body_bytes) {
  return (sizeof(uint64_t) + body_bytes + kRingAlignmentBytes - 1) / kRingAlignmentBytes *
         kRingAlignmentBytes;
}

// Thread-compatible. Borrows both control blocks.
class RingWriter {
 public:
  RingWriter(const OwnControl& own, const PeerControl& peer)
      : ring_(own.ring), ring_bytes_(own.sizes.ring_bytes), peer_(peer.header) {}

  // Where the next frame will begin: bytes since the start. The peer has taken a frame when its
  // ring_taken is where the next one begins.
  uint64_t position() const { return position_; }
  // The largest body that a frame may have: a quarter of the ring stays for others.
  size_t max_body_bytes() const { return ring_bytes_ / 4 * 3; }
  // Whether a frame fits now, and the word after it. DATA_LOSS if the peer has taken what was never
  // written.
  absl::StatusOr<bool> HasRoom(size_t body_bytes);

  // Adds to the body of the next frame. REQUIRES: HasRoom for all of it.
  void Append(const void* bytes, size_t count);
  // What was appended becomes the next frame. Release: a reader that sees the frame sees its body.
  void Publish(FrameKind kind);

 private:
  std::byte* const ring_;
  const uint64_t ring_bytes_;
  const ControlHeader* const peer_;
  uint64_t position_ = 0;  // of the next frame, in bytes since the start
  uint64_t taken_ = 0;     // as last read from the peer
  size_t body_bytes_ = 0;  // appended to the next frame
  uint32_t number_ = 0;
};

// Thread-compatible. Borrows both control blocks.
class RingReader {
 public:
  RingReader(const OwnControl& own, const PeerControl& peer)
      : ring_(peer.ring), ring_bytes_(peer.sizes.ring_bytes), own_(own.header) {}

  // Whether a frame is there. Cheap: for spinning.
  bool HasFrame() const { return LoadWord() != 0; }
  // The next frame; kNone if there is none yet. DATA_LOSS if it is none.
  absl::StatusOr<RingFrame> Look() const;
  // Copies the body of the frame that Look has returned to `body`, and goes on to the next. May be
  // torn if the peer still writes to it.
  void Take(const RingFrame& frame, void* body);

 private:
  uint64_t LoadWord() const;

  const std::byte* const ring_;
  const uint64_t ring_bytes_;
  ControlHeader* const own_;
  uint64_t position_ = 0;
  uint32_t number_ = 0;
};

}  // namespace slabpipe

#endif  // SLABPIPE_TRANSPORT_RING_H_
