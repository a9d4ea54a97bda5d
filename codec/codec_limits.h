// Limits that both sides of a connection check.

#ifndef SLABPIPE_CODEC_CODEC_LIMITS_H_
#define SLABPIPE_CODEC_CODEC_LIMITS_H_

#include <cstddef>

namespace slabpipe {

// Values inside values, at most so deep: lists in records in lists ...
inline constexpr int kMaxValueDepth = 64;

// Values (of the kind of codec/value.h) in one payload. Larger lists of numbers are arrays.
inline constexpr size_t kMaxValues = size_t{1} << 20;

// Bytes of all texts, bytes and keys of these. Larger ones are arrays, too.
inline constexpr size_t kMaxValueBytes = size_t{1} << 28;

// Codecs that one side uses on one connection, and the bytes of a codec's name: the other side
// keeps these names as long as the connection lasts.
inline constexpr size_t kMaxCodecs = 4096;
inline constexpr size_t kMaxCodecNameBytes = 255;

// Handles that one message brings. They are a few bytes there, and an object each on arrival.
inline constexpr size_t kMaxHandlesInMessage = size_t{1} << 18;

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_CODEC_LIMITS_H_
