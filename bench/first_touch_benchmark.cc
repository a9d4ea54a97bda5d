// New shared memory: what making it, writing it for the first time and reading it for the first
// time cost, by several ways that the kernel offers. Segment::Populate is the one that came out
// best for memory that is used again; pwrite into the object is as fast once, but leaves the
// mapping to be faulted in later.
//
// Each round makes a new segment; giving it back is not timed.

#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "slabpipe/transport/memfd_segment.h"
#include "slabpipe/transport/parallel_copy.h"
#include "slabpipe/transport/segment.h"
#include "slabpipe/transport/unique_fd.h"

// In the kernel since 5.14; older C libraries don't declare it.
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

namespace slabpipe {
namespace {

constexpr int64_t kKiB = 1024;
constexpr int64_t kMiB = 1024 * kKiB;

void Sizes(benchmark::internal::Benchmark* benchmark) {
  for (const int64_t bytes : {64 * kKiB, kMiB, 16 * kMiB, 256 * kMiB}) benchmark->Arg(bytes);
  benchmark->UseRealTime();
}

// Null if there is no memory; the benchmark has ended then.
std::unique_ptr<Segment> NewSegment(benchmark::State& state) {
  MemfdSegmentProvider provider;
  absl::StatusOr<std::unique_ptr<Segment>> segment =
      provider.Create("bench", static_cast<size_t>(state.range(0)));
  if (segment.ok()) return *std::move(segment);
  state.SkipWithError(std::string(segment.status().message()).c_str());
  return nullptr;
}

// Times making a segment and `fill`, which writes all of it.
template <typename Function>
void CreateAnd(benchmark::State& state, Function fill) {
  const std::vector<std::byte> from(static_cast<size_t>(state.range(0)), std::byte{1});
  for (auto _ : state) {
    std::unique_ptr<Segment> segment = NewSegment(state);
    if (segment == nullptr) return;
    fill(*segment, from);
    state.PauseTiming();
    segment.reset();
    state.ResumeTiming();
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

using Bytes = std::vector<std::byte>;

void BM_Create(benchmark::State& state) {
  CreateAnd(state, [](const Segment&, const Bytes&) {});
}
BENCHMARK(BM_Create)->Apply(Sizes);

void BM_CreateAndPopulate(benchmark::State& state) {
  CreateAnd(state,
            [](const Segment& segment, const Bytes& from) { segment.Populate(0, from.size()); });
}
BENCHMARK(BM_CreateAndPopulate)->Apply(Sizes);

// What a copy into a new slab takes with Populate, and without.
void BM_CreateAndCopy(benchmark::State& state) {
  CreateAnd(state, [](const Segment& segment, const Bytes& from) {
    segment.Populate(0, from.size());
    CopyBytes(segment.mutable_data(), from.data(), from.size());
  });
}
BENCHMARK(BM_CreateAndCopy)->Apply(Sizes);

void BM_CreateAndCopyByFaults(benchmark::State& state) {
  CreateAnd(state, [](const Segment& segment, const Bytes& from) {
    std::memcpy(segment.mutable_data(), from.data(), from.size());
  });
}
BENCHMARK(BM_CreateAndCopyByFaults)->Apply(Sizes);

// An object whose bytes are written before it is mapped and sealed.
void BM_CreateAndPwrite(benchmark::State& state) {
  const Bytes from(static_cast<size_t>(state.range(0)), std::byte{1});
  const auto size = static_cast<off_t>(from.size());
  for (auto _ : state) {
    UniqueFd object(::memfd_create("bench", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (::fallocate(object.get(), 0, 0, size) != 0 ||
        ::pwrite(object.get(), from.data(), from.size(), 0) != size) {
      return state.SkipWithError("no memory");
    }
    state.PauseTiming();
    object.reset();
    state.ResumeTiming();
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_CreateAndPwrite)->Apply(Sizes);

// The reader's side: mapping a segment and reading from each line of it.
void FirstRead(benchmark::State& state, bool populate) {
  std::unique_ptr<Segment> owner = NewSegment(state);
  if (owner == nullptr) return;
  std::memset(owner->mutable_data(), 1, owner->size_bytes());
  MemfdSegmentProvider provider;
  for (auto _ : state) {
    std::unique_ptr<Segment> reader =
        *provider.Open("bench", owner->size_bytes(), UniqueFd(::dup(owner->descriptor())));
    if (populate) {
      ::madvise(const_cast<std::byte*>(reader->data()), reader->size_bytes(), MADV_POPULATE_READ);
    }
    uint64_t sum = 0;
    for (size_t at = 0; at < reader->size_bytes(); at += 64) {
      sum += static_cast<uint64_t>(reader->data()[at]);
    }
    benchmark::DoNotOptimize(sum);
    state.PauseTiming();
    reader.reset();
    state.ResumeTiming();
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
void BM_FirstRead(benchmark::State& state) { FirstRead(state, false); }
void BM_FirstReadPopulated(benchmark::State& state) { FirstRead(state, true); }
BENCHMARK(BM_FirstRead)->Apply(Sizes);
BENCHMARK(BM_FirstReadPopulated)->Apply(Sizes);

}  // namespace
}  // namespace slabpipe
