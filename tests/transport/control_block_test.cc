// Control blocks: where their parts lie, and which descriptors are taken for one.

#include "slabpipe/transport/control_block.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/tests/testing/child_process.h"
#include "slabpipe/tests/testing/process_state.h"
#include "slabpipe/tests/testing/status_matchers.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

namespace slabpipe {
namespace {

using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::StatusIs;
using ::testing::HasSubstr;

constexpr ControlSizes kSizes = {.ring_bytes = 4096, .log_entries = 16};
constexpr int kGoodSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;

UniqueFd Copy(int descriptor) { return UniqueFd(::dup(descriptor)); }

// A control block as a peer might make it.
struct Forgery {
  uint32_t magic = ControlHeader::kMagic;
  uint32_t version = ControlHeader::kVersion;
  uint32_t ring_bytes = kSizes.ring_bytes;
  uint32_t log_entries = kSizes.log_entries;
  size_t object_bytes = kSizes.total_bytes();
  bool reserved = true;
  int seals = kGoodSeals;
};
UniqueFd Make(const Forgery& forgery) {
  UniqueFd object(::memfd_create("slabpipe:forged", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  const auto bytes = static_cast<off_t>(forgery.object_bytes);
  EXPECT_EQ(::ftruncate(object.get(), bytes), 0);
  if (forgery.reserved && bytes > 0) {
    EXPECT_EQ(::fallocate(object.get(), 0, 0, bytes), 0);
  }
  const std::array<uint32_t, 4> identity = {forgery.magic, forgery.version, forgery.ring_bytes,
                                            forgery.log_entries};
  const size_t written = std::min(sizeof(identity), forgery.object_bytes);
  EXPECT_EQ(::pwrite(object.get(), identity.data(), written, 0), static_cast<ssize_t>(written));
  EXPECT_EQ(::fcntl(object.get(), F_ADD_SEALS, forgery.seals), 0);
  return object;
}

TEST(ControlBlockTest, ThePartsLieAsDocumented) {
  EXPECT_EQ(offsetof(ControlHeader, magic), 0u);
  EXPECT_EQ(offsetof(ControlHeader, version), 4u);
  EXPECT_EQ(offsetof(ControlHeader, ring_bytes), 8u);
  EXPECT_EQ(offsetof(ControlHeader, log_entries), 12u);
  EXPECT_EQ(offsetof(ControlHeader, ring_taken), 64u);
  EXPECT_EQ(offsetof(ControlHeader, log_taken), 72u);
  EXPECT_EQ(offsetof(ControlHeader, wants_message), 128u);
  EXPECT_EQ(offsetof(ControlHeader, wants_room), 132u);
  EXPECT_EQ(offsetof(ControlHeader, cpu), 136u);
  EXPECT_EQ(offsetof(ControlHeader, log_written), 192u);
  // Not on the stack, which AddressSanitizer aligns in its own way.
  alignas(64) static std::array<std::byte, 320 + 4096 + 16 * 16> memory;
  ASSERT_EQ(memory.size(), kSizes.total_bytes());
  const OwnControl own = FormatControl(memory.data(), kSizes);
  EXPECT_EQ(reinterpret_cast<std::byte*>(own.header), memory.data());
  EXPECT_EQ(own.ring, memory.data() + 320);
  EXPECT_EQ(reinterpret_cast<std::byte*>(own.log), memory.data() + 320 + 4096);
  EXPECT_EQ(reinterpret_cast<std::byte*>(own.log + 16), memory.data() + memory.size());
  const PeerControl peer = ViewControl(memory.data(), kSizes);
  EXPECT_EQ(peer.header, own.header);
  EXPECT_EQ(peer.ring, own.ring);
  EXPECT_EQ(peer.log, own.log);
}

TEST(ControlBlockTest, ANewBlockSaysWhatItIsAndNothingElse) {
  const ControlSegment control = *ControlSegment::Create(kSizes);
  const ControlHeader& header = *control.view().header;
  EXPECT_EQ(header.magic, 0x43504c53u);
  EXPECT_EQ(memcmp(&header, "SLPC", 4), 0);
  EXPECT_EQ(header.version, 1u);
  EXPECT_EQ(header.ring_bytes, 4096u);
  EXPECT_EQ(header.log_entries, 16u);
  const auto* bytes = reinterpret_cast<const char*>(&header);
  EXPECT_EQ(std::string(bytes + 16, kSizes.total_bytes() - 16),
            std::string(kSizes.total_bytes() - 16, '\0'));
}

TEST(ControlBlockTest, WhatOneSideWritesTheOtherReadsAndCanNotWrite) {
  const ControlSegment own = *ControlSegment::Create(kSizes);
  const PeerControlSegment peer = *PeerControlSegment::Open(Copy(own.descriptor()));
  own.view().header->ring_taken = 77;
  own.view().ring[4095] = std::byte{1};
  own.view().log[15].after_messages = 99;
  EXPECT_EQ(peer.view().header->ring_taken.load(), 77u);
  EXPECT_EQ(peer.view().ring[4095], std::byte{1});
  EXPECT_EQ(peer.view().log[15].after_messages, 99u);
  EXPECT_EQ(peer.view().sizes.ring_bytes, 4096u);
  EXPECT_EQ(peer.view().sizes.log_entries, 16u);
  EXPECT_EQ(tests::MappingRights(own.view().header), "rw-s");
  EXPECT_EQ(tests::MappingRights(peer.view().header), "r--s");
  EXPECT_EQ(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, own.descriptor(), 0),
            MAP_FAILED);
}

TEST(ControlBlockTest, ItLivesAsLongAsOneSideHoldsIt) {
  absl::StatusOr<PeerControlSegment> peer = absl::InternalError("none");
  {
    const ControlSegment own = *ControlSegment::Create(kSizes);
    own.view().header->log_written = 5;
    peer = PeerControlSegment::Open(Copy(own.descriptor()));
  }
  ASSERT_THAT(peer, IsOk());
  EXPECT_EQ(peer->view().header->log_written.load(), 5u);
}

TEST(ControlBlockTest, SizesThatMakeSense) {
  for (const ControlSizes& sizes : {ControlSizes{}, ControlSizes{4096, 1}, ControlSizes{64u << 20},
                                    ControlSizes{8192, 65536}, kSizes}) {
    EXPECT_TRUE(AreSound(sizes)) << sizes.ring_bytes << " " << sizes.log_entries;
  }
  const ControlSizes bad[] = {{0, 16},       {2048, 16},       {4095, 16},      {4097, 16},
                              {3 << 12, 16}, {128u << 20, 16}, {1u << 31, 16},  {~0u, 16},
                              {4096, 0},     {4096, 3},        {4096, 1 << 17}, {4096, 1u << 31},
                              {4096, ~0u}};
  for (const ControlSizes& sizes : bad) {
    EXPECT_FALSE(AreSound(sizes)) << sizes.ring_bytes << " " << sizes.log_entries;
    EXPECT_THAT(ControlSegment::Create(sizes), StatusIs(absl::StatusCode::kInvalidArgument));
  }
}

TEST(ControlBlockTest, NamesTheLimitWhenNoDescriptorIsLeft) {
  if (!tests::CanRunWithoutDescriptors()) GTEST_SKIP() << "not with this sanitizer";
  EXPECT_TRUE(tests::PassesInChild([] {
    tests::ForbidMoreDescriptors();
    EXPECT_THAT(ControlSegment::Create(kSizes),
                StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("ulimit -n")));
  }));
}

// What a peer may send.

TEST(ControlBlockTest, AForgeryWithoutAFaultIsTaken) {
  EXPECT_THAT(PeerControlSegment::Open(Make({})), IsOk());
}

TEST(ControlBlockTest, AnIdentityWithABadFieldIsRefused) {
  const std::vector<Forgery> forgeries = {
      {.magic = 0},
      {.magic = ControlHeader::kMagic + 1},
      {.magic = __builtin_bswap32(ControlHeader::kMagic)},
      {.version = 0},
      {.version = ControlHeader::kVersion + 1},
      {.version = ~0u},
      {.ring_bytes = 0},
      {.ring_bytes = 2048},
      {.ring_bytes = 4095},
      {.ring_bytes = 8192},  // sound, but not what is there
      {.ring_bytes = 64u << 20},
      {.ring_bytes = 1u << 31},
      {.ring_bytes = ~0u},
      {.log_entries = 0},
      {.log_entries = 15},
      {.log_entries = 8},  // sound, but not what is there
      {.log_entries = 1u << 16},
      {.log_entries = 1u << 31},
      {.log_entries = ~0u},
      // A size that would be right if it were computed in 32 bits.
      {.ring_bytes = 4096, .log_entries = (1u << 28) + 16},
      {.ring_bytes = 0, .log_entries = 16 + 256},
      {.object_bytes = kSizes.total_bytes() - 1},
      {.object_bytes = kSizes.total_bytes() + 1},
      {.object_bytes = kSizes.total_bytes() + 4096},
      {.object_bytes = sizeof(ControlHeader)},
  };
  for (size_t i = 0; i < forgeries.size(); ++i) {
    EXPECT_THAT(PeerControlSegment::Open(Make(forgeries[i])),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("is none of version 1")))
        << "forgery " << i;
  }
}

TEST(ControlBlockTest, AnObjectThatIsTooSmallForAnIdentityIsRefused) {
  for (const size_t bytes : {0, 1, 16, 255}) {
    EXPECT_THAT(PeerControlSegment::Open(Make({.object_bytes = bytes})),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("too small")))
        << bytes;
  }
}

TEST(ControlBlockTest, AnObjectThatCouldShrinkOrBePunchedIsRefused) {
  for (const int seals : {0, F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_SHRINK | F_SEAL_GROW,
                          F_SEAL_GROW | F_SEAL_FUTURE_WRITE, F_SEAL_FUTURE_WRITE}) {
    EXPECT_THAT(PeerControlSegment::Open(Make({.seals = seals})),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("sealed")))
        << seals;
  }
}

TEST(ControlBlockTest, AnObjectWithoutMemoryIsRefused) {
  EXPECT_THAT(PeerControlSegment::Open(Make({.reserved = false})),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("not reserved")));
}

TEST(ControlBlockTest, WhatIsNoMemoryObjectIsRefused) {
  int pipe_ends[2], sockets[2];
  ASSERT_EQ(::pipe(pipe_ends), 0);
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
  const UniqueFd other_pipe_end(pipe_ends[1]), other_socket(sockets[1]);
  FILE* const file = ::tmpfile();  // a good control block, but in a file
  const ControlSegment control = *ControlSegment::Create(kSizes);
  ASSERT_EQ(::fwrite(control.view().header, kSizes.total_bytes(), 1, file), 1u);
  ASSERT_EQ(::fflush(file), 0);
  std::vector<UniqueFd> descriptors;
  descriptors.emplace_back(::dup(::fileno(file)));
  descriptors.emplace_back(pipe_ends[0]);
  descriptors.emplace_back(sockets[0]);
  descriptors.emplace_back(::eventfd(0, EFD_CLOEXEC));
  descriptors.emplace_back(::open("/dev/zero", O_RDWR | O_CLOEXEC));
  descriptors.emplace_back(::open("/dev/null", O_RDWR | O_CLOEXEC));
  descriptors.emplace_back(::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  descriptors.emplace_back(::open("/proc/self/exe", O_PATH | O_CLOEXEC));
  descriptors.emplace_back();
  for (size_t i = 0; i < descriptors.size(); ++i) {
    EXPECT_THAT(PeerControlSegment::Open(std::move(descriptors[i])),
                StatusIs(absl::StatusCode::kDataLoss))
        << "number " << i;
  }
  ::fclose(file);
}

TEST(ControlBlockTest, ARefusedDescriptorIsClosedAndNothingStaysMapped) {
  PeerControlSegment::Open(Make({.magic = 0})).IgnoreError();  // whatever is made only once
  const size_t descriptors = tests::OpenDescriptors();
  for (int i = 0; i < 20; ++i) {
    EXPECT_FALSE(PeerControlSegment::Open(Make({.magic = 0})).ok());
    EXPECT_FALSE(PeerControlSegment::Open(Make({.seals = 0})).ok());
  }
  EXPECT_EQ(tests::OpenDescriptors(), descriptors);
  EXPECT_EQ(tests::SegmentMappings("forged"), 0u);
}

}  // namespace
}  // namespace slabpipe
