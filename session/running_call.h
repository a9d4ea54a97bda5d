// RunningCall: the CallContext of a request that a worker runs.

#ifndef SLABPIPE_SESSION_RUNNING_CALL_H_
#define SLABPIPE_SESSION_RUNNING_CALL_H_

#include <atomic>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "slabpipe/session/call_context.h"
#include "slabpipe/session/serving.h"

namespace slabpipe {

// While it exists it is CallContext::Current() on the thread that made it.
class RunningCall : public CallContext {
 public:
  // Borrows both.
  RunningCall(Serving& serving, ServedRequest& request, const std::string& target);
  ~RunningCall() override;

  bool cancelled() override;
  absl::Status status() override;
  Deadline deadline() const override { return request_.deadline; }
  bool SleepFor(absl::Duration duration) override;
  void Report(double done, double total, absl::string_view text) override;
  uint64_t id() const override { return request_.id; }
  const std::string& target() const override { return target_; }
  absl::Status SendItem(const ArgumentRef& item) override;

 private:
  absl::Status TakeCredit();

  Serving& serving_;
  ServedRequest& request_;
  const std::string& target_;
  CallContext* const outer_;
  std::atomic<int64_t> last_report_ = 0;  // CLOCK_MONOTONIC, nanoseconds
};

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_RUNNING_CALL_H_
