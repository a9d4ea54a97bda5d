#include "slabpipe/session/environment_store.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/tests/testing/child_process.h"
#include "slabpipe/tests/testing/small_disk.h"
#include "slabpipe/tests/testing/status_matchers.h"
#include "slabpipe/tests/testing/watchdog.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::IsOkAndHolds;
using ::slabpipe::tests::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Optional;
using ::testing::StartsWith;

constexpr int kCanNot = 77;  // what a child says that can't do what the test needs

class EnvironmentStoreTest : public ::testing::Test {
 protected:
  EnvironmentStoreTest()
      : root_(absl::StrCat(::testing::TempDir(), "/store")),
        store_({.environments = root_ + "/config/environments", .state = root_ + "/state"}) {
    std::filesystem::remove_all(root_);
  }
  ~EnvironmentStoreTest() override { std::filesystem::remove_all(root_); }

  std::string FileOf(const std::string& name) const {
    return absl::StrCat(store_.folders().environments, "/", name, ".json");
  }
  void Write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path) << text;
  }
  // All that is in the environments' folder.
  std::vector<std::string> Entries() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(store_.folders().environments)) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }
  // One whose arguments are `count` times `word`, so that half of it would show.
  static Environment Filled(int word, size_t count) {
    return {.name = "filled",
            .arguments = std::vector<std::string>(count, absl::StrCat("word ", word))};
  }
  static bool IsWhole(const Environment& environment) {
    for (const std::string& argument : *environment.arguments) {
      if (argument != environment.arguments->front()) return false;
    }
    return true;
  }

  tests::Watchdog watchdog_;
  const std::string root_;
  const EnvironmentStore store_;
};

TEST_F(EnvironmentStoreTest, WhatIsSavedIsListedAndLoaded) {
  EXPECT_THAT(store_.List(), IsOkAndHolds(IsEmpty())) << "there is no folder yet";
  const Environment r = {.name = "r-4.3", .program = "r_worker", .niceness = 3};
  EXPECT_THAT(store_.Save(r), IsOk());
  EXPECT_THAT(store_.Save({.name = "fast"}), IsOk());
  EXPECT_THAT(store_.List(), IsOkAndHolds(ElementsAre("fast", "r-4.3")));
  EXPECT_THAT(store_.Load("r-4.3"), IsOkAndHolds(r));
  const Environment other = {.name = "r-4.3", .program = "other"};
  EXPECT_THAT(store_.Save(other), IsOk());
  EXPECT_THAT(store_.Load("r-4.3"), IsOkAndHolds(other));
  EXPECT_THAT(Entries(), ::testing::UnorderedElementsAre("fast.json", "r-4.3.json"));
}

TEST_F(EnvironmentStoreTest, FilesAndFoldersAreTheirOwnersAlone) {
  ASSERT_THAT(store_.Save({.name = "x"}), IsOk());
  struct stat status;
  ASSERT_EQ(::stat(FileOf("x").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  ASSERT_EQ(::stat(store_.folders().environments.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);
}

TEST_F(EnvironmentStoreTest, WhatIsNotThereIsNotFound) {
  EXPECT_THAT(store_.Load("none"), StatusIs(absl::StatusCode::kNotFound,
                                            AllOf(HasSubstr("'none'"), HasSubstr(FileOf("none")),
                                                  HasSubstr("there are none"))));
  ASSERT_THAT(store_.Save({.name = "a"}), IsOk());
  ASSERT_THAT(store_.Save({.name = "b"}), IsOk());
  EXPECT_THAT(store_.Load("none"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("there are: a, b")));
  EXPECT_THAT(store_.Remove("none"), StatusIs(absl::StatusCode::kNotFound, HasSubstr("a, b")));
  EXPECT_THAT(store_.Activate("none"), StatusIs(absl::StatusCode::kNotFound, HasSubstr("a, b")));
}

TEST_F(EnvironmentStoreTest, NoNameLeavesTheFolder) {
  Write(root_ + "/config/outside.json", "{}");
  for (const char* name : {"../outside", "", ".", "a/b"}) {
    EXPECT_THAT(store_.Load(name), StatusIs(absl::StatusCode::kInvalidArgument));
    EXPECT_THAT(store_.Remove(name), StatusIs(absl::StatusCode::kInvalidArgument));
    EXPECT_THAT(store_.Activate(name), StatusIs(absl::StatusCode::kInvalidArgument));
    EXPECT_THAT(store_.Save({.name = name}), StatusIs(absl::StatusCode::kInvalidArgument));
  }
  EXPECT_TRUE(std::filesystem::exists(root_ + "/config/outside.json"));
}

TEST_F(EnvironmentStoreTest, WhatPeopleWriteIsReadWithErrorsThatNameFileAndKey) {
  Write(FileOf("mine"), R"({"program": "x"})");
  EXPECT_THAT(store_.Load("mine"), IsOkAndHolds(Environment{.name = "mine", .program = "x"}));
  Write(FileOf("bad"), R"({"limits": {"open_files": "many"}})");
  EXPECT_THAT(store_.Load("bad"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       StartsWith(FileOf("bad") + ": /limits/open_files is \"many\"; ")));
  Write(FileOf("copy"), R"({"name": "mine"})");
  EXPECT_THAT(store_.Load("copy"), StatusIs(absl::StatusCode::kInvalidArgument,
                                            HasSubstr("/name is 'mine'; it is 'copy'")));
  Write(FileOf("large"), std::string((1 << 20) + 1, ' '));
  EXPECT_THAT(store_.Load("large"),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr(FileOf("large"))));
  std::filesystem::create_directories(FileOf("folder"));
  EXPECT_THAT(store_.Load("folder"),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(FileOf("folder"))));
}

TEST_F(EnvironmentStoreTest, FilesOfOtherNamesArePassedOver) {
  ASSERT_THAT(store_.Save({.name = "a"}), IsOk());
  Write(store_.folders().environments + "/.a.json.AbCdEf", "{");
  Write(store_.folders().environments + "/README", "");
  Write(store_.folders().environments + "/a b.json", "{}");
  Write(store_.folders().environments + "/.json", "{}");
  EXPECT_THAT(store_.List(), IsOkAndHolds(ElementsAre("a")));
}

TEST_F(EnvironmentStoreTest, ALinkStaysOne) {
  const std::string elsewhere = root_ + "/dotfiles/x.json";
  Write(elsewhere, "{}");
  std::filesystem::create_directories(store_.folders().environments);
  std::filesystem::create_symlink(elsewhere, FileOf("x"));
  ASSERT_THAT(store_.Save({.name = "x", .niceness = 1}), IsOk());
  EXPECT_TRUE(std::filesystem::is_symlink(FileOf("x")));
  EXPECT_EQ(store_.Load("x")->niceness, 1);
  EXPECT_FALSE(std::filesystem::is_symlink(elsewhere));
}

// The active one.

TEST_F(EnvironmentStoreTest, TheLastActiveOneIsRemembered) {
  ASSERT_THAT(store_.Save({.name = "a"}), IsOk());
  ASSERT_THAT(store_.Save({.name = "b"}), IsOk());
  EXPECT_THAT(store_.Active(), IsOkAndHolds(std::nullopt));
  EXPECT_THAT(store_.Activate("a"), IsOk());
  EXPECT_THAT(store_.Activate("b"), IsOk());
  EXPECT_THAT(EnvironmentStore(store_.folders()).Active(),
              IsOkAndHolds(Optional(std::string("b"))));
  EXPECT_THAT(store_.Deactivate(), IsOk());
  EXPECT_THAT(store_.Deactivate(), IsOk()) << "nothing is left to do";
  EXPECT_THAT(store_.Active(), IsOkAndHolds(std::nullopt));
}

TEST_F(EnvironmentStoreTest, OneThatIsRemovedIsNotActiveAnyMore) {
  ASSERT_THAT(store_.Save({.name = "a"}), IsOk());
  ASSERT_THAT(store_.Save({.name = "b"}), IsOk());
  ASSERT_THAT(store_.Activate("a"), IsOk());
  EXPECT_THAT(store_.Remove("b"), IsOk());
  EXPECT_THAT(store_.Active(), IsOkAndHolds(Optional(std::string("a"))));
  EXPECT_THAT(store_.Remove("a"), IsOk());
  EXPECT_THAT(store_.List(), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(store_.Active(), IsOkAndHolds(std::nullopt));
  ASSERT_THAT(store_.Save({.name = "a"}), IsOk());
  EXPECT_THAT(store_.Active(), IsOkAndHolds(std::nullopt)) << "another one of that name";
  ASSERT_THAT(store_.Activate("a"), IsOk());
  ASSERT_EQ(::unlink(FileOf("a").c_str()), 0);
  EXPECT_THAT(store_.Active(), IsOkAndHolds(std::nullopt)) << "removed by other means";
}

TEST_F(EnvironmentStoreTest, OneThatIsWrongCanNotBeActivated) {
  Write(FileOf("bad"), "{");
  EXPECT_THAT(store_.Activate("bad"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(FileOf("bad"))));
  EXPECT_THAT(store_.Active(), IsOkAndHolds(std::nullopt));
}

TEST_F(EnvironmentStoreTest, AStateThatIsNoNameIsAnError) {
  Write(store_.folders().state + "/active_environment", "../../etc/passwd\n");
  EXPECT_THAT(store_.Active(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("/state/active_environment")));
}

// Where the folders are.

class UserFoldersTest : public ::testing::Test {
 protected:
  UserFoldersTest() {
    ::unsetenv("XDG_CONFIG_HOME");
    ::unsetenv("XDG_STATE_HOME");
    ::setenv("HOME", "/home/me", 1);
  }
};

TEST_F(UserFoldersTest, AreBelowHome) {
  const absl::StatusOr<EnvironmentFolders> folders = EnvironmentFolders::OfUser();
  ASSERT_THAT(folders, IsOk());
  EXPECT_EQ(folders->environments, "/home/me/.config/slabpipe/environments");
  EXPECT_EQ(folders->state, "/home/me/.local/state/slabpipe");
}

TEST_F(UserFoldersTest, AreWhereXdgSays) {
  ::setenv("XDG_CONFIG_HOME", "/c", 1);
  ::setenv("XDG_STATE_HOME", "/s", 1);
  ::unsetenv("HOME");
  const absl::StatusOr<EnvironmentFolders> folders = EnvironmentFolders::OfUser();
  ASSERT_THAT(folders, IsOk());
  EXPECT_EQ(folders->environments, "/c/slabpipe/environments");
  EXPECT_EQ(folders->state, "/s/slabpipe");
}

TEST_F(UserFoldersTest, RelativeAndEmptyPathsDoNotCount) {
  for (const char* path : {"", "relative", "./c"}) {
    ::setenv("XDG_CONFIG_HOME", path, 1);
    ::setenv("XDG_STATE_HOME", path, 1);
    ::setenv("HOME", "/home/me", 1);
    EXPECT_EQ(EnvironmentFolders::OfUser()->environments, "/home/me/.config/slabpipe/environments");
    EXPECT_EQ(EnvironmentFolders::OfUser()->state, "/home/me/.local/state/slabpipe");
    ::setenv("HOME", path, 1);
    EXPECT_THAT(EnvironmentFolders::OfUser(),
                StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("XDG_CONFIG_HOME")));
  }
}

// Failures.

TEST_F(EnvironmentStoreTest, AFolderThatCanNotBeMadeIsNamed) {
  Write(root_ + "/config", "a file");
  EXPECT_FALSE(store_.Save({.name = "x"}).ok());
  EXPECT_THAT(std::string(store_.Save({.name = "x"}).message()), HasSubstr(root_ + "/config"));
}

// Beyond a limit of the size of files.
TEST_F(EnvironmentStoreTest, AFileThatBecomesTooLargeLeavesTheOldOne) {
  ASSERT_THAT(store_.Save(Filled(1, 10)), IsOk());
  EXPECT_TRUE(tests::PassesInChild([&] {
    ::signal(SIGXFSZ, SIG_IGN);
    rlimit limit;
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &limit), 0);
    const rlim_t before = std::exchange(limit.rlim_cur, 1000);
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
    const absl::Status saved = store_.Save(Filled(2, 1000));
    limit.rlim_cur = before;
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
    EXPECT_THAT(saved, StatusIs(absl::StatusCode::kResourceExhausted,
                                AllOf(HasSubstr(FileOf("filled")), HasSubstr("ulimit -f"))));
  }));
  EXPECT_THAT(store_.Load("filled"), IsOkAndHolds(Filled(1, 10)));
  EXPECT_THAT(Entries(), ElementsAre("filled.json"));
}

TEST_F(EnvironmentStoreTest, AFullDiskLeavesTheOldFile) {
  tests::ChildProcess child([&] {
    if (!tests::MountSmallDisk(store_.folders().environments)) {
      ::fprintf(stderr, "no mount of its own: %s\n", ::strerror(errno));
      return kCanNot;
    }
    EXPECT_THAT(store_.Save(Filled(1, 10)), IsOk());
    EXPECT_THAT(store_.Save(Filled(2, 10'000)),
                StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr(FileOf("filled"))));
    EXPECT_THAT(store_.Load("filled"), IsOkAndHolds(Filled(1, 10)));
    EXPECT_THAT(Entries(), ElementsAre("filled.json"));
    EXPECT_THAT(store_.Save(Filled(3, 20)), IsOk()) << "there is room for this";
    return ::testing::Test::HasFailure() ? 1 : 0;
  });
  const int end = child.Wait();
  if (end == kCanNot) GTEST_SKIP() << "this system lets no user mount a small disk of its own";
  EXPECT_EQ(end, 0);
}

// Many at once.

TEST_F(EnvironmentStoreTest, ThreadsThatWriteAndReadSeeWholeFiles) {
  ASSERT_THAT(store_.Save(Filled(0, 1)), IsOk());
  std::vector<std::thread> threads;
  for (int writer = 1; writer <= 4; ++writer) {
    threads.emplace_back([this, writer] {
      for (size_t i = 0; i < 25; ++i) ASSERT_THAT(store_.Save(Filled(writer, 1 + 97 * i)), IsOk());
    });
  }
  for (int reader = 0; reader < 2; ++reader) {
    threads.emplace_back([this] {
      for (int i = 0; i < 200; ++i) {
        const absl::StatusOr<Environment> loaded = store_.Load("filled");
        ASSERT_THAT(loaded, IsOk());
        ASSERT_TRUE(IsWhole(*loaded));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(store_.List(), IsOkAndHolds(ElementsAre("filled")));
  EXPECT_THAT(Entries(), ElementsAre("filled.json"));
}

TEST_F(EnvironmentStoreTest, ProcessesThatWriteAndAreKilledLeaveWholeFiles) {
  ASSERT_THAT(store_.Save(Filled(0, 1)), IsOk());
  std::vector<std::unique_ptr<tests::ChildProcess>> writers;
  for (int writer = 1; writer <= 3; ++writer) {
    writers.push_back(std::make_unique<tests::ChildProcess>([this, writer] {
      for (size_t i = 0;; ++i) {
        if (!store_.Save(Filled(writer, 1 + i % 5000)).ok()) return 1;
      }
    }));
  }
  const auto load = [&] {
    const absl::StatusOr<Environment> loaded = store_.Load("filled");
    EXPECT_THAT(loaded, IsOk());
    EXPECT_TRUE(loaded.ok() && IsWhole(*loaded));
    return loaded.value_or(Filled(0, 1)).arguments->front();
  };
  while (load() == "word 0") {
  }
  for (int i = 0; i < 200; ++i) load();
  for (const auto& writer : writers) {
    writer->Kill();
    EXPECT_EQ(writer->Wait(), tests::ChildProcess::kKilled);
    load();
  }
  EXPECT_THAT(store_.List(), IsOkAndHolds(ElementsAre("filled")));
}

}  // namespace
}  // namespace slabpipe
