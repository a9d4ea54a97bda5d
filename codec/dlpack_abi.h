// The structures of DLPack 1 (https://github.com/dmlc/dlpack), as far as arrays in main memory need
// them: names, fields and their order are that binary interface's.
//
// For dlpack.cc and its tests. Nothing else includes this: programs that use DLPack bring their own
// dlpack.h, and the two can't be included together.

#ifndef SLABPIPE_CODEC_DLPACK_ABI_H_
#define SLABPIPE_CODEC_DLPACK_ABI_H_

#include <cstddef>
#include <cstdint>

// The layout of all that follows is that of the major version; minor ones add numbers, such as
// types of devices.
struct DLPackVersion {
  uint32_t major;
  uint32_t minor;
};

struct DLDevice {
  int32_t device_type;  // kDlpackCpu, or another that is not for us
  int32_t device_id;
};

struct DLDataType {
  uint8_t code;  // slabpipe::DlpackTypeCode
  uint8_t bits;  // of one lane
  uint16_t lanes;
};

struct DLTensor {
  void* data;  // element (0, 0, ...) lies byte_offset behind it; null if there is none
  DLDevice device;
  int32_t ndim;
  DLDataType dtype;
  int64_t* shape;    // ndim extents
  int64_t* strides;  // ndim strides, counted in elements; null means row-major without gaps
  uint64_t byte_offset;
};

// What changes hands. Of every major version, the fields before dl_tensor lie as they do here, so
// that whoever can't read the rest can still give it back.
struct DLManagedTensorVersioned {
  DLPackVersion version;
  void* manager_ctx;  // the producer's own
  // Called once, by the consumer, when it is done; frees the structure too. Null if there is
  // nothing to be done.
  void (*deleter)(DLManagedTensorVersioned* self);
  uint64_t flags;  // kDlpackReadOnly and others
  DLTensor dl_tensor;
};

static_assert(sizeof(void*) == 8);
static_assert(sizeof(DLPackVersion) == 8 && sizeof(DLDevice) == 8 && sizeof(DLDataType) == 4);
static_assert(offsetof(DLDataType, bits) == 1 && offsetof(DLDataType, lanes) == 2);
static_assert(sizeof(DLTensor) == 48);
static_assert(offsetof(DLTensor, device) == 8 && offsetof(DLTensor, ndim) == 16);
static_assert(offsetof(DLTensor, dtype) == 20 && offsetof(DLTensor, shape) == 24);
static_assert(offsetof(DLTensor, strides) == 32 && offsetof(DLTensor, byte_offset) == 40);
static_assert(sizeof(DLManagedTensorVersioned) == 80);
static_assert(offsetof(DLManagedTensorVersioned, manager_ctx) == 8);
static_assert(offsetof(DLManagedTensorVersioned, deleter) == 16);
static_assert(offsetof(DLManagedTensorVersioned, flags) == 24);
static_assert(offsetof(DLManagedTensorVersioned, dl_tensor) == 32);

namespace slabpipe {

inline constexpr uint32_t kDlpackMajorVersion = 1;
inline constexpr int32_t kDlpackCpu = 1;
inline constexpr uint64_t kDlpackReadOnly = 1;  // of the flags

enum DlpackTypeCode : uint8_t {
  kDlpackInt = 0,
  kDlpackUint = 1,
  kDlpackFloat = 2,
  kDlpackBfloat = 4,
  kDlpackComplex = 5,
  kDlpackBool = 6,
};

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_DLPACK_ABI_H_
