#include "slabpipe/session/crash_report.h"

#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace slabpipe {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

constexpr char kAbseils[] =
    "a line before\n"
    "*** SIGSEGV received at time=1795436876 on cpu 1 ***\n"
    "PC: @     0x5638cefda293  (unknown)  ns::(anonymous namespace)::Die()\n"
    "    @     0x7f21c0a3c050         32  (unknown)\n"
    "    @     0x5638cefda2b1         48  main\n"
    "    @               0x31  (unknown)  (unknown)\n"
    "a line after\n";

constexpr char kOwn[] =
    "terminate called after throwing an instance of 'std::runtime_error'\n"
    "  what():  no paper\n"
    "*** SIGABRT received at time=1795436876 on cpu 1 ***\n"
    "PC: @     0x7fe96daa8eec  (unknown)  (unknown)\n"
    "    @               0x31  (unknown)  (unknown)\n"
    "*** stack of the thread that failed ***\n"
    "    @ 0x00007fe96daa8eec  (unknown)\n"
    "    @ 0x00007fe96daa8eed  abort\n"
    "    @ 0x0000000000401234  printer::Print()\n"
    "*** end of stack ***\n"
    "    @ 0x0000000000401234  no frame any more\n";

TEST(CrashReportTest, FindsSignalAndFramesOfAbseilsReport) {
  const std::optional<CrashReport> report = FindCrashReport(kAbseils);
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->signal, "SIGSEGV");
  EXPECT_EQ(report->reason, "");
  EXPECT_THAT(report->stack,
              ElementsAre("ns::(anonymous namespace)::Die()", "0x7f21c0a3c050", "main", "0x31"));
  EXPECT_EQ(WithoutCrashStacks(kAbseils), "a line before\na line after\n");
}

TEST(CrashReportTest, OfTwoStacksOfOneCrashTheOwnOneCounts) {
  const std::optional<CrashReport> report = FindCrashReport(kOwn);
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->signal, "SIGABRT");
  EXPECT_EQ(report->reason,
            "terminate called after throwing an instance of 'std::runtime_error': no paper");
  EXPECT_THAT(report->stack, ElementsAre("0x00007fe96daa8eec", "abort", "printer::Print()"));
  EXPECT_EQ(WithoutCrashStacks(kOwn),
            "terminate called after throwing an instance of 'std::runtime_error'\n"
            "  what():  no paper\n"
            "    @ 0x0000000000401234  no frame any more\n");
}

TEST(CrashReportTest, TheLastOfSeveralReportsCounts) {
  const std::optional<CrashReport> report = FindCrashReport(absl::StrCat(kOwn, kAbseils));
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->signal, "SIGSEGV");
  EXPECT_THAT(report->stack, SizeIs(4));
}

TEST(CrashReportTest, FindsTheFirstStackOfASanitizersReport) {
  constexpr char kText[] =
      "=================================================================\n"
      "==31573==ERROR: AddressSanitizer: heap-use-after-free on address 0x602 at pc 0x55 bp 0x7\n"
      "READ of size 4 at 0x602000000014 thread T0\n"
      "    #0 0x55fa4a17d1ca in stats::Mean() /src/x.cc:1\n"
      "    #1 0x7fdf14c45249  (/lib/libc.so.6+0x249)\n"
      "\n"
      "freed by thread T0 here:\n"
      "    #0 0x7fdf152ba038 in operator delete[](void*) asan_new_delete.cpp:155\n";
  const std::optional<CrashReport> report = FindCrashReport(kText);
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->signal, "");
  EXPECT_EQ(report->reason,
            "AddressSanitizer: heap-use-after-free on address 0x602 at pc 0x55 bp 0x7");
  EXPECT_THAT(report->stack, ElementsAre("stats::Mean() /src/x.cc:1", "0x7fdf14c45249"));
}

TEST(CrashReportTest, OrdinaryTextIsNoReport) {
  for (const char* text :
       {"", "\n\n", "a line\n    @ 0x12  not a frame\n", "PC: @ 0x12 3 f()\n", "*** SIG\n",
        "*** SIG received at time\n", "*** SIG$(rm) received at time=1 on cpu 1 ***\n",
        "*** end of stack ***\n", "    #0 0x55 in f x.cc:1\n", "  what():  is this\n",
        "==12==LeakSanitizer\n"}) {
    EXPECT_FALSE(FindCrashReport(text).has_value()) << text;
    EXPECT_EQ(WithoutCrashStacks(text), text);
  }
}

TEST(CrashReportTest, IsBoundedWhateverTheTextSays) {
  std::string text = "*** SIGSEGV received at time=1 on cpu 1 ***\n";
  for (int i = 0; i < 10'000; ++i) {
    absl::StrAppend(&text, "    @ 0x12  32  ", std::string(2000, 'f'), "\n");
  }
  const std::optional<CrashReport> report = FindCrashReport(text);
  ASSERT_TRUE(report.has_value());
  EXPECT_THAT(report->stack, SizeIs(kMostCrashFrames));
  EXPECT_THAT(report->stack[0], SizeIs(kMostCrashFrameBytes));
  EXPECT_EQ(WithoutCrashStacks(text), "");
}

TEST(CrashReportTest, ATextCutAnywhereIsReadWithoutHarm) {
  const std::string text = absl::StrCat(kOwn, kAbseils);
  for (size_t from = 0; from < text.size(); ++from) {
    for (const size_t size : {size_t{1}, size_t{17}, size_t{100}, text.size()}) {
      const std::string part = text.substr(from, size);
      EXPECT_LE(WithoutCrashStacks(part).size(), part.size());
      FindCrashReport(part);
    }
  }
}

TEST(CrashReportTest, FramesThatSayNothingAreRead) {
  EXPECT_THAT(
      FindCrashReport("*** SIGBUS received at time=1 on cpu 1 ***\nPC: @ \n    @ \n")->stack,
      ElementsAre("", ""));
}

}  // namespace
}  // namespace slabpipe
