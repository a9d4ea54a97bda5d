#include "slabpipe/codec/column_data.h"

#include <bit>
#include <cstring>
#include <limits>

#include "absl/strings/str_cat.h"
#include "slabpipe/codec/models.h"

namespace slabpipe {
namespace {

constexpr absl::string_view kRoleNames[] = {"validity", "values",  "values",
                                            "offsets",  "offsets", "content"};

absl::string_view RoleName(BufferRole role) { return kRoleNames[static_cast<size_t>(role)]; }

template <typename... Parts>
absl::Status Bad(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(parts...));
}

absl::Status CheckBuffer(const ColumnData& data, const ColumnLayout& layout, size_t index) {
  const BufferRole role = layout.buffers[index];
  const ColumnBuffer& buffer = data.buffers[index];
  const int64_t values = data.offset + data.length;
  // Arrow lets columns without values go without offsets.
  const bool may_lack = role == BufferRole::kValidity || data.length == 0;
  if (buffer.size_bytes == 0 && may_lack) return absl::OkStatus();
  if (role == BufferRole::kValues && layout.value_bytes == 0) {
    return Bad("type: ", data.type.name(), " has values without bytes");
  }
  if (role == BufferRole::kValues &&
      static_cast<uint64_t>(values) > buffer.size_bytes / layout.value_bytes) {
    return Bad(RoleName(role), ": ", values, " of ", layout.value_bytes, " bytes don't fit the ",
               buffer.size_bytes, " bytes that there are");
  }
  if (role != BufferRole::kValues && layout.BufferBytes(role, values) > buffer.size_bytes) {
    return Bad(RoleName(role), ": ", buffer.size_bytes, " bytes for ", values, " rows, wanted ",
               layout.BufferBytes(role, values));
  }
  const size_t alignment = BufferAlignment(data.type, role);
  if (reinterpret_cast<uintptr_t>(buffer.data) % alignment != 0) {
    return Bad(RoleName(role), ": they don't begin at a multiple of ", alignment, " bytes");
  }
  return absl::OkStatus();
}

// SUBTLE: no early return in the loop, so that the compiler can vectorise it.
template <typename Offset>
absl::Status CheckOffsets(const ColumnData& data, int64_t limit) {
  if (data.length == 0) return absl::OkStatus();
  const Offset* offsets = data.buffers[1].as<Offset>() + data.offset;
  Offset last = internal::ReadOnce(offsets);
  bool ordered = last >= 0;
  for (int64_t i = 1; i <= data.length; ++i) {
    const Offset next = offsets[i];
    ordered &= next >= last;
    last = next;
  }
  if (!ordered) return Bad("offsets: they begin below 0 or decrease");
  if (last > limit) return Bad("offsets: they lead to ", last, ", behind the end at ", limit);
  return absl::OkStatus();
}

absl::Status CheckOffsets(const ColumnData& data) {
  const int64_t limit = data.type.is_list() ? data.children[0]->length
                                            : static_cast<int64_t>(data.buffers[2].size_bytes);
  return LayoutOf(data.type).buffers[1] == BufferRole::kOffsets32
             ? CheckOffsets<int32_t>(data, limit)
             : CheckOffsets<int64_t>(data, limit);
}

template <typename Index>
bool IndicesInside(const ColumnData& data, int64_t count) {
  const Index* indices = data.buffers[1].as<Index>() + data.offset;
  // Where a value is missing, its index may be anything.
  if (data.null_count > 0) {
    const std::byte* validity = data.buffers[0].data;
    for (int64_t i = 0; i < data.length; ++i) {
      const Index index = internal::ReadOnce(indices + i);
      const bool inside =
          std::in_range<int64_t>(index) && index >= 0 && static_cast<int64_t>(index) < count;
      if (!inside && internal::BitAt(validity, data.offset + i)) return false;
    }
    return true;
  }
  bool inside = true;
  for (int64_t i = 0; i < data.length; ++i) {
    const auto index = static_cast<uint64_t>(indices[i]);  // below 0: far above
    inside &= index < static_cast<uint64_t>(count);
  }
  return inside;
}

absl::Status CheckIndices(const ColumnData& data) {
  if (data.dictionary == nullptr) return Bad("categories: there are none");
  if (data.dictionary->type != data.type.categories()) {
    return Bad("categories: they are ", data.dictionary->type.name(), ", wanted ",
               data.type.categories().name());
  }
  const int64_t count = data.dictionary->length;
  const bool inside = internal::WithIndexType(data.type.index_kind(), [&](auto index) {
    return IndicesInside<decltype(index)>(data, count);
  });
  if (inside) return absl::OkStatus();
  return Bad("values: the index of a category is outside of the ", count, " that there are");
}

absl::Status CheckChildren(const ColumnData& data) {
  const std::vector<TableField>& fields = data.type.fields();
  if (data.children.size() != fields.size()) {
    return Bad("children: ", data.children.size(), ", wanted ", fields.size());
  }
  for (size_t i = 0; i < fields.size(); ++i) {
    if (data.children[i]->type != fields[i].type) {
      return Bad("child '", fields[i].name, "': it is ", data.children[i]->type.name(), ", wanted ",
                 fields[i].type.name());
    }
  }
  const int64_t rows = data.offset + data.length;
  for (size_t i = 0; i < fields.size(); ++i) {
    int64_t wanted = data.type.kind() == ColumnType::kStruct ? rows : 0;
    if (data.type.kind() == ColumnType::kFixedList &&
        __builtin_mul_overflow(rows, int64_t{data.type.width()}, &wanted)) {
      return Bad("width: ", rows, " lists of ", data.type.width(), " are too many");
    }
    if (data.children[i]->length < wanted) {
      return Bad("child '", fields[i].name, "': it has ", data.children[i]->length,
                 " values, wanted ", wanted);
    }
  }
  return absl::OkStatus();
}

absl::Status CheckNullCount(const ColumnData& data) {
  int64_t nulls = data.length;
  if (data.type.kind() != ColumnType::kNull) nulls = CountNulls(data, 0, data.length);
  if (nulls == data.null_count) return absl::OkStatus();
  return Bad("null count: ", data.null_count, " where ", nulls, " values are missing");
}

}  // namespace

size_t BufferAlignment(const ColumnType& type, BufferRole role) {
  switch (role) {
    case BufferRole::kValues:
      // Decimals are read as two or four numbers of 64 bits. Of bytes any address will do.
      return type.kind() == ColumnType::kFixedBytes
                 ? 1
                 : std::clamp<size_t>(LayoutOf(type).value_bytes, 1, 8);
    case BufferRole::kOffsets32:
      return 4;
    case BufferRole::kOffsets64:
      return 8;
    default:
      return 1;
  }
}

ColumnBuffer ColumnBuffer::Of(Buffer buffer) {
  if (buffer.size_bytes() == 0) return {};
  ColumnBuffer made = {.data = buffer.data(), .size_bytes = buffer.size_bytes()};
  made.home = std::make_shared<const Buffer>(std::move(buffer).IntoReadOnly());
  return made;
}

bool ColumnBuffer::peer_can_write() const {
  return home != nullptr && home->block().has_value() && home->block()->mutable_bytes().empty();
}

absl::Status CheckColumn(const ColumnData& data) {
  if (data.offset < 0 || data.length < 0 || data.offset > kMaxColumnValues ||
      data.length > kMaxColumnValues - data.offset) {
    return Bad("length: ", data.length, " values behind ", data.offset, " others make no column");
  }
  const ColumnLayout layout = LayoutOf(data.type);
  if (data.buffers.size() != layout.buffers.size()) {
    return Bad("buffers: ", data.buffers.size(), ", wanted ", layout.buffers.size());
  }
  for (size_t i = 0; i < layout.buffers.size(); ++i) {
    if (absl::Status status = CheckBuffer(data, layout, i); !status.ok()) return status;
  }
  if (absl::Status status = CheckNullCount(data); !status.ok()) return status;
  if (absl::Status status = CheckChildren(data); !status.ok()) return status;
  if (HasOffsets(data.type)) return CheckOffsets(data);
  return data.type.is_categorical() ? CheckIndices(data) : absl::OkStatus();
}

int64_t CountZeros(const std::byte* bits, int64_t begin, int64_t count) {
  const std::byte* byte = bits + begin / 8;
  int64_t ones = 0, left = count;
  if (const int64_t skip = begin % 8; skip != 0 && left > 0) {
    const int64_t here = std::min<int64_t>(8 - skip, left);
    const unsigned mask = ((1u << here) - 1) << skip;
    ones += std::popcount(static_cast<unsigned>(*byte++) & mask);
    left -= here;
  }
  for (; left >= 64; left -= 64, byte += 8) {
    uint64_t word;
    std::memcpy(&word, byte, sizeof(word));
    ones += std::popcount(word);
  }
  for (; left > 0; left -= 8) {
    const unsigned mask = left >= 8 ? 0xff : (1u << left) - 1;
    ones += std::popcount(static_cast<unsigned>(*byte++) & mask);
  }
  return count - ones;
}

int64_t CountNulls(const ColumnData& data, int64_t begin, int64_t count) {
  if (data.type.kind() == ColumnType::kNull) return count;
  if (data.buffers[0].size_bytes == 0) return 0;
  return CountZeros(data.buffers[0].data, data.offset + begin, count);
}

namespace internal {

OffsetRange ReadOffsets(const ColumnData& data, int64_t row, int64_t limit) {
  const ColumnType::Kind kind = data.type.kind();
  const bool large = kind == ColumnType::kLargeText || kind == ColumnType::kLargeBytes ||
                     kind == ColumnType::kLargeList;
  return large ? ReadOffsets<int64_t>(data.buffers[1], row, limit)
               : ReadOffsets<int32_t>(data.buffers[1], row, limit);
}

int64_t ReadIndex(const ColumnData& data, int64_t row) {
  return internal::WithIndexType(data.type.index_kind(), [&](auto type) -> int64_t {
    const auto index = ReadOnce(data.buffers[1].as<decltype(type)>() + row);
    if (static_cast<uint64_t>(index) >= static_cast<uint64_t>(data.dictionary->length)) return -1;
    return static_cast<int64_t>(index);
  });
}

}  // namespace internal
}  // namespace slabpipe
