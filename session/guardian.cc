#include "slabpipe/session/guardian.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <utility>

namespace slabpipe {
namespace {

// Only this process if it leads no group of its own (somebody else started it).
[[noreturn]] void KillProcessGroup() {
  if (::getpgrp() == ::getpid()) ::kill(0, SIGKILL);
  ::kill(::getpid(), SIGKILL);
  ::_exit(1);  // not reached
}

}  // namespace

absl::StatusOr<std::unique_ptr<Guardian>> Guardian::Start(int socket) {
  absl::StatusOr<Cancellation> stop = Cancellation::Create();
  if (!stop.ok()) return stop.status();
  return std::unique_ptr<Guardian>(new Guardian(socket, *std::move(stop)));
}

Guardian::Guardian(int socket, Cancellation stop)
    : stop_(std::move(stop)), thread_([this, socket] {
        // No events asked for: the wait ends only when the other end is closed.
        WaitFd closed = {.fd = socket, .events = 0};
        absl::Status ended = WaitForAny(absl::MakeSpan(&closed, 1),
                                        {.deadline = Deadline::Never(), .cancellation = &stop_});
        if (ended.ok()) KillProcessGroup();
      }) {}

Guardian::~Guardian() {
  stop_.Cancel();
  thread_.join();
}

}  // namespace slabpipe
