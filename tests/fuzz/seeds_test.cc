#include "slabpipe/tests/fuzz/seeds.h"

#include <cstdint>
#include <iterator>
#include <map>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "slabpipe/tests/fuzz/decoder_harness.h"
#include "slabpipe/tests/fuzz/message_harness.h"
#include "slabpipe/tests/fuzz/sample_types.h"
#include "slabpipe/tests/fuzz/session_harness.h"
#include "slabpipe/tests/testing/status_matchers.h"

namespace slabpipe::fuzz {
namespace {

using ::slabpipe::tests::IsOk;
using ::testing::Not;

absl::Span<const uint8_t> AsBytes(const std::string& bytes) {
  return {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
}

// A fuzzer that begins with inputs that are refused at once finds little.
TEST(SeedsTest, DecodersReadTheirSeeds) {
  std::map<std::string, std::unique_ptr<DecoderHarness>> harnesses;
  for (const Seed& seed : MakeSeeds()) {
    if (seed.target == "message" || seed.target == "session") continue;
    auto& harness = harnesses[seed.target];
    if (harness == nullptr) harness = std::make_unique<DecoderHarness>(seed.target);
    EXPECT_THAT(harness->Run(AsBytes(seed.input)), IsOk()) << seed.target << " " << seed.name;
  }
  EXPECT_EQ(harnesses.size(), std::size(kCodecNumbers));
}

// Of a target; returns how many there are.
template <typename Harness>
size_t ExpectReadUnlessBad(const char* target) {
  Harness harness;
  size_t seeds = 0;
  for (const Seed& seed : MakeSeeds()) {
    if (seed.target != target) continue;
    ++seeds;
    const absl::Status read = harness.Run(AsBytes(seed.input));
    if (absl::StartsWith(seed.name, "bad_")) {
      EXPECT_THAT(read, Not(IsOk())) << seed.name;
    } else {
      EXPECT_THAT(read, IsOk()) << seed.name;
    }
  }
  return seeds;
}

TEST(SeedsTest, MessagesAreReadUnlessTheyAreMeantToBeBad) {
  EXPECT_GE(ExpectReadUnlessBad<MessageHarness>("message"), 10u);
}

TEST(SeedsTest, SessionsAreReadUnlessTheyAreMeantToBeBad) {
  EXPECT_GE(ExpectReadUnlessBad<SessionHarness>("session"), 20u);
}

}  // namespace
}  // namespace slabpipe::fuzz
