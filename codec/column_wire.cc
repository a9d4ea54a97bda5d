#include "slabpipe/codec/column_wire.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "slabpipe/codec/column_copy.h"
#include "slabpipe/codec/value_wire.h"
#include "slabpipe/transport/parallel_copy.h"

namespace slabpipe {
namespace {

// A payload has at most 65,535 blocks, one of which may be that of copies.
constexpr size_t kMaxReferredBlocks = 65000;

bool IsOffsets(BufferRole role) {
  return role == BufferRole::kOffsets32 || role == BufferRole::kOffsets64;
}

size_t OffsetBytes(BufferRole role) { return role == BufferRole::kOffsets32 ? 4 : 8; }

}  // namespace

// ColumnsPlan

ColumnsPlan::ColumnsPlan(absl::Span<const TableColumn> columns, CanRefer can_refer)
    : can_refer_(can_refer) {
  for (const TableColumn& column : columns) {
    Add(*column.values.data(), column.values.begin(), column.values.size());
  }
}

// SUBTLE: the answer must be the same when the plan is made again; it is, as nothing happens to the
// columns and the pool in between.
bool ColumnsPlan::MayRefer(const ColumnBuffer& buffer) const {
  if (buffer.home == nullptr || !can_refer_(*buffer.home)) return false;
  return referred_.size() < kMaxReferredBlocks || referred_index_.contains(buffer.home.get());
}

bool ColumnsPlan::MayReferAll(const ColumnData& data) const {
  for (const ColumnBuffer& buffer : data.buffers) {
    if (buffer.size_bytes > 0 && !MayRefer(buffer)) return false;
  }
  for (const auto& child : data.children) {
    if (!MayReferAll(*child)) return false;
  }
  return true;
}

void ColumnsPlan::AddPiece(const ColumnBuffer& buffer, size_t begin, size_t size_bytes,
                           bool refer) {
  Piece piece;
  piece.size_bytes = size_bytes;
  if (size_bytes > 0) {
    piece.from = buffer.data + begin;
    piece.copied = !refer;
    if (refer) {
      const auto next = static_cast<uint16_t>(referred_.size());
      const auto [known, fresh] = referred_index_.emplace(buffer.home.get(), next);
      if (fresh) referred_.push_back(buffer.home.get());
      piece.block = known->second;
      piece.offset = static_cast<uint64_t>(piece.from - buffer.home->data());
    } else {
      piece.offset = AlignBlockSize(copied_bytes_);
      copied_bytes_ = piece.offset + size_bytes;
    }
  }
  pieces_.push_back(piece);
}

// Ranges of rows begin at a whole byte of bits: `skip` tells what is too much. So no bits are ever
// shifted, wherever a range begins, and what is referred to is treated as what is copied.
void ColumnsPlan::Add(const ColumnData& data, int64_t begin, int64_t length) {
  const int64_t first = data.offset + begin;
  const int64_t skip = length == 0 ? 0 : first % 8;
  const bool whole = begin == 0 && length == data.length;
  const int64_t nulls = whole ? data.null_count : CountNulls(data, begin, length);
  const bool has_validity = nulls > 0 && !data.buffers.empty();
  nodes_.push_back({.length = length,
                    .null_count = nulls,
                    .skip = static_cast<uint8_t>(skip),
                    .has_validity = has_validity});
  const Rows rows = {.first = first - skip, .count = length + skip, .skip = skip};
  AddBuffers(data, rows, has_validity);
  AddChildren(data, rows);
  if (data.dictionary != nullptr) Add(*data.dictionary, 0, data.dictionary->length);
}

void ColumnsPlan::AddBuffers(const ColumnData& data, Rows rows, bool has_validity) {
  const ColumnLayout layout = LayoutOf(data.type);
  for (size_t i = 0; i < layout.buffers.size(); ++i) {
    const ColumnBuffer& buffer = data.buffers[i];
    const BufferRole role = layout.buffers[i];
    if (role == BufferRole::kValidity && !has_validity) continue;
    if (IsOffsets(role)) return AddOffsets(data, rows, OffsetBytes(role));
    const bool bits = role != BufferRole::kValues;
    const auto first = static_cast<size_t>(rows.first);
    AddPiece(buffer, bits ? first / 8 : first * layout.value_bytes,
             layout.BufferBytes(role, rows.count), MayRefer(buffer));
  }
}

// And what they lead to: texts here; of lists, which items are to be added.
void ColumnsPlan::AddOffsets(const ColumnData& data, Rows rows, size_t offset_bytes) {
  const bool list = data.type.is_list();
  const ColumnBuffer& offsets = data.buffers[1];
  const int64_t limit =
      list ? data.children[0]->length : static_cast<int64_t>(data.buffers[2].size_bytes);
  const bool refer_items = list ? MayReferAll(*data.children[0]) : MayRefer(data.buffers[2]);
  int64_t begin = 0, end = limit;
  if (rows.count == 0) {
    end = 0;
  } else if (!refer_items) {
    // SUBTLE: where the rows skipped lead to, nobody has checked.
    begin = internal::ReadOffsets(data, rows.first + rows.skip, limit).begin;
    end = std::max(begin, internal::ReadOffsets(data, rows.first + rows.count - 1, limit).end);
  }
  const size_t bytes = rows.count == 0 ? 0 : static_cast<size_t>(rows.count + 1) * offset_bytes;
  AddPiece(offsets, static_cast<size_t>(rows.first) * offset_bytes, bytes,
           refer_items && MayRefer(offsets));
  if (pieces_.back().copied) {
    pieces_.back().offset_bytes = static_cast<uint8_t>(offset_bytes);
    pieces_.back().base = begin;
    // Offsets of 32 bits can't lead farther.
    pieces_.back().limit = std::min<int64_t>(
        end - begin, offset_bytes == sizeof(int32_t) ? std::numeric_limits<int32_t>::max()
                                                     : std::numeric_limits<int64_t>::max());
  }
  if (list) {
    list_items_.emplace_back(begin, end - begin);
  } else {
    AddPiece(data.buffers[2], static_cast<size_t>(begin), static_cast<size_t>(end - begin),
             refer_items);
  }
}

void ColumnsPlan::AddChildren(const ColumnData& data, Rows rows) {
  if (data.type.kind() == ColumnType::kList || data.type.kind() == ColumnType::kLargeList) {
    const auto [begin, length] = list_items_.back();
    list_items_.pop_back();
    return Add(*data.children[0], begin, length);
  }
  const int64_t width = data.type.kind() == ColumnType::kFixedList ? data.type.width() : 1;
  for (const auto& child : data.children) {
    Add(*child, rows.first * width, rows.count * width);
  }
}

void ColumnsPlan::Write(absl::Span<std::byte> block, schemas::Columns::Builder out) const {
  auto nodes = out.initNodes(static_cast<unsigned>(nodes_.size()));
  for (unsigned i = 0; i < nodes_.size(); ++i) {
    nodes[i].setLength(static_cast<uint64_t>(nodes_[i].length));
    nodes[i].setNullCount(static_cast<uint64_t>(nodes_[i].null_count));
    nodes[i].setSkip(nodes_[i].skip);
    nodes[i].setHasValidity(nodes_[i].has_validity);
  }
  const unsigned own_blocks = copied_bytes_ > 0 ? 1 : 0;
  auto places = out.initBuffers(static_cast<unsigned>(pieces_.size()));
  for (unsigned i = 0; i < pieces_.size(); ++i) {
    const Piece& piece = pieces_[i];
    places[i].setOffset(piece.offset);
    places[i].setSizeBytes(piece.size_bytes);
    if (piece.size_bytes == 0) continue;
    places[i].setBlock(static_cast<uint16_t>(piece.copied ? 0 : piece.block + own_blocks));
    if (!piece.copied) continue;
    std::byte* to = block.data() + piece.offset;
    // What is between pieces is seen by the receiver, too.
    std::memset(
        to + piece.size_bytes, 0,
        std::min(AlignBlockSize(piece.size_bytes), block.size() - piece.offset) - piece.size_bytes);
    if (piece.offset_bytes == 4) {
      CopyOffsets(reinterpret_cast<const int32_t*>(piece.from),
                  static_cast<int64_t>(piece.size_bytes / 4), static_cast<int32_t>(piece.base),
                  static_cast<int32_t>(piece.limit), reinterpret_cast<int32_t*>(to));
    } else if (piece.offset_bytes == 8) {
      CopyOffsets(reinterpret_cast<const int64_t*>(piece.from),
                  static_cast<int64_t>(piece.size_bytes / 8), piece.base, piece.limit,
                  reinterpret_cast<int64_t*>(to));
    } else {
      CopyBytes(to, piece.from, piece.size_bytes);
    }
  }
}

// ---- Fields

namespace {

using WireField = schemas::Columns::Field;
using WireDetails = schemas::Columns::Details;

bool HasDetails(const ColumnType& type, const ValueMap& attributes) {
  // Kinds without parameters, as ColumnType's constructor has it.
  const bool plain = type.kind() < ColumnType::kFixedBytes || type.kind() == ColumnType::kDate32 ||
                     type.kind() == ColumnType::kDate64 || type.kind() == ColumnType::kInterval;
  return !plain || !attributes.empty();
}

capnp::Text::Reader ToText(absl::string_view text) {
  // SUBTLE: Cap'n Proto wants a zero behind it, and all of these come from a std::string.
  return {text.data(), text.size()};
}

// The fields below a type; of a categorical, its categories.
std::vector<TableField> FieldsBelow(const ColumnType& type) {
  if (!type.is_categorical()) return type.fields();
  return {{.name = "", .type = type.categories()}};
}

void WriteField(const TableField& field, WireField::Builder out);

void WriteDetails(const TableField& field, WireDetails::Builder out) {
  const ColumnType& type = field.type;
  out.setUnit(static_cast<schemas::TimeUnit>(type.unit()));
  if (!type.zone().empty()) out.setZone(ToText(type.zone()));
  const bool decimal =
      type.kind() == ColumnType::kDecimal128 || type.kind() == ColumnType::kDecimal256;
  out.setWidth(decimal ? 0 : type.width());
  out.setPrecision(decimal ? type.precision() : 0);
  out.setScale(type.scale());
  if (type.is_categorical()) {
    out.setIndexKind(static_cast<schemas::ColumnKind>(type.index_kind()));
    out.setOrdered(type.ordered());
  }
  if (!field.attributes.empty()) WriteValue(field.attributes, out.initAttributes());
  const std::vector<TableField> below = FieldsBelow(type);
  if (below.empty()) return;
  auto fields = out.initFields(static_cast<unsigned>(below.size()));
  for (unsigned i = 0; i < below.size(); ++i) WriteField(below[i], fields[i]);
}

void WriteField(const TableField& field, WireField::Builder out) {
  out.setKind(static_cast<schemas::ColumnKind>(field.type.kind()));
  out.setNullable(field.nullable);
  if (!field.name.empty()) out.setName(ToText(field.name));
  if (HasDetails(field.type, field.attributes)) WriteDetails(field, out.initDetails());
}

absl::Status CheckField(absl::string_view name, const ColumnType& type, const ValueMap& attributes,
                        int depth) {
  if (depth > kMaxColumnDepth) {
    return absl::InvalidArgumentError(
        absl::StrCat("types are nested more than ", kMaxColumnDepth, " deep"));
  }
  if (!IsValidUtf8(name)) return absl::InvalidArgumentError("its name is not UTF-8");
  if (!IsValidUtf8(type.zone())) return absl::InvalidArgumentError("its zone is not UTF-8");
  if (absl::Status status = CheckAttributes(attributes); !status.ok()) return status;
  if (type.is_categorical()) return CheckField("", type.categories(), {}, depth + 1);
  for (const TableField& field : type.fields()) {
    absl::Status status = CheckField(field.name, field.type, field.attributes, depth + 1);
    if (!status.ok()) return InContext(field.name, status);
  }
  return absl::OkStatus();
}

// Reads fields, and then the values of each.
class ColumnsReader {
 public:
  ColumnsReader(Decoder& decoder, schemas::Columns::Reader in)
      : decoder_(decoder), nodes_(in.getNodes()), places_(in.getBuffers()) {}

  absl::StatusOr<TableField> ReadField(WireField::Reader in, int depth = 1);
  absl::StatusOr<std::shared_ptr<const ColumnData>> ReadData(const ColumnType& type);
  // Whether all that came has been read.
  absl::Status CheckAllRead() const;

 private:
  absl::StatusOr<ColumnType> ReadType(WireField::Reader in, int depth, ValueMap& attributes);
  absl::Status ReadNode(ColumnData& data, bool& has_validity);
  absl::StatusOr<ColumnBuffer> ReadBuffer();
  absl::Status ReadBelow(ColumnData& data);
  absl::StatusOr<std::shared_ptr<const Buffer>> BlockBuffer(size_t block);

  Decoder& decoder_;
  const capnp::List<schemas::Columns::Node>::Reader nodes_;
  const capnp::List<schemas::Columns::BufferPlace>::Reader places_;
  unsigned next_node_ = 0;
  unsigned next_place_ = 0;
  std::vector<std::shared_ptr<const Buffer>> blocks_;  // those that were asked for
};

absl::StatusOr<TableField> ColumnsReader::ReadField(WireField::Reader in, int depth) {
  if (depth > kMaxColumnDepth) {
    return absl::InvalidArgumentError(
        absl::StrCat("fields: they are nested more than ", kMaxColumnDepth, " deep"));
  }
  if (absl::Status counted = decoder_.CountParts(1); !counted.ok()) return counted;
  TableField field = {.name = {}, .type = {}, .nullable = in.getNullable()};
  absl::StatusOr<std::string> name = ReadName(in.getName(), "a column's name");
  if (!name.ok()) return name.status();
  field.name = *std::move(name);
  absl::StatusOr<ColumnType> type = ReadType(in, depth, field.attributes);
  if (!type.ok()) return internal::InColumn(field.name, type.status());
  field.type = *std::move(type);
  return field;
}

absl::StatusOr<ColumnType> ColumnsReader::ReadType(WireField::Reader in, int depth,
                                                   ValueMap& attributes) {
  ColumnType::Parts parts = {.kind = static_cast<unsigned>(in.getKind())};
  if (!in.hasDetails()) return ColumnType::FromParts(std::move(parts));
  const WireDetails::Reader details = in.getDetails();
  absl::StatusOr<std::string> zone = ReadName(details.getZone(), "zone");
  if (!zone.ok()) return zone.status();
  absl::Status status = ReadAttributes(details.getAttributes(), attributes);
  if (!status.ok()) return status;
  parts.unit = static_cast<unsigned>(details.getUnit());
  parts.zone = *std::move(zone);
  parts.width = details.getWidth();
  parts.precision = details.getPrecision();
  parts.scale = details.getScale();
  parts.index = static_cast<unsigned>(details.getIndexKind());
  parts.ordered = details.getOrdered();
  for (const WireField::Reader below : details.getFields()) {
    absl::StatusOr<TableField> field = ReadField(below, depth + 1);
    if (!field.ok()) return field.status();
    if (parts.kind == ColumnType::kCategorical) {
      parts.categories.push_back(field->type);
    } else {
      parts.fields.push_back(*std::move(field));
    }
  }
  return ColumnType::FromParts(std::move(parts));
}

absl::Status ColumnsReader::ReadNode(ColumnData& data, bool& has_validity) {
  if (next_node_ == nodes_.size()) {
    return absl::InvalidArgumentError(absl::StrCat("nodes: there are only ", nodes_.size()));
  }
  const schemas::Columns::Node::Reader node = nodes_[next_node_++];
  if (node.getSkip() > 7) {
    return absl::InvalidArgumentError(
        absl::StrCat("skip: ", static_cast<int>(node.getSkip()), ", wanted 0 to 7"));
  }
  constexpr auto kMost = static_cast<uint64_t>(kMaxColumnValues);
  if (node.getLength() >= kMost || node.getNullCount() > node.getLength()) {
    return absl::InvalidArgumentError(absl::StrCat("length: ", node.getLength(),
                                                   ", null count: ", node.getNullCount(),
                                                   ": these are no numbers of values"));
  }
  data.length = static_cast<int64_t>(node.getLength());
  data.null_count = static_cast<int64_t>(node.getNullCount());
  data.offset = node.getSkip();
  has_validity = node.getHasValidity();
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const Buffer>> ColumnsReader::BlockBuffer(size_t block) {
  if (block >= decoder_.block_count()) {
    return absl::InvalidArgumentError(
        absl::StrCat("block: number ", block, " of ", decoder_.block_count()));
  }
  if (blocks_.empty()) blocks_.resize(decoder_.block_count());
  if (blocks_[block] == nullptr) {
    absl::StatusOr<Buffer> buffer = decoder_.TakeBuffer(block);
    if (!buffer.ok()) return buffer.status();
    blocks_[block] = std::make_shared<const Buffer>(*std::move(buffer));
  }
  return blocks_[block];
}

absl::StatusOr<ColumnBuffer> ColumnsReader::ReadBuffer() {
  if (next_place_ == places_.size()) {
    return absl::InvalidArgumentError(absl::StrCat("buffers: there are only ", places_.size()));
  }
  const schemas::Columns::BufferPlace::Reader place = places_[next_place_++];
  const uint64_t offset = place.getOffset(), size = place.getSizeBytes();
  if (size == 0) return ColumnBuffer();
  absl::StatusOr<std::shared_ptr<const Buffer>> home = BlockBuffer(place.getBlock());
  if (!home.ok()) return home.status();
  const uint64_t block_bytes = (*home)->size_bytes();
  if (offset > block_bytes || size > block_bytes - offset) {
    return absl::InvalidArgumentError(absl::StrCat("offset, sizeBytes: ", size, " bytes from ",
                                                   offset, " are not inside a block of ",
                                                   block_bytes));
  }
  if (absl::Status counted = decoder_.CountBytes(size); !counted.ok()) return counted;
  return ColumnBuffer{.data = (*home)->data() + offset, .size_bytes = size, .home = *home};
}

absl::StatusOr<std::shared_ptr<const ColumnData>> ColumnsReader::ReadData(const ColumnType& type) {
  auto data = std::make_shared<ColumnData>();
  data->type = type;
  bool has_validity = false;
  absl::Status status = ReadNode(*data, has_validity);
  if (!status.ok()) return status;
  for (const BufferRole role : LayoutOf(type).buffers) {
    const bool absent = role == BufferRole::kValidity && !has_validity;
    absl::StatusOr<ColumnBuffer> buffer = absent ? ColumnBuffer() : ReadBuffer();
    if (!buffer.ok()) return buffer.status();
    data->buffers.push_back(*std::move(buffer));
  }
  status = ReadBelow(*data);
  if (status.ok()) status = CheckColumn(*data);
  if (!status.ok()) return status;
  return data;
}

absl::Status ColumnsReader::ReadBelow(ColumnData& data) {
  for (const TableField& field : data.type.fields()) {
    absl::StatusOr<std::shared_ptr<const ColumnData>> child = ReadData(field.type);
    if (!child.ok()) return InContext(absl::StrCat("'", field.name, "'"), child.status());
    data.children.push_back(*std::move(child));
  }
  if (!data.type.is_categorical()) return absl::OkStatus();
  absl::StatusOr<std::shared_ptr<const ColumnData>> categories = ReadData(data.type.categories());
  if (!categories.ok()) return InContext("categories", categories.status());
  data.dictionary = *std::move(categories);
  return absl::OkStatus();
}

absl::Status ColumnsReader::CheckAllRead() const {
  if (next_node_ == nodes_.size() && next_place_ == places_.size()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("nodes, buffers: the fields have ", next_node_,
                                                 " and ", next_place_, ", but ", nodes_.size(),
                                                 " and ", places_.size(), " came"));
}

}  // namespace

absl::Status CheckColumnsToSend(absl::Span<const TableColumn> columns) {
  for (const TableColumn& column : columns) {
    absl::Status status = CheckField(column.name, column.values.type(), column.attributes, 1);
    if (!status.ok()) return internal::InColumn(column.name, status);
  }
  return absl::OkStatus();
}

absl::Status PrepareColumns(absl::Span<const TableColumn> columns, Sizer& sizer) {
  if (absl::Status status = CheckColumnsToSend(columns); !status.ok()) return status;
  const ColumnsPlan plan(columns, [&](const Buffer& buffer) { return sizer.CanRefer(buffer); });
  return plan.copied_bytes() == 0 ? absl::OkStatus() : sizer.AddBlock(plan.copied_bytes());
}

absl::Status EncodeColumns(absl::Span<const TableColumn> columns, Encoder& encoder,
                           schemas::Columns::Builder out) {
  const ColumnsPlan plan(columns, [&](const Buffer& buffer) { return encoder.CanRefer(buffer); });
  absl::StatusOr<absl::Span<std::byte>> block = absl::Span<std::byte>();
  if (plan.copied_bytes() > 0) {
    block = encoder.AddBlock(plan.copied_bytes());
    if (!block.ok()) return block.status();
    encoder.CountCopy(plan.copied_bytes());
  }
  for (const Buffer* buffer : plan.referred()) {
    if (absl::Status status = encoder.AddBuffer(*buffer); !status.ok()) return status;
  }
  auto fields = out.initFields(static_cast<unsigned>(columns.size()));
  for (unsigned i = 0; i < columns.size(); ++i) WriteField(columns[i].field(), fields[i]);
  plan.Write(*block, out);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<TableColumn>> DecodeColumns(Decoder& decoder,
                                                       schemas::Columns::Reader in,
                                                       int64_t row_count) {
  ColumnsReader reader(decoder, in);
  constexpr size_t kMostAtOnce = 4096;  // the peer says how many there are
  std::vector<TableColumn> columns;
  columns.reserve(std::min<size_t>(in.getFields().size(), kMostAtOnce));
  for (const WireField::Reader wire : in.getFields()) {
    absl::StatusOr<TableField> field = reader.ReadField(wire);
    if (!field.ok()) return field.status();
    absl::StatusOr<std::shared_ptr<const ColumnData>> data = reader.ReadData(field->type);
    if (!data.ok()) return internal::InColumn(field->name, data.status());
    Column values = Column::FromChecked(*std::move(data));
    if (row_count >= 0 && values.size() != row_count) {
      return internal::InColumn(field->name, absl::InvalidArgumentError(absl::StrCat(
                                                 "length: ", values.size(),
                                                 " values in a table of ", row_count, " rows")));
    }
    columns.push_back({.name = std::move(field->name),
                       .values = std::move(values),
                       .nullable = field->nullable,
                       .attributes = std::move(field->attributes)});
  }
  if (absl::Status status = reader.CheckAllRead(); !status.ok()) return status;
  return columns;
}

}  // namespace slabpipe
