// A worker under torture. Each function takes a token, which no other call has, and notes it before
// it does anything else: so it is known which calls have run, and that none has run twice. The
// worker has a child of its own, which would run for ever.
//
// usage: token_worker FILE

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <numeric>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "slabpipe/codec/ndarray.h"
#include "slabpipe/session/worker.h"

namespace {

using slabpipe::NdArray;

int tokens = -1;

// One write(2) to the end of the file: whole, whoever else writes.
void Note(uint64_t token) {
  if (::write(tokens, &token, sizeof(token)) != sizeof(token)) ::_exit(1);
}

double Sum(uint64_t token, const NdArray<const double>& x) {
  Note(token);
  return std::accumulate(x.span().begin(), x.span().end(), 0.0);
}

absl::Status Count(uint64_t token, int64_t count, slabpipe::ResultWriter<int64_t>& numbers) {
  Note(token);
  for (int64_t i = 0; i < count; ++i) {
    if (absl::Status written = numbers.Write(i); !written.ok()) return written;
  }
  return absl::OkStatus();
}

void StartChild() {
  if (::fork() != 0) return;
  ::syscall(SYS_close_range, 0u, ~0u, 0u);
  while (true) ::pause();
}

}  // namespace

int main(int argc, char** argv) {
  slabpipe::Worker worker(argc, argv);
  if (argc != 2) return 2;
  tokens = ::open(argv[1], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (tokens < 0) return 2;
  StartChild();
  worker.Register("torture.echo", [](uint64_t token, int64_t number) {
    Note(token);
    return number;
  });
  worker.Register("torture.sum", Sum);
  worker.Register("torture.count", Count);
  worker.Register("torture.fill",
                  [&](uint64_t token, int64_t size) -> absl::StatusOr<NdArray<double>> {
                    Note(token);
                    absl::StatusOr<NdArray<double>> array = worker.NewArray<double>({size});
                    if (!array.ok()) return array.status();
                    std::iota(array->span().begin(), array->span().end(), 0.0);
                    return array;
                  });
  return worker.Serve();
}
