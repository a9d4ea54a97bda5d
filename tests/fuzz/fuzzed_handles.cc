#include "slabpipe/tests/fuzz/fuzzed_handles.h"

#include <memory>

#include "absl/strings/str_cat.h"

namespace slabpipe::fuzz {
namespace {

class NumberedState : public internal::HandleState {
 public:
  explicit NumberedState(uint64_t number)
      : HandleState("fuzz::Object", absl::StrCat("number ", number)), number(number) {}
  absl::Status status() const override { return absl::OkStatus(); }

  const uint64_t number;
};

const NumberedState* StateOf(const Handle<>& handle) {
  return dynamic_cast<const NumberedState*>(handle.state().get());
}

}  // namespace

absl::Status FuzzedHandles::Check(const Handle<>& handle) const {
  if (StateOf(handle) != nullptr) return absl::OkStatus();
  return absl::FailedPreconditionError("a handle that Find did not give");
}

absl::StatusOr<uint64_t> FuzzedHandles::Send(const Handle<>& handle) {
  if (absl::Status good = Check(handle); !good.ok()) return good;
  return StateOf(handle)->number;
}

absl::StatusOr<Handle<>> FuzzedHandles::Find(uint64_t number) {
  if (number == 0) return absl::InvalidArgumentError("there is no handle 0");
  return Handle<>(std::make_shared<NumberedState>(number));
}

}  // namespace slabpipe::fuzz
