// SocketPipe: the contract of every pipe, and what a hostile peer may put on the socket.

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

#include <atomic>
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
#include "slabpipe/tests/transport/message_pipe_contract.h"
#include "slabpipe/tests/transport/pipe_testing.h"
#include "slabpipe/transport/kj_boundary.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::AtOnce;
using ::slabpipe::tests::Briefly;
using ::slabpipe::tests::Descriptors;
using ::slabpipe::tests::IsMessageOf;
using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::MessageOf;
using ::slabpipe::tests::MessagePipeContract;
using ::slabpipe::tests::PipeKind;
using ::slabpipe::tests::PipePair;
using ::slabpipe::tests::StatusIs;
using ::testing::HasSubstr;

// A frame as it lies on the socket.
std::string FrameOf(size_t bytes, int seed = 0, uint64_t sequence = 0) {
  const kj::Array<capnp::word> words = capnp::messageToFlatArray(*MessageOf(bytes, seed));
  FrameHeader header;
  header.sequence = sequence;
  header.body_bytes = words.size() * sizeof(capnp::word);
  return std::string(reinterpret_cast<const char*>(&header), sizeof(header)) +
         std::string(reinterpret_cast<const char*>(words.begin()), header.body_bytes);
}

INSTANTIATE_TEST_SUITE_P(Socket, MessagePipeContract,
                         ::testing::Values(PipeKind{
                             "SocketPipe",
                             [](const PipeOptions& options) -> absl::StatusOr<PipePair> {
                               auto pair = SocketPipe::CreatePair(options);
                               if (!pair.ok()) return pair.status();
                               return PipePair(std::move(pair->first), std::move(pair->second));
                             }}),
                         [](const auto& info) { return info.param.name; });

class SocketPipeTest : public ::testing::Test {
 protected:
  SocketPipeTest() {
    auto pair = SocketPipe::CreatePair();
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

TEST_F(SocketPipeTest, DescriptorsThatNobodyTakesAreClosed) {
  Descriptors descriptors(8);
  const size_t before = tests::OpenDescriptors();
  ASSERT_THAT(a_->Send(*MessageOf(10), descriptors.to_send(), {}), IsOk());
  ASSERT_THAT(a_->Send(*MessageOf(10), descriptors.to_send(), {}), IsOk());
  EXPECT_THAT(b_->Receive({}), IsOk());  // takes it and drops it; the second is not even received
  b_.reset();
  EXPECT_EQ(tests::OpenDescriptors(), before - 1) << "less the pipe's own";
}

TEST_F(SocketPipeTest, AMessageThatHalfArrivedGoesOnWithTheNextCall) {
  auto ends = *SocketPipe::CreateSockets();
  SocketPipe receiver(std::move(ends.first));
  const std::string frame = FrameOf(1000, 9);
  for (size_t begin = 0; begin < frame.size();) {
    EXPECT_THAT(receiver.Receive(AtOnce()), StatusIs(absl::StatusCode::kDeadlineExceeded));
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
    status = pipe_->Receive(AtOnce()).status();
    if (!absl::IsDeadlineExceeded(status)) break;
    EXPECT_LE(tests::OpenDescriptors(), before + 600);
  }
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss, HasSubstr("no message announces")));
}

// A frame that comes byte by byte: there is always one more to read.
TEST_F(HostilePeerTest, ATrickleThatNeverStopsKeepsNobodyBeyondTheDeadline) {
  FrameHeader header;
  header.body_bytes = uint64_t{64} << 20;
  Write(std::string(reinterpret_cast<const char*>(&header), sizeof(header)));
  std::atomic<bool> stop = false;
  std::atomic<uint64_t> left = header.body_bytes - 1;  // it is never whole
  std::vector<std::thread> writers;
  for (int i = 0; i < 3; ++i) {
    writers.emplace_back([&] {
      while (!stop && left > 3) {
        if (::send(socket_.get(), "", 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1) --left;
      }
    });
  }
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(pipe_->Receive(Briefly()), StatusIs(absl::StatusCode::kDeadlineExceeded));
  }
  const Cancellation cancellation = *Cancellation::Create();
  cancellation.Cancel();
  EXPECT_THAT(pipe_->Receive({.cancellation = &cancellation}),
              StatusIs(absl::StatusCode::kCancelled));
  EXPECT_GT(left, 3u) << "it was not the end of the trickle that ended them";
  stop = true;
  for (std::thread& writer : writers) writer.join();
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
