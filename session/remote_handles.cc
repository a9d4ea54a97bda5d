#include "slabpipe/session/remote_handles.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "slabpipe/codec/codec_limits.h"
#include "slabpipe/transport/fork_watch.h"

namespace slabpipe {

// What all handles of one object share.
class RemoteHandles::Object final : public internal::HandleState {
 public:
  Object(std::shared_ptr<RemoteHandles> owner, uint64_t number, absl::string_view type_name,
         absl::string_view text)
      : HandleState(type_name, text), owner_(std::move(owner)), number_(number) {}
  // In a copy of this process the object is the other's still.
  ~Object() override {
    if (!fork_watch_.in_forked_child()) owner_->Dropped(*this);
  }

  absl::Status status() const override {
    if (!owner_->ended_) return absl::OkStatus();
    return absl::FailedPreconditionError(
        absl::StrCat("STALE handle of ", ToString(), ": the worker that kept the object (pid ",
                     owner_->worker_, ") has ended; have the one that runs now make it anew"));
  }
  const RemoteHandles* owner() const { return owner_.get(); }
  uint64_t number() const { return number_; }

  mutable uint64_t received = 1;  // times; guarded by the owner's mutex

 private:
  const std::shared_ptr<RemoteHandles> owner_;
  const uint64_t number_;
  const ForkWatch fork_watch_;
};

std::shared_ptr<RemoteHandles> RemoteHandles::Create(pid_t worker, std::function<void()> on_pile) {
  return std::shared_ptr<RemoteHandles>(new RemoteHandles(worker, std::move(on_pile)));
}

absl::Status RemoteHandles::Check(const Handle<>& handle) const {
  if (absl::Status fresh = handle.status(); !fresh.ok()) return fresh;
  const auto* object = dynamic_cast<const Object*>(handle.state().get());
  if (object == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("the handle of ", handle.ToString(),
                     " is one to an object of this process: only a worker's functions give handles "
                     "to theirs"));
  }
  if (object->owner() == this) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "STALE handle of ", object->ToString(), ": the object lives in another worker (pid ",
      object->owner()->worker_, ", not ", worker_, "): pass it in that one's session"));
}

absl::StatusOr<uint64_t> RemoteHandles::Send(const Handle<>& handle) {
  if (absl::Status good = Check(handle); !good.ok()) return good;
  return static_cast<const Object*>(handle.state().get())->number();
}

absl::StatusOr<Handle<>> RemoteHandles::Find(uint64_t number) {
  std::shared_ptr<const Object> object;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto found = objects_.find(number);
    if (found != objects_.end()) object = found->second.object.lock();
  }
  if (object != nullptr) return Handle<>(std::move(object));
  return absl::DataLossError(
      absl::StrCat("the worker means its handle ", number, ", which it did not send along"));
}

absl::StatusOr<std::vector<Handle<>>> RemoteHandles::Accept(schemas::Message::Reader message) {
  if (message.hasReleasedHandles()) {
    return absl::DataLossError("the worker releases handles, which only main has to give back");
  }
  if (message.isResponse()) Answered(message.getResponse().getId());
  std::vector<Handle<>> handles;
  if (!message.hasHandles()) return handles;
  if (!message.isResponse() && !message.isItem()) {
    return absl::DataLossError(
        "the worker sent handles with a message that has no values: only answers and items have");
  }
  const auto grants = message.getHandles();
  if (grants.size() > kMaxHandlesInMessage) {
    return absl::DataLossError(absl::StrCat("the worker sent ", grants.size(),
                                            " handles with one message; at most ",
                                            kMaxHandlesInMessage, " are allowed"));
  }
  handles.reserve(grants.size());
  for (const schemas::HandleGrant::Reader grant : grants) {
    absl::StatusOr<Handle<>> handle = AcceptOne(grant);
    if (!handle.ok()) return handle.status();
    handles.push_back(*std::move(handle));
  }
  return handles;
}

// There is one receiver at a time: nobody else makes an object of this number meanwhile.
absl::StatusOr<Handle<>> RemoteHandles::AcceptOne(schemas::HandleGrant::Reader grant) {
  const uint64_t number = grant.getNumber();
  if (number == 0) return absl::DataLossError("the worker sent a handle of number 0");
  if (auto known = Receive(number)) return Handle<>(std::move(known));
  const capnp::Text::Reader type = grant.getType();
  const capnp::Text::Reader text = grant.getText();
  auto object = std::make_shared<const Object>(shared_from_this(), number,
                                               absl::string_view(type.begin(), type.size()),
                                               absl::string_view(text.begin(), text.size()));
  std::lock_guard<std::mutex> lock(mutex_);
  objects_[number] = {.object = object, .address = object.get()};
  return Handle<>(std::move(object));
}

std::shared_ptr<const RemoteHandles::Object> RemoteHandles::Receive(uint64_t number) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = objects_.find(number);
  if (found == objects_.end()) return nullptr;
  std::shared_ptr<const Object> object = found->second.object.lock();
  if (object != nullptr) ++object->received;
  return object;
}

// Another object may have taken the number since the last handle of this one went. Without memory
// for the note, the worker keeps its object as long as it lives.
void RemoteHandles::Dropped(const Object& object) noexcept {
  bool piled = false;
  try {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto found = objects_.find(object.number());
    if (found != objects_.end() && found->second.address == &object) objects_.erase(found);
    if (ended_) return;
    pending_.push_back({object.number(), object.received});
    pending_count_ += object.received;
    piled = pending_.size() % kPile == 0;
  } catch (...) {
    return;
  }
  if (piled && on_pile_ != nullptr) on_pile_();
}

void RemoteHandles::Write(absl::Span<const SentHandle> handles, schemas::Message::Builder message) {
  if (!handles.empty() && message.isRequest()) {
    request_in_message_ = message.getRequest().getId();
    KeepFor(request_in_message_, handles);
  }
  if (pending_count_ == 0) return;
  size_t count = 0;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (pending_count_ == 0) return;
    while (!pending_.empty() && count < kMostInAMessage) {
      Release& last = pending_.back();
      const uint64_t taken = std::min<uint64_t>(last.count, kMostInAMessage - count);
      in_message_.push_back({last.number, taken});
      count += taken;
      last.count -= taken;
      if (last.count == 0) pending_.pop_back();
    }
    pending_count_ -= count;
  }
  auto list = message.initReleasedHandles(static_cast<unsigned>(count));
  unsigned place = 0;
  for (const Release& release : in_message_) {
    for (uint64_t i = 0; i < release.count; ++i) list.set(place++, release.number);
  }
}

void RemoteHandles::Finish(bool sent) {
  const uint64_t request = std::exchange(request_in_message_, 0);
  if (!sent && request > 0) Answered(request);
  if (in_message_.empty()) return;
  if (!sent) {
    std::lock_guard<std::mutex> lock(mutex_);
    pending_.insert(pending_.end(), in_message_.begin(), in_message_.end());
    for (const Release& release : in_message_) pending_count_ += release.count;
  }
  in_message_.clear();
}

void RemoteHandles::KeepFor(uint64_t request, absl::Span<const SentHandle> handles) {
  std::vector<Handle<>> copies;
  for (const SentHandle& sent : handles) copies.push_back(sent.handle);
  std::lock_guard<std::mutex> lock(mutex_);
  if (ended_) return;
  kept_.emplace(request, std::move(copies));
  kept_count_ = kept_.size();
}

void RemoteHandles::Answered(uint64_t request) {
  if (kept_count_ == 0) return;
  std::vector<Handle<>> dropped;
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = kept_.find(request);
  if (found == kept_.end()) return;
  dropped.swap(found->second);
  kept_.erase(found);
  kept_count_ = kept_.size();
}

void RemoteHandles::End() {
  absl::flat_hash_map<uint64_t, std::vector<Handle<>>> dropped;
  std::lock_guard<std::mutex> lock(mutex_);
  ended_ = true;
  pending_.clear();
  pending_count_ = 0;
  dropped.swap(kept_);
  kept_count_ = 0;
}

size_t RemoteHandles::size() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return objects_.size();
}

size_t RemoteHandles::pending() const { return pending_count_; }

}  // namespace slabpipe
