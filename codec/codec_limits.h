// Limits that both sides of a connection check.

#ifndef SLABPIPE_CODEC_CODEC_LIMITS_H_
#define SLABPIPE_CODEC_CODEC_LIMITS_H_

namespace slabpipe {

// Values inside values, at most so deep: lists in records in lists ...
inline constexpr int kMaxValueDepth = 64;

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_CODEC_LIMITS_H_
