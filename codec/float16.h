// Float16, Bfloat16: floating-point numbers of two bytes, for storage.
//
//   NdArray<Float16> weights = *NdArray<Float16>::Create({1024});
//   weights(0) = Float16(0.1f);                       // rounded to nearest, ties to even
//   float w = static_cast<float>(weights(0));         // exact
//
// There is no arithmetic: compute in float. Eigen::half, _Float16, __half and the like have the
// same bytes as Float16.

#ifndef SLABPIPE_CODEC_FLOAT16_H_
#define SLABPIPE_CODEC_FLOAT16_H_

#include <bit>
#include <cstdint>
#include <type_traits>

#include "slabpipe/codec/element_type.h"

namespace slabpipe {

// IEEE 754-2019 binary16: 1 bit of sign, 5 of exponent, 10 of fraction. Every bit pattern is a
// number; equal if the bits are (so a NaN equals itself, and 0 is not -0).
class Float16 {
 public:
  Float16() = default;
  // The nearest there is, ties to even; infinite from 65520 on. A NaN stays one, its payload cut.
  explicit Float16(float number) : bits_(Round(std::bit_cast<uint32_t>(number))) {}
  explicit operator float() const { return std::bit_cast<float>(Widen(bits_)); }

  static constexpr Float16 FromBits(uint16_t bits) { return Float16(bits, 0); }
  constexpr uint16_t bits() const { return bits_; }
  friend constexpr bool operator==(Float16, Float16) = default;

 private:
  constexpr Float16(uint16_t bits, int) : bits_(bits) {}
  static uint16_t Round(uint32_t single);
  static uint32_t Widen(uint16_t half);

  uint16_t bits_ = 0;
};

// The upper half of a float: 1 bit of sign, 8 of exponent, 7 of fraction. Equality as Float16's.
class Bfloat16 {
 public:
  Bfloat16() = default;
  // The nearest there is, ties to even. A NaN stays one.
  explicit Bfloat16(float number) : bits_(Round(std::bit_cast<uint32_t>(number))) {}
  explicit operator float() const { return std::bit_cast<float>(uint32_t{bits_} << 16); }

  static constexpr Bfloat16 FromBits(uint16_t bits) { return Bfloat16(bits, 0); }
  constexpr uint16_t bits() const { return bits_; }
  friend constexpr bool operator==(Bfloat16, Bfloat16) = default;

 private:
  constexpr Bfloat16(uint16_t bits, int) : bits_(bits) {}
  static uint16_t Round(uint32_t single);

  uint16_t bits_ = 0;
};

static_assert(sizeof(Float16) == 2 && std::is_trivially_copyable_v<Float16>);
static_assert(sizeof(Bfloat16) == 2 && std::is_trivially_copyable_v<Bfloat16>);

namespace internal {
template <>
struct ElementTypeOf<Float16> : ElementKindIs<ElementType::kFloat16> {};
template <>
struct ElementTypeOf<Bfloat16> : ElementKindIs<ElementType::kBfloat16> {};
}  // namespace internal

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_FLOAT16_H_
