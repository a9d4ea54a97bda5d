// Handles in whole sessions: the same object comes back, is freed when it is dropped, and is stale
// when its worker is gone.

#include <cstdint>
#include <filesystem>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/codec/handle.h"
#include "slabpipe/session/session.h"
#include "slabpipe/tests/session/session_testing.h"
#include "slabpipe/tests/testing/child_process.h"
#include "slabpipe/tests/testing/status_matchers.h"
#include "slabpipe/tests/workers/models.h"

namespace slabpipe::tests {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

using AnyModels = Models<void>;

class SessionHandlesTest : public SessionTest {
 protected:
  Session StartModels() {
    return StartGood({.program = "tests/workers/handle_worker",
                      .start_timeout = absl::Seconds(60),
                      .log_sink = log.sink()});
  }
  static Handle<> Make(Session& session, double value, const std::string& text = "") {
    return *session.Call<Handle<>>("models.make", value, text);
  }
  static int64_t Alive(Session& session) { return *session.Call<int64_t>("models.alive"); }
  static int64_t InTable(Session& session) { return *session.Call<int64_t>("models.handles"); }
  // Frees at once what has been dropped.
  static void Release(Session& session) { EXPECT_THAT(session.ReleaseHandles(), IsOk()); }
};

TEST_F(SessionHandlesTest, PassedBackItIsTheSameObject) {
  Session session = StartModels();
  const Handle<> model = Make(session, 2.5, "a model");
  EXPECT_EQ(model.text(), "a model");
  EXPECT_THAT(std::string(model.type_name()), EndsWith("Model"));
  EXPECT_THAT(session.Call<double>("models::Model.add", model, 1.5), IsOkAndHolds(4.0));
  EXPECT_THAT(session.Call<double>("models::Model.add", Named("x", 1.0), Named("self", model)),
              IsOkAndHolds(5.0));
  EXPECT_THAT(session.Call<double>("models::Model.value", model), IsOkAndHolds(5.0));
  EXPECT_THAT(session.Call<double>("models.value_of_shared", model), IsOkAndHolds(5.0));
  EXPECT_THAT(session.Call<Handle<>>("models.echo", model), IsOkAndHolds(model));
  EXPECT_THAT(session.Call<Handle<>>("models.echo_any", model), IsOkAndHolds(model));
  EXPECT_THAT(session.Call<bool>("models.same", model, model), IsOkAndHolds(true));
  const Handle<> other = Make(session, 5);
  EXPECT_FALSE(model == other);
  EXPECT_THAT(session.Call<bool>("models.same", model, other), IsOkAndHolds(false));
  EXPECT_EQ(session.stats().handles, 2u);
  EXPECT_EQ(InTable(session), 2);
}

// More of them than pile up before a thread is started that sends a message of their own.
TEST_F(SessionHandlesTest, AForkedChildReleasesNothing) {
  Session session = StartModels();
  std::vector<Handle<>> models;
  for (int i = 0; i < 300; ++i) models.push_back(Make(session, i));
  ChildProcess child([&] {
    models.clear();
    const auto threads = std::filesystem::directory_iterator("/proc/self/task");
    return static_cast<int>(std::distance(begin(threads), end(threads)));
  });
  EXPECT_EQ(child.Wait(), 1);
  for (int i = 0; i < 300; ++i) {
    EXPECT_THAT(session.Call<double>("models::Model.value", models[i]), IsOkAndHolds(i));
  }
  EXPECT_EQ(InTable(session), 300);
}

TEST_F(SessionHandlesTest, GoesInRecordsListsMapsAndOptionals) {
  Session session = StartModels();
  absl::StatusOr<AnyModels> models = session.Call<AnyModels>("models.make_record");
  ASSERT_THAT(models, IsOk());
  EXPECT_EQ(models->all[0], models->all[2]);
  EXPECT_EQ(models->best, models->all[1]);
  EXPECT_EQ(models->by_name["one"], models->all[0]);
  EXPECT_EQ(session.stats().handles, 2u);
  EXPECT_THAT(session.Call<double>("models.sum", *models), IsOkAndHolds(2.0 + 4 + 3));
  EXPECT_THAT(session.Call<double>("models.maybe", std::optional<Handle<>>(models->best)),
              IsOkAndHolds(2.0));
  EXPECT_THAT(session.Call<double>("models.maybe", std::optional<Handle<>>()), IsOkAndHolds(-1.0));
  const absl::StatusOr<Object> object = session.Call<Object>("models.make_shared");
  ASSERT_THAT(object, IsOk());
  EXPECT_THAT(session.Call<double>("models::Model.value", *object), IsOkAndHolds(3.0));
  models = AnyModels();
  Release(session);
  EXPECT_EQ(Alive(session), 1);
}

TEST_F(SessionHandlesTest, TheLastCopyFreesTheObject) {
  Session session = StartModels();
  std::optional<Handle<>> model = Make(session, 1);
  std::optional<Handle<>> copy = model;
  model.reset();
  Release(session);
  EXPECT_EQ(Alive(session), 1);
  copy.reset();
  EXPECT_EQ(session.stats().handles, 0u);
  Release(session);
  EXPECT_EQ(Alive(session), 0);
  EXPECT_THAT(session.Call<bool>("models.destroyed_elsewhere"), IsOkAndHolds(false));
}

TEST_F(SessionHandlesTest, TheNextMessageFreesIt) {
  Session session = StartModels();
  Make(session, 1);
  EXPECT_THAT(session.Ping(absl::Seconds(60)), IsOk());  // takes the release along
  EXPECT_EQ(Alive(session), 0);
  EXPECT_EQ(InTable(session), 0);
}

TEST_F(SessionHandlesTest, ResultsThatNobodyTakesAreFreed) {
  Session session = StartModels();
  EXPECT_THAT(session.Call("models.make", 1.0), IsOk());
  EXPECT_THAT(session.Call<double>("models.make", 1.0),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("a handle of")));
  EXPECT_THAT(session.Call("models.make_many", 100), IsOk());
  Release(session);
  EXPECT_EQ(Alive(session), 0);
  EXPECT_EQ(InTable(session), 0);
}

TEST_F(SessionHandlesTest, AnyThreadMayDropIt) {
  Session session = StartModels();
  Handle<> model = Make(session, 1);
  std::thread([model = std::exchange(model, Handle<>())]() mutable { model = Handle<>(); }).join();
  Release(session);
  EXPECT_EQ(Alive(session), 0);
}

TEST_F(SessionHandlesTest, WhatPilesUpIsFreedWithoutAnotherCall) {
  Session session = StartModels();
  auto models = session.Call<std::vector<Handle<>>>("models.make_many", 1024);
  ASSERT_THAT(models, IsOkAndHolds(SizeIs(1024)));
  EXPECT_THAT(session.Call("models.tell_when_few_are_left"), IsOk());
  models->clear();
  log.AwaitText("few models are left");
  EXPECT_EQ(InTable(session), 0);
}

TEST_F(SessionHandlesTest, ALastingLoadHasALastingCost) {
  Session session = StartModels();
  for (int i = 0; i < 1000; ++i) {
    const auto models = session.Call<std::vector<Handle<>>>("models.make_many", 100);
    ASSERT_THAT(models, IsOkAndHolds(SizeIs(100)));
    if (i % 100 != 0) continue;
    EXPECT_EQ(session.stats().handles, 100u);
    EXPECT_LE(Alive(session), 200);
  }
  Release(session);
  EXPECT_EQ(session.stats().handles, 0u);
  EXPECT_EQ(Alive(session), 0);
}

TEST_F(SessionHandlesTest, AnObjectThatComesOftenIsOneObject) {
  Session session = StartModels();
  std::vector<Handle<>> handles;
  for (int i = 0; i < 10; ++i) handles.push_back(*session.Call<Handle<>>("models.kept"));
  EXPECT_EQ(handles.front(), handles.back());
  EXPECT_EQ(session.stats().handles, 1u);
  EXPECT_EQ(InTable(session), 1);
  EXPECT_THAT(session.Call("models.forget_kept"), IsOk());
  handles.resize(1);
  Release(session);
  EXPECT_EQ(Alive(session), 1);
  handles.clear();
  Release(session);
  EXPECT_EQ(Alive(session), 0);
}

TEST_F(SessionHandlesTest, TheWorkersOwnCodeMayKeepIt) {
  Session session = StartModels();
  EXPECT_THAT(session.Call("models.kept"), IsOk());
  Release(session);
  EXPECT_EQ(InTable(session), 0);
  EXPECT_EQ(Alive(session), 1);
  EXPECT_THAT(session.Call<Handle<>>("models.kept"), IsOk());
}

TEST_F(SessionHandlesTest, AfterARestartItIsStale) {
  Session session = StartModels();
  const Handle<> model = Make(session, 1, "old");
  const std::string pid = std::to_string(session.worker_pid());
  EXPECT_THAT(session.Restart(), IsOk());
  EXPECT_TRUE(model.stale());
  EXPECT_EQ(model.text(), "old");
  EXPECT_EQ(session.stats().handles, 0u);
  const Handle<> fresh = Make(session, 2);
  EXPECT_FALSE(fresh.stale());
  const uint64_t sent = session.stats().messages_sent;
  EXPECT_THAT(session.Call<double>("models::Model.value", model),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("STALE handle of"), HasSubstr("(old)"),
                             HasSubstr("pid " + pid), HasSubstr("argument 1"))));
  EXPECT_EQ(session.stats().messages_sent, sent);
  EXPECT_THAT(session.Call<double>("models::Model.value", fresh), IsOkAndHolds(2.0));
}

TEST_F(SessionHandlesTest, AfterACrashItIsStaleAndTheNextCallWorks) {
  Session session = StartModels();
  const Handle<> model = Make(session, 1);
  std::optional<Handle<>> dropped_later = Make(session, 2);
  EXPECT_THAT(session.Call("process.die"), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_TRUE(model.stale());
  EXPECT_THAT(session.Call<std::string>("models.text", model),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("STALE handle")));
  dropped_later.reset();
  EXPECT_THAT(session.Call<double>("models::Model.value", Make(session, 3)), IsOkAndHolds(3.0));
  EXPECT_EQ(Alive(session), 0);
}

TEST_F(SessionHandlesTest, AnotherSessionsIsRefused) {
  Session session = StartModels(), other = StartModels();
  const Handle<> model = Make(session, 1);
  const Handle<> theirs = Make(other, 2);  // of the same number
  EXPECT_FALSE(model == theirs);
  EXPECT_THAT(other.Call<double>("models::Model.value", model),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("STALE handle"), HasSubstr("another worker"),
                             HasSubstr(std::to_string(session.worker_pid())))));
  EXPECT_FALSE(model.stale());
  EXPECT_THAT(session.Call<double>("models::Model.value", model), IsOkAndHolds(1.0));
}

TEST_F(SessionHandlesTest, MayOutliveTheSession) {
  std::optional<Handle<>> model;
  {
    Session session = StartModels();
    model = Make(session, 1, "survivor");
  }
  EXPECT_TRUE(model->stale());
  EXPECT_EQ(model->text(), "survivor");
  model.reset();
}

TEST_F(SessionHandlesTest, OneOfAnotherTypeIsRefused) {
  Session session = StartModels();
  const Handle<> other = *session.Call<Handle<>>("models.make_other");
  EXPECT_THAT(session.Call<double>("models::Model.value", other),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("argument 1"), HasSubstr("Other"), HasSubstr("Model"))));
  EXPECT_THAT(session.Call<double>("models::Model.value", 2.5),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("wants Handle<tests::Model>, got double 2.5")));
  EXPECT_THAT(session.Call<double>("models::Model.value", Handle<>()),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("no object")));
}

TEST_F(SessionHandlesTest, ObjectsOfMainAreNotSent) {
  Session session = StartModels();
  EXPECT_THAT(session.Call<std::string>("models.text", Handle<int>(std::make_unique<int>(1))),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("of this process")));
}

TEST_F(SessionHandlesTest, TheWorkerKeepsALimitedNumber) {
  Session session = StartModels();
  EXPECT_THAT(session.Call("models.set_max", 10), IsOk());
  std::vector<Handle<>> models;
  for (int i = 0; i < 10; ++i) models.push_back(Make(session, i));
  EXPECT_THAT(session.Call<Handle<>>("models.make", 1.0),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("keeps 10 objects")));
  models.pop_back();
  // Some of these find no room: those that did are taken back.
  EXPECT_THAT(session.Call("models.make_many", 5), Not(IsOk()));
  EXPECT_EQ(InTable(session), 9);
  EXPECT_EQ(Alive(session), 9);
  EXPECT_THAT(session.Call<Handle<>>("models.make", 1.0), IsOk());
}

TEST_F(SessionHandlesTest, ThreadsMayMakeUseAndDropThemAtOnce) {
  Session session = StartModels();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&session, t] {
      for (int i = 0; i < 100; ++i) {
        const Handle<> model = Make(session, t);
        const Handle<> kept = *session.Call<Handle<>>("models.kept");
        EXPECT_THAT(session.Call<double>("models::Model.add", model, i), IsOkAndHolds(t + i));
        EXPECT_THAT(session.Call<bool>("models.same", model, kept), IsOkAndHolds(false));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  Release(session);
  EXPECT_EQ(session.stats().handles, 0u);
  EXPECT_EQ(InTable(session), 0);
  EXPECT_EQ(Alive(session), 1);
}

TEST_F(SessionHandlesTest, WorkerDyingWhileThreadsUseThemIsSurvived) {
  Session session = StartModels();
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&session] {
      for (int i = 0; i < 100; ++i) {
        const absl::StatusOr<Handle<>> model = session.Call<Handle<>>("models.make", 1.0);
        if (!model.ok()) continue;
        const absl::StatusOr<double> value = session.Call<double>("models::Model.value", *model);
        EXPECT_EQ(value.value_or(1.0), 1.0);
      }
    });
  }
  for (int i = 0; i < 5; ++i) EXPECT_THAT(session.Call("process.die"), Not(IsOk()));
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(session.Call<double>("models::Model.value", Make(session, 3)), IsOkAndHolds(3.0));
  EXPECT_EQ(session.stats().handles, 0u);
}

// What a worker says of handles is data: main refuses what breaks a rule, and uses the rest.
class LyingWorkerTest : public SessionTest {
 protected:
  absl::StatusOr<std::vector<Handle<>>> CallLiar(const std::string& lie) {
    session_ = StartGood({.program = "tests/workers/lies_about_handles",
                          .arguments = {lie},
                          .start_timeout = absl::Seconds(60),
                          .shutdown_grace = absl::Milliseconds(50),
                          .restart = RestartPolicy::Never(),
                          .log_sink = log.sink()});
    return session_->Call<std::vector<Handle<>>>("any.thing");
  }
  std::optional<Session> session_;
};

TEST_F(LyingWorkerTest, WhatBreaksARuleEndsTheConnection) {
  const std::map<std::string, std::string> lies = {
      {"number 0", "number 0"},
      {"one not granted", "handle 4, which it did not send along"},
      {"none granted", "handle 1, which it did not send along"},
      {"too many", "262145 handles"},
      {"releases", "the worker releases handles"}};
  for (const auto& [lie, rule] : lies) {
    EXPECT_THAT(CallLiar(lie), StatusIs(absl::StatusCode::kDataLoss, HasSubstr(rule))) << lie;
    EXPECT_EQ(session_->worker_pid(), -1) << lie;
  }
}

TEST_F(LyingWorkerTest, WhatIsOnlyOddIsUsed) {
  for (const std::string lie : {"truth", "large numbers", "a long text", "control characters"}) {
    absl::StatusOr<std::vector<Handle<>>> handles = CallLiar(lie);
    ASSERT_THAT(handles, IsOkAndHolds(SizeIs(3))) << lie;
    for (const Handle<>& handle : *handles) {
      EXPECT_LE(handle.text().size(), kMaxHandleTextBytes) << lie;
      EXPECT_THAT(handle.ToString(), Not(AnyOf(HasSubstr("\x1b"), HasSubstr("\xff")))) << lie;
    }
    EXPECT_EQ(session_->stats().handles, 3u) << lie;
    handles->clear();
    EXPECT_EQ(session_->stats().handles, 0u) << lie;
  }
}

TEST_F(LyingWorkerTest, ManyHandlesThatNobodyTakesAreDropped) {
  for (const std::string lie : {"as many as may be", "one number often"}) {
    EXPECT_THAT(CallLiar(lie), IsOk()) << lie;
    for (int i = 0; i < 3; ++i) EXPECT_THAT(session_->Call("any.thing"), IsOk()) << lie;
    EXPECT_EQ(session_->stats().handles, 0u) << lie;
  }
}

}  // namespace
}  // namespace slabpipe::tests
