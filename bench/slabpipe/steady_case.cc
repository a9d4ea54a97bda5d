// Equal calls in a row: what grows?

#include <unistd.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "slabpipe/bench/harness/array_work.h"
#include "slabpipe/bench/harness/clock.h"
#include "slabpipe/bench/harness/process_size.h"
#include "slabpipe/bench/harness/repeat.h"
#include "slabpipe/bench/slabpipe/cases.h"
#include "slabpipe/bench/slabpipe/sessions.h"

namespace slabpipe::bench {
namespace {

constexpr size_t kElements = 8192;  // 64 KiB
constexpr int64_t kCallsAtOnce = 100;
constexpr int64_t kWarmUps = 20;

struct Sizes {
  ProcessSize main;
  ProcessSize worker;
  uint64_t slabs = 0;  // main's
};

absl::StatusOr<Sizes> SizesNow(const Session& session) {
  absl::StatusOr<ProcessSize> main = SizeOfProcess(::getpid());
  if (!main.ok()) return main.status();
  absl::StatusOr<ProcessSize> worker = SizeOfProcess(session.worker_pid());
  if (!worker.ok()) return worker.status();
  return Sizes{*main, *worker, session.stats().pool.own.segments_created};
}

// A hundred calls: small ones; in the mode `arrays` one in ten brings an array, one fetches one.
absl::Status Calls(Session& session, std::vector<double>& x, int64_t number, bool arrays) {
  for (int64_t i = number; i < number + kCallsAtOnce; ++i) {
    if (arrays && i % 10 == 0) {
      x[0] = Tag(i);
      absl::StatusOr<double> seen = session.Call<double>("bench.look", x, false);
      if (!seen.ok()) return seen.status();
      if (absl::Status status = CheckLook(*seen, Tag(i)); !status.ok()) return status;
    } else if (arrays && i % 10 == 5) {
      auto back =
          session.Call<NdArray<const double>>("bench.give_copied", int64_t{kElements}, Tag(i));
      if (!back.ok()) return back.status();
      absl::Status status = CheckLook(Look(back->span(), false), Tag(i));
      if (!status.ok()) return status;
    } else if (absl::Status status = CallSmall(session, static_cast<uint64_t>(i)); !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

}  // namespace

// Modes: `two-cores`: small calls only; `arrays`: with arrays both ways among them. `count` calls,
// or the budget. The samples are of a hundred calls each, divided by a hundred.
absl::StatusOr<Measurement> MeasureSteady(const Request& request) {
  absl::StatusOr<Session*> session = SharedSession(request.mode);
  if (!session.ok()) return session.status();
  const bool arrays = request.mode == "arrays";
  std::vector<double> x = PatternArray(kElements);
  Measurement measurement = {.samples = Samples(static_cast<size_t>(request.count / kCallsAtOnce))};
  int64_t calls = 0;
  for (; calls < kWarmUps * kCallsAtOnce; calls += kCallsAtOnce) {
    if (absl::Status status = Calls(**session, x, calls, arrays); !status.ok()) return status;
  }

  absl::StatusOr<Sizes> before = SizesNow(**session);
  if (!before.ok()) return before.status();
  const int64_t end = NowNs() + request.budget_ns;
  int64_t counted = 0;
  for (; counted < request.count && NowNs() < end; counted += kCallsAtOnce) {
    const int64_t begin = NowNs();
    absl::Status status = Calls(**session, x, calls + counted, arrays);
    if (!status.ok()) return status;
    measurement.samples.Add((NowNs() - begin) / kCallsAtOnce);
  }
  absl::StatusOr<Sizes> after = SizesNow(**session);
  if (!after.ok()) return after.status();

  const auto grown = [&](const std::string& name, auto from, auto to) {
    measurement.numbers[name] = static_cast<double>(to) - static_cast<double>(from);
  };
  grown("main_descriptors", before->main.descriptors, after->main.descriptors);
  grown("main_mappings", before->main.mappings, after->main.mappings);
  grown("main_resident_kib", before->main.resident_kib, after->main.resident_kib);
  grown("worker_descriptors", before->worker.descriptors, after->worker.descriptors);
  grown("worker_mappings", before->worker.mappings, after->worker.mappings);
  grown("worker_resident_kib", before->worker.resident_kib, after->worker.resident_kib);
  grown("main_segments", before->slabs, after->slabs);
  measurement.numbers["calls"] = static_cast<double>(counted);
  return measurement;
}

}  // namespace slabpipe::bench
