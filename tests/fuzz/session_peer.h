// SessionPeer: the worker's end of a connection in the fuzzer `session`: nobody is there, but what
// the input says is sent.
//
//   SessionPeer peer(std::move(socket));
//   UniqueFd joined = peer.Join(main_control);      // its control block, if there is to be a ring
//   peer.Send(message);
//   peer.Leave();                                   // the process has ended

#ifndef SLABPIPE_TESTS_FUZZ_SESSION_PEER_H_
#define SLABPIPE_TESTS_FUZZ_SESSION_PEER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "slabpipe/tests/fuzz/message_input.h"
#include "slabpipe/tests/fuzz/peer_objects.h"
#include "slabpipe/transport/control_block.h"
#include "slabpipe/transport/ring.h"
#include "slabpipe/transport/unique_fd.h"

namespace slabpipe::fuzz {

// The least that there can be.
inline constexpr ControlSizes kFuzzedControl = {.ring_bytes = 4096, .log_entries = 16};

// Thread-compatible. What there is no room for is not sent.
class SessionPeer {
 public:
  explicit SessionPeer(UniqueFd socket) : socket_(std::move(socket)) {}

  // From now on messages go through the ring, if they can. `main_control` is borrowed.
  UniqueFd Join(int main_control);
  // In a frame as a good worker's, whatever is in it.
  void Send(const MessageInput::Message& message);
  // As SessionInput::Kind::kBytes says.
  void SendBytes(uint8_t which, absl::Span<const uint8_t> bytes);
  void Leave() { socket_.reset(); }

 private:
  bool SendByRing(absl::Span<const uint8_t> words, bool has_descriptors);
  void SendFrame(absl::Span<const uint8_t> words, const std::vector<UniqueFd>& descriptors);
  void SendBySocket(absl::Span<const uint8_t> header, absl::Span<const uint8_t> body,
                    const std::vector<UniqueFd>& descriptors);

  UniqueFd socket_;
  uint64_t sequence_ = 0;
  PeerObjects objects_;
  std::optional<ControlSegment> control_;
  std::optional<PeerControlSegment> main_control_;
  std::optional<RingWriter> ring_;
};

}  // namespace slabpipe::fuzz

#endif  // SLABPIPE_TESTS_FUZZ_SESSION_PEER_H_
