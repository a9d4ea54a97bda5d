// The sessions that slabpipe's cases use.

#ifndef SLABPIPE_BENCH_SLABPIPE_SESSIONS_H_
#define SLABPIPE_BENCH_SLABPIPE_SESSIONS_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "slabpipe/bench/harness/array_work.h"
#include "slabpipe/session/session.h"

namespace slabpipe::bench {

// How its sessions wait: this program is two contestants.
enum class Waiting { kSpins, kBlocks };
void SetWaiting(Waiting waiting);

// A session as a user would start it, and with the way of waiting above.
SessionOptions OptionsForUsers();
absl::StatusOr<Session> StartSession(SessionOptions options = OptionsForUsers());

// One session for all cases that need no fresh one, its worker placed as `mode` says.
absl::StatusOr<Session*> SharedSession(absl::string_view mode);

// 64 bytes there and back, checked.
absl::Status CallSmall(Session& session, uint64_t number);

}  // namespace slabpipe::bench

#endif  // SLABPIPE_BENCH_SLABPIPE_SESSIONS_H_
