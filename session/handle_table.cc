#include "slabpipe/session/handle_table.h"

#include <unistd.h>

#include "absl/strings/str_cat.h"

namespace slabpipe {

HandleTable::Identity HandleTable::IdentityOf(const Handle<>& handle) {
  const internal::KeptObject& kept = *handle.state()->kept();
  return {kept.object().get(), kept.type().key()};
}

absl::Status HandleTable::Check(const Handle<>& handle) const {
  if (absl::Status fresh = handle.status(); !fresh.ok()) return fresh;
  if (handle.state()->kept() != nullptr) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "the handle of ", handle.ToString(),
      " is one to an object in another process, which only a session with that process "
      "can reach"));
}

absl::StatusOr<uint64_t> HandleTable::Send(const Handle<>& handle) {
  if (absl::Status good = Check(handle); !good.ok()) return good;
  std::lock_guard<std::mutex> lock(mutex_);
  const auto known = numbers_.find(IdentityOf(handle));
  if (known != numbers_.end()) {
    ++entries_.find(known->second)->second.sent;
    return known->second;
  }
  if (entries_.size() >= max_handles_) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the worker keeps ", entries_.size(),
                     " objects for main already: drop handles there, or raise the limit "
                     "(Worker::set_max_handles)"));
  }
  const uint64_t number = ++last_number_;
  numbers_.emplace(IdentityOf(handle), number);
  entries_.emplace(number, Entry{.handle = handle, .sent = 1});
  return number;
}

void HandleTable::TakeBack(uint64_t number) {
  std::lock_guard<std::mutex> lock(mutex_);
  ReleaseOne(number).IgnoreError();
}

absl::StatusOr<Handle<>> HandleTable::Find(uint64_t number) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = entries_.find(number);
  if (found != entries_.end()) return found->second.handle;
  return absl::FailedPreconditionError(absl::StrCat("STALE handle: the worker (pid ", ::getpid(),
                                                    ") keeps no object of number ", number,
                                                    ": it was released, or another worker had it"));
}

absl::StatusOr<std::vector<Handle<>>> HandleTable::Accept(schemas::Message::Reader message) {
  if (message.hasHandles()) {
    return absl::DataLossError("main sent handles, which only a worker has to give");
  }
  if (!message.hasReleasedHandles()) return std::vector<Handle<>>();
  std::lock_guard<std::mutex> lock(mutex_);
  for (const uint64_t number : message.getReleasedHandles()) {
    if (absl::Status released = ReleaseOne(number); !released.ok()) return released;
  }
  return std::vector<Handle<>>();
}

absl::Status HandleTable::ReleaseOne(uint64_t number) {
  const auto found = entries_.find(number);
  if (found == entries_.end()) {
    return absl::DataLossError(
        absl::StrCat("main releases handle ", number, ", which it does not have"));
  }
  if (--found->second.sent > 0) return absl::OkStatus();
  numbers_.erase(IdentityOf(found->second.handle));
  released_.push_back(std::move(found->second.handle));
  entries_.erase(found);
  any_released_ = true;
  return absl::OkStatus();
}

void HandleTable::Write(absl::Span<const SentHandle> handles, schemas::Message::Builder message) {
  if (handles.empty()) return;
  auto grants = message.initHandles(static_cast<unsigned>(handles.size()));
  for (unsigned i = 0; i < grants.size(); ++i) {
    const absl::string_view type = handles[i].handle.type_name();
    const absl::string_view text = handles[i].handle.text();
    grants[i].setNumber(handles[i].number);
    grants[i].setType({type.data(), type.size()});
    if (!text.empty()) grants[i].setText({text.data(), text.size()});
  }
}

// The objects go after the lock.
void HandleTable::DestroyReleased() {
  if (!any_released_) return;
  std::vector<Handle<>> released;
  std::lock_guard<std::mutex> lock(mutex_);
  released.swap(released_);
  any_released_ = false;
}

size_t HandleTable::size() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return entries_.size();
}

}  // namespace slabpipe
