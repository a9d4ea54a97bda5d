#include "slabpipe/transport/message_memory.h"

#include <capnp/message.h>
#include <string.h>
#include <unistd.h>

#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/schemas/shm.capnp.h"
#include "slabpipe/tests/testing/fake_segment_provider.h"
#include "slabpipe/tests/testing/process_state.h"
#include "slabpipe/tests/testing/sanitizers.h"
#include "slabpipe/tests/testing/status_matchers.h"
#include "slabpipe/tests/testing/watchdog.h"
#include "slabpipe/transport/memfd_segment.h"
#include "slabpipe/transport/posix_segment.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::FakeSegmentProvider;
using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::StatusIs;
using ::testing::HasSubstr;

constexpr size_t kSmall = size_t{64} << 10;  // the smallest slab there is

// A message on its way: a memory table and its descriptors, as the pipe would bring them.
struct Letter {
  schemas::MemoryTable::Builder table() { return message.getRoot<schemas::MemoryTable>(); }

  capnp::MallocMessageBuilder message;
  std::vector<UniqueFd> descriptors;
};

class MessageMemoryTest : public ::testing::Test {
 protected:
  explicit MessageMemoryTest(
      std::shared_ptr<SegmentProvider> provider = std::make_shared<MemfdSegmentProvider>(),
      const std::string& prefix = "", size_t max_kept_bytes = size_t{1} << 30)
      : provider_(std::make_shared<FakeSegmentProvider>(std::move(provider))),
        main_({.prefix = prefix + "m.",
               .peer_prefix = prefix + "w.",
               .max_kept_bytes = max_kept_bytes},
              provider_),
        worker_({.prefix = prefix + "w.", .peer_prefix = prefix + "m."}, provider_) {}

  // A block of `pool`, filled with `fill`, held by nothing else.
  static Block NewBlock(ShmPool& pool, int fill, size_t size = 1000) {
    Block block = *pool.Alloc(size);
    memset(block.mutable_bytes().data(), fill, size);
    pool.Clear();
    return block;
  }
  // Writes a message that refers to `blocks`.
  static std::unique_ptr<Letter> Write(ShmPool& from, const std::vector<Block>& blocks) {
    auto letter = std::make_unique<Letter>();
    OutgoingMemory memory(from);
    for (const Block& block : blocks) EXPECT_THAT(memory.Add(block), IsOk());
    std::vector<int> descriptors;
    memory.Write([&] { return letter->table(); }, descriptors);
    for (int fd : descriptors) letter->descriptors.emplace_back(::dup(fd));
    memory.Commit();
    return letter;
  }
  static absl::StatusOr<IncomingMemory> Read(Letter& letter, ShmPool& to) {
    return IncomingMemory::Accept(letter.table().asReader(), letter.descriptors, to);
  }
  // Both, for a message that must be good: the blocks as the receiver sees them.
  static std::vector<Block> Send(ShmPool& from, ShmPool& to, const std::vector<Block>& blocks) {
    absl::StatusOr<IncomingMemory> memory = Read(*Write(from, blocks), to);
    EXPECT_THAT(memory, IsOk());
    std::vector<Block> received;
    for (uint32_t i = 0; memory.ok() && i < memory->ref_count(); ++i) {
      absl::StatusOr<Block> block = memory->Attach(i);
      EXPECT_THAT(block, IsOk());
      if (block.ok()) received.push_back(*std::move(block));
    }
    to.Clear();
    return received;
  }

  std::shared_ptr<FakeSegmentProvider> provider_;
  ShmPool main_;
  ShmPool worker_;

 private:
  tests::Watchdog watchdog_;
};

TEST_F(MessageMemoryTest, BlocksArriveWithTheirBytesAndFields) {
  ASSERT_THAT(main_.OpenSlab(4096), IsOk());
  std::vector<Block> sent = {*main_.Alloc(100, true), *main_.Alloc(200), *main_.Alloc(50)};
  sent[1].set_content_size(150);
  for (size_t i = 0; i < 3; ++i)
    memset(sent[i].mutable_bytes().data(), 7 + static_cast<int>(i), 50);
  main_.SealSlab();
  const std::vector<Block> received = Send(main_, worker_, sent);
  ASSERT_EQ(received.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(received[i].ref(), sent[i].ref());
    EXPECT_EQ(memcmp(received[i].data(), sent[i].data(), sent[i].ref().content_size), 0);
    EXPECT_TRUE(received[i].mutable_bytes().empty()) << "read-only";
  }
}

TEST_F(MessageMemoryTest, BlocksWithoutBytesKeepTheirPlace) {
  std::vector<Block> received = Send(main_, worker_, {Block(), *main_.Alloc(100), Block()});
  ASSERT_EQ(received.size(), 3u);
  EXPECT_EQ(received[0].lease(), nullptr);
  EXPECT_EQ(received[0].content_size(), 0u);
  EXPECT_EQ(received[1].size(), 100u);
  EXPECT_EQ(received[2].lease(), nullptr);
  received = Send(main_, worker_, {Block()});
  ASSERT_EQ(received.size(), 1u) << "without any segment";
  EXPECT_EQ(received[0].lease(), nullptr);
}

TEST_F(MessageMemoryTest, Behaviour3HundredsOfBlocksAreOneSegmentInTheMessage) {
  ASSERT_THAT(main_.OpenSlab(1 << 20), IsOk());
  std::vector<Block> sent;
  for (int i = 0; i < 300; ++i) sent.push_back(*main_.Alloc(1000));
  main_.SealSlab();
  std::unique_ptr<Letter> letter = Write(main_, sent);
  EXPECT_EQ(letter->table().getSegments().size(), 1u);
  EXPECT_EQ(letter->table().getRefs().size(), 300u);
  EXPECT_EQ(letter->descriptors.size(), 1u);
  EXPECT_THAT(Read(*letter, worker_), IsOk());
  EXPECT_EQ(worker_.stats().peer.segments_mapped, 1u);
}

TEST_F(MessageMemoryTest, AMessageThatHasNothingToSayHasNoTable) {
  OutgoingMemory memory(main_);
  std::vector<int> descriptors;
  memory.Write(
      []() -> schemas::MemoryTable::Builder {
        ADD_FAILURE() << "nothing is to be said";
        return nullptr;
      },
      descriptors);
  memory.Commit();
  EXPECT_TRUE(descriptors.empty());
}

TEST_F(MessageMemoryTest, AMessageWithoutBlocksIsEmpty) {
  std::unique_ptr<Letter> letter = Write(main_, {});
  EXPECT_FALSE(letter->table().hasSegments());
  EXPECT_FALSE(letter->table().hasRefs());
  EXPECT_FALSE(letter->table().hasReturns());
  EXPECT_FALSE(letter->table().hasRetired());
  absl::StatusOr<IncomingMemory> memory = Read(*letter, worker_);
  ASSERT_THAT(memory, IsOk());
  EXPECT_EQ(memory->ref_count(), 0u);
  EXPECT_THAT(memory->Attach(0), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(MessageMemoryTest, TheDescriptorTravelsOnce) {
  Block block = NewBlock(main_, 1);
  EXPECT_EQ(Write(main_, {})->descriptors.size(), 0u);
  std::unique_ptr<Letter> first = Write(main_, {block});
  EXPECT_EQ(first->descriptors.size(), 1u);
  EXPECT_THAT(Read(*first, worker_), IsOk());
  std::unique_ptr<Letter> second = Write(main_, {block});
  EXPECT_EQ(second->descriptors.size(), 0u);
  EXPECT_THAT(Read(*second, worker_), IsOk());
}

TEST_F(MessageMemoryTest, Behaviour4WhatAMessageBroughtIsPinnedUntilTheNextClear) {
  std::unique_ptr<Letter> letter = Write(main_, {NewBlock(main_, 1)});
  ASSERT_THAT(Read(*letter, worker_), IsOk());
  EXPECT_EQ(worker_.stats().pins, 1u);
  EXPECT_FALSE(worker_.peer()->HasReturns());
  worker_.Clear();
  EXPECT_TRUE(worker_.peer()->HasReturns());
}

TEST_F(MessageMemoryTest, Behaviour8AnEchoGoesBackWithoutACopy) {
  Block block = NewBlock(main_, 5);
  const std::vector<Block> there = Send(main_, worker_, {block});
  const std::vector<Block> back = Send(worker_, main_, there);
  ASSERT_EQ(back.size(), 1u);
  EXPECT_EQ(back[0].data(), block.data()) << "the very same bytes";
  EXPECT_EQ(worker_.stats().blocks, 0u);
  EXPECT_EQ(main_.stats().own.grants_out, 1u) << "an echo is no grant";
}

TEST_F(MessageMemoryTest, AnEchoAndTheReturnOfItsLeaseMayGoInOneMessage) {
  std::vector<Block> there = Send(main_, worker_, {NewBlock(main_, 5)});
  OutgoingMemory memory(worker_);
  ASSERT_THAT(memory.Add(there[0]), IsOk());
  Letter letter;
  std::vector<int> descriptors;
  memory.Write([&] { return letter.table(); }, descriptors);
  memory.Commit();
  auto returned = letter.table().initReturns(1)[0];
  returned.setSlot(there[0].lease()->slot());
  returned.setGeneration(1);
  returned.setCount(1);
  absl::StatusOr<IncomingMemory> received = Read(letter, main_);
  ASSERT_THAT(received, IsOk());
  EXPECT_EQ(received->Attach(0)->content()[0], std::byte{5});
  EXPECT_EQ(main_.stats().own.grants_out, 0u);
}

TEST_F(MessageMemoryTest, ALeaseThatIsOverComesBackWithTheNextMessage) {
  Block block = NewBlock(main_, 1);
  std::vector<Block> received = Send(main_, worker_, {block});
  block = Block();
  Send(worker_, main_, {});
  EXPECT_EQ(main_.stats().own.grants_out, 1u) << "still in use over there";
  received.clear();
  Send(worker_, main_, {});
  EXPECT_EQ(main_.stats().own.grants_out, 0u);
  EXPECT_EQ(main_.stats().own.free_bytes, kSmall);
}

TEST_F(MessageMemoryTest, I2MemoryIsNotUsedAgainWhileThePeerReadsIt) {
  std::vector<Block> received = Send(main_, worker_, {NewBlock(main_, 11)});
  for (int i = 0; i < 20; ++i) Send(main_, worker_, {NewBlock(main_, 22)});
  EXPECT_THAT(received[0].content(), ::testing::Each(std::byte{11}));
}

TEST_F(MessageMemoryTest, BlocksOfAnotherPoolAreNotReferredTo) {
  ShmPool other({.prefix = "o.", .peer_prefix = "p."}, provider_);
  Block foreign = NewBlock(other, 1);
  OutgoingMemory memory(main_);
  EXPECT_THAT(memory.Add(foreign),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("must be copied")));
  EXPECT_EQ(memory.ref_count(), 0u);
}

TEST_F(MessageMemoryTest, WhatIsBeingSentStaysThoughAllElseLetsGo) {
  OutgoingMemory memory(main_);
  ASSERT_THAT(memory.Add(NewBlock(main_, 3)), IsOk());
  main_.Clear();
  EXPECT_EQ(main_.stats().own.free_bytes, 0u);
}

TEST_F(MessageMemoryTest, ABlockFurtherBackThanARefCanSayIsNotReferredTo) {
  const Block block = NewBlock(main_, 1);
  const Block far(block.lease(), size_t{64} << 32, 64, 64, false);
  OutgoingMemory memory(main_);
  EXPECT_THAT(memory.Add(far),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("first 256 GiB")));
  EXPECT_EQ(memory.ref_count(), 0u);
}

// A message that is not sent.

TEST_F(MessageMemoryTest, AnUncommittedMessageTakesItsGrantsBack) {
  Block block = NewBlock(main_, 1);
  {
    OutgoingMemory memory(main_);
    ASSERT_THAT(memory.Add(block), IsOk());
    Letter letter;
    std::vector<int> descriptors;
    memory.Write([&] { return letter.table(); }, descriptors);
    EXPECT_EQ(main_.stats().own.grants_out, 1u);
  }
  EXPECT_EQ(main_.stats().own.grants_out, 0u);
  EXPECT_EQ(Write(main_, {block})->descriptors.size(), 1u) << "the peer never got it";
}

TEST_F(MessageMemoryTest, AnUncommittedMessageTakesItsReturnsAndRetirementsBack) {
  Send(main_, worker_, {NewBlock(main_, 1)}).clear();
  Send(worker_, main_, {NewBlock(worker_, 1)}).clear();  // brings the lease back
  main_.heap()->Close();                                 // the segment goes, and the peer has it
  {
    OutgoingMemory memory(main_);
    Letter letter;
    std::vector<int> descriptors;
    memory.Write([&] { return letter.table(); }, descriptors);
    EXPECT_EQ(letter.table().getReturns().size(), 1u);
    EXPECT_EQ(letter.table().getRetired().size(), 1u);
  }
  std::unique_ptr<Letter> next = Write(main_, {});
  EXPECT_EQ(next->table().getReturns().size(), 1u);
  EXPECT_EQ(next->table().getRetired().size(), 1u);
  EXPECT_THAT(Read(*next, worker_), IsOk());
  EXPECT_EQ(worker_.stats().own.grants_out, 0u);
  EXPECT_EQ(worker_.stats().peer.segments, 0u);
}

TEST_F(MessageMemoryTest, AMessageToADeadPeerLeavesNothingForTheNext) {
  Send(main_, worker_, {NewBlock(main_, 1)}).clear();
  Send(worker_, main_, {NewBlock(worker_, 1)}).clear();
  main_.heap()->Close();
  {
    OutgoingMemory memory(main_);
    Letter letter;
    std::vector<int> descriptors;
    memory.Write([&] { return letter.table(); }, descriptors);
    main_.ResetPeer("w2.");
  }
  std::unique_ptr<Letter> next = Write(main_, {});
  EXPECT_FALSE(next->table().hasReturns());
  EXPECT_FALSE(next->table().hasRetired());
}

// Retiring, and other kinds of segments.

class NothingKeptTest : public MessageMemoryTest,
                        public ::testing::WithParamInterface<bool /*named*/> {
 protected:
  NothingKeptTest() : MessageMemoryTest(Provider(), PosixSegmentPrefix(), 0) {}
  static std::shared_ptr<SegmentProvider> Provider() {
    if (GetParam()) return std::make_shared<PosixSegmentProvider>();
    return std::make_shared<MemfdSegmentProvider>();
  }
};

INSTANTIATE_TEST_SUITE_P(Kinds, NothingKeptTest, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "Posix" : "Memfd"; });

TEST_P(NothingKeptTest, ASegmentThatIsDestroyedIsUnmappedByThePeer) {
  std::vector<Block> received = Send(main_, worker_, {NewBlock(main_, 1)});
  EXPECT_EQ(tests::SegmentMappings(), 2u);
  received.clear();
  Send(worker_, main_, {});  // brings the lease back: the owner's mapping goes
  EXPECT_EQ(tests::SegmentMappings(), 1u);
  Send(main_, worker_, {});  // tells: the reader's goes
  EXPECT_EQ(tests::SegmentMappings(), 0u);
}

TEST_P(NothingKeptTest, DescriptorsTravelOnlyForKindsThatHaveThem) {
  EXPECT_EQ(Write(main_, {NewBlock(main_, 1)})->descriptors.size(), GetParam() ? 0u : 1u);
}

TEST_P(NothingKeptTest, ASegmentOfAnUnsentMessageIsNotSpokenOfAgain) {
  {
    OutgoingMemory memory(main_);
    ASSERT_THAT(memory.Add(NewBlock(main_, 1)), IsOk());
    Letter letter;
    std::vector<int> descriptors;
    memory.Write([&] { return letter.table(); }, descriptors);
  }
  std::unique_ptr<Letter> next = Write(main_, {});
  EXPECT_FALSE(next->table().hasRetired());
  EXPECT_THAT(Read(*next, worker_), IsOk());
}

// A slot that has been given up is used again, or a reader's table would grow and grow.
TEST_F(MessageMemoryTest, I4SlotsOfSegmentsThatComeAndGoDoNotRunOut) {
  constexpr size_t kSegments = 2;  // and twice as many slots
  ShmPool main({.prefix = "m.", .peer_prefix = "w.", .max_kept_bytes = 0}, provider_);
  ShmPool worker({.prefix = "w.", .peer_prefix = "m.", .max_peer_segments = kSegments}, provider_);
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(Send(main, worker, {NewBlock(main, i)}).size(), 1u) << i;
    Send(worker, main, {});  // brings the lease back: the segment is destroyed
  }
  EXPECT_GE(main.stats().own.segments_created, 100u);
  EXPECT_LE(worker.stats().peer.segments, kSegments);
}

// I4.

TEST_F(MessageMemoryTest, I4TenThousandMessagesCostNoMoreThanTen) {
  constexpr size_t kBytes = 300'000;
  const auto call = [&] {
    Block argument = NewBlock(main_, 1, kBytes);
    std::vector<Block> arguments = Send(main_, worker_, {argument});
    ASSERT_EQ(arguments.size(), 1u);
    std::vector<Block> results = Send(worker_, main_, {arguments[0], NewBlock(worker_, 2, kBytes)});
    ASSERT_EQ(results.size(), 2u);
  };
  for (int i = 0; i < 10; ++i) call();
  const int creates = provider_->creates(), opens = provider_->opens();
  const size_t descriptors = tests::OpenDescriptors(), mappings = tests::SegmentMappings();
  const size_t resident = tests::ResidentBytes();
  const int64_t faults = tests::PageFaults();
  for (int i = 0; i < 10'000; ++i) call();
  EXPECT_EQ(provider_->creates(), creates);
  EXPECT_EQ(provider_->opens(), opens);
  EXPECT_EQ(tests::OpenDescriptors(), descriptors);
  EXPECT_EQ(tests::SegmentMappings(), mappings);
  if (tests::kSanitized) return;  // they keep freed memory for a while
  EXPECT_LT(tests::ResidentBytes(), resident + (4 << 20));
  EXPECT_LT(tests::PageFaults() - faults, 1000) << "warm: fewer than one in ten messages";
}

// I5: every field of the table, attacked. The message is a good one, to the worker, who has read
// one like it before, so that main's "m.1" in slot 0 is known there with generation 1, "m.2" in
// slot 1 is not, and the peer holds one grant of the worker's "w.1", in slot 0 of the worker's.

struct Attack {
  std::string name;
  // What the peer changes.
  void (*change)(Letter& letter);
  std::string says;
};

constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
using Table = schemas::MemoryTable::Builder;

class HostileTableTest : public MessageMemoryTest, public ::testing::WithParamInterface<Attack> {
 protected:
  HostileTableTest() {
    first_ = NewBlock(main_, 1);
    worker_view_ = Send(main_, worker_, {first_});
    main_view_ = Send(worker_, main_, {NewBlock(worker_, 3)});
    second_ = NewBlock(main_, 2);
  }
  // Refers to "m.1", "m.2" (new, with a descriptor) and, as an echo, to "w.1".
  std::unique_ptr<Letter> GoodLetter() { return Write(main_, {first_, second_, main_view_[0]}); }
  // What becomes of the message: of the table, or of the refs in it.
  absl::Status Verdict(Letter& letter) {
    absl::StatusOr<IncomingMemory> memory = Read(letter, worker_);
    if (!memory.ok()) return memory.status();
    for (uint32_t i = 0; i < memory->ref_count(); ++i) {
      if (absl::StatusOr<Block> block = memory->Attach(i); !block.ok()) return block.status();
    }
    return absl::OkStatus();
  }

  Block first_, second_;
  std::vector<Block> worker_view_, main_view_;
};

TEST_F(HostileTableTest, TheMessageIsGoodWithoutAnAttack) {
  std::unique_ptr<Letter> letter = GoodLetter();
  ASSERT_EQ(letter->table().getSegments().size(), 3u);
  const auto segments = letter->table().asReader().getSegments();
  EXPECT_EQ(segments[0].getSlot(), 0u);
  EXPECT_FALSE(segments[0].hasSegment());
  EXPECT_EQ(segments[0].getDescriptor(), 0xffff);
  EXPECT_FALSE(segments[0].getEcho());
  EXPECT_EQ(segments[1].getSlot(), 1u);
  EXPECT_EQ(segments[1].getSegment().getName(), "m.2");
  EXPECT_EQ(segments[1].getSegment().getSizeBytes(), kSmall);
  EXPECT_EQ(segments[1].getDescriptor(), 0);
  EXPECT_FALSE(segments[1].getEcho());
  EXPECT_EQ(segments[2].getSlot(), 0u) << "slots are numbered on each side";
  EXPECT_TRUE(segments[2].getEcho());
  EXPECT_FALSE(segments[2].hasSegment());
  EXPECT_EQ(segments[2].getDescriptor(), 0xffff);
  EXPECT_THAT(Verdict(*letter), IsOk());
}

TEST_P(HostileTableTest, IsRefused) {
  std::unique_ptr<Letter> letter = GoodLetter();
  GetParam().change(*letter);
  const size_t descriptors = tests::OpenDescriptors() - letter->descriptors.size();
  EXPECT_THAT(Verdict(*letter), StatusIs(absl::StatusCode::kDataLoss, HasSubstr(GetParam().says)));
  letter.reset();
  EXPECT_LE(tests::OpenDescriptors(), descriptors);
  EXPECT_EQ(worker_view_[0].content()[0], std::byte{1}) << "what was there before is untouched";
}

// Shorthands for the table's parts.
auto Segment0(Letter& l) { return l.table().getSegments()[0]; }
auto Segment1(Letter& l) { return l.table().getSegments()[1]; }
auto Info1(Letter& l) { return Segment1(l).getSegment(); }
auto Echo(Letter& l) { return l.table().getSegments()[2]; }
auto Ref1(Letter& l) { return l.table().getRefs()[1]; }
void SetEmpty(schemas::ShmRef::Builder ref) {
  ref.setSegment(0);
  ref.setTemporary(false);
  ref.setOffsetUnits(0);
  ref.setSize(0);
  ref.setContentSize(0);
}
void SetInfo(schemas::SegmentGrant::Builder grant, const char* name) {
  grant.initSegment().setName(name);
  grant.getSegment().setSizeBytes(kSmall);
}
void SetReturn(Letter& l, uint32_t slot, uint64_t generation, uint32_t count) {
  auto returned = l.table().initReturns(1)[0];
  returned.setSlot(slot);
  returned.setGeneration(generation);
  returned.setCount(count);
}
// A list of so many elements without any bytes, in place of the table's list `index`.
void SetListOfNothing(Letter& l, unsigned index, unsigned count) {
  l.message.getRoot<capnp::AnyStruct>().getPointerSection()[index].initAsListOfAnyStruct(0, 0,
                                                                                         count);
}

INSTANTIATE_TEST_SUITE_P(
    SegmentGrants, HostileTableTest,
    ::testing::Values(
        Attack{"SlotUnknown", [](Letter& l) { Segment0(l).setSlot(7); },
               "slot 7, which is not known"},
        Attack{"SlotLargest", [](Letter& l) { Segment0(l).setSlot(0xffffffff); },
               "slot 4294967295, which is not known"},
        Attack{"SlotOfTheNewOne", [](Letter& l) { Segment0(l).setSlot(1); },
               "slot 1, which is not known"},
        Attack{"SlotNamedTwice", [](Letter& l) { Segment1(l).setSlot(0); }, "slot 0 twice"},
        Attack{"SlotOfAnEchoUnknown", [](Letter& l) { Echo(l).setSlot(7); }, "stale"},
        Attack{"SlotOfAnEchoLargest", [](Letter& l) { Echo(l).setSlot(0xffffffff); }, "stale"},
        Attack{"EchoOfWhatIsNone", [](Letter& l) { Segment0(l).setEcho(true); }, "slot 0 twice"},
        Attack{"EchoThatIsNoneAnyMore", [](Letter& l) { Echo(l).setEcho(false); }, "slot 0 twice"},
        Attack{"EchoOfANewOne", [](Letter& l) { Segment1(l).setEcho(true); }, "this side's own"},
        Attack{"EchoWithInfo", [](Letter& l) { SetInfo(Echo(l), "w.1"); }, "this side's own"},
        Attack{"EchoWithADescriptor",
               [](Letter& l) {
                 l.descriptors.emplace_back(::dup(0));
                 Echo(l).setDescriptor(1);
               },
               "this side's own"},
        Attack{"InfoAgain", [](Letter& l) { SetInfo(Segment0(l), "m.1"); },
               "'m.1' in slot 0 is known"},
        Attack{"InfoAgainWithAnotherName", [](Letter& l) { SetInfo(Segment0(l), "m.9"); },
               "'m.1' in slot 0 is known"},
        Attack{"InfoMissing", [](Letter& l) { Segment1(l).disownSegment(); },
               "slot 1, which is not known"},
        Attack{"NameEmpty", [](Letter& l) { Info1(l).setName(""); }, "must be named"},
        Attack{"NameOfNobody", [](Letter& l) { Info1(l).setName("x.1"); }, "must be named"},
        Attack{"NameOfTheReceivers", [](Letter& l) { Info1(l).setName("w.1"); }, "must be named"},
        Attack{"NameWithASlash", [](Letter& l) { Info1(l).setName("m./x"); }, "must be named"},
        Attack{"NameWithAZero",
               [](Letter& l) { Info1(l).setName(capnp::Text::Reader("m.\0x", 4)); },
               "must be named"},
        Attack{"NameTooLong",
               [](Letter& l) { Info1(l).setName(("m." + std::string(62, 'x')).c_str()); },
               "must be named"},
        Attack{"NameTwice", [](Letter& l) { Info1(l).setName("m.1"); }, "'m.1' once more"},
        Attack{"SizeZero", [](Letter& l) { Info1(l).setSizeBytes(0); }, "size is 0"},
        Attack{"SizeSmaller", [](Letter& l) { Info1(l).setSizeBytes(4096); }, "bytes, not"},
        Attack{"SizeLarger", [](Letter& l) { Info1(l).setSizeBytes(2 * kSmall); }, "bytes, not"},
        Attack{"SizeLargest", [](Letter& l) { Info1(l).setSizeBytes(kMax); }, "bytes, not"},
        Attack{"GenerationZero", [](Letter& l) { Segment1(l).setGeneration(0); }, "generation 0"},
        Attack{"GenerationNewWhileLeased", [](Letter& l) { Segment0(l).setGeneration(2); },
               "still leased"},
        Attack{"GenerationOld", [](Letter& l) { Segment0(l).setGeneration(0); }, "generation 0"},
        Attack{"GenerationOfAnEchoNew", [](Letter& l) { Echo(l).setGeneration(2); }, "stale"},
        Attack{"GenerationOfAnEchoOld", [](Letter& l) { Echo(l).setGeneration(0); }, "stale"},
        Attack{"DescriptorMissing", [](Letter& l) { Segment1(l).setDescriptor(0xffff); },
               "no descriptor"},
        Attack{"DescriptorPastTheLast", [](Letter& l) { Segment1(l).setDescriptor(1); },
               "descriptor 1"},
        Attack{"DescriptorFarPast", [](Letter& l) { Segment1(l).setDescriptor(0xfffe); },
               "descriptor 65534"},
        Attack{"DescriptorUsedTwice",
               [](Letter& l) {
                 Echo(l).setEcho(false);
                 Echo(l).setSlot(2);
                 SetInfo(Echo(l), "m.3");
                 Echo(l).setDescriptor(0);
               },
               "descriptor 0"},
        Attack{"DescriptorNotSent", [](Letter& l) { l.descriptors.clear(); }, "but 0 came"},
        Attack{"DescriptorOfAKnownOne", [](Letter& l) { Segment0(l).setDescriptor(0); },
               "another descriptor"},
        Attack{"DescriptorIsNoSegment", [](Letter& l) { l.descriptors[0].reset(::dup(0)); },
               "not as its owner said"},
        Attack{"MoreThanAMessageMayName", [](Letter& l) { SetListOfNothing(l, 0, 4097); },
               "names 4097 segments"}),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    ShmRefs, HostileTableTest,
    ::testing::Values(
        Attack{"SegmentPastTheLast", [](Letter& l) { Ref1(l).setSegment(3); },
               "names segment 3 of 3"},
        Attack{"SegmentFarPast", [](Letter& l) { Ref1(l).setSegment(0xffff); },
               "names segment 65535 of 3"},
        Attack{"OffsetAtTheEnd", [](Letter& l) { Ref1(l).setOffsetUnits(kSmall / 64); },
               "offset lies past"},
        Attack{"OffsetLargest", [](Letter& l) { Ref1(l).setOffsetUnits(0xffffffff); },
               "offset lies past"},
        Attack{"OffsetThatIsZeroInThirtyTwoBits",
               [](Letter& l) { Ref1(l).setOffsetUnits(1u << 26); }, "offset lies past"},
        Attack{"SizeZero", [](Letter& l) { Ref1(l).setSize(0); }, "size is 0"},
        Attack{"EmptyInASegment",
               [](Letter& l) {
                 SetEmpty(Ref1(l));
                 Ref1(l).setSegment(1);
               },
               "segment (1)"},
        Attack{"EmptyWithAnOffset",
               [](Letter& l) {
                 SetEmpty(Ref1(l));
                 Ref1(l).setOffsetUnits(1);
               },
               "offset (64)"},
        Attack{"EmptyWithContent",
               [](Letter& l) {
                 SetEmpty(Ref1(l));
                 Ref1(l).setContentSize(1);
               },
               "content_size (1)"},
        Attack{"EmptyAndTemporary",
               [](Letter& l) {
                 SetEmpty(Ref1(l));
                 Ref1(l).setTemporary(true);
               },
               "temporary (1)"},
        Attack{"SizePastTheEnd", [](Letter& l) { Ref1(l).setSize(kSmall + 1); }, "offset + size"},
        Attack{"SizeLargest", [](Letter& l) { Ref1(l).setSize(kMax); }, "offset + size"},
        Attack{"SumOverflows",
               [](Letter& l) {
                 Ref1(l).setOffsetUnits(4096 / 64);
                 Ref1(l).setSize(kMax - 2047);
               },
               "offset + size"},
        Attack{"ContentAboveSize", [](Letter& l) { Ref1(l).setContentSize(1001); }, "content_size"},
        Attack{"ContentLargest", [](Letter& l) { Ref1(l).setContentSize(kMax); }, "content_size"},
        Attack{"MoreThanAMessageMayHave", [](Letter& l) { SetListOfNothing(l, 1, (1u << 22) + 1); },
               "4194305 references"}),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    LeaseReturns, HostileTableTest,
    ::testing::Values(
        Attack{"SlotUnknown", [](Letter& l) { SetReturn(l, 7, 1, 1); }, "does not hold"},
        Attack{"SlotLargest", [](Letter& l) { SetReturn(l, 0xffffffff, 1, 1); }, "does not hold"},
        Attack{"SlotOfThePeersOwn", [](Letter& l) { SetReturn(l, 1, 1, 1); }, "does not hold"},
        Attack{"GenerationOld", [](Letter& l) { SetReturn(l, 0, 0, 1); }, "does not hold"},
        Attack{"GenerationNew", [](Letter& l) { SetReturn(l, 0, 2, 1); }, "does not hold"},
        Attack{"CountZero", [](Letter& l) { SetReturn(l, 0, 1, 0); }, "does not hold"},
        Attack{"CountAboveWhatIsOut", [](Letter& l) { SetReturn(l, 0, 1, 2); }, "does not hold"},
        Attack{"CountLargest", [](Letter& l) { SetReturn(l, 0, 1, 0xffffffff); }, "does not hold"},
        Attack{"Twice",
               [](Letter& l) {
                 auto returns = l.table().initReturns(2);
                 for (auto returned : returns) {
                   returned.setGeneration(1);
                   returned.setCount(1);
                 }
               },
               "does not hold"}),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Retired, HostileTableTest,
    ::testing::Values(
        Attack{"Unknown", [](Letter& l) { l.table().initRetired(1).set(0, 77); }, "not known here"},
        Attack{"Largest", [](Letter& l) { l.table().initRetired(1).set(0, 0xffffffff); },
               "not known here"},
        Attack{"StillLeased", [](Letter& l) { l.table().initRetired(1).set(0, 0); },
               "still leased here"},
        Attack{"GrantedByTheSameMessage", [](Letter& l) { l.table().initRetired(1).set(0, 1); },
               "still leased here"}),
    [](const auto& info) { return info.param.name; });

TEST_F(HostileTableTest, ASlotFarBeyondTheLimitOfSegmentsIsRefused) {
  // It costs the receiver a table as long.
  std::unique_ptr<Letter> letter = GoodLetter();
  Segment1(*letter).setSlot(0xffffffff);
  EXPECT_THAT(Verdict(*letter),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("max_segments")));
}

TEST_F(HostileTableTest, ASegmentIsRetiredOnce) {
  main_view_.clear();
  worker_view_.clear();
  Send(worker_, main_, {});  // brings the lease back
  first_ = Block();
  std::unique_ptr<Letter> letter = Write(main_, {});
  auto retired = letter->table().initRetired(2);
  EXPECT_EQ(retired[0], retired[1]);
  EXPECT_THAT(Read(*letter, worker_),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("not known here")));
}

TEST_F(HostileTableTest, RetiringWhatIsInUseIsRefusedAndTakesNoBytesAway) {
  std::unique_ptr<Letter> letter = Write(main_, {});
  letter->table().initRetired(1).set(0, 0);
  EXPECT_THAT(Read(*letter, worker_),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("still leased here")));
  EXPECT_EQ(worker_view_[0].content()[0], std::byte{1});
}

TEST_F(HostileTableTest, TheLimitOfSegmentsHolds) {
  ShmPool modest({.prefix = "w2.", .peer_prefix = "m.", .max_peer_segments = 1}, provider_);
  ShmPool greedy({.prefix = "m.", .peer_prefix = "w2."}, provider_);
  std::unique_ptr<Letter> letter = Write(greedy, {*greedy.Alloc(1), *greedy.Alloc(1)});
  EXPECT_THAT(Read(*letter, modest),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("max_segments")));
}

}  // namespace
}  // namespace slabpipe
