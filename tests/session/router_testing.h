// What the tests of ReplyRouter have in common: main's end with a router, and a worker that the
// test plays.
//
//   Call call(router_);
//   Answer(call.id(), "four");
//   EXPECT_EQ(call.Await(), "answer four");

#ifndef SLABPIPE_TESTS_SESSION_ROUTER_TESTING_H_
#define SLABPIPE_TESTS_SESSION_ROUTER_TESTING_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/session/reply_router.h"
#include "slabpipe/tests/session/two_ends.h"
#include "slabpipe/tests/testing/status_matchers.h"
#include "slabpipe/tests/testing/watchdog.h"
#include "slabpipe/transport/wait.h"

namespace slabpipe::tests {

inline Deadline Past() { return Deadline::After(absl::ZeroDuration()); }

// "answer", "item" or "pong", and what stands in it.
inline std::string TextOf(const Received& message) {
  const schemas::Message::Reader root = message.root;
  if (root.isPong()) return absl::StrCat("pong ", root.getPong());
  if (root.isGoodbye()) return "goodbye";
  if (root.isItem()) {
    return absl::StrCat("item ",
                        root.getItem().getValue().getMetadata().getAs<capnp::Text>().cStr());
  }
  return absl::StrCat("answer ",
                      root.getResponse().getResult().getMetadata().getAs<capnp::Text>().cStr());
}

// All that has happened, in words.
inline std::string InWords(const Happening& now) {
  std::string words;
  if (now.progress != nullptr) {
    absl::StrAppend(&words, "progress ", now.progress->done, "/", now.progress->total, " ",
                    now.progress->text);
  }
  if (now.item != nullptr) absl::StrAppend(&words, TextOf(*now.item));
  if (now.answer != nullptr) absl::StrAppend(&words, TextOf(*now.answer));
  if (now.over) absl::StrAppend(&words, "over");
  if (now.cancelled) absl::StrAppend(&words, "cancelled");
  EXPECT_EQ(now.nothing(), words.empty());
  return words.empty() ? "nothing" : words;
}

// A reply with a waiter of its own, entered.
class Call {
 public:
  explicit Call(ReplyRouter& router, uint32_t credit = 0,
                schemas::Message::Which kind = schemas::Message::RESPONSE)
      : router_(router), reply_(kind, waiter_, "test.target") {
    reply_.AllowItems(credit);
    EXPECT_THAT(router_.Enter(reply_), IsOk());
  }
  ~Call() { router_.Withdraw(reply_); }

  uint64_t id() const { return reply_.id(); }
  PendingReply& reply() { return reply_; }
  std::string Await(Deadline deadline = Deadline::Never()) {
    return InWords(router_.Await(reply_, deadline));
  }

 private:
  ReplyRouter& router_;
  Waiter waiter_;
  PendingReply reply_;
};

class RouterTest : public ::testing::Test {
 protected:
  explicit RouterTest(const PipeOptions& options = {})
      : ends_(options),
        router_(
            ends_.main.channel(), [this](const Received& event) { return Take(event); },
            *Cancellation::Create(), *Cancellation::Create()) {}

  // What the worker says.
  void Answer(uint64_t id, const std::string& text) {
    ends_.worker.Send([&](schemas::Message::Builder root) { WriteAnswer(root, id, text); });
  }
  static void WriteAnswer(schemas::Message::Builder root, uint64_t id, const std::string& text) {
    auto response = root.initResponse();
    response.setId(id);
    response.initResult().getMetadata().setAs<capnp::Text>(text.c_str());
  }
  void Item(uint64_t id, const std::string& text) {
    ends_.worker.Send([&](schemas::Message::Builder root) {
      auto item = root.initItem();
      item.setId(id);
      item.initValue().getMetadata().setAs<capnp::Text>(text.c_str());
    });
  }
  void Pong(uint64_t id) {
    ends_.worker.Send([&](schemas::Message::Builder root) { root.setPong(id); });
  }
  void Goodbye() {
    ends_.worker.Send([](schemas::Message::Builder root) { root.setGoodbye(); });
  }
  void Progress(uint64_t id, double done, const std::string& text) {
    ends_.worker.Send([&](schemas::Message::Builder root) {
      auto progress = root.initEvent().initProgress();
      progress.setId(id);
      progress.setDone(done);
      progress.setTotal(9);
      progress.setText(text.c_str());
    });
  }
  void Log(const std::string& text) {
    ends_.worker.Send(
        [&](schemas::Message::Builder root) { root.initEvent().initLog().setText(text.c_str()); });
  }

  TwoEnds ends_;
  std::vector<std::string> logs_;  // what the router passed on; guarded by its reading
  absl::Status of_logs_;           // what it is told then
  // What happens then, on the thread that reads.
  std::function<void()> while_passed_on_ = [] {};
  ReplyRouter router_;

 private:
  absl::Status Take(const Received& event) {
    logs_.push_back(event.root.getEvent().getLog().getText().cStr());
    while_passed_on_();
    return of_logs_;
  }
  Watchdog watchdog_;
};

}  // namespace slabpipe::tests

#endif  // SLABPIPE_TESTS_SESSION_ROUTER_TESTING_H_
