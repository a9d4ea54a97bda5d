// Many arrays in one call.

#include <vector>

#include "slabpipe/bench/harness/array_work.h"
#include "slabpipe/bench/harness/cpus.h"
#include "slabpipe/bench/harness/many.h"
#include "slabpipe/bench/harness/repeat.h"
#include "slabpipe/bench/slabpipe/cases.h"
#include "slabpipe/bench/slabpipe/sessions.h"

namespace slabpipe::bench {
namespace {

// `firsts` are the first elements of `arrays`, set anew for each call.
template <typename Arrays>
absl::StatusOr<Measurement> Measure(const Request& request, Session& session, const Arrays& arrays,
                                    const std::vector<double*>& firsts) {
  const SessionStats before = session.stats();
  absl::StatusOr<Measurement> measurement = Repeat(
      request,
      [&](int64_t i) {
        for (double* first : firsts) *first = Tag(i);
        return absl::OkStatus();
      },
      [&](int64_t i) -> absl::Status {
        absl::StatusOr<double> seen =
            session.Call<double>("bench.look_at_all", arrays, request.touched());
        if (!seen.ok()) return seen.status();
        return CheckLook(*seen, ExpectedOfMany(Tag(i), request.touched()));
      });
  if (measurement.ok()) {
    const SessionStats after = session.stats();
    measurement->numbers["message_bytes_per_array"] =
        static_cast<double>(after.message_bytes_sent - before.message_bytes_sent) /
        static_cast<double>((after.calls - before.calls) * kManyArrays);
  }
  return measurement;
}

}  // namespace

absl::StatusOr<Measurement> MeasureManyCopied(const Request& request) {
  absl::StatusOr<Session*> session = SharedSession(request.mode);
  if (!session.ok()) return session.status();
  ManyArrays memory;
  std::vector<NdArray<const double>> arrays;
  for (size_t i = 0; i < kManyArrays; ++i) {
    arrays.push_back(NdArray<const double>::Borrow(memory.array(i)));
  }
  return Measure(request, **session, arrays, memory.firsts());
}

// The rows of one array that was reserved.
absl::StatusOr<Measurement> MeasureManyReserved(const Request& request) {
  absl::StatusOr<Session*> session = SharedSession(ModeOfReserved());
  if (!session.ok()) return session.status();
  absl::StatusOr<NdArray<double>> all = (*session)->NewArray<double>({kManyArrays, kManyElements});
  if (!all.ok()) return all.status();
  std::vector<NdArray<double>> arrays;
  std::vector<double*> firsts;
  for (int64_t i = 0; i < int64_t{kManyArrays}; ++i) {
    absl::StatusOr<NdArray<double>> row = all->Slice(0, i, i + 1);
    if (!row.ok()) return row.status();
    FillPattern(row->span());
    firsts.push_back(row->data());
    arrays.push_back(*std::move(row));
  }
  return Measure(request, **session, arrays, firsts);
}

// Each array reserved for itself, as a program would that makes them one after the other.
absl::StatusOr<Measurement> MeasureManyReservedEach(const Request& request) {
  absl::StatusOr<Session*> session = SharedSession(ModeOfReserved());
  if (!session.ok()) return session.status();
  std::vector<NdArray<double>> arrays;
  std::vector<double*> firsts;
  for (size_t i = 0; i < kManyArrays; ++i) {
    absl::StatusOr<NdArray<double>> x = (*session)->NewArray<double>({kManyElements});
    if (!x.ok()) return x.status();
    FillPattern(x->span());
    firsts.push_back(x->data());
    arrays.push_back(*std::move(x));
  }
  absl::StatusOr<Measurement> measurement = Measure(request, **session, arrays, firsts);
  if (absl::IsInvalidArgument(measurement.status())) {  // a limit of the message's
    return absl::UnimplementedError(measurement.status().message());
  }
  return measurement;
}

}  // namespace slabpipe::bench
