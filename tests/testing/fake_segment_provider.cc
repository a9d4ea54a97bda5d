#include "slabpipe/tests/testing/fake_segment_provider.h"

#include <utility>

namespace slabpipe::tests {
namespace {

// The first of `failures`, or OK if there is none.
absl::Status TakeFailure(std::deque<absl::Status>& failures) {
  if (failures.empty()) return absl::OkStatus();
  absl::Status failure = std::move(failures.front());
  failures.pop_front();
  return failure;
}

}  // namespace

FakeSegmentProvider::FakeSegmentProvider(std::shared_ptr<SegmentProvider> real)
    : real_(std::move(real)) {}

void FakeSegmentProvider::FailNextCreate(absl::Status status) {
  std::lock_guard<std::mutex> lock(mutex_);
  create_failures_.push_back(std::move(status));
}

void FakeSegmentProvider::FailNextOpen(absl::Status status) {
  std::lock_guard<std::mutex> lock(mutex_);
  open_failures_.push_back(std::move(status));
}

int FakeSegmentProvider::creates() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return creates_;
}

int FakeSegmentProvider::opens() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return opens_;
}

absl::StatusOr<std::unique_ptr<Segment>> FakeSegmentProvider::Create(absl::string_view name,
                                                                     size_t size_bytes) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    ++creates_;
    if (absl::Status failure = TakeFailure(create_failures_); !failure.ok()) return failure;
  }
  return real_->Create(name, size_bytes);
}

absl::StatusOr<std::unique_ptr<Segment>> FakeSegmentProvider::Open(absl::string_view name,
                                                                   size_t size_bytes,
                                                                   UniqueFd descriptor) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    ++opens_;
    if (absl::Status failure = TakeFailure(open_failures_); !failure.ok()) return failure;
  }
  return real_->Open(name, size_bytes, std::move(descriptor));
}

}  // namespace slabpipe::tests
