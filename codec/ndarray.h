// NdArray: an n-dimensional array of numbers, in private or in shared memory.
//
//   auto x = NdArray<double>::Create({1000, 3});             // private memory, zeros, row-major
//   (*x)(12, 2) = 1.5;
//   auto column = x->Select(1, 2);                           // views share the memory
//   for (double& element : *column) element = 0;             // in row-major order
//   auto v = NdArray<const double>::Borrow(values);          // the caller's memory, not copied
//   auto y = session.Call<NdArray<const double>>("f", *x);   // what arrives is read-only
//
// Shape, order and strides are kept when an array crosses to the other process. One in private
// memory is copied once, into shared memory, gaps closed; one that lies in shared memory already
// (NewArray, or decoded, or a view of such) is sent as a reference, nothing copied. What arrives is
// read-only (NdArray<const T>): Copy() gives one's own.
//
// Memory. An array keeps its bytes for as long as it lives, and so do its copies and views,
// whatever becomes of the session and the processes; Borrow is the exception and says so. An array
// that was sent while it lay in shared memory is seen by the worker as it is, now and later: don't
// write to it while the worker uses it.
//
// Thread-compatible: reading from several threads is fine.

#ifndef SLABPIPE_CODEC_NDARRAY_H_
#define SLABPIPE_CODEC_NDARRAY_H_

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "slabpipe/codec/array_layout.h"
#include "slabpipe/codec/buffer.h"
#include "slabpipe/codec/element_iterator.h"
#include "slabpipe/codec/element_type.h"

namespace slabpipe {

// An array whose element type is known at run time. What NdArray<T> is underneath, and what codecs
// handle.
class AnyNdArray {
 public:
  // float64 of shape (0,).
  AnyNdArray() : AnyNdArray(ElementType::kFloat64, {{0}, {8}}, Buffer(), nullptr) {}
  // REQUIRES: every element that `layout` reaches from `origin` lies in `buffer` and is aligned.
  AnyNdArray(ElementType type, ArrayLayout layout, Buffer buffer, const std::byte* origin)
      : type_(type), layout_(std::move(layout)), buffer_(std::move(buffer)), origin_(origin) {}

  // Private memory, zeros. INVALID_ARGUMENT for a shape that is none; RESOURCE_EXHAUSTED.
  static absl::StatusOr<AnyNdArray> Create(ElementType type, absl::Span<const int64_t> shape,
                                           Order order = Order::kRowMajor);

  ElementType element_type() const { return type_; }
  size_t element_bytes() const { return type_.size_bytes(); }
  const ArrayLayout& layout() const { return layout_; }
  const Extents& shape() const { return layout_.shape; }
  const Extents& strides() const { return layout_.strides; }  // in bytes
  size_t rank() const { return layout_.rank(); }
  int64_t size() const { return ElementCount(layout_.shape); }  // elements
  size_t size_bytes() const { return static_cast<size_t>(size()) * element_bytes(); }
  bool empty() const { return size() == 0; }

  // Element (0, 0, ...). Null if there are no elements.
  const std::byte* origin() const { return origin_; }
  std::byte* mutable_origin() const;
  const Buffer& buffer() const { return buffer_; }
  bool in_shared_memory() const { return buffer_.block().has_value(); }

  bool IsRowMajor() const { return IsContiguous(layout_, element_bytes(), Order::kRowMajor); }
  bool IsColumnMajor() const { return IsContiguous(layout_, element_bytes(), Order::kColumnMajor); }
  bool is_contiguous() const { return IsRowMajor() || IsColumnMajor(); }

  // Views. They share and keep the memory, and reach no element that this array does not have.
  //
  // Elements begin, begin + step, ... before `end` along `axis`; a step below 0 goes down from
  // `begin`, and stops before `end`, which may be -1. INVALID_ARGUMENT if the axis does not exist
  // or the range leaves it.
  absl::StatusOr<AnyNdArray> Slice(size_t axis, int64_t begin, int64_t end, int64_t step = 1) const;
  // The elements at `index` of `axis`, which is dropped: of a matrix, a row or a column.
  // OUT_OF_RANGE if the index is outside; INVALID_ARGUMENT if the axis does not exist.
  absl::StatusOr<AnyNdArray> Select(size_t axis, int64_t index) const;
  // The axes in reverse order.
  AnyNdArray Transpose() const;
  // Axis i of the view is axis axes[i] of this array. INVALID_ARGUMENT if `axes` is no permutation.
  absl::StatusOr<AnyNdArray> Transpose(absl::Span<const size_t> axes) const;
  // Another shape, both arrays being gone through in `order`. One extent may be -1: what is left
  // for it. INVALID_ARGUMENT if the shape has another number of elements; FAILED_PRECONDITION if
  // no strides reach the elements in that shape where they lie: Copy(order) first.
  absl::StatusOr<AnyNdArray> Reshape(absl::Span<const int64_t> shape,
                                     Order order = Order::kRowMajor) const;
  // Without the axes of extent 1.
  AnyNdArray Squeeze() const;
  // With an axis of extent 1 more, before `axis`, or after the last if that is rank().
  // INVALID_ARGUMENT if `axis` is above, or there are kMaxRank axes already.
  absl::StatusOr<AnyNdArray> ExpandDims(size_t axis) const;

  // The same elements in private memory, without gaps, in the same order of axes, or in `order`.
  // RESOURCE_EXHAUSTED.
  absl::StatusOr<AnyNdArray> Copy() const;
  absl::StatusOr<AnyNdArray> Copy(Order order) const;

  // Sets each element to that of `source`, which may share memory with this array: it is as if it
  // had been copied before. INVALID_ARGUMENT if the types or shapes differ, this array may only be
  // read, or elements of it share their places (a stride of 0); RESOURCE_EXHAUSTED where the memory
  // is shared.
  absl::Status CopyFrom(const AnyNdArray& source) const;

  // "float64 (3, 4)": for messages.
  std::string Describe() const;

 private:
  absl::StatusOr<AnyNdArray> CopyAs(ArrayLayout packed) const;

  ElementType type_;
  ArrayLayout layout_;
  Buffer buffer_;
  const std::byte* origin_;
};

// Same type, shape and elements (compared as bytes, so that NaNs with the same bits are equal);
// strides may differ.
bool SameElements(const AnyNdArray& a, const AnyNdArray& b);

// An array of T: any integer type, bool (its elements are Bool8), float, double, std::complex of
// these, Float16, Bfloat16, FixedBytes<n>, FixedText<n>; const T for one that may only be read. A
// thin view of AnyNdArray.
template <ArrayElement T>
class NdArray : public AnyNdArray {
 public:
  // What an element is in memory.
  using value_type =
      std::conditional_t<std::is_same_v<std::remove_const_t<T>, bool>,
                         std::conditional_t<std::is_const_v<T>, const Bool8, Bool8>, T>;
  using Plain = std::remove_const_t<value_type>;

  // Shape (0,).
  NdArray() : AnyNdArray(kElementTypeOf<T>, {{0}, {sizeof(T)}}, Buffer(), nullptr) {}

  // Private memory, zeros. INVALID_ARGUMENT for a shape that is none; RESOURCE_EXHAUSTED.
  static absl::StatusOr<NdArray> Create(absl::Span<const int64_t> shape,
                                        Order order = Order::kRowMajor) {
    absl::StatusOr<AnyNdArray> array = AnyNdArray::Create(kElementTypeOf<T>, shape, order);
    if (!array.ok()) return array.status();
    return NdArray(*std::move(array));
  }

  // Memory of the caller's, which must outlive this array and its views; nothing is copied.
  // One-dimensional.
  static NdArray Borrow(absl::Span<value_type> elements) {
    return NdArray(AnyNdArray(
        kElementTypeOf<T>, {{static_cast<int64_t>(elements.size())}, {sizeof(value_type)}},
        BorrowBytes(elements), reinterpret_cast<const std::byte*>(elements.data())));
  }
  // The same with a shape. INVALID_ARGUMENT if it does not have as many elements.
  static absl::StatusOr<NdArray> Borrow(absl::Span<value_type> elements,
                                        absl::Span<const int64_t> shape,
                                        Order order = Order::kRowMajor);

  // An array known at run time. INVALID_ARGUMENT if its element type is another, or T is not const
  // and it is read-only.
  static absl::StatusOr<NdArray> FromAny(const AnyNdArray& array);

  // To read-only.
  operator NdArray<const T>() const requires(!std::is_const_v<T>) {
    return *NdArray<const T>::FromAny(*this);
  }

  // Element (i, j, ...). REQUIRES: as many indices as axes, each inside its extent (asserted in
  // debug builds).
  template <std::integral... Index>
  value_type& operator()(Index... indices) const {
    const int64_t index[] = {static_cast<int64_t>(indices)..., 0};
    return *Element(absl::MakeConstSpan(index, sizeof...(indices)));
  }
  // The same with a check: OUT_OF_RANGE.
  template <std::integral... Index>
  absl::StatusOr<Plain> At(Index... indices) const {
    const int64_t index[] = {static_cast<int64_t>(indices)..., 0};
    return At(absl::MakeConstSpan(index, sizeof...(indices)));
  }
  absl::StatusOr<Plain> At(absl::Span<const int64_t> index) const;

  // All elements in memory order, if there are no gaps (is_contiguous()). Of a view with gaps this
  // is empty: use ForEach, or Copy() first.
  absl::Span<value_type> span() const {
    return is_contiguous() ? absl::Span<value_type>(data(), static_cast<size_t>(size()))
                           : absl::Span<value_type>();
  }
  value_type* data() const {
    if constexpr (std::is_const_v<T>) {
      return reinterpret_cast<value_type*>(origin());
    } else {
      return reinterpret_cast<value_type*>(mutable_origin());
    }
  }
  // The elements in row-major order, whatever the layout; see element_iterator.h for how long an
  // iterator lives. With short rows, ForEach is faster.
  ElementIterator<value_type> begin() const { return {layout(), data()}; }
  ElementIterator<value_type> end() const { return ElementIterator<value_type>::End(); }
  // Shows each element to `function`, in row-major order, whatever the layout.
  template <typename F>
  void ForEach(F function) const {
    if (empty()) return;
    VisitRows(RowOf(layout()), 0, reinterpret_cast<std::uintptr_t>(data()), function);
  }
  // The elements in row-major order, whatever the layout.
  std::vector<Plain> ToVector() const;

  // The views and copies of AnyNdArray.
  absl::StatusOr<NdArray> Slice(size_t axis, int64_t begin, int64_t end, int64_t step = 1) const {
    return View(AnyNdArray::Slice(axis, begin, end, step));
  }
  absl::StatusOr<NdArray> Select(size_t axis, int64_t index) const {
    return View(AnyNdArray::Select(axis, index));
  }
  NdArray Transpose() const { return NdArray(AnyNdArray::Transpose()); }
  absl::StatusOr<NdArray> Transpose(absl::Span<const size_t> axes) const {
    return View(AnyNdArray::Transpose(axes));
  }
  absl::StatusOr<NdArray> Reshape(absl::Span<const int64_t> shape,
                                  Order order = Order::kRowMajor) const {
    return View(AnyNdArray::Reshape(shape, order));
  }
  NdArray Squeeze() const { return NdArray(AnyNdArray::Squeeze()); }
  absl::StatusOr<NdArray> ExpandDims(size_t axis) const {
    return View(AnyNdArray::ExpandDims(axis));
  }
  absl::StatusOr<NdArray<std::remove_const_t<T>>> Copy() const {
    return NdArray<std::remove_const_t<T>>::View(AnyNdArray::Copy());
  }
  absl::StatusOr<NdArray<std::remove_const_t<T>>> Copy(Order order) const {
    return NdArray<std::remove_const_t<T>>::View(AnyNdArray::Copy(order));
  }

  // Sets each element.
  void Fill(const Plain& value) const requires(!std::is_const_v<T>) {
    if (is_contiguous()) {
      std::ranges::fill(span(), value);
    } else {
      ForEach([&](Plain& element) { element = value; });
    }
  }
  absl::Status CopyFrom(const NdArray<const T>& source) const requires(!std::is_const_v<T>) {
    return AnyNdArray::CopyFrom(source);
  }

 private:
  template <ArrayElement U>
  friend class NdArray;

  explicit NdArray(AnyNdArray array) : AnyNdArray(std::move(array)) {}
  static absl::StatusOr<NdArray> View(absl::StatusOr<AnyNdArray> view) {
    if (!view.ok()) return view.status();
    return NdArray(*std::move(view));
  }

  static Buffer BorrowBytes(absl::Span<value_type> elements) {
    const size_t bytes = elements.size() * sizeof(value_type);
    if constexpr (std::is_const_v<T>) {
      return Buffer::Borrow({reinterpret_cast<const std::byte*>(elements.data()), bytes});
    } else {
      return Buffer::BorrowMutable({reinterpret_cast<std::byte*>(elements.data()), bytes});
    }
  }
  template <typename F>
  void VisitRows(const ElementRow& row, size_t axis, std::uintptr_t element, F& function) const {
    if (axis < row.outer_axes) {
      for (int64_t i = 0; i < shape()[axis]; ++i) {
        VisitRows(row, axis + 1, element + static_cast<std::uintptr_t>(i * strides()[axis]),
                  function);
      }
    } else if (row.stride == sizeof(value_type)) {
      auto* elements = reinterpret_cast<value_type*>(element);
      for (int64_t i = 0; i < row.extent; ++i) function(elements[i]);
    } else {
      for (int64_t i = 0; i < row.extent; ++i) {
        function(
            *reinterpret_cast<value_type*>(element + static_cast<std::uintptr_t>(i * row.stride)));
      }
    }
  }
  value_type* Element(absl::Span<const int64_t> index) const {
    assert(index.size() == rank());
    int64_t offset = 0;
    for (size_t axis = 0; axis < index.size(); ++axis) {
      assert(index[axis] >= 0 && index[axis] < shape()[axis]);
      offset += index[axis] * strides()[axis];
    }
    return reinterpret_cast<value_type*>(reinterpret_cast<std::uintptr_t>(data()) + offset);
  }
};

// For NdArray<T>::FromAny: what is wrong with taking `array` for one of `wanted`.
absl::Status CheckElementType(const AnyNdArray& array, ElementType wanted, bool writable);
// For NdArray<T>::Borrow.
absl::Status CheckElementCount(absl::Span<const int64_t> shape, size_t elements,
                               size_t element_bytes);

// Implementation details only below this line.

template <ArrayElement T>
absl::StatusOr<NdArray<T>> NdArray<T>::Borrow(absl::Span<value_type> elements,
                                              absl::Span<const int64_t> shape, Order order) {
  absl::Status fits = CheckElementCount(shape, elements.size(), sizeof(value_type));
  if (!fits.ok()) return fits;
  return NdArray(AnyNdArray(kElementTypeOf<T>, ContiguousLayout(shape, sizeof(value_type), order),
                            BorrowBytes(elements),
                            reinterpret_cast<const std::byte*>(elements.data())));
}

template <ArrayElement T>
absl::StatusOr<NdArray<T>> NdArray<T>::FromAny(const AnyNdArray& array) {
  absl::Status status = CheckElementType(array, kElementTypeOf<T>, !std::is_const_v<T>);
  if (!status.ok()) return status;
  return NdArray(array);
}

template <ArrayElement T>
absl::StatusOr<typename NdArray<T>::Plain> NdArray<T>::At(absl::Span<const int64_t> index) const {
  bool inside = index.size() == rank();
  for (size_t axis = 0; inside && axis < rank(); ++axis) {
    inside = index[axis] >= 0 && index[axis] < shape()[axis];
  }
  if (inside) return *Element(index);
  return absl::OutOfRangeError("index " + ShapeName(index) + " is not inside " + Describe());
}

template <ArrayElement T>
std::vector<typename NdArray<T>::Plain> NdArray<T>::ToVector() const {
  std::vector<Plain> elements(static_cast<size_t>(size()));
  CopyElements(layout(), origin(), ContiguousLayout(shape(), sizeof(Plain), Order::kRowMajor),
               reinterpret_cast<std::byte*>(elements.data()), sizeof(Plain));
  return elements;
}

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_NDARRAY_H_
