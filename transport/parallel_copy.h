// CopyBytes: memcpy for big blocks, by more than one thread where processors are idle.
//
//   CopyBytes(block.data(), array.data(), array.size());
//
// Below kParallelCopyBytes this is memcpy. From there on helper threads (helper_threads.h) take
// parts of it if processors are idle; if not, it takes as long as memcpy. From kStreamedCopyBytes
// on the bytes go past the caches, which could not hold them.

#ifndef SLABPIPE_TRANSPORT_PARALLEL_COPY_H_
#define SLABPIPE_TRANSPORT_PARALLEL_COPY_H_

#include <cstddef>

namespace slabpipe {

// Where waking another thread begins to pay: see bench/copy_benchmark.cc. On an idle machine it
// does from half of this on; but where others come and go, the copy should be long enough to make
// up for a helper that has to be waited for now and then.
inline constexpr size_t kParallelCopyBytes = size_t{8} << 20;

// What a thread takes at once: large enough that taking it costs nothing, small enough to be waited
// for (some 40 microseconds).
inline constexpr size_t kCopyChunkBytes = size_t{512} << 10;

// Where storing past the caches begins to pay.
inline constexpr size_t kStreamedCopyBytes = size_t{48} << 20;

// Copies `size_bytes` from `from` to `to`. Thread-safe. REQUIRES: the two don't overlap
// (asserted in debug builds); nobody else writes to either meanwhile.
void CopyBytes(std::byte* to, const std::byte* from, size_t size_bytes);

}  // namespace slabpipe

#endif  // SLABPIPE_TRANSPORT_PARALLEL_COPY_H_
