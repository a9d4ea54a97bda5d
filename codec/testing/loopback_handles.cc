#include "slabpipe/codec/testing/loopback_handles.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace slabpipe::codec_testing {

absl::StatusOr<uint64_t> LoopbackHandles::Send(const Handle<>& handle) {
  if (absl::Status good = Check(handle); !good.ok()) return good;
  std::lock_guard<std::mutex> lock(mutex_);
  const auto known = std::find(handles_.begin(), handles_.end(), handle);
  const uint64_t number = static_cast<uint64_t>(known - handles_.begin()) + 1;
  if (known == handles_.end()) handles_.push_back(handle);
  return number;
}

absl::StatusOr<Handle<>> LoopbackHandles::Find(uint64_t number) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (number > 0 && number <= handles_.size()) return handles_[number - 1];
  return absl::FailedPreconditionError(absl::StrCat("there is no handle ", number));
}

}  // namespace slabpipe::codec_testing
