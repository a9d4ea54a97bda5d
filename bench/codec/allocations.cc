#include "slabpipe/bench/codec/allocations.h"

#include <cstddef>
#include <cstdlib>
#include <new>

namespace slabpipe::bench {
namespace {

thread_local uint64_t allocations = 0;

void* Counted(void* memory) {
  if (memory == nullptr) throw std::bad_alloc();
  ++allocations;
  return memory;
}

}  // namespace

uint64_t Allocations() { return allocations; }

}  // namespace slabpipe::bench

// The other forms, for arrays and without exceptions, end in these.

void* operator new(size_t bytes) {
  return slabpipe::bench::Counted(std::malloc(bytes == 0 ? 1 : bytes));
}
void* operator new(size_t bytes, std::align_val_t alignment) {
  const auto units = static_cast<size_t>(alignment);
  return slabpipe::bench::Counted(std::aligned_alloc(units, (bytes + units - 1) / units * units));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, size_t, std::align_val_t) noexcept { std::free(memory); }
