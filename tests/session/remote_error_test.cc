// Errors on the wire, and where exceptions were thrown.

#include "slabpipe/session/remote_error.h"

#include <capnp/message.h>

#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "absl/debugging/symbolize.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/schemas/session.capnp.h"
#include "slabpipe/session/error_wire.h"
#include "slabpipe/session/throw_trace.h"
#include "slabpipe/tests/testing/status_matchers.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

RemoteError ThereAndBack(const RemoteError& error) {
  capnp::MallocMessageBuilder message;
  WriteError(error, message.initRoot<schemas::Error>());
  return ReadError(message.getRoot<schemas::Error>().asReader());
}

TEST(RemoteErrorTest, ComesBackAsItWent) {
  const RemoteError back = ThereAndBack(
      {.code = absl::StatusCode::kAborted,
       .message = "no paper",
       .type = "printer::Error",
       .traceback = {"inner()", "outer()"},
       .causes = {{.type = "std::runtime_error", .message = "empty", .traceback = {"tray()"}}}});
  EXPECT_EQ(back.code, absl::StatusCode::kAborted);
  EXPECT_EQ(back.message, "no paper");
  EXPECT_EQ(back.type, "printer::Error");
  EXPECT_THAT(back.traceback, ElementsAre("inner()", "outer()"));
  EXPECT_THAT(back.causes,
              ElementsAre(RemoteError::Cause{
                  .type = "std::runtime_error", .message = "empty", .traceback = {"tray()"}}));
}

TEST(RemoteErrorTest, ComesBackFromItsStatus) {
  const RemoteError error = {.code = absl::StatusCode::kAborted,
                             .message = "no paper",
                             .type = "printer::Error",
                             .traceback = {"inner()", "outer()"},
                             .causes = {{.type = "std::runtime_error", .message = "empty"}}};
  EXPECT_THAT(GetRemoteError(ToStatus(error, "printer.print")), ::testing::Optional(error));
  EXPECT_EQ(GetRemoteError(absl::AbortedError("no paper")), std::nullopt);
  EXPECT_EQ(GetRemoteError(absl::OkStatus()), std::nullopt);
}

TEST(RemoteErrorTest, AStatusShowsNoControlCharactersOfTheWorkers) {
  const RemoteError error = {.code = absl::StatusCode::kAborted,
                             .message = "no\x1b[2J paper\nin the tray",
                             .type = "printer\r::Error",
                             .traceback = {"in\x07ner()"},
                             .causes = {{"\x1b]0;x", "emp\x9bty", {"tray\x1b()"}}}};
  const absl::Status status = ToStatus(error, "printer.print");
  EXPECT_EQ(status.message(),
            "printer.print: printer\\r::Error: no\\033[2J paper\nin the tray\n"
            "  caused by \\033]0;x: emp\\233ty, thrown at tray\\033()\n"
            "  thrown in the worker at\n"
            "    in\\007ner()");
  EXPECT_THAT(GetRemoteError(status), ::testing::Optional(error));
}

// It may come from wherever main has it from.
TEST(RemoteErrorTest, AStatusShowsNoMoreOfATargetThanANameMayHave) {
  const RemoteError error = {.code = absl::StatusCode::kNotFound, .message = "no such"};
  EXPECT_EQ(ToStatus(error, "pri\nnt\x1b").message(), "pri\\nnt\\033: no such");
  EXPECT_LT(ToStatus(error, std::string(1'000'000, 'x')).ToString().size(), size_t{1000});
}

TEST(RemoteErrorTest, WhatNobodyReadsIsCutOff) {
  const std::string huge(1'000'000, 'x');
  RemoteError error = {
      .message = huge, .type = huge, .traceback = {huge}, .causes = {{huge, huge}}};
  error.causes.resize(1000, {.type = "t", .message = "m"});
  const RemoteError back = ThereAndBack(error);
  EXPECT_EQ(back.message.size(), size_t{64} << 10);
  EXPECT_EQ(back.type.size(), size_t{4} << 10);
  EXPECT_EQ(back.traceback[0].size(), size_t{4} << 10);
  EXPECT_EQ(back.causes.size(), 256u);
  EXPECT_EQ(back.causes[0].message.size(), size_t{64} << 10);
  EXPECT_EQ(back.causes[0].type.size(), size_t{4} << 10);
}

TEST(RemoteErrorTest, APeersLongTextsAreCutShort) {
  capnp::MallocMessageBuilder message;
  auto error = message.initRoot<schemas::Error>();
  error.setMessage(std::string(1'000'000, 'x').c_str());
  error.setType(std::string(1'000'000, 'x').c_str());
  EXPECT_EQ(ReadError(error.asReader()).message.size(), size_t{64} << 10);
  EXPECT_EQ(ReadError(error.asReader()).type.size(), size_t{4} << 10);
}

TEST(RemoteErrorTest, AStatusTellsTargetTypeMessageCausesAndTraceback) {
  EXPECT_THAT(ToStatus({.code = absl::StatusCode::kAborted,
                        .message = "no paper",
                        .type = "printer::Error",
                        .traceback = {"inner()", "outer()"},
                        .causes = {{.type = "std::runtime_error", .message = "empty"}}},
                       "printer.print"),
              StatusIs(absl::StatusCode::kAborted,
                       "printer.print: printer::Error: no paper\n"
                       "  caused by std::runtime_error: empty\n"
                       "  thrown in the worker at\n"
                       "    inner()\n"
                       "    outer()"));
  EXPECT_THAT(ToStatus(ToRemoteError(absl::NotFoundError("no file")), "files.open"),
              StatusIs(absl::StatusCode::kNotFound, "files.open: no file"));
}

TEST(RemoteErrorTest, ACodeThatIsNoErrorsCountsAsUnknown) {
  capnp::MallocMessageBuilder message;
  auto error = message.initRoot<schemas::Error>();
  for (const uint16_t code : {0, 17, 1000, 65535}) {
    error.setCode(code);
    EXPECT_EQ(ReadError(error.asReader()).code, absl::StatusCode::kUnknown) << code;
  }
}

TEST(RemoteErrorTest, APeersLongListsAreCutShort) {
  RemoteError error;
  error.traceback.resize(100'000, "frame");
  EXPECT_LE(ThereAndBack(error).traceback.size(), 256u);
}

// ThrowTrace.

[[gnu::noinline]] void ThrowHere() { throw std::runtime_error("x"); }
[[gnu::noinline]] void ThrowThere() { ThrowHere(); }

class ThrowTraceTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { absl::InitializeSymbolizer(""); }
  void SetUp() override { ClearThrowTrace(); }
};

TEST_F(ThrowTraceTest, BeginsWhereTheExceptionWasThrown) {
  try {
    ThrowThere();
  } catch (const std::runtime_error&) {
  }
  const std::vector<std::string> trace = LastThrowTrace();
  ASSERT_GE(trace.size(), 3u);
  EXPECT_THAT(trace[0], HasSubstr("ThrowHere"));
  EXPECT_THAT(trace[1], HasSubstr("ThrowThere"));
}

TEST_F(ThrowTraceTest, IsThatOfTheExceptionThoughOthersWereThrownSince) {
  std::exception_ptr caught;
  try {
    ThrowThere();
  } catch (const std::runtime_error&) {
    caught = std::current_exception();
  }
  std::exception_ptr others[30];
  for (std::exception_ptr& other : others) {
    try {
      throw std::logic_error("another");
    } catch (const std::logic_error&) {
      other = std::current_exception();
    }
  }
  const std::vector<std::string> trace = ThrowTraceOf(caught);
  ASSERT_GE(trace.size(), 2u);
  EXPECT_THAT(trace[0], HasSubstr("ThrowHere"));
  EXPECT_THAT(trace[1], HasSubstr("ThrowThere"));
  EXPECT_EQ(ThrowTraceOf(caught, 1).size(), 1u);
  EXPECT_EQ(ThrowTraceOf(others[29]).size(), LastThrowTrace().size());
  for (int i = 0; i < 2; ++i) EXPECT_THROW(ThrowThere(), std::runtime_error);
  EXPECT_THAT(ThrowTraceOf(caught), IsEmpty()) << "too long ago";
}

TEST_F(ThrowTraceTest, OfWhatThisThreadHasNotThrownNothingIsKnown) {
  EXPECT_THAT(ThrowTraceOf(nullptr), IsEmpty());
  EXPECT_THAT(ThrowTraceOf(std::make_exception_ptr(7)), IsEmpty());
  std::exception_ptr elsewhere;
  std::thread([&] {
    try {
      ThrowHere();
    } catch (...) {
      elsewhere = std::current_exception();
    }
  }).join();
  EXPECT_THAT(ThrowTraceOf(elsewhere), IsEmpty());
}

TEST_F(ThrowTraceTest, IsEmptyUntilSomethingIsThrown) {
  EXPECT_THAT(LastThrowTrace(), IsEmpty());
  EXPECT_THROW(ThrowHere(), std::runtime_error);
  EXPECT_THAT(LastThrowTrace(), Not(IsEmpty()));
  ClearThrowTrace();
  EXPECT_THAT(LastThrowTrace(), IsEmpty());
}

TEST_F(ThrowTraceTest, EachThreadHasItsOwn) {
  std::thread([] { EXPECT_THROW(ThrowHere(), std::runtime_error); }).join();
  EXPECT_THAT(LastThrowTrace(), IsEmpty());
}

TEST(RemoteErrorTest, ThousandsOfLongCausesAreCutInTheTextAlone) {
  RemoteError error = {.message = "outermost"};
  error.causes.assign(200, {.type = "X", .message = std::string(60'000, 'x'), .traceback = {}});
  const absl::Status status = ToStatus(error, "a.b");
  EXPECT_LT(status.message().size(), 200'000u);
  EXPECT_THAT(status.message(), testing::HasSubstr("and 168 more"));
  EXPECT_EQ(GetRemoteError(status)->causes.size(), 200u);
}

}  // namespace
}  // namespace slabpipe
