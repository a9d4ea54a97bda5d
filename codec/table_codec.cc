#include "slabpipe/codec/table_codec.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "slabpipe/codec/column_wire.h"
#include "slabpipe/codec/value_wire.h"

namespace slabpipe {
namespace {

absl::Status CheckIndex(const Table& table) {
  if (IsValidUtf8(table.range_index().name)) return absl::OkStatus();
  return absl::InvalidArgumentError("index: its name is not UTF-8");
}

void WriteIndex(const Table& table, schemas::Table::Builder out) {
  const RangeIndex& range = table.range_index();
  const std::vector<std::string>& names = table.index_columns();
  if (!names.empty()) {
    auto list = out.initIndex().initColumns(static_cast<unsigned>(names.size()));
    for (unsigned i = 0; i < names.size(); ++i) {
      list.set(i, capnp::Text::Reader(names[i].c_str(), names[i].size()));
    }
  } else if (range != RangeIndex()) {
    schemas::Table::Index::Builder index = out.initIndex();
    index.setStart(range.start);
    index.setStep(range.step);
    index.setName(capnp::Text::Reader(range.name.c_str(), range.name.size()));
  }
}

absl::Status ReadIndex(schemas::Table::Index::Reader in, Table& table) {
  if (in.getColumns().size() > table.column_count()) {
    return absl::InvalidArgumentError(
        absl::StrCat("index: ", in.getColumns().size(), " columns of ", table.column_count()));
  }
  std::vector<std::string> names;
  for (const capnp::Text::Reader text : in.getColumns()) {
    absl::StatusOr<std::string> name = ReadName(text, "index: the name of a column");
    if (!name.ok()) return name.status();
    names.push_back(*std::move(name));
  }
  if (!names.empty()) return table.SetIndex(std::move(names));
  absl::StatusOr<std::string> name = ReadName(in.getName(), "index: its name");
  if (!name.ok()) return name.status();
  table.SetIndex(
      RangeIndex{.start = in.getStart(), .step = in.getStep(), .name = *std::move(name)});
  return absl::OkStatus();
}

// A column alone, as one of a table.
std::vector<TableColumn> Alone(const Column& column) {
  return {{.name = "", .values = column, .nullable = true}};
}

}  // namespace

absl::Status TableCodec::Prepare(const Table& table, Sizer& sizer) const {
  if (absl::Status status = CheckIndex(table); !status.ok()) return status;
  if (absl::Status s = CheckAttributes(table.attributes()); !s.ok()) return s;
  return PrepareColumns(table.columns(), sizer);
}

absl::Status TableCodec::Encode(const Table& table, Encoder& encoder) const {
  schemas::Table::Builder out = encoder.InitMetadata<schemas::Table>();
  out.setRowCount(static_cast<uint64_t>(table.row_count()));
  WriteIndex(table, out);
  if (!table.attributes().empty()) WriteValue(table.attributes(), out.initAttributes());
  return EncodeColumns(table.columns(), encoder, out.initColumns());
}

absl::StatusOr<Table> TableCodec::Decode(Decoder& decoder) const {
  const schemas::Table::Reader in = decoder.ReadMetadata<schemas::Table>();
  if (in.getRowCount() >= static_cast<uint64_t>(kMaxColumnValues)) {
    return absl::InvalidArgumentError(absl::StrCat("rowCount: ", in.getRowCount()));
  }
  const auto rows = static_cast<int64_t>(in.getRowCount());
  absl::StatusOr<std::vector<TableColumn>> columns = DecodeColumns(decoder, in.getColumns(), rows);
  if (!columns.ok()) return columns.status();
  absl::StatusOr<Table> table = Table::Make(*std::move(columns), rows);
  if (!table.ok()) return table;
  absl::Status status = ReadAttributes(in.getAttributes(), table->attributes());
  if (status.ok() && in.hasIndex()) status = ReadIndex(in.getIndex(), *table);
  if (!status.ok()) return status;
  return table;
}

absl::Status ColumnCodec::Prepare(const Column& column, Sizer& sizer) const {
  return PrepareColumns(Alone(column), sizer);
}

absl::Status ColumnCodec::Encode(const Column& column, Encoder& encoder) const {
  return EncodeColumns(Alone(column), encoder, encoder.InitMetadata<schemas::Columns>());
}

absl::StatusOr<Column> ColumnCodec::Decode(Decoder& decoder) const {
  absl::StatusOr<std::vector<TableColumn>> columns =
      DecodeColumns(decoder, decoder.ReadMetadata<schemas::Columns>(), -1);
  if (!columns.ok()) return columns.status();
  if (columns->size() == 1) return (*columns)[0].values;
  return absl::InvalidArgumentError(
      absl::StrCat("fields: a column alone has 1, not ", columns->size()));
}

}  // namespace slabpipe
