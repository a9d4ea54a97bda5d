#include "slabpipe/transport/message_pipe.h"

#include "slabpipe/transport/kj_boundary.h"

namespace slabpipe {
namespace {

// A reader may visit each word of a message this many times before it is stopped: some codecs look
// at metadata twice, none needs more. Without a limit, a small message whose pointers overlap could
// keep a reader busy for ever.
constexpr uint64_t kVisitsPerWord = 3;
constexpr uint64_t kLeastVisits = 8192;
// Each level of values that contain values is up to four pointers deep on the wire (message, list,
// struct, payload), and so is each level of a map; both sides allow 64 of either
// (codec/codec_limits.h).
constexpr int kMaxNesting = 16 + 64 * 4 + 64 * 4;

capnp::ReaderOptions Limits(size_t words) {
  capnp::ReaderOptions options;
  options.traversalLimitInWords = words * kVisitsPerWord + kLeastVisits;
  options.nestingLimit = kMaxNesting;
  return options;
}

}  // namespace

SegmentTable MakeSegmentTable(kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>> segments) {
  SegmentTable table;
  table.push_back(static_cast<uint32_t>(segments.size() - 1));
  for (const auto& segment : segments) table.push_back(static_cast<uint32_t>(segment.size()));
  if (table.size() % 2 != 0) table.push_back(0);
  return table;
}

IncomingMessage::IncomingMessage(size_t word_count) : state_(new State) {
  state_->word_count = word_count;
  if (word_count <= state_->small.size()) {
    state_->words = state_->small.data();
  } else {
    state_->large = kj::heapArray<capnp::word>(word_count);
    state_->words = state_->large.begin();
  }
}

absl::Status IncomingMessage::Open() {
  return CatchKj([this] {
    state_->reader.emplace(kj::ArrayPtr<const capnp::word>(state_->words, state_->word_count),
                           Limits(state_->word_count));
    return absl::OkStatus();
  });
}

}  // namespace slabpipe
