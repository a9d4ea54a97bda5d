// RingPipe between two sides that behave: the contract of every pipe, for rings of all sizes and
// for none, and what a ring adds to it. Sides that do not behave: ring_pipe_hostile_test.cc.

#include "slabpipe/transport/ring_pipe.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
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
#include "slabpipe/tests/transport/message_pipe_contract.h"
#include "slabpipe/tests/transport/pipe_testing.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::AtOnce;
using ::slabpipe::tests::Briefly;
using ::slabpipe::tests::ChildProcess;
using ::slabpipe::tests::Descriptors;
using ::slabpipe::tests::IsMessageOf;
using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::MessageOf;
using ::slabpipe::tests::MessagePipeContract;
using ::slabpipe::tests::PipeKind;
using ::slabpipe::tests::PipePair;
using ::slabpipe::tests::StatusIs;
using ::testing::HasSubstr;

using RingPair = std::pair<std::unique_ptr<RingPipe>, std::unique_ptr<RingPipe>>;

// A kind whose options are those of the test but for the ring's. `from_worker`: the first of the
// pair is the worker's end.
PipeKind Kind(std::string name, size_t ring_bytes, absl::Duration spin, bool from_worker = false) {
  return {std::move(name), [=](PipeOptions options) -> absl::StatusOr<PipePair> {
            options.ring_bytes = ring_bytes;
            options.spin = spin;
            auto pair = RingPipe::CreatePair(options);
            if (!pair.ok()) return pair.status();
            if (from_worker) std::swap(pair->first, pair->second);
            return PipePair(std::move(pair->first), std::move(pair->second));
          }};
}

absl::StatusOr<RingPair> CreateWithoutRing(const PipeOptions& options) {
  auto sockets = SocketPipe::CreatePair(options);
  if (!sockets.ok()) return sockets.status();
  return RingPair(std::make_unique<RingPipe>(std::move(sockets->first), options),
                  std::make_unique<RingPipe>(std::move(sockets->second), options));
}

constexpr size_t kUsualRing = size_t{256} << 10;

INSTANTIATE_TEST_SUITE_P(
    Ring, MessagePipeContract,
    ::testing::Values(Kind("FromMain", kUsualRing, absl::Microseconds(50)),
                      Kind("FromWorker", kUsualRing, absl::Microseconds(50), true),
                      Kind("WithoutSpinning", kUsualRing, absl::ZeroDuration()),
                      Kind("Smallest", 4 << 10, absl::Microseconds(50)),
                      Kind("SmallestFromWorker", 4 << 10, absl::ZeroDuration(), true),
                      Kind("Large", 1 << 20, absl::Microseconds(50)),
                      PipeKind{"WithoutRing",
                               [](const PipeOptions& options) -> absl::StatusOr<PipePair> {
                                 auto pair = CreateWithoutRing(options);
                                 if (!pair.ok()) return pair.status();
                                 return PipePair(std::move(pair->first), std::move(pair->second));
                               }}),
    [](const auto& info) { return info.param.name; });

std::vector<UniqueFd> Copies(const std::vector<int>& descriptors) {
  std::vector<UniqueFd> copies;
  for (const int descriptor : descriptors) copies.emplace_back(::dup(descriptor));
  return copies;
}

class RingPipeTest : public ::testing::Test {
 protected:
  RingPipeTest() { Connect({}); }
  // As RingPipe::CreatePair, but with a look at what both sides write.
  void Connect(const PipeOptions& options) {
    RingPair pair = *CreateWithoutRing(options);
    a_ = std::move(pair.first);
    b_ = std::move(pair.second);
    const std::vector<int> offered = *a_->Offer();
    // The kernel makes pipes as small as this for users that have many (pipe(7), 'Pipe capacity').
    for (const int bell : {offered[3], offered[4]}) {
      EXPECT_GE(::fcntl(bell, F_SETPIPE_SZ, 4096), 0);
    }
    a_control_ = *PeerControlSegment::Open(UniqueFd(::dup(offered[0])));
    const std::vector<int> joined = *b_->Join(Copies(offered), options.spin);
    b_control_ = *PeerControlSegment::Open(UniqueFd(::dup(joined[0])));
    b_->Begin();
    EXPECT_THAT(a_->Complete(Copies(joined)), IsOk());
  }
  absl::Status Send(size_t bytes, int seed = 0, const Wait& wait = {}) {
    return a_->Send(*MessageOf(bytes, seed), {}, wait);
  }
  void ExpectNext(size_t bytes, int seed = 0) {
    absl::StatusOr<IncomingMessage> message = b_->Receive({});
    ASSERT_THAT(message, IsOk());
    EXPECT_TRUE(IsMessageOf(*message, bytes, seed)) << bytes << " bytes, seed " << seed;
  }
  // What the sides say of themselves.
  const ControlHeader& a_says() const { return *a_control_->view().header; }
  const ControlHeader& b_says() const { return *b_control_->view().header; }

  std::unique_ptr<RingPipe> a_, b_;
  std::optional<PeerControlSegment> a_control_, b_control_;

 private:
  tests::Watchdog watchdog_;
};

// Set-up.

TEST_F(RingPipeTest, AllSizesOfRingsThatMakeSenseCanBeHad) {
  for (uint32_t ring_bytes = 4u << 10; ring_bytes <= 1u << 20; ring_bytes *= 2) {
    Connect({.ring_bytes = ring_bytes});
    EXPECT_EQ(a_control_->view().sizes.ring_bytes, ring_bytes);
    EXPECT_EQ(b_control_->view().sizes.ring_bytes, ring_bytes);
    ASSERT_THAT(Send(100, 1), IsOk());
    ExpectNext(100, 1);
  }
}

TEST_F(RingPipeTest, SizesThatMakeNoSenseAreRefused) {
  for (const size_t ring_bytes :
       {size_t{1}, size_t{2048}, size_t{4095}, size_t{4097}, size_t{3} << 20, size_t{128} << 20,
        size_t{1} << 32, (size_t{1} << 32) + 4096, ~size_t{0}}) {
    EXPECT_THAT(RingPipe::CreatePair({.ring_bytes = ring_bytes}),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << ring_bytes;
  }
}

TEST_F(RingPipeTest, UntilTheRingBeginsMessagesGoThroughTheSocket) {
  auto pair = CreateWithoutRing({});
  ASSERT_THAT(pair, IsOk());
  a_ = std::move(pair->first);
  b_ = std::move(pair->second);
  ASSERT_THAT(Send(100, 1), IsOk());
  ExpectNext(100, 1);

  // As main and worker do it: the hello, the welcome, and then the ring.
  absl::StatusOr<std::vector<int>> offered = a_->Offer();
  ASSERT_THAT(offered, IsOk());
  ASSERT_THAT(a_->Send(*MessageOf(10, 2), *offered, {}), IsOk());
  absl::StatusOr<IncomingMessage> hello = b_->Receive({});
  ASSERT_THAT(hello, IsOk());
  absl::StatusOr<std::vector<int>> joined =
      b_->Join(std::move(hello->descriptors()), absl::ZeroDuration());
  ASSERT_THAT(joined, IsOk());
  ASSERT_THAT(b_->Send(*MessageOf(10, 3), *joined, {}), IsOk());
  b_->Begin();
  ASSERT_THAT(b_->Send(*MessageOf(10, 4), {}, {}), IsOk()) << "before main has read the welcome";
  absl::StatusOr<IncomingMessage> welcome = a_->Receive({});
  ASSERT_THAT(welcome, IsOk());
  EXPECT_TRUE(IsMessageOf(*welcome, 10, 3));
  ASSERT_THAT(a_->Complete(std::move(welcome->descriptors())), IsOk());
  absl::StatusOr<IncomingMessage> first = a_->Receive({});
  ASSERT_THAT(first, IsOk());
  EXPECT_TRUE(IsMessageOf(*first, 10, 4));
  ASSERT_THAT(Send(10, 5), IsOk());
  ExpectNext(10, 5);
  EXPECT_EQ(a_->messages_sent(), 3u) << "the first, the hello, and one through the ring";
  EXPECT_EQ(b_->messages_received(), 3u);
  EXPECT_EQ(b_->messages_sent(), 2u);
  EXPECT_EQ(a_->messages_received(), 2u);
}

// Ways.

TEST_F(RingPipeTest, OnlyWhatIsTooLargeOrHasDescriptorsGoesThroughTheSocket) {
  Connect({.ring_bytes = 4096});
  uint64_t before = 0;
  const auto frames = [&] {  // what the ring has been given since the last look
    const uint64_t now = b_says().ring_taken.load(std::memory_order_relaxed);
    return now - std::exchange(before, now);
  };
  // 3 KiB is three quarters of the ring; a message has a word of table and one of pointer.
  ASSERT_THAT(Send(3072 - 16, 1), IsOk());
  ExpectNext(3072 - 16, 1);
  EXPECT_EQ(frames(), 3136u) << "the message, its word, rounded up to 64";
  ASSERT_THAT(Send(3072 - 8, 2), IsOk());
  ExpectNext(3072 - 8, 2);
  EXPECT_EQ(frames(), 64u) << "its place alone";
  Descriptors descriptors(1);
  ASSERT_THAT(a_->Send(*MessageOf(200, 3), descriptors.to_send(), {}), IsOk());
  ExpectNext(200, 3);
  EXPECT_EQ(frames(), 64u);
}

TEST_F(RingPipeTest, RingMessagesBehindALargeOneThatIsHalfSentComeAfterIt) {
  ASSERT_THAT(Send(10, 1), IsOk());
  ASSERT_THAT(Send(8'000'000, 2, Briefly()), IsOk());
  std::thread sender([&] {
    for (int i = 3; i < 100; ++i) EXPECT_TRUE(Send(i, i).ok());
  });
  ExpectNext(10, 1);
  ExpectNext(8'000'000, 2);
  for (int i = 3; i < 100; ++i) ExpectNext(i, i);
  sender.join();
}

// Waiting.

TEST_F(RingPipeTest, AReceiverThatSleepsIsWoken) {
  for (const absl::Duration spin : {absl::ZeroDuration(), absl::Microseconds(50)}) {
    Connect({.spin = spin});
    for (int i = 0; i < 500; ++i) {
      std::thread receiver([&] { ExpectNext(10, i); });
      if (i % 2 == 0) {  // when it is certain to sleep, or about to
        while (b_says().wants_message.load() == 0) std::this_thread::yield();
      }
      ASSERT_THAT(Send(10, i), IsOk());
      receiver.join();
    }
  }
}

TEST_F(RingPipeTest, AReceiverThatAlwaysSleepsIsWokenEachTime) {
  constexpr int kMessages = 3000;  // more rings than a bell has room for
  Connect({.spin = absl::ZeroDuration()});
  std::thread receiver([&] {
    for (int i = 0; i < kMessages; ++i) ExpectNext(10, i);
  });
  for (int i = 0; i < kMessages; ++i) {
    while (b_says().wants_message.load() == 0) std::this_thread::yield();
    ASSERT_THAT(Send(10, i), IsOk());
    while (b_says().ring_taken.load() != uint64_t{64} * (i + 1)) std::this_thread::yield();
  }
  receiver.join();
}

TEST_F(RingPipeTest, ASenderThatAlwaysSleepsIsWokenEachTime) {
  constexpr int kMessages = 3000;
  Connect({.ring_bytes = 4096, .spin = absl::ZeroDuration()});
  // The worker sends: its bells are the small ones.
  ASSERT_THAT(b_->Send(*MessageOf(3000, 0), {}, {}), IsOk());
  std::thread sender([&] {
    for (int i = 1; i < kMessages; ++i) {
      ASSERT_TRUE(b_->Send(*MessageOf(3000, i), {}, {}).ok());
    }
  });
  for (int i = 0; i < kMessages; ++i) {
    while (i + 1 < kMessages && b_says().wants_room.load() == 0) std::this_thread::yield();
    absl::StatusOr<IncomingMessage> message = a_->Receive({});
    ASSERT_THAT(message, IsOk());
    ASSERT_TRUE(IsMessageOf(*message, 3000, i));
  }
  sender.join();
}

TEST_F(RingPipeTest, ASenderThatSleepsForWantOfRoomIsWoken) {
  Connect({.ring_bytes = 4096, .spin = absl::ZeroDuration()});
  for (int i = 0; i < 200; ++i) {
    ASSERT_THAT(Send(3000, i), IsOk());
    std::thread sender([&] { EXPECT_TRUE(Send(3000, i + 1).ok()); });
    while (a_says().wants_room.load() == 0) std::this_thread::yield();
    ExpectNext(3000, i);
    sender.join();
    ExpectNext(3000, i + 1);
  }
}

TEST_F(RingPipeTest, ASenderThatSleepsIsWokenByThePlacesOfMessagesInTheSocket) {
  Connect({.ring_bytes = 4096, .spin = absl::ZeroDuration()});
  Descriptors descriptors(1);
  int sent = 0;
  while (a_->Send(*MessageOf(10, sent), descriptors.to_send(), AtOnce()).ok()) ++sent;
  ASSERT_EQ(sent, 63) << "it is the ring that is full, not the socket";
  std::thread sender([&] { EXPECT_TRUE(Send(10, sent).ok()); });
  while (a_says().wants_room.load() == 0) std::this_thread::yield();
  ExpectNext(10, 0);
  sender.join();
  for (int i = 1; i <= sent; ++i) ExpectNext(10, i);
}

TEST_F(RingPipeTest, NobodyWantsTheBellWhoDoesNotWait) {
  EXPECT_THAT(b_->Receive(AtOnce()), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(b_says().wants_message.load(), 0u);
  EXPECT_FALSE(b_->Arm());
  EXPECT_EQ(b_says().wants_message.load(), 1u);
  EXPECT_THAT(b_->Receive(AtOnce()), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(b_says().wants_message.load(), 0u);
  while (Send(1000, 0, AtOnce()).ok()) {
  }
  EXPECT_EQ(a_says().wants_room.load(), 0u);
}

// A thread's own time on a CPU.
absl::Duration ThreadCpuTime() {
  timespec time;
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return absl::DurationFromTimespec(time);
}

TEST_F(RingPipeTest, OneThatWaitsSleeps) {
  const absl::Duration before = ThreadCpuTime();
  for (int i = 0; i < 20; ++i) {
    EXPECT_THAT(b_->Receive(Briefly()), StatusIs(absl::StatusCode::kDeadlineExceeded));
  }
  // 400 ms went by.
  EXPECT_LT(ThreadCpuTime() - before, absl::Milliseconds(200));
}

TEST_F(RingPipeTest, ASpinWithoutEndIsNone) {
  Connect({.spin = absl::InfiniteDuration()});
  EXPECT_THAT(b_->Receive(Briefly()), StatusIs(absl::StatusCode::kDeadlineExceeded));
  absl::Status result;
  std::thread receiver([&] { result = b_->Receive({}).status(); });
  a_.reset();
  receiver.join();
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(RingPipeTest, ASpinBelowZeroIsNone) {
  Connect({.spin = -absl::Seconds(1)});
  EXPECT_THAT(b_->Receive(Briefly()), StatusIs(absl::StatusCode::kDeadlineExceeded));
  ASSERT_THAT(Send(10, 1), IsOk());
  ExpectNext(10, 1);
}

TEST_F(RingPipeTest, FourThreadsSendAndReceiveOnTwoEnds) {
  Connect({.ring_bytes = 4096});
  constexpr int kMessages = tests::kSanitized ? 5'000 : 50'000;
  std::vector<std::thread> threads;
  for (RingPipe* pipe : {a_.get(), b_.get()}) {
    threads.emplace_back([pipe] {
      for (int i = 0; i < kMessages; ++i) {
        ASSERT_TRUE(pipe->Send(*MessageOf(i % 1000, i), {}, {}).ok());
      }
    });
    threads.emplace_back([pipe] {
      for (int i = 0; i < kMessages; ++i) {
        absl::StatusOr<IncomingMessage> message = pipe->Receive({});
        ASSERT_TRUE(message.ok() && IsMessageOf(*message, i % 1000, i)) << i;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// The peer goes.

TEST_F(RingPipeTest, WhatIsPutIntoTheRingOfADeadPeerCountsAsSentUntilTheReceiverLearnsIt) {
  b_.reset();
  EXPECT_THAT(Send(10), IsOk());
  EXPECT_EQ(a_->messages_sent(), 1u);
  EXPECT_THAT(a_->Receive({}), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(Send(10), StatusIs(absl::StatusCode::kUnavailable));
}

// Two processes: a pipe in each.
class RingProcessTest : public RingPipeTest {
 protected:
  // Runs `work` in the peer, which has `a_` alone.
  void RunPeer(const std::function<int()>& work) {
    peer_ = std::make_unique<ChildProcess>([&] {
      b_.reset();
      return work();
    });
    a_.reset();
  }

  std::unique_ptr<ChildProcess> peer_;
};

TEST_F(RingProcessTest, AConversationThenTheEnd) {
  RunPeer([&] {
    for (int i = 0; i < 1000; ++i) {
      absl::StatusOr<IncomingMessage> message = a_->Receive({});
      if (!message.ok() || !IsMessageOf(*message, i, i)) return 1;
      if (!Send(i + 1, i).ok()) return 2;
    }
    return absl::IsUnavailable(a_->Receive({}).status()) ? 0 : 3;
  });
  for (int i = 0; i < 1000; ++i) {
    ASSERT_THAT(b_->Send(*MessageOf(i, i), {}, {}), IsOk());
    ExpectNext(i + 1, i);
  }
  b_.reset();
  EXPECT_EQ(peer_->Wait(), 0) << "it sees that this end is gone";
}

TEST_F(RingProcessTest, AKilledPeersLastMessagesAreDelivered) {
  RunPeer([&] {
    for (int i = 0; i < 10; ++i) {
      if (!Send(100, i).ok()) return 1;
    }
    if (!Send(100'000, 10).ok()) return 2;
    ::raise(SIGKILL);
    return 3;
  });
  EXPECT_EQ(peer_->Wait(), ChildProcess::kKilled);
  for (int i = 0; i < 10; ++i) ExpectNext(100, i);
  ExpectNext(100'000, 10);
  EXPECT_THAT(b_->Receive({}), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(b_->Send(*MessageOf(1), {}, {}), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(RingProcessTest, APeerThatIsKilledInTheMiddleOfAllEndsTheWaitsOfBothThreads) {
  for (int i = 0; i < (tests::kSanitized ? 3 : 10); ++i) {
    Connect({.ring_bytes = 4096});
    RunPeer([&] {
      for (int k = 0;; ++k) {
        if (!Send(k % 3000, k).ok()) return 1;
      }
    });
    for (int k = 0; k < 100 * i; ++k) ExpectNext(k % 3000, k);
    peer_->Kill();
    absl::Status sent, received;
    std::thread sender([&] {
      while (sent.ok()) sent = b_->Send(*MessageOf(1000), {}, {});
    });
    while (received.ok()) received = b_->Receive({}).status();
    sender.join();
    EXPECT_THAT(sent, StatusIs(absl::StatusCode::kUnavailable));
    EXPECT_THAT(received, StatusIs(absl::StatusCode::kUnavailable));
    EXPECT_EQ(peer_->Wait(), ChildProcess::kKilled);
    b_.reset();
  }
}

TEST_F(RingProcessTest, APeerWhoseChildKeepsTheSocketIsSeenToEnd) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  UniqueFd grandchild_waits(ends[0]), let_go(ends[1]);
  auto sockets = SocketPipe::CreatePair();
  ASSERT_THAT(sockets, IsOk());
  SocketPipe& socket = *sockets->second;
  a_ = std::make_unique<RingPipe>(std::move(sockets->first), PipeOptions{});
  b_ = std::make_unique<RingPipe>(std::move(sockets->second), PipeOptions{});
  RunPeer([&] {
    let_go.reset();
    absl::StatusOr<IncomingMessage> hello = a_->Receive({});
    if (!hello.ok()) return 1;
    auto joined = a_->Join(std::move(hello->descriptors()), absl::ZeroDuration());
    if (!joined.ok() || !a_->Send(*MessageOf(1), *joined, {}).ok()) return 2;
    a_->Begin();
    if (!Send(100, 4).ok()) return 3;
    if (::fork() == 0) {
      char byte;
      [[maybe_unused]] const ssize_t end = ::read(grandchild_waits.get(), &byte, 1);
    }
    return 0;
  });
  const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, peer_->pid(), 0)));
  socket.WatchPeer(pidfd.get());
  auto offered = b_->Offer();
  ASSERT_THAT(offered, IsOk());
  ASSERT_THAT(b_->Send(*MessageOf(1), *offered, {}), IsOk());
  absl::StatusOr<IncomingMessage> welcome = b_->Receive({});
  ASSERT_THAT(welcome, IsOk());
  ASSERT_THAT(b_->Complete(std::move(welcome->descriptors())), IsOk());
  EXPECT_EQ(peer_->Wait(), 0);
  WaitFd ready = {.fd = b_->fd(), .events = POLLIN};
  EXPECT_TRUE(b_->Arm());
  EXPECT_THAT(WaitForAny(absl::MakeSpan(&ready, 1), {}), IsOk()) << "the end is an event, too";
  ExpectNext(100, 4);
  absl::Status sent;
  while (sent.ok()) sent = b_->Send(*MessageOf(10'000), {}, {});
  EXPECT_THAT(sent, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(b_->Receive({}), StatusIs(absl::StatusCode::kUnavailable));
}

}  // namespace
}  // namespace slabpipe
