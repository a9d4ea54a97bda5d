// RingPipe against a peer that does what it likes with the memory, the bells and the socket that it
// shares: each gets DATA_LOSS, or leaves the pipe waiting to its deadline; nothing crashes, hangs
// or passes for a message.

#include <capnp/any.h>
#include <capnp/message.h>
#include <capnp/serialize.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/tests/testing/sanitizers.h"
#include "slabpipe/tests/testing/status_matchers.h"
#include "slabpipe/tests/testing/watchdog.h"
#include "slabpipe/tests/transport/pipe_testing.h"
#include "slabpipe/transport/kj_boundary.h"
#include "slabpipe/transport/ring_pipe.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::AtOnce;
using ::slabpipe::tests::Briefly;
using ::slabpipe::tests::IsMessageOf;
using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::MessageOf;
using ::slabpipe::tests::StatusIs;
using ::testing::AnyOf;
using ::testing::HasSubstr;

constexpr uint32_t kRingBytes = 4096;

std::vector<UniqueFd> Copies(const std::vector<int>& descriptors) {
  std::vector<UniqueFd> copies;
  for (const int descriptor : descriptors) copies.emplace_back(::dup(descriptor));
  return copies;
}

enum Bell { kMainMessage = 1, kMainRoom, kWorkerMessage, kWorkerRoom };

// A RingPipe of this library's, and all that its peer has in hand.
struct Connection {
  std::unique_ptr<RingPipe> pipe;
  UniqueFd socket;                        // the peer's end
  ControlSegment control;                 // the peer's, writable
  std::optional<PeerControlSegment> its;  // the pipe's, as the peer sees it
  std::vector<UniqueFd> bells;            // those that were offered, by Bell

  ControlHeader& header() { return *control.view().header; }
  std::byte* ring() { return control.view().ring; }
  std::atomic_ref<uint64_t> word(size_t position) {
    return std::atomic_ref<uint64_t>(*reinterpret_cast<uint64_t*>(ring() + position % kRingBytes));
  }
};

std::unique_ptr<RingPipe> NewPipe(Connection& connection, const PipeOptions& options) {
  auto ends = *SocketPipe::CreateSockets();
  connection.socket = std::move(ends.second);
  return std::make_unique<RingPipe>(std::make_unique<SocketPipe>(std::move(ends.first), options),
                                    options);
}

// The pipe is main's, the peer a worker.
Connection MainsPipe(PipeOptions options = {}) {
  Connection connection;
  options.ring_bytes = kRingBytes;
  connection.pipe = NewPipe(connection, options);
  connection.control = *ControlSegment::Create({.ring_bytes = kRingBytes});
  connection.bells = Copies(*connection.pipe->Offer());
  connection.its = *PeerControlSegment::Open(UniqueFd(::dup(connection.bells[0].get())));
  EXPECT_THAT(connection.pipe->Complete(Copies({connection.control.descriptor()})), IsOk());
  return connection;
}

// The pipe is a worker's, the peer main. `bells`, by Bell, are what main offers; those that it
// should offer if there are none.
Connection WorkersPipe(PipeOptions options = {}, std::vector<UniqueFd> bells = {}) {
  Connection connection;
  connection.pipe = NewPipe(connection, options);
  connection.control = *ControlSegment::Create({.ring_bytes = kRingBytes});
  if (bells.empty()) {
    bells.emplace_back();
    bells.emplace_back(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    bells.emplace_back(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    bells.emplace_back(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    bells.emplace_back(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  }
  std::vector<UniqueFd> offered = Copies({connection.control.descriptor(), bells[1].get(),
                                          bells[2].get(), bells[3].get(), bells[4].get()});
  connection.bells = std::move(bells);
  auto joined = connection.pipe->Join(std::move(offered), options.spin);
  EXPECT_THAT(joined, IsOk());
  connection.its = *PeerControlSegment::Open(UniqueFd(::dup((*joined)[0])));
  connection.pipe->Begin();
  return connection;
}

uint64_t Word(uint64_t kind, uint64_t number, uint64_t body_bytes) {
  return kind | number << 8 | body_bytes << 32;
}

enum class Role { kMain, kWorker };

class RingHostilePeerTest : public ::testing::TestWithParam<Role> {
 protected:
  RingHostilePeerTest() { Connect({}); }
  void Connect(PipeOptions options) {
    c_ = GetParam() == Role::kMain ? MainsPipe(options) : WorkersPipe(options);
  }
  // Puts bytes behind the word of the frame at `position`.
  void PutBody(size_t position, const std::string& body) {
    for (size_t i = 0; i < body.size(); ++i) {
      c_.ring()[(position + 8 + i) % kRingBytes] = static_cast<std::byte>(body[i]);
    }
  }
  static std::string BodyOf(size_t bytes, int seed) {
    const kj::Array<capnp::word> words = capnp::messageToFlatArray(*MessageOf(bytes, seed));
    return std::string(reinterpret_cast<const char*>(words.begin()), words.asBytes().size());
  }
  // The pipe is over, and stays so, whatever comes after.
  void ExpectRefused(const std::string& says) {
    for (int i = 0; i < 3; ++i) {
      EXPECT_THAT(c_.pipe->Receive(Briefly()),
                  StatusIs(absl::StatusCode::kDataLoss, HasSubstr(says)));
      EXPECT_THAT(c_.pipe->Send(*MessageOf(1), {}, {}),
                  StatusIs(absl::StatusCode::kDataLoss, HasSubstr(says)));
      PutBody(0, BodyOf(8, 1));
      c_.word(0) = Word(1, 0, 24);
    }
  }

  Connection c_;

 private:
  tests::Watchdog watchdog_;
};

INSTANTIATE_TEST_SUITE_P(Sides, RingHostilePeerTest, ::testing::Values(Role::kMain, Role::kWorker),
                         [](const auto& info) {
                           return info.param == Role::kMain ? "OfMain" : "OfWorker";
                         });

TEST_P(RingHostilePeerTest, AFrameByHandIsGood) {
  PutBody(0, BodyOf(8, 5));
  c_.word(0) = Word(1, 0, 24);
  absl::StatusOr<IncomingMessage> message = c_.pipe->Receive(Briefly());
  ASSERT_THAT(message, IsOk());
  EXPECT_TRUE(IsMessageOf(*message, 8, 5));
  EXPECT_EQ(c_.its->view().header->ring_taken.load(), 64u);
}

// Frame words.

struct WordAttack {
  std::string name;
  uint64_t kind;
  uint64_t number;  // less the one that is due
  uint64_t body_bytes;
};

// In a ring whose bodies are good, whatever the word says.
TEST_P(RingHostilePeerTest, AFrameWordWithABadFieldEndsThePipe) {
  const uint64_t most = kRingBytes / 4 * 3;
  const std::vector<WordAttack> attacks = {
      {"kind none", 0, 0, 24},
      {"kind none, of another number", 0, 1, 0},
      {"kind unknown", 3, 0, 24},
      {"kind unknown, empty", 3, 0, 0},
      {"kind largest", 255, 0, 24},
      {"number ahead", 1, 1, 24},
      {"number behind", 1, 0xffffff, 24},
      {"number's high bit", 1, 0x800000, 24},
      {"number ahead, by socket", 2, 1, 0},
      {"body empty", 1, 0, 0},
      {"body odd", 1, 0, 23},
      {"body no multiple of a word", 1, 0, 20},
      {"body of 4", 1, 0, 4},
      {"body a word too large", 1, 0, most + 8},
      {"body as large as the ring", 1, 0, kRingBytes},
      {"body larger than the ring", 1, 0, kRingBytes + 8},
      {"body largest multiple", 1, 0, 0xfffffff8},
      {"body largest", 1, 0, 0xffffffff},
      {"by socket, with a body", 2, 0, 8},
      {"by socket, with the largest body", 2, 0, 0xffffffff},
      {"all ones", 255, 0xffffff, 0xffffffff},
  };
  for (const WordAttack& attack : attacks) {
    for (const uint64_t good_before : {0, 1, 40}) {
      SCOPED_TRACE(absl::StrCat(attack.name, " after ", good_before, " good ones"));
      Connect({});
      for (uint64_t i = 0; i < good_before; ++i) {
        PutBody(i * 64, BodyOf(8, 7));
        c_.word(i * 64) = Word(1, i, 24);
        ASSERT_THAT(c_.pipe->Receive(AtOnce()), IsOk());
        c_.word((i + 1) * 64) = 0;
      }
      PutBody(good_before * 64, BodyOf(8, 7));
      const uint64_t number = (good_before + attack.number) & 0xffffff;
      c_.word(good_before * 64) = Word(attack.kind, number, attack.body_bytes);
      ExpectRefused("no frame");
      EXPECT_EQ(c_.pipe->messages_received(), good_before);
    }
  }
}

TEST_P(RingHostilePeerTest, TheLargestFrameThatMayBeIsTaken) {
  const size_t most = kRingBytes / 4 * 3;
  PutBody(0, BodyOf(most - 16, 5));
  c_.word(0) = Word(1, 0, most);
  absl::StatusOr<IncomingMessage> message = c_.pipe->Receive(Briefly());
  ASSERT_THAT(message, IsOk());
  EXPECT_TRUE(IsMessageOf(*message, most - 16, 5));
}

TEST_P(RingHostilePeerTest, AMessageAboveTheReceiversLimitEndsThePipe) {
  Connect({.max_message_bytes = 1024});
  PutBody(0, BodyOf(1024 - 16, 5));
  c_.word(0) = Word(1, 0, 1024);
  EXPECT_THAT(c_.pipe->Receive(Briefly()), IsOk());
  PutBody(1088, BodyOf(1024 - 8, 5));
  c_.word(1088) = Word(1, 1, 1032);
  ExpectRefused("max_message_bytes");
}

TEST_P(RingHostilePeerTest, AFrameThatIsTakenTwiceIsNone) {
  PutBody(0, BodyOf(8, 1));
  PutBody(64, BodyOf(8, 2));
  c_.word(64) = Word(1, 0, 24);  // the number of the one before
  c_.word(0) = Word(1, 0, 24);
  EXPECT_THAT(c_.pipe->Receive(Briefly()), IsOk());
  ExpectRefused("number 0, not 1");
}

TEST_P(RingHostilePeerTest, ABodyThatIsNoMessageEndsThePipe) {
  const std::vector<std::vector<uint32_t>> tables = {
      {0, 2, 0, 0},  // one word short
      {0, 0xffffffff, 0, 0}, {2, 1, 1, 1, 0, 0, 0, 0}, {0xfffffffe, 1},
      {0x1fffffff, 1},       {1, 1, 0x7fffffff, 0},    {2, 0}};
  for (const std::vector<uint32_t>& table : tables) {
    Connect({});
    const std::string body(reinterpret_cast<const char*>(table.data()),
                           table.size() * sizeof(uint32_t));
    PutBody(0, body);
    c_.word(0) = Word(1, 0, body.size());
    ExpectRefused("malformed");
  }
}

// Messages that are announced for the socket.

TEST_P(RingHostilePeerTest, AMessageThatIsClaimedToComeThroughTheSocketIsWaitedForToTheDeadline) {
  c_.word(0) = Word(2, 0, 0);
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(c_.pipe->Receive(Briefly()), StatusIs(absl::StatusCode::kDeadlineExceeded));
  }
  EXPECT_FALSE(c_.pipe->Arm());
  EXPECT_THAT(c_.pipe->Send(*MessageOf(1), {}, {}), IsOk()) << "the other way it goes on";
  c_.socket.reset();
  EXPECT_THAT(c_.pipe->Receive({}), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_P(RingHostilePeerTest, GarbageInTheSocketEndsThePipeOnceItIsAnnounced) {
  ASSERT_EQ(::write(c_.socket.get(), std::string(100, '?').data(), 100), 100);
  EXPECT_THAT(c_.pipe->Receive(Briefly()), StatusIs(absl::StatusCode::kDeadlineExceeded));
  c_.word(0) = Word(2, 0, 0);
  ExpectRefused("magic number");
}

// What the peer says of itself.

TEST_P(RingHostilePeerTest, TheIdentityIsReadOnceOnly) {
  c_.header().magic = 0;
  c_.header().version = 7;
  c_.header().ring_bytes = 64u << 20;
  c_.header().log_entries = 0xffffffff;
  for (uint64_t i = 0; i < 200; ++i) {
    PutBody(i * 64, BodyOf(8, 5));
    c_.word((i + 1) * 64) = 0;
    c_.word(i * 64) = Word(1, i, 24);
    ASSERT_THAT(c_.pipe->Receive(AtOnce()), IsOk());
  }
}

TEST_P(RingHostilePeerTest, HavingTakenWhatWasNeverWrittenEndsThePipe) {
  for (const uint64_t taken :
       {uint64_t{64} << 20, uint64_t{4097}, uint64_t{1} << 63, ~uint64_t{0}}) {
    Connect({});
    absl::Status sent;
    c_.header().ring_taken = taken;
    while (sent.ok()) sent = c_.pipe->Send(*MessageOf(1), {}, Briefly());
    EXPECT_THAT(sent, StatusIs(absl::StatusCode::kDataLoss, HasSubstr("has taken"))) << taken;
    EXPECT_THAT(c_.pipe->Receive({}), StatusIs(absl::StatusCode::kDataLoss));
  }
}

TEST_P(RingHostilePeerTest, TakingBackWhatWasTakenEndsThePipe) {
  while (c_.pipe->Send(*MessageOf(1), {}, AtOnce()).ok()) {
  }
  c_.header().ring_taken = 2048;
  while (c_.pipe->Send(*MessageOf(1), {}, AtOnce()).ok()) {
  }
  c_.header().ring_taken = 2047;
  EXPECT_THAT(c_.pipe->Send(*MessageOf(1), {}, Briefly()),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("2048 before")));
}

TEST_P(RingHostilePeerTest, ASenderThatWaitsSeesBadRoom) {
  Connect({.spin = absl::ZeroDuration()});
  while (c_.pipe->Send(*MessageOf(1), {}, AtOnce()).ok()) {
  }
  absl::Status sent;
  std::thread sender([&] { sent = c_.pipe->Send(*MessageOf(1), {}, {}); });
  while (c_.its->view().header->wants_room.load() == 0) std::this_thread::yield();
  c_.header().ring_taken = ~uint64_t{0};
  RingDoorbell(c_.bells[GetParam() == Role::kMain ? kMainRoom : kWorkerRoom].get());
  sender.join();
  EXPECT_THAT(sent, StatusIs(absl::StatusCode::kDataLoss));
}

TEST_P(RingHostilePeerTest, RoomThatIsNotThereHarmsThePeerAlone) {
  // It has read nothing, and says that it has: to odd places, and always again.
  uint64_t written = 0;
  for (int i = 0; i < 1000; ++i) {
    ASSERT_THAT(c_.pipe->Send(*MessageOf(i % 500), {}, {}), IsOk());
    written += RingFrameBytes(16 + (i % 500 + 7) / 8 * 8);
    c_.header().ring_taken = written - (i % 2);
  }
  EXPECT_THAT(c_.pipe->Receive(AtOnce()), StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST_P(RingHostilePeerTest, WhereThePeerRunsIsBelievedForNothing) {
  Connect({.spin = absl::Microseconds(500)});
  uint64_t number = 0;
  for (const uint32_t cpu : {0u, 1u, 2u, 0x7fffffffu, ~0u, CurrentCpu()}) {
    c_.header().cpu = cpu;
    EXPECT_THAT(c_.pipe->Receive(Briefly()), StatusIs(absl::StatusCode::kDeadlineExceeded));
    PutBody(number * 64, BodyOf(8, 5));
    c_.word(number * 64) = Word(1, number, 24);
    EXPECT_THAT(c_.pipe->Receive(Briefly()), IsOk());
    ++number;
  }
}

// Garbage.

TEST_P(RingHostilePeerTest, I5GarbageAllOverTheControlBlockIsNeverAMessage) {
  const int seeds = tests::kSanitized ? 300 : 3000;
  for (int seed = 0; seed < seeds; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    std::mt19937_64 random(seed);
    Connect({});
    auto* words = reinterpret_cast<uint64_t*>(&c_.header());
    for (size_t i = 0; i < c_.control.view().sizes.total_bytes() / 8; ++i) {
      std::atomic_ref<uint64_t>(words[i]).store(random(), std::memory_order_relaxed);
    }
    const bool send_first = seed % 2 == 0;
    absl::Status sent;
    for (int i = 0; send_first && sent.ok(); ++i) {
      ASSERT_LT(i, 1000) << "its room is never bounded";
      sent = c_.pipe->Send(*MessageOf(random() % 4000), {}, AtOnce());
      // Large ones go through the socket, until that is full.
      if (absl::IsDeadlineExceeded(sent)) break;
    }
    if (send_first && !absl::IsDeadlineExceeded(sent)) {
      EXPECT_THAT(sent, StatusIs(absl::StatusCode::kDataLoss));
    }
    EXPECT_THAT(c_.pipe->Receive(AtOnce()), StatusIs(absl::StatusCode::kDataLoss));
    EXPECT_THAT(c_.pipe->Send(*MessageOf(1), {}, AtOnce()), StatusIs(absl::StatusCode::kDataLoss));
  }
}

// Visits all that there is in a message of anything.
absl::Status Visit(const IncomingMessage& message) {
  return CatchKj([&] {
    message.root<capnp::AnyPointer>().targetSize();
    capnp::MallocMessageBuilder copy;
    copy.setRoot(message.root<capnp::AnyPointer>());
    return absl::OkStatus();
  });
}

TEST_P(RingHostilePeerTest, I5GarbageInGoodFramesIsReadInSafety) {
  const int seeds = tests::kSanitized ? 300 : 3000;
  for (int seed = 0; seed < seeds; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    std::mt19937_64 random(seed);
    Connect({});
    uint64_t position = 0;
    absl::Status received;
    for (uint64_t number = 0; number < 20 && received.ok(); ++number) {
      // A message with some bytes changed, mostly in what tells where things are.
      std::string body = BodyOf(random() % 1500, seed);
      for (uint64_t changes = random() % 4; changes > 0; --changes) {
        const size_t among = random() % 2 == 0 ? 16 : body.size();
        body[random() % among] = static_cast<char>(random());
      }
      PutBody(position, body);
      const uint64_t next = position + RingFrameBytes(body.size());
      c_.word(next) = 0;
      c_.word(position) = Word(1, number, body.size());
      position = next;
      absl::StatusOr<IncomingMessage> message = c_.pipe->Receive(AtOnce());
      received = message.status();
      if (message.ok()) Visit(*message).IgnoreError();
    }
    EXPECT_THAT(received, AnyOf(IsOk(), StatusIs(absl::StatusCode::kDataLoss)));
  }
}

#if !defined(__SANITIZE_THREAD__)
// Races with the reader on purpose.
TEST_P(RingHostilePeerTest, I5AMessageThatChangesWhileItIsCopiedIsReadInSafety) {
  const int rounds = tests::kSanitized ? 50 : 300;
  for (int round = 0; round < rounds; ++round) {
    Connect({.spin = absl::ZeroDuration()});
    std::atomic<bool> stop = false;
    const std::string good = BodyOf(3000, 1);
    std::thread scribbler([&] {
      std::mt19937_64 random(round);
      auto* words = reinterpret_cast<uint64_t*>(c_.ring());
      while (!stop.load(std::memory_order_relaxed)) {
        // The segment table and the root pointer; the frame's own word, now and then.
        const size_t at = random() % 64 == 0 ? 0 : 1 + random() % 4;
        std::atomic_ref<uint64_t> word(words[at]);
        const uint64_t before = word.load(std::memory_order_relaxed);
        word.store(random() % 2 == 0 ? before ^ uint64_t{1} << random() % 64 : random(),
                   std::memory_order_relaxed);
        word.store(before, std::memory_order_relaxed);
      }
    });
    PutBody(0, good);
    c_.word(0) = Word(1, 0, good.size());
    absl::StatusOr<IncomingMessage> message = c_.pipe->Receive(Briefly());
    stop = true;
    scribbler.join();
    if (message.ok()) {
      EXPECT_EQ(message->size_bytes(), good.size());
      Visit(*message).IgnoreError();
    } else {
      EXPECT_THAT(message, AnyOf(StatusIs(absl::StatusCode::kDataLoss),
                                 StatusIs(absl::StatusCode::kDeadlineExceeded)));
    }
  }
}
#endif

// Bells.

TEST_P(RingHostilePeerTest, ABellThatNeverStopsKeepsNobodyBeyondTheDeadline) {
  std::atomic<bool> stop = false;
  const Bell message_bell = GetParam() == Role::kMain ? kMainMessage : kWorkerMessage;
  const Bell room_bell = GetParam() == Role::kMain ? kMainRoom : kWorkerRoom;
  std::vector<std::thread> ringers;
  for (const Bell bell : {message_bell, room_bell}) {
    ringers.emplace_back([&, bell] {
      while (!stop) RingDoorbell(c_.bells[bell].get());
    });
  }
  for (int i = 0; i < 5; ++i) {
    EXPECT_THAT(c_.pipe->Receive(Briefly()), StatusIs(absl::StatusCode::kDeadlineExceeded));
  }
  while (c_.pipe->Send(*MessageOf(1), {}, AtOnce()).ok()) {
  }
  EXPECT_THAT(c_.pipe->Send(*MessageOf(1), {}, Briefly()),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  stop = true;
  for (std::thread& ringer : ringers) ringer.join();
}

TEST_P(RingHostilePeerTest, ABellThatNeverRingsKeepsNobodyBeyondTheDeadline) {
  absl::Status received;
  const Wait wait = {.deadline = Deadline::After(absl::Milliseconds(50))};
  std::thread receiver([&] { received = c_.pipe->Receive(wait).status(); });
  PutBody(0, BodyOf(8, 5));
  while (c_.its->view().header->wants_message.load() == 0 && !wait.deadline.HasPassed()) {
  }
  c_.word(0) = Word(1, 0, 24);
  receiver.join();
  EXPECT_THAT(received, AnyOf(IsOk(), StatusIs(absl::StatusCode::kDeadlineExceeded)));
  if (!received.ok()) {
    EXPECT_THAT(c_.pipe->Receive(AtOnce()), IsOk()) << "the next look finds it";
  }
}

class RingHostileWorkerTest : public ::testing::Test {
 protected:
  RingHostileWorkerTest() : c_(MainsPipe()) {}
  // Main sends, and the worker takes all that comes.
  void SendMany(int count) {
    RingReader reader(c_.control.view(), c_.its->view());
    std::vector<std::byte> body(kRingBytes);
    for (int i = 0; i < count; ++i) {
      ASSERT_THAT(c_.pipe->Send(*MessageOf(8), {}, Briefly()), IsOk());
      absl::StatusOr<RingFrame> frame = reader.Look();
      ASSERT_TRUE(frame.ok() && frame->kind == FrameKind::kMessage);
      reader.Take(*frame, body.data());
    }
  }
  void ReceiveOne() {
    RingWriter writer(c_.control.view(), c_.its->view());
    const kj::Array<capnp::word> words = capnp::messageToFlatArray(*MessageOf(8, 3));
    ASSERT_TRUE(*writer.HasRoom(words.asBytes().size()));
    writer.Append(words.begin(), words.asBytes().size());
    writer.Publish(FrameKind::kMessage);
    absl::StatusOr<IncomingMessage> message = c_.pipe->Receive(Briefly());
    ASSERT_THAT(message, IsOk());
    EXPECT_TRUE(IsMessageOf(*message, 8, 3));
  }
  static void ClearNonblock(int descriptor) {
    const int flags = ::fcntl(descriptor, F_GETFL);
    ASSERT_EQ(::fcntl(descriptor, F_SETFL, flags & ~O_NONBLOCK), 0);
  }

  Connection c_;

 private:
  tests::Watchdog watchdog_;
};

TEST_F(RingHostileWorkerTest, ABellThatNobodySilencesFillsUpAndBlocksNobody) {
  for (const Bell bell : {kWorkerMessage, kWorkerRoom}) ClearNonblock(c_.bells[bell].get());
  c_.header().wants_message = 0xffffffff;
  c_.header().wants_room = 0xffffffff;
  SendMany(20'000);  // a pipe takes 8192 rings
  ReceiveOne();
}

TEST_F(RingHostileWorkerTest, BellsThatAreClosedEndNobody) {
  c_.header().wants_message = 1;
  c_.header().wants_room = 1;
  c_.bells.clear();
  SendMany(100);  // no SIGPIPE
  ReceiveOne();
}

TEST_F(RingHostileWorkerTest, MainsBellsMayBeFilledDrainedAndMadeBlocking) {
  for (const Bell bell : {kMainMessage, kMainRoom}) {
    ClearNonblock(c_.bells[bell].get());
    const uint64_t most = ~uint64_t{0} - 1;
    ASSERT_EQ(::write(c_.bells[bell].get(), &most, sizeof(most)), 8);
  }
  EXPECT_THAT(c_.pipe->Receive(Briefly()), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_FALSE(c_.pipe->Arm());
  while (c_.pipe->Send(*MessageOf(8), {}, AtOnce()).ok()) {
  }
  EXPECT_THAT(c_.pipe->Send(*MessageOf(8), {}, Briefly()),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  ReceiveOne();
}

// Rings and takes the ring back at once, so that whoever was woken by it finds nothing to silence.
TEST_F(RingHostileWorkerTest, ABellThatIsDrainedUnderMainBlocksNobody) {
  const int bell = c_.bells[kMainMessage].get();
  std::atomic<bool> stop = false;
  std::thread thief([&] {
    uint64_t rings;
    while (!stop) {
      RingDoorbell(bell);
      [[maybe_unused]] const ssize_t got = ::read(bell, &rings, sizeof(rings));
    }
  });
  for (int i = 0; i < 10; ++i) {
    if (i % 2 == 0) {
      EXPECT_FALSE(c_.pipe->Arm());
    }
    EXPECT_THAT(c_.pipe->Receive(Briefly()), StatusIs(absl::StatusCode::kDeadlineExceeded));
  }
  stop = true;
  thief.join();
}

// A main whose bells are ringing for good. (A worker trusts its main; but it must learn of its
// end.)
TEST(RingHostileMainTest, ABellThatCanNotBeSilencedKeepsNobodyBeyondTheDeadline) {
  tests::Watchdog watchdog;
  for (const absl::Duration spin : {absl::ZeroDuration(), absl::Microseconds(50)}) {
    std::vector<UniqueFd> bells(5);
    bells[kMainMessage].reset(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    bells[kMainRoom].reset(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    for (const Bell bell : {kWorkerMessage, kWorkerRoom}) {
      Doorbell closed = *Doorbell::ToRing();
      bells[bell] = std::move(closed.listener);  // its other end is closed: readable for good
    }
    Connection c = WorkersPipe({.spin = spin}, std::move(bells));
    EXPECT_THAT(c.pipe->Receive(Briefly()), StatusIs(absl::StatusCode::kDeadlineExceeded));
    while (c.pipe->Send(*MessageOf(8), {}, AtOnce()).ok()) {
    }
    EXPECT_THAT(c.pipe->Send(*MessageOf(8), {}, Briefly()),
                StatusIs(absl::StatusCode::kDeadlineExceeded));
    c.socket.reset();
    EXPECT_THAT(c.pipe->Send(*MessageOf(8), {}, {}), StatusIs(absl::StatusCode::kUnavailable));
    EXPECT_THAT(c.pipe->Receive({}), StatusIs(absl::StatusCode::kUnavailable));
  }
}

// Set-up.

class RingSetUpTest : public ::testing::Test {
 protected:
  RingSetUpTest() : pipe_(NewPipe(c_, {.ring_bytes = kRingBytes})) {}
  std::vector<UniqueFd> Bells(size_t count) {
    std::vector<UniqueFd> bells;
    for (size_t i = 0; i < count; ++i) bells.emplace_back(::eventfd(0, EFD_CLOEXEC));
    return bells;
  }

  Connection c_;
  std::unique_ptr<RingPipe> pipe_;

 private:
  tests::Watchdog watchdog_;
};

TEST_F(RingSetUpTest, AnOfferWithAnotherNumberOfDescriptorsIsNone) {
  const ControlSegment control = *ControlSegment::Create({.ring_bytes = kRingBytes});
  for (const size_t count : {0, 1, 2, 4, 6, 250}) {
    std::vector<UniqueFd> offered = Bells(count);
    if (count > 0) offered[0].reset(::dup(control.descriptor()));
    EXPECT_THAT(pipe_->Join(std::move(offered), absl::ZeroDuration()),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr(absl::StrCat(count))));
  }
}

TEST_F(RingSetUpTest, AnOfferWithoutAControlBlockIsNone) {
  EXPECT_THAT(pipe_->Join(Bells(5), absl::ZeroDuration()),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("control block")));
}

TEST_F(RingSetUpTest, AnAnswerWithAnotherNumberOfDescriptorsIsNone) {
  const ControlSegment control = *ControlSegment::Create({.ring_bytes = kRingBytes});
  for (const size_t count : {0, 2, 5}) {
    ASSERT_THAT(pipe_->Offer(), IsOk());
    std::vector<UniqueFd> joined = Bells(count);
    if (count > 0) joined[0].reset(::dup(control.descriptor()));
    EXPECT_THAT(pipe_->Complete(std::move(joined)), StatusIs(absl::StatusCode::kDataLoss));
  }
}

TEST_F(RingSetUpTest, AnAnswerWithoutAControlBlockIsNone) {
  ASSERT_THAT(pipe_->Offer(), IsOk());
  EXPECT_THAT(pipe_->Complete(Bells(1)),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("control block")));
}

TEST_F(RingSetUpTest, AnAnswerToNoOfferIsNone) {
  const ControlSegment control = *ControlSegment::Create({.ring_bytes = kRingBytes});
  EXPECT_THAT(pipe_->Complete(Copies({control.descriptor()})),
              StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(RingSetUpTest, AWorkerMayAnswerWithMainsOwnControlBlock) {
  // Main then hears what it says itself; whatever comes of it, it is an error of the peer's.
  absl::StatusOr<std::vector<int>> offered = pipe_->Offer();
  ASSERT_THAT(offered, IsOk());
  ASSERT_THAT(pipe_->Complete(Copies({(*offered)[0]})), IsOk());
  ASSERT_THAT(pipe_->Send(*MessageOf(8, 2), {}, {}), IsOk());
  absl::StatusOr<IncomingMessage> echo = pipe_->Receive(Briefly());
  ASSERT_THAT(echo, IsOk());
  EXPECT_TRUE(IsMessageOf(*echo, 8, 2));
}

TEST_F(RingSetUpTest, AWorkerMayChooseARingOfAnotherSize) {
  ASSERT_THAT(pipe_->Offer(), IsOk());
  const ControlSegment control =
      *ControlSegment::Create({.ring_bytes = 64u << 10, .log_entries = 64});
  ASSERT_THAT(pipe_->Complete(Copies({control.descriptor()})), IsOk());
  const kj::Array<capnp::word> words = capnp::messageToFlatArray(*MessageOf(40'000, 3));
  memcpy(control.view().ring + 8, words.begin(), words.asBytes().size());
  __atomic_store_n(reinterpret_cast<uint64_t*>(control.view().ring),
                   Word(1, 0, words.asBytes().size()), __ATOMIC_RELEASE);
  absl::StatusOr<IncomingMessage> message = pipe_->Receive(Briefly());
  ASSERT_THAT(message, IsOk());
  EXPECT_TRUE(IsMessageOf(*message, 40'000, 3));
}

}  // namespace
}  // namespace slabpipe
