// Two processes that sleep in the kernel until the other has something: 64 bytes there and back,
// by eventfds with the bytes in shared memory, or by a Unix socket pair.

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "slabpipe/bench/floors/floors.h"
#include "slabpipe/bench/floors/peer_process.h"
#include "slabpipe/bench/harness/array_work.h"
#include "slabpipe/bench/harness/cpus.h"
#include "slabpipe/bench/harness/repeat.h"
#include "slabpipe/transport/unique_fd.h"

namespace slabpipe::bench {
namespace {

// The kernel's read and write order the plain bytes: what was stored before a write is seen after
// the read that it ended.
struct Mailboxes {
  Small there = {};
  Small back = {};
};

bool Wake(int event) {
  const uint64_t one = 1;
  return ::write(event, &one, sizeof(one)) == sizeof(one);
}

bool Sleep(int event) {
  uint64_t count;
  return ::read(event, &count, sizeof(count)) == sizeof(count);
}

absl::StatusOr<Measurement> ByEventfd(const Request& request) {
  SharedWithChildren<Mailboxes> mail;
  const UniqueFd there(::eventfd(0, EFD_CLOEXEC));
  const UniqueFd back(::eventfd(0, EFD_CLOEXEC));
  if (!mail.ok() || !there.valid() || !back.valid()) return absl::ResourceExhaustedError("eventfd");
  absl::StatusOr<PeerProcess> peer = PeerProcess::Fork([&] {
    if (!PlaceSelf(request.mode, 1).ok()) return;
    while (Sleep(there.get())) {
      mail->back = SmallAnswer(mail->there);
      if (!Wake(back.get())) return;
    }
  });
  if (!peer.ok()) return peer.status();
  return Repeat(request, [&](int64_t i) -> absl::Status {
    const auto number = static_cast<uint64_t>(i);
    mail->there = SmallRequest(number);
    if (!Wake(there.get()) || !Sleep(back.get())) return absl::UnavailableError("eventfd broke");
    return CheckAnswer(mail->back, number);
  });
}

bool Send(int socket, const Small& small) {
  return ::send(socket, &small, sizeof(small), MSG_NOSIGNAL) == sizeof(small);
}

bool Receive(int socket, Small& small) {
  return ::recv(socket, &small, sizeof(small), MSG_WAITALL) == sizeof(small);
}

absl::StatusOr<Measurement> BySocketpair(const Request& request) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return absl::ResourceExhaustedError("socketpair");
  }
  const UniqueFd mine(ends[0]);
  UniqueFd its(ends[1]);
  absl::StatusOr<PeerProcess> peer = PeerProcess::Fork([&] {
    if (!PlaceSelf(request.mode, 1).ok()) return;
    Small small;
    while (Receive(its.get(), small) && Send(its.get(), SmallAnswer(small))) {
    }
  });
  if (!peer.ok()) return peer.status();
  its.reset();
  return Repeat(request, [&](int64_t i) -> absl::Status {
    const auto number = static_cast<uint64_t>(i);
    Small answer;
    if (!Send(mine.get(), SmallRequest(number)) || !Receive(mine.get(), answer)) {
      return absl::UnavailableError("the socket broke");
    }
    return CheckAnswer(answer, number);
  });
}

}  // namespace

// The faster of the two, by its median; asleep: that of eventfd. The note says which it was.
absl::StatusOr<Measurement> MeasurePingPong(const Request& request) {
  if (absl::Status placed = PlaceSelf(request.mode, 0); !placed.ok()) return placed;
  Request half = request;
  if (request.mode != "asleep") half.budget_ns /= 2;
  absl::StatusOr<Measurement> best = ByEventfd(half);
  if (!best.ok()) return best;
  best->notes["by"] = "eventfd";
  if (request.mode == "asleep") return best;
  absl::StatusOr<Measurement> other = BySocketpair(half);
  if (!other.ok()) return other;
  if (other->samples.Quantile(0.5) >= best->samples.Quantile(0.5)) return best;
  other->notes["by"] = "socketpair";
  return other;
}

}  // namespace slabpipe::bench
