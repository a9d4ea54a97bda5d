// RingPipe: a MessagePipe through shared memory, beside a socket.
//
//   main                                              worker
//   RingPipe pipe(std::move(socket), options);        RingPipe pipe(std::move(socket), options);
//   fds = *pipe.Offer();  send hello with fds   --->  fds = *pipe.Join(hello's descriptors, spin);
//   pipe.Complete(welcome's descriptors);       <---  send welcome with fds;  pipe.Begin();
//
// Until then, and if the worker does not join, everything goes through the socket. Afterwards a
// message goes through a ring in shared memory (ring.h): while both sides are awake, no system call
// is made. One that is too large for the ring, or has descriptors, goes through the socket; a frame
// without a body holds its place in the ring, so that the order is kept.
//
// A receiver first looks into the ring for a while (spin.h), then says that it sleeps and waits for
// its bell; a sender rings only then. That the peer is gone is told by the socket, as without a
// ring. Once the ring is there the socket is read only when the ring says so.

#ifndef SLABPIPE_TRANSPORT_RING_PIPE_H_
#define SLABPIPE_TRANSPORT_RING_PIPE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "slabpipe/transport/control_block.h"
#include "slabpipe/transport/doorbell.h"
#include "slabpipe/transport/message_pipe.h"
#include "slabpipe/transport/ring.h"
#include "slabpipe/transport/shm_pool.h"
#include "slabpipe/transport/socket_pipe.h"
#include "slabpipe/transport/spin.h"
#include "slabpipe/transport/unique_fd.h"
#include "slabpipe/transport/wait.h"

namespace slabpipe {

// See MessagePipe for the contract. In addition: a message that was put into the ring counts as
// sent even if the peer is dead; the receiver learns of that.
class RingPipe : public MessagePipe {
 public:
  RingPipe(std::unique_ptr<SocketPipe> socket, const PipeOptions& options);
  ~RingPipe() override;

  // What the ring's set-up needs, in the order of the steps. Nothing may be sent or received
  // between the first and the last but the messages that carry the descriptors.
  //
  // Main. The descriptors to go along with its first message: borrowed, valid until Complete.
  // RESOURCE_EXHAUSTED; INVALID_ARGUMENT for a ring_bytes that is no power of two.
  absl::StatusOr<std::vector<int>> Offer();
  // Worker. `offered` came with that message; the result goes along with the answer, borrowed.
  // `spin` is the budget that main wishes for. DATA_LOSS if it is no offer.
  absl::StatusOr<std::vector<int>> Join(std::vector<UniqueFd> offered, absl::Duration spin);
  // Worker: the answer has been sent.
  void Begin();
  // Main: `joined` came with the answer.
  absl::Status Complete(std::vector<UniqueFd> joined);

  // Main: the worker has not joined.
  void Withdraw();

  // Two pipes with rings between them, for use inside one process.
  static absl::StatusOr<std::pair<std::unique_ptr<RingPipe>, std::unique_ptr<RingPipe>>> CreatePair(
      const PipeOptions& options = {});

  // A cancellation with which most waits will come: these are cheaper then. It must outlive the
  // pipe's use. REQUIRES: before Complete.
  void ExpectCancellation(const Cancellation& cancellation) { expected_ = &cancellation; }

  absl::Status Send(capnp::MessageBuilder& message, absl::Span<const int> descriptors,
                    const Wait& wait) override;
  absl::StatusOr<IncomingMessage> Receive(const Wait& wait) override;
  bool waits_for_room() const override;
  absl::Status send_status() const override { return socket_->send_status(); }
  int fd() const override;
  bool Arm() override;
  bool HasMessage() override;
  uint64_t last_sent() const override;
  bool PeerHasTaken(uint64_t sent) const override;
  uint64_t messages_sent() const override { return sent_.load(std::memory_order_relaxed); }
  uint64_t messages_received() const override { return received_.load(std::memory_order_relaxed); }
  uint64_t bytes_sent() const override {
    return ring_bytes_sent_.load(std::memory_order_relaxed) + socket_->bytes_sent();
  }

  // Has `pool` exchange leases through the control blocks, if there is a ring. To be called when
  // the set-up is complete, before anything else is sent or received.
  void AttachLeaseLogs(ShmPool& pool) const;

  // How this side fares, to be written; how the peer says it does. Null without a ring; valid as
  // long as the pipe.
  Vitals* own_vitals() const;
  const Vitals* peer_vitals() const;

 private:
  struct Setup;
  struct Ring;

  absl::Status AwaitRoom(size_t body_bytes, const Wait& wait);
  absl::Status AwaitFrame(const Wait& wait);
  absl::Status SleepForMessage(const Wait& wait);
  uint32_t WaitForWatched(const Deadline& deadline);
  absl::Status SleepUntil(absl::FunctionRef<bool()> ready, std::atomic<uint32_t>& wants,
                          int listener, const Wait& wait);
  absl::Status StartWatch();
  void WatchSocket(bool also_for_messages);
  absl::StatusOr<IncomingMessage> TakeMessage(const RingFrame& frame);
  absl::StatusOr<IncomingMessage> ReceiveFromSocket(const Wait& wait);
  void WakeReceiver();
  void WakeSender();

  const std::unique_ptr<SocketPipe> socket_;
  const PipeOptions options_;
  std::unique_ptr<Setup> setup_;  // between Offer and Complete
  std::shared_ptr<Ring> ring_;    // null until then; the lease logs keep it, too
  bool begun_ = false;            // the ring is in use

  std::atomic<uint64_t> sent_ = 0;
  std::atomic<uint64_t> ring_bytes_sent_ = 0;
  std::atomic<uint64_t> received_ = 0;
  // An epoll instance: the message bell, whether the peer is gone, the expected cancellation.
  UniqueFd watch_;
  const Cancellation* expected_ = nullptr;
  // The receiver's:
  bool by_socket_ = false;       // the next message comes through the socket
  bool armed_ = false;           // the peer has been told to ring
  bool socket_watched_ = false;  // watch_ tells of messages in the socket, too
  uint64_t silenced_at_ = 0;     // messages received when the bell was last silenced
};

}  // namespace slabpipe

#endif  // SLABPIPE_TRANSPORT_RING_PIPE_H_
