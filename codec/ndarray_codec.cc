#include "slabpipe/codec/ndarray_codec.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace slabpipe {
namespace {

using Metadata = schemas::NdArray;

// A view may show an element more than once (a stride of 0, or one that is shorter than what it
// steps over). It is written out in full, which is what it stands for.
bool HasRepeats(const AnyNdArray& array) {
  if (array.size_bytes() > array.buffer().size_bytes()) return true;
  for (size_t axis = 0; axis < array.rank(); ++axis) {
    if (array.strides()[axis] == 0 && array.shape()[axis] > 1) return true;
  }
  return false;
}

bool CanRefer(const AnyNdArray& array, const Encoder& encoder) {
  return !HasRepeats(array) && encoder.CanRefer(array.buffer());
}

void WriteMetadata(ElementType type, const ArrayLayout& layout, uint64_t byte_offset,
                   Metadata::Builder out) {
  const size_t element_bytes = ElementSizeBytes(type);
  const size_t rank = layout.rank();
  out.setElementType(static_cast<schemas::ElementType>(type));
  out.setByteOffset(byte_offset);
  size_t extents = rank;
  if (IsContiguous(layout, element_bytes, Order::kRowMajor)) {
    out.setLayout(Metadata::Layout::ROW_MAJOR);
  } else if (IsContiguous(layout, element_bytes, Order::kColumnMajor)) {
    out.setLayout(Metadata::Layout::COLUMN_MAJOR);
  } else {
    out.setLayout(Metadata::Layout::STRIDED);
    extents += rank;
  }
  auto list = out.initExtents(static_cast<unsigned>(extents));
  for (unsigned i = 0; i < extents; ++i) {
    list.set(i, i < rank ? layout.shape[i] : layout.strides[i - rank]);
  }
}

absl::StatusOr<ArrayLayout> ReadLayout(Metadata::Reader in, size_t element_bytes) {
  const auto extents = in.getExtents();
  const bool strided = in.getLayout() == Metadata::Layout::STRIDED;
  if (extents.size() > 2 * kMaxRank || (strided && extents.size() % 2 != 0)) {
    return absl::InvalidArgumentError(absl::StrCat("extents: ", extents.size(),
                                                   " numbers are no shape",
                                                   strided ? " and as many strides" : ""));
  }
  if (in.getLayout() > Metadata::Layout::STRIDED) {
    return absl::InvalidArgumentError(
        absl::StrCat("layout: unknown number ", static_cast<int>(in.getLayout())));
  }
  Extents all;
  for (const int64_t extent : extents) all.push_back(extent);
  const auto middle = all.begin() + (strided ? all.size() / 2 : all.size());
  const Extents shape(all.begin(), middle);
  if (absl::Status status = CheckShape(shape, element_bytes); !status.ok()) return status;
  if (strided) return ArrayLayout{.shape = shape, .strides = Extents(middle, all.end())};
  return ContiguousLayout(
      shape, element_bytes,
      in.getLayout() == Metadata::Layout::ROW_MAJOR ? Order::kRowMajor : Order::kColumnMajor);
}

}  // namespace

absl::Status NdArrayCodec::Prepare(const AnyNdArray& array, Sizer& sizer) const {
  if (array.empty()) return absl::OkStatus();
  if (!HasRepeats(array) && sizer.CanRefer(array.buffer())) return absl::OkStatus();
  return sizer.AddBlock(array.size_bytes());
}

absl::Status NdArrayCodec::Encode(const AnyNdArray& array, Encoder& encoder) const {
  const Metadata::Builder metadata = encoder.InitMetadata<Metadata>();
  const ElementType type = array.element_type();
  if (array.empty()) {
    WriteMetadata(type, array.layout(), 0, metadata);
    return absl::OkStatus();
  }
  if (CanRefer(array, encoder)) {
    const auto byte_offset = static_cast<uint64_t>(array.origin() - array.buffer().data());
    WriteMetadata(type, array.layout(), byte_offset, metadata);
    return encoder.AddBuffer(array.buffer());
  }
  const ArrayLayout packed = PackedLayout(array.layout(), array.element_bytes());
  WriteMetadata(type, packed, 0, metadata);
  absl::StatusOr<absl::Span<std::byte>> block = encoder.AddBlock(array.size_bytes());
  if (!block.ok()) return block.status();
  CopyElements(array.layout(), array.origin(), packed, block->data(), array.element_bytes());
  encoder.CountCopy(array.size_bytes());
  return absl::OkStatus();
}

absl::StatusOr<AnyNdArray> NdArrayCodec::Decode(Decoder& decoder) const {
  const Metadata::Reader metadata = decoder.ReadMetadata<Metadata>();
  const auto number = static_cast<int>(metadata.getElementType());
  if (number >= kElementTypeCount) {
    return absl::InvalidArgumentError(absl::StrCat("elementType: unknown number ", number));
  }
  const auto type = static_cast<ElementType>(number);
  const size_t element_bytes = ElementSizeBytes(type);
  absl::StatusOr<ArrayLayout> layout = ReadLayout(metadata, element_bytes);
  if (!layout.ok()) return layout.status();
  const bool empty = ElementCount(layout->shape) == 0;
  if (decoder.block_count() != (empty ? 0 : 1)) {
    return absl::InvalidArgumentError(absl::StrCat("an array of shape ", ShapeName(layout->shape),
                                                   " came with ", decoder.block_count(),
                                                   " blocks"));
  }
  absl::StatusOr<Buffer> buffer = empty ? Buffer() : decoder.TakeBuffer(0);
  if (!buffer.ok()) return buffer.status();
  if (!empty &&
      static_cast<uint64_t>(ElementCount(layout->shape)) * element_bytes > buffer->size_bytes()) {
    return absl::InvalidArgumentError(
        absl::StrCat("extents: an array of shape ", ShapeName(layout->shape),
                     " is larger than its block of ", buffer->size_bytes(), " bytes"));
  }
  absl::Status inside = CheckLayout(*layout, element_bytes, ElementAlignmentBytes(type),
                                    metadata.getByteOffset(), buffer->size_bytes());
  if (!inside.ok()) return inside;
  const std::byte* origin = empty ? nullptr : buffer->data() + metadata.getByteOffset();
  return AnyNdArray(type, *std::move(layout), *std::move(buffer), origin);
}

}  // namespace slabpipe
