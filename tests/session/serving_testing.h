// What the tests of Serving have in common: a worker's end that serves on threads of its own, and a
// main that the test plays.
//
//   Offer("math.add", [](int64_t a, int64_t b) { return a + b; });
//   Serve();
//   Ask({.id = 1, .target = "math.add"}, {2, 3});
//   EXPECT_EQ(Hear(), "answer 1: 5");

#ifndef SLABPIPE_TESTS_SESSION_SERVING_TESTING_H_
#define SLABPIPE_TESTS_SESSION_SERVING_TESTING_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/codec/object.h"
#include "slabpipe/codec/value.h"
#include "slabpipe/session/error_wire.h"
#include "slabpipe/session/function.h"
#include "slabpipe/session/serving.h"
#include "slabpipe/session/target.h"
#include "slabpipe/tests/session/two_ends.h"
#include "slabpipe/tests/testing/one_gate.h"
#include "slabpipe/tests/testing/status_matchers.h"
#include "slabpipe/tests/testing/watchdog.h"
#include "slabpipe/transport/control_block.h"

namespace slabpipe::tests {

class ServingTest : public ::testing::Test {
 protected:
  explicit ServingTest(const PipeOptions& options = {}) : ends_(options) {
    serving_.emplace(ends_.worker.channel(), targets_, &vitals_, stop_);
  }
  ~ServingTest() override { Stop(); }

  template <typename F>
  void Offer(const char* name, F function) {
    ASSERT_THAT(targets_.Add(name, MakeFunction(std::move(function)), "", {}), IsOk());
  }
  void Serve(int threads = 1) {
    thread_ = std::thread([this, threads] { end_ = serving_->Serve(threads); });
  }
  // Ends it, whatever goes on. For fixtures whose members are used by functions.
  void Stop() {
    if (!thread_.joinable()) return;
    Leave();
    thread_.join();
  }
  // What Serve has returned.
  absl::Status End() {
    thread_.join();
    return end_;
  }

  // What main says.
  struct Asked {
    uint64_t id;
    std::string target;
    uint32_t credit = 0;
    bool reports = false;
    uint64_t timeout_nanoseconds = 0;
  };
  void Ask(const Asked& asked, const std::vector<Value>& arguments = {}) {
    std::vector<AnyRef> values;
    for (const Value& argument : arguments) values.push_back(AnyRef::To(argument));
    AskWith(asked, values);
  }
  void AskWith(const Asked& asked, const std::vector<AnyRef>& values) {
    const auto fill = [&](schemas::Message::Builder root) {
      auto request = root.initRequest();
      WriteHead(asked, request);
      auto list = request.initArguments(static_cast<unsigned>(values.size()));
      std::vector<schemas::Payload::Builder> payloads;
      for (auto argument : list) payloads.push_back(argument.initPayload());
      return payloads;
    };
    ASSERT_THAT(ends_.main.SendValues(fill, values), IsOk());
  }
  static void WriteHead(const Asked& asked, schemas::Request::Builder request) {
    request.setId(asked.id);
    request.setTarget(asked.target.c_str());
    request.setCredit(asked.credit);
    request.setReports(asked.reports);
    request.setTimeoutNanoseconds(asked.timeout_nanoseconds);
  }
  void Cancel(uint64_t id, bool overdue = false) {
    ends_.main.Send([&](schemas::Message::Builder root) {
      auto cancel = root.initCancel();
      cancel.setId(id);
      cancel.setOverdue(overdue);
    });
  }
  void Credit(uint64_t id, uint32_t items) {
    ends_.main.Send([&](schemas::Message::Builder root) {
      auto credit = root.initCredit();
      credit.setId(id);
      credit.setItems(items);
    });
  }
  void Ping(uint64_t number) {
    ends_.main.Send([&](schemas::Message::Builder root) { root.setPing(number); });
  }
  void Shutdown() {
    ends_.main.Send([](schemas::Message::Builder root) { root.setShutdown(); });
  }
  void Leave() { ends_.main.Leave(); }

  // What the worker says next, in words.
  std::string Hear() {
    const std::unique_ptr<Received> received = ends_.main.Receive();
    return received == nullptr ? "nothing" : InWords(*received);
  }

 private:
  std::string InWords(const Received& received) {
    const schemas::Message::Reader root = received.root;
    if (root.isPong()) return absl::StrCat("pong ", root.getPong());
    if (root.isGoodbye()) return "goodbye";
    if (root.isItem()) {
      return absl::StrCat("item ", root.getItem().getId(), ": ",
                          ValueIn(received, root.getItem().getValue()));
    }
    if (root.isEvent()) {
      const auto progress = root.getEvent().getProgress();
      return absl::StrCat("progress ", progress.getId(), ": ", progress.getDone(), "/",
                          progress.getTotal(), " ", progress.getText().cStr());
    }
    const auto response = root.getResponse();
    if (!response.isError()) {
      return absl::StrCat("answer ", response.getId(), ": ",
                          ValueIn(received, response.getResult()));
    }
    const RemoteError error = ReadError(response.getError());
    return absl::StrCat("error ", response.getId(), ": ", absl::StatusCodeToString(error.code), " ",
                        error.type, error.type.empty() ? "" : ": ", error.message);
  }
  std::string ValueIn(const Received& received, schemas::Payload::Reader payload) {
    const absl::StatusOr<Object> object = ends_.main.Decode(received, payload);
    if (!object.ok()) return object.status().ToString();
    const Value* value = object->get<Value>();
    return value == nullptr ? object->type().name() : value->DebugString();
  }

 protected:
  TwoEnds ends_;
  TargetTable targets_;
  Vitals vitals_;
  const Cancellation stop_ = *Cancellation::Create();
  std::optional<Serving> serving_;

 private:
  std::thread thread_;
  absl::Status end_;
  Watchdog watchdog_;
};

}  // namespace slabpipe::tests

#endif  // SLABPIPE_TESTS_SESSION_SERVING_TESTING_H_
