#include "slabpipe/session/handle_releaser.h"

#include <pthread.h>
#include <signal.h>

#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace slabpipe {

struct HandleReleaser::State {
  std::mutex mutex;  // guards the next
  std::condition_variable changed;
  std::function<void()> send;
  std::thread thread;
  bool asked = false;
  bool stopped = false;
};

HandleReleaser::HandleReleaser(std::function<void()> send) : state_(std::make_shared<State>()) {
  state_->send = std::move(send);
}

HandleReleaser::~HandleReleaser() {
  std::thread thread;
  {
    std::lock_guard<std::mutex> lock(state_->mutex);
    state_->stopped = true;
    thread = std::move(state_->thread);
  }
  state_->changed.notify_all();
  if (thread.joinable()) thread.join();
}

std::function<void()> HandleReleaser::alarm() const {
  return [state = state_] { Alarm(*state); };
}

// Without a thread, what has piled up goes with the next message.
void HandleReleaser::Alarm(State& state) {
  std::lock_guard<std::mutex> lock(state.mutex);
  if (state.stopped) return;
  state.asked = true;
  state.changed.notify_all();
  if (state.thread.joinable()) return;
  // The program's signals are for its own threads.
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    state.thread = std::thread([&state] { Run(state); });
  } catch (const std::system_error&) {
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void HandleReleaser::Run(State& state) {
  std::unique_lock<std::mutex> lock(state.mutex);
  while (true) {
    state.changed.wait(lock, [&] { return state.asked || state.stopped; });
    if (state.stopped) return;
    state.asked = false;
    lock.unlock();
    state.send();
    lock.lock();
  }
}

}  // namespace slabpipe
