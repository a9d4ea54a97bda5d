#include "slabpipe/session/worker_end.h"

#include <signal.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace slabpipe {
namespace {

using ::testing::HasSubstr;

TEST(WorkerEndTest, EachEndCompletesTheSentence) {
  EXPECT_EQ(DescribeEnd(Exited{.code = 3}), "exited with code 3");
  EXPECT_EQ(DescribeEnd(Signalled{.signal = SIGSEGV}), "was killed by signal 11 (SIGSEGV)");
  EXPECT_EQ(DescribeEnd(Signalled{.signal = SIGABRT, .core_dumped = true}),
            "was killed by signal 6 (SIGABRT), core dumped");
  EXPECT_EQ(DescribeEnd(Signalled{.signal = 40}), "was killed by signal 40 (?)");
  EXPECT_THAT(DescribeEnd(TimedOut{.phase = "handshake"}), HasSubstr("(handshake)"));
  EXPECT_THAT(DescribeEnd(Misbehaved{.what = "it sang"}), HasSubstr("it sang"));
  EXPECT_THAT(DescribeEnd(FailedToStart{.why = "no such file"}), HasSubstr("no such file"));
  EXPECT_THAT(DescribeEnd(EndedUnobserved()), HasSubstr("not known"));
}

TEST(WorkerEndTest, EndsCompareByKindAndContent) {
  EXPECT_EQ(WorkerEnd(Exited{.code = 3}), WorkerEnd(Exited{.code = 3}));
  EXPECT_NE(WorkerEnd(Exited{.code = 3}), WorkerEnd(Exited{.code = 4}));
  EXPECT_NE(WorkerEnd(Exited{.code = 9}), WorkerEnd(Signalled{.signal = 9}));
}

}  // namespace
}  // namespace slabpipe
