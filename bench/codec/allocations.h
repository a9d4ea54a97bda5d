// How often this thread has asked operator new for memory. A program that links this has operators
// new and delete that count; those of the C library alone, malloc and calloc, don't.

#ifndef SLABPIPE_BENCH_CODEC_ALLOCATIONS_H_
#define SLABPIPE_BENCH_CODEC_ALLOCATIONS_H_

#include <cstdint>

namespace slabpipe::bench {

// Since the thread's start.
uint64_t Allocations();

}  // namespace slabpipe::bench

#endif  // SLABPIPE_BENCH_CODEC_ALLOCATIONS_H_
