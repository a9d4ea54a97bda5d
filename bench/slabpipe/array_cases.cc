// One array to the worker, back from it, or both.

#include <vector>

#include "slabpipe/bench/harness/array_work.h"
#include "slabpipe/bench/harness/cpus.h"
#include "slabpipe/bench/harness/repeat.h"
#include "slabpipe/bench/slabpipe/cases.h"
#include "slabpipe/bench/slabpipe/sessions.h"

namespace slabpipe::bench {
namespace {

using Elements = absl::Span<double>;

// Sends `x`, whose first element is set anew for each call; the worker tells what it saw of it.
template <typename Array>
absl::StatusOr<Measurement> MeasureIn(const Request& request, Session& session, const Array& x,
                                      Elements elements) {
  if (elements.empty()) return absl::InvalidArgumentError("at least 8 bytes");
  return Repeat(
      request,
      [&](int64_t i) {
        elements[0] = Tag(i);
        return absl::OkStatus();
      },
      [&](int64_t i) -> absl::Status {
        absl::StatusOr<double> seen = session.Call<double>("bench.look", x, request.touched());
        if (!seen.ok()) return seen.status();
        return CheckLook(*seen, ExpectedLook(elements.size(), Tag(i), request.touched()));
      });
}

absl::StatusOr<NdArray<double>> ReservedArray(const Request& request, Session& session) {
  absl::StatusOr<NdArray<double>> x =
      session.NewArray<double>({static_cast<int64_t>(request.elements())});
  if (x.ok() && request.touched()) FillPattern(x->span());  // otherwise only the tag is looked at
  return x;
}

template <typename... Arguments>
absl::StatusOr<Measurement> MeasureOut(const Request& request, absl::string_view place,
                                       absl::string_view target, const Arguments&... arguments) {
  absl::StatusOr<Session*> session = SharedSession(place);
  if (!session.ok()) return session.status();
  return Repeat(request, [&](int64_t i) -> absl::Status {
    auto x = (*session)->Call<NdArray<const double>>(
        target, static_cast<int64_t>(request.elements()), Tag(i), arguments...);
    if (!x.ok()) return x.status();
    if (x->span().size() != request.elements()) return absl::InternalError("another size");
    return CheckLook(Look(x->span(), request.touched()),
                     ExpectedLook(request.elements(), Tag(i), request.touched()));
  });
}

}  // namespace

absl::StatusOr<Measurement> MeasureInCopied(const Request& request) {
  absl::StatusOr<Session*> session = SharedSession(request.mode);
  if (!session.ok()) return session.status();
  std::vector<double> x = PatternArray(request.elements());
  return MeasureIn(request, **session, x, absl::MakeSpan(x));
}

absl::StatusOr<Measurement> MeasureInReserved(const Request& request) {
  absl::StatusOr<Session*> session = SharedSession(ModeOfReserved());
  if (!session.ok()) return session.status();
  absl::StatusOr<NdArray<double>> x = ReservedArray(request, **session);
  if (!x.ok()) return x.status();
  return MeasureIn(request, **session, *x, x->span());
}

// Copied on the way there; comes back as a reference to the same bytes.
absl::StatusOr<Measurement> MeasureEcho(const Request& request) {
  absl::StatusOr<Session*> session = SharedSession(request.mode);
  if (!session.ok()) return session.status();
  std::vector<double> x = PatternArray(request.elements());
  if (x.empty()) return absl::InvalidArgumentError("at least 8 bytes");
  return Repeat(
      request,
      [&](int64_t i) {
        x[0] = Tag(i);
        return absl::OkStatus();
      },
      [&](int64_t i) -> absl::Status {
        const double expected = ExpectedLook(x.size(), Tag(i), request.touched());
        auto back =
            (*session)->Call<NdArray<const double>>("bench.echo", x, request.touched(), expected);
        if (!back.ok()) return back.status();
        if (back->span().size() != x.size()) return absl::InternalError("another size");
        return CheckLook(Look(back->span(), request.touched()), expected);
      });
}

absl::StatusOr<Measurement> MeasureOutCopied(const Request& request) {
  return MeasureOut(request, request.mode, "bench.give_copied");
}

absl::StatusOr<Measurement> MeasureOutReserved(const Request& request) {
  return MeasureOut(request, ModeOfReserved(), "bench.give_reserved", request.touched());
}

}  // namespace slabpipe::bench
