// RemoteHandles: what main has handles of, in one worker, and which of them it needs no more.
//
//   auto handles = RemoteHandles::Create(worker_pid);
//   channel.UseHandles(handles);
//   ...                      // handles come with answers; the last copy may go on any thread
//   handles->End();           // the worker is gone: all of them are stale
//
// What has been dropped is released with the next message to the worker. If many pile up and no
// message is sent, `on_pile` asks for one.

#ifndef SLABPIPE_SESSION_REMOTE_HANDLES_H_
#define SLABPIPE_SESSION_REMOTE_HANDLES_H_

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "slabpipe/codec/handle.h"
#include "slabpipe/session/handle_port.h"

namespace slabpipe {

// Thread-safe, Write and Finish as HandlePort says. Lives as long as a handle of it. Its lock is
// held for moments only, never while a message is sent or anything is waited for.
class RemoteHandles : public HandlePort, public std::enable_shared_from_this<RemoteHandles> {
 public:
  // Releases that are waiting when `on_pile` is called; and those that go with one message.
  static constexpr size_t kPile = 256;
  static constexpr size_t kMostInAMessage = size_t{1} << 16;

  // `on_pile` is called on the thread that drops a handle: it must return at once and drop none.
  // Not after End.
  static std::shared_ptr<RemoteHandles> Create(pid_t worker,
                                               std::function<void()> on_pile = nullptr);

  // HandleOwner. Find: DATA_LOSS for a number that the worker has not sent, or main has released.
  absl::Status Check(const Handle<>& handle) const override;
  absl::StatusOr<uint64_t> Send(const Handle<>& handle) override;
  void TakeBack(uint64_t) override {}
  absl::StatusOr<Handle<>> Find(uint64_t number) override;

  // HandlePort. Those among the arguments of a request are kept until it is answered: the worker
  // may read their release before it comes to the request. DATA_LOSS also for a worker that sends
  // releases.
  absl::StatusOr<std::vector<Handle<>>> Accept(schemas::Message::Reader message) override;
  void Write(absl::Span<const SentHandle> handles, schemas::Message::Builder message) override;
  void Finish(bool sent) override;

  // The worker has ended: its handles are stale, and nothing is released any more.
  void End() override;

  // Objects that main has handles of.
  size_t size() const;
  // Releases that no message has taken along yet.
  size_t pending() const;

 private:
  class Object;
  struct Entry {
    std::weak_ptr<const Object> object;
    const Object* address;
  };
  struct Release {
    uint64_t number;
    uint64_t count;
  };

  RemoteHandles(pid_t worker, std::function<void()> on_pile)
      : worker_(worker), on_pile_(std::move(on_pile)) {}

  absl::StatusOr<Handle<>> AcceptOne(schemas::HandleGrant::Reader grant);
  // The object if there is one, counted as received once more.
  std::shared_ptr<const Object> Receive(uint64_t number);
  void KeepFor(uint64_t request, absl::Span<const SentHandle> handles);
  void Answered(uint64_t request);
  // Its last handle is gone.
  void Dropped(const Object& object) noexcept;

  const pid_t worker_;
  const std::function<void()> on_pile_;
  std::atomic<bool> ended_ = false;
  std::atomic<size_t> kept_count_ = 0;  // requests in kept_
  mutable std::mutex mutex_;            // guards the next; no handle is dropped while it is held
  absl::flat_hash_map<uint64_t, Entry> objects_;
  std::vector<Release> pending_;
  std::atomic<size_t> pending_count_ = 0;  // all counts in it; changed with the lock held only
  absl::flat_hash_map<uint64_t, std::vector<Handle<>>> kept_;
  // Of the message that is being written:
  std::vector<Release> in_message_;
  uint64_t request_in_message_ = 0;  // that has handles; 0: none has
};

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_REMOTE_HANDLES_H_
