// RingWriter and RingReader over plain memory that both share, so that ThreadSanitizer sees what
// they synchronise. Words that a hostile writer puts there: ring_pipe_hostile_test.cc.

#include "slabpipe/transport/ring.h"

#include <string.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/tests/testing/sanitizers.h"
#include "slabpipe/tests/testing/status_matchers.h"
#include "slabpipe/tests/testing/watchdog.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::StatusIs;

// A control block in private memory.
class ControlMemory {
 public:
  explicit ControlMemory(const ControlSizes& sizes)
      : memory_(static_cast<std::byte*>(std::aligned_alloc(64, sizes.total_bytes())), &std::free) {
    memset(memory_.get(), 0, sizes.total_bytes());
    own_ = FormatControl(memory_.get(), sizes);
    peer_ = ViewControl(memory_.get(), sizes);
  }
  const OwnControl& own() const { return own_; }
  const PeerControl& peer() const { return peer_; }

 private:
  std::unique_ptr<std::byte, decltype(&std::free)> memory_;
  OwnControl own_;
  PeerControl peer_;
};

// One way: the writer's side says what is in `writers`, the reader's what is in `readers`.
class RingTest : public ::testing::Test {
 protected:
  static constexpr uint32_t kRingBytes = 4096;

  RingTest() { Connect(kRingBytes); }
  void Connect(uint32_t ring_bytes) {
    const ControlSizes sizes = {.ring_bytes = ring_bytes, .log_entries = 4};
    writers_ = std::make_unique<ControlMemory>(sizes);
    readers_ = std::make_unique<ControlMemory>(sizes);
    writer_ = std::make_unique<RingWriter>(writers_->own(), readers_->peer());
    reader_ = std::make_unique<RingReader>(readers_->own(), writers_->peer());
  }
  // The body of a message that is told by its number: every word of it.
  static void Fill(std::vector<uint64_t>& body, size_t words, uint64_t number) {
    body.resize(words);
    for (size_t i = 0; i < words; ++i) body[i] = number * 0x9e3779b97f4a7c15 + i;
  }
  static bool IsFilled(const std::vector<uint64_t>& body, uint64_t number) {
    for (size_t i = 0; i < body.size(); ++i) {
      if (body[i] != number * 0x9e3779b97f4a7c15 + i) return false;
    }
    return true;
  }
  // In as many pieces as `pieces` says.
  void Write(size_t words, uint64_t number, size_t pieces = 1) {
    std::vector<uint64_t> body;
    Fill(body, words, number);
    for (size_t i = 0; i < pieces; ++i) {
      const size_t begin = words * i / pieces, end = words * (i + 1) / pieces;
      writer_->Append(body.data() + begin, (end - begin) * 8);
    }
    writer_->Publish(FrameKind::kMessage);
  }
  bool TryWrite(size_t words, uint64_t number, size_t pieces = 1) {
    absl::StatusOr<bool> room = writer_->HasRoom(words * 8);
    EXPECT_THAT(room, IsOk());
    if (*room) Write(words, number, pieces);
    return *room;
  }
  // Takes the next frame, which must be there.
  void ExpectNext(size_t words, uint64_t number) {
    ASSERT_TRUE(reader_->HasFrame());
    absl::StatusOr<RingFrame> frame = reader_->Look();
    ASSERT_THAT(frame, IsOk());
    ASSERT_EQ(frame->kind, FrameKind::kMessage);
    ASSERT_EQ(frame->body_bytes, words * 8);
    std::vector<uint64_t> body(words);
    reader_->Take(*frame, body.data());
    ASSERT_TRUE(IsFilled(body, number)) << words << " words, number " << number;
  }
  void ExpectNone() {
    EXPECT_FALSE(reader_->HasFrame());
    absl::StatusOr<RingFrame> frame = reader_->Look();
    ASSERT_THAT(frame, IsOk());
    EXPECT_EQ(frame->kind, FrameKind::kNone);
  }
  uint64_t* words() { return reinterpret_cast<uint64_t*>(writers_->own().ring); }
  size_t max_words() const { return writer_->max_body_bytes() / 8; }

  std::unique_ptr<ControlMemory> writers_, readers_;
  std::unique_ptr<RingWriter> writer_;
  std::unique_ptr<RingReader> reader_;

 private:
  tests::Watchdog watchdog_;
};

TEST_F(RingTest, ANewRingIsEmpty) { ExpectNone(); }

TEST_F(RingTest, FramesLieAtMultiplesOfACacheLine) {
  EXPECT_EQ(RingFrameBytes(0), 64u);
  EXPECT_EQ(RingFrameBytes(8), 64u);
  EXPECT_EQ(RingFrameBytes(56), 64u);
  EXPECT_EQ(RingFrameBytes(64), 128u);
  EXPECT_EQ(RingFrameBytes(120), 128u);
  EXPECT_EQ(RingFrameBytes(121), 192u);
}

TEST_F(RingTest, AFrameIsThereWhenItIsPublishedAndNotBefore) {
  const uint64_t body = 7;
  ASSERT_TRUE(*writer_->HasRoom(8));
  writer_->Append(&body, 8);
  ExpectNone();
  writer_->Publish(FrameKind::kMessage);
  absl::StatusOr<RingFrame> frame = reader_->Look();
  ASSERT_THAT(frame, IsOk());
  EXPECT_EQ(frame->body_bytes, 8u);
  uint64_t copy = 0;
  reader_->Take(*frame, &copy);
  EXPECT_EQ(copy, 7u);
  ExpectNone();
}

TEST_F(RingTest, TheWordIsAsDocumented) {
  Write(3, 0);
  Write(1, 1);
  ASSERT_TRUE(*writer_->HasRoom(0));
  writer_->Publish(FrameKind::kBySocket);
  EXPECT_EQ(words()[0], uint64_t{24} << 32 | 0 << 8 | 1);
  EXPECT_EQ(words()[8], uint64_t{8} << 32 | 1 << 8 | 1);
  EXPECT_EQ(words()[16], uint64_t{2} << 8 | 2);
}

TEST_F(RingTest, EverySizeArrivesWhole) {
  for (size_t words = 1; words <= max_words(); ++words) {
    ASSERT_TRUE(TryWrite(words, words));
    ExpectNext(words, words);
  }
  ExpectNone();
}

TEST_F(RingTest, EverySizeArrivesInPieces) {
  for (size_t words = 1; words <= max_words(); ++words) {
    ASSERT_TRUE(TryWrite(words, words, 1 + words % 7));
    ExpectNext(words, words);
  }
}

TEST_F(RingTest, AFrameMayCrossTheEndAtEveryPlace) {
  for (size_t offset = 0; offset < kRingBytes; offset += kRingAlignmentBytes) {
    for (const size_t words : {size_t{1}, size_t{7}, size_t{8}, size_t{100}, max_words()}) {
      Connect(kRingBytes);
      for (size_t before = 0; before < offset; before += kRingAlignmentBytes) {
        ASSERT_TRUE(TryWrite(1, before));
        ExpectNext(1, before);
      }
      ASSERT_TRUE(TryWrite(words, offset, 3));
      ExpectNext(words, offset);
      ExpectNone();
    }
  }
}

TEST_F(RingTest, TheWordBehindAFrameIsZero) {
  // Whatever lay there.
  std::fill(words() + 1, words() + kRingBytes / 8, ~uint64_t{0});
  size_t position = 0;
  for (uint64_t i = 0; i < 1000; ++i) {
    const size_t size = i % max_words() + 1;
    ASSERT_TRUE(TryWrite(size, i));
    position = (position + RingFrameBytes(size * 8)) % kRingBytes;
    EXPECT_EQ(words()[position / 8], 0u);
    ExpectNext(size, i);
    ExpectNone();
  }
}

// Bodies full of words that would be the next frame's, were they looked at.
TEST_F(RingTest, AStaleBodyIsNeverTakenForAFrame) {
  std::vector<uint64_t> body;
  for (uint64_t number = 0; number < 5000; ++number) {
    const size_t size = number * 31 % max_words() + 1;
    // Good words, for any of the frames that will begin anywhere in this body.
    body.assign(size, 0);
    for (size_t i = 0; i < size; ++i) {
      const uint64_t next = number + 1 + i % 3;
      body[i] = uint64_t{8} << 32 | (next & 0xffffff) << 8 | 1;
    }
    ASSERT_TRUE(*writer_->HasRoom(size * 8));
    writer_->Append(body.data(), size * 8);
    writer_->Publish(FrameKind::kMessage);
    absl::StatusOr<RingFrame> frame = reader_->Look();
    ASSERT_THAT(frame, IsOk());
    ASSERT_EQ(frame->body_bytes, size * 8);
    std::vector<uint64_t> copy(size);
    reader_->Take(*frame, copy.data());
    ASSERT_EQ(copy, body);
    ExpectNone();
  }
}

TEST_F(RingTest, AFullRingHasNoRoomUntilSomethingIsTaken) {
  for (const size_t size : {size_t{1}, size_t{7}, size_t{8}, size_t{30}, max_words()}) {
    Connect(kRingBytes);
    std::deque<uint64_t> written;
    uint64_t number = 0;
    for (int round = 0; round < 300; ++round) {
      while (TryWrite(size, number)) written.push_back(number++);
      EXPECT_FALSE(*writer_->HasRoom(size * 8));
      ASSERT_FALSE(written.empty());
      // What lies in it is never written over.
      ExpectNext(size, written.front());
      written.pop_front();
      EXPECT_TRUE(*writer_->HasRoom(size * 8));
    }
    for (const uint64_t left : written) ExpectNext(size, left);
    ExpectNone();
  }
}

TEST_F(RingTest, AFullRingHoldsAllButTheWordBehindTheLast) {
  size_t frames = 0;
  while (TryWrite(7, frames)) ++frames;
  EXPECT_EQ(frames, kRingBytes / 64 - 1);
}

TEST_F(RingTest, RoomIsForTheFrameAndTheWordBehindIt) {
  // Leaves exactly 3 lines.
  for (size_t i = 0; i < kRingBytes / 64 - 3; ++i) ASSERT_TRUE(TryWrite(1, i));
  EXPECT_TRUE(*writer_->HasRoom(0));
  EXPECT_TRUE(*writer_->HasRoom(128 - 8));
  EXPECT_FALSE(*writer_->HasRoom(128));
}

TEST_F(RingTest, TheLargestFrameFitsIntoARingOfAnySizeWhereverItBegins) {
  for (uint32_t ring_bytes = 4096; ring_bytes <= 1u << 20; ring_bytes *= 2) {
    Connect(ring_bytes);
    for (uint64_t i = 0; i < 20; ++i) {
      ASSERT_TRUE(TryWrite(max_words(), i, 5));
      EXPECT_FALSE(*writer_->HasRoom(max_words() * 8));
      ExpectNext(max_words(), i);
    }
  }
}

TEST_F(RingTest, AFrameBySocketHoldsAPlace) {
  Write(1, 0);
  writer_->Publish(FrameKind::kBySocket);
  Write(2, 2);
  ExpectNext(1, 0);
  absl::StatusOr<RingFrame> frame = reader_->Look();
  ASSERT_THAT(frame, IsOk());
  EXPECT_EQ(frame->kind, FrameKind::kBySocket);
  EXPECT_EQ(frame->body_bytes, 0u);
  reader_->Take(*frame, nullptr);
  ExpectNext(2, 2);
}

TEST_F(RingTest, LookingTakesNothing) {
  Write(2, 0);
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(reader_->Look(), IsOk());
    EXPECT_EQ(readers_->own().header->ring_taken.load(), 0u);
  }
  ExpectNext(2, 0);
  EXPECT_EQ(readers_->own().header->ring_taken.load(), 64u);
}

TEST_F(RingTest, NumbersBeginAgainAfterTwoToTheTwentyFour) {
  if (tests::kSanitized) GTEST_SKIP() << "too many frames";
  constexpr uint64_t kFrames = (uint64_t{1} << 24) + 1000;
  uint64_t body = 0;
  for (uint64_t i = 0; i < kFrames; ++i) {
    ASSERT_TRUE(*writer_->HasRoom(8));
    writer_->Append(&i, 8);
    writer_->Publish(FrameKind::kMessage);
    absl::StatusOr<RingFrame> frame = reader_->Look();
    ASSERT_TRUE(frame.ok()) << i;
    reader_->Take(*frame, &body);
    ASSERT_EQ(body, i);
  }
}

// The numbers of the room.

TEST_F(RingTest, APeerThatHasTakenTooMuchOrLessThanBeforeIsRefused) {
  while (TryWrite(1, 0)) {
  }
  std::atomic<uint64_t>& taken = readers_->own().header->ring_taken;
  const uint64_t written = kRingBytes - 64;
  for (const uint64_t bad : {written + 1, written + 64, ~uint64_t{0}, uint64_t{1} << 63}) {
    taken = bad;
    EXPECT_THAT(writer_->HasRoom(8), StatusIs(absl::StatusCode::kDataLoss)) << bad;
  }
  taken = 128;
  EXPECT_TRUE(*writer_->HasRoom(8)) << "what it says at last holds";
  EXPECT_FALSE(*writer_->HasRoom(1000));
  for (const uint64_t bad : {uint64_t{127}, uint64_t{0}}) {
    taken = bad;
    EXPECT_THAT(writer_->HasRoom(1000), StatusIs(absl::StatusCode::kDataLoss)) << bad;
  }
}

// Two threads.

// Sizes in words that both sides know: small ones mostly.
size_t SizeOf(uint64_t number, size_t most) {
  const uint64_t mixed = (number + 1) * 0xd1342543de82ef95 >> 32;
  if (number % 1024 == 0) return mixed % most + 1;
  return mixed / 16 % (mixed % 16 == 0 ? 384 : 12) + 1;
}

class TwoThreadsTest : public RingTest, public ::testing::WithParamInterface<uint32_t> {};

TEST_P(TwoThreadsTest, MillionsOfFramesArriveWholeAndInOrder) {
  Connect(GetParam());
  constexpr uint64_t kFrames = tests::kSanitized ? 200'000 : 3'000'000;
  std::thread writing([&] {
    std::vector<uint64_t> body;
    for (uint64_t i = 0; i < kFrames; ++i) {
      Fill(body, SizeOf(i, max_words()), i);
      while (true) {
        absl::StatusOr<bool> room = writer_->HasRoom(body.size() * 8);
        ASSERT_TRUE(room.ok()) << room.status();
        if (*room) break;
        std::this_thread::yield();
      }
      const size_t half = body.size() / 2;
      writer_->Append(body.data(), half * 8);
      writer_->Append(body.data() + half, (body.size() - half) * 8);
      writer_->Publish(FrameKind::kMessage);
    }
  });
  std::vector<uint64_t> body;
  for (uint64_t i = 0; i < kFrames; ++i) {
    while (!reader_->HasFrame()) std::this_thread::yield();
    absl::StatusOr<RingFrame> frame = reader_->Look();
    ASSERT_TRUE(frame.ok()) << frame.status();
    ASSERT_EQ(frame->kind, FrameKind::kMessage);
    body.assign(frame->body_bytes / 8, 0);
    reader_->Take(*frame, body.data());
    ASSERT_EQ(body.size(), SizeOf(i, max_words()));
    ASSERT_TRUE(IsFilled(body, i)) << i;
  }
  writing.join();
  ExpectNone();
}

INSTANTIATE_TEST_SUITE_P(Sizes, TwoThreadsTest, ::testing::Values(4u << 10, 64u << 10, 1u << 20));

// A frame makes what its writer did before visible, and a reader's taking what it did.
TEST_F(RingTest, WhatWasDoneBeforeIsVisibleOnTheOtherSide) {
  constexpr uint64_t kTurns = tests::kSanitized ? 20'000 : 200'000;
  uint64_t by_writer = 0, by_reader = 0;  // not atomic: the ring orders them
  std::thread writing([&] {
    for (uint64_t i = 0; i < kTurns; ++i) {
      by_writer = i;
      Write(1, i);
      // Room for the largest is there only when the reader has taken all.
      while (!*writer_->HasRoom(4096 - 64 - 8)) std::this_thread::yield();
      ASSERT_EQ(by_reader, i);
    }
  });
  for (uint64_t i = 0; i < kTurns; ++i) {
    while (!reader_->HasFrame()) std::this_thread::yield();
    ASSERT_EQ(by_writer, i);
    by_reader = i;
    ExpectNext(1, i);
  }
  writing.join();
}

// One says that it sleeps and then looks, the other acts and then looks whether somebody sleeps:
// one of the two must see the other. Both ways, as RingPipe does it.
TEST_F(RingTest, NoWakeUpIsLost) {
  constexpr uint64_t kTurns = tests::kSanitized ? 50'000 : 500'000;
  std::atomic<uint32_t>& wants_message = readers_->own().header->wants_message;
  std::atomic<uint32_t>& wants_room = writers_->own().header->wants_room;
  std::atomic<uint64_t> message_rings = 0, room_rings = 0;
  // Waits as RingPipe does, with a count in place of a bell.
  const auto await = [](auto ready, std::atomic<uint32_t>& wants, std::atomic<uint64_t>& rings) {
    while (!ready()) {
      const uint64_t before = rings.load();
      wants.store(1, std::memory_order_seq_cst);
      if (!ready()) {
        while (rings.load() == before) std::this_thread::yield();
      }
      wants.store(0, std::memory_order_relaxed);
    }
  };
  std::thread writing([&] {
    for (uint64_t i = 0; i < kTurns; ++i) {
      await([&] { return *writer_->HasRoom(1024); }, wants_room, room_rings);
      Write(128, i);
      if (wants_message.load(std::memory_order_seq_cst) != 0) ++message_rings;
    }
  });
  for (uint64_t i = 0; i < kTurns; ++i) {
    await([&] { return reader_->HasFrame(); }, wants_message, message_rings);
    ExpectNext(128, i);
    if (wants_room.load(std::memory_order_seq_cst) != 0) ++room_rings;
  }
  writing.join();
}

}  // namespace
}  // namespace slabpipe
