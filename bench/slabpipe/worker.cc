// The worker of slabpipe's contestant. It looks at what it is sent, and says what it saw.

#include "slabpipe/session/worker.h"

#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "slabpipe/bench/harness/array_work.h"
#include "slabpipe/codec/ndarray.h"
#include "slabpipe/codec/value.h"

namespace slabpipe::bench {
namespace {

absl::StatusOr<Bytes> AnswerSmall(const Bytes& request) {
  if (request.data.size() != sizeof(Small)) return absl::InvalidArgumentError("64 bytes, please");
  Small small;
  std::memcpy(&small, request.data.data(), sizeof(small));
  small = SmallAnswer(small);
  return Bytes{std::string(reinterpret_cast<const char*>(&small), sizeof(small))};
}

double LookAtAll(const std::vector<NdArray<const double>>& arrays, bool touched) {
  double seen = 0;
  for (const NdArray<const double>& x : arrays) seen += Look(x.span(), touched);
  return seen;
}

// An array in private memory, as a function that knows nothing of slabpipe would make it. Kept
// from call to call, so that what is timed is the way and not the making.
NdArray<const double> GiveCopied(int64_t elements, double tag) {
  static auto* const kept = new std::vector<double>();
  if (kept->size() != static_cast<size_t>(elements)) {
    *kept = std::vector<double>();  // the old one goes first
    *kept = PatternArray(static_cast<size_t>(elements));
  }
  if (!kept->empty()) (*kept)[0] = tag;
  return NdArray<const double>::Borrow(absl::MakeConstSpan(*kept));
}

// An array in shared memory. Touched: every element is written.
absl::StatusOr<NdArray<double>> GiveReserved(Worker& worker, int64_t elements, double tag,
                                             bool touched) {
  absl::StatusOr<NdArray<double>> x = worker.NewArray<double>({elements});
  if (!x.ok()) return x;
  if (touched) FillPattern(x->span());
  if (!x->empty()) x->span()[0] = tag;
  return x;
}

int Serve(int argc, char** argv) {
  Worker worker(argc, argv);
  worker.Register("bench.small", AnswerSmall, "The answer to 64 bytes.", {"request"});
  worker.Register("bench.look", [](const NdArray<const double>& x, bool touched) {
    return Look(x.span(), touched);
  });
  worker.Register("bench.echo",
                  [](const NdArray<const double>& x, bool touched,
                     double expected) -> absl::StatusOr<NdArray<const double>> {
                    absl::Status arrived = CheckLook(Look(x.span(), touched), expected);
                    if (!arrived.ok()) return arrived;
                    return x;
                  });
  worker.Register("bench.look_at_all", LookAtAll);
  worker.Register("bench.give_copied", GiveCopied);
  worker.Register("bench.give_reserved", [&worker](int64_t elements, double tag, bool touched) {
    return GiveReserved(worker, elements, tag, touched);
  });
  // Until it is killed.
  worker.Register("bench.wait", [] {
    for (;;) ::pause();
  });
  return worker.Serve();
}

}  // namespace
}  // namespace slabpipe::bench

int main(int argc, char** argv) { return slabpipe::bench::Serve(argc, argv); }
