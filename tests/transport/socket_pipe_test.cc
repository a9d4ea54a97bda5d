#include "slabpipe/transport/socket_pipe.h"

#include <capnp/any.h>
#include <capnp/message.h>
#include <capnp/serialize.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/tests/testing/child_process.h"
#include "slabpipe/tests/testing/process_state.h"
#include "slabpipe/tests/testing/status_matchers.h"
#include "slabpipe/tests/testing/watchdog.h"
#include "slabpipe/transport/kj_boundary.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::StatusIs;
using ::testing::HasSubstr;

// A message whose root is `bytes` bytes, of a pattern that begins with `seed`.
std::unique_ptr<capnp::MallocMessageBuilder> MessageOf(size_t bytes, int seed = 0) {
  auto message = std::make_unique<capnp::MallocMessageBuilder>();
  auto data =
      message->getRoot<capnp::AnyPointer>().initAs<capnp::Data>(static_cast<unsigned>(bytes));
  for (size_t i = 0; i < bytes; ++i) data[i] = static_cast<kj::byte>(static_cast<size_t>(seed) + i);
  return message;
}

// Whether `message` is what MessageOf made.
bool IsMessageOf(const IncomingMessage& message, size_t bytes, int seed = 0) {
  const capnp::Data::Reader data = message.root<capnp::AnyPointer>().getAs<capnp::Data>();
  if (data.size() != bytes) return false;
  for (size_t i = 0; i < bytes; ++i) {
    if (data[i] != static_cast<kj::byte>(static_cast<size_t>(seed) + i)) return false;
  }
  return true;
}

// A frame as it lies on the socket.
std::string FrameOf(size_t bytes, int seed = 0, uint64_t sequence = 0) {
  const kj::Array<capnp::word> words = capnp::messageToFlatArray(*MessageOf(bytes, seed));
  FrameHeader header;
  header.sequence = sequence;
  header.body_bytes = words.size() * sizeof(capnp::word);
  return std::string(reinterpret_cast<const char*>(&header), sizeof(header)) +
         std::string(reinterpret_cast<const char*>(words.begin()), header.body_bytes);
}

Wait Briefly() { return {.deadline = Deadline::After(absl::Milliseconds(20))}; }

class SocketPipeTest : public ::testing::Test {
 protected:
  SocketPipeTest() { Connect({}); }
  void Connect(PipeOptions options) {
    auto pair = SocketPipe::CreatePair(options);
    EXPECT_THAT(pair, IsOk());
    a_ = std::move(pair->first);
    b_ = std::move(pair->second);
  }
  absl::Status Send(size_t bytes, int seed = 0, const Wait& wait = {}) {
    return a_->Send(*MessageOf(bytes, seed), {}, wait);
  }

  std::unique_ptr<SocketPipe> a_, b_;

 private:
  tests::Watchdog watchdog_;
};

TEST_F(SocketPipeTest, MessagesOfAllSizesArrive) {
  std::thread sender([&] {
    for (size_t bytes : {0, 1, 8, 100, 4095, 65'536 - 24, 65'536, 65'537, 200'000, 8'000'000, 5}) {
      EXPECT_TRUE(Send(bytes, 3).ok());
    }
  });
  for (size_t bytes : {0, 1, 8, 100, 4095, 65'536 - 24, 65'536, 65'537, 200'000, 8'000'000, 5}) {
    absl::StatusOr<IncomingMessage> message = b_->Receive({});
    ASSERT_THAT(message, IsOk());
    EXPECT_TRUE(IsMessageOf(*message, bytes, 3)) << bytes;
  }
  sender.join();
}

TEST_F(SocketPipeTest, TheSmallestMessageIsTwoWords) {
  capnp::MallocMessageBuilder empty;
  empty.getRoot<capnp::AnyPointer>();
  ASSERT_THAT(a_->Send(empty, {}, {}), IsOk());
  absl::StatusOr<IncomingMessage> message = b_->Receive({});
  ASSERT_THAT(message, IsOk());
  EXPECT_EQ(message->size_bytes(), 16u);
  EXPECT_TRUE(message->root<capnp::AnyPointer>().isNull());
}

TEST_F(SocketPipeTest, MessagesOfManySegmentsArrive) {
  // More segments than one sendmsg takes parts.
  constexpr unsigned kItems = 3000;
  capnp::MallocMessageBuilder builder(1, capnp::AllocationStrategy::FIXED_SIZE);
  auto list = builder.getRoot<capnp::AnyPointer>().initAs<capnp::List<capnp::Data>>(kItems);
  for (unsigned i = 0; i < kItems; ++i) list.init(i, 4096)[i % 4096] = 1 + i % 255;
  ASSERT_GT(builder.getSegmentsForOutput().size(), 1024u);
  std::thread sender([&] { EXPECT_TRUE(a_->Send(builder, {}, {}).ok()); });
  absl::StatusOr<IncomingMessage> message = b_->Receive({});
  sender.join();
  ASSERT_THAT(message, IsOk());
  const auto received = message->root<capnp::AnyPointer>().getAs<capnp::List<capnp::Data>>();
  ASSERT_EQ(received.size(), kItems);
  for (unsigned i = 0; i < kItems; ++i) EXPECT_EQ(received[i][i % 4096], 1 + i % 255) << i;
}

TEST_F(SocketPipeTest, ManyMessagesQueueInOrder) {
  constexpr int kMessages = 200;
  for (int i = 0; i < kMessages; ++i) ASSERT_THAT(Send(50, i), IsOk());
  for (int i = 0; i < kMessages; ++i) {
    absl::StatusOr<IncomingMessage> message = b_->Receive({});
    ASSERT_THAT(message, IsOk());
    EXPECT_TRUE(IsMessageOf(*message, 50, i)) << i;
  }
  EXPECT_THAT(b_->Receive(Briefly()), StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST_F(SocketPipeTest, BothSidesMaySendLargeMessagesAtOnce) {
  constexpr size_t kBytes = 3'000'000;
  constexpr int kMessages = 4;
  const auto send = [](SocketPipe& pipe) {
    for (int i = 0; i < kMessages; ++i) EXPECT_TRUE(pipe.Send(*MessageOf(kBytes, i), {}, {}).ok());
  };
  const auto receive = [](SocketPipe& pipe) {
    for (int i = 0; i < kMessages; ++i) {
      absl::StatusOr<IncomingMessage> message = pipe.Receive({});
      ASSERT_TRUE(message.ok()) << message.status();
      EXPECT_TRUE(IsMessageOf(*message, kBytes, i));
    }
  };
  std::vector<std::thread> threads;
  for (SocketPipe* pipe : {a_.get(), b_.get()}) {
    threads.emplace_back([&send, pipe] { send(*pipe); });
    threads.emplace_back([&receive, pipe] { receive(*pipe); });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(SocketPipeTest, FdIsReadableWhenAMessageIsThere) {
  WaitFd ready = {.fd = b_->fd(), .events = POLLIN};
  EXPECT_THAT(WaitForAny(absl::MakeSpan(&ready, 1), Briefly()),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  ASSERT_THAT(Send(10), IsOk());
  EXPECT_THAT(WaitForAny(absl::MakeSpan(&ready, 1), {}), IsOk());
}

TEST_F(SocketPipeTest, NamesTheLimitWhenNoDescriptorIsLeft) {
  if (!tests::CanRunWithoutDescriptors()) GTEST_SKIP() << "not with this sanitizer";
  EXPECT_TRUE(tests::PassesInChild([] {
    tests::ForbidMoreDescriptors();
    EXPECT_THAT(SocketPipe::CreatePair(),
                StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("ulimit -n")));
  }));
}

// Descriptors.

class Descriptors {
 public:
  explicit Descriptors(size_t count) {
    for (size_t i = 0; i < count; ++i) {
      int ends[2];
      EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
      read_ends_.emplace_back(ends[0]);
      write_ends_.emplace_back(ends[1]);
    }
  }
  // To be sent: borrowed.
  std::vector<int> to_send() const {
    std::vector<int> fds;
    for (const UniqueFd& fd : write_ends_) fds.push_back(fd.get());
    return fds;
  }
  // Whether `received` is the copy of number `i`.
  bool Is(const UniqueFd& received, size_t i) const {
    char sent = static_cast<char>('a' + i), arrived = 0;
    return ::write(received.get(), &sent, 1) == 1 &&
           ::read(read_ends_[i].get(), &arrived, 1) == 1 && sent == arrived;
  }

 private:
  std::vector<UniqueFd> read_ends_, write_ends_;
};

TEST_F(SocketPipeTest, DescriptorsComeAlongInOrder) {
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

TEST_F(SocketPipeTest, EachMessageGetsItsOwnDescriptors) {
  Descriptors descriptors(6);
  const std::vector<int> fds = descriptors.to_send();
  ASSERT_THAT(a_->Send(*MessageOf(10), {fds[0]}, {}), IsOk());
  ASSERT_THAT(a_->Send(*MessageOf(10), {}, {}), IsOk());
  ASSERT_THAT(a_->Send(*MessageOf(10), {fds[1], fds[2], fds[3]}, {}), IsOk());
  ASSERT_THAT(a_->Send(*MessageOf(10), {fds[4], fds[5]}, {}), IsOk());
  size_t next = 0;
  for (size_t expected : {1, 0, 3, 2}) {
    absl::StatusOr<IncomingMessage> message = b_->Receive({});
    ASSERT_THAT(message, IsOk());
    ASSERT_EQ(message->descriptors().size(), expected);
    for (const UniqueFd& fd : message->descriptors()) EXPECT_TRUE(descriptors.Is(fd, next++));
  }
}

TEST_F(SocketPipeTest, DescriptorsOfAMessageLargerThanTheSocketComeOnce) {
  Descriptors descriptors(2);
  std::thread sender(
      [&] { EXPECT_TRUE(a_->Send(*MessageOf(5'000'000), descriptors.to_send(), {}).ok()); });
  absl::StatusOr<IncomingMessage> message = b_->Receive({});
  sender.join();
  ASSERT_THAT(message, IsOk());
  ASSERT_EQ(message->descriptors().size(), 2u);
  EXPECT_TRUE(descriptors.Is(message->descriptors()[1], 1));
}

TEST_F(SocketPipeTest, DescriptorsThatNobodyTakesAreClosed) {
  Descriptors descriptors(8);
  const size_t before = tests::OpenDescriptors();
  ASSERT_THAT(a_->Send(*MessageOf(10), descriptors.to_send(), {}), IsOk());
  ASSERT_THAT(a_->Send(*MessageOf(10), descriptors.to_send(), {}), IsOk());
  EXPECT_THAT(b_->Receive({}), IsOk());  // takes it and drops it; the second is not even received
  b_.reset();
  EXPECT_EQ(tests::OpenDescriptors(), before - 1) << "less the pipe's own";
}

TEST_F(SocketPipeTest, SaysSoWhenDescriptorsAreLostForWantOfRoom) {
  if (!tests::CanRunWithoutDescriptors()) GTEST_SKIP() << "not with this sanitizer";
  Descriptors descriptors(4);
  ASSERT_THAT(a_->Send(*MessageOf(10), descriptors.to_send(), {}), IsOk());
  EXPECT_TRUE(tests::PassesInChild([&] {
    tests::ForbidMoreDescriptors();
    EXPECT_THAT(b_->Receive({}),
                StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("ulimit -n")));
    EXPECT_THAT(b_->Receive({}), StatusIs(absl::StatusCode::kResourceExhausted));
  }));
}

// Limits of one's own messages.

TEST_F(SocketPipeTest, WhatIsAboveTheLimitsIsNotSentAndThePipeStaysGood) {
  Connect({.max_message_bytes = 4096, .max_descriptors = 2});
  Descriptors descriptors(3);
  const auto too_large = StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("above the limit"));
  EXPECT_THAT(Send(4096), too_large);
  EXPECT_THAT(a_->Send(*MessageOf(10), descriptors.to_send(), {}), too_large);
  EXPECT_THAT(Send(4096 - 16), IsOk()) << "exactly the limit: a word of table, one of pointer";
  absl::StatusOr<IncomingMessage> message = b_->Receive({});
  ASSERT_THAT(message, IsOk());
  EXPECT_EQ(message->size_bytes(), 4096u);
}

TEST_F(SocketPipeTest, MoreDescriptorsThanTheKernelTakesAreRefused) {
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

TEST_F(SocketPipeTest, ReceivingEndsAtTheDeadlineAndThePipeStaysGood) {
  EXPECT_THAT(b_->Receive(Briefly()), StatusIs(absl::StatusCode::kDeadlineExceeded));
  ASSERT_THAT(Send(10), IsOk());
  EXPECT_THAT(b_->Receive({}), IsOk());
}

TEST_F(SocketPipeTest, APassedDeadlineStillTakesWhatIsThere) {
  ASSERT_THAT(Send(10), IsOk());
  EXPECT_THAT(b_->Receive({.deadline = Deadline::After(absl::ZeroDuration())}), IsOk());
}

TEST_F(SocketPipeTest, ReceivingEndsWhenItIsCancelled) {
  const Cancellation cancellation = *Cancellation::Create();
  absl::Status result;
  std::thread receiver([&] { result = b_->Receive({.cancellation = &cancellation}).status(); });
  cancellation.Cancel();
  receiver.join();
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kCancelled));
  ASSERT_THAT(Send(10), IsOk());
  EXPECT_THAT(b_->Receive({}), IsOk()) << "the pipe is good still";
}

TEST_F(SocketPipeTest, SendingEndsAtTheDeadlineWhenThePeerDoesNotRead) {
  // One-byte messages fit into the socket whole or not at all.
  int sent = 0;
  absl::Status status;
  while ((status = Send(1, sent, Briefly())).ok()) ++sent;
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(Send(1, sent, Briefly()), StatusIs(absl::StatusCode::kDeadlineExceeded));
  for (int i = 0; i < sent; ++i) {
    absl::StatusOr<IncomingMessage> message = b_->Receive({});
    ASSERT_THAT(message, IsOk());
    EXPECT_TRUE(IsMessageOf(*message, 1, i));
  }
  EXPECT_THAT(Send(1, sent), IsOk()) << "nothing of the others was sent, the pipe is good";
  absl::StatusOr<IncomingMessage> last = b_->Receive({});
  ASSERT_THAT(last, IsOk());
  EXPECT_TRUE(IsMessageOf(*last, 1, sent));
}

TEST_F(SocketPipeTest, TheRestOfAMessageWhoseWaitEndedInTheMiddleGoesAheadOfTheNext) {
  ASSERT_THAT(Send(8'000'000, 0, Briefly()), IsOk()) << "part of it is out: it counts as sent";
  EXPECT_THAT(Send(1, 1, Briefly()), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(Send(1, 1, Briefly()), StatusIs(absl::StatusCode::kDeadlineExceeded));
  absl::Status sent;
  std::thread sender([&] { sent = Send(1, 1); });
  for (const auto& [size, seed] : {std::pair(8'000'000, 0), std::pair(1, 1)}) {
    absl::StatusOr<IncomingMessage> message = b_->Receive({});
    ASSERT_THAT(message, IsOk());
    EXPECT_TRUE(IsMessageOf(*message, size, seed));
  }
  sender.join();
  EXPECT_THAT(sent, IsOk());
}

TEST_F(SocketPipeTest, HalfAMessageOfAPeerThatGoesIsNone) {
  ASSERT_THAT(Send(8'000'000, 0, Briefly()), IsOk());
  a_.reset();
  EXPECT_THAT(b_->Receive({}),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("in the middle")));
}

TEST_F(SocketPipeTest, SendingEndsWhenItIsCancelled) {
  const Cancellation cancellation = *Cancellation::Create();
  absl::Status result;
  // Of the first message a part goes out; the second one can't even begin.
  ASSERT_THAT(Send(8'000'000, 0, Briefly()), IsOk());
  std::thread sender([&] { result = Send(1, 1, {.cancellation = &cancellation}); });
  cancellation.Cancel();
  sender.join();
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(SocketPipeTest, AMessageThatHalfArrivedGoesOnWithTheNextCall) {
  auto ends = *SocketPipe::CreateSockets();
  SocketPipe receiver(std::move(ends.first));
  const std::string frame = FrameOf(1000, 9);
  for (size_t begin = 0; begin < frame.size();) {
    EXPECT_THAT(receiver.Receive({.deadline = Deadline::After(absl::ZeroDuration())}),
                StatusIs(absl::StatusCode::kDeadlineExceeded));
    // Byte by byte through the header, then in larger steps.
    const size_t step = begin < 40 ? 1 : 100;
    const ssize_t written =
        ::write(ends.second.get(), frame.data() + begin, std::min(step, frame.size() - begin));
    ASSERT_GT(written, 0);
    begin += static_cast<size_t>(written);
  }
  absl::StatusOr<IncomingMessage> message = receiver.Receive({});
  ASSERT_THAT(message, IsOk());
  EXPECT_TRUE(IsMessageOf(*message, 1000, 9));
}

// The peer goes.

TEST_F(SocketPipeTest, SaysWhenThePeerIsGone) {
  a_.reset();
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(b_->Receive({}), StatusIs(absl::StatusCode::kUnavailable, "the peer is gone"));
    EXPECT_THAT(b_->Send(*MessageOf(1), {}, {}), StatusIs(absl::StatusCode::kUnavailable));
  }
}

TEST_F(SocketPipeTest, AReceiverThatWaitsLearnsThatThePeerIsGone) {
  absl::Status result;
  std::thread receiver([&] { result = b_->Receive({}).status(); });
  a_.reset();
  receiver.join();
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(SocketPipeTest, ASenderThatWaitsLearnsThatThePeerIsGone) {
  absl::Status result;
  std::thread sender([&] { result = Send(8'000'000); });
  b_.reset();
  sender.join();
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(SocketPipeTest, WhatWasSentBeforeThePeerWentIsDelivered) {
  for (int i = 0; i < 5; ++i) ASSERT_THAT(Send(50'000 / (i + 1), i), IsOk());
  a_.reset();
  for (int i = 0; i < 5; ++i) {
    absl::StatusOr<IncomingMessage> message = b_->Receive({});
    ASSERT_THAT(message, IsOk()) << i;
    EXPECT_TRUE(IsMessageOf(*message, 50'000 / (i + 1), i));
  }
  EXPECT_THAT(b_->Receive({}), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(SocketPipeTest, WhatWasSentBeforeThePeerWentIsDeliveredEvenIfSendingFailsFirst) {
  ASSERT_THAT(Send(100, 1), IsOk());
  ASSERT_THAT(b_->Send(*MessageOf(1), {}, {}), IsOk());  // never read: the socket is reset
  a_.reset();
  EXPECT_THAT(b_->Send(*MessageOf(1), {}, {}), StatusIs(absl::StatusCode::kUnavailable));
  absl::StatusOr<IncomingMessage> message = b_->Receive({});
  ASSERT_THAT(message, IsOk());
  EXPECT_TRUE(IsMessageOf(*message, 100, 1));
  EXPECT_THAT(b_->Receive({}), StatusIs(absl::StatusCode::kUnavailable));
}

// A peer that has forked: its child still holds the socket when it ends.
class DeadPeerWithAChildTest : public SocketPipeTest {
 protected:
  // Runs `work` in the peer, which has `a_`, and then ends, leaving its child with the socket.
  void RunPeer(const std::function<void()>& work) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    UniqueFd grandchild_waits(ends[0]);
    let_go_.reset(ends[1]);
    peer_ = std::make_unique<tests::ChildProcess>([&] {
      let_go_.reset();
      b_.reset();
      work();
      if (::fork() == 0) {
        char byte;
        [[maybe_unused]] const ssize_t end = ::read(grandchild_waits.get(), &byte, 1);
      }
      return 0;
    });
    a_.reset();
    pidfd_.reset(static_cast<int>(::syscall(SYS_pidfd_open, peer_->pid(), 0)));
    ASSERT_TRUE(pidfd_.valid());
  }

  std::unique_ptr<tests::ChildProcess> peer_;
  UniqueFd pidfd_;

 private:
  UniqueFd let_go_;  // closing it ends the grandchild
};

TEST_F(DeadPeerWithAChildTest, TheReceiverLearnsItAfterWhatWasSent) {
  RunPeer([&] { EXPECT_TRUE(Send(100, 4).ok()); });
  b_->WatchPeer(pidfd_.get());
  absl::StatusOr<IncomingMessage> message = b_->Receive({});
  ASSERT_THAT(message, IsOk());
  EXPECT_TRUE(IsMessageOf(*message, 100, 4));
  EXPECT_THAT(b_->Receive({}), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(DeadPeerWithAChildTest, WhatItSentIsDeliveredThoughItsEndIsKnownFirst) {
  RunPeer([&] { EXPECT_TRUE(Send(100, 4).ok()); });
  EXPECT_EQ(peer_->Wait(), 0);
  b_->WatchPeer(pidfd_.get());
  EXPECT_THAT(b_->Receive({}), IsOk());
  EXPECT_THAT(b_->Receive({}), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(DeadPeerWithAChildTest, TheSenderLearnsIt) {
  RunPeer([] {});
  b_->WatchPeer(pidfd_.get());
  EXPECT_THAT(b_->Send(*MessageOf(8'000'000), {}, {}), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(DeadPeerWithAChildTest, WithoutTheWatchItIsNotSeen) {
  RunPeer([] {});
  EXPECT_EQ(peer_->Wait(), 0);
  EXPECT_THAT(b_->Receive(Briefly()), StatusIs(absl::StatusCode::kDeadlineExceeded));
}

// What a hostile peer may send.

class HostilePeerTest : public ::testing::Test {
 protected:
  HostilePeerTest() : HostilePeerTest(PipeOptions{}) {}
  explicit HostilePeerTest(PipeOptions options) {
    auto ends = *SocketPipe::CreateSockets();
    pipe_ = std::make_unique<SocketPipe>(std::move(ends.first), options);
    socket_ = std::move(ends.second);
  }
  void Write(const std::string& bytes, const std::vector<int>& descriptors = {}) {
    std::vector<char> control(CMSG_SPACE(descriptors.size() * sizeof(int)));
    iovec part = {const_cast<char*>(bytes.data()), bytes.size()};
    msghdr header = {};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    if (!descriptors.empty()) {
      header.msg_control = control.data();
      header.msg_controllen = control.size();
      cmsghdr* rights = CMSG_FIRSTHDR(&header);
      rights->cmsg_level = SOL_SOCKET;
      rights->cmsg_type = SCM_RIGHTS;
      rights->cmsg_len = CMSG_LEN(descriptors.size() * sizeof(int));
      memcpy(CMSG_DATA(rights), descriptors.data(), descriptors.size() * sizeof(int));
    }
    ASSERT_EQ(::sendmsg(socket_.get(), &header, MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  // The pipe is over, with DATA_LOSS and `says`, and stays so, whatever comes after.
  void ExpectRefused(const std::string& says) {
    Write(FrameOf(10, 0, 0));
    Write(FrameOf(10, 0, 1));
    for (int i = 0; i < 4; ++i) {
      EXPECT_THAT(pipe_->Receive({}), StatusIs(absl::StatusCode::kDataLoss, HasSubstr(says)));
    }
    EXPECT_THAT(pipe_->Send(*MessageOf(1), {}, {}),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr(says)));
  }

  std::unique_ptr<SocketPipe> pipe_;
  UniqueFd socket_;

 private:
  tests::Watchdog watchdog_;
};

struct HeaderAttack {
  std::string name;
  void (*change)(FrameHeader& header);
  std::string says;
};

class BadHeaderTest : public HostilePeerTest, public ::testing::WithParamInterface<HeaderAttack> {};

TEST_P(BadHeaderTest, EndsThePipe) {
  std::string frame = FrameOf(100);
  FrameHeader header;
  memcpy(&header, frame.data(), sizeof(header));
  GetParam().change(header);
  memcpy(frame.data(), &header, sizeof(header));
  Write(frame);
  ExpectRefused(GetParam().says);
}

TEST_P(BadHeaderTest, EndsThePipeEvenIfNothingFollows) {
  FrameHeader header;
  header.body_bytes = 64;
  GetParam().change(header);
  if (header.descriptor_count == 1) GTEST_SKIP() << "what is missing is known after the body only";
  Write(std::string(reinterpret_cast<const char*>(&header), sizeof(header)));
  EXPECT_THAT(pipe_->Receive({}),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr(GetParam().says)));
}

INSTANTIATE_TEST_SUITE_P(
    EveryField, BadHeaderTest,
    ::testing::Values(
        HeaderAttack{"MagicZero", [](FrameHeader& h) { h.magic = 0; }, "magic"},
        HeaderAttack{"MagicOfAnotherVersion", [](FrameHeader& h) { h.magic += 1 << 24; }, "magic"},
        HeaderAttack{"MagicSwapped", [](FrameHeader& h) { h.magic = __builtin_bswap32(h.magic); },
                     "magic"},
        HeaderAttack{"DescriptorsAnnouncedButNotSent",
                     [](FrameHeader& h) { h.descriptor_count = 1; }, "announces 1"},
        HeaderAttack{"DescriptorsAboveTheLimit", [](FrameHeader& h) { h.descriptor_count = 254; },
                     "number of descriptors"},
        HeaderAttack{"DescriptorsMost", [](FrameHeader& h) { h.descriptor_count = 0xffff; },
                     "number of descriptors"},
        HeaderAttack{"ReservedNotZero", [](FrameHeader& h) { h.reserved = 1; }, "reserved"},
        HeaderAttack{"ReservedHighBit", [](FrameHeader& h) { h.reserved = 0x8000; }, "reserved"},
        HeaderAttack{"SequenceAhead", [](FrameHeader& h) { h.sequence = 1; }, "sequence"},
        HeaderAttack{"SequenceLargest", [](FrameHeader& h) { h.sequence = ~uint64_t{0}; },
                     "sequence"},
        HeaderAttack{"LengthZero", [](FrameHeader& h) { h.body_bytes = 0; }, "length"},
        HeaderAttack{"LengthOdd", [](FrameHeader& h) { h.body_bytes += 1; }, "length"},
        HeaderAttack{"LengthNoMultipleOfAWord", [](FrameHeader& h) { h.body_bytes -= 4; },
                     "length"},
        HeaderAttack{"LengthAboveTheLimit",
                     [](FrameHeader& h) { h.body_bytes = (uint64_t{64} << 20) + 8; },
                     "max_message_bytes"},
        HeaderAttack{"LengthLargest", [](FrameHeader& h) { h.body_bytes = ~uint64_t{7}; },
                     "max_message_bytes"}),
    [](const auto& info) { return info.param.name; });

TEST_F(HostilePeerTest, AGoodFrameIsGood) {
  Write(FrameOf(100, 5));
  absl::StatusOr<IncomingMessage> message = pipe_->Receive({});
  ASSERT_THAT(message, IsOk());
  EXPECT_TRUE(IsMessageOf(*message, 100, 5));
}

TEST_F(HostilePeerTest, ABadFrameBehindGoodOnesLeavesThoseGood) {
  Write(FrameOf(100, 1, 0) + FrameOf(100, 2, 1) + std::string(100, '?') + FrameOf(100, 3, 2));
  EXPECT_THAT(pipe_->Receive({}), IsOk());
  EXPECT_THAT(pipe_->Receive({}), IsOk());
  ExpectRefused("magic");
}

TEST_F(HostilePeerTest, ASequenceNumberThatComesTwiceEndsThePipe) {
  Write(FrameOf(100, 1, 0));
  EXPECT_THAT(pipe_->Receive({}), IsOk());
  ExpectRefused("sequence number is 0, not 1");
}

TEST_F(HostilePeerTest, AFrameThatIsCutShortAnywhereIsNoMessage) {
  const std::string frame = FrameOf(40);
  for (size_t length = 0; length < frame.size(); ++length) {
    auto ends = *SocketPipe::CreateSockets();
    SocketPipe pipe(std::move(ends.first));
    ASSERT_EQ(::write(ends.second.get(), frame.data(), length), static_cast<ssize_t>(length));
    ends.second.reset();
    for (int i = 0; i < 2; ++i) {
      EXPECT_THAT(pipe.Receive({}),
                  StatusIs(absl::StatusCode::kUnavailable,
                           length == 0 ? HasSubstr("gone") : HasSubstr("in the middle")))
          << length;
    }
  }
}

TEST_F(HostilePeerTest, FewerDescriptorsThanAnnouncedEndThePipe) {
  std::string frame = FrameOf(10);
  FrameHeader header;
  memcpy(&header, frame.data(), sizeof(header));
  header.descriptor_count = 3;
  memcpy(frame.data(), &header, sizeof(header));
  Write(frame, {0, 0});
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(pipe_->Receive({}),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("announces 3 descriptors, but 2")));
  }
}

TEST_F(HostilePeerTest, DescriptorsThatAreNotAnnouncedEndThePipe) {
  const size_t descriptors = tests::OpenDescriptors();
  Write(FrameOf(10), {0, 0, 0});
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(pipe_->Receive({}),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("no message announces")));
  }
  pipe_.reset();
  EXPECT_EQ(tests::OpenDescriptors(), descriptors - 1);
}

TEST_F(HostilePeerTest, AFloodOfDescriptorsIsBounded) {
  const size_t before = tests::OpenDescriptors();
  const std::vector<int> many(253, STDIN_FILENO);
  const std::string frame = FrameOf(1000);
  absl::Status status;
  for (size_t i = 0; i < 30; ++i) {
    Write(frame.substr(i, 1), many);
    status = pipe_->Receive({.deadline = Deadline::After(absl::ZeroDuration())}).status();
    if (!absl::IsDeadlineExceeded(status)) break;
    EXPECT_LE(tests::OpenDescriptors(), before + 600);
  }
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss, HasSubstr("no message announces")));
}

// The segment table of Cap'n Proto's stream framing, behind a good header: `table`, then `words`
// words of zero.
std::string FrameWithTable(const std::vector<uint32_t>& table, size_t words) {
  FrameHeader header;
  header.body_bytes = table.size() * sizeof(uint32_t) + words * sizeof(capnp::word);
  return std::string(reinterpret_cast<const char*>(&header), sizeof(header)) +
         std::string(reinterpret_cast<const char*>(table.data()), table.size() * sizeof(uint32_t)) +
         std::string(words * sizeof(capnp::word), '\0');
}

TEST_F(HostilePeerTest, ASegmentTableThatIsGoodIsGood) {
  Write(FrameWithTable({0, 1}, 1));
  EXPECT_THAT(pipe_->Receive({}), IsOk());
}

class BadSegmentTableTest
    : public HostilePeerTest,
      public ::testing::WithParamInterface<std::pair<std::vector<uint32_t>, size_t>> {};

TEST_P(BadSegmentTableTest, EndsThePipe) {
  Write(FrameWithTable(GetParam().first, GetParam().second));
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(pipe_->Receive({}),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("malformed message")));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Tables, BadSegmentTableTest,
    ::testing::Values(std::pair(std::vector<uint32_t>{0, 2}, 1),           // one word short
                      std::pair(std::vector<uint32_t>{0, 0xffffffff}, 1),  // far short
                      std::pair(std::vector<uint32_t>{2, 1, 1, 1}, 2),     // the third is missing
                      std::pair(std::vector<uint32_t>{2, 0}, 0),           // the table is cut
                      std::pair(std::vector<uint32_t>{1, 1, 0x7fffffff, 0}, 1),
                      std::pair(std::vector<uint32_t>{0xfffffffe, 1}, 1),
                      std::pair(std::vector<uint32_t>{0x1fffffff, 1}, 8)));

TEST_F(HostilePeerTest, ACountOfSegmentsThatOverflowsIsAMessageOfNothing) {
  Write(FrameWithTable({0xffffffff, 1}, 1));
  absl::StatusOr<IncomingMessage> message = pipe_->Receive({});
  ASSERT_THAT(message, IsOk());
  EXPECT_THAT(CatchKj([&] {
                EXPECT_TRUE(message->root<capnp::AnyPointer>().isNull());
                return absl::OkStatus();
              }),
              IsOk());
}

TEST_F(HostilePeerTest, ABadTableIsFollowedByNothing) {
  Write(FrameWithTable({0, 2}, 1) + FrameOf(10, 0, 1) + FrameOf(10, 0, 2));
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(pipe_->Receive({}), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("malformed")));
  }
}

}  // namespace
}  // namespace slabpipe
