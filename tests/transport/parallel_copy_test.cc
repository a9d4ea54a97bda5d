#include "slabpipe/transport/parallel_copy.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "slabpipe/tests/testing/sanitizers.h"
#include "slabpipe/tests/testing/watchdog.h"
#include "slabpipe/transport/streamed_copy.h"

namespace slabpipe {
namespace {

// Other bytes at every place: a period that no chunk, page or line has.
std::vector<std::byte> Pattern(size_t size_bytes, size_t seed = 0) {
  std::vector<std::byte> bytes(size_bytes);
  const size_t first = std::min(size_bytes, size_t{251});
  for (size_t i = 0; i < first; ++i) bytes[i] = static_cast<std::byte>((i + seed) % 251);
  for (size_t i = first; i < size_bytes; i += std::min(i, size_bytes - i)) {
    std::memcpy(bytes.data() + i, bytes.data(), std::min(i, size_bytes - i));
  }
  return bytes;
}

// Copies `size_bytes` between places that are so far from a boundary of 4 KiB, and looks at what
// lies before and behind, too.
void CopyAndCheck(size_t size_bytes, size_t from_skew, size_t to_skew) {
  constexpr size_t kPage = 4096;
  constexpr std::byte kUntouched{0xEE};
  const std::vector<std::byte> from = Pattern(size_bytes + 2 * kPage);
  std::vector<std::byte> to(size_bytes + 3 * kPage, kUntouched);
  std::byte* target = to.data() + kPage - reinterpret_cast<uintptr_t>(to.data()) % kPage + to_skew;
  const auto begin = static_cast<size_t>(target - to.data());
  CopyBytes(target, from.data() + from_skew, size_bytes);
  std::vector<std::byte> expected(to.size(), kUntouched);
  std::copy_n(from.data() + from_skew, size_bytes, expected.data() + begin);
  EXPECT_EQ(std::memcmp(to.data(), expected.data(), to.size()), 0)
      << size_bytes << " bytes, " << from_skew << " to " << to_skew;
}

class ParallelCopyTest : public ::testing::Test {
  tests::Watchdog watchdog_;
};

TEST_F(ParallelCopyTest, CopiesAnySizeAndNothingElse) {
  for (const size_t size :
       {size_t{0}, size_t{1}, size_t{63}, size_t{64}, size_t{4097}, kCopyChunkBytes - 1,
        kCopyChunkBytes, kParallelCopyBytes - 1, kParallelCopyBytes, kParallelCopyBytes + 1,
        kParallelCopyBytes + kCopyChunkBytes - 1, kParallelCopyBytes + kCopyChunkBytes + 1}) {
    CopyAndCheck(size, 0, 0);
    CopyAndCheck(size, 1, 3);
    CopyAndCheck(size, 8, 64);
    CopyAndCheck(size, 0, 63);
  }
}

TEST_F(ParallelCopyTest, CopiesWhatGoesPastTheCaches) {
  for (const size_t size : {kStreamedCopyBytes - 1, kStreamedCopyBytes, kStreamedCopyBytes + 1,
                            kStreamedCopyBytes + kCopyChunkBytes + 8 * 4096 + 17}) {
    CopyAndCheck(size, 0, 0);
    CopyAndCheck(size, 5, 40);
  }
}

TEST_F(ParallelCopyTest, NoBytesNeedNoMemory) { CopyBytes(nullptr, nullptr, 0); }

TEST_F(ParallelCopyTest, ManyThreadsCopyAtOnce) {
  constexpr size_t kThreads = 6;
  constexpr size_t kBytes = kParallelCopyBytes + 12345;
  std::vector<std::thread> threads;
  for (size_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([thread] {
      const std::vector<std::byte> from = Pattern(kBytes, thread);
      for (int round = 0; round < (tests::kSanitized ? 3 : 20); ++round) {
        std::vector<std::byte> to(kBytes);
        CopyBytes(to.data(), from.data(), kBytes);
        ASSERT_EQ(std::memcmp(to.data(), from.data(), kBytes), 0);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(ParallelCopyTest, StreamedLinesArrive) {
  alignas(kCacheLineBytes) std::byte to[3 * kCacheLineBytes] = {};
  const std::vector<std::byte> from = Pattern(3 * kCacheLineBytes, 1);
  StreamLine(to + kCacheLineBytes, from.data() + 1);
  FinishStreaming();
  EXPECT_EQ(std::memcmp(to + kCacheLineBytes, from.data() + 1, kCacheLineBytes), 0);
  EXPECT_EQ(to[kCacheLineBytes - 1], std::byte{0});
  EXPECT_EQ(to[2 * kCacheLineBytes], std::byte{0});
}

#ifndef NDEBUG
TEST_F(ParallelCopyTest, OverlapsAreRefusedInDebugBuilds) {
  std::vector<std::byte> bytes(100);
  EXPECT_DEATH(CopyBytes(bytes.data() + 10, bytes.data(), 11), "");
  EXPECT_DEATH(CopyBytes(bytes.data(), bytes.data() + 10, 11), "");
  CopyBytes(bytes.data() + 10, bytes.data(), 10);
}
#endif

}  // namespace
}  // namespace slabpipe
