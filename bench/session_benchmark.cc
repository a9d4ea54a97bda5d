// What calls cost, with a real worker process, beside what the machine itself takes for the same
// bytes. See README.md.

#include <benchmark/benchmark.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "slabpipe/codec/ndarray.h"
#include "slabpipe/session/child_process.h"
#include "slabpipe/session/session.h"

namespace slabpipe {
namespace {

constexpr int64_t kKiB = 1024;
constexpr int64_t kMiB = 1024 * kKiB;
constexpr int64_t kManyArrays = 2500;
constexpr int64_t kManyElements = 1000;

// A benchmark whose work failed has measured nothing: it ends.
template <typename T>
bool Check(benchmark::State& state, const T& status_or) {
  if (status_or.ok()) return true;
  if constexpr (std::is_same_v<T, absl::Status>) {
    state.SkipWithError(std::string(status_or.message()).c_str());
  } else {
    state.SkipWithError(std::string(status_or.status().message()).c_str());
  }
  return false;
}

absl::StatusOr<Session> StartWorker() {
  return Session::Start({.program = "bench_worker", .log_sink = [](const LogRecord&) {}});
}

// One worker for all benchmarks but that of starting one.
absl::StatusOr<Session>& SharedSession() {
  static auto* const session = new absl::StatusOr<Session>(StartWorker());
  return *session;
}

void SizeArguments(benchmark::internal::Benchmark* benchmark) {
  for (const int64_t bytes : {4 * kKiB, 64 * kKiB, kMiB, 16 * kMiB, 64 * kMiB, 256 * kMiB}) {
    benchmark->Arg(bytes);
  }
  benchmark->UseRealTime();
}

void CountBytes(benchmark::State& state, int64_t bytes) {
  state.SetBytesProcessed(state.iterations() * bytes);
}

std::vector<double> Doubles(int64_t bytes) {
  return std::vector<double>(static_cast<size_t>(bytes) / sizeof(double), 1.5);
}

// Floor: one copy of the bytes between warm, private memory.
void BM_Memcpy(benchmark::State& state) {
  const std::vector<double> from = Doubles(state.range(0));
  std::vector<double> to(from.size());
  for (auto _ : state) {
    std::memcpy(to.data(), from.data(), from.size() * sizeof(double));
    benchmark::DoNotOptimize(to.data());
    benchmark::ClobberMemory();
  }
  CountBytes(state, state.range(0));
}
BENCHMARK(BM_Memcpy)->Apply(SizeArguments);

// A number there, a number back, through the whole API.
void BM_SmallCall(benchmark::State& state) {
  absl::StatusOr<Session>& session = SharedSession();
  if (!Check(state, session)) return;
  int64_t x = 0;
  for (auto _ : state) {
    absl::StatusOr<int64_t> y = session->Call<int64_t>("bench.add_one", x);
    if (!Check(state, y)) return;
    x = *y;
  }
}
BENCHMARK(BM_SmallCall)->UseRealTime();

// Floor of a small call: one byte there and back over a socket pair, between two threads that
// block.
void BM_SocketPingPong(benchmark::State& state) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    state.SkipWithError("socketpair failed");
    return;
  }
  std::thread echo([fd = ends[1]] {
    char byte;
    while (::read(fd, &byte, 1) == 1 && ::write(fd, &byte, 1) == 1) {
    }
  });
  char byte = 1;
  for (auto _ : state) {
    if (::write(ends[0], &byte, 1) != 1 || ::read(ends[0], &byte, 1) != 1) {
      state.SkipWithError("the socket broke");
      break;
    }
  }
  ::shutdown(ends[0], SHUT_RDWR);
  echo.join();
  ::close(ends[0]);
  ::close(ends[1]);
}
BENCHMARK(BM_SocketPingPong)->UseRealTime();

// An array in private memory to the worker, which looks at its size: one copy.
void BM_ArrayToWorkerCopied(benchmark::State& state) {
  absl::StatusOr<Session>& session = SharedSession();
  if (!Check(state, session)) return;
  const std::vector<double> x = Doubles(state.range(0));
  if (!Check(state, session->Call<int64_t>("bench.take", x))) return;  // warms the memory up
  for (auto _ : state) {
    if (!Check(state, session->Call<int64_t>("bench.take", x))) return;
  }
  CountBytes(state, state.range(0));
}
BENCHMARK(BM_ArrayToWorkerCopied)->Apply(SizeArguments);

// The same with an array that lies in shared memory: no copy.
void BM_ArrayToWorkerReserved(benchmark::State& state) {
  absl::StatusOr<Session>& session = SharedSession();
  if (!Check(state, session)) return;
  auto x = session->NewArray<double>({state.range(0) / 8});
  if (!Check(state, x)) return;
  std::fill(x->span().begin(), x->span().end(), 1.5);
  for (auto _ : state) {
    if (!Check(state, session->Call<int64_t>("bench.take", *x))) return;
  }
  CountBytes(state, state.range(0));
}
BENCHMARK(BM_ArrayToWorkerReserved)->Apply(SizeArguments);

// The same, and the worker reads from each page.
void BM_ArrayToWorkerReservedAndTouched(benchmark::State& state) {
  absl::StatusOr<Session>& session = SharedSession();
  if (!Check(state, session)) return;
  auto x = session->NewArray<double>({state.range(0) / 8});
  if (!Check(state, x)) return;
  std::fill(x->span().begin(), x->span().end(), 1.5);
  for (auto _ : state) {
    if (!Check(state, session->Call<double>("bench.touch", *x))) return;
  }
  CountBytes(state, state.range(0));
}
BENCHMARK(BM_ArrayToWorkerReservedAndTouched)->Apply(SizeArguments);

void ArrayFromWorker(benchmark::State& state, absl::string_view target) {
  absl::StatusOr<Session>& session = SharedSession();
  if (!Check(state, session)) return;
  // Warms the memory up, on both sides. Its end is told to the worker by the first timed call.
  if (!Check(state, session->Call<NdArray<const double>>(target, state.range(0)))) return;
  for (auto _ : state) {
    auto x = session->Call<NdArray<const double>>(target, state.range(0));
    if (!Check(state, x)) return;
    benchmark::DoNotOptimize(x->data());
  }
  CountBytes(state, state.range(0));
}

// A result from the worker's private memory: one copy, there.
void BM_ArrayFromWorkerCopied(benchmark::State& state) {
  ArrayFromWorker(state, "bench.give_copied");
}
BENCHMARK(BM_ArrayFromWorkerCopied)->Apply(SizeArguments);

// A result that lies in shared memory from the start: no copy. (Its elements are not written: that
// is the function's work, and not the way's.)
void BM_ArrayFromWorkerReserved(benchmark::State& state) {
  ArrayFromWorker(state, "bench.give_reserved");
}
BENCHMARK(BM_ArrayFromWorkerReserved)->Apply(SizeArguments);

// 2,500 arrays of 1,000 doubles in one call, 20 MB.
void BM_ManyArrays(benchmark::State& state) {
  absl::StatusOr<Session>& session = SharedSession();
  if (!Check(state, session)) return;
  const std::vector<double> elements(kManyElements, 1.5);
  const std::vector<NdArray<const double>> arrays(kManyArrays,
                                                  NdArray<const double>::Borrow(elements));
  if (!Check(state, session->Call<int64_t>("bench.take_many", arrays))) return;  // warms up
  for (auto _ : state) {
    if (!Check(state, session->Call<int64_t>("bench.take_many", arrays))) return;
  }
  CountBytes(state, kManyArrays * kManyElements * 8);
}
BENCHMARK(BM_ManyArrays)->UseRealTime();

// Floor of that: their copies, one behind the other.
void BM_ManyArraysMemcpy(benchmark::State& state) {
  const std::vector<double> elements(kManyElements, 1.5);
  std::vector<double> to(kManyArrays * kManyElements);
  for (auto _ : state) {
    for (int64_t i = 0; i < kManyArrays; ++i) {
      std::memcpy(&to[static_cast<size_t>(i * kManyElements)], elements.data(),
                  kManyElements * sizeof(double));
    }
    benchmark::ClobberMemory();
  }
  CountBytes(state, kManyArrays * kManyElements * 8);
}
BENCHMARK(BM_ManyArraysMemcpy)->UseRealTime();

// From nothing to the first answer, and to the end of the worker.
void BM_SessionStart(benchmark::State& state) {
  for (auto _ : state) {
    absl::StatusOr<Session> session = StartWorker();
    if (!Check(state, session)) return;
    if (!Check(state, session->Call<int64_t>("bench.add_one", 1))) return;
    state.PauseTiming();
    if (!Check(state, session->Shutdown(absl::Seconds(5)))) return;
    state.ResumeTiming();
  }
}
BENCHMARK(BM_SessionStart)->UseRealTime()->Unit(benchmark::kMicrosecond);

// Floor of that: a tiny program, spawned with one end of a socket pair, says one byte.
void BM_SpawnTinyProgram(benchmark::State& state) {
  absl::StatusOr<std::string> path = FindProgram("tiny");
  if (!Check(state, path)) return;
  for (auto _ : state) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
      state.SkipWithError("socketpair failed");
      return;
    }
    UniqueFd mine(ends[0]);
    UniqueFd its(ends[1]);
    absl::StatusOr<ChildProcess> child =
        ChildProcess::Spawn({.path = *path, .descriptors = {{its.get(), 3}}});
    if (!Check(state, child)) return;
    its.reset();
    char byte;
    if (::read(mine.get(), &byte, 1) != 1) {
      state.SkipWithError("the program said nothing");
      return;
    }
    state.PauseTiming();
    mine.reset();
    child->Wait(Deadline::After(absl::Seconds(5)));
    state.ResumeTiming();
  }
}
BENCHMARK(BM_SpawnTinyProgram)->UseRealTime()->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace slabpipe
