#include "slabpipe/tests/session/two_ends.h"

#include "gtest/gtest.h"
#include "slabpipe/codec/built_in.h"
#include "slabpipe/tests/testing/status_matchers.h"
#include "slabpipe/transport/memfd_segment.h"
#include "slabpipe/transport/ring_pipe.h"

namespace slabpipe::tests {

ConnectionEnd::ConnectionEnd(std::unique_ptr<MessagePipe> pipe, std::string prefix,
                             std::string peer_prefix)
    : codecs_(BuiltInCodecs()),
      pool_({.prefix = std::move(prefix), .peer_prefix = std::move(peer_prefix)},
            std::make_shared<MemfdSegmentProvider>()),
      channel_(std::make_unique<Channel>(std::move(pipe), pool_, codecs_)) {}

void ConnectionEnd::Send(Fill fill) { ASSERT_THAT(channel_->Send(fill, {}), IsOk()); }

std::unique_ptr<Received> ConnectionEnd::Receive() {
  absl::StatusOr<std::unique_ptr<Received>> received = channel_->Receive({});
  EXPECT_THAT(received, IsOk());
  return received.ok() ? *std::move(received) : nullptr;
}

int ConnectionEnd::SendUntilFull(Fill fill) {
  int sent = 0;
  while (channel_->Send(fill, NoWait()).ok()) ++sent;
  return sent;
}

absl::Status ConnectionEnd::SendValues(FillValues fill, absl::Span<const AnyRef> values) {
  ValueMessage message(*channel_);
  absl::Status status = message.Begin({});
  if (!status.ok()) return status;
  std::vector<schemas::Payload::Builder> payloads = fill(message.root());
  for (const AnyRef& value : values) status.Update(message.Prepare(value));
  if (status.ok()) status = message.OpenSlab();
  for (size_t i = 0; i < values.size() && status.ok(); ++i) {
    status = message.Encode(values[i], payloads[i]);
  }
  return status.ok() ? message.Send({}) : status;
}

absl::StatusOr<Object> ConnectionEnd::Decode(const Received& received,
                                             schemas::Payload::Reader payload) {
  return channel_->MakeDecoder(received).Decode(payload);
}

TwoEnds::Pipes TwoEnds::MakePipes(const PipeOptions& options) {
  auto pipes = RingPipe::CreatePair(options);
  return {std::move(pipes->first), std::move(pipes->second)};
}

TwoEnds::TwoEnds(Pipes pipes)
    : main(std::move(pipes.first), "m.", "w."), worker(std::move(pipes.second), "w.", "m.") {}

}  // namespace slabpipe::tests
