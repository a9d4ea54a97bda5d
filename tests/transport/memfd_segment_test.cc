#include "slabpipe/transport/memfd_segment.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/tests/testing/process_state.h"
#include "slabpipe/tests/testing/status_matchers.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr size_t kBytes = 16384;
constexpr int kGoodSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;

// A memfd as a peer might make it.
UniqueFd MakeMemfd(size_t bytes, bool reserved, int seals) {
  UniqueFd object(::memfd_create("slabpipe:hostile", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  EXPECT_EQ(::ftruncate(object.get(), static_cast<off_t>(bytes)), 0);
  if (reserved) {
    EXPECT_EQ(::fallocate(object.get(), 0, 0, static_cast<off_t>(bytes)), 0);
  }
  EXPECT_EQ(::fcntl(object.get(), F_ADD_SEALS, seals), 0);
  return object;
}

class MemfdSegmentTest : public ::testing::Test {
 protected:
  MemfdSegmentTest() : segment_(*provider_.Create("m.1", kBytes)) {}
  int fd() const { return segment_->descriptor(); }

  MemfdSegmentProvider provider_;
  std::unique_ptr<Segment> segment_;
};

TEST_F(MemfdSegmentTest, CannotShrink) {
  EXPECT_EQ(::ftruncate(fd(), kBytes / 2), -1);
  EXPECT_EQ(errno, EPERM);
}

TEST_F(MemfdSegmentTest, CannotGrow) {
  EXPECT_EQ(::ftruncate(fd(), 2 * kBytes), -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_EQ(::fallocate(fd(), 0, 0, 2 * kBytes), -1);
  EXPECT_EQ(errno, EPERM);
}

TEST_F(MemfdSegmentTest, CannotBeWrittenThroughItsDescriptor) {
  EXPECT_EQ(::pwrite(fd(), "x", 1, 0), -1);
  EXPECT_EQ(errno, EPERM);
}

TEST_F(MemfdSegmentTest, CannotBeMappedWritableAgain) {
  EXPECT_EQ(::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd(), 0), MAP_FAILED);
  EXPECT_EQ(errno, EPERM);
}

TEST_F(MemfdSegmentTest, CannotBePunched) {
  EXPECT_EQ(::fallocate(fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), -1);
  EXPECT_EQ(errno, EPERM);
  // Not even through the owner's own, writable mapping.
  EXPECT_EQ(::madvise(segment_->mutable_data(), 4096, MADV_REMOVE), -1);
  EXPECT_EQ(errno, EPERM);
}

TEST_F(MemfdSegmentTest, CannotBeSealedFurther) {
  EXPECT_EQ(::fcntl(fd(), F_GET_SEALS) & kGoodSeals, kGoodSeals);
  EXPECT_EQ(::fcntl(fd(), F_ADD_SEALS, F_SEAL_WRITE), -1);
  EXPECT_EQ(errno, EPERM);
}

TEST_F(MemfdSegmentTest, OwnerGoesOnWriting) {
  std::unique_ptr<Segment> reader = *provider_.Open("m.1", kBytes, UniqueFd(::dup(fd())));
  for (int value = 1; value < 4; ++value) {
    memset(segment_->mutable_data(), value, kBytes);
    EXPECT_EQ(reader->data()[kBytes - 1], static_cast<std::byte>(value));
  }
}

TEST_F(MemfdSegmentTest, DescriptorIsNotInheritedByPrograms) {
  EXPECT_EQ(::fcntl(fd(), F_GETFD), FD_CLOEXEC);
}

TEST_F(MemfdSegmentTest, HasNoNameInTheFileSystem) {
  EXPECT_THAT(tests::SharedMemoryEntries("m.1"), ::testing::IsEmpty());
}

// What a hostile peer could pass instead of a segment.
class HostileMemfdTest : public ::testing::Test {
 protected:
  // The status of opening `object`; nothing of it may stay mapped or open.
  absl::Status Open(UniqueFd object, size_t bytes = kBytes) {
    const size_t descriptors = tests::OpenDescriptors();
    const size_t had = object.valid() ? 1 : 0;
    absl::Status status = provider_.Open("w.1", bytes, std::move(object)).status();
    EXPECT_EQ(tests::OpenDescriptors(), descriptors - had);
    EXPECT_EQ(tests::SegmentMappings(), 0u);
    return status;
  }
  static auto IsRefused(const std::string& why) {
    return StatusIs(absl::StatusCode::kDataLoss, AllOf(HasSubstr("'w.1'"), HasSubstr(why)));
  }

  MemfdSegmentProvider provider_;
};

TEST_F(HostileMemfdTest, OneThatIsAsItShouldBeIsAccepted) {
  EXPECT_THAT(Open(MakeMemfd(kBytes, true, kGoodSeals)), IsOk());
}

TEST_F(HostileMemfdTest, NoDescriptorIsRefused) {
  EXPECT_THAT(Open(UniqueFd()), IsRefused("no descriptor"));
}

TEST_F(HostileMemfdTest, OneWithoutSealsIsRefused) {
  EXPECT_THAT(Open(MakeMemfd(kBytes, true, 0)), IsRefused("not sealed"));
}

TEST_F(HostileMemfdTest, OneThatCouldShrinkIsRefused) {
  EXPECT_THAT(Open(MakeMemfd(kBytes, true, kGoodSeals & ~F_SEAL_SHRINK)), IsRefused("not sealed"));
}

TEST_F(HostileMemfdTest, OneThatOthersCouldWriteIsRefused) {
  EXPECT_THAT(Open(MakeMemfd(kBytes, true, kGoodSeals & ~F_SEAL_FUTURE_WRITE)),
              IsRefused("not sealed"));
}

TEST_F(HostileMemfdTest, OneOfAnotherSizeIsRefused) {
  EXPECT_THAT(Open(MakeMemfd(kBytes - 4096, true, kGoodSeals)), IsRefused("12288 bytes, not"));
  EXPECT_THAT(Open(MakeMemfd(kBytes + 4096, true, kGoodSeals)), IsRefused("20480 bytes, not"));
  EXPECT_THAT(Open(MakeMemfd(0, false, kGoodSeals)), IsRefused("0 bytes, not"));
  EXPECT_THAT(Open(MakeMemfd(0, false, kGoodSeals), 0), IsRefused("size is 0"));
}

TEST_F(HostileMemfdTest, OneWhoseMemoryIsNotThereIsRefused) {
  EXPECT_THAT(Open(MakeMemfd(kBytes, false, kGoodSeals)), IsRefused("not reserved"));
  EXPECT_THAT(Open(MakeMemfd(1 << 30, false, kGoodSeals), 1 << 30), IsRefused("not reserved"));
  EXPECT_THAT(Open(MakeMemfd(100, false, kGoodSeals), 100), IsRefused("not reserved"));
}

TEST_F(HostileMemfdTest, OneWithAHoleIsRefused) {
  UniqueFd object = MakeMemfd(kBytes, true, 0);
  ASSERT_EQ(::fallocate(object.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 4096), 0);
  ASSERT_EQ(::fcntl(object.get(), F_ADD_SEALS, kGoodSeals), 0);
  EXPECT_THAT(Open(std::move(object)), IsRefused("not reserved"));
}

TEST_F(HostileMemfdTest, OtherObjectsAreRefused) {
  std::string path = ::testing::TempDir() + "/plain_file.XXXXXX";
  UniqueFd file(::mkstemp(path.data()));
  ASSERT_TRUE(file.valid());
  ASSERT_EQ(::unlink(path.c_str()), 0);
  ASSERT_EQ(::posix_fallocate(file.get(), 0, kBytes), 0);
  EXPECT_THAT(Open(std::move(file)), StatusIs(absl::StatusCode::kDataLoss));

  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  UniqueFd write_end(ends[1]);
  EXPECT_THAT(Open(UniqueFd(ends[0])), IsRefused("no memfd"));
  EXPECT_THAT(Open(UniqueFd(::open("/dev/zero", O_RDWR | O_CLOEXEC))), IsRefused("no memfd"));
  EXPECT_THAT(Open(UniqueFd(::open("/", O_PATH | O_CLOEXEC))), IsRefused("no memfd"));
}

}  // namespace
}  // namespace slabpipe
