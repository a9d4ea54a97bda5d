#include "slabpipe/session/guardian.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <utility>

#include "absl/time/clock.h"
#include "slabpipe/session/service_thread.h"

namespace slabpipe {
namespace {

// The process that has made the socket pair, if it can be seen from here.
//
// SUBTLE: should it have ended by now, and its pid be another's, then its end of the socket is
// closed, or held by a child of its own, which is the one case that goes unnoticed.
UniqueFd OpenMain(int socket) {
  ucred peer = {};
  socklen_t size = sizeof(peer);
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return UniqueFd();
  if (peer.pid <= 0 || peer.pid == ::getpid()) return UniqueFd();
  return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, peer.pid, 0)));
}

}  // namespace

void EndWithMain() {
  if (::getpgrp() == ::getpid()) ::kill(0, SIGKILL);
  ::kill(::getpid(), SIGKILL);
  ::_exit(1);  // not reached
}

absl::StatusOr<std::unique_ptr<Guardian>> Guardian::Start(int socket, std::function<void()> beat) {
  absl::StatusOr<Cancellation> stop = Cancellation::Create();
  if (!stop.ok()) return stop.status();
  std::unique_ptr<Guardian> guardian(new Guardian(socket, std::move(beat), *std::move(stop)));
  auto thread = StartServiceThread([raw = guardian.get()] { raw->Run(); });
  if (!thread.ok()) return thread.status();
  guardian->thread_ = *std::move(thread);
  return guardian;
}

Guardian::Guardian(int socket, std::function<void()> beat, Cancellation stop)
    : socket_(socket), main_(OpenMain(socket)), beat_(std::move(beat)), stop_(std::move(stop)) {}

void Guardian::Run() {
  // No events asked for: the wait ends only when the other end is closed, or there is none.
  WaitFd gone[] = {{.fd = socket_, .events = 0}, {.fd = main_.get(), .events = POLLIN}};
  while (true) {
    absl::Status ended = WaitForAny(
        absl::MakeSpan(gone), {.deadline = Deadline::After(kHeartbeat), .cancellation = &stop_});
    if (ended.ok()) EndWithMain();
    if (absl::IsCancelled(ended)) return;
    // The kernel could not wait: it may be able to later.
    if (!absl::IsDeadlineExceeded(ended)) absl::SleepFor(kHeartbeat);
    beat_();
  }
}

Guardian::~Guardian() {
  stop_.Cancel();
  if (thread_.joinable()) thread_.join();
}

}  // namespace slabpipe
