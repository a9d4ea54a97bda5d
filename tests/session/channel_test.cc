#include "slabpipe/session/channel.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/codec/ndarray.h"
#include "slabpipe/codec/value.h"
#include "slabpipe/tests/session/two_ends.h"
#include "slabpipe/tests/testing/status_matchers.h"
#include "slabpipe/tests/testing/test_thread.h"
#include "slabpipe/tests/testing/watchdog.h"

namespace slabpipe::tests {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

void WritePing(schemas::Message::Builder root) { root.setPing(7); }

std::vector<std::string> CodecsIn(const Received& message) {
  std::vector<std::string> names;
  for (const capnp::Text::Reader name : message.root.getCodecs()) names.push_back(name.cStr());
  return names;
}

// How many pieces a message came in.
uint32_t SegmentsOf(Received& message) {
  return *reinterpret_cast<const uint32_t*>(message.message.words()) + 1;
}

class ChannelTest : public ::testing::Test {
 protected:
  ChannelTest() : ChannelTest(PipeOptions()) {}
  explicit ChannelTest(const PipeOptions& options) : ends_(options) {}

  Channel& main() { return ends_.main.channel(); }
  Channel& worker() { return ends_.worker.channel(); }
  // A message with one value. In steps, for tests that look in between.
  static absl::Status Encode(ValueMessage& message, AnyRef value) {
    absl::Status status = message.Begin(NoWait());
    if (!status.ok()) return status;
    auto item = message.root().initItem();
    status = message.Prepare(value);
    if (status.ok()) status = message.OpenSlab();
    if (status.ok()) status = message.Encode(value, item.initValue());
    return status;
  }
  template <typename T>
  absl::Status SendItem(const T& value) {
    ValueMessage message(main());
    absl::Status encoded = Encode(message, AnyRef::To(value));
    return encoded.ok() ? message.Send(NoWait()) : encoded;
  }
  // The value of the item that comes next.
  absl::StatusOr<Object> ReceiveItem() {
    const std::unique_ptr<Received> received = ends_.worker.Receive();
    return ends_.worker.Decode(*received, received->root.getItem().getValue());
  }
  void ExpectValue(const Value& value) {
    const absl::StatusOr<Object> object = ReceiveItem();
    ASSERT_THAT(object, IsOk());
    ASSERT_NE(object->get<Value>(), nullptr);
    EXPECT_EQ(*object->get<Value>(), value);
  }

  TwoEnds ends_;

 private:
  Watchdog watchdog_;
};

TEST_F(ChannelTest, ValuesArrive) {
  EXPECT_THAT(SendItem(Value("one")), IsOk());
  EXPECT_THAT(SendItem(Value(2)), IsOk());
  ExpectValue("one");
  ExpectValue(2);
}

TEST_F(ChannelTest, ACodecIsAnnouncedOnce) {
  const AnyNdArray array = *AnyNdArray::Create(ElementType::kFloat64, {3});
  EXPECT_THAT(SendItem(Value(1)), IsOk());
  EXPECT_THAT(SendItem(Value(2)), IsOk());
  EXPECT_THAT(SendItem(array), IsOk());
  EXPECT_THAT(SendItem(array), IsOk());
  EXPECT_THAT(SendItem(Value(3)), IsOk());
  EXPECT_THAT(CodecsIn(*ends_.worker.Receive()), ElementsAre("value"));
  EXPECT_THAT(CodecsIn(*ends_.worker.Receive()), ElementsAre());
  EXPECT_THAT(CodecsIn(*ends_.worker.Receive()), ElementsAre("ndarray"));
  EXPECT_THAT(CodecsIn(*ends_.worker.Receive()), ElementsAre());
  ExpectValue(3);
}

TEST_F(ChannelTest, ACodecThatWasNotSentIsAnnouncedAgain) {
  const Value value("text");
  {
    ValueMessage never_sent(main());
    EXPECT_THAT(Encode(never_sent, AnyRef::To(value)), IsOk());
  }
  EXPECT_THAT(SendItem(value), IsOk());
  const std::unique_ptr<Received> received = ends_.worker.Receive();
  EXPECT_THAT(CodecsIn(*received), ElementsAre("value"));
  EXPECT_THAT(ends_.worker.Decode(*received, received->root.getItem().getValue()), IsOk());
}

// A decoder may work on a message while later ones bring other codecs.
TEST_F(ChannelTest, AMessageKeepsTheCodecsThatItCameWith) {
  EXPECT_THAT(SendItem(Value(1)), IsOk());
  EXPECT_THAT(SendItem(*AnyNdArray::Create(ElementType::kFloat64, {3})), IsOk());
  const std::unique_ptr<Received> first = ends_.worker.Receive();
  const std::unique_ptr<Received> second = ends_.worker.Receive();
  EXPECT_EQ(first->codecs->entries.size(), 1u);
  EXPECT_EQ(second->codecs->entries.size(), 2u);
}

TEST_F(ChannelTest, OneMessageAtATimeIsWritten) {
  std::optional<ValueMessage> message(main());
  EXPECT_THAT(message->Begin(NoWait()), IsOk());
  absl::Status sent, begun;
  std::thread([&] {
    sent = main().Send(WritePing, NoWait());
    begun = ValueMessage(main()).Begin(NoWait());
  }).join();
  EXPECT_THAT(sent, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(begun, StatusIs(absl::StatusCode::kDeadlineExceeded));
  TestThread other([&] { sent = main().Send(WritePing, {}); });
  other.AwaitSleep();
  message.reset();
  other.Join();
  EXPECT_THAT(sent, IsOk());
}

TEST_F(ChannelTest, AThreadThatWritesAMessageIsToldWhenItBeginsAnother) {
  ValueMessage message(main()), other(main());
  EXPECT_THAT(message.Begin({}), IsOk());
  EXPECT_THAT(other.Begin({}), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(main().Send(WritePing, {}), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(ChannelTest, ThePoolIsClearedBeforeEachMessage) {
  const auto pin_one = [&] { return ends_.main.pool().Alloc(64).ok(); };
  ASSERT_TRUE(pin_one());
  EXPECT_EQ(ends_.main.pool().stats().pins, 1u);
  EXPECT_THAT(main().Send(WritePing, {}), IsOk());
  EXPECT_EQ(ends_.main.pool().stats().pins, 0u);
  ASSERT_TRUE(pin_one());
  ValueMessage message(main());
  EXPECT_THAT(message.Begin({}), IsOk());
  EXPECT_EQ(ends_.main.pool().stats().pins, 0u);
}

TEST_F(ChannelTest, LargeMessagesComeInOnePieceOnceThereHasBeenOne) {
  const Value large(ValueList(1000, Value("some text")));
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(SendItem(large), IsOk());
    const std::unique_ptr<Received> received = ends_.worker.Receive();
    EXPECT_EQ(SegmentsOf(*received) == 1, i > 0) << i;
    const auto object = ends_.worker.Decode(*received, received->root.getItem().getValue());
    ASSERT_THAT(object, IsOk());
    EXPECT_EQ(*object->get<Value>(), large);
  }
}

// Messages are built in memory that others were built in.
TEST_F(ChannelTest, NothingOfAMessageIsLeftInTheNextOne) {
  for (const size_t count : {1000, 1, 0, 30, 1000, 2, 2000, 1}) {
    const Value value(ValueList(count, Value("some text")));
    EXPECT_THAT(SendItem(value), IsOk());
    ExpectValue(value);
    EXPECT_THAT(main().Send(WritePing, {}), IsOk());
    const std::unique_ptr<Received> ping = ends_.worker.Receive();
    EXPECT_EQ(ping->root.getPing(), 7u);
    EXPECT_FALSE(ping->root.hasCodecs() || ping->root.hasMemory() || ping->root.hasHandles());
  }
}

TEST_F(ChannelTest, DescriptorsGoAlongBeforeThoseOfSegments) {
  const AnyNdArray array = *AnyNdArray::Create(ElementType::kFloat64, {3});
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd reader(ends[0]), writer(ends[1]);
  EXPECT_THAT(main().Send(WritePing, {}, {writer.get()}), IsOk());
  EXPECT_THAT(SendItem(array), IsOk());
  const std::unique_ptr<Received> received = ends_.worker.Receive();
  ASSERT_EQ(received->message.descriptors().size(), 1u);
  char arrived = 0;
  EXPECT_EQ(::write(received->message.descriptors()[0].get(), "x", 1), 1);
  EXPECT_EQ(::read(reader.get(), &arrived, 1), 1);
  EXPECT_EQ(arrived, 'x');
  EXPECT_THAT(ReceiveItem(), IsOk());
}

TEST_F(ChannelTest, AMessageThatBreaksTheRulesIsDataLoss) {
  ends_.worker.Send([](schemas::Message::Builder root) {
    auto item = root.initItem();
    item.setId(1);
    root.initMemory().initRefs(1)[0].setSize(64);  // of no segment
  });
  EXPECT_THAT(main().Receive({}), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(ChannelTest, ACodecWithoutANameIsDataLoss) {
  ends_.worker.Send([](schemas::Message::Builder root) { root.initCodecs(1); });
  EXPECT_THAT(main().Receive({}), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(ChannelTest, AfterCloseNothingIsSentAndAllIsReceived) {
  EXPECT_THAT(worker().Send(WritePing, {}), IsOk());
  ValueMessage begun(main());
  EXPECT_THAT(begun.Begin({}), IsOk());
  main().Close();
  std::thread([&] {
    ends_.worker.Send(WritePing);
    EXPECT_THAT(main().Receive({}), IsOk());
    EXPECT_THAT(main().Receive({}), IsOk());
  }).join();
  begun.root().setPing(8);
  EXPECT_THAT(begun.Send({}), IsOk()) << "what is being sent is not interrupted";
}

TEST_F(ChannelTest, AfterCloseNothingIsBegun) {
  main().Close();
  EXPECT_THAT(main().Send(WritePing, {}), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(ValueMessage(main()).Begin({}), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(ValueMessage(main()).Begin({}), StatusIs(absl::StatusCode::kUnavailable))
      << "the turn is free";
}

class SmallRingTest : public ChannelTest {
 protected:
  SmallRingTest() : ChannelTest({.ring_bytes = 4096}) {}

  // From now on main finds no room. Returns how many messages the worker must take in to change it.
  int FillRing() {
    int sent = ends_.main.SendUntilFull(WritePing);
    // What goes through the socket takes less room in the ring.
    while (main().Send(WritePing, NoWait(), {STDERR_FILENO}).ok()) ++sent;
    return sent;
  }
};

TEST_F(SmallRingTest, AMessageThatWaitsForRoomIsToldApartFromOneThatIsBeingWritten) {
  const int pings = FillRing();
  std::optional<ValueMessage> message(main());
  EXPECT_THAT(Encode(*message, AnyRef::To(Value(1))), IsOk());
  EXPECT_FALSE(main().stalled());
  EXPECT_THAT(message->Send(NoWait()), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_TRUE(main().stalled()) << "between two attempts as well";
  message.reset();
  EXPECT_FALSE(main().stalled());
  std::thread other([&] { EXPECT_THAT(main().Send(WritePing, {}), IsOk()); });
  while (!main().stalled()) std::this_thread::yield();
  for (int i = 0; i <= pings; ++i) ends_.worker.Receive();
  other.join();
  EXPECT_FALSE(main().stalled());
}

TEST_F(SmallRingTest, AFailedSendTakesItsGrantsBack) {
  const AnyNdArray array = *AnyNdArray::Create(ElementType::kFloat64, {1000});
  const int pings = FillRing();
  EXPECT_THAT(SendItem(array), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(ends_.main.pool().stats().own.grants_out, 0u);
  for (int i = 0; i < pings; ++i) ends_.worker.Receive();
  EXPECT_THAT(SendItem(array), IsOk());  // segment and codec are told of again
  EXPECT_EQ(ends_.main.pool().stats().own.segments_created, 1u);
  EXPECT_EQ(ends_.main.pool().stats().own.grants_out, 1u);
  EXPECT_THAT(ReceiveItem(), IsOk());
}

TEST_F(SmallRingTest, AMessageThatFoundNoRoomMayBeSentAgain) {
  const AnyNdArray array = *AnyNdArray::Create(ElementType::kFloat64, {1000});
  const int pings = FillRing();
  {
    ValueMessage message(main());
    ASSERT_THAT(Encode(message, AnyRef::To(array)), IsOk());
    EXPECT_THAT(message.Send(NoWait()), StatusIs(absl::StatusCode::kDeadlineExceeded));
    EXPECT_THAT(message.Send(NoWait()), StatusIs(absl::StatusCode::kDeadlineExceeded));
    for (int i = 0; i < pings; ++i) ends_.worker.Receive();
    EXPECT_THAT(message.Send(NoWait()), IsOk());
  }
  EXPECT_EQ(ends_.main.pool().stats().own.grants_out, 1u);
  EXPECT_THAT(ReceiveItem(), IsOk());
  EXPECT_FALSE(worker().pipe().HasMessage()) << "it came once";
}

TEST_F(SmallRingTest, MessagesOfSeveralThreadsComeWhole) {
  constexpr int kThreads = 4, kMessages = 200;
  std::vector<std::thread> senders;
  for (int i = 0; i < kThreads; ++i) {
    senders.emplace_back([&, i] {
      const Value value(ValueList(20, Value(i)));
      for (int k = 0; k < kMessages; ++k) {
        const auto fill = [&](schemas::Message::Builder root) {
          return std::vector<schemas::Payload::Builder>{root.initItem().initValue()};
        };
        EXPECT_THAT(ends_.main.SendValues(fill, {AnyRef::To(value)}), IsOk());
      }
    });
  }
  std::vector<int> counts(kThreads);
  for (int k = 0; k < kThreads * kMessages; ++k) {
    const absl::StatusOr<Object> object = ReceiveItem();
    const ValueList* list = object.ok() ? object->get<Value>()->list() : nullptr;
    if (list == nullptr || list->size() != 20) continue;
    ++counts[static_cast<size_t>(*(*list)[0].As<int>())];
  }
  for (std::thread& sender : senders) sender.join();
  EXPECT_THAT(counts, ::testing::Each(kMessages));
}

// Notes what a channel says to it.
class NotingHandles : public HandlePort {
 public:
  absl::Status Check(const Handle<>&) const override { return absl::OkStatus(); }
  absl::StatusOr<uint64_t> Send(const Handle<>&) override { return 1; }
  void TakeBack(uint64_t) override {}
  absl::StatusOr<Handle<>> Find(uint64_t) override { return absl::NotFoundError("none"); }
  absl::StatusOr<std::vector<Handle<>>> Accept(schemas::Message::Reader message) override {
    ++accepted;
    if (message.hasHandles()) return absl::DataLossError("handles");
    return std::vector<Handle<>>(2);
  }
  void Write(absl::Span<const SentHandle>, schemas::Message::Builder message) override {
    absl::StrAppend(&notes, "write ", static_cast<int>(message.which()), ", ");
  }
  void Finish(bool sent) override { absl::StrAppend(&notes, sent ? "sent, " : "not sent, "); }
  void End() override { absl::StrAppend(&notes, "end"); }

  std::string notes;
  int accepted = 0;
};

class ChannelHandlesTest : public SmallRingTest {
 protected:
  ChannelHandlesTest() {
    main().UseHandles(handles_);
    worker().UseHandles(worker_handles_);
  }
  const std::shared_ptr<NotingHandles> handles_ = std::make_shared<NotingHandles>();
  const std::shared_ptr<NotingHandles> worker_handles_ = std::make_shared<NotingHandles>();
};

// Written when the message is what it is: what may be said depends on that.
TEST_F(ChannelHandlesTest, HearOfEachMessageAndWhatBecameOfIt) {
  EXPECT_THAT(main().Send(WritePing, {}), IsOk());
  EXPECT_THAT(SendItem(Value(1)), IsOk());
  EXPECT_EQ(handles_->notes, absl::StrCat("write ", schemas::Message::PING, ", sent, write ",
                                          schemas::Message::ITEM, ", sent, "));
  handles_->notes.clear();
  main().Close();
  EXPECT_FALSE(main().Send(WritePing, {}).ok());
  EXPECT_EQ(handles_->notes, "end");
}

TEST_F(ChannelHandlesTest, HearOfFailedSends) {
  FillRing();
  handles_->notes.clear();
  EXPECT_FALSE(main().Send(WritePing, NoWait()).ok());
  EXPECT_EQ(handles_->notes, absl::StrCat("write ", schemas::Message::PING, ", not sent, "));
  handles_->notes.clear();
  EXPECT_FALSE(SendItem(Value(1)).ok());
  EXPECT_EQ(handles_->notes, absl::StrCat("write ", schemas::Message::ITEM, ", not sent, "));
}

TEST_F(ChannelHandlesTest, HearNothingOfAMessageThatWasNotFinished) {
  {
    ValueMessage message(main());
    const Value value(1);
    EXPECT_THAT(Encode(message, AnyRef::To(value)), IsOk());
  }
  EXPECT_EQ(handles_->notes, "");
}

TEST_F(ChannelHandlesTest, TakeInWhatComes) {
  EXPECT_THAT(main().Send(WritePing, {}), IsOk());
  EXPECT_EQ(ends_.worker.Receive()->handles.size(), 2u);
  EXPECT_EQ(worker_handles_->accepted, 1);
  EXPECT_THAT(main().Send([](schemas::Message::Builder root) { root.initHandles(1); }, {}), IsOk());
  EXPECT_THAT(worker().Receive({}), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("handles")));
}

}  // namespace
}  // namespace slabpipe::tests
