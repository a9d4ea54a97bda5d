#include "slabpipe/session/handle_releaser.h"

#include <pthread.h>

#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "slabpipe/session/service_thread.h"

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
  auto thread = StartServiceThread([&state] { Run(state); });
  if (thread.ok()) state.thread = *std::move(thread);
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
