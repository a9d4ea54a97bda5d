// StartServiceThread: a thread of the library's own inside somebody else's program.

#ifndef SLABPIPE_SESSION_SERVICE_THREAD_H_
#define SLABPIPE_SESSION_SERVICE_THREAD_H_

#include <functional>
#include <thread>

#include "absl/status/statusor.h"

namespace slabpipe {

// All signals are blocked in it: those that are meant for the program are delivered to the
// program's own threads. RESOURCE_EXHAUSTED if there can't be one more.
absl::StatusOr<std::thread> StartServiceThread(std::function<void()> run);

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_SERVICE_THREAD_H_
