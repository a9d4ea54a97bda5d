// Workers that break the protocol: each gets the status that session.capnp and session.h promise,
// main goes on, and no process is left.

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/codec/ndarray.h"
#include "slabpipe/session/session.h"
#include "slabpipe/session/worker_end.h"
#include "slabpipe/tests/session/session_testing.h"
#include "slabpipe/tests/testing/process_state.h"
#include "slabpipe/tests/testing/status_matchers.h"

namespace slabpipe::tests {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Optional;
using ::testing::VariantWith;

// The fixture checks after each test that no process is left.
class MisbehavingWorkerTest : public SessionTest {
 protected:
  SessionOptions Options(const std::string& worker, std::vector<std::string> arguments = {}) {
    return {.program = "tests/workers/" + worker,
            .arguments = std::move(arguments),
            .start_timeout = absl::Seconds(60),
            .shutdown_grace = absl::Milliseconds(50),
            .restart = RestartPolicy::Never(),
            .log_sink = log.sink()};
  }
  absl::Status Start(const std::string& worker) {
    absl::Status status = Session::Start(Options(worker)).status();
    EXPECT_THAT(Children(), IsEmpty());
    return status;
  }
  // Starts the worker, which keeps the protocol so far, and makes a first call.
  absl::Status CallFirst(const std::string& worker) {
    Session session = StartGood(Options(worker));
    absl::Status status = session.Call("any.thing", 1);
    end_ = session.last_end();
    return status;
  }
  void ExpectBreaksTheProtocol(const std::string& worker, const std::string& rule) {
    EXPECT_THAT(CallFirst(worker),
                StatusIs(absl::StatusCode::kDataLoss, AllOf(HasSubstr(rule), HasSubstr(worker))));
    EXPECT_THAT(end_, Optional(VariantWith<Misbehaved>(testing::_)));
  }

  std::optional<WorkerEnd> end_;
};

// During the handshake.

TEST_F(MisbehavingWorkerTest, OneThatSaysNothingIsKilledAtTheDeadline) {
  SessionOptions options = Options("never_says_hello");
  options.start_timeout = absl::Milliseconds(50);
  EXPECT_THAT(Session::Start(std::move(options)),
              StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("handshake")));
  EXPECT_THAT(Children(), IsEmpty());
}

TEST_F(MisbehavingWorkerTest, OneThatExitsFirstIsToldWithItsLastWords) {
  EXPECT_THAT(Start("exits_before_hello"),
              StatusIs(absl::StatusCode::kUnavailable,
                       AllOf(HasSubstr("exited with code 5"), HasSubstr("libfortran.so"))));
}

TEST_F(MisbehavingWorkerTest, OneOfAnotherVersionIsNotWorkedWith) {
  EXPECT_THAT(Start("speaks_another_version"),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("raw worker 1.0"), HasSubstr("protocol 2"),
                             HasSubstr("protocol 1"))));
}

TEST_F(MisbehavingWorkerTest, OneThatRefusesSaysWhy) {
  EXPECT_THAT(Start("refuses"),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("no licence"), HasSubstr("exited with code 0"))));
  EXPECT_THAT(Start("refuses_and_stays"),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("no licence")));
}

TEST_F(MisbehavingWorkerTest, OneThatLacksAFeatureIsNotWorkedWith) {
  EXPECT_THAT(Start("lacks_features"),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("memfd-segments")));
}

TEST_F(MisbehavingWorkerTest, OneWhoseFirstMessageIsNoWelcomeBreaksTheProtocol) {
  EXPECT_THAT(Start("answers_instead_of_welcome"),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("no welcome")));
  EXPECT_THAT(Start("sends_garbage_at_once"),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("magic number")));
}

TEST_F(MisbehavingWorkerTest, OneWhoseTargetsHaveNoProperNamesBreaksTheProtocol) {
  EXPECT_THAT(
      Start("describes_itself_badly"),
      StatusIs(absl::StatusCode::kDataLoss, AllOf(HasSubstr("no name for a target"),
                                                  HasSubstr("\\033"), Not(HasSubstr("\x1b")))));
}

TEST_F(MisbehavingWorkerTest, AProgramThatIsNoWorkerIsTold) {
  SessionOptions options = Options("");
  options.program = "/bin/true";
  EXPECT_THAT(Session::Start(std::move(options)),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("exited with code 0")));
}

// During a call.

TEST_F(MisbehavingWorkerTest, GarbageBreaksTheProtocol) {
  ExpectBreaksTheProtocol("sends_garbage", "magic number");
}

TEST_F(MisbehavingWorkerTest, AMessageThatIsNoneBreaksTheProtocol) {
  ExpectBreaksTheProtocol("sends_bad_capnp", "");
}

TEST_F(MisbehavingWorkerTest, AnAnswerToAnUnknownIdBreaksTheProtocol) {
  ExpectBreaksTheProtocol("answers_an_unknown_id", "nobody has asked");
}

TEST_F(MisbehavingWorkerTest, AnAnswerOfAnotherKindBreaksTheProtocol) {
  ExpectBreaksTheProtocol("answers_with_a_pong", "nobody has asked");
}

TEST_F(MisbehavingWorkerTest, AGoodbyeThatNobodyAskedForBreaksTheProtocol) {
  ExpectBreaksTheProtocol("says_goodbye_unasked", "nobody has asked");
}

TEST_F(MisbehavingWorkerTest, AMessageThatIsMainsToSendBreaksTheProtocol) {
  ExpectBreaksTheProtocol("sends_a_request", "not its to send");
}

TEST_F(MisbehavingWorkerTest, ALeaseReturnedThatItNeverHadBreaksTheProtocol) {
  ExpectBreaksTheProtocol("returns_what_it_never_had", "in slot 0, which it does not hold");
}

TEST_F(MisbehavingWorkerTest, ASecondAnswerBreaksTheProtocolInTheNextCall) {
  Session session = StartGood(Options("answers_twice"));
  EXPECT_THAT(session.Call("any.thing"), IsOk());
  EXPECT_THAT(session.Call("any.thing"),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("once more")));
  EXPECT_THAT(session.last_end(), Optional(VariantWith<Misbehaved>(testing::_)));
}

// Main keeps the names as long as the connection lasts.
TEST_F(MisbehavingWorkerTest, MoreCodecsThanAConnectionMayHaveBreakTheProtocol) {
  Session session = StartGood(Options("names_codecs", {"4095", "255"}));
  EXPECT_THAT(session.Call("any.thing"), IsOk());
  EXPECT_THAT(session.Call("any.thing"), IsOk()) << "the last one";
  EXPECT_THAT(session.Call("any.thing"),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("more than 4096 codecs")));
  EXPECT_THAT(session.last_end(), Optional(VariantWith<Misbehaved>(testing::_)));
}

TEST_F(MisbehavingWorkerTest, ACodecsNameThatIsTooLongBreaksTheProtocol) {
  Session session = StartGood(Options("names_codecs", {"1", "256"}));
  EXPECT_THAT(session.Call("any.thing"), IsOk());
  EXPECT_THAT(session.Call("any.thing"),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("1 to 255 bytes")));
}

TEST_F(MisbehavingWorkerTest, I5ProgressIsNoAnswerToAPing) {
  Session session = StartGood(Options("reports_on_a_ping"));
  EXPECT_THAT(session.Ping(absl::Milliseconds(200)), StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST_F(MisbehavingWorkerTest, HalfAnAnswerEndsAtTheDeadline) {
  Session session = StartGood(Options("sends_half_a_frame_and_hangs"));
  EXPECT_THAT(session.Call({.timeout = absl::Milliseconds(50)}, "any.thing"),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(session.Shutdown(absl::Milliseconds(50)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST_F(MisbehavingWorkerTest, OneThatExitsInTheMiddleOfItsAnswerIsLost) {
  EXPECT_THAT(CallFirst("sends_half_a_frame_and_exits"),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("exited with code 6")));
  EXPECT_THAT(end_, Optional(WorkerEnd(Exited{.code = 6})));
}

TEST_F(MisbehavingWorkerTest, OneThatClosesItsConnectionIsLostAndKilled) {
  EXPECT_THAT(CallFirst("closes_its_connection"),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("closed its connection")));
  EXPECT_THAT(end_, Optional(VariantWith<Misbehaved>(testing::_)));
}

TEST_F(MisbehavingWorkerTest, OneThatNeverGoesIsKilledAfterTheGrace) {
  Session session = StartGood(Options("never_goes"));
  EXPECT_THAT(session.Call("any.thing"), IsOk());
  EXPECT_THAT(session.Shutdown(absl::Milliseconds(50)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(session.last_end(), Optional(WorkerEnd(TimedOut{.phase = "shutdown"})));
}

TEST_F(MisbehavingWorkerTest, OneThatSaysGoodbyeAndStaysIsKilledByWhoeverLosesPatienceFirst) {
  Session session = StartGood(Options("says_goodbye_and_stays"));
  std::thread patient([&] {
    EXPECT_THAT(session.Shutdown(absl::InfiniteDuration()),
                StatusIs(absl::StatusCode::kDeadlineExceeded));
  });
  log.AwaitText("it has said goodbye");
  EXPECT_THAT(session.Shutdown(absl::Milliseconds(50)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  patient.join();
  EXPECT_THAT(session.last_end(), Optional(WorkerEnd(TimedOut{.phase = "shutdown"})));
}

TEST_F(MisbehavingWorkerTest, OneThatDoesNotReadDoesNotHoldUpMain) {
  Session session = StartGood(Options("does_not_read"));
  absl::Status status;
  // The socket's buffer fills up; the deadlines hold all the same.
  for (int i = 0; i < 100 && session.worker_pid() > 0; ++i) {
    status = session.Call({.timeout = absl::Milliseconds(2)}, "any.thing", std::string(4000, 'x'));
    ASSERT_FALSE(status.ok());
  }
  EXPECT_FALSE(session.Shutdown(absl::Milliseconds(50)).ok() && session.worker_pid() > 0);
}

TEST_F(MisbehavingWorkerTest, FloodsOfStderrAreReadAllAlong) {
  Session session = StartGood(Options("floods_stderr"));
  for (int i = 0; i < 3; ++i) EXPECT_THAT(session.Call("any.thing"), IsOk());
  session.Shutdown(absl::Milliseconds(50)).IgnoreError();
  ASSERT_THAT(session.FlushLogs(absl::Seconds(30)), IsOk());
  uint64_t lines = 0;
  for (const LogRecord& record : log.records()) lines += std::max<uint64_t>(record.dropped, 1);
  EXPECT_EQ(lines, 4u * 1024);
}

TEST_F(MisbehavingWorkerTest, I7OneThatNeverStopsToLogKeepsNobodyBeyondTheDeadline) {
  SessionOptions options = Options("floods_the_log");
  options.log_sink = [](const LogRecord&) {};
  Session session = StartGood(std::move(options));
  EXPECT_THAT(session.Call({.timeout = absl::Milliseconds(50)}, "any.thing"),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(session.Shutdown(absl::Milliseconds(50)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST_F(MisbehavingWorkerTest, ANewWorkerTakesThePlaceOfOneThatBrokeTheProtocol) {
  SessionOptions options = Options("answers_an_unknown_id");
  options.restart = RestartPolicy::Always();
  Session session = StartGood(std::move(options));
  const pid_t worker = session.worker_pid();
  EXPECT_THAT(session.Call("any.thing"),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("a new worker is running")));
  EXPECT_FALSE(ProcessExists(worker));
  EXPECT_GT(session.worker_pid(), 0);
}

// Memory.

class LyingWorkerTest : public MisbehavingWorkerTest {
 protected:
  absl::StatusOr<NdArray<const double>> CallLiar(const std::string& lie) {
    Session session = StartGood(Options("lies_about_memory", {lie}));
    // Main has a segment, the first of its own, which the worker has never seen.
    EXPECT_THAT(session.NewArray<double>({8}), IsOk());
    auto result = session.Call<NdArray<const double>>("any.thing");
    if (result.ok()) {  // I5: whatever it says, reading must be safe
      for (const double element : result->span()) EXPECT_EQ(element, 0);
    }
    end_ = session.last_end();
    return result;
  }
};

TEST_F(LyingWorkerTest, TheTruthIsBelieved) {
  auto result = CallLiar("truth");
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->size(), 8);
}

class LieTest : public LyingWorkerTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(LieTest, I5BreaksTheProtocol) {
  EXPECT_THAT(CallLiar(GetParam()), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(end_, Optional(VariantWith<Misbehaved>(testing::_)));
}

INSTANTIATE_TEST_SUITE_P(Lies, LieTest,
                         ::testing::Values("unsealed", "too small", "no descriptor",
                                           "a foreign name", "main's name", "no name and size",
                                           "an echo of a segment of its own",
                                           "an echo of what it never had", "an unknown slot",
                                           "generation 0", "no such segment", "beyond the end",
                                           "across the end", "far beyond the end", "overflow",
                                           "more content than size", "no size"),
                         [](const auto& info) {
                           std::string name = info.param;
                           for (char& c : name) c = c == ' ' || c == '\'' ? '_' : c;
                           return name;
                         });

TEST_F(LyingWorkerTest, I8ASlotBeyondAllLimitsEndsTheConnection) {
  EXPECT_THAT(CallLiar("a slot beyond all limits"),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("max_segments")));
  EXPECT_NE(end_, std::nullopt);
}

TEST_F(LyingWorkerTest, MetadataThatDoesNotFitConcernsTheCallAlone) {
  EXPECT_THAT(CallLiar("more elements"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(CallLiar("an unknown codec"),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("no.such.codec")));
  EXPECT_EQ(end_, std::nullopt);
}

// The ring.

class RingAttackTest : public MisbehavingWorkerTest {
 protected:
  RingAttackTest() : once_(absl::StrCat(::testing::TempDir(), "/attack.", ::getpid())) {}
  ~RingAttackTest() override { ::unlink(once_.c_str()); }

  // The first worker attacks; those that take its place don't.
  SessionOptions Attacker(const std::string& attack) {
    std::ofstream(once_) << attack;
    SessionOptions options = Options("attacks_the_ring", {attack, once_});
    options.restart = RestartPolicy::Always();
    options.pipe.ring_bytes = 4096;
    return options;
  }
  // A worker that main has ended for `rule`, and another one in its place.
  void ExpectBreaksTheProtocol(const std::string& attack, const std::string& rule) {
    SCOPED_TRACE(attack);
    Session session = StartGood(Attacker(attack));
    const pid_t worker = session.worker_pid();
    EXPECT_THAT(session.Call("any.thing", 1),
                StatusIs(absl::StatusCode::kDataLoss,
                         AllOf(HasSubstr(rule), HasSubstr("a new worker is running"))));
    EXPECT_THAT(session.last_end(), Optional(VariantWith<Misbehaved>(testing::_)));
    EXPECT_FALSE(ProcessExists(worker));
    EXPECT_THAT(session.Call("any.thing", 1), IsOk());
  }

 private:
  const std::string once_;
};

TEST_F(RingAttackTest, OneThatKeepsToTheRulesIsWorkedWith) {
  Session session = StartGood(Attacker("nothing"));
  for (int i = 0; i < 100; ++i) ASSERT_THAT(session.Call("any.thing", i), IsOk());
  EXPECT_EQ(session.last_end(), std::nullopt);
}

TEST_F(RingAttackTest, I5GarbageAllOverItsControlBlockBreaksTheProtocol) {
  ExpectBreaksTheProtocol("garbage", "no frame");
  ExpectBreaksTheProtocol("garbage at once", "no frame");
}

TEST_F(RingAttackTest, I5ABadFrameBreaksTheProtocol) {
  ExpectBreaksTheProtocol("a bad frame", "no frame: kind 9");
  ExpectBreaksTheProtocol("a frame too large", "4096 bytes of a ring of 4096");
  ExpectBreaksTheProtocol("a frame of another number", "number 1, not 0");
  ExpectBreaksTheProtocol("a frame without a message", "");
}

TEST_F(RingAttackTest, I5GarbageThroughTheSocketBreaksTheProtocol) {
  ExpectBreaksTheProtocol("garbage by the socket", "magic number");
}

TEST_F(RingAttackTest, ABadFrameBehindAnAnswerLeavesThatGood) {
  Session session = StartGood(Attacker("an answer and a bad frame"));
  EXPECT_THAT(session.Call("any.thing"), IsOk());
  EXPECT_THAT(session.Call("any.thing"),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("no frame")));
  EXPECT_THAT(session.last_end(), Optional(VariantWith<Misbehaved>(testing::_)));
  EXPECT_THAT(session.Call("any.thing"), IsOk());
}

TEST_F(RingAttackTest, RoomThatIsNotThereBreaksTheProtocol) {
  Session session = StartGood(Attacker("room that is not there"));
  absl::Status status;
  // It is looked at when there is no other room.
  do {
    status = session.Call({.timeout = absl::Milliseconds(5)}, "any.thing", std::string(500, 'x'));
    ASSERT_FALSE(status.ok());
  } while (absl::IsDeadlineExceeded(status));
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss, HasSubstr("has taken")));
  EXPECT_THAT(session.Call("any.thing"), IsOk());
}

// Nothing that can be told from a slow worker: the deadline holds, and the session can restart.
TEST_F(RingAttackTest, I7WhatNeverComesIsWaitedForToTheDeadline) {
  for (const char* attack : {"a claim to the socket", "a bell all the time"}) {
    SCOPED_TRACE(attack);
    Session session = StartGood(Attacker(attack));
    const pid_t worker = session.worker_pid();
    EXPECT_THAT(session.Call({.timeout = absl::Milliseconds(50)}, "any.thing"),
                StatusIs(absl::StatusCode::kDeadlineExceeded));
    EXPECT_EQ(session.worker_pid(), worker) << "it may answer yet";
    EXPECT_THAT(session.Ping(absl::Milliseconds(50)),
                StatusIs(absl::StatusCode::kDeadlineExceeded));
    EXPECT_THAT(session.Restart(), IsOk());
    EXPECT_FALSE(ProcessExists(worker));
    EXPECT_THAT(session.Call("any.thing"), IsOk());
  }
}

TEST_F(RingAttackTest, I7OneThatNeverRingsTheBellKeepsNobodyBeyondTheDeadline) {
  Session session = StartGood(Attacker("no bell"));
  // The answer is there: it may be seen at the last look.
  EXPECT_THAT(session.Call({.timeout = absl::Milliseconds(50)}, "any.thing"),
              testing::AnyOf(IsOk(), StatusIs(absl::StatusCode::kDeadlineExceeded)));
  EXPECT_THAT(session.Call("any.thing"), IsOk());
}

TEST_F(RingAttackTest, OneThatIsKilledInTheMiddleOfAFrameIsLost) {
  Session session = StartGood(Attacker("death in the middle"));
  EXPECT_THAT(session.Call("any.thing"),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("a new worker is running")));
  EXPECT_THAT(session.last_end(), Optional(VariantWith<Signalled>(testing::_)));
  EXPECT_THAT(session.Call("any.thing"), IsOk());
}

TEST_F(RingAttackTest, TheAnswerOfOneThatIsKilledBehindItIsGood) {
  Session session = StartGood(Attacker("death behind an answer"));
  EXPECT_THAT(session.Call("any.thing"), IsOk());
  EXPECT_THAT(session.Call("any.thing"), IsOk())
      << "by the next worker: the dead one had not begun";
  EXPECT_EQ(session.stats().repeats, 1u);
}

class WrongControlTest : public RingAttackTest,
                         public ::testing::WithParamInterface<const char*> {};

TEST_P(WrongControlTest, I5EndsTheHandshake) {
  SessionOptions options = Attacker(GetParam());
  EXPECT_THAT(Session::Start(options), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(Children(), IsEmpty());
  Session session = StartGood(options);  // this one does not attack
  EXPECT_THAT(session.Call("any.thing"), IsOk());
}

INSTANTIATE_TEST_SUITE_P(Controls, WrongControlTest,
                         ::testing::Values("unsealed control", "a pipe for a control",
                                           "small control", "control of another kind",
                                           "control of another version", "no control",
                                           "two controls"),
                         [](const auto& info) {
                           std::string name = info.param;
                           for (char& c : name) c = c == ' ' ? '_' : c;
                           return name;
                         });

}  // namespace
}  // namespace slabpipe::tests
