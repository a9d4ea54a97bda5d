#include "slabpipe/tests/fuzz/checked_handles.h"

#include "slabpipe/tests/fuzz/check.h"

namespace slabpipe::fuzz {

absl::StatusOr<std::vector<Handle<>>> CheckedHandles::Accept(schemas::Message::Reader message) {
  for (const schemas::HandleGrant::Reader grant : message.getHandles()) {
    ++granted_[grant.getNumber()];
  }
  if (message.isResponse()) in_flight_.erase(message.getResponse().getId());
  return port_->Accept(message);
}

void CheckedHandles::Write(absl::Span<const SentHandle> handles,
                           schemas::Message::Builder message) {
  port_->Write(handles, message);
  for (const uint64_t number : message.asReader().getReleasedHandles()) {
    releases_.push_back(number);
  }
  if (handles.empty() || !message.isRequest()) return;
  request_ = message.getRequest().getId();
  for (const SentHandle& sent : handles) in_flight_[request_].push_back(sent.number);
}

void CheckedHandles::Finish(bool sent) {
  port_->Finish(sent);
  const uint64_t request = std::exchange(request_, 0);
  const std::vector<uint64_t> releases = std::exchange(releases_, {});
  if (!sent) {
    in_flight_.erase(request);
    return;
  }
  for (const uint64_t number : releases) {
    FUZZ_CHECK(granted_[number]-- > 0, "a handle is released that was not sent");
  }
  for (const auto& [id, numbers] : in_flight_) {
    for (const uint64_t number : numbers) {
      FUZZ_CHECK(granted_[number] > 0, "a request has a handle that is released");
    }
  }
}

}  // namespace slabpipe::fuzz
