#include "slabpipe/transport/lease_log.h"

#include <atomic>
#include <cstdint>
#include <limits>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/tests/testing/status_matchers.h"
#include "slabpipe/tests/testing/watchdog.h"
#include "slabpipe/tests/transport/heap_control.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::HeapControl;
using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr uint32_t kEntries = 8;
constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();

using Taken = std::vector<std::pair<uint32_t, uint32_t>>;

class LeaseLogTest : public ::testing::Test {
 protected:
  // All that Drain hands on.
  Taken Drain(uint64_t messages_accepted = 0) {
    Taken taken;
    EXPECT_THAT(owner_.Drain(messages_accepted,
                             [&](uint32_t slot, uint32_t count) {
                               taken.emplace_back(slot, count);
                               return absl::OkStatus();
                             }),
                IsOk());
    return taken;
  }
  // For a log that makes no sense: nothing is handed on.
  absl::Status DrainGarbage() {
    return owner_.Drain(kMax, [](uint32_t slot, uint32_t count) {
      ADD_FAILURE() << count << " leases on slot " << slot;
      return absl::OkStatus();
    });
  }

  HeapControl reader_block_{kEntries}, owner_block_{kEntries};
  LeaseLogWriter reader_{reader_block_.own(), owner_block_.peer(), nullptr};  // of segments
  LeaseLogReader owner_{owner_block_.own(), reader_block_.peer(), nullptr};

 private:
  tests::Watchdog watchdog_;
};

TEST_F(LeaseLogTest, ANewLogIsEmpty) {
  EXPECT_FALSE(owner_.MayHaveEntries());
  EXPECT_THAT(Drain(), IsEmpty());
}

TEST_F(LeaseLogTest, WhatIsAppendedIsHandedOnInOrderAndOnce) {
  EXPECT_TRUE(reader_.Append(3, 1, 0));
  EXPECT_TRUE(reader_.Append(0, 7, 0));
  EXPECT_TRUE(reader_.Append(3, 2, 0));
  EXPECT_TRUE(owner_.MayHaveEntries());
  EXPECT_THAT(Drain(), ElementsAre(Pair(3, 1), Pair(0, 7), Pair(3, 2)));
  EXPECT_FALSE(owner_.MayHaveEntries());
  EXPECT_THAT(Drain(), IsEmpty());
}

TEST_F(LeaseLogTest, AFullLogTakesNothingMoreUntilItIsDrained) {
  for (uint32_t i = 0; i < kEntries; ++i) EXPECT_TRUE(reader_.Append(i, 1, 0));
  EXPECT_FALSE(reader_.Append(99, 1, 0)) << "it must go with a message";
  EXPECT_EQ(Drain().size(), kEntries);
  EXPECT_TRUE(reader_.Append(100, 1, 0));
  EXPECT_THAT(Drain(), ElementsAre(Pair(100, 1))) << "what found no room has left no trace";
}

TEST_F(LeaseLogTest, TheLogGoesRoundManyTimes) {
  uint32_t written = 0, read = 0;
  for (uint32_t round = 0; round < 1000; ++round) {
    for (uint32_t i = 0; i < 1 + round % kEntries; ++i) {
      ASSERT_TRUE(reader_.Append(written, written + 1, 0));
      ++written;
    }
    for (const auto& [slot, count] : Drain()) {
      ASSERT_EQ(slot, read);
      ASSERT_EQ(count, ++read);
    }
    ASSERT_EQ(read, written);
  }
}

TEST_F(LeaseLogTest, ALogMayHaveOneEntry) {
  HeapControl reader_block(1), owner_block(1);
  LeaseLogWriter reader(reader_block.own(), owner_block.peer(), nullptr);
  LeaseLogReader owner(owner_block.own(), reader_block.peer(), nullptr);
  for (uint32_t i = 0; i < 5; ++i) {
    EXPECT_TRUE(reader.Append(i, 1, 0));
    EXPECT_FALSE(reader.Append(i, 1, 0));
    uint32_t got = kEntries;
    EXPECT_THAT(owner.Drain(0,
                            [&](uint32_t slot, uint32_t) {
                              got = slot;
                              return absl::OkStatus();
                            }),
                IsOk());
    EXPECT_EQ(got, i);
  }
}

TEST_F(LeaseLogTest, AnEntryWaitsForTheMessagesThatWereSentBeforeIt) {
  EXPECT_TRUE(reader_.Append(1, 1, 0));
  EXPECT_TRUE(reader_.Append(2, 1, 2));
  EXPECT_TRUE(reader_.Append(3, 1, 2));
  EXPECT_TRUE(reader_.Append(4, 1, 5));
  EXPECT_THAT(Drain(1), ElementsAre(Pair(1, 1)));
  EXPECT_THAT(Drain(1), IsEmpty());
  EXPECT_TRUE(owner_.MayHaveEntries()) << "they are there, and must wait";
  EXPECT_THAT(Drain(2), ElementsAre(Pair(2, 1), Pair(3, 1)));
  EXPECT_THAT(Drain(4), IsEmpty());
  EXPECT_THAT(Drain(6), ElementsAre(Pair(4, 1)));
}

TEST_F(LeaseLogTest, EntriesThatWaitTakeRoom) {
  for (uint32_t i = 0; i < kEntries; ++i) EXPECT_TRUE(reader_.Append(i, 1, 1));
  EXPECT_THAT(Drain(0), IsEmpty());
  EXPECT_FALSE(reader_.Append(99, 1, 1));
  EXPECT_EQ(Drain(1).size(), kEntries);
  EXPECT_TRUE(reader_.Append(99, 1, 1));
}

TEST_F(LeaseLogTest, DrainingStopsAtAnError) {
  for (uint32_t i = 0; i < 3; ++i) EXPECT_TRUE(reader_.Append(i, 1, 0));
  int handed_on = 0;
  EXPECT_THAT(owner_.Drain(0,
                           [&](uint32_t slot, uint32_t) {
                             ++handed_on;
                             return slot == 1 ? absl::DataLossError("never had it")
                                              : absl::OkStatus();
                           }),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("never had it")));
  EXPECT_EQ(handed_on, 2);
  EXPECT_THAT(Drain(), ElementsAre(Pair(2, 1))) << "the bad one is not handed on again";
}

// I5: every field that the peer can write, attacked.

TEST_F(LeaseLogTest, I5AWrittenCountThatMakesNoSenseIsRefused) {
  for (uint32_t i = 0; i < 5; ++i) EXPECT_TRUE(reader_.Append(i, 1, 0));
  EXPECT_EQ(Drain().size(), 5u);
  // Less than is taken; more than there is room for.
  for (const uint64_t written :
       {uint64_t{0}, uint64_t{4}, uint64_t{5 + kEntries + 1}, uint64_t{1} << 32, kMax}) {
    reader_block_.own().header->log_written = written;
    EXPECT_THAT(DrainGarbage(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("lease log")))
        << written;
  }
  EXPECT_EQ(owner_block_.own().header->log_taken, 5u);
}

TEST_F(LeaseLogTest, I5AnEntryThatWaitsForEverIsNeverHandedOn) {
  reader_block_.own().log[0] = {.slot = 1, .count = 1, .after_messages = kMax};
  reader_block_.own().header->log_written = 1;
  EXPECT_THAT(Drain(kMax - 1), IsEmpty());
  EXPECT_TRUE(owner_.MayHaveEntries());
}

TEST_F(LeaseLogTest, I5EntriesAreHandedOnAsTheyStandForTheTakerToJudge) {
  constexpr uint32_t kMost = std::numeric_limits<uint32_t>::max();
  reader_block_.own().log[0] = {.slot = kMost, .count = 0, .after_messages = 0};
  reader_block_.own().log[1] = {.slot = 0, .count = kMost, .after_messages = 0};
  reader_block_.own().header->log_written = 2;
  EXPECT_THAT(Drain(), ElementsAre(Pair(kMost, 0), Pair(0, kMost)));
}

TEST_F(LeaseLogTest, I5AWriterBelievesNoCountThatIsAheadOfIt) {
  // The count is looked at when the log is full.
  for (uint32_t i = 0; i < kEntries; ++i) EXPECT_TRUE(reader_.Append(i, 1, 0));
  for (const uint64_t taken : {uint64_t{kEntries + 1}, uint64_t{1} << 32, kMax}) {
    owner_block_.own().header->log_taken = taken;
    EXPECT_FALSE(reader_.Append(kEntries, 1, 0)) << taken << ": it goes with a message";
  }
  owner_block_.own().header->log_taken = 0;
  EXPECT_FALSE(reader_.Append(kEntries, 1, 0));
  EXPECT_EQ(Drain().size(), kEntries);
  EXPECT_TRUE(reader_.Append(kEntries, 1, 0));
}

TEST_F(LeaseLogTest, I5SizesThatChangeLaterAreNotLookedAt) {
  for (HeapControl* block : {&reader_block_, &owner_block_}) {
    block->own().header->log_entries = 1u << 30;
    block->own().header->ring_bytes = 1u << 30;
  }
  for (uint32_t i = 0; i < kEntries; ++i) EXPECT_TRUE(reader_.Append(i, 1, 0));
  EXPECT_FALSE(reader_.Append(kEntries, 1, 0));
  EXPECT_EQ(Drain().size(), kEntries);
}

// Threads, in place of processes.

TEST_F(LeaseLogTest, WhatWasDoneBeforeAnEntryIsVisibleToWhoeverDrainsIt) {
  constexpr uint32_t kCount = 20'000;
  std::vector<uint32_t> done(kCount);  // by the one thread; read by the other
  std::thread reader([&] {
    for (uint32_t i = 0; i < kCount; ++i) {
      done[i] = i + 1;
      while (!reader_.Append(i, 1, i)) std::this_thread::yield();
    }
  });
  uint32_t next = 0;
  while (next < kCount) {
    // As many messages as entries: each is taken in before the entries that wait for it.
    const uint32_t accepted = next + 3;
    EXPECT_THAT(owner_.Drain(accepted,
                             [&](uint32_t slot, uint32_t) {
                               EXPECT_EQ(slot, next);
                               EXPECT_LE(slot, accepted);
                               EXPECT_EQ(done[slot], slot + 1);
                               done[slot] = 0;
                               ++next;
                               return absl::OkStatus();
                             }),
                IsOk());
    if (!owner_.MayHaveEntries()) std::this_thread::yield();
  }
  reader.join();
  EXPECT_THAT(done, ::testing::Each(0u));
}

TEST_F(LeaseLogTest, I5APeerThatScribblesAllOverItsBlockDoesNoHarm) {
  std::atomic<bool> over = false;
  std::thread scribbler([&] {
    uint64_t random = 88172645463325252u;
    while (!over) {
      random ^= random << 13, random ^= random >> 7, random ^= random << 17;
      LeaseLogEntry* entry = &reader_block_.own().log[random % kEntries];
      __atomic_store_n(&entry->slot, static_cast<uint32_t>(random), __ATOMIC_RELAXED);
      __atomic_store_n(&entry->count, static_cast<uint32_t>(random >> 9), __ATOMIC_RELAXED);
      __atomic_store_n(&entry->after_messages, random % 4, __ATOMIC_RELAXED);
      reader_block_.own().header->log_written = random % 3 == 0 ? random : random % (4 * kEntries);
    }
  });
  uint64_t handed_on = 0, refused = 0;
  while (refused < 1000) {
    const uint64_t before = handed_on;
    absl::Status status = owner_.Drain(2, [&](uint32_t, uint32_t) {
      ++handed_on;
      return absl::OkStatus();
    });
    EXPECT_LE(handed_on - before, kEntries) << "never more than there is room for";
    if (!status.ok()) ++refused;
    if (status.ok() && !owner_.MayHaveEntries()) std::this_thread::yield();
  }
  over = true;
  scribbler.join();
}

}  // namespace
}  // namespace slabpipe
