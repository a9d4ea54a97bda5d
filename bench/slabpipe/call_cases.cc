// Small calls: from one thread, and from several at once.

#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

#include "slabpipe/bench/harness/clock.h"
#include "slabpipe/bench/harness/repeat.h"
#include "slabpipe/bench/slabpipe/cases.h"
#include "slabpipe/bench/slabpipe/sessions.h"

namespace slabpipe::bench {
namespace {

// What one of several callers waited, call by call.
absl::Status CallUntil(Session& session, int64_t end, int64_t count, Samples& samples) {
  for (int64_t i = 0; i < count; ++i) {
    const int64_t begin = NowNs();
    if (begin > end) break;
    absl::Status status = CallSmall(session, static_cast<uint64_t>(i));
    if (!status.ok()) return status;
    samples.Add(NowNs() - begin);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Measurement> MeasureSmall(const Request& request) {
  absl::StatusOr<Session*> session = SharedSession(request.mode);
  if (!session.ok()) return session.status();
  return Repeat(request, [&](int64_t i) { return CallSmall(**session, static_cast<uint64_t>(i)); });
}

// `bytes` is how many threads call at once, each with one call in flight all the time. The samples
// are those of all; the rate is theirs together.
absl::StatusOr<Measurement> MeasureCallers(const Request& request) {
  absl::StatusOr<Session*> session = SharedSession(request.mode);
  if (!session.ok()) return session.status();
  const auto callers = static_cast<size_t>(request.bytes);
  if (callers < 1 || callers > 256) return absl::InvalidArgumentError("1 to 256 callers");
  for (uint64_t i = 0; i < 100; ++i) {
    if (absl::Status status = CallSmall(**session, i); !status.ok()) return status;
  }

  std::mutex mutex;
  Measurement measurement;
  absl::Status failure;
  const int64_t begin = NowNs();
  std::vector<std::thread> threads;
  for (size_t caller = 0; caller < callers; ++caller) {
    threads.emplace_back([&] {
      Samples mine(static_cast<size_t>(request.count));
      absl::Status status = CallUntil(**session, begin + request.budget_ns, request.count, mine);
      std::lock_guard<std::mutex> lock(mutex);
      measurement.samples.Append(mine);
      failure.Update(status);
    });
  }
  for (std::thread& thread : threads) thread.join();
  if (!failure.ok()) return failure;
  const double seconds = static_cast<double>(NowNs() - begin) / kNsPerSecond;
  measurement.numbers["calls_per_second"] =
      static_cast<double>(measurement.samples.count()) / seconds;
  return measurement;
}

}  // namespace slabpipe::bench
