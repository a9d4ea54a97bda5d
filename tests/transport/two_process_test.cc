// Two real processes: pools, messages and the pipe together, and what is left when one is killed.

#include <capnp/message.h>
#include <string.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/schemas/shm.capnp.h"
#include "slabpipe/tests/testing/child_process.h"
#include "slabpipe/tests/testing/process_state.h"
#include "slabpipe/tests/testing/status_matchers.h"
#include "slabpipe/tests/testing/watchdog.h"
#include "slabpipe/transport/memfd_segment.h"
#include "slabpipe/transport/message_memory.h"
#include "slabpipe/transport/posix_segment.h"
#include "slabpipe/transport/shm_pool.h"
#include "slabpipe/transport/socket_pipe.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::ChildProcess;
using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::StatusIs;
using ::testing::Each;
using ::testing::IsEmpty;

constexpr size_t kBytes = 100'000;

std::shared_ptr<SegmentProvider> NewProvider(bool named) {
  if (named) return std::make_shared<PosixSegmentProvider>();
  return std::make_shared<MemfdSegmentProvider>();
}

// One process's end: a pool and a pipe, and messages that are a memory table alone.
class Side {
 public:
  // The prefixes of the two are told first: a name begins with its owner's pid.
  Side(bool named, const std::string& role, UniqueFd socket)
      : prefix_(absl::StrCat(PosixSegmentPrefix(), role, ".")),
        pool_({.prefix = prefix_, .peer_prefix = ExchangePrefixes(socket.get())},
              NewProvider(named)),
        pipe_(std::move(socket)) {}

  const std::string& prefix() const { return prefix_; }
  ShmPool& pool() { return pool_; }
  Block NewBlock(int fill) {
    Block block = *pool_.Alloc(kBytes);
    memset(block.mutable_bytes().data(), fill, kBytes);
    return block;
  }
  absl::Status Send(const std::vector<Block>& blocks) {
    pool_.Clear();
    OutgoingMemory memory(pool_);
    for (const Block& block : blocks) {
      if (absl::StatusOr<uint32_t> index = memory.Add(block); !index.ok()) return index.status();
    }
    capnp::MallocMessageBuilder message;
    std::vector<int> descriptors;
    const auto table = message.initRoot<schemas::MemoryTable>();
    memory.Write([&] { return table; }, descriptors);
    absl::Status sent = pipe_.Send(message, descriptors, {});
    if (sent.ok()) memory.Commit();
    return sent;
  }
  absl::StatusOr<std::vector<Block>> Receive() {
    absl::StatusOr<IncomingMessage> message = pipe_.Receive({});
    if (!message.ok()) return message.status();
    absl::StatusOr<IncomingMemory> memory = IncomingMemory::Accept(
        message->root<schemas::MemoryTable>(), message->descriptors(), pool_);
    if (!memory.ok()) return memory.status();
    std::vector<Block> blocks;
    for (uint32_t i = 0; i < memory->ref_count(); ++i) {
      absl::StatusOr<Block> block = memory->Attach(i);
      if (!block.ok()) return block.status();
      blocks.push_back(*std::move(block));
    }
    return blocks;
  }

 private:
  std::string ExchangePrefixes(int socket) const {
    char mine[64] = {}, theirs[64] = {};
    memcpy(mine, prefix_.data(), prefix_.size());
    EXPECT_EQ(::write(socket, mine, sizeof(mine)), 64);
    EXPECT_EQ(::read(socket, theirs, sizeof(theirs)), 64);
    return theirs;
  }

  const std::string prefix_;
  ShmPool pool_;
  SocketPipe pipe_;
};

// What the worker does: each request is answered by the first of its blocks, and a block of its
// own. Returns why it ended.
absl::Status Serve(Side& side) {
  for (int i = 1;; ++i) {
    absl::StatusOr<std::vector<Block>> request = side.Receive();
    if (!request.ok()) return request.status();
    std::vector<Block> answer;
    if (!request->empty()) answer.push_back((*request)[0]);
    answer.push_back(side.NewBlock(100));
    request->clear();
    if (absl::Status sent = side.Send(answer); !sent.ok()) return sent;
  }
}

// Exit codes of a side that saw the other one go.
constexpr int kSawThePeerGo = 42;

class TwoProcessTest : public ::testing::TestWithParam<bool /*named*/> {
 protected:
  // Starts a process that runs `work` with one end of a pipe, and not the other.
  std::unique_ptr<ChildProcess> Start(UniqueFd& mine, UniqueFd& other,
                                      const std::function<int(UniqueFd)>& work) {
    auto child = std::make_unique<ChildProcess>([&] {
      other.reset();
      return work(std::move(mine));
    });
    mine.reset();
    return child;
  }
  std::unique_ptr<ChildProcess> StartWorker() {
    auto ends = *SocketPipe::CreateSockets();
    auto worker = Start(ends.second, ends.first, [](UniqueFd socket) {
      Side side(GetParam(), "w", std::move(socket));
      return absl::IsUnavailable(Serve(side)) ? kSawThePeerGo : 1;
    });
    socket_ = std::move(ends.first);
    return worker;
  }
  // No process holds a segment with this in its name, and none lies in /dev/shm.
  static void ExpectNothingLeftOf(const std::string& name_part) {
    EXPECT_EQ(tests::HoldersOnThisMachine(name_part), 0u) << name_part;
    EXPECT_THAT(tests::SharedMemoryEntries(name_part), IsEmpty());
  }
  static std::string PrefixOf(const Block& block) {
    return block.ref().name.substr(0, block.ref().name.rfind('.') + 1);
  }

  UniqueFd socket_;  // main's

 private:
  tests::Watchdog watchdog_;
};

INSTANTIATE_TEST_SUITE_P(Kinds, TwoProcessTest, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "Posix" : "Memfd"; });

TEST_P(TwoProcessTest, BlocksGoThereAndComeBack) {
  std::unique_ptr<ChildProcess> worker = StartWorker();
  Side side(GetParam(), "m", std::move(socket_));
  Block argument = side.NewBlock(7);
  ASSERT_THAT(side.Send({argument}), IsOk());
  absl::StatusOr<std::vector<Block>> answer = side.Receive();
  ASSERT_THAT(answer, IsOk());
  ASSERT_EQ(answer->size(), 2u);
  EXPECT_EQ((*answer)[0].data(), argument.data()) << "the echo is the very same memory";
  EXPECT_THAT((*answer)[1].content(), Each(std::byte{100}));
  EXPECT_EQ(tests::MappingRights((*answer)[1].data()), "r--s");
}

TEST_P(TwoProcessTest, I4ASteadyLoadHasASteadyCostOnBothSides) {
  std::unique_ptr<ChildProcess> worker = StartWorker();
  Side side(GetParam(), "m", std::move(socket_));
  const auto call = [&] {
    ASSERT_THAT(side.Send({side.NewBlock(1)}), IsOk());
    ASSERT_THAT(side.Receive(), IsOk());
  };
  for (int i = 0; i < 10; ++i) call();
  const ShmPoolStats before = side.pool().stats();
  const size_t descriptors = tests::OpenDescriptors(), mappings = tests::SegmentMappings();
  const size_t holders = tests::HoldersOnThisMachine(side.prefix());
  for (int i = 0; i < 500; ++i) call();
  EXPECT_EQ(side.pool().stats().own.segments_created, before.own.segments_created);
  EXPECT_EQ(side.pool().stats().peer.segments_mapped, before.peer.segments_mapped);
  EXPECT_EQ(tests::OpenDescriptors(), descriptors);
  EXPECT_EQ(tests::SegmentMappings(), mappings);
  EXPECT_EQ(tests::HoldersOnThisMachine(side.prefix()), holders) << "the worker's too";
}

TEST_P(TwoProcessTest, I3NothingIsLeftAfterBothLeave) {
  std::unique_ptr<ChildProcess> worker = StartWorker();
  std::string main_prefix, worker_prefix;
  {
    Side side(GetParam(), "m", std::move(socket_));
    main_prefix = side.prefix();
    ASSERT_THAT(side.Send({side.NewBlock(1)}), IsOk());
    absl::StatusOr<std::vector<Block>> answer = side.Receive();
    ASSERT_THAT(answer, IsOk());
    worker_prefix = PrefixOf((*answer)[1]);
    EXPECT_GT(tests::HoldersOnThisMachine(worker_prefix), 0u) << "the check below can see it";
  }
  EXPECT_EQ(worker->Wait(), kSawThePeerGo);
  ExpectNothingLeftOf(main_prefix);
  ExpectNothingLeftOf(worker_prefix);
}

TEST_P(TwoProcessTest, I3AKilledWorkerLeavesNothingAndMainSeesIt) {
  std::unique_ptr<ChildProcess> worker = StartWorker();
  std::string main_prefix, worker_prefix;
  {
    Side side(GetParam(), "m", std::move(socket_));
    main_prefix = side.prefix();
    ASSERT_THAT(side.Send({side.NewBlock(7)}), IsOk());
    absl::StatusOr<std::vector<Block>> answer = side.Receive();
    ASSERT_THAT(answer, IsOk());
    worker_prefix = PrefixOf((*answer)[1]);

    worker->Kill();
    EXPECT_THAT(side.Receive(), StatusIs(absl::StatusCode::kUnavailable));
    EXPECT_THAT(side.Send({}), StatusIs(absl::StatusCode::kUnavailable));
    EXPECT_EQ(worker->Wait(), ChildProcess::kKilled);

    side.pool().ResetPeer("another.");
    side.pool().Clear();
    EXPECT_EQ(side.pool().stats().own.grants_out, 0u) << "what it held is back";
    EXPECT_THAT((*answer)[1].content(), Each(std::byte{100})) << "decoded values stay valid";
    EXPECT_THAT((*answer)[0].content(), Each(std::byte{7}));
  }
  if (GetParam()) SweepDeadOwners();  // what the next start does
  ExpectNothingLeftOf(main_prefix);
  ExpectNothingLeftOf(worker_prefix);
}

TEST_P(TwoProcessTest, I3AKilledMainLeavesNothingAndTheWorkerSeesIt) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  UniqueFd told(ends[0]), tell(ends[1]);
  std::unique_ptr<ChildProcess> worker = StartWorker();
  UniqueFd none;
  std::unique_ptr<ChildProcess> main = Start(socket_, none, [&](UniqueFd socket) {
    Side side(GetParam(), "m", std::move(socket));
    if (!side.Send({side.NewBlock(7)}).ok()) return 1;
    absl::StatusOr<std::vector<Block>> answer = side.Receive();
    if (!answer.ok()) return 2;
    char prefixes[128] = {};
    memcpy(prefixes, side.prefix().data(), side.prefix().size());
    const std::string worker_prefix = PrefixOf((*answer)[1]);
    memcpy(prefixes + 64, worker_prefix.data(), worker_prefix.size());
    if (::write(tell.get(), prefixes, sizeof(prefixes)) < 0) return 3;
    ::pause();  // with segments of both sides mapped
    return 4;
  });
  char prefixes[128];
  ASSERT_EQ(::read(told.get(), prefixes, sizeof(prefixes)), 128);
  EXPECT_GT(tests::HoldersOnThisMachine(prefixes), 0u);
  main->Kill();
  EXPECT_EQ(main->Wait(), ChildProcess::kKilled);
  EXPECT_EQ(worker->Wait(), kSawThePeerGo);
  if (GetParam()) SweepDeadOwners();
  ExpectNothingLeftOf(prefixes);
  ExpectNothingLeftOf(prefixes + 64);
}

TEST_P(TwoProcessTest, I3NothingIsLeftWhenBothAreKilledInTheMiddle) {
  auto ends = *SocketPipe::CreateSockets();
  int pipe_ends[2];
  ASSERT_EQ(::pipe(pipe_ends), 0);
  UniqueFd told(pipe_ends[0]), tell(pipe_ends[1]);
  auto worker = Start(ends.second, ends.first, [](UniqueFd socket) {
    Side side(GetParam(), "w", std::move(socket));
    return Serve(side).ok() ? 0 : 1;
  });
  UniqueFd none;
  auto main = Start(ends.first, none, [&](UniqueFd socket) {
    Side side(GetParam(), "m", std::move(socket));
    for (int i = 0;; ++i) {
      if (!side.Send({side.NewBlock(i)}).ok() || !side.Receive().ok()) return 1;
      if (i == 20 && ::write(tell.get(), "x", 1) < 0) return 2;
    }
  });
  char byte;
  ASSERT_EQ(::read(told.get(), &byte, 1), 1);  // calls are running
  worker->Kill();
  main->Kill();
  const std::string worker_prefix = absl::StrCat("slabpipe.", worker->pid(), ".");
  const std::string main_prefix = absl::StrCat("slabpipe.", main->pid(), ".");
  worker->Wait();
  main->Wait();
  if (GetParam()) SweepDeadOwners();
  ExpectNothingLeftOf(worker_prefix);
  ExpectNothingLeftOf(main_prefix);
}

}  // namespace
}  // namespace slabpipe
