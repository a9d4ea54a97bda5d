#include "slabpipe/session/remote_handles.h"

#include <capnp/message.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/codec/codec_limits.h"
#include "slabpipe/tests/testing/status_matchers.h"

namespace slabpipe::tests {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

constexpr pid_t kWorker = 4711;
using Numbers = std::vector<uint64_t>;

class RemoteHandlesTest : public ::testing::Test {
 protected:
  // A message from the worker that brings these.
  absl::StatusOr<std::vector<Handle<>>> Accept(const Numbers& numbers,
                                               const std::string& text = "a model") {
    capnp::MallocMessageBuilder message;
    auto root = message.initRoot<schemas::Message>();
    root.initItem();
    auto list = root.initHandles(static_cast<unsigned>(numbers.size()));
    for (unsigned i = 0; i < list.size(); ++i) {
      list[i].setNumber(numbers[i]);
      list[i].setType("bayes::Model");
      list[i].setText(text.c_str());
    }
    return handles_->Accept(message.getRoot<schemas::Message>().asReader());
  }
  Handle<> AcceptOne(uint64_t number) { return (*Accept({number}))[0]; }
  // A request with handles, and its answer.
  void Ask(uint64_t id, const std::vector<Handle<>>& arguments, bool sent = true) {
    capnp::MallocMessageBuilder message;
    auto root = message.initRoot<schemas::Message>();
    root.initRequest().setId(id);
    std::vector<SentHandle> handles;
    for (const Handle<>& handle : arguments) handles.push_back({*handles_->Send(handle), handle});
    handles_->Write(handles, root);
    handles_->Finish(sent);
  }
  void Answer(uint64_t id) {
    capnp::MallocMessageBuilder message;
    message.initRoot<schemas::Message>().initResponse().setId(id);
    EXPECT_THAT(handles_->Accept(message.getRoot<schemas::Message>().asReader()), IsOk());
  }
  // What the next message to the worker releases.
  Numbers NextReleases(bool sent = true) {
    capnp::MallocMessageBuilder message;
    auto root = message.initRoot<schemas::Message>();
    handles_->Write({}, root);
    handles_->Finish(sent);
    Numbers numbers;
    for (const uint64_t number : root.getReleasedHandles()) numbers.push_back(number);
    return numbers;
  }

  std::atomic<int> piles_ = 0;
  std::shared_ptr<RemoteHandles> handles_ = RemoteHandles::Create(kWorker, [this] { ++piles_; });
};

// Of answers there are as many as main has asked for; of log records a worker may send any number.
TEST_F(RemoteHandlesTest, ComeOnlyWithValues) {
  capnp::MallocMessageBuilder message;
  auto root = message.initRoot<schemas::Message>();
  root.initEvent().initLog();
  root.initHandles(1)[0].setNumber(1);
  EXPECT_THAT(handles_->Accept(message.getRoot<schemas::Message>().asReader()),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("no values")));
  EXPECT_EQ(handles_->pending(), 0u);
}

TEST_F(RemoteHandlesTest, ReleasesAnObjectWhenItsLastHandleIsGone) {
  std::optional<Handle<>> handle = AcceptOne(5);
  std::optional<Handle<>> copy = handle;
  EXPECT_EQ(handles_->size(), 1u);
  EXPECT_EQ(handle->text(), "a model");
  EXPECT_EQ(handle->type_name(), "bayes::Model");
  EXPECT_FALSE(handle->stale());
  handle.reset();
  EXPECT_THAT(NextReleases(), IsEmpty());
  copy.reset();
  EXPECT_EQ(handles_->size(), 0u);
  EXPECT_EQ(handles_->pending(), 1u);
  EXPECT_THAT(NextReleases(), ElementsAre(5));
  EXPECT_THAT(NextReleases(), IsEmpty());
  EXPECT_EQ(handles_->pending(), 0u);
}

TEST_F(RemoteHandlesTest, CountsAddUp) {
  std::vector<Handle<>> handles = {AcceptOne(5), AcceptOne(5), AcceptOne(6)};
  const std::vector<Handle<>> twice = *Accept({5, 5});
  handles.insert(handles.end(), twice.begin(), twice.end());
  EXPECT_EQ(handles[0], handles[1]);
  EXPECT_EQ(handles[0], handles[4]);
  EXPECT_FALSE(handles[0] == handles[2]);
  EXPECT_EQ(handles_->size(), 2u);
  handles.clear();
  EXPECT_THAT(NextReleases(), ElementsAre(6));
}

TEST_F(RemoteHandlesTest, EachTimeThatItCameIsReleased) {
  Accept({5, 5, 6, 5}).IgnoreError();
  EXPECT_THAT(NextReleases(), UnorderedElementsAre(5, 5, 5, 6));
}

TEST_F(RemoteHandlesTest, OneThatComesAgainLaterIsCountedAnew) {
  AcceptOne(5);
  const Handle<> again = AcceptOne(5);
  EXPECT_THAT(NextReleases(), ElementsAre(5));
  EXPECT_THAT(handles_->Send(again), IsOkAndHolds(5u));
}

TEST_F(RemoteHandlesTest, WhatWasNotSentIsReleasedWithTheNextMessage) {
  AcceptOne(5), AcceptOne(6);
  EXPECT_THAT(NextReleases(false), UnorderedElementsAre(5, 6));
  EXPECT_EQ(handles_->pending(), 2u);
  AcceptOne(7);
  EXPECT_THAT(NextReleases(), UnorderedElementsAre(5, 6, 7));
}

TEST_F(RemoteHandlesTest, AMessageTakesALimitedNumber) {
  constexpr size_t kCount = RemoteHandles::kMostInAMessage * 3 / 2;
  Accept(Numbers(kCount, 9)).IgnoreError();
  AcceptOne(10);
  EXPECT_EQ(handles_->pending(), kCount + 1);
  EXPECT_THAT(NextReleases(), SizeIs(RemoteHandles::kMostInAMessage));
  EXPECT_THAT(NextReleases(), AllOf(SizeIs(kCount + 1 - RemoteHandles::kMostInAMessage), Each(9)));
  EXPECT_EQ(handles_->pending(), 0u);
}

TEST_F(RemoteHandlesTest, AsksForAMessageWhenManyHavePiledUp) {
  std::vector<Handle<>> handles;
  for (uint64_t i = 1; i <= RemoteHandles::kPile; ++i) handles.push_back(AcceptOne(i));
  const Handle<> last = handles.back();
  handles.clear();
  EXPECT_EQ(piles_, 0);
  AcceptOne(1000);
  EXPECT_EQ(piles_, 1);
}

TEST_F(RemoteHandlesTest, KeepsArgumentsUntilTheirCallIsAnswered) {
  Ask(70, {AcceptOne(5), AcceptOne(6)});
  Ask(71, {*handles_->Find(6)});
  Answer(69);
  EXPECT_THAT(NextReleases(), IsEmpty());
  Answer(70);
  EXPECT_THAT(NextReleases(), ElementsAre(5));
  Answer(71);
  EXPECT_THAT(NextReleases(), ElementsAre(6));
}

TEST_F(RemoteHandlesTest, KeepsNothingForACallThatWasNotSent) {
  Ask(70, {AcceptOne(5)}, false);
  EXPECT_THAT(NextReleases(), ElementsAre(5));
}

TEST_F(RemoteHandlesTest, AfterTheEndAllAreStaleAndNothingIsReleased) {
  const Handle<> handle = AcceptOne(5);
  std::optional<Handle<>> other = AcceptOne(6);
  AcceptOne(7);
  Ask(70, {*other});
  handles_->End();
  EXPECT_TRUE(handle.stale());
  EXPECT_EQ(handle.text(), "a model");
  for (const absl::Status& status : {handle.status(), handles_->Check(handle)}) {
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition,
                                 AllOf(StartsWith("STALE handle of bayes::Model (a model)"),
                                       HasSubstr("pid 4711"), HasSubstr("has ended"))));
  }
  other.reset();
  EXPECT_THAT(NextReleases(), IsEmpty());
  EXPECT_EQ(handles_->pending(), 0u);
}

TEST_F(RemoteHandlesTest, ThoseOfAnotherWorkerAreNotSent) {
  const auto others = RemoteHandles::Create(4712);
  const Handle<> handle = AcceptOne(5);
  EXPECT_THAT(others->Send(handle),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(StartsWith("STALE handle"), HasSubstr("4711"), HasSubstr("4712"))));
  EXPECT_FALSE(handle.stale());
  EXPECT_THAT(handles_->Send(Handle<int>(std::make_unique<int>(1))),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("this process")));
  EXPECT_THAT(handles_->Send(Handle<>()), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(RemoteHandlesTest, FindsThoseThatItHas) {
  const Handle<> handle = AcceptOne(5);
  EXPECT_THAT(handles_->Find(5), IsOkAndHolds(handle));
  EXPECT_THAT(handles_->Find(6), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("handle 6")));
}

TEST_F(RemoteHandlesTest, BadMessagesAreRefused) {
  EXPECT_THAT(Accept({1, 0}), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("number 0")));
  EXPECT_THAT(NextReleases(), ElementsAre(1));
  EXPECT_THAT(Accept(Numbers(kMaxHandlesInMessage + 1, 3)),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("262145")));
  capnp::MallocMessageBuilder message;
  message.initRoot<schemas::Message>().initReleasedHandles(1);
  EXPECT_THAT(handles_->Accept(message.getRoot<schemas::Message>().asReader()),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("releases")));
}

TEST_F(RemoteHandlesTest, LongTextsAreCut) {
  const auto handles = Accept({1}, std::string(1 << 20, 'x'));
  EXPECT_EQ((*handles)[0].text().size(), kMaxHandleTextBytes);
}

TEST_F(RemoteHandlesTest, HandlesMayOutliveAllElse) {
  const Handle<> handle = AcceptOne(5);
  handles_->End();
  handles_ = nullptr;
  EXPECT_TRUE(handle.stale());
}

// One thread receives, others drop what came, one sends: each number is released as often as it
// came.
TEST_F(RemoteHandlesTest, HandlesMayBeDroppedOnAnyThread) {
  constexpr int kRounds = 2000;
  constexpr size_t kDifferent = 3;
  std::vector<uint64_t> released(kDifferent + 1, 0);
  std::atomic<bool> done = false;
  const auto note_releases = [&] {
    for (const uint64_t number : NextReleases()) ++released[number];
  };
  std::thread sender([&] {
    while (!done) note_releases();
  });
  {
    std::mutex mutex;
    std::vector<Handle<>> shared;
    std::vector<std::thread> droppers;
    for (int i = 0; i < 2; ++i) {
      droppers.emplace_back([&] {
        while (!done) {
          std::vector<Handle<>> mine;
          std::lock_guard<std::mutex> lock(mutex);
          mine.swap(shared);
        }
      });
    }
    for (int i = 0; i < kRounds; ++i) {
      std::vector<Handle<>> handles = *Accept({1, 2, 3});
      std::lock_guard<std::mutex> lock(mutex);
      for (Handle<>& handle : handles) shared.push_back(std::move(handle));
    }
    done = true;
    for (std::thread& dropper : droppers) dropper.join();
  }
  sender.join();
  note_releases();
  EXPECT_THAT(released, ElementsAre(0, kRounds, kRounds, kRounds));
  EXPECT_EQ(handles_->size(), 0u);
}

}  // namespace
}  // namespace slabpipe::tests
