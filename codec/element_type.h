// ElementType: what the elements of an n-dimensional array are.
//
//   ElementType type = kElementTypeOf<double>;        // ElementType::kFloat64
//   size_t bytes = type.size_bytes();                 // 8
//   std::string name = type.name();                   // "float64", as NumPy calls it
//   ElementType label = ElementType::Text(12);        // texts of up to 12 characters
//
// Numbers of every size; float16 and bfloat16 as storage (float16.h); bytes and texts of a fixed
// width (fixed_width.h).

#ifndef SLABPIPE_CODEC_ELEMENT_TYPE_H_
#define SLABPIPE_CODEC_ELEMENT_TYPE_H_

#include <complex>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

#include "absl/status/statusor.h"

namespace slabpipe {

// A small value.
class ElementType {
 public:
  // The numbers are those of schemas/codecs.capnp.
  enum Kind : uint8_t {
    kBool = 0,
    kInt8 = 1,
    kInt16 = 2,
    kInt32 = 3,
    kInt64 = 4,
    kUint8 = 5,
    kUint16 = 6,
    kUint32 = 7,
    kUint64 = 8,
    kFloat32 = 9,
    kFloat64 = 10,
    kComplex64 = 11,   // two float32
    kComplex128 = 12,  // two float64
    kFloat16 = 13,     // IEEE 754 binary16
    kBfloat16 = 14,    // the upper half of a float32
    kBytes = 15,       // of a fixed width, zeros at the end being padding
    kText = 16,        // code points of 4 bytes, likewise: NumPy's 'U'
  };
  static constexpr int kKindCount = 17;
  static constexpr size_t kMaxWidthBytes = size_t{1} << 30;

  // REQUIRES: the kind has one size: it is neither kBytes nor kText.
  constexpr ElementType(Kind kind) : kind_(kind), size_bytes_(kSizes[kind]) {}
  // REQUIRES: 1 <= width_bytes <= kMaxWidthBytes, and the same for 4 * width_characters.
  static constexpr ElementType Bytes(size_t width_bytes) { return {kBytes, width_bytes}; }
  static constexpr ElementType Text(size_t width_characters) {
    return {kText, 4 * width_characters};
  }
  // From numbers that came from elsewhere. `width_bytes` matters for bytes and text only.
  // INVALID_ARGUMENT names the one that is wrong.
  static absl::StatusOr<ElementType> FromWire(unsigned kind, uint64_t width_bytes);

  constexpr Kind kind() const { return kind_; }
  constexpr size_t size_bytes() const { return size_bytes_; }
  // Elements must lie at multiples of this.
  constexpr size_t alignment_bytes() const { return kAlignments[kind_]; }
  constexpr bool has_fixed_width() const { return kind_ == kBytes || kind_ == kText; }
  // "float64", "bytes[8]", "text[12]".
  std::string name() const;

  friend constexpr bool operator==(ElementType, ElementType) = default;

 private:
  static constexpr uint8_t kSizes[kKindCount] = {1, 1, 2, 4,  8, 1, 2, 4, 8,
                                                 4, 8, 8, 16, 2, 2, 0, 0};
  static constexpr uint8_t kAlignments[kKindCount] = {1, 1, 2, 4, 8, 1, 2, 4, 8,
                                                      4, 8, 4, 8, 2, 2, 1, 4};

  constexpr ElementType(Kind kind, size_t size_bytes)
      : kind_(kind), size_bytes_(static_cast<uint32_t>(size_bytes)) {}

  Kind kind_;
  uint32_t size_bytes_;
};

// A bool in an array: one byte, 0 for false and anything else for true, so that no byte that a peer
// may have written is undefined behaviour to read (of a C++ bool, 2 is).
class Bool8 {
 public:
  Bool8() = default;
  constexpr Bool8(bool truth) : byte_(truth ? 1 : 0) {}
  constexpr operator bool() const { return byte_ != 0; }

 private:
  uint8_t byte_ = 0;
};
static_assert(sizeof(Bool8) == 1 && std::is_trivially_copyable_v<Bool8>);

// Implementation details only below this line.

namespace internal {

template <typename T>
struct ElementTypeOf;  // no such array: use one of the types below

template <ElementType::Kind kKind>
struct ElementKindIs {
  static constexpr ElementType value = kKind;
};

template <typename T>
requires(std::is_integral_v<T> && sizeof(T) <= 8) struct ElementTypeOf<T>
    : ElementKindIs<static_cast<ElementType::Kind>((std::is_signed_v<T> ? 1 : 5) +
                                                   (sizeof(T) == 1   ? 0
                                                    : sizeof(T) == 2 ? 1
                                                    : sizeof(T) == 4 ? 2
                                                                     : 3))> {
};
template <>
struct ElementTypeOf<bool> : ElementKindIs<ElementType::kBool> {};
template <>
struct ElementTypeOf<std::byte> : ElementKindIs<ElementType::kUint8> {};
template <>
struct ElementTypeOf<Bool8> : ElementKindIs<ElementType::kBool> {};
template <>
struct ElementTypeOf<float> : ElementKindIs<ElementType::kFloat32> {};
template <>
struct ElementTypeOf<double> : ElementKindIs<ElementType::kFloat64> {};
template <>
struct ElementTypeOf<std::complex<float>> : ElementKindIs<ElementType::kComplex64> {};
template <>
struct ElementTypeOf<std::complex<double>> : ElementKindIs<ElementType::kComplex128> {};

}  // namespace internal

// Whether there are arrays of T.
template <typename T>
concept ArrayElement = requires {
  internal::ElementTypeOf<std::remove_const_t<T>>::value;
};

// The ElementType of T, which may be const.
template <ArrayElement T>
inline constexpr ElementType kElementTypeOf =
    internal::ElementTypeOf<std::remove_const_t<T>>::value;

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_ELEMENT_TYPE_H_
