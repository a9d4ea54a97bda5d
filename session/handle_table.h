// HandleTable: the objects that a worker keeps for main, by number.
//
//   auto table = std::make_shared<HandleTable>();
//   channel.UseHandles(table);
//   ...                               // results that are handles enter, releases of main's leave
//   table->DestroyReleased();         // on a serving thread, now and then

#ifndef SLABPIPE_SESSION_HANDLE_TABLE_H_
#define SLABPIPE_SESSION_HANDLE_TABLE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "slabpipe/codec/handle.h"
#include "slabpipe/session/handle_port.h"

namespace slabpipe {

// Objects that one worker keeps for main at a time, unless it says otherwise.
inline constexpr size_t kDefaultMaxHandles = 1'000'000;

// Thread-safe. An object that has been released is destroyed by DestroyReleased, or with the table:
// its destructor is the user's code, and never runs while a message is being received.
class HandleTable : public HandlePort {
 public:
  explicit HandleTable(size_t max_handles = kDefaultMaxHandles) : max_handles_(max_handles) {}

  // HandleOwner. An object that is there already keeps its number, by whichever handle it is sent;
  // its text remains that of the first one. Find: FAILED_PRECONDITION ("STALE handle ...").
  absl::Status Check(const Handle<>& handle) const override;
  absl::StatusOr<uint64_t> Send(const Handle<>& handle) override;
  void TakeBack(uint64_t number) override;
  absl::StatusOr<Handle<>> Find(uint64_t number) override;

  // HandlePort. After DestroyReleased most of what main has released is gone; the rest the worker's
  // own code still holds.
  absl::StatusOr<std::vector<Handle<>>> Accept(schemas::Message::Reader message) override;
  void Write(absl::Span<const SentHandle> handles, schemas::Message::Builder message) override;
  void Finish(bool) override {}
  bool has_released() const override { return any_released_; }
  void DestroyReleased() override;

  // Objects that main may ask for.
  size_t size() const;
  void set_max_handles(size_t max_handles) { max_handles_ = max_handles; }

 private:
  // Address and type: a struct and its first member share the address.
  using Identity = std::pair<const void*, const void*>;
  struct Entry {
    Handle<> handle;
    uint64_t sent = 0;  // times that main has yet to release
  };
  static Identity IdentityOf(const Handle<>& handle);
  // OK, or what was wrong with the number. REQUIRES: mutex_ is held.
  absl::Status ReleaseOne(uint64_t number);

  std::atomic<size_t> max_handles_;
  std::atomic<bool> any_released_ = false;
  mutable std::mutex mutex_;  // guards the next; not held while anything is destroyed
  absl::flat_hash_map<uint64_t, Entry> entries_;
  absl::flat_hash_map<Identity, uint64_t> numbers_;
  std::vector<Handle<>> released_;
  uint64_t last_number_ = 0;
};

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_HANDLE_TABLE_H_
