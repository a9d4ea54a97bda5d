// ElementType: what the elements of an n-dimensional array are.
//
//   ElementType type = kElementTypeOf<double>;        // ElementType::kFloat64
//   size_t bytes = ElementSizeBytes(type);            // 8
//   std::string name(ElementTypeName(type));          // "float64", as NumPy calls it

#ifndef SLABPIPE_CODEC_ELEMENT_TYPE_H_
#define SLABPIPE_CODEC_ELEMENT_TYPE_H_

#include <complex>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "absl/strings/string_view.h"

namespace slabpipe {

// The numbers are those of schemas/codecs.capnp.
enum class ElementType : uint8_t {
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
};
inline constexpr int kElementTypeCount = 13;

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

size_t ElementSizeBytes(ElementType type);
// Elements must lie at multiples of this.
size_t ElementAlignmentBytes(ElementType type);
absl::string_view ElementTypeName(ElementType type);

// Implementation details only below this line.

namespace internal {

template <typename T>
struct ElementTypeOf;  // no such array: use one of the types below

template <ElementType kType>
using ElementTypeIs = std::integral_constant<ElementType, kType>;

template <typename T>
requires std::is_integral_v<T>
struct ElementTypeOf<T> : ElementTypeIs<static_cast<ElementType>((std::is_signed_v<T> ? 1 : 5) +
                                                                 (sizeof(T) == 1   ? 0
                                                                  : sizeof(T) == 2 ? 1
                                                                  : sizeof(T) == 4 ? 2
                                                                                   : 3))> {
};
template <>
struct ElementTypeOf<bool> : ElementTypeIs<ElementType::kBool> {};
template <>
struct ElementTypeOf<Bool8> : ElementTypeIs<ElementType::kBool> {};
template <>
struct ElementTypeOf<float> : ElementTypeIs<ElementType::kFloat32> {};
template <>
struct ElementTypeOf<double> : ElementTypeIs<ElementType::kFloat64> {};
template <>
struct ElementTypeOf<std::complex<float>> : ElementTypeIs<ElementType::kComplex64> {};
template <>
struct ElementTypeOf<std::complex<double>> : ElementTypeIs<ElementType::kComplex128> {};

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
