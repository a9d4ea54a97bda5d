// A worker with functions that take long: they ask whether they are cancelled, report, yield many
// results, hang in several ways, and die in the middle.
//
// Its first argument is the number of serving threads.

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <fstream>
#include <numeric>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "slabpipe/codec/ndarray.h"
#include "slabpipe/session/worker.h"

namespace slabpipe::tests {
namespace {

Worker* the_worker = nullptr;
std::atomic<int64_t> written = 0;  // items, by all streams

// Touches the file `path` when it has begun: somebody waits for it.
void Arrive(const std::string& path) {
  if (!path.empty()) std::ofstream(path) << "here\n";
}

// How it ended: "cancelled" or "deadline".
absl::StatusOr<std::string> UntilStopped(const std::string& arrival, CallContext& context) {
  Arrive(arrival);
  while (!context.cancelled()) {
  }
  return absl::IsCancelled(context.status()) ? "cancelled" : "deadline";
}

std::string SleepUntilStopped(const std::string& arrival, CallContext& context) {
  Arrive(arrival);
  const bool slept = context.SleepFor(absl::Hours(1));
  return slept ? "slept" : std::string(absl::StatusCodeToString(context.status().code()));
}

bool Nap(int64_t milliseconds, CallContext& context) {
  return context.SleepFor(absl::Milliseconds(milliseconds));
}

// Ends by SIGTERM, or by SIGKILL alone.
void Hang(const std::string& arrival, bool ignores_sigterm) {
  if (ignores_sigterm) ::signal(SIGTERM, SIG_IGN);
  Arrive(arrival);
  while (true) ::pause();
}

void Burn(const std::string& arrival) {
  Arrive(arrival);
  std::atomic<uint64_t> steps = 0;
  while (true) ++steps;
}

void Stop() { ::kill(::getpid(), SIGSTOP); }

int64_t ReportSteps(int64_t steps, CallContext& context) {
  for (int64_t i = 0; i <= steps; ++i) {
    context.Report(static_cast<double>(i), static_cast<double>(steps), absl::StrCat("step ", i));
    context.SleepFor(absl::Milliseconds(20));
  }
  return steps;
}

absl::Status Count(int64_t count, ResultWriter<int64_t>& out) {
  for (int64_t i = 0; i < count; ++i) {
    if (absl::Status sent = out.Write(i); !sent.ok()) return sent;
    ++written;
  }
  return absl::OkStatus();
}

absl::Status Arrays(int64_t count, int64_t size, ResultWriter<NdArray<double>>& out) {
  for (int64_t i = 0; i < count; ++i) {
    absl::StatusOr<NdArray<double>> array = the_worker->NewArray<double>({size});
    if (!array.ok()) return array.status();
    std::iota(array->span().begin(), array->span().end(), static_cast<double>(i));
    if (absl::Status sent = out.Write(*array); !sent.ok()) return sent;
  }
  return absl::OkStatus();
}

// Yields `count` numbers, and then ends as said.
absl::Status Break(int64_t count, const std::string& how, ResultWriter<int64_t>& out) {
  absl::Status sent = Count(count, out);
  if (!sent.ok()) return sent;
  if (how == "status") return absl::AbortedError("no more");
  if (how == "throw") throw std::runtime_error("no more");
  if (how == "kill") ::kill(::getpid(), SIGKILL);
  if (how == "hang") Hang("", false);
  return absl::OkStatus();
}

// A start-up target: hangs if the file is there that the variable SLABPIPE_TEST_BLOCK names.
void StartUnlessBlocked() {
  const char* path = ::getenv("SLABPIPE_TEST_BLOCK");
  if (path != nullptr && ::access(path, F_OK) == 0) Hang("", false);
}

int64_t Written() { return written; }
pid_t Pid() { return ::getpid(); }
void Die() { ::kill(::getpid(), SIGKILL); }

// Dies the first `times` times that it is called with this file, which counts them.
int64_t DieAtFirst(const std::string& counter, int64_t times) {
  int64_t calls = 0;
  std::ifstream(counter) >> calls;
  std::ofstream(counter) << calls + 1 << std::flush;
  if (calls < times) Die();
  return calls + 1;
}

int Main(int argc, char** argv) {
  Worker worker(argc, argv);
  the_worker = &worker;
  worker.Register("long.until_stopped", UntilStopped);
  worker.Register("long.sleep", SleepUntilStopped);
  worker.Register("long.nap", Nap);
  worker.Register("long.hang", Hang);
  worker.Register("long.burn", Burn);
  worker.Register("long.stop", Stop);
  worker.Register("long.report", ReportSteps);
  worker.Register("stream.count", Count, "0, 1, 2, ...", {"count"});
  worker.Register("stream.arrays", Arrays);
  worker.Register("stream.break", Break);
  worker.Register("stream.written", Written);
  worker.Register("start.unless_blocked", StartUnlessBlocked);
  worker.Register("process.pid", Pid);
  worker.Register("process.die", Die);
  worker.Register("process.die_at_first", DieAtFirst);
  worker.Register("echo.number", [](int64_t number) { return number; });
  int threads = 1;
  if (argc > 1 && !absl::SimpleAtoi(argv[1], &threads)) return 2;
  return worker.Serve({.threads = threads});
}

}  // namespace
}  // namespace slabpipe::tests

int main(int argc, char** argv) { return slabpipe::tests::Main(argc, argv); }
