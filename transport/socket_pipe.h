// SocketPipe: a MessagePipe over a Unix stream socket.
//
// The format on the wire, FrameHeader and what follows it, is specified in docs/wire-format.md.
// Descriptors travel as SCM_RIGHTS beside the first byte of their frame, unix(7).

#ifndef SLABPIPE_TRANSPORT_SOCKET_PIPE_H_
#define SLABPIPE_TRANSPORT_SOCKET_PIPE_H_

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "slabpipe/transport/message_pipe.h"
#include "slabpipe/transport/unique_fd.h"
#include "slabpipe/transport/wait.h"

namespace slabpipe {

// Wire structure: precedes each message on the socket. Little-endian.
struct FrameHeader {
  static constexpr uint32_t kMagic = 0x31504c53;  // "SLP1"

  uint32_t magic = kMagic;
  uint16_t descriptor_count = 0;  // SCM_RIGHTS beside this frame's first byte
  uint16_t reserved = 0;          // 0
  uint64_t sequence = 0;          // 0, 1, 2, ... in each direction
  uint64_t body_bytes = 0;        // a multiple of 8: Cap'n Proto's stream framing, not packed
};
static_assert(sizeof(FrameHeader) == 24 && alignof(FrameHeader) == 8);
static_assert(std::is_trivially_copyable_v<FrameHeader>);

// See MessagePipe for the contract.
class SocketPipe : public MessagePipe {
 public:
  // `socket` is one end of a connected Unix stream socket; becomes non-blocking.
  explicit SocketPipe(UniqueFd socket, PipeOptions options = {});

  // Two connected ends. RESOURCE_EXHAUSTED when no descriptor is left.
  static absl::StatusOr<std::pair<UniqueFd, UniqueFd>> CreateSockets();
  // Two pipes that are connected, for use inside one process.
  static absl::StatusOr<std::pair<std::unique_ptr<SocketPipe>, std::unique_ptr<SocketPipe>>>
  CreatePair(PipeOptions options = {});

  // `peer` (a pidfd; borrowed) tells by being readable that the peer has ended, even if a child of
  // the peer's still holds its end of the socket. REQUIRES: nobody sends or receives yet.
  void WatchPeer(int peer) { peer_fd_ = peer; }

  absl::Status Send(capnp::MessageBuilder& message, absl::Span<const int> descriptors,
                    const Wait& wait) override {
    return Send(message, descriptors, wait, [] {});
  }
  absl::StatusOr<IncomingMessage> Receive(const Wait& wait) override;
  bool waits_for_room() const override { return waits_for_room_.load(std::memory_order_relaxed); }
  absl::Status send_status() const override { return over(Direction::kSend); }
  int fd() const override { return socket_.get(); }
  bool Arm() override { return frame_.complete() || buffer_begin_ != buffer_end_; }
  bool HasMessage() override;
  uint64_t messages_sent() const override { return next_sent_.load(std::memory_order_relaxed); }
  uint64_t messages_received() const override {
    return next_received_.load(std::memory_order_relaxed);
  }

  uint64_t bytes_sent() const override { return bytes_sent_.load(std::memory_order_relaxed); }

  // For a pipe on top of this one.
  // As Send; calls `begun` as soon as the message counts as sent, before all of it is out.
  absl::Status Send(capnp::MessageBuilder& message, absl::Span<const int> descriptors,
                    const Wait& wait, absl::FunctionRef<void()> begun);
  // Sends what is left of a message whose wait ended in the middle, if there is any.
  absl::Status SendUnsent(const Wait& wait);
  absl::Status receive_status() const { return over(Direction::kReceive); }
  // The pipe is over, for this reason; the first one stays and is returned.
  absl::Status End(absl::Status why) { return EndWith(std::move(why)); }
  // Nothing can be sent any more, for this reason; what has arrived is still to be received.
  absl::Status EndSending(absl::Status why) { return EndSendingWith(std::move(why)); }
  // What to wait for to learn that the peer is gone, whatever it has sent before.
  std::array<WaitFd, 2> peer_gone_fds() const {
    return {{{.fd = socket_.get(), .events = POLLRDHUP}, {.fd = peer_fd_, .events = POLLIN}}};
  }

 private:
  // A frame that is arriving.
  struct Frame {
    FrameHeader header;
    size_t header_bytes = 0;  // so many of it are there
    IncomingMessage message;
    size_t body_bytes = 0;  // so many of it are there
    bool has_header() const { return header_bytes == sizeof(FrameHeader); }
    bool complete() const { return has_header() && body_bytes == header.body_bytes; }
    // Where the rest of the body goes, and how much of it is missing.
    char* rest() { return reinterpret_cast<char*>(message.words()) + body_bytes; }
    size_t missing() const { return has_header() ? header.body_bytes - body_bytes : 0; }
  };

  absl::Status SendParts(std::vector<iovec> parts, absl::Span<const int> descriptors,
                         const Wait& wait, absl::FunctionRef<void()> begun);
  absl::Status WaitFor(short events, const Wait& wait);
  absl::Status ReadSome(const Wait& wait);
  absl::StatusOr<size_t> ReceiveInto(absl::Span<const iovec> parts, const Wait& wait);
  absl::Status TakeDescriptors(const ::msghdr& header);
  void Consume(size_t bytes);
  absl::Status CheckHeader(const FrameHeader& header) const;
  absl::Status BeginBody();
  absl::StatusOr<IncomingMessage> FinishFrame();

  // Why the pipe is over, for each direction. A sender that finds the peer gone ends only its own:
  // what the peer sent before it went is still to be received.
  enum class Direction { kSend, kReceive };
  absl::Status over(Direction direction) const;
  absl::Status EndWith(absl::Status why);
  absl::Status Refuse(absl::Status why);
  absl::Status EndSendingWith(absl::Status why);
  absl::Status EndReceivingWith(absl::Status why);

  const UniqueFd socket_;
  const PipeOptions options_;
  int peer_fd_ = -1;

  std::atomic<bool> any_over_ = false;  // whether it is worth while to look at the next
  mutable std::mutex over_mutex_;
  absl::Status sending_over_;  // guarded by over_mutex_, like the next
  absl::Status receiving_over_;

  // The sender's:
  std::atomic<bool> waits_for_room_ = false;
  std::atomic<uint64_t> next_sent_ = 0;
  std::atomic<uint64_t> bytes_sent_ = 0;
  std::vector<std::byte> unsent_;  // the rest of a message whose wait ended in the middle

  // The receiver's:
  std::atomic<uint64_t> next_received_ = 0;
  Frame frame_;
  std::deque<UniqueFd> descriptors_;  // received, of frames not finished yet
  std::vector<std::byte> buffer_;  // read ahead: [buffer_begin_, buffer_end_) is not consumed yet
  size_t buffer_begin_ = 0;
  size_t buffer_end_ = 0;
};

}  // namespace slabpipe

#endif  // SLABPIPE_TRANSPORT_SOCKET_PIPE_H_
