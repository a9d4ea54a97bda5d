// A main program for tests that kill it: starts a session with the worker that its first argument
// names, has both sides make shared memory and the worker start a child, prints the pids of these
// two, and then hangs, in the middle of a call if told so.
//
// usage: main_program WORKER memfd|posix idle|calling FIFO

#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "slabpipe/codec/ndarray.h"
#include "slabpipe/session/session.h"

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  const bool posix = std::string(argv[2]) == "posix";
  const std::string fifo = argv[4];
  absl::StatusOr<slabpipe::Session> session = slabpipe::Session::Start(
      {.program = argv[1],
       .segments = posix ? slabpipe::SegmentKind::kPosix : slabpipe::SegmentKind::kMemfd});
  if (!session.ok()) {
    std::fprintf(stderr, "%s\n", session.status().ToString().c_str());
    return 1;
  }
  const slabpipe::NdArray<double> mine = *slabpipe::NdArray<double>::Create({10'000});
  if (!session->Call<double>("arrays.sum", mine).ok()) return 1;
  auto theirs = session->Call<slabpipe::NdArray<const double>>("arrays.make", 10'000, true);
  if (!theirs.ok()) return 1;
  const absl::StatusOr<int64_t> child = session->Call<int64_t>("process.grandchild");
  if (!child.ok() || *child <= 0) return 1;
  std::thread caller;
  if (std::string(argv[3]) == "calling") {
    caller = std::thread([&] { session->Call("time.hang_after", fifo).IgnoreError(); });
    ::close(::open(fifo.c_str(), O_WRONLY | O_CLOEXEC));  // it is in the function
  }
  std::printf("%d %d\n", static_cast<int>(session->worker_pid()), static_cast<int>(*child));
  std::fflush(stdout);
  while (true) ::pause();
}
