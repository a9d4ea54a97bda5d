// ElementIterator: goes through the elements of an array in row-major order, whatever the layout.
//
//   for (double x : array) ...            // what NdArray<T>::begin() and end() give
//   double sum = std::accumulate(array.begin(), array.end(), 0.0);
//
// As with any range, a loop's array needs a name: a loop over *array.Slice(...) goes over a view
// that is gone already.
//
// Within a row (RowOf in array_layout.h), a step is an addition.

#ifndef SLABPIPE_CODEC_ELEMENT_ITERATOR_H_
#define SLABPIPE_CODEC_ELEMENT_ITERATOR_H_

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <type_traits>

#include "absl/types/span.h"
#include "slabpipe/codec/array_layout.h"

namespace slabpipe {

// A std::forward_iterator. `Element` is what an element is in memory, const if it may only be read.
// Borrows the layout: it is invalid when the array that it comes from is gone or another has been
// assigned to it. Iterators of different arrays don't compare. Thread-compatible.
template <typename Element>
class ElementIterator {
 public:
  using iterator_category = std::forward_iterator_tag;
  using value_type = std::remove_const_t<Element>;
  using difference_type = std::ptrdiff_t;
  using reference = Element&;
  using pointer = Element*;

  ElementIterator() = default;
  // At the first element; after the last if there is none. `origin` is element (0, 0, ...).
  ElementIterator(const ArrayLayout& layout, Element* origin)
      : layout_(&layout),
        row_(RowOf(layout)),
        origin_(reinterpret_cast<std::uintptr_t>(origin)),
        element_(origin_) {
    if (ElementCount(layout.shape) == 0) return;
    left_ = row_.extent;
    rows_left_ = ElementCount(absl::MakeConstSpan(layout.shape).first(row_.outer_axes));
  }
  // After the last.
  static ElementIterator End() { return ElementIterator(); }

  // REQUIRES: it is not after the last element. So for ++.
  reference operator*() const { return *reinterpret_cast<Element*>(element_); }
  pointer operator->() const { return reinterpret_cast<Element*>(element_); }
  ElementIterator& operator++() {
    element_ += static_cast<std::uintptr_t>(row_.stride);
    if (--left_ == 0) NextRow();
    return *this;
  }
  ElementIterator operator++(int) {
    ElementIterator before = *this;
    ++*this;
    return before;
  }
  friend bool operator==(const ElementIterator& a, const ElementIterator& b) {
    return a.left_ == b.left_ && a.rows_left_ == b.rows_left_;
  }

 private:
  // To the first element of the next row, found by the row's number: an iterator stays a few words
  // however many axes there are.
  void NextRow() {
    if (--rows_left_ == 0) return;
    left_ = row_.extent;
    element_ = origin_;
    int64_t place = ++row_number_;
    for (size_t axis = row_.outer_axes; axis-- > 0;) {
      const int64_t extent = layout_->shape[axis];
      const int64_t index = axis == 0 ? place : place % extent;
      element_ +=
          static_cast<std::uintptr_t>(index) * static_cast<std::uintptr_t>(layout_->strides[axis]);
      if (axis != 0) place /= extent;
    }
  }

  const ArrayLayout* layout_ = nullptr;
  ElementRow row_ = {.extent = 0, .stride = 0, .outer_axes = 0};
  // Addresses are numbers: a step may lead out of the memory, where nothing is ever read.
  std::uintptr_t origin_ = 0;
  std::uintptr_t element_ = 0;
  int64_t left_ = 0;  // in this row, this element included
  int64_t row_number_ = 0;
  int64_t rows_left_ = 0;  // this one included; 0 after the last element
};

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_ELEMENT_ITERATOR_H_
