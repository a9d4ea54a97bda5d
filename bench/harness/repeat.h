// Repeat: does one thing often enough, and times each time.
//
//   return Repeat(request, [&](int64_t i) -> absl::Status { ...; return absl::OkStatus(); });

#ifndef SLABPIPE_BENCH_HARNESS_REPEAT_H_
#define SLABPIPE_BENCH_HARNESS_REPEAT_H_

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "slabpipe/bench/harness/clock.h"
#include "slabpipe/bench/harness/request.h"
#include "slabpipe/bench/harness/samples.h"

namespace slabpipe::bench {

// How long both sides are left alone before each call of mode `asleep`.
inline constexpr int64_t kAsleepNs = 2 * kNsPerMs;

// Calls before the first one that counts: they touch the memory and fill the caches.
inline int64_t WarmUps(const Request& request) {
  return request.mode == "asleep" ? 2 : std::clamp<int64_t>(request.count / 10, 2, 1000);
}

// Calls `prepare(i)`, untimed, and `once(i)`, timed, until the request's count or its time is used
// up, but three times at least, and once at least if one time takes very long. Both return a
// status; the first error ends it.
template <typename Prepare, typename Once>
absl::StatusOr<Measurement> Repeat(const Request& request, Prepare prepare, Once once) {
  Measurement measurement = {.samples = Samples(static_cast<size_t>(request.count))};
  const int64_t warm_ups = WarmUps(request);
  const int64_t warm_up_end = NowNs() + request.budget_ns / 5;
  int64_t end = 0;
  int64_t counted = 0;
  for (int64_t i = 0;; ++i) {
    if (absl::Status status = prepare(i); !status.ok()) return status;
    const int64_t begin = NowNs();
    absl::Status status = once(i);
    const int64_t now = NowNs();
    if (!status.ok()) return status;
    if (end == 0) {  // still warming up
      if (i + 1 >= warm_ups || now > warm_up_end) end = now + request.budget_ns;
      continue;
    }
    measurement.samples.Add(now - begin);
    ++counted;
    if (counted >= request.count) break;
    if (now > end && (counted >= 3 || now > end + request.budget_ns)) break;
  }
  return measurement;
}

// With nothing to prepare but, in mode `asleep`, the sleep of both sides.
template <typename Once>
absl::StatusOr<Measurement> Repeat(const Request& request, Once once) {
  const bool asleep = request.mode == "asleep";
  return Repeat(
      request,
      [asleep](int64_t) {
        if (asleep) SleepNs(kAsleepNs);
        return absl::OkStatus();
      },
      std::move(once));
}

}  // namespace slabpipe::bench

#endif  // SLABPIPE_BENCH_HARNESS_REPEAT_H_
