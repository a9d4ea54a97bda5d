// A program that is main and worker in one.

#include "slabpipe/session/single_binary.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/session/child_process.h"
#include "slabpipe/tests/testing/process_state.h"
#include "slabpipe/tests/testing/read_text.h"
#include "slabpipe/tests/testing/status_matchers.h"
#include "slabpipe/tests/testing/watchdog.h"
#include "slabpipe/transport/unique_fd.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::IsOk;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::Optional;

class SingleBinaryTest : public ::testing::Test {
 protected:
  ~SingleBinaryTest() override { EXPECT_THAT(tests::Children(), IsEmpty()); }

  // What it prints, and its exit code.
  std::vector<std::string> Run(const std::string& path, const std::string& mode, int code) {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    UniqueFd reader(ends[0]), writer(ends[1]);
    absl::StatusOr<ChildProcess> main = ChildProcess::Spawn(
        {.path = path, .arguments = {mode}, .descriptors = {{writer.get(), 1}}});
    EXPECT_THAT(main, IsOk());
    writer.reset();
    const std::string text = tests::ReadToEnd(reader.get());
    EXPECT_THAT(main->Wait(Deadline::Never()), Optional(WorkerEnd(Exited{.code = code}))) << text;
    return absl::StrSplit(text, '\n', absl::SkipEmpty());
  }

  static constexpr char kProgram[] = "tests/workers/single_binary";
  tests::Watchdog watchdog_;
};

TEST_F(SingleBinaryTest, ItsWorkerIsTheSameProgramAgain) {
  const std::string path = std::filesystem::canonical(kProgram).string();
  EXPECT_THAT(Run(kProgram, "plain", 0),
              IsSupersetOf({std::string("three processes"), std::string("self.name single_binary"),
                            absl::StrCat("self.arguments [", path, "][plain][two words]")}));
}

TEST_F(SingleBinaryTest, StaticObjectsAreDestroyedInBoth) {
  const std::vector<std::string> output = Run(kProgram, "plain", 0);
  EXPECT_THAT(output, Contains("worker says: static objects are destroyed").Times(1));
  EXPECT_THAT(output, Contains("static objects are destroyed").Times(1));
}

TEST_F(SingleBinaryTest, ItNeedNotExistAnyMore) {
  const std::string copy = ::testing::TempDir() + "/single_binary_copy";
  std::filesystem::copy_file(kProgram, copy, std::filesystem::copy_options::overwrite_existing);
  EXPECT_THAT(Run(copy, "removed", 0), Contains("three processes"));
  EXPECT_FALSE(std::filesystem::exists(copy));
}

TEST_F(SingleBinaryTest, OneThatForgetsToServeSaysWhatIsMissing) {
  EXPECT_THAT(Run(kProgram, "forgetful", 1),
              Contains(HasSubstr("ServeIfWorker belongs at the top of its main()")));
}

TEST_F(SingleBinaryTest, WithoutAMainItReturnsAtOnce) {
  bool called = false;
  char name[] = "program";
  char* arguments[] = {name, nullptr};
  ServeIfWorker(1, arguments, [&](Worker&) { called = true; });
  EXPECT_FALSE(called);
}

}  // namespace
}  // namespace slabpipe
