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
    if (seed.target == "message") continue;
    auto& harness = harnesses[seed.target];
    if (harness == nullptr) harness = std::make_unique<DecoderHarness>(seed.target);
    EXPECT_THAT(harness->Run(AsBytes(seed.input)), IsOk()) << seed.target << " " << seed.name;
  }
  EXPECT_EQ(harnesses.size(), std::size(kCodecNumbers));
}

TEST(SeedsTest, MessagesAreReadUnlessTheyAreMeantToBeBad) {
  MessageHarness harness;
  size_t messages = 0;
  for (const Seed& seed : MakeSeeds()) {
    if (seed.target != "message") continue;
    ++messages;
    const absl::Status read = harness.Run(AsBytes(seed.input));
    if (absl::StartsWith(seed.name, "bad_")) {
      EXPECT_THAT(read, Not(IsOk())) << seed.name;
    } else {
      EXPECT_THAT(read, IsOk()) << seed.name;
    }
  }
  EXPECT_GE(messages, 10u);
}

}  // namespace
}  // namespace slabpipe::fuzz
