#include "slabpipe/codec/column.h"

#include <cassert>
#include <cstring>
#include <optional>

#include "absl/strings/str_cat.h"
#include "slabpipe/codec/column_copy.h"

namespace slabpipe {
namespace {

// What the numbers of a column of fixed width are as an array's; nothing for others.
std::optional<ElementType> StorageType(const ColumnType& type) {
  switch (type.kind()) {
    case ColumnType::kFloat16:
      return ElementType(ElementType::kFloat16);
    case ColumnType::kFloat32:
      return ElementType(ElementType::kFloat32);
    case ColumnType::kFloat64:
      return ElementType(ElementType::kFloat64);
    case ColumnType::kDate32:
    case ColumnType::kTime32:
      return ElementType(ElementType::kInt32);
    case ColumnType::kDate64:
    case ColumnType::kTime64:
    case ColumnType::kTimestamp:
    case ColumnType::kDuration:
      return ElementType(ElementType::kInt64);
    case ColumnType::kFixedBytes:
      return ElementType::Bytes(static_cast<size_t>(type.width()));
    case ColumnType::kCategorical:
      return StorageType(type.index_kind());
    default:
      break;
  }
  if (!IsIntegerKind(type.kind())) return std::nullopt;
  // The integers stand in the same order in both.
  return ElementType(
      static_cast<ElementType::Kind>(type.kind() - ColumnType::kInt8 + ElementType::kInt8));
}

absl::StatusOr<ColumnType> NumberType(const AnyNdArray& array) {
  for (int kind = ColumnType::kInt8; kind <= ColumnType::kFloat64; ++kind) {
    const ColumnType type = static_cast<ColumnType::Kind>(kind);
    if (StorageType(type) == array.element_type()) return type;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("an array of ", array.element_type().name(),
                   " is no column without being copied, wanted integers or real numbers"));
}

absl::StatusOr<ColumnBuffer> BufferOf(const AnyNdArray& array) {
  if (array.rank() != 1 || !array.IsRowMajor()) {
    return absl::InvalidArgumentError(
        absl::StrCat(array.Describe(), " is no column, wanted one axis without gaps: Copy() it"));
  }
  if (array.empty()) return ColumnBuffer();
  return ColumnBuffer{.data = array.origin(),
                      .size_bytes = array.size_bytes(),
                      .home = std::make_shared<const Buffer>(array.buffer())};
}

// All buffers that have bytes, of the column and all below it.
bool LiesInSharedMemory(const ColumnData& data) {
  for (const ColumnBuffer& buffer : data.buffers) {
    if (buffer.home != nullptr && !buffer.home->block().has_value()) return false;
  }
  for (const auto& child : data.children) {
    if (!LiesInSharedMemory(*child)) return false;
  }
  return data.dictionary == nullptr || LiesInSharedMemory(*data.dictionary);
}

}  // namespace

Column::Column() : data_(std::make_shared<const ColumnData>()) {}

absl::StatusOr<Column> Column::FromData(std::shared_ptr<const ColumnData> data) {
  assert(data != nullptr);
  if (absl::Status status = CheckColumn(*data); !status.ok()) return status;
  return FromChecked(std::move(data));
}

Column Column::FromChecked(std::shared_ptr<const ColumnData> data) {
  const int64_t length = data->length;
  return Column(std::move(data), 0, length);
}

absl::StatusOr<Column> Column::FromArray(const AnyNdArray& array) {
  return FromArray(array, Buffer());
}

absl::StatusOr<Column> Column::FromArray(const AnyNdArray& array, const Buffer& validity) {
  const absl::StatusOr<ColumnType> type = NumberType(array);
  if (!type.ok()) return type.status();
  return FromArray(array, *type, validity);
}

absl::StatusOr<Column> Column::FromArray(const AnyNdArray& array, ColumnType type,
                                         const Buffer& validity) {
  if (type.is_categorical() || StorageType(type) != array.element_type()) {
    return absl::InvalidArgumentError(absl::StrCat("an array of ", array.element_type().name(),
                                                   " is no column of ", type.name()));
  }
  absl::StatusOr<ColumnBuffer> values = BufferOf(array);
  if (!values.ok()) return values.status();
  ColumnData data = {.type = std::move(type), .length = array.size()};
  data.buffers = {ColumnBuffer::Of(validity), *std::move(values)};
  if (validity.size_bytes() > 0) {
    if (static_cast<int64_t>(validity.size_bytes()) < (array.size() + 7) / 8) {
      return absl::InvalidArgumentError(
          absl::StrCat("validity: ", validity.size_bytes(), " bytes for ", array.size(), " rows"));
    }
    data.null_count = CountNulls(data, 0, data.length);
  }
  return FromData(std::make_shared<const ColumnData>(std::move(data)));
}

absl::StatusOr<Column> Column::Categorical(const AnyNdArray& indices, const Column& categories,
                                           bool ordered) {
  absl::StatusOr<Column> codes = FromArray(indices);
  if (!codes.ok()) return codes.status();
  if (!IsIntegerKind(codes->type().kind()) || categories.type().is_categorical()) {
    return absl::InvalidArgumentError(absl::StrCat("indices of ", codes->type().name(), " into ",
                                                   categories.type().name(),
                                                   " make no categorical column"));
  }
  absl::StatusOr<Column> whole = WholeColumn(categories);
  if (!whole.ok()) return whole.status();
  ColumnData data = *codes->data();
  data.type = ColumnType::Categorical(categories.type(),
                                      {.index = codes->type().kind(), .ordered = ordered});
  data.dictionary = whole->data();
  if (absl::Status marked = MarkNegativeIndices(data); !marked.ok()) return marked;
  return FromData(std::make_shared<const ColumnData>(std::move(data)));
}

absl::StatusOr<Column> Column::ListOf(absl::Span<const int32_t> offsets, const Column& items) {
  if (offsets.empty()) {
    return absl::InvalidArgumentError("offsets: there are none, wanted one more than rows");
  }
  absl::StatusOr<Buffer> buffer = Buffer::Allocate(offsets.size() * sizeof(int32_t));
  if (!buffer.ok()) return buffer.status();
  std::memcpy(buffer->mutable_data(), offsets.data(), buffer->size_bytes());
  absl::StatusOr<Column> whole = WholeColumn(items);
  if (!whole.ok()) return whole.status();
  ColumnData data = {.type = ColumnType::List(items.type()),
                     .length = static_cast<int64_t>(offsets.size()) - 1,
                     .buffers = {{}, ColumnBuffer::Of(*std::move(buffer))},
                     .children = {whole->data()}};
  return FromData(std::make_shared<const ColumnData>(std::move(data)));
}

int64_t Column::null_count() const {
  if (begin_ == 0 && length_ == data_->length) return data_->null_count;
  return data_->null_count == 0 ? 0 : CountNulls(*data_, begin_, length_);
}

bool Column::is_null(int64_t row) const {
  assert(row >= 0 && row < length_);
  if (data_->buffers.empty()) return true;  // of type null
  const ColumnBuffer& validity = data_->buffers[0];
  return validity.size_bytes > 0 && !internal::BitAt(validity.data, BufferRow(row));
}

bool Column::in_shared_memory() const { return LiesInSharedMemory(*data_); }

absl::Status Column::WrongType(absl::string_view wanted) const {
  return absl::InvalidArgumentError(
      absl::StrCat("the column is ", type().name(), ", wanted ", wanted));
}

absl::StatusOr<AnyNdArray> Column::Storage() const {
  const std::optional<ElementType> element = StorageType(type());
  if (!element.has_value()) return WrongType("numbers of a fixed width");
  const auto bytes = static_cast<int64_t>(element->size_bytes());
  ArrayLayout layout = {.shape = {length_}, .strides = {bytes}};
  if (length_ == 0) return AnyNdArray(*element, std::move(layout), Buffer(), nullptr);
  const ColumnBuffer& values = data_->buffers[1];
  return AnyNdArray(*element, std::move(layout), Buffer(*values.home).IntoReadOnly(),
                    values.data + BufferRow(0) * bytes);
}

absl::StatusOr<Column> Column::Categories() const {
  if (!type().is_categorical()) return WrongType("a categorical");
  return Column(data_->dictionary, 0, data_->dictionary->length);
}

int64_t Column::CategoryIndex(int64_t row) const {
  assert(type().is_categorical());
  return is_null(row) ? -1 : internal::ReadIndex(*data_, BufferRow(row));
}

absl::StatusOr<Column> Column::Items(int64_t row) const {
  if (!type().is_list()) return WrongType("a list");
  const std::shared_ptr<const ColumnData>& items = data_->children[0];
  if (is_null(row)) return Column(items, 0, 0);
  if (type().kind() == ColumnType::kFixedList) {
    const int64_t width = type().width();
    return Column(items, BufferRow(row) * width, width);
  }
  const internal::OffsetRange range = internal::ReadOffsets(*data_, BufferRow(row), items->length);
  return Column(items, range.begin, range.size());
}

absl::StatusOr<Column> Column::Field(absl::string_view name) const {
  if (type().kind() != ColumnType::kStruct) return WrongType("a struct");
  for (size_t i = 0; i < type().fields().size(); ++i) {
    if (type().fields()[i].name == name) return Field(i);
  }
  return absl::NotFoundError(absl::StrCat(type().name(), " has no field '", name, "'"));
}

Column Column::Field(size_t index) const {
  assert(type().kind() == ColumnType::kStruct && index < type().fields().size());
  return Column(data_->children[index], BufferRow(0), length_);
}

absl::StatusOr<Column> Column::Slice(int64_t begin, int64_t end) const {
  if (begin < 0 || begin > end || end > length_) {
    return absl::OutOfRangeError(
        absl::StrCat("rows ", begin, " to ", end, " of a column of ", length_));
  }
  return Column(data_, begin_ + begin, end - begin);
}

absl::StatusOr<Column> Column::Copy(BufferSource source) const {
  return Concatenate(absl::MakeConstSpan(this, 1), source);
}

}  // namespace slabpipe
