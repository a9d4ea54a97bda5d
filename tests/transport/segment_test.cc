// What all kinds of segments have in common. What one kind adds: memfd_segment_test.cc and
// posix_segment_test.cc.

#include "slabpipe/transport/segment.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/tests/testing/child_process.h"
#include "slabpipe/tests/testing/process_state.h"
#include "slabpipe/tests/testing/sanitizers.h"
#include "slabpipe/tests/testing/status_matchers.h"
#include "slabpipe/transport/memfd_segment.h"
#include "slabpipe/transport/posix_segment.h"

// In the kernel since 5.14; older C libraries don't declare it.
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

namespace slabpipe {
namespace {

using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

struct Kind {
  std::string name;
  std::shared_ptr<SegmentProvider> provider;
};

class SegmentTest : public ::testing::TestWithParam<Kind> {
 protected:
  SegmentProvider& provider() const { return *GetParam().provider; }
  std::string Name(absl::string_view suffix = "1") const {
    return absl::StrCat(PosixSegmentPrefix(), "segment_test.", suffix);
  }
  std::unique_ptr<Segment> Create(size_t size_bytes) {
    absl::StatusOr<std::unique_ptr<Segment>> segment = provider().Create(Name(), size_bytes);
    EXPECT_THAT(segment, IsOk());
    return *std::move(segment);
  }
  // Opens it as a peer would that was told of `size_bytes`.
  absl::StatusOr<std::unique_ptr<Segment>> Open(const Segment& segment, size_t size_bytes) {
    UniqueFd descriptor;
    if (provider().passes_descriptors()) descriptor.reset(::dup(segment.descriptor()));
    return provider().Open(segment.name(), size_bytes, std::move(descriptor));
  }
};

INSTANTIATE_TEST_SUITE_P(Kinds, SegmentTest,
                         ::testing::Values(Kind{"Memfd", std::make_shared<MemfdSegmentProvider>()},
                                           Kind{"Posix", std::make_shared<PosixSegmentProvider>()}),
                         [](const auto& info) { return info.param.name; });

TEST_P(SegmentTest, IsZeroFilledWritableAndOfTheSizeAskedFor) {
  std::unique_ptr<Segment> segment = Create(10'000);
  EXPECT_EQ(segment->name(), Name());
  EXPECT_EQ(segment->size_bytes(), 10'000u);
  ASSERT_EQ(segment->mutable_data(), segment->data());
  EXPECT_TRUE(std::all_of(segment->data(), segment->data() + 10'000,
                          [](std::byte b) { return b == std::byte{0}; }));
  memset(segment->mutable_data(), 7, 10'000);
}

TEST_P(SegmentTest, TravelsAsADescriptorOnlyIfItsKindDoes) {
  EXPECT_EQ(Create(4096)->descriptor() >= 0, provider().passes_descriptors());
}

TEST_P(SegmentTest, HasItsMemoryReserved) {
  constexpr size_t kBytes = 1 << 20;
  std::unique_ptr<Segment> segment = Create(kBytes);
  struct stat object;
  ASSERT_EQ(provider().passes_descriptors()
                ? ::fstat(segment->descriptor(), &object)
                : ::stat(absl::StrCat("/dev/shm/", segment->name()).c_str(), &object),
            0);
  EXPECT_GE(static_cast<size_t>(object.st_blocks) * 512, kBytes);
}

// Page faults that writing a byte to each page takes.
int64_t FaultsOfWriting(const Segment& segment, size_t offset, size_t size_bytes) {
  const int64_t before = tests::PageFaults();
  for (size_t at = 0; at < size_bytes; at += 4096) {
    segment.mutable_data()[offset + at] = std::byte{1};
  }
  return tests::PageFaults() - before;
}

TEST_P(SegmentTest, WhatHasBeenPopulatedIsWrittenWithoutPageFaults) {
  if (tests::kSanitized) GTEST_SKIP() << "sanitizers write to pages of their own";
  for (const size_t pages : {16, 256, 1024, 2500}) {
    const size_t bytes = pages * 4096;
    std::unique_ptr<Segment> segment = Create(bytes);
    segment->Populate(0, bytes);
    void* mapping = segment->mutable_data();
    if (::madvise(mapping, 4096, MADV_POPULATE_WRITE) != 0) GTEST_SKIP() << "an old kernel";
    EXPECT_LT(FaultsOfWriting(*segment, 0, bytes), static_cast<int64_t>(pages / 4)) << pages;
  }
}

TEST_P(SegmentTest, IsPopulatedPieceByPiece) {
  if (tests::kSanitized) GTEST_SKIP() << "sanitizers write to pages of their own";
  constexpr size_t kPieceBytes = 8000;  // no multiple of a page
  constexpr size_t kPieces = 500;
  std::unique_ptr<Segment> segment = Create(kPieceBytes * kPieces);
  if (::madvise(segment->mutable_data(), 1, MADV_POPULATE_WRITE) != 0) {
    GTEST_SKIP() << "an old kernel";
  }
  int64_t faults = 0;
  for (size_t piece = 0; piece < kPieces; ++piece) {
    segment->Populate(piece * kPieceBytes, kPieceBytes);
    faults += FaultsOfWriting(*segment, piece * kPieceBytes, kPieceBytes);
  }
  EXPECT_LT(faults, static_cast<int64_t>(kPieces / 4));
}

TEST_P(SegmentTest, PopulatingKeepsWhatIsThere) {
  constexpr size_t kBytes = (9 << 20) + 123;
  std::unique_ptr<Segment> segment = Create(kBytes);
  memset(segment->mutable_data(), 7, kBytes);
  segment->Populate(0, 1);
  segment->Populate(100, 0);
  segment->Populate(kBytes - 1, 1);
  segment->Populate(0, kBytes);
  EXPECT_TRUE(std::all_of(segment->data(), segment->data() + kBytes,
                          [](std::byte b) { return b == std::byte{7}; }));
}

TEST_P(SegmentTest, IsPopulatedByManyThreadsAtOnce) {
  constexpr size_t kThreads = 6;
  constexpr size_t kBytes = 6 << 20;
  std::unique_ptr<Segment> segment = Create(kBytes);
  std::vector<std::thread> threads;
  for (size_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      const size_t piece = kBytes / kThreads;
      segment->Populate(thread * piece, piece);
      memset(segment->mutable_data() + thread * piece, static_cast<int>(thread + 1), piece);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t at = 0; at < kBytes; at += 4096) {
    ASSERT_EQ(segment->data()[at], static_cast<std::byte>(at / (kBytes / kThreads) + 1));
  }
}

TEST_P(SegmentTest, ReaderSeesWhatTheOwnerWrites) {
  std::unique_ptr<Segment> owner = Create(8192);
  absl::StatusOr<std::unique_ptr<Segment>> reader = Open(*owner, 8192);
  ASSERT_THAT(reader, IsOk());
  memcpy(owner->mutable_data() + 8000, "after opening", 14);
  EXPECT_EQ((*reader)->size_bytes(), 8192u);
  EXPECT_STREQ(reinterpret_cast<const char*>((*reader)->data()) + 8000, "after opening");
}

TEST_P(SegmentTest, ReaderCannotGetWriteAccess) {
  std::unique_ptr<Segment> owner = Create(4096);
  std::unique_ptr<Segment> reader = *Open(*owner, 4096);
  EXPECT_EQ(reader->mutable_data(), nullptr);
  EXPECT_EQ(reader->descriptor(), -1);
  EXPECT_EQ(tests::MappingRights(reader->data()), "r--s");
  void* address = const_cast<std::byte*>(reader->data());
  EXPECT_EQ(::mprotect(address, 4096, PROT_READ | PROT_WRITE), -1);
  EXPECT_EQ(errno, EACCES);
}

TEST_P(SegmentTest, WritingThroughAReaderEndsTheWriter) {
  std::unique_ptr<Segment> owner = Create(4096);
  std::unique_ptr<Segment> reader = *Open(*owner, 4096);
  tests::ChildProcess writer([&] {
    ::close(STDERR_FILENO);  // a sanitizer's report of it
    *const_cast<volatile std::byte*>(reader->data()) = std::byte{1};
    return 0;
  });
  EXPECT_NE(writer.Wait(), 0);
  EXPECT_EQ(owner->data()[0], std::byte{0});
}

TEST_P(SegmentTest, ReaderOutlivesTheOwner) {
  std::unique_ptr<Segment> owner = Create(4096);
  memcpy(owner->mutable_data(), "still here", 11);
  std::unique_ptr<Segment> reader = *Open(*owner, 4096);
  owner.reset();
  EXPECT_STREQ(reinterpret_cast<const char*>(reader->data()), "still here");
}

TEST_P(SegmentTest, RefusesASizeThatIsNotTheObjects) {
  std::unique_ptr<Segment> owner = Create(8192);
  for (size_t size : {size_t{0}, size_t{1}, size_t{4096}, size_t{8191}, size_t{8193}, size_t{12288},
                      size_t{1} << 40, std::numeric_limits<size_t>::max()}) {
    EXPECT_THAT(Open(*owner, size), StatusIs(absl::StatusCode::kDataLoss, HasSubstr(Name())))
        << size;
  }
}

TEST_P(SegmentTest, LeavesNothingBehind) {
  const size_t descriptors = tests::OpenDescriptors();
  {
    std::unique_ptr<Segment> owner = Create(4096);
    std::unique_ptr<Segment> reader = *Open(*owner, 4096);
    EXPECT_EQ(tests::SegmentMappings(Name()), 2u);
    // The reader needs no descriptor any more.
    EXPECT_EQ(tests::OpenDescriptors(), descriptors + (provider().passes_descriptors() ? 1 : 0));
  }
  EXPECT_EQ(tests::SegmentMappings(Name()), 0u);
  EXPECT_EQ(tests::OpenDescriptors(), descriptors);
  EXPECT_THAT(tests::SharedMemoryEntries(Name()), ::testing::IsEmpty());
}

TEST_P(SegmentTest, AnAbsurdSizeIsRefusedWithTheLimit) {
  const size_t descriptors = tests::OpenDescriptors();
  for (size_t size :
       {size_t{1} << 45, size_t{1} << 62, size_t{1} << 63, std::numeric_limits<size_t>::max()}) {
    EXPECT_THAT(provider().Create(Name(), size),
                StatusIs(absl::StatusCode::kResourceExhausted,
                         AllOf(HasSubstr(Name()), HasSubstr(absl::StrCat(size, " bytes")),
                               ::testing::ContainsRegex("memory|larger than a file"))))
        << size;
  }
  EXPECT_EQ(tests::OpenDescriptors(), descriptors);
  EXPECT_THAT(tests::SharedMemoryEntries(Name()), ::testing::IsEmpty());
}

TEST_P(SegmentTest, NamesTheLimitWhenNoDescriptorIsLeft) {
  if (!tests::CanRunWithoutDescriptors()) GTEST_SKIP() << "not with this sanitizer";
  EXPECT_TRUE(tests::PassesInChild([&] {
    tests::ForbidMoreDescriptors();
    EXPECT_THAT(provider().Create(Name(), 4096),
                StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("ulimit -n")));
  }));
}

TEST_P(SegmentTest, NamesTheLimitOfTheSizeOfFiles) {
  EXPECT_TRUE(tests::PassesInChild([&] {
    const rlimit limit = {.rlim_cur = 1 << 20, .rlim_max = 1 << 20};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
    EXPECT_THAT(provider().Create(Name(), 1 << 20), IsOk());
    EXPECT_THAT(provider().Create(Name(), (1 << 20) + 1),
                StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("ulimit -f")));
  }));
}

TEST_P(SegmentTest, NamesTheLimitWhenAddressSpaceIsUsedUp) {
  if (tests::kSanitized) GTEST_SKIP() << "sanitizers need the address space themselves";
  constexpr size_t kBytes = 64 << 20;
  std::unique_ptr<Segment> owner = Create(kBytes);
  EXPECT_TRUE(tests::PassesInChild([&] {
    std::ifstream statm("/proc/self/statm");
    size_t pages = 0;
    statm >> pages;
    const rlim_t used = pages * static_cast<size_t>(::sysconf(_SC_PAGESIZE));
    const rlimit limit = {.rlim_cur = used + kBytes / 2, .rlim_max = used + kBytes / 2};
    ASSERT_EQ(::setrlimit(RLIMIT_AS, &limit), 0);
    const auto says_so = StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("ulimit -v"));
    EXPECT_THAT(provider().Create(Name("2"), kBytes), says_so);
    EXPECT_THAT(Open(*owner, kBytes), says_so);
    EXPECT_THAT(tests::SharedMemoryEntries(Name("2")), ::testing::IsEmpty());
  }));
}

TEST(SegmentNameTest, AllowsLettersDigitsAndThreeSigns) {
  for (absl::string_view name : {"a", "m.1", "slabpipe.12.345.m.1", "A_b-c.9", "-", "_"}) {
    EXPECT_TRUE(IsValidSegmentName(name)) << name;
  }
  EXPECT_TRUE(IsValidSegmentName(std::string(63, 'x')));
}

TEST(SegmentNameTest, RefusesWhatCouldLeaveTheFolderOrIsTooLong) {
  for (absl::string_view name : {"", ".", "..", ".hidden", "a/b", "/a", "../a", "a b", "a\n",
                                 "\xc3\xa4", "a:b", "a%", "a*"}) {
    EXPECT_FALSE(IsValidSegmentName(name)) << name;
  }
  EXPECT_FALSE(IsValidSegmentName(absl::string_view("a\0b", 3)));
  EXPECT_FALSE(IsValidSegmentName(std::string(64, 'x')));
}

TEST(SegmentErrorTest, PicksTheCodeByWhatTheCallerShouldDo) {
  const struct {
    int error_number;
    absl::StatusCode code;
    absl::string_view says;
  } cases[] = {
      {ENOMEM, absl::StatusCode::kResourceExhausted, "vm.max_map_count"},
      {ENOSPC, absl::StatusCode::kResourceExhausted, "/dev/shm"},
      {EMFILE, absl::StatusCode::kResourceExhausted, "ulimit -n"},
      {ENFILE, absl::StatusCode::kResourceExhausted, "fs.file-max"},
      {EFBIG, absl::StatusCode::kResourceExhausted, "ulimit -f"},
      {EEXIST, absl::StatusCode::kAlreadyExists, "exists"},
      {ENOENT, absl::StatusCode::kNotFound, "No such file"},
      {EINVAL, absl::StatusCode::kInternal, "Invalid argument"},
  };
  for (const auto& c : cases) {
    EXPECT_THAT(SegmentError("m.7", "mmap", c.error_number, 123),
                StatusIs(c.code, AllOf(HasSubstr(std::string(c.says)), HasSubstr("'m.7'"),
                                       HasSubstr("123 bytes"), HasSubstr("mmap"))))
        << c.error_number;
  }
}

}  // namespace
}  // namespace slabpipe
