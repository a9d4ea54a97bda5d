#include "slabpipe/codec/column_copy.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "slabpipe/codec/models.h"
#include "slabpipe/transport/parallel_copy.h"

namespace slabpipe {
namespace {

// Rows of one column's data; `begin` counts from the start of its buffers.
struct Window {
  const ColumnData* data;
  int64_t begin;
  int64_t length;
};
using Windows = absl::Span<const Window>;

int64_t TotalLength(Windows windows) {
  int64_t length = 0;
  for (const Window& window : windows) length += window.length;
  return length;
}

// Those with rows; all if there are none: they may have categories.
std::vector<Window> NotEmpty(Windows windows) {
  std::vector<Window> filled;
  for (const Window& window : windows) {
    if (window.length > 0) filled.push_back(window);
  }
  if (filled.empty()) filled.assign(windows.begin(), windows.end());
  return filled;
}

// Copies a subtree of columns of one type.
class Copier {
 public:
  explicit Copier(ColumnMemory& memory) : memory_(memory) {}

  absl::StatusOr<std::shared_ptr<const ColumnData>> Copy(const ColumnType& type, Windows windows);

 private:
  absl::Status CopyValidity(Windows windows, ColumnData& to);
  absl::Status CopyBitValues(Windows windows, ColumnData& to);
  absl::Status CopyValues(Windows windows, size_t value_bytes, ColumnData& to);
  template <typename Offset>
  absl::Status CopyOffsetsAndItems(Windows windows, ColumnData& to);
  absl::Status CopyContent(Windows items, ColumnData& to);
  absl::Status CopyChild(const ColumnType& type, Windows windows, ColumnData& to);
  absl::Status CopyBuffers(Windows windows, ColumnData& to);
  absl::Status CopyChildrenOfRows(Windows windows, ColumnData& to);
  absl::Status CopyDictionary(Windows windows, ColumnData& to);
  static absl::Status MakePrivate(std::vector<std::shared_ptr<const ColumnData>>& dictionaries);

  ColumnMemory& memory_;
};

absl::Status Copier::CopyValidity(Windows windows, ColumnData& to) {
  to.buffers.emplace_back();
  int64_t nulls = 0;
  for (const Window& window : windows) {
    nulls += CountNulls(*window.data, window.begin - window.data->offset, window.length);
  }
  if (nulls == 0) return absl::OkStatus();
  absl::StatusOr<ColumnMemory::Piece> bits =
      memory_.Allocate(static_cast<size_t>((to.length + 7) / 8));
  if (!bits.ok()) return bits.status();
  bits->bytes[bits->column.size_bytes - 1] = std::byte{0};
  int64_t row = 0;
  for (const Window& window : windows) {
    const ColumnBuffer& from = window.data->buffers[0];
    if (from.size_bytes == 0) {
      SetBits(bits->bytes, row, window.length);
    } else {
      CopyBits(from.data, window.begin, bits->bytes, row, window.length);
    }
    row += window.length;
  }
  to.buffers.back() = std::move(bits->column);
  to.null_count = CountNulls(to, 0, to.length);
  return absl::OkStatus();
}

absl::Status Copier::CopyBitValues(Windows windows, ColumnData& to) {
  absl::StatusOr<ColumnMemory::Piece> bits =
      memory_.Allocate(static_cast<size_t>((to.length + 7) / 8));
  if (!bits.ok()) return bits.status();
  if (to.length > 0) bits->bytes[bits->column.size_bytes - 1] = std::byte{0};
  int64_t row = 0;
  for (const Window& window : windows) {
    if (window.length == 0) continue;
    CopyBits(window.data->buffers[1].data, window.begin, bits->bytes, row, window.length);
    row += window.length;
  }
  to.buffers.push_back(std::move(bits->column));
  return absl::OkStatus();
}

absl::Status Copier::CopyValues(Windows windows, size_t value_bytes, ColumnData& to) {
  absl::StatusOr<ColumnMemory::Piece> values =
      memory_.Allocate(static_cast<size_t>(to.length) * value_bytes);
  if (!values.ok()) return values.status();
  std::byte* next = values->bytes;
  for (const Window& window : windows) {
    if (window.length == 0) continue;
    const size_t bytes = static_cast<size_t>(window.length) * value_bytes;
    CopyBytes(next, window.data->buffers[1].data + static_cast<size_t>(window.begin) * value_bytes,
              bytes);
    next += bytes;
  }
  to.buffers.push_back(std::move(values->column));
  return absl::OkStatus();
}

// Offsets, rebased, and then what they lead to.
template <typename Offset>
absl::Status Copier::CopyOffsetsAndItems(Windows windows, ColumnData& to) {
  absl::StatusOr<ColumnMemory::Piece> offsets =
      memory_.Allocate(static_cast<size_t>(to.length + 1) * sizeof(Offset));
  if (!offsets.ok()) return offsets.status();
  auto* next = reinterpret_cast<Offset*>(offsets->bytes);
  *next = 0;
  std::vector<Window> items;
  int64_t total = 0;
  const bool list = to.type.is_list();
  for (const Window& window : windows) {
    const ColumnData& from = *window.data;
    if (window.length == 0) {
      // Without items, but with what is to be known of them: categories.
      if (list) items.push_back({from.children[0].get(), from.children[0]->offset, 0});
      continue;
    }
    const int64_t limit =
        list ? from.children[0]->length : static_cast<int64_t>(from.buffers[2].size_bytes);
    const internal::OffsetRange first = internal::ReadOffsets(from, window.begin, limit);
    const internal::OffsetRange last =
        internal::ReadOffsets(from, window.begin + window.length - 1, limit);
    const int64_t count = std::max<int64_t>(last.end - first.begin, 0);
    if (total + count > std::numeric_limits<Offset>::max()) {
      return absl::OutOfRangeError(
          absl::StrCat("they would have ", total + count, list ? " items" : " bytes of text",
                       ", more than 32-bit offsets count: use the large type"));
    }
    const auto base = static_cast<Offset>(first.begin);
    CopyOffsets(from.buffers[1].as<Offset>() + window.begin, window.length + 1, base,
                static_cast<Offset>(count), next);
    for (int64_t i = 0; total > 0 && i <= window.length; ++i) next[i] += static_cast<Offset>(total);
    next += window.length;
    total += count;
    const int64_t skipped = list ? from.children[0]->offset : 0;
    items.push_back({list ? from.children[0].get() : &from, skipped + first.begin, count});
  }
  to.buffers.push_back(std::move(offsets->column));
  if (list) return CopyChild(to.type.item(), items, to);
  return CopyContent(items, to);
}

absl::Status Copier::CopyContent(Windows items, ColumnData& to) {
  absl::StatusOr<ColumnMemory::Piece> content =
      memory_.Allocate(static_cast<size_t>(TotalLength(items)));
  if (!content.ok()) return content.status();
  std::byte* next = content->bytes;
  for (const Window& item : items) {
    if (item.length == 0) continue;
    CopyBytes(next, item.data->buffers[2].data + item.begin, static_cast<size_t>(item.length));
    next += item.length;
  }
  to.buffers.push_back(std::move(content->column));
  return absl::OkStatus();
}

absl::Status Copier::CopyChild(const ColumnType& type, Windows windows, ColumnData& to) {
  absl::StatusOr<std::shared_ptr<const ColumnData>> child = Copy(type, windows);
  if (!child.ok()) return child.status();
  to.children.push_back(*std::move(child));
  return absl::OkStatus();
}

// Of structs and lists of a fixed size.
absl::Status Copier::CopyChildrenOfRows(Windows windows, ColumnData& to) {
  const int64_t width = to.type.kind() == ColumnType::kFixedList ? to.type.width() : 1;
  for (size_t i = 0; i < to.type.fields().size(); ++i) {
    std::vector<Window> items;
    for (const Window& window : windows) {
      const ColumnData* child = window.data->children[i].get();
      items.push_back({child, child->offset + window.begin * width, window.length * width});
    }
    absl::Status copied = CopyChild(to.type.fields()[i].type, items, to);
    if (!copied.ok()) return InContext(to.type.fields()[i].name, copied);
  }
  return absl::OkStatus();
}

absl::Status Copier::CopyBuffers(Windows windows, ColumnData& to) {
  const ColumnLayout layout = LayoutOf(to.type);
  if (layout.buffers.empty()) {
    to.null_count = to.length;
    return absl::OkStatus();
  }
  if (absl::Status status = CopyValidity(windows, to); !status.ok()) return status;
  if (layout.buffers.size() == 1) return CopyChildrenOfRows(windows, to);
  switch (layout.buffers[1]) {
    case BufferRole::kBits:
      return CopyBitValues(windows, to);
    case BufferRole::kOffsets32:
      return CopyOffsetsAndItems<int32_t>(windows, to);
    case BufferRole::kOffsets64:
      return CopyOffsetsAndItems<int64_t>(windows, to);
    default:
      return CopyValues(windows, layout.value_bytes, to);
  }
}

absl::StatusOr<std::shared_ptr<const ColumnData>> Copier::Copy(const ColumnType& type,
                                                               Windows windows) {
  auto to = std::make_shared<ColumnData>();
  to->type = type;
  to->length = TotalLength(windows);
  const std::vector<Window> filled = NotEmpty(windows);
  absl::Status status = CopyBuffers(filled, *to);
  if (status.ok() && type.is_categorical()) status = CopyDictionary(filled, *to);
  if (!status.ok()) return status;
  if (absl::Status fine = CheckColumn(*to); !fine.ok()) return absl::DataLossError(fine.message());
  return to;
}

// ---- Categories

// A category's bytes, by which equal ones are found. Of text, or a fixed width.
absl::string_view CategoryKey(const ColumnData& categories, int64_t index) {
  const int64_t row = categories.offset + index;
  const ColumnLayout layout = LayoutOf(categories.type);
  if (layout.buffers[1] == BufferRole::kValues) {
    return {categories.buffers[1].as<char>() + static_cast<size_t>(row) * layout.value_bytes,
            layout.value_bytes};
  }
  const auto limit = static_cast<int64_t>(categories.buffers[2].size_bytes);
  const internal::OffsetRange range = internal::ReadOffsets(categories, row, limit);
  return {categories.buffers[2].as<char>() + range.begin, static_cast<size_t>(range.size())};
}

bool HasKeys(const ColumnType& type) {
  const ColumnLayout layout = LayoutOf(type);
  return layout.buffers.size() == 3 ||
         (layout.buffers.size() == 2 && layout.buffers[1] == BufferRole::kValues);
}

// Of the column and all below it.
bool AnyPeerCanWrite(const ColumnData& data) {
  const auto below = [](const auto& child) { return child != nullptr && AnyPeerCanWrite(*child); };
  return std::any_of(data.buffers.begin(), data.buffers.end(),
                     [](const ColumnBuffer& buffer) { return buffer.peer_can_write(); }) ||
         std::any_of(data.children.begin(), data.children.end(), below) || below(data.dictionary);
}

Window WholeWindow(const ColumnData& data) { return {&data, data.offset, data.length}; }

// All categories of some dictionaries, each once, and where those of each have gone.
struct MergedCategories {
  std::vector<Window> windows;            // one a category
  std::vector<std::vector<int64_t>> map;  // of each dictionary: old index to new one
};

MergedCategories Merge(absl::Span<const std::shared_ptr<const ColumnData>> dictionaries) {
  MergedCategories merged;
  absl::flat_hash_map<std::string, int64_t> known;
  int64_t missing = -1;
  for (const auto& dictionary : dictionaries) {
    std::vector<int64_t>& map = merged.map.emplace_back();
    for (int64_t i = 0; i < dictionary->length; ++i) {
      const auto next = static_cast<int64_t>(merged.windows.size());
      int64_t index = missing;
      if (CountNulls(*dictionary, i, 1) == 0) {
        index = known.emplace(std::string(CategoryKey(*dictionary, i)), next).first->second;
      } else if (missing < 0) {
        index = missing = next;
      }
      if (index == next) merged.windows.push_back({dictionary.get(), dictionary->offset + i, 1});
      map.push_back(index);
    }
  }
  return merged;
}

template <typename Index>
absl::Status Renumber(Index* indices, int64_t count, absl::Span<const int64_t> map) {
  for (int64_t i = 0; i < count; ++i) {
    const auto old = static_cast<uint64_t>(indices[i]);
    // Only where a value is missing, or another process has changed it: CheckColumn finds that.
    if (old >= map.size()) {
      indices[i] = static_cast<Index>(-1);
      continue;
    }
    const int64_t index = map[old];
    if (!std::in_range<Index>(index)) {
      return absl::OutOfRangeError(absl::StrCat("they would have category ", index,
                                                ", more than indices of ", 8 * sizeof(Index),
                                                " bits can tell"));
    }
    indices[i] = static_cast<Index>(index);
  }
  return absl::OkStatus();
}

absl::Status RenumberAs(ColumnType::Kind kind, std::byte* indices, int64_t count,
                        absl::Span<const int64_t> map) {
  return internal::WithIndexType(kind, [&](auto index) {
    return Renumber(reinterpret_cast<decltype(index)*>(indices), count, map);
  });
}

// The dictionaries of some windows, each once, and which one is each window's.
struct Dictionaries {
  std::vector<std::shared_ptr<const ColumnData>> distinct;
  std::vector<size_t> of_window;
};

Dictionaries DictionariesOf(Windows windows) {
  Dictionaries dictionaries;
  absl::flat_hash_map<const ColumnData*, size_t> known;
  for (const Window& window : windows) {
    const std::shared_ptr<const ColumnData>& dictionary = window.data->dictionary;
    const auto [at, fresh] = known.emplace(dictionary.get(), dictionaries.distinct.size());
    if (fresh) dictionaries.distinct.push_back(dictionary);
    dictionaries.of_window.push_back(at->second);
  }
  return dictionaries;
}

bool AllTheSame(absl::Span<const std::shared_ptr<const ColumnData>> dictionaries) {
  const Column first = Column::FromChecked(dictionaries[0]);
  return std::all_of(dictionaries.begin(), dictionaries.end(), [&](const auto& dictionary) {
    return dictionary == dictionaries[0] || SameValues(Column::FromChecked(dictionary), first);
  });
}

// Where order means something, one dictionary must have all categories, and the others some of them
// in its order: no order is made up. It becomes the first.
void PutLargestFirst(Dictionaries& dictionaries) {
  const auto largest =
      std::max_element(dictionaries.distinct.begin(), dictionaries.distinct.end(),
                       [](const auto& a, const auto& b) { return a->length < b->length; });
  const auto at = static_cast<size_t>(largest - dictionaries.distinct.begin());
  std::swap(dictionaries.distinct[0], dictionaries.distinct[at]);
  for (size_t& of_window : dictionaries.of_window) {
    of_window = of_window == at ? 0 : of_window == 0 ? at : of_window;
  }
}

absl::Status CheckOrder(const MergedCategories& merged) {
  for (const std::vector<int64_t>& map : merged.map) {
    if (std::is_sorted(map.begin(), map.end()) && merged.windows.size() == merged.map[0].size()) {
      continue;
    }
    return absl::InvalidArgumentError(
        "ordered categories differ, and none of them has the order of all");
  }
  return absl::OkStatus();
}

// SUBTLE: more than one dictionary is gone through more than once: what other processes can write
// is copied first.
absl::Status Copier::MakePrivate(std::vector<std::shared_ptr<const ColumnData>>& dictionaries) {
  for (std::shared_ptr<const ColumnData>& dictionary : dictionaries) {
    const Window whole = WholeWindow(*dictionary);
    if (!AnyPeerCanWrite(*dictionary)) continue;
    ColumnMemory memory(&Buffer::Allocate);
    auto copy = Copier(memory).Copy(dictionary->type, absl::MakeConstSpan(&whole, 1));
    if (!copy.ok()) return copy.status();
    dictionary = *std::move(copy);
  }
  return absl::OkStatus();
}

absl::Status Copier::CopyDictionary(Windows windows, ColumnData& to) {
  const ColumnType& type = to.type.categories();
  Dictionaries dictionaries = DictionariesOf(windows);
  if (dictionaries.distinct.size() > 1) {
    absl::Status status = MakePrivate(dictionaries.distinct);
    if (!status.ok()) return InContext("categories", status);
  }
  if (to.type.ordered()) PutLargestFirst(dictionaries);
  MergedCategories merged;
  const bool same = AllTheSame(dictionaries.distinct);
  if (same) {
    merged.windows = {WholeWindow(*dictionaries.distinct[0])};
  } else if (HasKeys(type)) {
    merged = Merge(dictionaries.distinct);
  } else {
    return absl::InvalidArgumentError(absl::StrCat("columns with different categories of ",
                                                   type.name(), " can't be put together"));
  }
  if (absl::Status status = CheckOrder(merged); to.type.ordered() && !status.ok()) return status;
  absl::StatusOr<std::shared_ptr<const ColumnData>> copy = Copy(type, merged.windows);
  if (!copy.ok()) return InContext("categories", copy.status());
  to.dictionary = *std::move(copy);
  if (same) return absl::OkStatus();
  // These bytes are this copy's own, and nobody else has seen them yet.
  auto* indices = const_cast<std::byte*>(to.buffers[1].data);
  const size_t width = NumberBytes(to.type.index_kind());
  for (size_t i = 0; i < windows.size(); ++i) {
    absl::Status status = RenumberAs(to.type.index_kind(), indices, windows[i].length,
                                     merged.map[dictionaries.of_window[i]]);
    if (!status.ok()) return InContext("categories", status);
    indices += static_cast<size_t>(windows[i].length) * width;
  }
  return absl::OkStatus();
}

template <typename Index>
absl::Status MarkNegative(ColumnData& data) {
  const Index* indices = data.buffers[1].as<Index>() + data.offset;
  int64_t negative = 0;
  for (int64_t i = 0; i < data.length; ++i) negative += indices[i] < 0 ? 1 : 0;
  if (negative == 0) return absl::OkStatus();
  const int64_t rows = data.offset + data.length;
  absl::StatusOr<Buffer> bits = Buffer::Allocate(static_cast<size_t>((rows + 7) / 8));
  if (!bits.ok()) return bits.status();
  for (int64_t i = 0; i < data.length; ++i) {
    if (indices[i] >= 0) SetBits(bits->mutable_data(), data.offset + i, 1);
  }
  data.buffers[0] = ColumnBuffer::Of(*std::move(bits));
  data.null_count = CountNulls(data, 0, data.length);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ColumnMemory::Piece> ColumnMemory::Allocate(size_t size_bytes) {
  if (size_bytes == 0) return Piece();
  const size_t aligned = AlignBlockSize(size_bytes);
  // Large ones stand alone, so that what is left of the chunk is not lost.
  if (size_bytes >= kMostChunkBytes / 4) {
    absl::StatusOr<Chunk> alone = NewChunk(size_bytes);
    if (!alone.ok()) return alone.status();
    return PieceOf(*alone, size_bytes);
  }
  if (aligned > chunk_.left) {
    last_bytes_ = std::max(aligned, std::min(2 * last_bytes_, kMostChunkBytes));
    absl::StatusOr<Chunk> chunk = NewChunk(last_bytes_);
    if (!chunk.ok()) return chunk.status();
    chunk_ = *std::move(chunk);
  }
  const Piece piece = PieceOf(chunk_, size_bytes);
  chunk_.next += aligned;
  chunk_.left -= aligned;
  return piece;
}

absl::StatusOr<ColumnMemory::Chunk> ColumnMemory::NewChunk(size_t size_bytes) {
  absl::StatusOr<Buffer> buffer = source_(size_bytes);
  if (!buffer.ok()) return buffer.status();
  return Chunk{.next = buffer->mutable_data(),
               .left = size_bytes,
               .home = std::make_shared<const Buffer>(buffer->ReadOnly())};
}

ColumnMemory::Piece ColumnMemory::PieceOf(const Chunk& chunk, size_t size_bytes) {
  return {.column = {.data = chunk.next, .size_bytes = size_bytes, .home = chunk.home},
          .bytes = chunk.next};
}

absl::StatusOr<Column> Concatenate(absl::Span<const Column> columns, BufferSource source) {
  ColumnMemory memory(source);
  return Concatenate(columns, memory);
}

absl::StatusOr<Column> Concatenate(absl::Span<const Column> columns, ColumnMemory& memory) {
  if (columns.empty()) return absl::InvalidArgumentError("there are no columns to put together");
  const bool any_rows = std::any_of(columns.begin(), columns.end(),
                                    [](const Column& column) { return !column.empty(); });
  std::vector<Window> windows;
  int64_t rows = 0;
  for (const Column& column : columns) {
    rows += column.size();
    if (rows > kMaxColumnValues) {
      return absl::OutOfRangeError(
          absl::StrCat("they would have more than ", kMaxColumnValues, " rows"));
    }
    if (column.type() != columns[0].type()) {
      return absl::InvalidArgumentError(absl::StrCat("columns of ", columns[0].type().name(),
                                                     " and ", column.type().name(),
                                                     " can't be put together"));
    }
    // Categories that nothing has are not merged with those that something has.
    if (any_rows && column.empty()) continue;
    windows.push_back({column.data().get(), column.data()->offset + column.begin(), column.size()});
  }
  absl::StatusOr<std::shared_ptr<const ColumnData>> copy =
      Copier(memory).Copy(columns[0].type(), windows);
  if (!copy.ok()) return copy.status();
  return Column::FromChecked(*std::move(copy));
}

absl::StatusOr<Column> WholeColumn(const Column& column) {
  if (column.begin() == 0 && column.size() == column.data()->length) return column;
  return column.Copy();
}

absl::Status MarkNegativeIndices(ColumnData& data) {
  return internal::WithIndexType(data.type.index_kind(),
                                 [&](auto index) { return MarkNegative<decltype(index)>(data); });
}

}  // namespace slabpipe
