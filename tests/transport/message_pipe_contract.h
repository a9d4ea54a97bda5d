// MessagePipeContract: the tests of what message_pipe.h promises, for any kind of pipe.
//
//   INSTANTIATE_TEST_SUITE_P(Socket, MessagePipeContract, ::testing::Values(PipeKind{...}));
//
// What one kind promises in addition is tested in that kind's own file.

#ifndef SLABPIPE_TESTS_TRANSPORT_MESSAGE_PIPE_CONTRACT_H_
#define SLABPIPE_TESTS_TRANSPORT_MESSAGE_PIPE_CONTRACT_H_

#include <capnp/any.h>
#include <capnp/message.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/tests/testing/child_process.h"
#include "slabpipe/tests/testing/process_state.h"
#include "slabpipe/tests/testing/sanitizers.h"
#include "slabpipe/tests/testing/status_matchers.h"
#include "slabpipe/tests/testing/watchdog.h"
#include "slabpipe/tests/transport/pipe_testing.h"
#include "slabpipe/transport/message_pipe.h"

namespace slabpipe::tests {

using PipePair = std::pair<std::unique_ptr<MessagePipe>, std::unique_ptr<MessagePipe>>;

struct PipeKind {
  std::string name;
  std::function<absl::StatusOr<PipePair>(PipeOptions options)> connect;
};
inline void PrintTo(const PipeKind& kind, std::ostream* out) { *out << kind.name; }

class MessagePipeContract : public ::testing::TestWithParam<PipeKind> {
 protected:
  MessagePipeContract() { Connect({}); }
  void Connect(const PipeOptions& options) {
    absl::StatusOr<PipePair> pair = GetParam().connect(options);
    EXPECT_THAT(pair, IsOk());
    a_ = std::move(pair->first);
    b_ = std::move(pair->second);
  }
  absl::Status Send(size_t bytes, int seed = 0, const Wait& wait = {}) {
    return a_->Send(*MessageOf(bytes, seed), {}, wait);
  }
  void ExpectNext(size_t bytes, int seed = 0) {
    absl::StatusOr<IncomingMessage> message = b_->Receive({});
    ASSERT_THAT(message, IsOk());
    EXPECT_TRUE(IsMessageOf(*message, bytes, seed)) << bytes << " bytes, seed " << seed;
  }

  std::unique_ptr<MessagePipe> a_, b_;

 private:
  Watchdog watchdog_;
};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(MessagePipeContract);

TEST_P(MessagePipeContract, MessagesOfAllSizesArrive) {
  const std::vector<size_t> sizes = {0,      1,      8,       50,      100,       4095, 65'536 - 24,
                                     65'536, 65'537, 200'000, 800'000, 8'000'000, 5};
  std::thread sender([&] {
    for (const size_t bytes : sizes) EXPECT_TRUE(Send(bytes, 3).ok());
  });
  for (const size_t bytes : sizes) ExpectNext(bytes, 3);
  sender.join();
}

TEST_P(MessagePipeContract, EverySmallSizeArrives) {
  constexpr int kMost = 4096 + 8;
  std::thread sender([&] {
    for (int bytes = 0; bytes <= kMost; bytes += 8) EXPECT_TRUE(Send(bytes, bytes).ok());
  });
  for (int bytes = 0; bytes <= kMost; bytes += 8) ExpectNext(bytes, bytes);
  sender.join();
}

TEST_P(MessagePipeContract, TheSmallestMessageIsTwoWords) {
  capnp::MallocMessageBuilder empty;
  empty.getRoot<capnp::AnyPointer>();
  ASSERT_THAT(a_->Send(empty, {}, {}), IsOk());
  absl::StatusOr<IncomingMessage> message = b_->Receive({});
  ASSERT_THAT(message, IsOk());
  EXPECT_EQ(message->size_bytes(), 16u);
  EXPECT_TRUE(message->root<capnp::AnyPointer>().isNull());
}

// A message of `items` segments, and a few more; item i has i + 1 at i.
inline void BuildInManySegments(capnp::MessageBuilder& builder, unsigned items,
                                unsigned item_bytes) {
  auto list = builder.getRoot<capnp::AnyPointer>().initAs<capnp::List<capnp::Data>>(items);
  for (unsigned i = 0; i < items; ++i) list.init(i, item_bytes)[i % item_bytes] = 1 + i % 255;
  ASSERT_GT(builder.getSegmentsForOutput().size(), items);
}
inline void ExpectManySegments(const IncomingMessage& message, unsigned items,
                               unsigned item_bytes) {
  const auto list = message.root<capnp::AnyPointer>().getAs<capnp::List<capnp::Data>>();
  ASSERT_EQ(list.size(), items);
  for (unsigned i = 0; i < items; ++i) EXPECT_EQ(list[i][i % item_bytes], 1 + i % 255) << i;
}

TEST_P(MessagePipeContract, MessagesOfManySegmentsArrive) {
  // More segments than one sendmsg takes parts.
  capnp::MallocMessageBuilder builder(1, capnp::AllocationStrategy::FIXED_SIZE);
  BuildInManySegments(builder, 3000, 4096);
  std::thread sender([&] { EXPECT_TRUE(a_->Send(builder, {}, {}).ok()); });
  absl::StatusOr<IncomingMessage> message = b_->Receive({});
  sender.join();
  ASSERT_THAT(message, IsOk());
  ExpectManySegments(*message, 3000, 4096);
}

TEST_P(MessagePipeContract, SmallMessagesOfManySegmentsArrive) {
  for (const unsigned items : {1u, 2u, 3u, 4u, 30u}) {
    capnp::MallocMessageBuilder builder(1, capnp::AllocationStrategy::FIXED_SIZE);
    BuildInManySegments(builder, items, 16);
    ASSERT_THAT(a_->Send(builder, {}, {}), IsOk());
    absl::StatusOr<IncomingMessage> message = b_->Receive({});
    ASSERT_THAT(message, IsOk());
    ExpectManySegments(*message, items, 16);
  }
}

TEST_P(MessagePipeContract, WhetherASenderWaitsForRoomIsSeenFromOtherThreads) {
  constexpr int kMessages = 50;
  for (const size_t bytes : {100'000, 1'000'000}) {
    EXPECT_FALSE(a_->waits_for_room());
    std::thread sender([&] {
      for (int i = 0; i < kMessages; ++i) EXPECT_TRUE(Send(bytes, i).ok());
    });
    while (!a_->waits_for_room()) std::this_thread::yield();
    for (int i = 0; i < kMessages; ++i) ExpectNext(bytes, i);
    sender.join();
  }
  EXPECT_FALSE(a_->waits_for_room());
  EXPECT_FALSE(b_->waits_for_room());
}

TEST_P(MessagePipeContract, ManyMessagesQueueInOrder) {
  constexpr int kMessages = 20;
  for (int i = 0; i < kMessages; ++i) ASSERT_THAT(Send(50, i), IsOk());
  for (int i = 0; i < kMessages; ++i) ExpectNext(50, i);
  EXPECT_THAT(b_->Receive(Briefly()), StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST_P(MessagePipeContract, ASteadyStreamKeepsItsOrder) {
  constexpr int kMessages = kSanitized ? 20'000 : 200'000;
  std::thread sender([&] {
    for (int i = 0; i < kMessages; ++i) ASSERT_TRUE(Send(i % 300, i).ok());
  });
  for (int i = 0; i < kMessages; ++i) {
    absl::StatusOr<IncomingMessage> message = b_->Receive({});
    ASSERT_THAT(message, IsOk());
    ASSERT_TRUE(IsMessageOf(*message, i % 300, i)) << i;
  }
  sender.join();
}

TEST_P(MessagePipeContract, ConversationsGoToAndFro) {
  constexpr int kTurns = kSanitized ? 2'000 : 20'000;
  std::thread other([&] {
    for (int i = 0; i < kTurns; ++i) {
      absl::StatusOr<IncomingMessage> message = b_->Receive({});
      ASSERT_TRUE(message.ok() && IsMessageOf(*message, i % 100, i)) << i;
      ASSERT_TRUE(b_->Send(*MessageOf(i % 70, i + 1), {}, {}).ok());
    }
  });
  for (int i = 0; i < kTurns; ++i) {
    ASSERT_THAT(Send(i % 100, i), IsOk());
    absl::StatusOr<IncomingMessage> answer = a_->Receive({});
    ASSERT_THAT(answer, IsOk());
    ASSERT_TRUE(IsMessageOf(*answer, i % 70, i + 1)) << i;
  }
  other.join();
}

// All ways that a message can take, in an order that nobody has thought of.
TEST_P(MessagePipeContract, SmallLargeAndDescriptorCarryingMessagesKeepTheirOrder) {
  constexpr int kMessages = kSanitized ? 300 : 2'000;
  constexpr size_t kSizes[] = {0, 8, 200, 1000, 3000, 3100, 20'000, 190'000, 200'000, 700'000};
  struct Plan {
    size_t bytes;
    bool with_descriptor;
  };
  std::mt19937 random(20);
  std::vector<Plan> plans;
  for (int i = 0; i < kMessages; ++i) {
    // Small ones mostly, so that several lie in the ring at a time.
    const size_t largest = random() % 4 == 0 ? std::size(kSizes) : 4;
    plans.push_back({.bytes = kSizes[random() % largest], .with_descriptor = random() % 5 == 0});
  }
  Descriptors descriptors(1);
  std::thread sender([&] {
    for (int i = 0; i < kMessages; ++i) {
      const std::vector<int> fds =
          plans[i].with_descriptor ? descriptors.to_send() : std::vector<int>();
      ASSERT_TRUE(a_->Send(*MessageOf(plans[i].bytes, i), fds, {}).ok());
    }
  });
  for (int i = 0; i < kMessages; ++i) {
    absl::StatusOr<IncomingMessage> message = b_->Receive({});
    ASSERT_THAT(message, IsOk());
    ASSERT_TRUE(IsMessageOf(*message, plans[i].bytes, i)) << i;
    ASSERT_EQ(message->descriptors().size(), plans[i].with_descriptor ? 1u : 0u) << i;
    if (plans[i].with_descriptor) {
      ASSERT_TRUE(descriptors.Is(message->descriptors()[0], 0));
    }
  }
  sender.join();
}

TEST_P(MessagePipeContract, BothSidesMaySendLargeMessagesAtOnce) {
  constexpr size_t kBytes = 3'000'000;
  constexpr int kMessages = 4;
  const auto send = [](MessagePipe& pipe) {
    for (int i = 0; i < kMessages; ++i) {
      EXPECT_TRUE(pipe.Send(*MessageOf(kBytes, i), {}, {}).ok());
      EXPECT_TRUE(pipe.Send(*MessageOf(10, i), {}, {}).ok());
    }
  };
  const auto receive = [](MessagePipe& pipe) {
    for (int i = 0; i < kMessages; ++i) {
      for (const size_t bytes : {kBytes, size_t{10}}) {
        absl::StatusOr<IncomingMessage> message = pipe.Receive({});
        ASSERT_TRUE(message.ok()) << message.status();
        EXPECT_TRUE(IsMessageOf(*message, bytes, i));
      }
    }
  };
  std::vector<std::thread> threads;
  for (MessagePipe* pipe : {a_.get(), b_.get()}) {
    threads.emplace_back([&send, pipe] { send(*pipe); });
    threads.emplace_back([&receive, pipe] { receive(*pipe); });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_P(MessagePipeContract, MessagesAreCountedOnBothSides) {
  EXPECT_EQ(a_->messages_sent(), b_->messages_received());
  const uint64_t before = a_->messages_sent();
  Descriptors descriptors(1);
  ASSERT_THAT(Send(1), IsOk());
  ASSERT_THAT(a_->Send(*MessageOf(10), descriptors.to_send(), {}), IsOk());
  ASSERT_THAT(Send(1), IsOk());
  EXPECT_EQ(a_->messages_sent(), before + 3);
  EXPECT_EQ(b_->messages_received(), before);
  for (uint64_t received = 1; received <= 3; ++received) {
    ASSERT_THAT(b_->Receive({}), IsOk());
    EXPECT_EQ(b_->messages_received(), before + received);
  }
  EXPECT_THAT(b_->Receive(AtOnce()), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(b_->messages_received(), before + 3);
  EXPECT_EQ(b_->messages_sent(), a_->messages_received()) << "the other way nothing went";
}

// Event loops.

TEST_P(MessagePipeContract, HalfAMessageIsNothingToReceive) {
  ASSERT_THAT(Send(8'000'000, 0, Briefly()), IsOk());
  EXPECT_THAT(b_->Receive(Briefly()), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_FALSE(b_->Arm());
  WaitFd ready = {.fd = b_->fd(), .events = POLLIN};
  EXPECT_THAT(WaitForAny(absl::MakeSpan(&ready, 1), Briefly()),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  std::thread sender([&] { EXPECT_TRUE(Send(1, 1).ok()); });
  EXPECT_THAT(WaitForAny(absl::MakeSpan(&ready, 1), {}), IsOk()) << "the rest comes";
  ExpectNext(8'000'000, 0);
  ExpectNext(1, 1);
  sender.join();
  EXPECT_FALSE(b_->Arm());
  EXPECT_THAT(WaitForAny(absl::MakeSpan(&ready, 1), Briefly()),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST_P(MessagePipeContract, FdIsReadableWhenAMessageComesAfterArming) {
  ASSERT_GE(b_->fd(), 0);
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(b_->Arm());
    WaitFd ready = {.fd = b_->fd(), .events = POLLIN};
    EXPECT_THAT(WaitForAny(absl::MakeSpan(&ready, 1), Briefly()),
                StatusIs(absl::StatusCode::kDeadlineExceeded))
        << "nothing is to be received";
    ASSERT_THAT(Send(10, i), IsOk());
    EXPECT_THAT(WaitForAny(absl::MakeSpan(&ready, 1), {}), IsOk());
    ExpectNext(10, i);
  }
}

TEST_P(MessagePipeContract, FdIsReadableWhenALargeMessageComesAfterArming) {
  EXPECT_FALSE(b_->Arm());
  std::thread sender([&] { EXPECT_TRUE(Send(3'000'000, 1).ok()); });
  WaitFd ready = {.fd = b_->fd(), .events = POLLIN};
  EXPECT_THAT(WaitForAny(absl::MakeSpan(&ready, 1), {}), IsOk());
  ExpectNext(3'000'000, 1);
  sender.join();
}

// Whoever asks Arm and the descriptor misses nothing.
TEST_P(MessagePipeContract, AMessageThatCameBeforeArmingIsSeenByArmOrFd) {
  ASSERT_THAT(Send(10, 1), IsOk());
  ASSERT_THAT(Send(10, 2), IsOk());
  for (const int seed : {1, 2}) {
    if (!b_->Arm()) {
      WaitFd ready = {.fd = b_->fd(), .events = POLLIN};
      EXPECT_THAT(WaitForAny(absl::MakeSpan(&ready, 1), {}), IsOk());
    }
    ExpectNext(10, seed);
  }
  EXPECT_FALSE(b_->Arm());
}

TEST_P(MessagePipeContract, AnEventLoopMissesNothing) {
  constexpr int kMessages = kSanitized ? 2'000 : 20'000;
  std::thread sender([&] {
    for (int i = 0; i < kMessages; ++i) ASSERT_TRUE(Send(i % 5 == 0 ? 3000 : 10, i).ok());
  });
  for (int received = 0; received < kMessages;) {
    if (!b_->Arm()) {
      WaitFd ready = {.fd = b_->fd(), .events = POLLIN};
      ASSERT_THAT(WaitForAny(absl::MakeSpan(&ready, 1), {}), IsOk());
    }
    absl::StatusOr<IncomingMessage> message = b_->Receive(AtOnce());
    if (absl::IsDeadlineExceeded(message.status())) continue;
    ASSERT_THAT(message, IsOk());
    ASSERT_TRUE(IsMessageOf(*message, received % 5 == 0 ? 3000 : 10, received)) << received;
    ++received;
  }
  sender.join();
}

TEST_P(MessagePipeContract, FdIsReadableWhenThePeerGoes) {
  EXPECT_FALSE(b_->Arm());
  WaitFd ready = {.fd = b_->fd(), .events = POLLIN};
  std::thread peer([&] { a_.reset(); });
  EXPECT_THAT(WaitForAny(absl::MakeSpan(&ready, 1), {}), IsOk());
  peer.join();
  EXPECT_THAT(b_->Receive({}), StatusIs(absl::StatusCode::kUnavailable));
}

// Descriptors.

TEST_P(MessagePipeContract, DescriptorsComeAlongInOrder) {
  Descriptors descriptors(16);
  ASSERT_THAT(a_->Send(*MessageOf(100), descriptors.to_send(), {}), IsOk());
  absl::StatusOr<IncomingMessage> message = b_->Receive({});
  ASSERT_THAT(message, IsOk());
  ASSERT_EQ(message->descriptors().size(), 16u);
  for (size_t i = 0; i < 16; ++i) {
    EXPECT_TRUE(descriptors.Is(message->descriptors()[i], i)) << i;
    EXPECT_EQ(::fcntl(message->descriptors()[i].get(), F_GETFD), FD_CLOEXEC);
  }
}

TEST_P(MessagePipeContract, EachMessageGetsItsOwnDescriptors) {
  Descriptors descriptors(6);
  const std::vector<int> fds = descriptors.to_send();
  ASSERT_THAT(a_->Send(*MessageOf(10), {fds[0]}, {}), IsOk());
  ASSERT_THAT(a_->Send(*MessageOf(10), {}, {}), IsOk());
  ASSERT_THAT(a_->Send(*MessageOf(10), {fds[1], fds[2], fds[3]}, {}), IsOk());
  ASSERT_THAT(a_->Send(*MessageOf(10), {fds[4], fds[5]}, {}), IsOk());
  size_t next = 0;
  for (const size_t expected : {1, 0, 3, 2}) {
    absl::StatusOr<IncomingMessage> message = b_->Receive({});
    ASSERT_THAT(message, IsOk());
    ASSERT_EQ(message->descriptors().size(), expected);
    for (const UniqueFd& fd : message->descriptors()) EXPECT_TRUE(descriptors.Is(fd, next++));
  }
}

TEST_P(MessagePipeContract, DescriptorsOfAMessageLargerThanTheSocketComeOnce) {
  Descriptors descriptors(2);
  std::thread sender(
      [&] { EXPECT_TRUE(a_->Send(*MessageOf(5'000'000), descriptors.to_send(), {}).ok()); });
  absl::StatusOr<IncomingMessage> message = b_->Receive({});
  sender.join();
  ASSERT_THAT(message, IsOk());
  ASSERT_EQ(message->descriptors().size(), 2u);
  EXPECT_TRUE(descriptors.Is(message->descriptors()[1], 1));
}

TEST_P(MessagePipeContract, ThePipeClosesWhatItHolds) {
  Descriptors descriptors(8);
  ASSERT_GE(b_->fd(), 0);
  ASSERT_THAT(a_->Send(*MessageOf(10), descriptors.to_send(), {}), IsOk());
  ASSERT_THAT(a_->Send(*MessageOf(10), descriptors.to_send(), {}), IsOk());
  EXPECT_THAT(b_->Receive({}), IsOk());  // takes it and drops it; the second is not even received
  a_.reset();
  b_.reset();
  const size_t left = OpenDescriptors();
  Connect({});
  ASSERT_GE(b_->fd(), 0);
  ASSERT_THAT(a_->Send(*MessageOf(10), descriptors.to_send(), {}), IsOk());
  EXPECT_GT(OpenDescriptors(), left);
  a_.reset();
  b_.reset();
  EXPECT_EQ(OpenDescriptors(), left);
}

TEST_P(MessagePipeContract, SaysSoWhenDescriptorsAreLostForWantOfRoom) {
  if (!CanRunWithoutDescriptors()) GTEST_SKIP() << "not with this sanitizer";
  Descriptors descriptors(4);
  ASSERT_THAT(a_->Send(*MessageOf(10), descriptors.to_send(), {}), IsOk());
  EXPECT_TRUE(PassesInChild([&] {
    ForbidMoreDescriptors();
    EXPECT_THAT(b_->Receive({}),
                StatusIs(absl::StatusCode::kResourceExhausted, ::testing::HasSubstr("ulimit -n")));
    EXPECT_THAT(b_->Receive({}), StatusIs(absl::StatusCode::kResourceExhausted));
  }));
}

TEST_P(MessagePipeContract, NamesTheLimitWhenNoDescriptorIsLeft) {
  if (!CanRunWithoutDescriptors()) GTEST_SKIP() << "not with this sanitizer";
  EXPECT_TRUE(PassesInChild([] {
    ForbidMoreDescriptors();
    EXPECT_THAT(GetParam().connect({}),
                StatusIs(absl::StatusCode::kResourceExhausted, ::testing::HasSubstr("ulimit -n")));
  }));
}

// Limits of one's own messages.

TEST_P(MessagePipeContract, WhatIsAboveTheLimitsIsNotSentAndThePipeStaysGood) {
  Connect({.max_message_bytes = 4096, .max_descriptors = 2});
  Descriptors descriptors(3);
  const auto too_large =
      StatusIs(absl::StatusCode::kInvalidArgument, ::testing::HasSubstr("above the limit"));
  EXPECT_THAT(Send(4096), too_large);
  EXPECT_THAT(a_->Send(*MessageOf(10), descriptors.to_send(), {}), too_large);
  EXPECT_THAT(Send(4096 - 16), IsOk()) << "exactly the limit: a word of table, one of pointer";
  absl::StatusOr<IncomingMessage> message = b_->Receive({});
  ASSERT_THAT(message, IsOk());
  EXPECT_EQ(message->size_bytes(), 4096u);
  ASSERT_THAT(Send(10, 1), IsOk());
  ExpectNext(10, 1);
}

TEST_P(MessagePipeContract, MoreDescriptorsThanTheKernelTakesAreRefused) {
  Connect({.max_descriptors = 1000});
  const std::vector<int> too_many(254, STDIN_FILENO);
  EXPECT_THAT(a_->Send(*MessageOf(10), too_many, {}), StatusIs(absl::StatusCode::kInvalidArgument));
  const std::vector<int> most(253, STDIN_FILENO);
  EXPECT_THAT(a_->Send(*MessageOf(10), most, {}), IsOk());
  absl::StatusOr<IncomingMessage> message = b_->Receive({});
  ASSERT_THAT(message, IsOk());
  EXPECT_EQ(message->descriptors().size(), 253u);
}

// Waits.

TEST_P(MessagePipeContract, ReceivingEndsAtTheDeadlineAndThePipeStaysGood) {
  const Wait wait = Briefly();
  EXPECT_THAT(b_->Receive(wait), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_TRUE(wait.deadline.HasPassed());
  ASSERT_THAT(Send(10), IsOk());
  EXPECT_THAT(b_->Receive({}), IsOk());
}

TEST_P(MessagePipeContract, APassedDeadlineStillTakesWhatIsThere) {
  EXPECT_THAT(b_->Receive(AtOnce()), StatusIs(absl::StatusCode::kDeadlineExceeded));
  ASSERT_THAT(Send(10), IsOk());
  EXPECT_THAT(b_->Receive(AtOnce()), IsOk());
}

TEST_P(MessagePipeContract, APassedDeadlineStillSendsWhatHasRoom) {
  EXPECT_THAT(Send(10, 1, AtOnce()), IsOk());
  ExpectNext(10, 1);
}

TEST_P(MessagePipeContract, ReceivingEndsWhenItIsCancelled) {
  const Cancellation cancellation = *Cancellation::Create();
  absl::Status result;
  std::thread receiver([&] { result = b_->Receive({.cancellation = &cancellation}).status(); });
  cancellation.Cancel();
  receiver.join();
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kCancelled));
  ASSERT_THAT(Send(10), IsOk());
  EXPECT_THAT(b_->Receive({}), IsOk()) << "the pipe is good still";
}

TEST_P(MessagePipeContract, SendingEndsAtTheDeadlineWhenThePeerDoesNotRead) {
  // One-byte messages fit in whole or not at all.
  int sent = 0;
  absl::Status status;
  while ((status = Send(1, sent, Briefly())).ok()) ++sent;
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(Send(1, sent, Briefly()), StatusIs(absl::StatusCode::kDeadlineExceeded));
  for (int i = 0; i < sent; ++i) ExpectNext(1, i);
  EXPECT_THAT(Send(1, sent), IsOk()) << "nothing of the others was sent, the pipe is good";
  ExpectNext(1, sent);
}

TEST_P(MessagePipeContract, ASenderThatWaitsForRoomGoesOnWhenThereIsSome) {
  int sent = 0;
  while (Send(1, sent, AtOnce()).ok()) ++sent;
  std::thread sender([&] { EXPECT_TRUE(Send(1, sent).ok()); });
  for (int i = 0; i <= sent; ++i) ExpectNext(1, i);
  sender.join();
}

TEST_P(MessagePipeContract, ASenderThatWaitsForRoomIsCancelled) {
  int sent = 0;
  while (Send(1, sent, AtOnce()).ok()) ++sent;
  const Cancellation cancellation = *Cancellation::Create();
  absl::Status result;
  std::thread sender([&] { result = Send(1, sent, {.cancellation = &cancellation}); });
  cancellation.Cancel();
  sender.join();
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kCancelled));
  for (int i = 0; i < sent; ++i) ExpectNext(1, i);
  EXPECT_THAT(b_->Receive(AtOnce()), StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST_P(MessagePipeContract, ASenderThatWaitsForRoomLearnsThatThePeerIsGone) {
  while (Send(1, 0, AtOnce()).ok()) {
  }
  absl::Status result;
  std::thread sender([&] { result = Send(1); });
  b_.reset();
  sender.join();
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(a_->send_status(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(Send(1), StatusIs(absl::StatusCode::kUnavailable));
}

// Reads the pipe whenever a sender of the same side waits.
class ReadsMeanwhile : public Meanwhile {
 public:
  explicit ReadsMeanwhile(MessagePipe& pipe) : pipe_(pipe) {}
  absl::Duration Arm() override {
    return pipe_.Arm() ? absl::ZeroDuration() : absl::InfiniteDuration();
  }
  int fd() override { return pipe_.fd(); }
  void Run() override {
    absl::StatusOr<IncomingMessage> message = pipe_.Receive(AtOnce());
    if (message.ok()) sizes_.push_back(SizeOf(*message));
  }
  const std::vector<size_t>& sizes() const { return sizes_; }

 private:
  MessagePipe& pipe_;
  std::vector<size_t> sizes_;
};

// Two sides of one thread each, both full to the brim: neither would ever go on if it did not read
// while it waits to send.
TEST_P(MessagePipeContract, ASenderThatWaitsReadsMeanwhile) {
  constexpr int kMessages = 200;
  const auto run = [](MessagePipe& pipe, size_t bytes, size_t others) {
    ReadsMeanwhile reads(pipe);
    for (int i = 0; i < kMessages; ++i) {
      // Now and then one that goes through the socket, and does not fit into it.
      const size_t size = i % 50 == 20 ? 2'000'000 : bytes;
      ASSERT_TRUE(pipe.Send(*MessageOf(size), {}, {.meanwhile = &reads}).ok());
    }
    std::vector<size_t> sizes = reads.sizes();
    while (sizes.size() < kMessages) {
      absl::StatusOr<IncomingMessage> message = pipe.Receive({});
      ASSERT_TRUE(message.ok()) << message.status();
      sizes.push_back(SizeOf(*message));
    }
    for (int i = 0; i < kMessages; ++i) {
      ASSERT_EQ(sizes[i], i % 50 == 20 ? 2'000'000 : others) << i;
    }
  };
  std::thread other([&] { run(*b_, 2000, 1600); });
  run(*a_, 1600, 2000);
  other.join();
}

TEST_P(MessagePipeContract, TheRestOfAMessageWhoseWaitEndedInTheMiddleGoesAheadOfTheNext) {
  ASSERT_THAT(Send(8'000'000, 0, Briefly()), IsOk()) << "part of it is out: it counts as sent";
  EXPECT_THAT(Send(1, 1, Briefly()), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(Send(1, 1, Briefly()), StatusIs(absl::StatusCode::kDeadlineExceeded));
  absl::Status sent;
  std::thread sender([&] { sent = Send(1, 1); });
  ExpectNext(8'000'000, 0);
  ExpectNext(1, 1);
  sender.join();
  EXPECT_THAT(sent, IsOk());
}

TEST_P(MessagePipeContract, HalfAMessageHoldsUpTheReceiverOnlyToItsDeadline) {
  ASSERT_THAT(Send(20, 5), IsOk());
  ASSERT_THAT(Send(8'000'000, 0, Briefly()), IsOk());
  ExpectNext(20, 5);
  EXPECT_THAT(b_->Receive(Briefly()), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(b_->Receive(Briefly()), StatusIs(absl::StatusCode::kDeadlineExceeded));
  const Cancellation cancellation = *Cancellation::Create();
  cancellation.Cancel();
  EXPECT_THAT(b_->Receive({.cancellation = &cancellation}), StatusIs(absl::StatusCode::kCancelled));
  std::thread sender([&] { EXPECT_TRUE(Send(1, 1).ok()); });
  ExpectNext(8'000'000, 0);
  ExpectNext(1, 1);
  sender.join();
}

TEST_P(MessagePipeContract, SendingTheRestEndsWithTheReasonWhyItEnded) {
  ASSERT_THAT(Send(8'000'000, 0, Briefly()), IsOk());
  // There is room for some of the rest, but not for all of it.
  EXPECT_THAT(b_->Receive(Briefly()), StatusIs(absl::StatusCode::kDeadlineExceeded));
  const Cancellation cancellation = *Cancellation::Create();
  cancellation.Cancel();
  EXPECT_THAT(Send(1, 1, {.cancellation = &cancellation}), StatusIs(absl::StatusCode::kCancelled));
}

TEST_P(MessagePipeContract, HalfAMessageOfAPeerThatGoesIsNone) {
  ASSERT_THAT(Send(8'000'000, 0, Briefly()), IsOk());
  a_.reset();
  EXPECT_THAT(b_->Receive({}),
              StatusIs(absl::StatusCode::kUnavailable, ::testing::HasSubstr("in the middle")));
}

TEST_P(MessagePipeContract, SendingEndsWhenItIsCancelled) {
  const Cancellation cancellation = *Cancellation::Create();
  absl::Status result;
  // Of the first message a part goes out; the second one can't even begin.
  ASSERT_THAT(Send(8'000'000, 0, Briefly()), IsOk());
  std::thread sender([&] { result = Send(1, 1, {.cancellation = &cancellation}); });
  cancellation.Cancel();
  sender.join();
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kCancelled));
}

// The peer goes.

TEST_P(MessagePipeContract, SaysWhenThePeerIsGone) {
  a_.reset();
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(b_->Receive({}), StatusIs(absl::StatusCode::kUnavailable, "the peer is gone"));
    EXPECT_THAT(b_->Send(*MessageOf(1), {}, {}), StatusIs(absl::StatusCode::kUnavailable));
    EXPECT_THAT(b_->send_status(), StatusIs(absl::StatusCode::kUnavailable));
  }
}

TEST_P(MessagePipeContract, AReceiverThatWaitsLearnsThatThePeerIsGone) {
  ASSERT_THAT(Send(10), IsOk());
  EXPECT_THAT(b_->Receive({}), IsOk());
  absl::Status result;
  std::thread receiver([&] { result = b_->Receive({}).status(); });
  a_.reset();
  receiver.join();
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kUnavailable));
}

TEST_P(MessagePipeContract, ASenderInTheMiddleOfAMessageLearnsThatThePeerIsGone) {
  absl::Status result;
  std::thread sender([&] { result = Send(8'000'000); });
  b_.reset();
  sender.join();
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kUnavailable));
}

TEST_P(MessagePipeContract, WhatWasSentBeforeThePeerWentIsDelivered) {
  for (int i = 0; i < 5; ++i) ASSERT_THAT(Send(50'000 / (i + 1), i), IsOk());
  for (int i = 0; i < 5; ++i) ASSERT_THAT(Send(100, i), IsOk());
  a_.reset();
  for (int i = 0; i < 5; ++i) ExpectNext(50'000 / (i + 1), i);
  for (int i = 0; i < 5; ++i) ExpectNext(100, i);
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(b_->Receive({}), StatusIs(absl::StatusCode::kUnavailable));
  }
}

TEST_P(MessagePipeContract, WhatWasSentBeforeThePeerWentIsDeliveredEvenIfSendingFailsFirst) {
  ASSERT_THAT(Send(100, 1), IsOk());
  ASSERT_THAT(Send(100'000, 2), IsOk());
  ASSERT_THAT(Send(100, 3), IsOk());
  ASSERT_THAT(b_->Send(*MessageOf(1), {}, {}), IsOk());  // never read: a socket is reset
  a_.reset();
  absl::Status sent;
  while (sent.ok()) sent = b_->Send(*MessageOf(1000), {}, {});
  EXPECT_THAT(sent, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(b_->send_status(), StatusIs(absl::StatusCode::kUnavailable));
  ExpectNext(100, 1);
  ExpectNext(100'000, 2);
  ExpectNext(100, 3);
  EXPECT_THAT(b_->Receive({}), StatusIs(absl::StatusCode::kUnavailable));
}

}  // namespace slabpipe::tests

#endif  // SLABPIPE_TESTS_TRANSPORT_MESSAGE_PIPE_CONTRACT_H_
