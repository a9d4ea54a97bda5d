#include "slabpipe/session/handshake.h"

#include <capnp/message.h>

#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "slabpipe/schemas/session.capnp.h"
#include "slabpipe/session/target_info.h"
#include "slabpipe/session/target_name.h"
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
  welcome.targets = {
      {.name = "stats.mean",
       .documentation = "The mean.",
       .parameters = {{.name = "x", .type = "array"},
                      {.name = "power", .type = "int", .optional = true, .default_value = "1"}},
       .result = "double",
       .item_type = "text"}};
  const absl::StatusOr<WelcomeInfo> back = ThereAndBack(welcome);
  ASSERT_THAT(back, IsOk());
  ASSERT_EQ(back->targets.size(), 1u);
  EXPECT_EQ(back->targets[0].Signature(), welcome.targets[0].Signature());
  EXPECT_EQ(back->targets[0].documentation, "The mean.");
  EXPECT_EQ(back->targets[0].parameters[1].type, "int");
  EXPECT_TRUE(back->targets[0].parameters[1].optional);
  EXPECT_EQ(back->targets[0].parameters[1].default_value, "1");
  EXPECT_EQ(back->targets[0].result, "double");
  EXPECT_EQ(back->targets[0].item_type, "text");
}

// A welcome with this target.
absl::StatusOr<WelcomeInfo> WithTarget(TargetInfo target) {
  WelcomeInfo welcome;
  welcome.targets = {std::move(target)};
  return ThereAndBack(welcome);
}
TargetInfo GoodTarget() {
  return {.name = "m.f",
          .documentation = "Does it.",
          .parameters = {{.name = "x", .type = "int", .optional = true, .default_value = "1"}},
          .result = "int",
          .item_type = "int"};
}

TEST(HandshakeTest, EachTextOfATargetHasALimit) {
  const auto too_long = StatusIs(absl::StatusCode::kDataLoss, HasSubstr("more than"));
  EXPECT_THAT(WithTarget(GoodTarget()), IsOk());
  TargetInfo target = GoodTarget();
  target.name = "m." + std::string(kMaxNameBytes, 'f');
  EXPECT_THAT(WithTarget(target), too_long);
  target = GoodTarget();
  target.documentation = std::string(kMaxDocumentationBytes + 1, 'x');
  EXPECT_THAT(WithTarget(target), too_long);
  for (std::string TargetInfo::*text : {&TargetInfo::result, &TargetInfo::item_type}) {
    target = GoodTarget();
    target.*text = std::string(kMaxTypeNameBytes + 1, 'x');
    EXPECT_THAT(WithTarget(target), too_long);
  }
  using Parameter = TargetInfo::Parameter;
  for (std::string Parameter::*text :
       {&Parameter::name, &Parameter::type, &Parameter::default_value}) {
    target = GoodTarget();
    target.parameters[0].*text = std::string(kMaxTypeNameBytes + 1, 'x');
    EXPECT_THAT(WithTarget(target), too_long);
  }
  target = GoodTarget();
  target.parameters.assign(kMaxParameters + 1, {.name = "", .type = "int"});
  EXPECT_THAT(WithTarget(target), too_long);
}

TEST(HandshakeTest, TargetsAndTheirTextsTogetherHaveALimit) {
  WelcomeInfo welcome;
  for (size_t i = 0; i <= kMaxTargets; ++i) {
    welcome.targets.push_back(GoodTarget());
    welcome.targets.back().name += std::to_string(i);
  }
  EXPECT_THAT(ThereAndBack(welcome), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("4096")));
  welcome.targets.pop_back();
  EXPECT_THAT(ThereAndBack(welcome), IsOk());
  for (TargetInfo& target : welcome.targets) target.documentation = std::string(4096, 'x');
  EXPECT_THAT(ThereAndBack(welcome), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("all texts")));
}

TEST(HandshakeTest, NamesOfTargetsAreOnesAndUnique) {
  for (const char* name : {"", "mean", "a..b", "m.\x1b[2J"}) {
    TargetInfo target = GoodTarget();
    target.name = name;
    EXPECT_THAT(WithTarget(target), StatusIs(absl::StatusCode::kDataLoss)) << name;
  }
  TargetInfo target = GoodTarget();
  target.parameters[0].name = "a\x1b";
  EXPECT_THAT(WithTarget(target), StatusIs(absl::StatusCode::kDataLoss));
  WelcomeInfo welcome;
  welcome.targets = {GoodTarget(), GoodTarget()};
  EXPECT_THAT(ThereAndBack(welcome),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("two targets 'm.f'")));
}

TEST(HandshakeTest, TextsOfAWelcomeHoldNoControlCharacters) {
  TargetInfo target = GoodTarget();
  target.documentation = "One\nline\x1b[31m \\n";
  target.result = target.item_type = "int\n";
  target.parameters[0].type = "\xc2\x9b";
  target.parameters[0].default_value = "\"a\\nb\"\x07";
  const absl::StatusOr<WelcomeInfo> back = WithTarget(target);
  ASSERT_THAT(back, IsOk());
  const TargetInfo& read = back->targets[0];
  EXPECT_EQ(read.documentation, "One\nline\\033[31m \\n");
  EXPECT_EQ(read.result, "int\\n");
  EXPECT_EQ(read.item_type, "int\\n");
  EXPECT_EQ(read.parameters[0].type, "\\302\\233");
  EXPECT_EQ(read.parameters[0].default_value, "\"a\\nb\"\\007");
  WelcomeInfo refusal;
  refusal.refusal = "no\x1b]0;licence" + std::string(1'000'000, 'x');
  const std::string told(ThereAndBack(refusal).status().message());
  EXPECT_EQ(told.find('\x1b'), std::string::npos);
  EXPECT_LT(told.size(), 20'000u);
  WelcomeInfo other;
  other.protocol_version = 0;
  other.software = "\x1b[31m";
  EXPECT_EQ(ThereAndBack(other).status().message().find('\x1b'), std::string::npos);
}

TEST(HandshakeTest, FeaturesThatNobodyCouldKnowAreLeftOut) {
  WelcomeInfo welcome;
  welcome.features.push_back(std::string(1000, 'x'));
  EXPECT_EQ(ThereAndBack(welcome)->features.size(), std::size(kFeatures));
  welcome.features.resize(100'000, "many");
  EXPECT_LE(ThereAndBack(welcome)->features.size(), 256u);
}

TEST(HandshakeTest, ARefusalIsTold) {
  WelcomeInfo welcome;
  welcome.refusal = "no licence";
  EXPECT_THAT(ThereAndBack(welcome),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("no licence")));
  welcome.refusal_code = absl::StatusCode::kResourceExhausted;
  EXPECT_THAT(ThereAndBack(welcome),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("no licence")));
}

TEST(HandshakeTest, ARefusalOfNoOrAnyOtherCodeIsFailedPrecondition) {
  for (const int code : {0, 1, 4, 14, 15, 16, 17, 65'535}) {
    capnp::MallocMessageBuilder message;
    schemas::Welcome::Builder welcome = message.initRoot<schemas::Message>().initWelcome();
    welcome.setRefusal("no licence");
    welcome.setRefusalCode(static_cast<uint16_t>(code));
    EXPECT_THAT(ReadWelcome(message.getRoot<schemas::Message>().asReader(), SegmentKind::kMemfd),
                StatusIs(absl::StatusCode::kFailedPrecondition))
        << code;
  }
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
