#include "slabpipe/transport/posix_segment.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/tests/testing/child_process.h"
#include "slabpipe/tests/testing/process_state.h"
#include "slabpipe/tests/testing/status_matchers.h"
#include "slabpipe/tests/testing/watchdog.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::SharedMemoryEntries;
using ::slabpipe::tests::StatusIs;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// An object in /dev/shm that nobody's Segment owns; gone at the end of the test.
class Leftover {
 public:
  explicit Leftover(std::string name) : path_(absl::StrCat("/", name)) {
    UniqueFd object(::shm_open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600));
    EXPECT_TRUE(object.valid()) << path_;
  }
  ~Leftover() { ::shm_unlink(path_.c_str()); }
  bool exists() const { return !SharedMemoryEntries(path_.substr(1)).empty(); }
  std::string file() const { return absl::StrCat("/dev/shm", path_); }

 private:
  const std::string path_;
};

class PosixSegmentTest : public ::testing::Test {
 protected:
  const std::string name_ = absl::StrCat(PosixSegmentPrefix(), "posix_test");
  PosixSegmentProvider provider_;

 private:
  tests::Watchdog watchdog_;
};

TEST_F(PosixSegmentTest, IsForItsUserAlone) {
  std::unique_ptr<Segment> segment = *provider_.Create(name_, 4096);
  struct stat object;
  ASSERT_EQ(::stat(absl::StrCat("/dev/shm/", name_).c_str(), &object), 0);
  EXPECT_EQ(object.st_mode & 07777, 0600u);
}

TEST_F(PosixSegmentTest, ANameThatIsTakenIsLeftAlone) {
  std::unique_ptr<Segment> first = *provider_.Create(name_, 4096);
  EXPECT_THAT(provider_.Create(name_, 8192),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr(name_)));
  EXPECT_THAT(provider_.Open(name_, 4096, UniqueFd()), IsOk());
}

TEST_F(PosixSegmentTest, ANameThatIsNotThereIsNotFound) {
  EXPECT_THAT(provider_.Open(name_, 4096, UniqueFd()),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(name_)));
}

TEST_F(PosixSegmentTest, ADescriptorIsRefused) {
  std::unique_ptr<Segment> segment = *provider_.Create(name_, 4096);
  EXPECT_THAT(provider_.Open(name_, 4096, UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC))),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("a descriptor came")));
}

TEST_F(PosixSegmentTest, NamesTheLimitWhenAReaderHasNoDescriptorLeft) {
  if (!tests::CanRunWithoutDescriptors()) GTEST_SKIP() << "not with this sanitizer";
  std::unique_ptr<Segment> segment = *provider_.Create(name_, 4096);
  EXPECT_TRUE(tests::PassesInChild([&] {
    tests::ForbidMoreDescriptors();
    EXPECT_THAT(provider_.Open(name_, 4096, UniqueFd()),
                StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("ulimit -n")));
  }));
}

TEST_F(PosixSegmentTest, OnlyTheOwnerUnlinks) {
  std::unique_ptr<Segment> owner = *provider_.Create(name_, 4096);
  provider_.Open(name_, 4096, UniqueFd())->reset();
  EXPECT_THAT(SharedMemoryEntries(name_), ElementsAre(name_));
  owner.reset();
  EXPECT_THAT(SharedMemoryEntries(name_), IsEmpty());
}

TEST_F(PosixSegmentTest, PrefixNamesThisProcess) {
  const std::vector<std::string> parts = absl::StrSplit(PosixSegmentPrefix(), '.');
  ASSERT_GE(parts.size(), 4u);
  EXPECT_EQ(parts[0], "slabpipe");
  EXPECT_EQ(parts[1], absl::StrCat(::getpid()));
  EXPECT_NE(parts[2], "0");
  EXPECT_EQ(parts.back(), "");
  EXPECT_EQ(PosixSegmentPrefix(), PosixSegmentPrefix());
  EXPECT_LE(PosixSegmentPrefix().size(), 48u) << "no room for the rest of a name";
}

TEST_F(PosixSegmentTest, PrefixOfAnotherProcessIsAnother) {
  const std::string mine = PosixSegmentPrefix();
  EXPECT_TRUE(tests::PassesInChild([&] { EXPECT_NE(PosixSegmentPrefix(), mine); }));
}

// A segment that a child has left behind. Returns its name.
std::string LeaveBehindByAKilledChild() {
  int ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  UniqueFd read_end(ends[0]), write_end(ends[1]);
  tests::ChildProcess child([&] {
    PosixSegmentProvider provider;
    const std::string name = absl::StrCat(PosixSegmentPrefix(), "left");
    absl::StatusOr<std::unique_ptr<Segment>> segment = provider.Create(name, 4096);
    if (!segment.ok()) return 1;
    if (::write(write_end.get(), name.data(), name.size()) < 0) return 2;
    ::pause();
    return 3;
  });
  char name[64];
  const ssize_t length = ::read(read_end.get(), name, sizeof(name));
  child.Kill();
  EXPECT_EQ(child.Wait(), tests::ChildProcess::kKilled);
  return std::string(name, static_cast<size_t>(length));
}

TEST_F(PosixSegmentTest, SweepsWhatAKilledOwnerLeft) {
  const std::string name = LeaveBehindByAKilledChild();
  ASSERT_THAT(SharedMemoryEntries(name), ElementsAre(name));
  EXPECT_GE(SweepDeadOwners(), 1);
  EXPECT_THAT(SharedMemoryEntries(name), IsEmpty());
  EXPECT_EQ(SweepDeadOwners(), 0);
}

TEST_F(PosixSegmentTest, SweepKeepsWhatLivingOwnersHave) {
  std::unique_ptr<Segment> mine = *provider_.Create(name_, 4096);
  SweepDeadOwners();
  EXPECT_THAT(SharedMemoryEntries(name_), ElementsAre(name_));

  EXPECT_TRUE(tests::PassesInChild([&] {
    SweepDeadOwners();
    EXPECT_THAT(SharedMemoryEntries(name_), ElementsAre(name_)) << "swept by another process";
  }));
}

TEST_F(PosixSegmentTest, SweepIsNotFooledByAPidThatIsUsedAgain) {
  const std::vector<std::string> parts = absl::StrSplit(PosixSegmentPrefix(), '.');
  std::vector<std::string> other = parts;
  other[2] = "1";  // this process's pid, but it began at another time
  Leftover leftover(absl::StrCat(absl::StrJoin(other, "."), "posix_test"));
  EXPECT_EQ(SweepDeadOwners(), 1);
  EXPECT_FALSE(leftover.exists());
}

TEST_F(PosixSegmentTest, SweepKeepsForeignNames) {
  const std::string dead = LeaveBehindByAKilledChild();
  // The dead owner's name, changed so that it is no longer one of ours.
  for (const std::string& name :
       {absl::StrCat("x", dead), dead.substr(0, dead.find('.', dead.find('.') + 1)),
        std::string("slabpipe"), std::string("slabpipe.note.txt.old"), std::string("slabpipe..1.x"),
        std::string("slabpipe.1x.2.m.1")}) {
    Leftover foreign(name);
    SweepDeadOwners();
    EXPECT_TRUE(foreign.exists()) << name;
  }
}

TEST_F(PosixSegmentTest, SweepKeepsWhatIsOfAnotherUser) {
  const std::string dead = LeaveBehindByAKilledChild();
  SweepDeadOwners();
  Leftover leftover(dead);
  if (::chown(leftover.file().c_str(), 65534, 65534) != 0) {
    GTEST_SKIP() << "only root can make another user's file";
  }
  EXPECT_EQ(SweepDeadOwners(), 0);
  EXPECT_TRUE(leftover.exists());
}

}  // namespace
}  // namespace slabpipe
