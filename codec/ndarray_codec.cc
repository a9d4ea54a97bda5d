#include "slabpipe/codec/ndarray_codec.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "slabpipe/codec/ndarray_wire.h"

namespace slabpipe {
namespace {

using Metadata = schemas::NdArray;

bool CanRefer(const AnyNdArray& array, const Encoder& encoder) {
  return !HasRepeats(array) && encoder.CanRefer(array.buffer());
}

// Of the list of extents, where there is one.
constexpr size_t StridedExtents(size_t rank) { return 2 * rank + 1; }

// `content_bytes`: of the block.
Metadata::Layout KindOf(const ArrayLayout& layout, size_t element_bytes, uint64_t byte_offset,
                        uint64_t content_bytes) {
  if (byte_offset != 0) return Metadata::Layout::STRIDED;
  if (IsContiguous(layout, element_bytes, Order::kRowMajor)) {
    const bool whole = layout.rank() == 1 && content_bytes > 0 &&
                       static_cast<uint64_t>(layout.shape[0]) * element_bytes == content_bytes;
    return whole ? Metadata::Layout::VECTOR : Metadata::Layout::ROW_MAJOR;
  }
  if (IsContiguous(layout, element_bytes, Order::kColumnMajor)) {
    return Metadata::Layout::COLUMN_MAJOR;
  }
  return Metadata::Layout::STRIDED;
}

void WriteMetadata(ElementType type, const ArrayLayout& layout, uint64_t byte_offset,
                   uint64_t content_bytes, Metadata::Builder out) {
  const size_t rank = layout.rank();
  const Metadata::Layout kind = KindOf(layout, type.size_bytes(), byte_offset, content_bytes);
  out.setElementType(static_cast<schemas::ElementType>(type.kind()));
  if (type.has_fixed_width()) out.setElementBytes(static_cast<uint32_t>(type.size_bytes()));
  out.setLayout(kind);
  if (kind == Metadata::Layout::VECTOR) return;
  const bool strided = kind == Metadata::Layout::STRIDED;
  auto list = out.initExtents(static_cast<unsigned>(strided ? StridedExtents(rank) : rank));
  for (unsigned i = 0; i < rank; ++i) {
    list.set(i, layout.shape[i]);
    if (strided) list.set(static_cast<unsigned>(rank) + i, layout.strides[i]);
  }
  if (strided) list.set(static_cast<unsigned>(2 * rank), static_cast<int64_t>(byte_offset));
}

// Where an array lies in its block.
struct Place {
  ArrayLayout layout;
  uint64_t byte_offset = 0;
};

absl::StatusOr<Place> ReadVector(uint64_t content_bytes, size_t element_bytes) {
  if (content_bytes % element_bytes != 0) {
    return absl::InvalidArgumentError(absl::StrCat("layout: a block of ", content_bytes,
                                                   " bytes is no vector of elements of ",
                                                   element_bytes));
  }
  const auto extent = static_cast<int64_t>(content_bytes / element_bytes);
  return Place{.layout = {.shape = {extent}, .strides = {static_cast<int64_t>(element_bytes)}}};
}

absl::StatusOr<Place> ReadPlace(Metadata::Reader in, uint64_t content_bytes, size_t element_bytes) {
  const Metadata::Layout kind = in.getLayout();
  if (kind == Metadata::Layout::VECTOR) return ReadVector(content_bytes, element_bytes);
  if (kind > Metadata::Layout::VECTOR) {
    return absl::InvalidArgumentError(
        absl::StrCat("layout: unknown number ", static_cast<int>(kind)));
  }
  const auto extents = in.getExtents();
  const bool strided = kind == Metadata::Layout::STRIDED;
  if (extents.size() > StridedExtents(kMaxRank) || (strided && extents.size() % 2 != 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("extents: ", extents.size(), " numbers are no shape",
                     strided ? ", as many strides, and a byteOffset" : ""));
  }
  Extents all;
  for (const int64_t extent : extents) all.push_back(extent);
  const auto shape_end = all.begin() + (strided ? (all.size() - 1) / 2 : all.size());
  const Extents shape(all.begin(), shape_end);
  if (absl::Status status = CheckShape(shape, element_bytes); !status.ok()) return status;
  if (strided) {
    return Place{.layout = {.shape = shape, .strides = Extents(shape_end, all.end() - 1)},
                 .byte_offset = static_cast<uint64_t>(all.back())};
  }
  const Order order = kind == Metadata::Layout::ROW_MAJOR ? Order::kRowMajor : Order::kColumnMajor;
  return Place{.layout = ContiguousLayout(shape, element_bytes, order)};
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
    WriteMetadata(type, array.layout(), 0, 0, metadata);
    return absl::OkStatus();
  }
  if (CanRefer(array, encoder)) {
    const auto byte_offset = static_cast<uint64_t>(array.origin() - array.buffer().data());
    WriteMetadata(type, array.layout(), byte_offset, array.buffer().size_bytes(), metadata);
    return encoder.AddBuffer(array.buffer());
  }
  const ArrayLayout packed = PackedLayout(array.layout(), array.element_bytes());
  WriteMetadata(type, packed, 0, array.size_bytes(), metadata);
  absl::StatusOr<absl::Span<std::byte>> block = encoder.AddBlock(array.size_bytes());
  if (!block.ok()) return block.status();
  CopyElements(array.layout(), array.origin(), packed, block->data(), array.element_bytes());
  encoder.CountCopy(array.size_bytes());
  return absl::OkStatus();
}

absl::StatusOr<AnyNdArray> NdArrayCodec::Decode(Decoder& decoder) const {
  const Metadata::Reader metadata = decoder.ReadMetadata<Metadata>();
  const absl::StatusOr<ElementType> type = ElementType::FromWire(
      static_cast<unsigned>(metadata.getElementType()), metadata.getElementBytes());
  if (!type.ok()) return type.status();
  const size_t element_bytes = type->size_bytes();
  if (decoder.block_count() > 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("an array came with ", decoder.block_count(), " blocks"));
  }
  absl::StatusOr<Buffer> buffer = Buffer();
  if (decoder.block_count() == 1) buffer = decoder.TakeBuffer(0);
  if (!buffer.ok()) return buffer.status();
  absl::StatusOr<Place> place = ReadPlace(metadata, buffer->size_bytes(), element_bytes);
  if (!place.ok()) return place.status();
  const int64_t count = ElementCount(place->layout.shape);
  if ((count == 0) != (decoder.block_count() == 0)) {
    return absl::InvalidArgumentError(absl::StrCat("an array of shape ",
                                                   ShapeName(place->layout.shape), " came with ",
                                                   decoder.block_count(), " blocks"));
  }
  return ArrayInBlock(*type, std::move(place->layout), place->byte_offset, *std::move(buffer));
}

}  // namespace slabpipe
