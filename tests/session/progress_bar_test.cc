// What a progress bar shows, and where.

#include "slabpipe/session/progress_bar.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstdio>
#include <limits>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/tests/testing/read_text.h"

namespace slabpipe {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

Progress At(double done, double total, std::string text = "") {
  return {.done = done, .total = total, .text = std::move(text)};
}

TEST(ProgressLineTest, ShowsThePartTheTimeLeftAndTheText) {
  EXPECT_EQ(ProgressLine("fit", At(25, 100, "chain 2"), absl::Seconds(20), 200),
            "fit  25% [#####               ]  25/100  1:00 left  chain 2");
  EXPECT_EQ(ProgressLine("fit", At(0, 10), absl::ZeroDuration(), 200),
            "fit   0% [                    ]  0/10  0:00");
  EXPECT_EQ(ProgressLine("fit", At(10, 10), absl::Seconds(3723), 200),
            "fit 100% [####################]  10/10  1:02:03");
}

TEST(ProgressLineTest, WithoutATotalThereIsNoBar) {
  EXPECT_EQ(ProgressLine("fit", At(25, 0), absl::Seconds(5), 200), "fit  25  0:05");
}

TEST(ProgressLineTest, NonsenseFromTheWorkerIsShownAsSuch) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinite = std::numeric_limits<double>::infinity();
  for (const double done : {nan, infinite, -infinite, -5.0, 1e300}) {
    for (const double total : {nan, infinite, -infinite, -5.0, 0.0, 7.0}) {
      EXPECT_THAT(ProgressLine("fit", At(done, total), absl::Seconds(5), 200), StartsWith("fit"));
    }
  }
  EXPECT_THAT(ProgressLine("fit", At(1, 2, "\x1b[2J\nx"), absl::Seconds(5), 200),
              testing::AllOf(Not(HasSubstr("\x1b")), Not(HasSubstr("\n"))));
  EXPECT_LE(ProgressLine("fit", At(1, 2, std::string(1000, 'x')), absl::Seconds(5), 60).size(),
            70u);
}

TEST(ProgressBarTest, DrawsNothingWhereThereIsNoTerminal) {
  std::FILE* file = std::tmpfile();
  ASSERT_NE(file, nullptr);
  {
    const ProgressCallback bar = ProgressBar("fit", file);
    bar(At(1, 2));
  }
  EXPECT_EQ(std::ftell(file), 0);
  std::fclose(file);
}

TEST(ProgressBarTest, DrawsOnATerminalAndEndsItsLine) {
  const int master = ::posix_openpt(O_RDWR | O_NOCTTY);
  ASSERT_GE(master, 0);
  ASSERT_EQ(::grantpt(master), 0);
  ASSERT_EQ(::unlockpt(master), 0);
  std::FILE* terminal = std::fopen(::ptsname(master), "w");
  ASSERT_NE(terminal, nullptr);
  {
    const ProgressCallback bar = ProgressBar("fit", terminal);
    bar(At(1, 2));
    bar(At(2, 2));
  }
  std::fclose(terminal);
  const std::string shown = tests::ReadToEnd(master);
  ASSERT_FALSE(shown.empty());
  EXPECT_THAT(shown, HasSubstr(" 50%"));
  EXPECT_THAT(shown, HasSubstr("\r\x1b[Kfit 100%"));
  EXPECT_EQ(shown.back(), '\n');
  ::close(master);
}

}  // namespace
}  // namespace slabpipe
