#include "slabpipe/tests/fuzz/session_input.h"

#include "slabpipe/tests/fuzz/byte_reader.h"

namespace slabpipe::fuzz {
namespace {

using Kind = SessionInput::Kind;

constexpr size_t kMostSteps = 64;

enum Flag : uint8_t { kRing = 1, kGreets = 2 };

bool HasBytes(Kind kind) { return kind == Kind::kBytes || kind == Kind::kPrint; }

}  // namespace

SessionInput ParseSessionInput(absl::Span<const uint8_t> bytes) {
  ByteReader in(bytes);
  const uint8_t flags = in.U8();
  SessionInput input = {
      .ring = (flags & kRing) != 0, .greets = (flags & kGreets) != 0, .steps = {}};
  while (!in.empty() && input.steps.size() < kMostSteps) {
    SessionInput::Step step = {.kind = static_cast<Kind>(in.U8() % SessionInput::kKinds)};
    step.which = in.U8();
    if (step.kind == Kind::kMessage) step.message = ParseMessage(in);
    if (HasBytes(step.kind)) {
      const size_t size = in.U16();
      step.bytes = in.Take(size);
    }
    input.steps.push_back(step);
  }
  return input;
}

std::string FormatSessionInput(const SessionInput& input) {
  ByteWriter out;
  out.U8((input.ring ? kRing : 0) | (input.greets ? kGreets : 0));
  for (const SessionInput::Step& step : input.steps) {
    out.U8(static_cast<uint8_t>(step.kind));
    out.U8(step.which);
    if (step.kind == Kind::kMessage) FormatMessage(step.message, out);
    if (HasBytes(step.kind)) {
      out.U16(step.bytes.size());
      out.Put(step.bytes);
    }
  }
  return out.bytes();
}

}  // namespace slabpipe::fuzz
