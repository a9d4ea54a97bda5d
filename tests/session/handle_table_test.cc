#include "slabpipe/session/handle_table.h"

#include <capnp/message.h>

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/tests/testing/status_matchers.h"

namespace slabpipe::tests {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

struct Model {
  explicit Model(int* alive) : alive(alive) { ++*alive; }
  ~Model() { --*alive; }
  int* const alive;
};

class HandleTableTest : public ::testing::Test {
 protected:
  Handle<Model> MakeModel() { return {std::make_unique<Model>(&alive_), "a model"}; }
  // A message from main that releases these.
  absl::Status Release(std::initializer_list<uint64_t> numbers) {
    capnp::MallocMessageBuilder message;
    auto list = message.initRoot<schemas::Message>().initReleasedHandles(
        static_cast<unsigned>(numbers.size()));
    unsigned i = 0;
    for (const uint64_t number : numbers) list.set(i++, number);
    return table_.Accept(message.getRoot<schemas::Message>().asReader()).status();
  }

  int alive_ = 0;
  HandleTable table_;
};

TEST_F(HandleTableTest, KeepsWhatIsSentUntilItIsReleased) {
  const uint64_t number = *table_.Send(MakeModel());
  EXPECT_GT(number, 0u);
  EXPECT_EQ(table_.size(), 1u);
  EXPECT_EQ(alive_, 1);
  EXPECT_EQ(table_.Find(number)->text(), "a model");
  EXPECT_THAT(Release({number}), IsOk());
  EXPECT_EQ(table_.size(), 0u);
  EXPECT_EQ(alive_, 1);  // its destructor does not run while a message is received
  table_.DestroyReleased();
  EXPECT_EQ(alive_, 0);
}

TEST_F(HandleTableTest, AnObjectIsReleasedAsOftenAsItWasSent) {
  const Handle<Model> model = MakeModel();
  const uint64_t number = *table_.Send(model);
  EXPECT_THAT(table_.Send(model), IsOkAndHolds(number));
  EXPECT_THAT(table_.Send(Handle<Model>(model.shared(), "another text")), IsOkAndHolds(number));
  EXPECT_EQ(table_.size(), 1u);
  EXPECT_THAT(Release({number, number}), IsOk());
  EXPECT_EQ(table_.Find(number)->text(), "a model");
  EXPECT_THAT(Release({number}), IsOk());
  EXPECT_FALSE(table_.Find(number).ok());
}

TEST_F(HandleTableTest, NumbersAreNotUsedAgain) {
  const Handle<Model> model = MakeModel();
  const uint64_t first = *table_.Send(model);
  EXPECT_THAT(Release({first}), IsOk());
  const uint64_t second = *table_.Send(model);
  EXPECT_NE(first, second);
  table_.DestroyReleased();
  EXPECT_EQ(table_.Find(second)->state()->kept()->object().get(), model.get());
}

TEST_F(HandleTableTest, WhatWasNotSentAfterAllIsTakenBack) {
  const Handle<Model> model = MakeModel();
  const uint64_t number = *table_.Send(model);
  EXPECT_THAT(table_.Send(model), IsOk());
  table_.TakeBack(number);
  EXPECT_EQ(table_.size(), 1u);
  table_.TakeBack(number);
  EXPECT_EQ(table_.size(), 0u);
}

TEST_F(HandleTableTest, ANumberThatIsNotThereIsStale) {
  EXPECT_THAT(table_.Find(7), StatusIs(absl::StatusCode::kFailedPrecondition,
                                       AllOf(StartsWith("STALE handle"), HasSubstr("7"))));
}

TEST_F(HandleTableTest, ReleasingTooOftenIsAgainstTheRules) {
  const uint64_t number = *table_.Send(MakeModel());
  EXPECT_THAT(Release({number + 1}), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("release")));
  EXPECT_THAT(Release({number, number}), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(Release({0}), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(HandleTableTest, MainHasNoHandlesToGive) {
  capnp::MallocMessageBuilder message;
  message.initRoot<schemas::Message>().initHandles(1)[0].setNumber(1);
  EXPECT_THAT(table_.Accept(message.getRoot<schemas::Message>().asReader()),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("main sent handles")));
}

TEST_F(HandleTableTest, IsBounded) {
  table_.set_max_handles(2);
  const Handle<Model> first = MakeModel();
  const uint64_t number = *table_.Send(first);
  EXPECT_THAT(table_.Send(MakeModel()), IsOk());
  EXPECT_THAT(table_.Send(MakeModel()),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       AllOf(HasSubstr("2 objects"), HasSubstr("set_max_handles"))));
  EXPECT_THAT(table_.Send(first), IsOkAndHolds(number));
  EXPECT_THAT(Release({number, number}), IsOk());
  EXPECT_THAT(table_.Send(MakeModel()), IsOk());
}

TEST_F(HandleTableTest, OnlyObjectsOfThisProcessAreSent) {
  class Remote : public internal::HandleState {
   public:
    Remote() : HandleState("far::Model", "") {}
    absl::Status status() const override { return absl::OkStatus(); }
  };
  EXPECT_THAT(table_.Send(Handle<>(std::make_shared<Remote>())),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("far::Model"), HasSubstr("another process"))));
  EXPECT_THAT(table_.Check(Handle<>()), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(HandleTableTest, SaysWhatItSent) {
  const Handle<Model> model = MakeModel();
  capnp::MallocMessageBuilder message;
  auto root = message.initRoot<schemas::Message>();
  table_.Write({}, root);
  EXPECT_FALSE(root.hasHandles());
  const std::vector<SentHandle> sent = {{*table_.Send(model), model}};
  table_.Write(sent, root);
  ASSERT_EQ(root.getHandles().size(), 1u);
  const schemas::HandleGrant::Reader grant = root.asReader().getHandles()[0];
  EXPECT_EQ(grant.getNumber(), sent[0].number);
  EXPECT_EQ(model.type_name(), grant.getType().cStr());
  EXPECT_STREQ(grant.getText().cStr(), "a model");
}

// An object whose destructor uses the table, as one does that holds handles of its own.
TEST_F(HandleTableTest, DestructorsMayUseTheTable) {
  struct Asks {
    ~Asks() { *size = table->size(); }
    const HandleTable* table;
    size_t* size;
  };
  size_t size = 99;
  const uint64_t number =
      *table_.Send(Handle<Asks>(std::shared_ptr<Asks>(new Asks{&table_, &size})));
  EXPECT_THAT(Release({number}), IsOk());
  table_.DestroyReleased();
  EXPECT_EQ(size, 0u);
}

TEST_F(HandleTableTest, ThreadsMaySendAndReleaseAtOnce) {
  constexpr int kRounds = 1000;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this] {
      for (int i = 0; i < kRounds; ++i) {
        const uint64_t number = *table_.Send(Handle<int>(std::make_unique<int>(i)));
        EXPECT_EQ(*static_cast<int*>(table_.Find(number)->state()->kept()->object().get()), i);
        EXPECT_THAT(Release({number}), IsOk());
        table_.DestroyReleased();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(table_.size(), 0u);
}

}  // namespace
}  // namespace slabpipe::tests
