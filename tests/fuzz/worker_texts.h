// What a worker says to people, as main shows it: never with control characters, never longer than
// the limits.
//
//   absl::Status read = CheckError(response.getError());     // inside CatchKj

#ifndef SLABPIPE_TESTS_FUZZ_WORKER_TEXTS_H_
#define SLABPIPE_TESTS_FUZZ_WORKER_TEXTS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "slabpipe/schemas/session.capnp.h"
#include "slabpipe/session/call_options.h"
#include "slabpipe/session/handshake.h"

namespace slabpipe::fuzz {

// Each does what main does with it, and aborts if it is shown as it must not be. The readers may
// throw kj::Exception.
void CheckWelcome(const WelcomeInfo& welcome);
void CheckError(schemas::Error::Reader error, absl::string_view target);
void CheckProgress(const Progress& progress);
void CheckLog(schemas::LogRecord::Reader log, std::string target);
// Of a worker that has ended for that reason, and has left this on stderr.
void CheckLoss(const absl::Status& why, absl::string_view stderr_text);

}  // namespace slabpipe::fuzz

#endif  // SLABPIPE_TESTS_FUZZ_WORKER_TEXTS_H_
