// A worker that is a main as well: it starts a worker of its own, the program that its first
// argument names, and hands calls on to it.

#include <unistd.h>

#include <cstdio>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "slabpipe/codec/ndarray.h"
#include "slabpipe/session/session.h"
#include "slabpipe/session/worker.h"

int main(int argc, char** argv) {
  slabpipe::Worker worker(argc, argv);
  std::optional<slabpipe::Session> inner;
  worker.Register("nested.start", [&]() -> absl::StatusOr<int64_t> {
    absl::StatusOr<slabpipe::Session> session = slabpipe::Session::Start({.program = argv[1]});
    if (!session.ok()) return session.status();
    inner.emplace(*std::move(session));
    return inner->worker_pid();
  });
  worker.Register("nested.sum", [&](const slabpipe::NdArray<const double>& x) {
    return inner->Call<double>("arrays.sum", x);
  });
  worker.Register("nested.kill_inner", [&] { return inner->Call("process.die", "kill"); });
  return worker.Serve();
}
