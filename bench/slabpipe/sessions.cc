#include "slabpipe/bench/slabpipe/sessions.h"

#include <cstring>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "slabpipe/bench/harness/cpus.h"
#include "slabpipe/codec/value.h"

namespace slabpipe::bench {
namespace {

Waiting global_waiting = Waiting::kSpins;

}  // namespace

void SetWaiting(Waiting waiting) { global_waiting = waiting; }

SessionOptions OptionsForUsers() {
  return {
      .program = "worker", .call_timeout = absl::Seconds(60), .restart = RestartPolicy::Never()};
}

absl::StatusOr<Session> StartSession(SessionOptions options) {
  if (global_waiting == Waiting::kBlocks) options.pipe.spin = absl::ZeroDuration();
  return Session::Start(std::move(options));
}

absl::StatusOr<Session*> SharedSession(absl::string_view mode) {
  static auto* const shared = new absl::StatusOr<Session>(StartSession());
  if (!shared->ok()) return shared->status();
  if (absl::Status placed = Place(mode, (*shared)->worker_pid()); !placed.ok()) return placed;
  return &**shared;
}

absl::Status CallSmall(Session& session, uint64_t number) {
  const Small request = SmallRequest(number);
  const Bytes bytes = {std::string(reinterpret_cast<const char*>(&request), sizeof(request))};
  absl::StatusOr<Bytes> answer = session.Call<Bytes>("bench.small", bytes);
  if (!answer.ok()) return answer.status();
  if (answer->data.size() != sizeof(Small)) return absl::InternalError("not 64 bytes");
  Small small;
  std::memcpy(&small, answer->data.data(), sizeof(small));
  return CheckAnswer(small, number);
}

}  // namespace slabpipe::bench
