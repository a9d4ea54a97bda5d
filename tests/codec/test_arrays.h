// Arrays for tests, and the plainest way there is to read one.

#ifndef SLABPIPE_TESTS_CODEC_TEST_ARRAYS_H_
#define SLABPIPE_TESTS_CODEC_TEST_ARRAYS_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "slabpipe/codec/ndarray.h"

namespace slabpipe::tests {

// One of each kind.
inline std::vector<ElementType> EveryElementType() {
  std::vector<ElementType> types;
  for (int kind = 0; kind < ElementType::kBytes; ++kind) {
    types.emplace_back(static_cast<ElementType::Kind>(kind));
  }
  types.push_back(ElementType::Bytes(5));
  types.push_back(ElementType::Text(3));
  return types;
}

// The next index in row-major order; false after the last.
inline bool NextIndex(const Extents& shape, Extents& index) {
  for (size_t axis = shape.size(); axis > 0; --axis) {
    if (++index[axis - 1] < shape[axis - 1]) return true;
    index[axis - 1] = 0;
  }
  return false;
}

// Where element `index` lies, from element (0, ..., 0).
inline int64_t OffsetOf(const ArrayLayout& layout, const Extents& index) {
  int64_t offset = 0;
  for (size_t axis = 0; axis < index.size(); ++axis) offset += index[axis] * layout.strides[axis];
  return offset;
}

// The bytes of all elements in row-major order, one element at a time: the reference that layouts,
// copies and codecs are held against.
inline std::vector<std::byte> NaiveElements(const AnyNdArray& array) {
  std::vector<std::byte> bytes;
  if (array.empty()) return bytes;
  Extents index(array.rank(), 0);
  do {
    const std::byte* element = array.origin() + OffsetOf(array.layout(), index);
    bytes.insert(bytes.end(), element, element + array.element_bytes());
  } while (NextIndex(array.shape(), index));
  return bytes;
}

// Other bytes at every place, the same at every call; among floating-point numbers all kinds of
// NaN.
inline void FillWithNoise(const AnyNdArray& array) {
  uint32_t state = 12345;
  for (size_t i = 0; i < array.size_bytes(); ++i) {
    state = state * 1664525 + 1013904223;
    array.mutable_origin()[i] = static_cast<std::byte>(state >> 24);
  }
}

// 0, 1, 2, ... in row-major order.
inline NdArray<double> Counting(absl::Span<const int64_t> shape, Order order = Order::kRowMajor) {
  NdArray<double> array = *NdArray<double>::Create(shape, order);
  Extents index(shape.size(), 0);
  double next = 0;
  do {
    std::memcpy(array.mutable_origin() + OffsetOf(array.layout(), index), &next, sizeof(next));
    ++next;
  } while (NextIndex(array.shape(), index));
  return array;
}

struct NamedArray {
  std::string name;
  AnyNdArray array;
};

// Every kind of view that an array has, itself first.
inline std::vector<NamedArray> ViewsOf(const std::string& name, const AnyNdArray& array) {
  std::vector<NamedArray> views = {{name, array}, {name + ", transposed", array.Transpose()}};
  AnyNdArray every_second = array, backwards = array, inner = array;
  for (size_t axis = 0; axis < array.rank(); ++axis) {
    const int64_t extent = array.shape()[axis];
    every_second = *every_second.Slice(axis, 0, extent, 2);
    backwards = *backwards.Slice(axis, extent - 1, -1, -1);
    inner = *inner.Slice(axis, extent > 1 ? 1 : 0, extent);
  }
  views.push_back({name + ", every second", every_second});
  views.push_back({name + ", backwards", backwards});
  views.push_back({name + ", without the first", inner});
  if (array.rank() > 2) {
    ArrayLayout layout = array.layout();  // an order of axes that is neither C's nor Fortran's
    std::swap(layout.shape[0], layout.shape[1]);
    std::swap(layout.strides[0], layout.strides[1]);
    views.push_back({name + ", axes 0 and 1 swapped",
                     AnyNdArray(array.element_type(), layout, array.buffer(), array.origin())});
  }
  return views;
}

// The first element along axis 0, `extent` times: a stride of 0. REQUIRES: rank > 0, not empty.
inline AnyNdArray Broadcast(const AnyNdArray& array, int64_t extent) {
  ArrayLayout layout = array.layout();
  layout.shape[0] = extent;
  layout.strides[0] = 0;
  return AnyNdArray(array.element_type(), layout, array.buffer(), array.origin());
}

}  // namespace slabpipe::tests

#endif  // SLABPIPE_TESTS_CODEC_TEST_ARRAYS_H_
