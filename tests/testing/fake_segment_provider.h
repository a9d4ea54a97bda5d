// FakeSegmentProvider: a real provider that counts what it is asked for, and fails when told to.
//
//   auto provider =
//   std::make_shared<FakeSegmentProvider>(std::make_shared<MemfdSegmentProvider>());
//   provider->FailNextCreate(absl::ResourceExhaustedError("none left"));

#ifndef SLABPIPE_TESTS_TESTING_FAKE_SEGMENT_PROVIDER_H_
#define SLABPIPE_TESTS_TESTING_FAKE_SEGMENT_PROVIDER_H_

#include <deque>
#include <memory>
#include <mutex>

#include "slabpipe/transport/segment.h"

namespace slabpipe::tests {

// Thread-safe.
class FakeSegmentProvider : public SegmentProvider {
 public:
  explicit FakeSegmentProvider(std::shared_ptr<SegmentProvider> real);

  // The next call that is not told otherwise yet fails with `status`; called n times, the next n.
  void FailNextCreate(absl::Status status);
  void FailNextOpen(absl::Status status);

  // How many calls there were, failed ones included.
  int creates() const;
  int opens() const;

  absl::StatusOr<std::unique_ptr<Segment>> Create(absl::string_view name,
                                                  size_t size_bytes) override;
  absl::StatusOr<std::unique_ptr<Segment>> Open(absl::string_view name, size_t size_bytes,
                                                UniqueFd descriptor) override;
  bool passes_descriptors() const override { return real_->passes_descriptors(); }

 private:
  const std::shared_ptr<SegmentProvider> real_;
  mutable std::mutex mutex_;  // guards all below
  std::deque<absl::Status> create_failures_;
  std::deque<absl::Status> open_failures_;
  int creates_ = 0;
  int opens_ = 0;
};

}  // namespace slabpipe::tests

#endif  // SLABPIPE_TESTS_TESTING_FAKE_SEGMENT_PROVIDER_H_
