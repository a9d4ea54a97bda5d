// TwoEnds: a connection both of whose ends are in this process, so that a test can play one of them
// with messages that it writes by hand (schemas/session.capnp).
//
//   TwoEnds ends;
//   ReplyRouter router(ends.main.channel(), ...);
//   ends.worker.Send([](schemas::Message::Builder root) { root.setPong(7); });
//   ...
//   std::unique_ptr<Received> got = ends.worker.Receive();       // what main says

#ifndef SLABPIPE_TESTS_SESSION_TWO_ENDS_H_
#define SLABPIPE_TESTS_SESSION_TWO_ENDS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "slabpipe/codec/object.h"
#include "slabpipe/codec/registry.h"
#include "slabpipe/schemas/session.capnp.h"
#include "slabpipe/session/channel.h"
#include "slabpipe/transport/message_pipe.h"
#include "slabpipe/transport/shm_pool.h"
#include "slabpipe/transport/wait.h"

namespace slabpipe::tests {

inline Wait NoWait() { return {.deadline = Deadline::After(absl::ZeroDuration())}; }

// One end, with its pool and the built-in codecs. Thread-safe as a channel is.
class ConnectionEnd {
 public:
  ConnectionEnd(std::unique_ptr<MessagePipe> pipe, std::string prefix, std::string peer_prefix);

  Channel& channel() { return *channel_; }
  ShmPool& pool() { return pool_; }
  const CodecRegistry& codecs() const { return codecs_; }

  // A message without values that `fill` has written; it must be sent.
  using Fill = absl::FunctionRef<void(schemas::Message::Builder)>;
  void Send(Fill fill);
  // The next message; it must come, and be a good one.
  std::unique_ptr<Received> Receive();
  // Sends as many as there is room for, and returns how many that was.
  int SendUntilFull(Fill fill);

  // A message with values: `fill` writes what it is, and says where the payload of each goes.
  using FillValues =
      absl::FunctionRef<std::vector<schemas::Payload::Builder>(schemas::Message::Builder)>;
  absl::Status SendValues(FillValues fill, absl::Span<const AnyRef> values);
  // The value of a payload.
  absl::StatusOr<Object> Decode(const Received& received, schemas::Payload::Reader payload);

  // The process is gone, as the other end sees it. Nothing of the above works any more.
  void Leave() { channel_ = nullptr; }

 private:
  const CodecRegistry codecs_;
  ShmPool pool_;
  std::unique_ptr<Channel> channel_;
};

// With rings between them. The test program aborts if there can be none.
class TwoEnds {
 public:
  explicit TwoEnds(const PipeOptions& options = {}) : TwoEnds(MakePipes(options)) {}

  ConnectionEnd main;
  ConnectionEnd worker;

 private:
  using Pipes = std::pair<std::unique_ptr<MessagePipe>, std::unique_ptr<MessagePipe>>;
  static Pipes MakePipes(const PipeOptions& options);
  explicit TwoEnds(Pipes pipes);
};

}  // namespace slabpipe::tests

#endif  // SLABPIPE_TESTS_SESSION_TWO_ENDS_H_
