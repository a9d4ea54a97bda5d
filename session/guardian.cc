#include "slabpipe/session/guardian.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <utility>

#include "slabpipe/session/service_thread.h"

namespace slabpipe {

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

void Guardian::Run() {
  // No events asked for: the wait ends only when the other end is closed, or there is none.
  WaitFd closed = {.fd = socket_, .events = 0};
  while (true) {
    absl::Status ended =
        WaitForAny(absl::MakeSpan(&closed, 1),
                   {.deadline = Deadline::After(kHeartbeat), .cancellation = &stop_});
    if (ended.ok()) EndWithMain();
    if (!absl::IsDeadlineExceeded(ended)) return;
    beat_();
  }
}

Guardian::~Guardian() {
  stop_.Cancel();
  if (thread_.joinable()) thread_.join();
}

}  // namespace slabpipe
