// A worker that is a main as well: it starts a worker of its own, the program that its first
// argument names, with its other arguments, and hands calls on to it. That one may be such a worker
// again.

#include <unistd.h>

#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "slabpipe/codec/ndarray.h"
#include "slabpipe/session/session.h"
#include "slabpipe/session/worker.h"

int main(int argc, char** argv) {
  slabpipe::Worker worker(argc, argv);
  std::optional<slabpipe::Session> inner;
  const bool is_last = argc <= 2;
  // The pid of the innermost worker.
  worker.Register("nested.start", [&]() -> absl::StatusOr<int64_t> {
    absl::StatusOr<slabpipe::Session> session = slabpipe::Session::Start(
        {.program = argv[1], .arguments = std::vector<std::string>(argv + 2, argv + argc)});
    if (!session.ok()) return session.status();
    inner.emplace(*std::move(session));
    if (is_last) return inner->worker_pid();
    return inner->Call<int64_t>("nested.start");
  });
  worker.Register("nested.sum", [&](const slabpipe::NdArray<const double>& x) {
    return inner->Call<double>(is_last ? "arrays.sum" : "nested.sum", x);
  });
  worker.Register("nested.kill_inner", [&] { return inner->Call("process.die", "kill"); });
  return worker.Serve();
}
