#include "slabpipe/session/find_program.h"

#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/session/handshake.h"
#include "slabpipe/tests/testing/status_matchers.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::IsOkAndHolds;
using ::slabpipe::tests::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

// A layout of files in a folder of the test's own.
class FindProgramTest : public ::testing::Test {
 protected:
  FindProgramTest() : root_(absl::StrCat(::testing::TempDir(), "/layout")) {
    std::filesystem::remove_all(root_);
    std::filesystem::create_directories(root_);
  }
  ~FindProgramTest() override { std::filesystem::remove_all(root_); }

  std::string At(const std::string& path) const { return absl::StrCat(root_, "/", path); }
  std::string Make(const std::string& path, mode_t mode) const {
    std::filesystem::create_directories(std::filesystem::path(At(path)).parent_path());
    std::ofstream(At(path)) << "#!/bin/true\n";
    ::chmod(At(path).c_str(), mode);
    return At(path);
  }
  std::string MakeProgram(const std::string& path) const { return Make(path, 0755); }

  const std::string root_;
};

TEST_F(FindProgramTest, APathIsTakenAsItStands) {
  const ProgramRoots roots = {.executable = MakeProgram("bin/app"), .path = {At("bin")}};
  EXPECT_THAT(FindProgram("/bin/sh", roots), IsOkAndHolds("/bin/sh"));
  EXPECT_THAT(ProgramPlaces("./app", roots), ElementsAre("./app"));
  EXPECT_THAT(ProgramPlaces("../bin/app", roots), ElementsAre("../bin/app"));
  EXPECT_THAT(FindProgram("./app", roots),
              StatusIs(absl::StatusCode::kNotFound,
                       AllOf(HasSubstr("'./app' was not found"), HasSubstr("./app, seen from /"),
                             Not(HasSubstr(root_)))));
}

TEST_F(FindProgramTest, ARelativePathIsFirstSeenFromHere) {
  const std::string beside = MakeProgram("bin/tests/workers/inspector");
  const ProgramRoots roots = {.executable = At("bin/app")};
  EXPECT_THAT(FindProgram("tests/workers/inspector", roots),
              IsOkAndHolds("tests/workers/inspector"));
  EXPECT_THAT(FindProgram("tests/workers/inspector", {}), IsOkAndHolds("tests/workers/inspector"));
  MakeProgram("bin/some/worker");
  EXPECT_THAT(FindProgram("some/worker", roots), IsOkAndHolds(At("bin/some/worker")));
}

TEST_F(FindProgramTest, ANameIsLookedForBesideTheExecutableThenInPath) {
  const std::string in_path = MakeProgram("path/worker");
  const ProgramRoots roots = {.executable = MakeProgram("bin/app"),
                              .path = {At("none"), At("path")}};
  EXPECT_THAT(FindProgram("worker", roots), IsOkAndHolds(in_path));
  const std::string beside = MakeProgram("bin/worker");
  EXPECT_THAT(FindProgram("worker", roots), IsOkAndHolds(beside));
}

TEST_F(FindProgramTest, ANameIsNotLookedForInTheWorkingDirectory) {
  for (const std::string& place : ProgramPlaces("worker", {.executable = At("bin/app")})) {
    EXPECT_EQ(place[0], '/') << place;
  }
}

// Bazel.

TEST_F(FindProgramTest, RunfilesAreSearchedUnderEveryWorkspace) {
  const std::string worker = MakeProgram("runfiles/mine/examples/quickstart/stats_worker");
  Make("runfiles/MANIFEST", 0644);
  MakeProgram("runfiles/slabpipe/session/other");
  const ProgramRoots roots = {.executable = At("cache/app"), .runfiles = {At("runfiles")}};
  EXPECT_THAT(FindProgram("examples/quickstart/stats_worker", roots), IsOkAndHolds(worker));
  EXPECT_THAT(FindProgram("mine/examples/quickstart/stats_worker", roots), IsOkAndHolds(worker));
  EXPECT_THAT(FindProgram("session/other", roots),
              IsOkAndHolds(At("runfiles/slabpipe/session/other")));
}

TEST_F(FindProgramTest, ANameIsLookedForInThePackageOfTheExecutable) {
  MakeProgram("runfiles/_main/examples/quickstart/app");
  MakeProgram("runfiles/_main/app");
  MakeProgram("runfiles/_main/other/worker");
  const std::string worker = MakeProgram("runfiles/_main/examples/quickstart/worker");
  const ProgramRoots roots = {.executable = At("out/bin/examples/quickstart/app"),
                              .runfiles = {At("runfiles")}};
  EXPECT_THAT(FindProgram("worker", roots), IsOkAndHolds(worker));
  EXPECT_THAT(FindProgram("workers/none", roots), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(FindProgramTest, ThePackageMayBeTheWorkspaceItself) {
  MakeProgram("runfiles/_main/app");
  const std::string worker = MakeProgram("runfiles/_main/worker");
  const ProgramRoots roots = {.executable = At("out/bin/app"), .runfiles = {At("runfiles")}};
  EXPECT_THAT(FindProgram("worker", roots), IsOkAndHolds(worker));
}

TEST_F(FindProgramTest, RunfilesOfThisProcessAreThoseOfTheEnvironmentAndItsOwn) {
  const ProgramRoots roots = RootsOfThisProcess();
  EXPECT_THAT(roots.executable, EndsWith("tests/session/find_program_test"));
  ASSERT_NE(::getenv("TEST_SRCDIR"), nullptr) << "Bazel says where its runfiles are";
  EXPECT_THAT(roots.runfiles, ::testing::Contains(::getenv("TEST_SRCDIR")));
  EXPECT_THAT(roots.runfiles, ::testing::Contains(roots.executable + ".runfiles"));
  EXPECT_THAT(roots.path, Not(::testing::IsEmpty()));
  EXPECT_THAT(FindProgram("slabpipe/tests/workers/inspector", roots),
              IsOkAndHolds(EndsWith("slabpipe/tests/workers/inspector")));
  EXPECT_THAT(FindProgram("find_program_test"), IsOkAndHolds(roots.executable));
}

// Installed.

TEST_F(FindProgramTest, InstalledWorkersAreInLibexecOrLib) {
  const ProgramRoots roots = {.executable = MakeProgram("usr/bin/app"), .path = {At("path")}};
  const auto found_after_making = [&](const std::string& path) {
    EXPECT_THAT(FindProgram("worker", roots), IsOkAndHolds(MakeProgram(path)));
  };
  found_after_making("path/worker");
  found_after_making("usr/lib/app/worker");
  found_after_making("usr/libexec/app/worker");
  found_after_making("usr/libexec/worker");
  found_after_making("usr/bin/worker");
}

TEST_F(FindProgramTest, OnlyWhatLiesInBinIsInstalled) {
  MakeProgram("libexec/worker");
  EXPECT_THAT(FindProgram("worker", {.executable = At("build/app")}),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(FindProgram("worker", {.executable = At("sbin/app")}),
              IsOkAndHolds(At("libexec/worker")));
}

// What is none.

TEST_F(FindProgramTest, TheErrorListsEveryPlaceOnce) {
  Make("usr/libexec/worker", 0644);
  std::filesystem::create_directories(At("path/worker"));
  std::filesystem::create_directories(At("runfiles/_main"));
  const ProgramRoots roots = {.executable = MakeProgram("usr/bin/app"),
                              .runfiles = {At("runfiles"), At("none"), At("runfiles")},
                              .path = {At("path"), At("usr/bin")}};
  const std::vector<std::string> places = {"usr/bin/worker",
                                           "runfiles/worker",
                                           "runfiles/_main/worker",
                                           "none/worker",
                                           "usr/libexec/worker (is no executable file)",
                                           "usr/libexec/app/worker",
                                           "usr/lib/app/worker",
                                           "path/worker (is no executable file)"};
  std::string text = "the worker program 'worker' was not found; looked at:";
  for (const std::string& place : places) text += absl::StrCat("\n  ", At(place));
  EXPECT_THAT(FindProgram("worker", roots), StatusIs(absl::StatusCode::kNotFound, text));
}

TEST_F(FindProgramTest, FoldersAndFilesThatAreNotExecutableAreNoPrograms) {
  EXPECT_THAT(FindProgram("/tmp"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(FindProgram("/etc/passwd"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("/etc/passwd (is no executable")));
  EXPECT_THAT(FindProgram(""), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(FindProgramTest, ThisProgramIsFoundUnlessItWouldStartItselfForEver) {
  EXPECT_THAT(FindProgram(kThisProgram), IsOkAndHolds(kThisProgram));
  EXPECT_THAT(ReadableProgram(kThisProgram), EndsWith("tests/session/find_program_test"));
  EXPECT_EQ(ReadableProgram("worker"), "worker");
  ::setenv(kDescriptorVariable, "3", 1);
  EXPECT_THAT(FindProgram(kThisProgram),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("ServeIfWorker")));
  ::unsetenv(kDescriptorVariable);
}

}  // namespace
}  // namespace slabpipe
