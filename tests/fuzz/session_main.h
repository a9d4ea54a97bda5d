// FuzzedMain: main's end of a connection in the fuzzer `session`, as Connection and its callers
// have it, and the worker's, which does what the input says.
//
//   FuzzedMain main(codecs, memory, input);
//   for (const SessionInput::Step& step : input.steps) main.Do(step);
//   main.End();
//   ... main.error(), main.TakeObjects() ...

#ifndef SLABPIPE_TESTS_FUZZ_SESSION_MAIN_H_
#define SLABPIPE_TESTS_FUZZ_SESSION_MAIN_H_

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "slabpipe/codec/object.h"
#include "slabpipe/codec/registry.h"
#include "slabpipe/schemas/session.capnp.h"
#include "slabpipe/session/channel.h"
#include "slabpipe/session/remote_handles.h"
#include "slabpipe/session/reply_router.h"
#include "slabpipe/tests/fuzz/own_memory.h"
#include "slabpipe/tests/fuzz/session_input.h"
#include "slabpipe/tests/fuzz/session_peer.h"
#include "slabpipe/transport/ring_pipe.h"
#include "slabpipe/transport/shm_pool.h"
#include "slabpipe/transport/unique_fd.h"

namespace slabpipe::fuzz {

// Thread-compatible.
class FuzzedMain {
 public:
  using Kind = SessionInput::Kind;

  FuzzedMain(const CodecRegistry& registry, std::shared_ptr<OwnMemory> memory,
             const SessionInput& input);
  ~FuzzedMain();
  void Do(const SessionInput::Step& step);
  // The worker has gone; main hears what it has left.
  void End();
  // REQUIRES: End.
  std::vector<Object> TakeObjects() { return std::move(objects_); }
  // The first error that was the worker's fault.
  const absl::Status& error() const { return error_; }

 private:
  struct Call;
  absl::Status Greet(const MessageInput::Message& message);
  absl::Status Complete(std::vector<UniqueFd> joined);
  void StartCall(uint8_t which);
  absl::Status SendRequest(uint64_t id, bool with_arguments);
  void SendShutdown();
  void NoteSent(const absl::Status& sent);
  void ActOn(Kind kind, Call& call);
  // Whether something has happened.
  bool Take(Call& call, const Happening& now);
  absl::Status ReadAnswer(const Call& call, const Received& received);
  absl::Status Decode(const Received& received, schemas::Payload::Reader payload);
  void Judge(const absl::Status& read, size_t message_bytes);
  absl::Status PassOn(const Received& received);
  void AwaitEnd(Call& call);
  void CheckOver(const absl::Status& why);

  ShmPool pool_;
  const bool offers_ring_;
  bool greets_;  // the welcome is yet to come
  std::optional<SessionPeer> peer_;
  RingPipe* pipe_ = nullptr;  // channel_'s
  int offered_ = -1;          // main's control block
  std::optional<Channel> channel_;
  const std::shared_ptr<RemoteHandles> handles_ = RemoteHandles::Create(::getpid());
  std::optional<ReplyRouter> router_;
  Waiter shared_;
  std::vector<std::unique_ptr<Call>> calls_;
  std::vector<Object> objects_;
  std::string stderr_;
  absl::Status error_;
};

}  // namespace slabpipe::fuzz

#endif  // SLABPIPE_TESTS_FUZZ_SESSION_MAIN_H_
