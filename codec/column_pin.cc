// PinIndices: see column_copy.h.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "slabpipe/codec/column_copy.h"
#include "slabpipe/codec/column_data.h"
#include "slabpipe/transport/parallel_copy.h"

namespace slabpipe {
namespace {

// Everything but values and texts: validity and bits, offsets, indices.
bool IsPinned(const ColumnType& type, BufferRole role) {
  if (role == BufferRole::kContent) return false;
  return role != BufferRole::kValues || type.is_categorical();
}

bool NeedsPinning(const ColumnData& data) {
  const ColumnLayout layout = LayoutOf(data.type);
  for (size_t i = 0; i < layout.buffers.size(); ++i) {
    if (IsPinned(data.type, layout.buffers[i]) && data.buffers[i].peer_can_write()) return true;
  }
  if (data.dictionary != nullptr && NeedsPinning(*data.dictionary)) return true;
  return std::any_of(data.children.begin(), data.children.end(),
                     [](const auto& child) { return NeedsPinning(*child); });
}

ColumnBuffer From(const ColumnBuffer& buffer, size_t begin) {
  if (buffer.size_bytes == 0) return {};
  return {
      .data = buffer.data + begin, .size_bytes = buffer.size_bytes - begin, .home = buffer.home};
}

// Values `begin` to begin + length of `data`, its offset not counted, in data of their own: buffers
// begin at a whole byte of bits.
absl::StatusOr<std::shared_ptr<const ColumnData>> Pin(const ColumnData& data, int64_t begin,
                                                      int64_t length, ColumnMemory& memory) {
  const int64_t skip = length == 0 ? 0 : (data.offset + begin) % 8;
  const int64_t first = data.offset + begin - skip;
  auto pinned =
      std::make_shared<ColumnData>(ColumnData{.type = data.type, .length = length, .offset = skip});
  const ColumnLayout layout = LayoutOf(data.type);
  for (size_t i = 0; i < layout.buffers.size(); ++i) {
    const BufferRole role = layout.buffers[i];
    const bool offsets = role == BufferRole::kOffsets32 || role == BufferRole::kOffsets64;
    const ColumnBuffer& buffer = data.buffers[i];
    // Of so many rows as there are in front.
    size_t at = role == BufferRole::kContent ? 0 : layout.BufferBytes(role, first);
    if (offsets) at -= role == BufferRole::kOffsets32 ? sizeof(int32_t) : sizeof(int64_t);
    ColumnBuffer part = From(buffer, at);
    if (IsPinned(data.type, role) && length > 0 && part.peer_can_write()) {
      absl::StatusOr<ColumnMemory::Piece> copy =
          memory.Allocate(layout.BufferBytes(role, skip + length));
      if (!copy.ok()) return copy.status();
      CopyBytes(copy->bytes, part.data, copy->column.size_bytes);
      part = copy->column;
    }
    pinned->buffers.push_back(std::move(part));
  }
  const bool by_offsets = HasOffsets(data.type);
  const int64_t width = data.type.kind() == ColumnType::kFixedList ? data.type.width() : 1;
  for (const auto& child : data.children) {
    auto below = by_offsets ? Pin(*child, 0, child->length, memory)
                            : Pin(*child, first * width, (skip + length) * width, memory);
    if (!below.ok()) return below.status();
    pinned->children.push_back(*std::move(below));
  }
  if (data.dictionary != nullptr) {
    auto categories = Pin(*data.dictionary, 0, data.dictionary->length, memory);
    if (!categories.ok()) return categories.status();
    pinned->dictionary = *std::move(categories);
  }
  pinned->null_count = CountNulls(*pinned, 0, length);
  if (absl::Status fine = CheckColumn(*pinned); !fine.ok()) {
    return absl::DataLossError(fine.message());
  }
  return pinned;
}

}  // namespace

absl::StatusOr<Column> PinIndices(const Column& column) {
  if (!NeedsPinning(*column.data())) return column;
  ColumnMemory memory(&Buffer::Allocate);
  absl::StatusOr<std::shared_ptr<const ColumnData>> pinned =
      Pin(*column.data(), column.begin(), column.size(), memory);
  if (!pinned.ok()) return pinned.status();
  return Column::FromChecked(*std::move(pinned));
}

}  // namespace slabpipe
