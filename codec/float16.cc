#include "slabpipe/codec/float16.h"

#include <algorithm>

namespace slabpipe {
namespace {

constexpr uint32_t kInfiniteSingle = 0x7f800000;
constexpr uint16_t kInfiniteHalf = 0x7c00;
constexpr uint16_t kQuietHalf = 0x0200;
constexpr uint16_t kQuietBfloat = 0x0040;
constexpr int kDroppedBits = 13;           // of a fraction: 23 - 10
constexpr uint32_t kBiasDifference = 112;  // of the exponents: 127 - 15

// `number` / 2^bits, rounded to nearest, ties to even. REQUIRES: 0 < bits < 32; no overflow.
uint32_t ShiftRounded(uint32_t number, int bits) {
  const uint32_t odd = (number >> bits) & 1;
  return (number + (uint32_t{1} << (bits - 1)) - 1 + odd) >> bits;
}

}  // namespace

uint16_t Float16::Round(uint32_t single) {
  const auto sign = static_cast<uint16_t>((single >> 16) & 0x8000);
  const uint32_t magnitude = single & 0x7fffffff;
  if (magnitude > kInfiniteSingle) {
    const uint32_t payload = (magnitude >> kDroppedBits) & 0x3ff;
    return static_cast<uint16_t>(sign | kInfiniteHalf | kQuietHalf | payload);
  }
  const uint32_t exponent = magnitude >> 23;
  if (exponent > kBiasDifference) {  // a normal number, or one too large
    // Rounding up may carry into the exponent, and as far as infinity: that is the right result.
    const uint32_t half = ShiftRounded(magnitude - (kBiasDifference << 23), kDroppedBits);
    return static_cast<uint16_t>(sign | std::min<uint32_t>(half, kInfiniteHalf));
  }
  // A subnormal number is a multiple of 2^-24. Less than half of one is 0.
  const int shift = static_cast<int>(kBiasDifference + kDroppedBits + 1 - exponent);
  if (shift > 24) return sign;
  const uint32_t fraction = (magnitude & 0x7fffff) | 0x800000;
  return static_cast<uint16_t>(sign | ShiftRounded(fraction, shift));
}

uint32_t Float16::Widen(uint16_t half) {
  const uint32_t sign = uint32_t{half & 0x8000u} << 16;
  const uint32_t magnitude = half & 0x7fff;
  if (magnitude >= kInfiniteHalf) return sign | kInfiniteSingle | (magnitude & 0x3ff) << 13;
  if (magnitude >= 0x400) return sign | ((magnitude << kDroppedBits) + (kBiasDifference << 23));
  // Subnormal, or 0: a whole number of 2^-24, which a float holds exactly.
  return sign | std::bit_cast<uint32_t>(static_cast<float>(magnitude) * 0x1p-24f);
}

uint16_t Bfloat16::Round(uint32_t single) {
  if ((single & 0x7fffffff) > kInfiniteSingle) {
    return static_cast<uint16_t>(single >> 16 | kQuietBfloat);
  }
  return static_cast<uint16_t>(ShiftRounded(single, 16));
}

}  // namespace slabpipe
