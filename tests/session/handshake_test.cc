#include "slabpipe/session/handshake.h"

#include <capnp/message.h>

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/schemas/session.capnp.h"
#include "slabpipe/tests/testing/status_matchers.h"
#include "slabpipe/transport/kj_boundary.h"

namespace slabpipe {
namespace {

using ::slabpipe::tests::IsOk;
using ::slabpipe::tests::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

HelloInfo GoodHello() { return {.main_prefix = "m.", .worker_prefix = "w1."}; }

absl::StatusOr<HelloInfo> ThereAndBack(const HelloInfo& hello) {
  capnp::MallocMessageBuilder message;
  WriteHello(hello, message.initRoot<schemas::Message>().initHello());
  return ReadHello(message.getRoot<schemas::Message>().asReader());
}

absl::StatusOr<WelcomeInfo> ThereAndBack(const WelcomeInfo& welcome,
                                         SegmentKind segments = SegmentKind::kMemfd) {
  capnp::MallocMessageBuilder message;
  WriteWelcome(welcome, message.initRoot<schemas::Message>().initWelcome());
  return ReadWelcome(message.getRoot<schemas::Message>().asReader(), segments);
}

TEST(HandshakeTest, AHelloComesBackAsItWent) {
  for (const SegmentKind kind : {SegmentKind::kMemfd, SegmentKind::kPosix}) {
    HelloInfo hello = GoodHello();
    hello.segments = kind;
    const absl::StatusOr<HelloInfo> back = ThereAndBack(hello);
    ASSERT_THAT(back, IsOk());
    EXPECT_EQ(back->software, kLibraryName);
    EXPECT_THAT(back->features, ElementsAre("memfd-segments", "posix-segments", "ring"));
    EXPECT_EQ(back->main_prefix, "m.");
    EXPECT_EQ(back->worker_prefix, "w1.");
    EXPECT_EQ(back->segments, kind);
  }
}

TEST(HandshakeTest, AHelloOfAnotherVersionTellsBoth) {
  HelloInfo hello = GoodHello();
  hello.protocol_version = 99;
  hello.software = "slabpipe 9.0";
  EXPECT_THAT(ThereAndBack(hello),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("slabpipe 9.0"), HasSubstr("99"), HasSubstr("protocol 1"))));
}

TEST(HandshakeTest, PrefixesMustTellTheSidesApart) {
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"", "w."}, {"m.", ""}, {"a.", "a."}, {"a.", "a.b."}, {"a.b.", "a."}, {"a/b", "w."}};
  for (const auto& [main, worker] : bad) {
    HelloInfo hello = GoodHello();
    hello.main_prefix = main;
    hello.worker_prefix = worker;
    EXPECT_THAT(ThereAndBack(hello), StatusIs(absl::StatusCode::kInvalidArgument))
        << main << " " << worker;
  }
}

TEST(HandshakeTest, AMessageOfAnotherKindIsNoHelloAndNoWelcome) {
  capnp::MallocMessageBuilder message;
  message.initRoot<schemas::Message>().setPing(1);
  const auto reader = message.getRoot<schemas::Message>().asReader();
  EXPECT_THAT(ReadHello(reader), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(ReadWelcome(reader, SegmentKind::kMemfd), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(HandshakeTest, AWelcomeComesBackWithItsTargets) {
  WelcomeInfo welcome;
  welcome.targets = {{.name = "stats.mean",
                      .documentation = "The mean.",
                      .parameters = {{.name = "x", .type = "array", .optional = false},
                                     {.name = "", .type = "int", .optional = true}},
                      .result = "double"}};
  const absl::StatusOr<WelcomeInfo> back = ThereAndBack(welcome);
  ASSERT_THAT(back, IsOk());
  ASSERT_EQ(back->targets.size(), 1u);
  EXPECT_EQ(back->targets[0].Signature(), welcome.targets[0].Signature());
  EXPECT_EQ(back->targets[0].documentation, "The mean.");
  EXPECT_EQ(back->targets[0].parameters[1].type, "int");
  EXPECT_TRUE(back->targets[0].parameters[1].optional);
  EXPECT_EQ(back->targets[0].result, "double");
}

TEST(HandshakeTest, ARefusalIsTold) {
  WelcomeInfo welcome;
  welcome.refusal = "no licence";
  EXPECT_THAT(ThereAndBack(welcome),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("no licence")));
}

TEST(HandshakeTest, AWelcomeOfAnotherVersionTellsBoth) {
  WelcomeInfo welcome;
  welcome.protocol_version = 0;
  EXPECT_THAT(ThereAndBack(welcome),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("protocol 0"), HasSubstr("protocol 1"))));
}

TEST(HandshakeTest, TheFeatureThatTheSegmentsNeedMustBeThere) {
  WelcomeInfo welcome;
  welcome.features = {"memfd-segments", "something unknown"};
  EXPECT_THAT(ThereAndBack(welcome, SegmentKind::kMemfd), IsOk());
  EXPECT_THAT(ThereAndBack(welcome, SegmentKind::kPosix),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("posix-segments")));
}

TEST(HandshakeTest, EachKindOfSegmentHasItsProvider) {
  EXPECT_TRUE(MakeSegmentProvider(SegmentKind::kMemfd)->passes_descriptors());
  EXPECT_FALSE(MakeSegmentProvider(SegmentKind::kPosix)->passes_descriptors());
}

}  // namespace
}  // namespace slabpipe
