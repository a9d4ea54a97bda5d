// HandleReleaser: a thread that sends releases of handles which pile up while no other message
// takes them along.
//
//   HandleReleaser releaser([&] { connection.ReleaseHandles(...); });
//   auto handles = RemoteHandles::Create(pid, releaser.alarm());

#ifndef SLABPIPE_SESSION_HANDLE_RELEASER_H_
#define SLABPIPE_SESSION_HANDLE_RELEASER_H_

#include <functional>
#include <memory>

namespace slabpipe {

// Thread-safe. There is no thread until the first alarm.
class HandleReleaser {
 public:
  // `send` is called on the thread; it may take long, but must end when what it sends to ends.
  explicit HandleReleaser(std::function<void()> send);
  // Waits for `send`.
  ~HandleReleaser();
  HandleReleaser(const HandleReleaser&) = delete;
  HandleReleaser& operator=(const HandleReleaser&) = delete;

  // Has `send` called soon, and returns at once. May be called on any thread, also when the
  // releaser is gone: then it does nothing.
  std::function<void()> alarm() const;

 private:
  struct State;
  static void Run(State& state);
  static void Alarm(State& state);
  const std::shared_ptr<State> state_;
};

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_HANDLE_RELEASER_H_
