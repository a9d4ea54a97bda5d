// StreamLine: copies a cache line by stores that go past the caches. For the inside of copies that
// are larger than the caches; see parallel_copy.h for the whole.
//
//   for (...) StreamLine(to, from);
//   FinishStreaming();
//
// The target's lines are then not read before they are written, and drive nothing else out of the
// caches. One after the other it is slow: each line waits for the one before, so several rows or
// pages should be written in turn. And it is slow unless lines are written as a whole.

#ifndef SLABPIPE_TRANSPORT_STREAMED_COPY_H_
#define SLABPIPE_TRANSPORT_STREAMED_COPY_H_

#include <cstddef>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace slabpipe {

inline constexpr size_t kCacheLineBytes = 64;

#if defined(__SSE2__)

// Whether there are such stores here. Without them StreamLine is a plain copy, and what only helps
// them is better left.
inline constexpr bool kCanStream = true;

// REQUIRES: `to` is at a multiple of kCacheLineBytes.
inline void StreamLine(std::byte* to, const std::byte* from) {
  const auto* source = reinterpret_cast<const __m128i*>(from);
  auto* target = reinterpret_cast<__m128i*>(to);
  const __m128i a = _mm_loadu_si128(source);
  const __m128i b = _mm_loadu_si128(source + 1);
  const __m128i c = _mm_loadu_si128(source + 2);
  const __m128i d = _mm_loadu_si128(source + 3);
  _mm_stream_si128(target, a);
  _mm_stream_si128(target + 1, b);
  _mm_stream_si128(target + 2, c);
  _mm_stream_si128(target + 3, d);
}

// To be called by the thread that has streamed, before it tells anybody. SUBTLE: such stores are
// ordered by nothing else, not even by a release of a mutex or an atomic.
inline void FinishStreaming() { _mm_sfence(); }

#else

inline constexpr bool kCanStream = false;
inline void StreamLine(std::byte* to, const std::byte* from) {
  std::memcpy(to, from, kCacheLineBytes);
}
inline void FinishStreaming() {}

#endif

}  // namespace slabpipe

#endif  // SLABPIPE_TRANSPORT_STREAMED_COPY_H_
