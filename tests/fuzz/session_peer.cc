#include "slabpipe/tests/fuzz/session_peer.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>
#include <vector>

#include "slabpipe/tests/fuzz/check.h"
#include "slabpipe/transport/socket_pipe.h"

namespace slabpipe::fuzz {
namespace {

constexpr size_t kMostDescriptors = 8;
constexpr size_t kLineBytes = 64;

iovec PartOf(absl::Span<const uint8_t> bytes) {
  return {const_cast<uint8_t*>(bytes.data()), bytes.size()};
}

}  // namespace

UniqueFd SessionPeer::Join(int main_control) {
  absl::StatusOr<ControlSegment> own = ControlSegment::Create(kFuzzedControl);
  FUZZ_CHECK(own.ok(), own.status().ToString());
  absl::StatusOr<PeerControlSegment> mains =
      PeerControlSegment::Open(UniqueFd(::dup(main_control)));
  FUZZ_CHECK(mains.ok(), mains.status().ToString());
  control_ = *std::move(own);
  main_control_ = *std::move(mains);
  ring_.emplace(control_->view(), main_control_->view());
  return UniqueFd(::dup(control_->descriptor()));
}

void SessionPeer::Send(const MessageInput::Message& message) {
  const std::vector<UniqueFd> descriptors = objects_.Make(message.descriptors);
  if (!SendByRing(message.words, !descriptors.empty())) {
    SendFrame(message.words, descriptors);
  }
  if (message.change) objects_.Change();
}

// Whether the socket has nothing to do with it.
bool SessionPeer::SendByRing(absl::Span<const uint8_t> words, bool has_descriptors) {
  if (!ring_.has_value()) return false;
  const bool fits = !has_descriptors && !words.empty() && words.size() <= ring_->max_body_bytes();
  const absl::StatusOr<bool> room = ring_->HasRoom(fits ? words.size() : 0);
  if (!room.ok() || !*room) return true;
  if (fits) ring_->Append(words.data(), words.size());
  ring_->Publish(fits ? FrameKind::kMessage : FrameKind::kBySocket);
  return fits;
}

void SessionPeer::SendFrame(absl::Span<const uint8_t> words,
                            const std::vector<UniqueFd>& descriptors) {
  FrameHeader header;
  header.descriptor_count = static_cast<uint16_t>(descriptors.size());
  header.sequence = sequence_++;
  header.body_bytes = words.size();
  SendBySocket({reinterpret_cast<const uint8_t*>(&header), sizeof(header)}, words, descriptors);
}

void SessionPeer::SendBySocket(absl::Span<const uint8_t> header, absl::Span<const uint8_t> body,
                               const std::vector<UniqueFd>& descriptors) {
  std::array<iovec, 2> parts = {PartOf(header), PartOf(body)};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMostDescriptors * sizeof(int))> control = {};
  msghdr message = {};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  if (!descriptors.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(descriptors.size() * sizeof(int));
    cmsghdr* rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(descriptors.size() * sizeof(int));
    for (size_t i = 0; i < descriptors.size(); ++i) {
      const int descriptor = descriptors[i].get();
      std::memcpy(CMSG_DATA(rights) + i * sizeof(int), &descriptor, sizeof(int));
    }
  }
  // Main may have closed its end, or left no room.
  [[maybe_unused]] const ssize_t sent =
      ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void SessionPeer::SendBytes(uint8_t which, absl::Span<const uint8_t> bytes) {
  if (bytes.empty()) return;
  if (!ring_.has_value()) return SendBySocket(bytes, {}, {});
  const size_t size = kFuzzedControl.total_bytes();
  const size_t begin = which * kLineBytes % size;
  std::memcpy(reinterpret_cast<std::byte*>(control_->view().header) + begin, bytes.data(),
              std::min(bytes.size(), size - begin));
}

}  // namespace slabpipe::fuzz
