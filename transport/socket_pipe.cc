#include "slabpipe/transport/socket_pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <string>

#include "absl/strings/str_cat.h"
#include "slabpipe/transport/kj_boundary.h"

namespace slabpipe {
namespace {

constexpr size_t kReadAheadBytes = size_t{64} << 10;
// The kernel takes no more in one message (SCM_MAX_FD, unix(7)).
constexpr size_t kMaxDescriptorsPerCall = 253;

// A control buffer for descriptors, aligned as the kernel wants it.
struct ControlBuffer {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMaxDescriptorsPerCall * sizeof(int))> bytes;
};

void AttachDescriptors(absl::Span<const int> descriptors, ControlBuffer& control, msghdr& header) {
  const size_t size = descriptors.size() * sizeof(int);
  header.msg_control = control.bytes.data();
  header.msg_controllen = CMSG_SPACE(size);
  memset(control.bytes.data(), 0, header.msg_controllen);
  cmsghdr* rights = CMSG_FIRSTHDR(&header);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(size);
  memcpy(CMSG_DATA(rights), descriptors.data(), size);
}

// Moves the start of `parts` forward by `bytes`; returns the first part that has something left.
size_t Advance(std::vector<iovec>& parts, size_t first, size_t bytes) {
  while (first < parts.size() && bytes >= parts[first].iov_len) bytes -= parts[first++].iov_len;
  if (bytes > 0) {
    parts[first].iov_base = static_cast<char*>(parts[first].iov_base) + bytes;
    parts[first].iov_len -= bytes;
  }
  return first;
}

bool PeerIsGone(int error_number) { return error_number == EPIPE || error_number == ECONNRESET; }

absl::Status PeerGone() { return absl::UnavailableError("the peer is gone"); }

absl::Status UnannouncedDescriptors() {
  return absl::DataLossError("the peer sends descriptors that no message announces");
}

}  // namespace

SocketPipe::SocketPipe(UniqueFd socket, PipeOptions options)
    : socket_(std::move(socket)), options_(options), buffer_(kReadAheadBytes) {
  ::fcntl(socket_.get(), F_SETFL, ::fcntl(socket_.get(), F_GETFL) | O_NONBLOCK);
}

absl::StatusOr<std::pair<UniqueFd, UniqueFd>> SocketPipe::CreateSockets() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no descriptor for a pipe (see ulimit -n): ",
                     absl::ErrnoToStatus(errno, "socketpair").message()));
  }
  return std::make_pair(UniqueFd(ends[0]), UniqueFd(ends[1]));
}

absl::StatusOr<std::pair<std::unique_ptr<SocketPipe>, std::unique_ptr<SocketPipe>>>
SocketPipe::CreatePair(PipeOptions options) {
  absl::StatusOr<std::pair<UniqueFd, UniqueFd>> ends = CreateSockets();
  if (!ends.ok()) return ends.status();
  return std::make_pair(std::make_unique<SocketPipe>(std::move(ends->first), options),
                        std::make_unique<SocketPipe>(std::move(ends->second), options));
}

absl::Status SocketPipe::Send(capnp::MessageBuilder& message, absl::Span<const int> descriptors,
                              const Wait& wait, absl::FunctionRef<void()> begun) {
  if (absl::Status status = over(Direction::kSend); !status.ok()) return status;
  if (absl::Status status = SendUnsent(wait); !status.ok()) return status;
  const auto segments = message.getSegmentsForOutput();
  const SegmentTable table = MakeSegmentTable(segments);
  FrameHeader header;
  header.descriptor_count = static_cast<uint16_t>(descriptors.size());
  header.sequence = messages_sent();
  header.body_bytes = table.size() * sizeof(uint32_t);
  std::vector<iovec> parts = {
      {&header, sizeof(header)},
      {const_cast<uint32_t*>(table.data()), table.size() * sizeof(uint32_t)}};
  for (const auto& segment : segments) {
    const auto bytes = segment.asBytes();
    parts.push_back({const_cast<kj::byte*>(bytes.begin()), bytes.size()});
    header.body_bytes += bytes.size();
  }
  if (header.body_bytes > options_.max_message_bytes ||
      descriptors.size() > std::min(options_.max_descriptors, kMaxDescriptorsPerCall)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a message of ", header.body_bytes, " bytes and ", descriptors.size(),
        " descriptors is above the limit of ", options_.max_message_bytes, " bytes and ",
        options_.max_descriptors,
        " descriptors (one for each array in shared memory that is new to the peer); large values "
        "belong into arrays, and many arrays into several messages"));
  }
  absl::Status sent = SendParts(std::move(parts), descriptors, wait, begun);
  if (sent.ok()) {
    ++next_sent_;
    bytes_sent_ += header.body_bytes;
  }
  return sent;
}

absl::Status SocketPipe::SendUnsent(const Wait& wait) {
  if (unsent_.empty()) return absl::OkStatus();
  // SendParts leaves in unsent_ what does not go out now.
  const std::vector<std::byte> rest = std::exchange(unsent_, {});
  std::vector<iovec> parts = {{const_cast<std::byte*>(rest.data()), rest.size()}};
  absl::Status sent = SendParts(std::move(parts), {}, wait, [] {});
  if (!sent.ok()) {
    unsent_ = rest;
    return sent;
  }
  if (unsent_.empty()) return sent;
  if (wait.cancellation != nullptr && wait.cancellation->cancelled()) {
    return absl::CancelledError("the wait was cancelled");
  }
  return absl::DeadlineExceededError(
      "the deadline has passed while the message before was going out");
}

absl::Status SocketPipe::SendParts(std::vector<iovec> parts, absl::Span<const int> descriptors,
                                   const Wait& wait, absl::FunctionRef<void()> on_begun) {
  constexpr size_t kMaxParts = 1024;  // UIO_MAXIOV, readv(2)
  ControlBuffer control;
  size_t first = 0;
  bool begun = false;
  while (first < parts.size()) {
    msghdr header = {};
    header.msg_iov = &parts[first];
    header.msg_iovlen = std::min(parts.size() - first, kMaxParts);
    if (!begun && !descriptors.empty()) AttachDescriptors(descriptors, control, header);
    const ssize_t sent = ::sendmsg(socket_.get(), &header, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      if (!std::exchange(begun, true)) on_begun();
      first = Advance(parts, first, static_cast<size_t>(sent));
      continue;
    }
    if (errno == EINTR) continue;
    if (PeerIsGone(errno)) return EndSendingWith(PeerGone());
    if (errno == ETOOMANYREFS) {
      return absl::ResourceExhaustedError(
          "too many descriptors are on their way in sockets (ulimit -n)");
    }
    if (errno != EAGAIN && errno != EWOULDBLOCK) {
      return EndWith(absl::InternalError(absl::ErrnoToStatus(errno, "sendmsg").message()));
    }
    waits_for_room_.store(true, std::memory_order_relaxed);
    absl::Status ready = WaitFor(POLLOUT, wait);
    waits_for_room_.store(false, std::memory_order_relaxed);
    if (ready.ok()) continue;
    if (!begun || absl::IsUnavailable(ready)) return ready;
    for (; first < parts.size(); ++first) {
      const auto* rest = static_cast<const std::byte*>(parts[first].iov_base);
      unsent_.insert(unsent_.end(), rest, rest + parts[first].iov_len);
    }
  }
  return absl::OkStatus();
}

// Waits until the socket is ready, or is over. The peer's death counts only once the socket has
// nothing to read: what was sent before is still delivered.
absl::Status SocketPipe::WaitFor(short events, const Wait& wait) {
  std::array<WaitFd, 2> fds = {
      {{.fd = socket_.get(), .events = events}, {.fd = peer_fd_, .events = POLLIN}}};
  absl::Status ready = WaitForAny(absl::MakeSpan(fds), wait);
  if (!ready.ok() || fds[0].revents != 0) return ready;
  // The peer ended between our last look at the socket and now: look once more.
  pollfd last_look = {.fd = socket_.get(), .events = events, .revents = 0};
  if ((events & POLLIN) != 0 && ::poll(&last_look, 1, 0) == 1) return absl::OkStatus();
  return (events & POLLOUT) == 0 ? EndWith(PeerGone()) : EndSendingWith(PeerGone());
}

bool SocketPipe::HasMessage() {
  if (Arm()) return true;
  pollfd entry = {.fd = fd(), .events = POLLIN, .revents = 0};
  return ::poll(&entry, 1, 0) == 1;
}

absl::StatusOr<IncomingMessage> SocketPipe::Receive(const Wait& wait) {
  constexpr int kReadsBetweenLooks = 64;
  for (int reads = 1;; ++reads) {
    if (frame_.complete()) return FinishFrame();
    // A peer that sends byte by byte, and always one more, keeps nobody beyond the end of the wait.
    if (reads % kReadsBetweenLooks == 0 && wait.deadline.HasPassed()) {
      return absl::DeadlineExceededError("the deadline has passed");
    }
    if (reads % kReadsBetweenLooks == 0 && wait.cancellation != nullptr &&
        wait.cancellation->cancelled()) {
      return absl::CancelledError("the wait was cancelled");
    }
    // What arrived before the end is delivered before the end is told.
    if (buffer_begin_ == buffer_end_) {
      if (absl::Status status = over(Direction::kReceive); !status.ok()) return status;
      if (absl::Status status = ReadSome(wait); !status.ok()) return status;
    }
    const bool had_header = frame_.has_header();
    Consume(buffer_end_ - buffer_begin_);
    if (!had_header && frame_.has_header()) {
      if (absl::Status status = BeginBody(); !status.ok()) return Refuse(status);
      Consume(buffer_end_ - buffer_begin_);
    }
  }
}

// Reads into the rest of the body, if one is arriving, and whatever follows it into the buffer.
// REQUIRES: the buffer is empty.
absl::Status SocketPipe::ReadSome(const Wait& wait) {
  buffer_begin_ = buffer_end_ = 0;
  const size_t missing = frame_.missing();
  const std::array<iovec, 2> parts = {
      {{missing == 0 ? nullptr : frame_.rest(), missing}, {buffer_.data(), buffer_.size()}}};
  absl::StatusOr<size_t> received = ReceiveInto(parts, wait);
  if (!received.ok()) return received.status();
  const size_t into_body = std::min(*received, missing);
  frame_.body_bytes += into_body;
  buffer_end_ = *received - into_body;
  return absl::OkStatus();
}

absl::StatusOr<size_t> SocketPipe::ReceiveInto(absl::Span<const iovec> parts, const Wait& wait) {
  ControlBuffer control;
  while (true) {
    msghdr header = {};
    header.msg_iov = const_cast<iovec*>(parts.data());
    header.msg_iovlen = parts.size();
    header.msg_control = control.bytes.data();
    header.msg_controllen = control.bytes.size();
    const ssize_t received = ::recvmsg(socket_.get(), &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (received > 0) {
      if (absl::Status status = TakeDescriptors(header); !status.ok()) return Refuse(status);
      return static_cast<size_t>(received);
    }
    if (received == 0 || PeerIsGone(errno)) {
      const bool cut_short = frame_.header_bytes > 0;
      return EndWith(cut_short
                         ? absl::UnavailableError("the peer is gone, in the middle of a message")
                         : PeerGone());
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) {
      return EndWith(absl::InternalError(absl::ErrnoToStatus(errno, "recvmsg").message()));
    }
    if (absl::Status status = WaitFor(POLLIN, wait); !status.ok()) return status;
  }
}

absl::Status SocketPipe::TakeDescriptors(const ::msghdr& header) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr;
       part = CMSG_NXTHDR(const_cast<msghdr*>(&header), part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd;
      memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof(int));
      descriptors_.emplace_back(fd);
    }
  }
  if ((header.msg_flags & MSG_CTRUNC) != 0) {
    return absl::ResourceExhaustedError(
        "descriptors that came with a message were lost: none left in this process (ulimit -n)");
  }
  // Those of a whole buffer of frames that nobody has looked at may be waiting; more is a flood.
  if (descriptors_.size() > 2 * kMaxDescriptorsPerCall) {
    return UnannouncedDescriptors();
  }
  return absl::OkStatus();
}

// Moves up to `bytes` from the buffer into the frame that is arriving, header first.
void SocketPipe::Consume(size_t bytes) {
  const auto take = [&](char* target, size_t wanted) {
    const size_t count = std::min(wanted, bytes);
    memcpy(target, buffer_.data() + buffer_begin_, count);
    buffer_begin_ += count;
    bytes -= count;
    return count;
  };
  if (bytes == 0) return;
  if (!frame_.has_header()) {
    char* header = reinterpret_cast<char*>(&frame_.header);
    frame_.header_bytes +=
        take(header + frame_.header_bytes, sizeof(FrameHeader) - frame_.header_bytes);
    return;
  }
  frame_.body_bytes += take(frame_.rest(), frame_.missing());
}

absl::Status SocketPipe::CheckHeader(const FrameHeader& header) const {
  const auto bad = [](absl::string_view what, auto got, absl::string_view want) {
    return absl::DataLossError(
        absl::StrCat("what the peer sent is no message: ", what, " is ", got, ", not ", want));
  };
  if (header.magic != FrameHeader::kMagic) return bad("the magic number", header.magic, "SLP1");
  if (header.reserved != 0) return bad("the reserved field", header.reserved, "0");
  if (header.sequence != messages_received()) {
    return bad("the sequence number", header.sequence, absl::StrCat(messages_received()));
  }
  if (header.body_bytes % sizeof(capnp::word) != 0 || header.body_bytes == 0) {
    return bad("the length", header.body_bytes, "a positive multiple of 8");
  }
  if (header.body_bytes > options_.max_message_bytes) {
    return bad("the length", header.body_bytes,
               absl::StrCat("at most ", options_.max_message_bytes, " (max_message_bytes)"));
  }
  if (header.descriptor_count > options_.max_descriptors) {
    return bad("the number of descriptors", header.descriptor_count,
               absl::StrCat("at most ", options_.max_descriptors, " (max_descriptors)"));
  }
  return absl::OkStatus();
}

absl::Status SocketPipe::BeginBody() {
  if (absl::Status status = CheckHeader(frame_.header); !status.ok()) return status;
  frame_.message = IncomingMessage(frame_.header.body_bytes / sizeof(capnp::word));
  return absl::OkStatus();
}

absl::StatusOr<IncomingMessage> SocketPipe::FinishFrame() {
  Frame frame = std::exchange(frame_, Frame());
  ++next_received_;
  if (descriptors_.size() < frame.header.descriptor_count) {
    return Refuse(
        absl::DataLossError(absl::StrCat("a message announces ", frame.header.descriptor_count,
                                         " descriptors, but ", descriptors_.size(), " came")));
  }
  for (size_t i = 0; i < frame.header.descriptor_count; ++i) {
    frame.message.descriptors().push_back(std::move(descriptors_.front()));
    descriptors_.pop_front();
  }
  // Descriptors arrive with the first byte of their frame: when all bytes are used up, so are they.
  if (buffer_begin_ == buffer_end_ && !descriptors_.empty()) {
    return Refuse(UnannouncedDescriptors());
  }
  if (absl::Status opened = frame.message.Open(); !opened.ok()) return Refuse(opened);
  return std::move(frame.message);
}

absl::Status SocketPipe::over(Direction direction) const {
  // Acquire: pairs with the release where the reasons are set.
  if (!any_over_.load(std::memory_order_acquire)) return absl::OkStatus();
  std::lock_guard<std::mutex> lock(over_mutex_);
  return direction == Direction::kSend ? sending_over_ : receiving_over_;
}

// The first reason stays.
absl::Status SocketPipe::EndWith(absl::Status why) {
  std::lock_guard<std::mutex> lock(over_mutex_);
  if (sending_over_.ok()) sending_over_ = why;
  if (receiving_over_.ok()) receiving_over_ = why;
  any_over_.store(true, std::memory_order_release);
  return receiving_over_;
}

// The receiver's: also lets go of what has arrived, so that nothing behind a bad frame is looked
// at. What this process had no room for is not the peer's fault: that may still be told.
absl::Status SocketPipe::Refuse(absl::Status why) {
  frame_ = Frame();
  descriptors_.clear();
  buffer_begin_ = buffer_end_ = 0;
  return absl::IsResourceExhausted(why) ? EndReceivingWith(std::move(why))
                                        : EndWith(std::move(why));
}

absl::Status SocketPipe::EndReceivingWith(absl::Status why) {
  std::lock_guard<std::mutex> lock(over_mutex_);
  if (receiving_over_.ok()) receiving_over_ = std::move(why);
  any_over_.store(true, std::memory_order_release);
  return receiving_over_;
}

absl::Status SocketPipe::EndSendingWith(absl::Status why) {
  std::lock_guard<std::mutex> lock(over_mutex_);
  if (sending_over_.ok()) sending_over_ = why;
  any_over_.store(true, std::memory_order_release);
  return why;
}

}  // namespace slabpipe
