#include "slabpipe/codec/arrow_type.h"

#include <cstdint>
#include <cstring>
#include <map>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "slabpipe/codec/arrow_abi.h"
#include "slabpipe/codec/column_data.h"
#include "slabpipe/codec/models.h"

namespace slabpipe {
namespace {

struct PlainFormat {
  absl::string_view format;
  ColumnType::Kind kind;
};

// Those of one letter or so, without parameters.
constexpr PlainFormat kPlainFormats[] = {
    {"n", ColumnType::kNull},     {"b", ColumnType::kBool},       {"c", ColumnType::kInt8},
    {"C", ColumnType::kUint8},    {"s", ColumnType::kInt16},      {"S", ColumnType::kUint16},
    {"i", ColumnType::kInt32},    {"I", ColumnType::kUint32},     {"l", ColumnType::kInt64},
    {"L", ColumnType::kUint64},   {"e", ColumnType::kFloat16},    {"f", ColumnType::kFloat32},
    {"g", ColumnType::kFloat64},  {"u", ColumnType::kText},       {"U", ColumnType::kLargeText},
    {"z", ColumnType::kBytes},    {"Z", ColumnType::kLargeBytes}, {"tdD", ColumnType::kDate32},
    {"tdm", ColumnType::kDate64}, {"tin", ColumnType::kInterval},
};

constexpr absl::string_view kUnits = "smun";

char UnitLetter(TimeUnit unit) { return kUnits[static_cast<size_t>(unit)]; }

absl::Status Unknown(absl::string_view format) {
  return absl::UnimplementedError(
      absl::StrCat("Arrow format '", format, "': there are no such ", "columns"));
}

absl::Status Bad(absl::string_view format, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("Arrow format '", format, "': ", why));
}

std::optional<int32_t> ToInteger(absl::string_view text) {
  int32_t number = 0;
  if (absl::SimpleAtoi(text, &number)) return number;
  return std::nullopt;
}

// "d:9,2" or "d:9,2,256".
absl::StatusOr<ColumnType> DecimalType(absl::string_view format) {
  const std::vector<absl::string_view> numbers = absl::StrSplit(format.substr(2), ',');
  std::vector<int32_t> values;
  for (const absl::string_view number : numbers) {
    const std::optional<int32_t> value = ToInteger(number);
    if (!value.has_value()) return Bad(format, "wanted numbers");
    values.push_back(*value);
  }
  if (values.size() < 2 || values.size() > 3) return Bad(format, "wanted precision and scale");
  const int32_t bits = values.size() == 3 ? values[2] : 128;
  if (bits != 128 && bits != 256) return Unknown(format);
  const auto kind = bits == 128 ? ColumnType::kDecimal128 : ColumnType::kDecimal256;
  return ColumnType::FromParts({.kind = kind, .precision = values[0], .scale = values[1]});
}

// "tsu:UTC", "ttm", "tDn".
absl::StatusOr<ColumnType> TimeType(absl::string_view format) {
  if (format.size() < 3) return Unknown(format);
  const size_t unit = kUnits.find(format[2]);
  if (unit == absl::string_view::npos) return Unknown(format);
  const auto time_unit = static_cast<TimeUnit>(unit);
  const absl::string_view rest = format.substr(3);
  if (format[1] == 's' && !rest.empty() && rest[0] == ':') {
    return ColumnType::Timestamp(time_unit, rest.substr(1));
  }
  if (!rest.empty()) return Unknown(format);
  if (format[1] == 't') return ColumnType::TimeOfDay(time_unit);
  if (format[1] == 'D') return ColumnType::Duration(time_unit);
  return Unknown(format);
}

absl::StatusOr<ColumnType> WidthType(absl::string_view format, unsigned kind,
                                     absl::string_view width, std::vector<TableField> fields) {
  const std::optional<int32_t> number = ToInteger(width);
  if (!number.has_value()) return Bad(format, "wanted a number");
  return ColumnType::FromParts({.kind = kind, .width = *number, .fields = std::move(fields)});
}

absl::StatusOr<std::vector<TableField>> FieldsOf(const ArrowSchema& schema, int depth) {
  if (schema.n_children < 0 || (schema.n_children > 0 && schema.children == nullptr)) {
    return absl::InvalidArgumentError("Arrow schema: children: there are none");
  }
  std::vector<TableField> fields;
  for (int64_t i = 0; i < schema.n_children; ++i) {
    if (schema.children[i] == nullptr) {
      return absl::InvalidArgumentError(absl::StrCat("Arrow schema: child ", i, " is null"));
    }
    absl::StatusOr<TableField> field = FieldOfSchema(*schema.children[i], depth + 1);
    if (!field.ok()) return InContext(absl::StrCat("child ", i), field.status());
    fields.push_back(*std::move(field));
  }
  return fields;
}

absl::StatusOr<ColumnType> NestedType(const ArrowSchema& schema, absl::string_view format,
                                      int depth) {
  absl::StatusOr<std::vector<TableField>> fields = FieldsOf(schema, depth);
  if (!fields.ok()) return fields.status();
  ColumnType::Parts parts = {.fields = *std::move(fields)};
  if (format == "+s") {
    parts.kind = ColumnType::kStruct;
  } else if (format == "+l" || format == "+m") {
    parts.kind = ColumnType::kList;
  } else if (format == "+L") {
    parts.kind = ColumnType::kLargeList;
  } else if (absl::StartsWith(format, "+w:")) {
    return WidthType(format, ColumnType::kFixedList, format.substr(3), std::move(parts.fields));
  } else {
    return Unknown(format);
  }
  return ColumnType::FromParts(std::move(parts));
}

absl::StatusOr<ColumnType> TypeWithoutDictionary(const ArrowSchema& schema, int depth) {
  const absl::string_view format = schema.format;
  for (const PlainFormat& plain : kPlainFormats) {
    if (plain.format == format) return ColumnType(plain.kind);
  }
  if (absl::StartsWith(format, "w:")) {
    return WidthType(format, ColumnType::kFixedBytes, format.substr(2), {});
  }
  if (absl::StartsWith(format, "d:")) return DecimalType(format);
  if (absl::StartsWith(format, "t")) return TimeType(format);
  if (absl::StartsWith(format, "+")) return NestedType(schema, format, depth);
  return Unknown(format);
}

// ---- Metadata

// As this machine has it.
void AppendInt32(std::string& to, size_t number) {
  const auto value = static_cast<int32_t>(number);
  char bytes[sizeof(value)];
  std::memcpy(bytes, &value, sizeof(value));
  to.append(bytes, sizeof(bytes));
}

absl::StatusOr<size_t> TakeInt32(const char*& from) {
  int32_t value;
  std::memcpy(&value, from, sizeof(value));
  from += sizeof(value);
  if (value >= 0) return static_cast<size_t>(value);
  return absl::InvalidArgumentError(absl::StrCat("Arrow metadata: a length of ", value));
}

absl::StatusOr<std::string> TakeText(const char*& from) {
  const absl::StatusOr<size_t> size = TakeInt32(from);
  if (!size.ok()) return size.status();
  std::string text(from, *size);
  from += *size;
  return text;
}

constexpr absl::string_view kIndexPrefix = "slabpipe.index.";

}  // namespace

std::string ArrowFormat(const ColumnType& type) {
  for (const PlainFormat& plain : kPlainFormats) {
    if (plain.kind == type.kind()) return std::string(plain.format);
  }
  const char unit = UnitLetter(type.unit());
  switch (type.kind()) {
    case ColumnType::kFixedBytes:
      return absl::StrCat("w:", type.width());
    case ColumnType::kTime32:
    case ColumnType::kTime64:
      return std::string("tt") + unit;
    case ColumnType::kTimestamp:
      return absl::StrCat(std::string("ts") + unit, ":", type.zone());
    case ColumnType::kDuration:
      return std::string("tD") + unit;
    case ColumnType::kDecimal128:
      return absl::StrCat("d:", type.precision(), ",", type.scale());
    case ColumnType::kDecimal256:
      return absl::StrCat("d:", type.precision(), ",", type.scale(), ",256");
    case ColumnType::kList:
      return "+l";
    case ColumnType::kLargeList:
      return "+L";
    case ColumnType::kFixedList:
      return absl::StrCat("+w:", type.width());
    case ColumnType::kStruct:
      return "+s";
    case ColumnType::kCategorical:
      return ArrowFormat(type.index_kind());
    default:
      return "n";
  }
}

absl::StatusOr<ColumnType> TypeOfSchema(const ArrowSchema& schema, int depth) {
  if (schema.release == nullptr) {
    return absl::InvalidArgumentError("Arrow schema: it has been released");
  }
  if (schema.format == nullptr) return absl::InvalidArgumentError("Arrow schema: it has no format");
  if (depth > kMaxColumnDepth) {
    return absl::InvalidArgumentError(
        absl::StrCat("Arrow schema: types are nested more than ", kMaxColumnDepth, " deep"));
  }
  absl::StatusOr<ColumnType> type = TypeWithoutDictionary(schema, depth);
  if (!type.ok() || schema.dictionary == nullptr) return type;
  absl::StatusOr<ColumnType> categories = TypeOfSchema(*schema.dictionary, depth + 1);
  if (!categories.ok()) return InContext("dictionary", categories.status());
  return ColumnType::FromParts({.kind = ColumnType::kCategorical,
                                .index = type->kind(),
                                .ordered = (schema.flags & ARROW_FLAG_DICTIONARY_ORDERED) != 0,
                                .categories = {*std::move(categories)}});
}

absl::StatusOr<TableField> FieldOfSchema(const ArrowSchema& schema, int depth) {
  absl::StatusOr<ColumnType> type = TypeOfSchema(schema, depth);
  TableField field = {.name = schema.name == nullptr ? "" : schema.name};
  if (!type.ok()) return internal::InColumn(field.name, type.status());
  absl::StatusOr<ArrowMetadata> metadata = ReadArrowMetadata(schema.metadata);
  if (!metadata.ok()) return internal::InColumn(field.name, metadata.status());
  absl::StatusOr<ValueMap> attributes = FromArrowMetadata(*metadata);
  if (!attributes.ok()) return internal::InColumn(field.name, attributes.status());
  field.type = *std::move(type);
  field.nullable = (schema.flags & ARROW_FLAG_NULLABLE) != 0;
  field.attributes = *std::move(attributes);
  return field;
}

std::string WriteArrowMetadata(const ArrowMetadata& entries) {
  std::string encoded;
  if (entries.empty()) return encoded;
  AppendInt32(encoded, entries.size());
  for (const auto& [key, value] : entries) {
    for (const std::string* text : {&key, &value}) {
      AppendInt32(encoded, text->size());
      encoded += *text;
    }
  }
  return encoded;
}

absl::StatusOr<ArrowMetadata> ReadArrowMetadata(const char* encoded) {
  ArrowMetadata entries;
  if (encoded == nullptr) return entries;
  const absl::StatusOr<size_t> count = TakeInt32(encoded);
  if (!count.ok()) return count.status();
  for (size_t i = 0; i < *count; ++i) {
    absl::StatusOr<std::string> key = TakeText(encoded);
    if (!key.ok()) return key.status();
    absl::StatusOr<std::string> value = TakeText(encoded);
    if (!value.ok()) return value.status();
    entries.emplace_back(*std::move(key), *std::move(value));
  }
  return entries;
}

ArrowMetadata ToArrowMetadata(const ValueMap& attributes) {
  ArrowMetadata entries;
  for (const auto& [key, value] : attributes) {
    const Bytes* bytes = value.bytes();
    entries.emplace_back(key, value.text() != nullptr ? *value.text()
                              : bytes != nullptr      ? bytes->data
                                                      : value.DebugString());
  }
  return entries;
}

absl::StatusOr<ValueMap> FromArrowMetadata(const ArrowMetadata& entries) {
  ValueMap attributes;
  for (const auto& [key, value] : entries) {
    if (!IsValidUtf8(key)) {
      return absl::InvalidArgumentError("Arrow metadata: a key is not UTF-8");
    }
    attributes.Set(key, IsValidUtf8(value) ? Value(value) : Value(Bytes{value}));
  }
  return attributes;
}

ArrowMetadata TableMetadata(const Table& table) {
  ArrowMetadata entries = ToArrowMetadata(table.attributes());
  const auto add = [&](absl::string_view key, std::string value) {
    entries.emplace_back(absl::StrCat(kIndexPrefix, key), std::move(value));
  };
  // A key each: metadata is a map elsewhere.
  for (size_t i = 0; i < table.index_columns().size(); ++i) {
    add(absl::StrCat("column.", i), table.index_columns()[i]);
  }
  if (!table.index_columns().empty() || table.range_index() == RangeIndex()) return entries;
  add("start", absl::StrCat(table.range_index().start));
  add("step", absl::StrCat(table.range_index().step));
  add("name", table.range_index().name);
  return entries;
}

namespace {

// What the metadata say of the index.
struct IndexEntries {
  RangeIndex range;
  std::map<int, std::string> columns;  // by their number
};

// False: the entry is not about the index.
bool TakeIndexEntry(absl::string_view key, const std::string& value, IndexEntries& index) {
  if (!absl::ConsumePrefix(&key, kIndexPrefix)) return false;
  if (key == "name") {
    index.range.name = value;
    return IsValidUtf8(value);
  }
  if (key == "start") return absl::SimpleAtoi(value, &index.range.start);
  if (key == "step") return absl::SimpleAtoi(value, &index.range.step);
  int number = 0;
  if (!absl::ConsumePrefix(&key, "column.") || !absl::SimpleAtoi(key, &number)) return false;
  index.columns[number] = value;
  return true;
}

}  // namespace

absl::Status TakeTableMetadata(const ArrowMetadata& entries, Table& table) {
  ArrowMetadata others;
  IndexEntries index;
  for (const auto& entry : entries) {
    if (!TakeIndexEntry(entry.first, entry.second, index)) others.push_back(entry);
  }
  absl::StatusOr<ValueMap> attributes = FromArrowMetadata(others);
  if (!attributes.ok()) return attributes.status();
  table.attributes() = *std::move(attributes);
  table.SetIndex(std::move(index.range));
  std::vector<std::string> columns;
  for (const auto& [number, name] : index.columns) columns.push_back(name);
  // Whoever has taken a column away may have left the metadata as they were: no index then.
  if (!columns.empty()) table.SetIndex(std::move(columns)).IgnoreError();
  return absl::OkStatus();
}

}  // namespace slabpipe
