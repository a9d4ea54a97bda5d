// CheckedHandles: main's handles, and what a worker would make of their releases.
//
//   channel.UseHandles(std::make_shared<CheckedHandles>(RemoteHandles::Create(pid)));
//
// Aborts if main releases a handle more often than it was sent, or for the last time while a
// request that has it is not answered.

#ifndef SLABPIPE_TESTS_FUZZ_CHECKED_HANDLES_H_
#define SLABPIPE_TESTS_FUZZ_CHECKED_HANDLES_H_

#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "slabpipe/session/handle_port.h"

namespace slabpipe::fuzz {

// As the port that it borrows all from.
class CheckedHandles : public HandlePort {
 public:
  explicit CheckedHandles(std::shared_ptr<HandlePort> port) : port_(std::move(port)) {}

  absl::Status Check(const Handle<>& handle) const override { return port_->Check(handle); }
  absl::StatusOr<uint64_t> Send(const Handle<>& handle) override { return port_->Send(handle); }
  void TakeBack(uint64_t number) override { port_->TakeBack(number); }
  absl::StatusOr<Handle<>> Find(uint64_t number) override { return port_->Find(number); }

  absl::StatusOr<std::vector<Handle<>>> Accept(schemas::Message::Reader message) override;
  void Write(absl::Span<const SentHandle> handles, schemas::Message::Builder message) override;
  void Finish(bool sent) override;
  void End() override { port_->End(); }

 private:
  const std::shared_ptr<HandlePort> port_;
  std::map<uint64_t, uint64_t> granted_;                 // by number: times that are not released
  std::map<uint64_t, std::vector<uint64_t>> in_flight_;  // by request
  // Of the message that is being written:
  uint64_t request_ = 0;
  std::vector<uint64_t> releases_;
};

}  // namespace slabpipe::fuzz

#endif  // SLABPIPE_TESTS_FUZZ_CHECKED_HANDLES_H_
