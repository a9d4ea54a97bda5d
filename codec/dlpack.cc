#include "slabpipe/codec/dlpack.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "slabpipe/codec/buffer.h"
#include "slabpipe/codec/dlpack_abi.h"

namespace slabpipe {
namespace {

struct TypePair {
  ElementType type;
  DlpackTypeCode code;
};

constexpr TypePair kTypes[] = {
    {ElementType::kBool, kDlpackBool},          {ElementType::kInt8, kDlpackInt},
    {ElementType::kInt16, kDlpackInt},          {ElementType::kInt32, kDlpackInt},
    {ElementType::kInt64, kDlpackInt},          {ElementType::kUint8, kDlpackUint},
    {ElementType::kUint16, kDlpackUint},        {ElementType::kUint32, kDlpackUint},
    {ElementType::kUint64, kDlpackUint},        {ElementType::kFloat16, kDlpackFloat},
    {ElementType::kFloat32, kDlpackFloat},      {ElementType::kFloat64, kDlpackFloat},
    {ElementType::kBfloat16, kDlpackBfloat},    {ElementType::kComplex64, kDlpackComplex},
    {ElementType::kComplex128, kDlpackComplex},
};

DLDataType DataType(const TypePair& pair) {
  return {.code = pair.code, .bits = static_cast<uint8_t>(8 * pair.type.size_bytes()), .lanes = 1};
}

absl::StatusOr<DLDataType> ToDataType(const AnyNdArray& array) {
  for (const TypePair& pair : kTypes) {
    if (pair.type == array.element_type()) return DataType(pair);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("array of ", array.Describe(), ": DLPack has no such elements, only numbers"));
}

absl::StatusOr<ElementType> FromDataType(const DLDataType& wanted) {
  for (const TypePair& pair : kTypes) {
    const DLDataType type = DataType(pair);
    if (type.code == wanted.code && type.bits == wanted.bits && type.lanes == wanted.lanes) {
      return pair.type;
    }
  }
  return absl::UnimplementedError(absl::StrCat("DLPack tensor: elements of type code ", wanted.code,
                                               ", ", wanted.bits, " bits and ", wanted.lanes,
                                               " lanes; there are no such arrays"));
}

// ---- Export

// Strides in elements.
absl::StatusOr<Extents> ElementStrides(const AnyNdArray& array) {
  const auto size = static_cast<int64_t>(array.element_bytes());
  Extents strides =
      ContiguousLayout(array.shape(), array.element_bytes(), Order::kRowMajor).strides;
  for (size_t axis = 0; axis < array.rank(); ++axis) {
    // Strides that lead to no second element may be any number: the contiguous one stays.
    if (!array.empty() && array.shape()[axis] > 1) strides[axis] = array.strides()[axis];
    if (strides[axis] % size != 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          "array of ", array.Describe(), ": stride ", strides[axis], " of axis ", axis,
          " is no multiple of an element's ", size, " bytes, in which DLPack counts. Copy() it"));
    }
    strides[axis] /= size;
  }
  return strides;
}

// A tensor and what it keeps and points to.
struct Export {
  AnyNdArray array;
  Extents shape;
  Extents strides;
  DLManagedTensorVersioned tensor;
};

void DeleteExport(DLManagedTensorVersioned* tensor) {
  delete static_cast<Export*>(tensor->manager_ctx);
}

// ---- Import

absl::Status Bad(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("DLPack tensor: ", what));
}

// What can be told without looking at shape, strides and data.
absl::Status CheckHead(const DLManagedTensorVersioned& managed) {
  if (managed.version.major != kDlpackMajorVersion) {
    // SUBTLE: nothing behind `flags` may be read of it.
    return absl::UnimplementedError(absl::StrCat("DLPack tensor of version ", managed.version.major,
                                                 ".", managed.version.minor, ", wanted ",
                                                 kDlpackMajorVersion, ".x"));
  }
  const DLTensor& tensor = managed.dl_tensor;
  if (tensor.device.device_type != kDlpackCpu) {
    return absl::UnimplementedError(absl::StrCat("DLPack tensor on a device of type ",
                                                 tensor.device.device_type, ", wanted ", kDlpackCpu,
                                                 ", main memory: copy it there first"));
  }
  if (tensor.ndim < 0 || tensor.ndim > static_cast<int32_t>(kMaxRank)) {
    return Bad(absl::StrCat("it has ", tensor.ndim, " axes, wanted 0 to ", kMaxRank));
  }
  if (tensor.ndim > 0 && tensor.shape == nullptr) return Bad("its shape is null");
  return absl::OkStatus();
}

absl::StatusOr<ArrayLayout> ImportedLayout(const DLTensor& tensor, size_t element_bytes) {
  const auto rank = static_cast<size_t>(tensor.ndim);
  const absl::Span<const int64_t> shape(tensor.shape, rank);
  if (absl::Status status = CheckShape(shape, element_bytes); !status.ok()) {
    return Bad(status.message());
  }
  ArrayLayout layout = ContiguousLayout(shape, element_bytes, Order::kRowMajor);
  if (tensor.strides == nullptr) return layout;
  for (size_t axis = 0; axis < rank; ++axis) {
    if (shape[axis] < 2) continue;  // no second element: the stride may be any number
    if (__builtin_mul_overflow(tensor.strides[axis], static_cast<int64_t>(element_bytes),
                               &layout.strides[axis])) {
      return Bad(absl::StrCat("stride ", tensor.strides[axis], " of axis ", axis,
                              " is larger than an address space"));
    }
  }
  return layout;
}

struct Memory {
  std::byte* origin = nullptr;  // element (0, 0, ...)
  absl::Span<std::byte> bytes;  // from the lowest to the highest byte of an element
};

// REQUIRES: `layout` has elements.
absl::StatusOr<Memory> ImportedMemory(const DLTensor& tensor, const ArrayLayout& layout,
                                      ElementType type) {
  if (tensor.data == nullptr) return Bad("it has elements, its data is null");
  uint64_t origin;
  if (__builtin_add_overflow(reinterpret_cast<uintptr_t>(tensor.data), tensor.byte_offset,
                             &origin) ||
      origin > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    return Bad(absl::StrCat("byte_offset ", tensor.byte_offset, " leads out of the address space"));
  }
  if (origin % type.alignment_bytes() != 0) {
    return Bad(absl::StrCat("element (0, ...) lies at address ", origin, ", no multiple of ",
                            type.alignment_bytes()));
  }
  const std::optional<ByteReach> reach = ReachOf(layout, type.size_bytes());
  int64_t begin, end, size;
  if (!reach.has_value() ||
      __builtin_add_overflow(static_cast<int64_t>(origin), reach->begin, &begin) || begin <= 0 ||
      __builtin_add_overflow(static_cast<int64_t>(origin), reach->end, &end) ||
      __builtin_sub_overflow(end, begin, &size)) {
    return Bad(absl::StrCat("shape ", ShapeName(layout.shape), " and strides of ",
                            ShapeName(layout.strides), " bytes lead out of the address space"));
  }
  return Memory{.origin = reinterpret_cast<std::byte*>(origin),
                .bytes = {reinterpret_cast<std::byte*>(begin), static_cast<size_t>(size)}};
}

}  // namespace

absl::StatusOr<DLManagedTensorVersioned*> ToDlpack(const AnyNdArray& array) {
  absl::StatusOr<DLDataType> type = ToDataType(array);
  if (!type.ok()) return type.status();
  absl::StatusOr<Extents> strides = ElementStrides(array);
  if (!strides.ok()) return strides.status();
  auto* made =
      new Export{.array = array, .shape = array.shape(), .strides = *strides, .tensor = {}};
  const bool read_only = !array.empty() && array.mutable_origin() == nullptr;
  made->tensor = {
      .version = {.major = kDlpackMajorVersion, .minor = 0},
      .manager_ctx = made,
      .deleter = DeleteExport,
      .flags = read_only ? kDlpackReadOnly : 0,
      .dl_tensor = {.data = array.empty() ? nullptr : const_cast<std::byte*>(array.origin()),
                    .device = {.device_type = kDlpackCpu, .device_id = 0},
                    .ndim = static_cast<int32_t>(array.rank()),
                    .dtype = *type,
                    .shape = made->shape.data(),
                    .strides = made->strides.data(),
                    .byte_offset = 0}};
  return &made->tensor;
}

absl::StatusOr<AnyNdArray> FromDlpack(DLManagedTensorVersioned* tensor) {
  if (tensor == nullptr) return Bad("it is null");
  const std::shared_ptr<const void> owner(tensor, [](DLManagedTensorVersioned* owned) {
    if (owned->deleter != nullptr) owned->deleter(owned);
  });
  if (absl::Status status = CheckHead(*tensor); !status.ok()) return status;
  absl::StatusOr<ElementType> type = FromDataType(tensor->dl_tensor.dtype);
  if (!type.ok()) return type.status();
  absl::StatusOr<ArrayLayout> layout = ImportedLayout(tensor->dl_tensor, type->size_bytes());
  if (!layout.ok()) return layout.status();
  absl::StatusOr<Memory> memory = Memory();
  if (ElementCount(layout->shape) > 0) memory = ImportedMemory(tensor->dl_tensor, *layout, *type);
  if (!memory.ok()) return memory.status();
  const bool read_only = (tensor->flags & kDlpackReadOnly) != 0;
  Buffer buffer =
      read_only ? Buffer::Own(memory->bytes, owner) : Buffer::OwnMutable(memory->bytes, owner);
  return AnyNdArray(*type, *std::move(layout), std::move(buffer), memory->origin);
}

}  // namespace slabpipe
