// The beginning and the end of a session: start, the first call at a size, the worker's death.

#include <signal.h>

#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "slabpipe/bench/harness/array_work.h"
#include "slabpipe/bench/harness/clock.h"
#include "slabpipe/bench/harness/cpus.h"
#include "slabpipe/bench/harness/repeat.h"
#include "slabpipe/bench/slabpipe/cases.h"
#include "slabpipe/bench/slabpipe/sessions.h"

namespace slabpipe::bench {
namespace {

constexpr absl::Duration kGrace = absl::Seconds(5);
// Long enough for the call to have reached the worker, and for main to have gone to sleep.
constexpr int64_t kUntilItWaitsNs = 5 * kNsPerMs;

// Fresh sessions, each used once and shut down, untimed; `once` tells what to count. No warm-up but
// the first, which finds the program's pages.
template <typename Once>
absl::StatusOr<Measurement> RepeatAfresh(const Request& request, Once once) {
  Measurement measurement;
  const int64_t end = NowNs() + request.budget_ns;
  for (int64_t i = 0; i <= request.count; ++i) {
    absl::StatusOr<int64_t> ns = once(i);
    if (!ns.ok()) return ns.status();
    if (i > 0) measurement.samples.Add(*ns);
    if (i > 0 && NowNs() > end) break;
  }
  return measurement;
}

}  // namespace

// From nothing to the first answer.
absl::StatusOr<Measurement> MeasureStart(const Request& request) {
  if (absl::Status placed = PlaceSelf(request.mode, 0); !placed.ok()) return placed;
  return RepeatAfresh(request, [&](int64_t i) -> absl::StatusOr<int64_t> {
    const int64_t begin = NowNs();
    absl::StatusOr<Session> session = StartSession();
    if (!session.ok()) return session.status();
    if (absl::Status status = CallSmall(*session, static_cast<uint64_t>(i)); !status.ok()) {
      return status;
    }
    const int64_t ns = NowNs() - begin;
    if (absl::Status status = session->Shutdown(kGrace); !status.ok()) return status;
    return ns;
  });
}

// From kill(2) to the end of the call that waits for the worker.
absl::StatusOr<Measurement> MeasureDeath(const Request& request) {
  if (absl::Status placed = PlaceSelf(request.mode, 0); !placed.ok()) return placed;
  return RepeatAfresh(request, [&](int64_t) -> absl::StatusOr<int64_t> {
    SessionOptions options = OptionsForUsers();
    options.restart = RestartPolicy::Never();
    options.log_sink = [](const LogRecord&) {};  // says what everybody knows: it was killed
    absl::StatusOr<Session> session = StartSession(std::move(options));
    if (!session.ok()) return session.status();
    int64_t killed_at = 0;
    std::thread killer([&killed_at, pid = session->worker_pid()] {
      SleepNs(kUntilItWaitsNs);
      killed_at = NowNs();
      ::kill(pid, SIGKILL);
    });
    const absl::Status status = session->Call("bench.wait");
    const int64_t noticed_at = NowNs();
    killer.join();
    if (!absl::IsUnavailable(status)) {
      return absl::InternalError(absl::StrCat("a killed worker gave: ", status.ToString()));
    }
    return noticed_at - killed_at;
  });
}

// The first array of its size in a fresh session, against in-copied, which is warm.
absl::StatusOr<Measurement> MeasureFirstTouch(const Request& request) {
  if (absl::Status placed = PlaceSelf(request.mode, 0); !placed.ok()) return placed;
  std::vector<double> x = PatternArray(request.elements());
  if (x.empty()) return absl::InvalidArgumentError("at least 8 bytes");
  return RepeatAfresh(request, [&](int64_t i) -> absl::StatusOr<int64_t> {
    absl::StatusOr<Session> session = StartSession();
    if (!session.ok()) return session.status();
    if (absl::Status status = CallSmall(*session, 1); !status.ok()) return status;
    x[0] = Tag(i);
    const int64_t begin = NowNs();
    absl::StatusOr<double> seen = session->Call<double>("bench.look", x, false);
    const int64_t ns = NowNs() - begin;
    if (!seen.ok()) return seen.status();
    if (absl::Status status = CheckLook(*seen, Tag(i)); !status.ok()) return status;
    if (absl::Status status = session->Shutdown(kGrace); !status.ok()) return status;
    return ns;
  });
}

}  // namespace slabpipe::bench
