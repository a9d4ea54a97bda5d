// DLPack: arrays to and from other libraries (NumPy, PyTorch, JAX, CuPy, ...) in the same process,
// without a copy.
//
//   absl::StatusOr<DLManagedTensorVersioned*> tensor = ToDlpack(array);
//   (*tensor)->deleter(*tensor);                     // when it is no longer used
//
//   absl::StatusOr<AnyNdArray> array = FromDlpack(tensor);
//   auto x = NdArray<const float>::FromAny(*array);
//
// The structure is that of DLPack 1 (https://github.com/dmlc/dlpack), which Python's __dlpack__
// hands over in a capsule called "dltensor_versioned". Include the dlpack.h of the library that you
// exchange arrays with; none is needed to build slabpipe.
//
// Numbers and bools have DLPack types, float16, bfloat16 and complex ones too; bytes and texts of a
// fixed width have none.

#ifndef SLABPIPE_CODEC_DLPACK_H_
#define SLABPIPE_CODEC_DLPACK_H_

#include <type_traits>

#include "absl/status/statusor.h"
#include "slabpipe/codec/element_type.h"
#include "slabpipe/codec/ndarray.h"

struct DLManagedTensorVersioned;

namespace slabpipe {

// The array as a tensor of DLPack 1.0 in main memory. The caller owns it, and calls its deleter
// once, from any thread; until then the tensor keeps the array's bytes, a lease on shared memory
// included, whatever becomes of the session. It is marked as read-only if the array may only be
// read.
//
// `data` is the address of element (0, 0, ...), null if there is none; byte_offset is 0. Borrowed
// bytes (NdArray::Borrow) must outlive the tensor.
//
// INVALID_ARGUMENT if DLPack has no such elements, or a stride is no multiple of an element's size.
absl::StatusOr<DLManagedTensorVersioned*> ToDlpack(const AnyNdArray& array);
// An NdArray<const T> is read-only even if others may write to its memory.
template <ArrayElement T>
absl::StatusOr<DLManagedTensorVersioned*> ToDlpack(const NdArray<T>& array);

// The tensor as an array. Takes ownership of the tensor, also if it fails: its deleter is called
// when the last array that uses its bytes is gone, on the thread on which that happens; or at once,
// if it fails. The array is read-only if the tensor says so. Its memory is private: sending it
// copies it once.
//
// UNIMPLEMENTED, with the number that is not understood, for another major version, another device
// than main memory, elements that slabpipe has none of, and more than one lane. INVALID_ARGUMENT
// for a tensor that contradicts itself: null where something must be, a shape that is none, numbers
// that overflow, elements that are not aligned. Does not detect a shape or strides that lead out of
// the producer's memory, which DLPack does not tell.
absl::StatusOr<AnyNdArray> FromDlpack(DLManagedTensorVersioned* tensor);

// Implementation details only below this line.

template <ArrayElement T>
absl::StatusOr<DLManagedTensorVersioned*> ToDlpack(const NdArray<T>& array) {
  const AnyNdArray& any = array;
  if constexpr (std::is_const_v<T>) {
    return ToDlpack(
        AnyNdArray(any.element_type(), any.layout(), any.buffer().ReadOnly(), any.origin()));
  } else {
    return ToDlpack(any);
  }
}

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_DLPACK_H_
