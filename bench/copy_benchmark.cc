// Copies of the sizes that arrays have, by the library beside plain loops and memcpy, in this
// process alone. This is where the constants of parallel_copy.h and strided_copy.cc come from.
//
// Memory is warm, as that of a slab which is used again; the target is shared memory, as a slab is.

#include <benchmark/benchmark.h>
#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>

#include "slabpipe/codec/array_layout.h"
#include "slabpipe/transport/helper_threads.h"
#include "slabpipe/transport/parallel_copy.h"

namespace slabpipe {
namespace {

constexpr int64_t kKiB = 1024;
constexpr int64_t kMiB = 1024 * kKiB;

// Warm memory, given back at the end.
class Memory {
 public:
  explicit Memory(int64_t bytes) : bytes_(static_cast<size_t>(bytes)) {
    void* memory =
        ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    data_ = static_cast<std::byte*>(memory);
    std::memset(data_, 1, bytes_);
  }
  ~Memory() { ::munmap(data_, bytes_); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  std::byte* data() const { return data_; }
  size_t size() const { return bytes_; }

 private:
  const size_t bytes_;
  std::byte* data_;
};

template <typename Function>
void Repeat(benchmark::State& state, int64_t bytes, Function copy) {
  const uint64_t helped = HelperThreads::Shared().chunks_helped();
  for (auto _ : state) {
    copy();
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * bytes);
  state.counters["helped"] =
      benchmark::Counter(static_cast<double>(HelperThreads::Shared().chunks_helped() - helped),
                         benchmark::Counter::kAvgIterations);
}

void BM_Memcpy(benchmark::State& state) {
  const Memory from(state.range(0)), to(state.range(0));
  Repeat(state, state.range(0), [&] { std::memcpy(to.data(), from.data(), from.size()); });
}

void BM_CopyBytes(benchmark::State& state) {
  const Memory from(state.range(0)), to(state.range(0));
  Repeat(state, state.range(0), [&] { CopyBytes(to.data(), from.data(), from.size()); });
}

void Sizes(benchmark::internal::Benchmark* benchmark) {
  for (const int64_t bytes : {64 * kKiB, kMiB, 2 * kMiB, 4 * kMiB, 8 * kMiB, 16 * kMiB, 32 * kMiB,
                              64 * kMiB, 256 * kMiB, 1024 * kMiB}) {
    benchmark->Arg(bytes);
  }
  benchmark->UseRealTime();
}
BENCHMARK(BM_Memcpy)->Apply(Sizes);
BENCHMARK(BM_CopyBytes)->Apply(Sizes);

// Arrays of `element` bytes an element with `bytes` in all, packed row-major by CopyElements.
void CopyToPacked(benchmark::State& state, const ArrayLayout& from_layout, int64_t element,
                  const Memory& from) {
  const auto bytes = static_cast<size_t>(element);
  const ArrayLayout packed = ContiguousLayout(from_layout.shape, bytes, Order::kRowMajor);
  const int64_t all = ElementCount(from_layout.shape) * element;
  const Memory to(all);
  Repeat(state, all, [&] { CopyElements(from_layout, from.data(), packed, to.data(), bytes); });
}

// Square, column-major.
void BM_Transpose(benchmark::State& state) {
  const int64_t side = state.range(0), element = state.range(1);
  const Memory from(side * side * element);
  CopyToPacked(state, {{side, side}, {element, side * element}}, element, from);
}
// The same by two loops in the target's order.
void BM_TransposeByLoops(benchmark::State& state) {
  const int64_t side = state.range(0);
  const Memory from(side * side * 8), to(side * side * 8);
  const auto* source = reinterpret_cast<const double*>(from.data());
  auto* target = reinterpret_cast<double*>(to.data());
  Repeat(state, side * side * 8, [&] {
    for (int64_t i = 0; i < side; ++i) {
      for (int64_t j = 0; j < side; ++j) target[i * side + j] = source[j * side + i];
    }
  });
}
void Sides(benchmark::internal::Benchmark* benchmark) {
  for (const int64_t side : {64, 361, 1448, 2048, 4096}) benchmark->Args({side, 8});
  benchmark->UseRealTime();
}
BENCHMARK(BM_TransposeByLoops)->Apply(Sides);
BENCHMARK(BM_Transpose)->Apply(Sides)->Args({2896, 4})->Args({4096, 2})->Args({4096, 1});

// Every second element of a row.
void BM_EverySecond(benchmark::State& state) {
  const Memory from(2 * state.range(0));
  CopyToPacked(state, {{state.range(0) / 8}, {16}}, 8, from);
}
// A column of every other row, thus blocks of 24 bytes.
void BM_ThreeColumns(benchmark::State& state) {
  const Memory from(2 * state.range(0));
  CopyToPacked(state, {{state.range(0) / 24, 3}, {48, 8}}, 8, from);
}
// Rows of 64 KiB, each second of them.
void BM_EverySecondRow(benchmark::State& state) {
  const Memory from(2 * state.range(0));
  CopyToPacked(state, {{state.range(0) / (64 * kKiB), 8 * kKiB}, {128 * kKiB, 8}}, 8, from);
}
// Backwards.
void BM_Reversed(benchmark::State& state) {
  const Memory from(state.range(0));
  const Memory to(state.range(0));
  const int64_t count = state.range(0) / 8;
  const ArrayLayout layout = {{count}, {-8}}, packed = {{count}, {8}};
  Repeat(state, state.range(0),
         [&] { CopyElements(layout, from.data() + (count - 1) * 8, packed, to.data(), 8); });
}
void StridedSizes(benchmark::internal::Benchmark* benchmark) {
  for (const int64_t bytes : {64 * kKiB, kMiB, 16 * kMiB, 128 * kMiB}) benchmark->Arg(bytes);
  benchmark->UseRealTime();
}
BENCHMARK(BM_EverySecond)->Apply(StridedSizes);
BENCHMARK(BM_ThreeColumns)->Apply(StridedSizes);
BENCHMARK(BM_EverySecondRow)->Apply(StridedSizes);
BENCHMARK(BM_Reversed)->Apply(StridedSizes);

}  // namespace
}  // namespace slabpipe
