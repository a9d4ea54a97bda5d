// FakeCallContext: a call that nobody cancels, for functions that are called without a worker.

#ifndef SLABPIPE_TESTS_TESTING_FAKE_CALL_CONTEXT_H_
#define SLABPIPE_TESTS_TESTING_FAKE_CALL_CONTEXT_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "slabpipe/session/call_context.h"
#include "slabpipe/transport/wait.h"

namespace slabpipe::tests {

class FakeCallContext : public CallContext {
 public:
  bool cancelled() override { return false; }
  absl::Status status() override { return absl::OkStatus(); }
  Deadline deadline() const override { return Deadline::Never(); }
  bool SleepFor(absl::Duration) override { return true; }
  void Report(double done, double, absl::string_view) override { last_report = done; }
  uint64_t id() const override { return 1; }
  const std::string& target() const override { return target_; }
  absl::Status SendItem(const ArgumentRef& item) override {
    return item.visit(item.value, [&](AnyRef) {
      ++items;
      return absl::OkStatus();
    });
  }

  double last_report = 0;
  int items = 0;

 private:
  const std::string target_ = "test.target";
};

}  // namespace slabpipe::tests

#endif  // SLABPIPE_TESTS_TESTING_FAKE_CALL_CONTEXT_H_
