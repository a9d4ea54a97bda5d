#include "slabpipe/examples/sql/duckdb_library.h"

#include <dlfcn.h>

#include <cstdlib>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/tests/testing/status_matchers.h"

namespace slabpipe::tests {
namespace {

using ::sql::DuckdbLibrary;
using ::testing::AllOf;
using ::testing::HasSubstr;

// None of these finds a DuckDB: the environment is made so that there is none.
class DuckdbLibraryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"SLABPIPE_DUCKDB", "XDG_CACHE_HOME", "HOME"}) unsetenv(name);
  }
};

TEST_F(DuckdbLibraryTest, SaysThatTheEnvironmentNamesNoPlace) {
  EXPECT_THAT(DuckdbLibrary::Open(),
              StatusIs(absl::StatusCode::kNotFound,
                       AllOf(HasSubstr("SLABPIPE_DUCKDB"), HasSubstr("examples/sql/setup.sh"))));
}

TEST_F(DuckdbLibraryTest, SaysWhichFileIsMissing) {
  const std::string folder = absl::StrCat(testing::TempDir(), "nothing");
  setenv("HOME", folder.c_str(), 1);
  EXPECT_THAT(DuckdbLibrary::Open(),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr(absl::StrCat(folder, "/.cache/slabpipe/duckdb/libduckdb.so"))));
  setenv("XDG_CACHE_HOME", absl::StrCat(folder, "/xdg").c_str(), 1);
  EXPECT_THAT(DuckdbLibrary::Open(),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr(absl::StrCat(folder, "/xdg/slabpipe/duckdb/libduckdb.so"))));
  setenv("SLABPIPE_DUCKDB", absl::StrCat(folder, "/lib.so").c_str(), 1);
  EXPECT_THAT(DuckdbLibrary::Open(),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(absl::StrCat(folder, "/lib.so; "))));
}

TEST_F(DuckdbLibraryTest, RefusesAFileThatIsNoLibrary) {
  setenv("SLABPIPE_DUCKDB", "/proc/self/cmdline", 1);
  EXPECT_THAT(DuckdbLibrary::Open(),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("/proc/self/cmdline")));
}

TEST_F(DuckdbLibraryTest, RefusesALibraryThatLacksAFunction) {
  Dl_info some_library;  // whichever has this function: the C library, or a sanitizer's
  ASSERT_NE(dladdr(dlsym(RTLD_DEFAULT, "getenv"), &some_library), 0);
  setenv("SLABPIPE_DUCKDB", some_library.dli_fname, 1);
  EXPECT_THAT(DuckdbLibrary::Open(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                              HasSubstr("no function duckdb_library_version")));
}

}  // namespace
}  // namespace slabpipe::tests
