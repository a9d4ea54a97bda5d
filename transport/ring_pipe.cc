#include "slabpipe/transport/ring_pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <limits>

#include "absl/strings/str_cat.h"

namespace slabpipe {
namespace {

// The order of the descriptors that go with main's offer.
enum Offered { kControl, kMainMessage, kMainRoom, kWorkerMessage, kWorkerRoom, kOfferedCount };

// To a counter that only one thread changes: no locked instruction is needed.
void Add(std::atomic<uint64_t>& counter, uint64_t count) {
  counter.store(counter.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
}

// What the epoll instance tells of.
enum Watched : uint32_t { kBell = 1, kGone = 2, kCancelled = 4 };

// A bell must have room for one more ring when its listener goes to sleep, or that ring wakes
// nobody. It is rung at most once a message, with 8 bytes; the smallest pipe takes 4,096. So after
// this many messages it is silenced.
constexpr uint64_t kMessagesBetweenSilences = 256;

// See WaitForWatched.
constexpr absl::Duration kLongestSleep = absl::Seconds(1);

absl::Status PeerGone() { return absl::UnavailableError("the peer is gone"); }

absl::StatusOr<std::vector<UniqueFd>> Duplicates(const std::vector<int>& descriptors) {
  std::vector<UniqueFd> copies;
  for (const int descriptor : descriptors) {
    copies.emplace_back(::fcntl(descriptor, F_DUPFD_CLOEXEC, 0));
    if (!copies.back().valid()) {
      return absl::ResourceExhaustedError("no descriptors for a ring (see ulimit -n)");
    }
  }
  return copies;
}

}  // namespace

// Main's, while it waits for the worker to join.
struct RingPipe::Setup {
  ControlSegment control;
  Doorbell main_message, main_room, worker_message, worker_room;
};

struct RingPipe::Ring {
  Ring(ControlSegment own_segment, PeerControlSegment peer_segment, absl::Duration spin_budget)
      : own(std::move(own_segment)),
        peer(std::move(peer_segment)),
        writer(own.view(), peer.view()),
        reader(own.view(), peer.view()),
        message_spin(spin_budget),
        room_spin(spin_budget) {}

  // What this side says, and what the peer says.
  ControlHeader& mine() { return *own.view().header; }
  const ControlHeader& theirs() const { return *peer.view().header; }
  // The receiver says where it runs. The store is rare: the peer's copy of the line stays good.
  void ShowCpu() {
    const uint32_t cpu = CurrentCpu();
    if (cpu != std::exchange(shown_cpu, cpu)) mine().cpu.store(cpu, std::memory_order_relaxed);
  }
  // Relaxed: a hint.
  uint32_t peer_cpu() const { return theirs().cpu.load(std::memory_order_relaxed); }

  ControlSegment own;
  PeerControlSegment peer;
  RingWriter writer;
  RingReader reader;
  SpinPolicy message_spin, room_spin;
  uint32_t shown_cpu = ~0u;
  Doorbell message_bell, room_bell;  // ringer: the peer's; listener: this side's
  UniqueFd worker_message_listener, worker_room_listener;  // main's, see doorbell.h
};

RingPipe::RingPipe(std::unique_ptr<SocketPipe> socket, const PipeOptions& options)
    : socket_(std::move(socket)), options_(options) {}

RingPipe::~RingPipe() = default;

absl::StatusOr<std::vector<int>> RingPipe::Offer() {
  if (options_.ring_bytes > std::numeric_limits<uint32_t>::max()) {
    return absl::InvalidArgumentError(
        absl::StrCat("ring_bytes: ", options_.ring_bytes, " is above the largest ring, of 64 MiB"));
  }
  const ControlSizes sizes = {.ring_bytes = static_cast<uint32_t>(options_.ring_bytes)};
  absl::StatusOr<ControlSegment> control = ControlSegment::Create(sizes);
  if (!control.ok()) return control.status();
  auto setup = std::make_unique<Setup>();
  setup->control = *std::move(control);
  const auto make = [](Doorbell& bell, absl::StatusOr<Doorbell> made) {
    if (made.ok()) bell = *std::move(made);
    return made.status();
  };
  absl::Status status = make(setup->main_message, Doorbell::ToListenTo());
  status.Update(make(setup->main_room, Doorbell::ToListenTo()));
  status.Update(make(setup->worker_message, Doorbell::ToRing()));
  status.Update(make(setup->worker_room, Doorbell::ToRing()));
  if (!status.ok()) return status;
  setup_ = std::move(setup);
  std::vector<int> descriptors(kOfferedCount);
  descriptors[kControl] = setup_->control.descriptor();
  descriptors[kMainMessage] = setup_->main_message.listener.get();
  descriptors[kMainRoom] = setup_->main_room.listener.get();
  descriptors[kWorkerMessage] = setup_->worker_message.listener.get();
  descriptors[kWorkerRoom] = setup_->worker_room.listener.get();
  return descriptors;
}

absl::StatusOr<std::vector<int>> RingPipe::Join(std::vector<UniqueFd> offered,
                                                absl::Duration spin) {
  if (offered.size() != kOfferedCount) {
    return absl::DataLossError(absl::StrCat("the offer of a ring came with ", offered.size(),
                                            " descriptors, not ", int{kOfferedCount}));
  }
  absl::StatusOr<PeerControlSegment> peer = PeerControlSegment::Open(std::move(offered[kControl]));
  if (!peer.ok()) return peer.status();
  absl::StatusOr<ControlSegment> own = ControlSegment::Create(peer->view().sizes);
  if (!own.ok()) return own.status();
  ring_ = std::make_shared<Ring>(*std::move(own), *std::move(peer), spin);
  ring_->message_bell = {.ringer = std::move(offered[kMainMessage]),
                         .listener = std::move(offered[kWorkerMessage])};
  ring_->room_bell = {.ringer = std::move(offered[kMainRoom]),
                      .listener = std::move(offered[kWorkerRoom])};
  if (absl::Status watched = StartWatch(); !watched.ok()) return watched;
  return std::vector<int>{ring_->own.descriptor()};
}

void RingPipe::Begin() { begun_ = true; }

absl::Status RingPipe::Complete(std::vector<UniqueFd> joined) {
  if (joined.size() != 1 || setup_ == nullptr) {
    return absl::DataLossError(
        absl::StrCat("the worker joins a ring with ", joined.size(), " descriptors, not 1"));
  }
  absl::StatusOr<PeerControlSegment> peer = PeerControlSegment::Open(std::move(joined[0]));
  if (!peer.ok()) return peer.status();
  const std::unique_ptr<Setup> setup = std::move(setup_);
  ring_ = std::make_shared<Ring>(std::move(setup->control), *std::move(peer), options_.spin);
  ring_->message_bell = {.ringer = std::move(setup->worker_message.ringer),
                         .listener = std::move(setup->main_message.listener)};
  ring_->room_bell = {.ringer = std::move(setup->worker_room.ringer),
                      .listener = std::move(setup->main_room.listener)};
  ring_->worker_message_listener = std::move(setup->worker_message.listener);
  ring_->worker_room_listener = std::move(setup->worker_room.listener);
  if (absl::Status watched = StartWatch(); !watched.ok()) return watched;
  begun_ = true;
  return absl::OkStatus();
}

void RingPipe::Withdraw() { setup_ = nullptr; }

absl::StatusOr<std::pair<std::unique_ptr<RingPipe>, std::unique_ptr<RingPipe>>>
RingPipe::CreatePair(const PipeOptions& options) {
  auto sockets = SocketPipe::CreatePair(options);
  if (!sockets.ok()) return sockets.status();
  auto main = std::make_unique<RingPipe>(std::move(sockets->first), options);
  auto worker = std::make_unique<RingPipe>(std::move(sockets->second), options);
  absl::StatusOr<std::vector<int>> offered = main->Offer();
  if (!offered.ok()) return offered.status();
  absl::StatusOr<std::vector<UniqueFd>> received = Duplicates(*offered);
  if (!received.ok()) return received.status();
  absl::StatusOr<std::vector<int>> joined = worker->Join(*std::move(received), options.spin);
  if (!joined.ok()) return joined.status();
  worker->Begin();
  received = Duplicates(*joined);
  if (!received.ok()) return received.status();
  if (absl::Status status = main->Complete(*std::move(received)); !status.ok()) return status;
  return std::make_pair(std::move(main), std::move(worker));
}

absl::Status RingPipe::Send(capnp::MessageBuilder& message, absl::Span<const int> descriptors,
                            const Wait& wait) {
  if (!begun_) {
    absl::Status sent = socket_->Send(message, descriptors, wait);
    if (sent.ok()) Add(sent_, 1);
    return sent;
  }
  if (absl::Status status = send_status(); !status.ok()) return status;
  const auto segments = message.getSegmentsForOutput();
  const SegmentTable table = MakeSegmentTable(segments);
  size_t body_bytes = table.size() * sizeof(uint32_t);
  for (const auto& segment : segments) body_bytes += segment.asBytes().size();
  RingWriter& writer = ring_->writer;
  const bool by_ring = descriptors.empty() &&
                       body_bytes <= std::min(writer.max_body_bytes(), options_.max_message_bytes);
  if (absl::Status rest = socket_->SendUnsent(wait); !rest.ok()) return rest;
  if (absl::Status room = AwaitRoom(by_ring ? body_bytes : 0, wait); !room.ok()) return room;
  if (!by_ring) {
    absl::Status sent = socket_->Send(message, descriptors, wait, [this] {
      ring_->writer.Publish(FrameKind::kBySocket);
      WakeReceiver();
    });
    if (sent.ok()) Add(sent_, 1);
    return sent;
  }
  writer.Append(table.data(), table.size() * sizeof(uint32_t));
  for (const auto& segment : segments) {
    writer.Append(segment.begin(), segment.asBytes().size());
  }
  Add(sent_, 1);
  Add(ring_bytes_sent_, body_bytes);
  writer.Publish(FrameKind::kMessage);
  WakeReceiver();
  return absl::OkStatus();
}

// SUBTLE: the order of the two, what was written and then whether somebody sleeps, is
// RingWriter::Publish's, and RingReader::Take's. All four operations are sequentially consistent.
void RingPipe::WakeReceiver() {
  if (ring_->theirs().wants_message.load(std::memory_order_seq_cst) != 0) {
    RingDoorbell(ring_->message_bell.ringer.get());
  }
}

void RingPipe::WakeSender() {
  if (ring_->theirs().wants_room.load(std::memory_order_seq_cst) != 0) {
    RingDoorbell(ring_->room_bell.ringer.get());
  }
}

absl::Status RingPipe::AwaitRoom(size_t body_bytes, const Wait& wait) {
  while (true) {
    absl::StatusOr<bool> room = ring_->writer.HasRoom(body_bytes);
    if (!room.ok()) return socket_->End(room.status());
    if (*room) return absl::OkStatus();
    // An error ends the wait, too: the loop finds it again.
    const auto ready = [&] {
      const absl::StatusOr<bool> now = ring_->writer.HasRoom(body_bytes);
      return !now.ok() || *now;
    };
    if (ring_->room_spin.Spin(wait.deadline, ready, [this] { return ring_->peer_cpu(); })) continue;
    const int64_t start = MonotonicNanoseconds();
    absl::Status slept =
        SleepUntil(ready, ring_->mine().wants_room, ring_->room_bell.listener.get(), wait);
    // What the peer has written before it went is still to be received.
    if (absl::IsUnavailable(slept)) return socket_->EndSending(slept);
    if (!slept.ok()) return slept;
    ring_->room_spin.Slept(MonotonicNanoseconds() - start);
  }
}

// A sender that sleeps has told the peer so.
bool RingPipe::waits_for_room() const {
  return socket_->waits_for_room() ||
         (begun_ && ring_->mine().wants_room.load(std::memory_order_relaxed) != 0);
}

absl::StatusOr<IncomingMessage> RingPipe::Receive(const Wait& wait) {
  if (!begun_) return ReceiveFromSocket(wait);
  if (std::exchange(armed_, false)) {
    ring_->mine().wants_message.store(0, std::memory_order_relaxed);
  }
  ring_->ShowCpu();
  while (!by_socket_) {
    if (absl::Status status = socket_->receive_status(); !status.ok()) return status;
    absl::StatusOr<RingFrame> frame = ring_->reader.Look();
    if (!frame.ok()) return socket_->End(frame.status());
    if (frame->kind == FrameKind::kMessage) return TakeMessage(*frame);
    if (frame->kind == FrameKind::kBySocket) {
      ring_->reader.Take(*frame, nullptr);
      WakeSender();
      by_socket_ = true;
    } else if (absl::Status waited = AwaitFrame(wait); !waited.ok()) {
      return waited;
    }
  }
  absl::StatusOr<IncomingMessage> message = ReceiveFromSocket(wait);
  if (message.ok()) by_socket_ = false;
  return message;
}

absl::StatusOr<IncomingMessage> RingPipe::ReceiveFromSocket(const Wait& wait) {
  absl::StatusOr<IncomingMessage> message = socket_->Receive(wait);
  if (message.ok()) Add(received_, 1);
  return message;
}

absl::StatusOr<IncomingMessage> RingPipe::TakeMessage(const RingFrame& frame) {
  if (frame.body_bytes > options_.max_message_bytes) {
    return socket_->End(absl::DataLossError(absl::StrCat(
        "what the peer wrote to the ring is no message: its length is ", frame.body_bytes,
        ", not at most ", options_.max_message_bytes, " (max_message_bytes)")));
  }
  IncomingMessage message(frame.body_bytes / sizeof(capnp::word));
  ring_->reader.Take(frame, message.words());
  WakeSender();
  if (absl::Status opened = message.Open(); !opened.ok()) return socket_->End(opened);
  Add(received_, 1);
  return message;
}

absl::Status RingPipe::AwaitFrame(const Wait& wait) {
  const auto ready = [this] { return ring_->reader.HasFrame(); };
  SpinPolicy& spin = ring_->message_spin;
  const int64_t budget = spin.budget_nanoseconds();
  if (spin.Spin(wait.deadline, ready, [this] { return ring_->peer_cpu(); })) {
    return absl::OkStatus();
  }
  const int64_t start = MonotonicNanoseconds() - budget;  // about: the clock is not read before
  const bool usual =
      wait.meanwhile == nullptr && (wait.cancellation == nullptr || wait.cancellation == expected_);
  absl::Status slept = usual ? SleepForMessage(wait)
                             : SleepUntil(ready, ring_->mine().wants_message,
                                          ring_->message_bell.listener.get(), wait);
  ring_->ShowCpu();
  spin.Slept(MonotonicNanoseconds() - start);
  return absl::IsUnavailable(slept) ? socket_->End(slept) : slept;
}

// The usual sleep, in one system call. UNAVAILABLE if the peer is gone and has left nothing.
absl::Status RingPipe::SleepForMessage(const Wait& wait) {
  WatchSocket(false);
  if (messages_received() - silenced_at_ >= kMessagesBetweenSilences) {
    SilenceDoorbell(ring_->message_bell.listener.get());
    silenced_at_ = messages_received();
  }
  std::atomic<uint32_t>& wants = ring_->mine().wants_message;
  wants.store(1, std::memory_order_seq_cst);  // pairs with WakeReceiver
  absl::Status status;
  if (!ring_->reader.HasFrame()) {
    const uint32_t told = WaitForWatched(wait.deadline);
    if (ring_->reader.HasFrame()) {
      // Whatever else there is will be found when there are no more.
    } else if ((told & kCancelled) != 0 && wait.cancellation != nullptr) {
      status = absl::CancelledError("the wait was cancelled");
    } else if ((told & kGone) != 0) {
      status = PeerGone();
    } else if (wait.deadline.HasPassed()) {
      status = absl::DeadlineExceededError("the deadline has passed");
    }
  }
  wants.store(0, std::memory_order_relaxed);  // read too late it costs a needless ring
  return status;
}

// Waits, at most until the deadline, for something to happen; returns what. May return early, with
// nothing: the caller looks again.
//
// SUBTLE: an application may close descriptors that are none of its own while a thread sleeps here,
// which does not wake it. So it looks again now and then, and finds that it has nothing to watch
// with: then nobody can tell whether the peer is there.
uint32_t RingPipe::WaitForWatched(const Deadline& deadline) {
  std::array<epoll_event, 4> events;
  const absl::Duration longest = std::min(deadline.Remaining(), kLongestSleep);
  const timespec timeout = absl::ToTimespec(longest);
  int count = ::epoll_pwait2(watch_.get(), events.data(), events.size(), &timeout, nullptr);
  if (count < 0 && errno != EINTR) {
    // A kernel before 5.11, or a filter of system calls that does not know this one.
    const int milliseconds = static_cast<int>(absl::ToInt64Milliseconds(longest)) + 1;
    count = ::epoll_wait(watch_.get(), events.data(), events.size(), milliseconds);
    if (count < 0 && errno != EINTR) return kGone;
  }
  uint32_t told = 0;
  for (int i = 0; i < count; ++i) told |= events[static_cast<size_t>(i)].data.u32;
  return told;
}

// Sleeps until the bell rings, or `ready` turns out to be so already. UNAVAILABLE if the peer is
// gone and has left nothing.
//
// SUBTLE: what the bell says counts for nothing but a look. A peer that is gone may leave it
// ringing for good (a pipe whose other end is closed), and a hostile one may never stop to ring it.
absl::Status RingPipe::SleepUntil(absl::FunctionRef<bool()> ready, std::atomic<uint32_t>& wants,
                                  int listener, const Wait& wait) {
  SilenceDoorbell(listener);                  // of earlier rings
  wants.store(1, std::memory_order_seq_cst);  // pairs with WakeReceiver, WakeSender
  absl::Status status;
  if (!ready()) {
    const auto gone = socket_->peer_gone_fds();
    std::array<WaitFd, 3> fds = {{{.fd = listener, .events = POLLIN}, gone[0], gone[1]}};
    status = WaitForAny(absl::MakeSpan(fds), wait);
    if (fds[0].revents != 0) SilenceDoorbell(listener);
    if (status.ok() && !ready()) {
      const bool is_gone = fds[1].revents != 0 || fds[2].revents != 0;
      if (is_gone) {
        status = PeerGone();
      } else if (wait.deadline.HasPassed()) {
        status = absl::DeadlineExceededError("the deadline has passed");
      }
    }
  }
  wants.store(0, std::memory_order_relaxed);  // read too late it costs a needless ring
  return status;
}

int RingPipe::fd() const { return begun_ ? watch_.get() : socket_->fd(); }

// SUBTLE: the bell is watched for edges: each ring is one, and so the bell need not be silenced
// after each.
absl::Status RingPipe::StartWatch() {
  watch_.reset(::epoll_create1(EPOLL_CLOEXEC));
  const auto watch = [this](int descriptor, uint32_t events, Watched what) {
    epoll_event event = {.events = events, .data = {.u32 = what}};
    return descriptor < 0 || ::epoll_ctl(watch_.get(), EPOLL_CTL_ADD, descriptor, &event) == 0;
  };
  const auto gone = socket_->peer_gone_fds();
  if (watch_.valid() && watch(ring_->message_bell.listener.get(), EPOLLIN | EPOLLET, kBell) &&
      watch(gone[0].fd, EPOLLRDHUP, kGone) && watch(gone[1].fd, EPOLLIN, kGone) &&
      watch(expected_ == nullptr ? -1 : expected_->fd(), EPOLLIN, kCancelled)) {
    return absl::OkStatus();
  }
  return absl::ResourceExhaustedError(
      absl::StrCat("no descriptor to watch a ring with (see ulimit -n): ",
                   absl::ErrnoToStatus(errno, "epoll").message()));
}

// For messages only while an event loop waits for one that comes through the socket.
void RingPipe::WatchSocket(bool also_for_messages) {
  if (also_for_messages == std::exchange(socket_watched_, also_for_messages)) return;
  epoll_event event = {.events = EPOLLRDHUP | (also_for_messages ? uint32_t{EPOLLIN} : 0),
                       .data = {.u32 = kGone}};
  ::epoll_ctl(watch_.get(), EPOLL_CTL_MOD, socket_->fd(), &event);
}

bool RingPipe::HasMessage() {
  if (!begun_ || by_socket_) return socket_->HasMessage();
  return ring_->reader.HasFrame();
}

uint64_t RingPipe::last_sent() const { return begun_ ? ring_->writer.position() : 1; }

bool RingPipe::PeerHasTaken(uint64_t sent) const {
  return !begun_ || ring_->theirs().ring_taken.load(std::memory_order_relaxed) >= sent;
}

Vitals* RingPipe::own_vitals() const { return ring_ == nullptr ? nullptr : &ring_->mine().vitals; }

const Vitals* RingPipe::peer_vitals() const {
  return ring_ == nullptr ? nullptr : &ring_->theirs().vitals;
}

bool RingPipe::Arm() {
  if (!begun_) return socket_->Arm();
  WatchSocket(by_socket_);
  if (by_socket_) return socket_->Arm();
  armed_ = true;
  // What has rung before tells of messages that the look below sees, if they are there still.
  SilenceDoorbell(ring_->message_bell.listener.get());
  ring_->mine().wants_message.store(1, std::memory_order_seq_cst);  // pairs with WakeReceiver
  return ring_->reader.HasFrame();
}

void RingPipe::AttachLeaseLogs(ShmPool& pool) const {
  if (ring_ != nullptr) pool.AttachLeaseLogs(ring_->own.view(), ring_->peer.view(), ring_);
}

}  // namespace slabpipe
