#include "slabpipe/codec/column_type.h"

#include <cassert>
#include <limits>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace slabpipe {

struct ColumnType::Details {
  std::string zone = {};
  std::vector<TableField> fields = {};
  std::vector<ColumnType> categories = {};  // one, or none
};

namespace {

using Kind = ColumnType::Kind;

constexpr int32_t kMaxDecimal128Digits = 38;
constexpr int32_t kMaxDecimal256Digits = 76;

bool HasUnit(Kind kind) {
  return kind == ColumnType::kTime32 || kind == ColumnType::kTime64 ||
         kind == ColumnType::kTimestamp || kind == ColumnType::kDuration;
}

bool IsDecimal(Kind kind) {
  return kind == ColumnType::kDecimal128 || kind == ColumnType::kDecimal256;
}

constexpr absl::string_view kNames[ColumnType::kKindCount] = {
    "null",       "bool",      "int8",        "int16",      "int32",      "int64",      "uint8",
    "uint16",     "uint32",    "uint64",      "float16",    "float32",    "float64",    "text",
    "large_text", "bytes",     "large_bytes", "bytes",      "date32",     "date64",     "time32",
    "time64",     "timestamp", "duration",    "interval",   "decimal128", "decimal256", "list",
    "large_list", "list",      "struct",      "categorical"};

absl::Status BadPart(absl::string_view part, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(part, ": ", why));
}

// What FromParts can't leave to whoever uses the type.
absl::Status CheckTime(Kind kind, unsigned unit) {
  if (!HasUnit(kind)) return absl::OkStatus();
  if (unit > static_cast<unsigned>(TimeUnit::kNanosecond)) {
    return BadPart("unit", absl::StrCat("unknown number ", unit));
  }
  const bool fine = unit >= static_cast<unsigned>(TimeUnit::kMicrosecond);
  if ((kind == ColumnType::kTime32 && fine) || (kind == ColumnType::kTime64 && !fine)) {
    return BadPart("unit", absl::StrCat(kNames[kind], " can't count in ",
                                        TimeUnitName(static_cast<TimeUnit>(unit))));
  }
  return absl::OkStatus();
}

absl::Status CheckNumbers(Kind kind, const ColumnType::Parts& parts) {
  if (kind == ColumnType::kFixedBytes && parts.width < 1) {
    return BadPart("width", absl::StrCat(parts.width, " bytes, wanted 1 or more"));
  }
  if (kind == ColumnType::kFixedList && parts.width < 0) {
    return BadPart("width", absl::StrCat(parts.width, " items, wanted 0 or more"));
  }
  if (!IsDecimal(kind)) return absl::OkStatus();
  const int32_t most =
      kind == ColumnType::kDecimal128 ? kMaxDecimal128Digits : kMaxDecimal256Digits;
  if (parts.precision >= 1 && parts.precision <= most) return absl::OkStatus();
  return BadPart("precision", absl::StrCat(parts.precision, " digits, wanted 1 to ", most));
}

absl::Status CheckParts(Kind kind, const ColumnType::Parts& parts) {
  const bool list = kind >= ColumnType::kList && kind <= ColumnType::kFixedList;
  if (list && parts.fields.size() != 1) {
    return BadPart("fields", absl::StrCat("a list has 1 item, not ", parts.fields.size()));
  }
  if (kind != ColumnType::kCategorical) return absl::OkStatus();
  if (parts.index >= ColumnType::kKindCount || !IsIntegerKind(static_cast<Kind>(parts.index))) {
    return BadPart("index", absl::StrCat("type ", parts.index, " is no integer"));
  }
  if (parts.categories.size() != 1) return BadPart("categories", "their type is missing");
  if (parts.categories[0].is_categorical()) {
    return BadPart("categories", "they are categorical themselves");
  }
  return absl::OkStatus();
}

std::string Parameters(const ColumnType& type) {
  switch (type.kind()) {
    case ColumnType::kFixedBytes:
      return absl::StrCat(type.width());
    case ColumnType::kTime32:
    case ColumnType::kTime64:
    case ColumnType::kDuration:
      return std::string(TimeUnitName(type.unit()));
    case ColumnType::kTimestamp:
      return absl::StrCat(TimeUnitName(type.unit()), type.zone().empty() ? "" : ", ", type.zone());
    case ColumnType::kDecimal128:
    case ColumnType::kDecimal256:
      return absl::StrCat(type.precision(), ", ", type.scale());
    case ColumnType::kList:
    case ColumnType::kLargeList:
      return type.item().name();
    case ColumnType::kFixedList:
      return absl::StrCat(type.item().name(), ", ", type.width());
    case ColumnType::kCategorical:
      return absl::StrCat(type.categories().name(), type.ordered() ? ", ordered" : "");
    default:
      return "";
  }
}

}  // namespace

int64_t UnitsPerSecond(TimeUnit unit) {
  constexpr int64_t kUnits[] = {1, 1000, 1000000, 1000000000};
  return kUnits[static_cast<size_t>(unit)];
}

absl::string_view TimeUnitName(TimeUnit unit) {
  constexpr absl::string_view kUnits[] = {"s", "ms", "us", "ns"};
  return kUnits[static_cast<size_t>(unit)];
}

size_t NumberBytes(ColumnType::Kind kind) {
  constexpr uint8_t kBytes[] = {0, 0, 1, 2, 4, 8, 1, 2, 4, 8, 2, 4, 8};
  return kind < std::size(kBytes) ? kBytes[kind] : 0;
}

bool IsIntegerKind(ColumnType::Kind kind) {
  return kind >= ColumnType::kInt8 && kind <= ColumnType::kUint64;
}

// ColumnType

ColumnType::ColumnType(Kind kind, Details details)
    : kind_(kind), details_(std::make_shared<const Details>(std::move(details))) {}

const ColumnType::Details& ColumnType::details() const {
  static const Details* const none = new Details();
  return details_ == nullptr ? *none : *details_;
}

ColumnType ColumnType::FixedBytes(int32_t width_bytes) {
  assert(width_bytes >= 1);
  ColumnType type(kFixedBytes);
  type.width_ = width_bytes;
  return type;
}

ColumnType ColumnType::TimeOfDay(TimeUnit unit) {
  ColumnType type(unit <= TimeUnit::kMillisecond ? kTime32 : kTime64);
  type.unit_ = unit;
  return type;
}

ColumnType ColumnType::Timestamp(TimeUnit unit, absl::string_view zone) {
  ColumnType type = zone.empty() ? ColumnType(kTimestamp)
                                 : ColumnType(kTimestamp, Details{.zone = std::string(zone)});
  type.unit_ = unit;
  return type;
}

ColumnType ColumnType::Duration(TimeUnit unit) {
  ColumnType type(kDuration);
  type.unit_ = unit;
  return type;
}

ColumnType ColumnType::Decimal(int32_t precision, int32_t scale) {
  assert(precision >= 1 && precision <= kMaxDecimal256Digits);
  ColumnType type(precision <= kMaxDecimal128Digits ? kDecimal128 : kDecimal256);
  type.width_ = precision;
  type.scale_ = scale;
  return type;
}

ColumnType ColumnType::List(ColumnType item) {
  return ColumnType(kList, Details{.fields = {{.name = "item", .type = std::move(item)}}});
}

ColumnType ColumnType::LargeList(ColumnType item) {
  return ColumnType(kLargeList, Details{.fields = {{.name = "item", .type = std::move(item)}}});
}

ColumnType ColumnType::FixedList(ColumnType item, int32_t size) {
  assert(size >= 0);
  ColumnType type(kFixedList, Details{.fields = {{.name = "item", .type = std::move(item)}}});
  type.width_ = size;
  return type;
}

ColumnType ColumnType::Struct(std::vector<TableField> fields) {
  return ColumnType(kStruct, Details{.fields = std::move(fields)});
}

ColumnType ColumnType::Categorical(ColumnType categories, CategoricalOptions options) {
  assert(IsIntegerKind(options.index) && !categories.is_categorical());
  ColumnType type(kCategorical, Details{.categories = {std::move(categories)}});
  type.index_ = options.index;
  type.ordered_ = options.ordered;
  return type;
}

absl::StatusOr<ColumnType> ColumnType::FromParts(Parts parts) {
  if (parts.kind >= kKindCount) {
    return BadPart("type", absl::StrCat("unknown number ", parts.kind));
  }
  const auto kind = static_cast<Kind>(parts.kind);
  absl::Status status = CheckTime(kind, parts.unit);
  status.Update(CheckNumbers(kind, parts));
  status.Update(CheckParts(kind, parts));
  if (!status.ok()) return status;
  ColumnType type(kind);
  if (kind == kTimestamp && !parts.zone.empty()) {
    type = ColumnType(kind, Details{.zone = std::move(parts.zone)});
  } else if (type.is_list() || kind == kStruct) {
    type = ColumnType(kind, Details{.fields = std::move(parts.fields)});
  } else if (kind == kCategorical) {
    type = ColumnType(kind, Details{.categories = std::move(parts.categories)});
    type.index_ = static_cast<Kind>(parts.index);
    type.ordered_ = parts.ordered;
  }
  if (HasUnit(kind)) type.unit_ = static_cast<TimeUnit>(parts.unit);
  if (kind == kFixedBytes || kind == kFixedList) type.width_ = parts.width;
  if (IsDecimal(kind)) {
    type.width_ = parts.precision;
    type.scale_ = parts.scale;
  }
  return type;
}

absl::string_view ColumnType::zone() const { return details().zone; }

const std::vector<TableField>& ColumnType::fields() const { return details().fields; }

const ColumnType& ColumnType::item() const {
  assert(is_list());
  return details().fields[0].type;
}

const ColumnType& ColumnType::categories() const {
  assert(is_categorical());
  return details().categories[0];
}

std::string ColumnType::name() const {
  if (kind_ == kStruct) {
    std::string text = "struct[";
    for (const TableField& field : fields()) {
      absl::StrAppend(&text, text.back() == '[' ? "" : ", ", field.name, ": ", field.type.name());
    }
    return text + "]";
  }
  const std::string parameters = Parameters(*this);
  return absl::StrCat(kNames[kind_], parameters.empty() ? "" : absl::StrCat("[", parameters, "]"));
}

bool operator==(const ColumnType& a, const ColumnType& b) {
  if (a.kind_ != b.kind_ || a.unit_ != b.unit_ || a.index_ != b.index_ ||
      a.ordered_ != b.ordered_ || a.width_ != b.width_ || a.scale_ != b.scale_) {
    return false;
  }
  if (a.details_ == b.details_) return true;
  if (a.zone() != b.zone() || a.fields().size() != b.fields().size()) return false;
  for (size_t i = 0; i < a.fields().size(); ++i) {
    const TableField &left = a.fields()[i], &right = b.fields()[i];
    // The item of a list has a name that nobody chose.
    if (!a.is_list() && left.name != right.name) return false;
    if (left.type != right.type) return false;
  }
  return a.details().categories == b.details().categories;
}

bool operator==(const TableField& a, const TableField& b) {
  return a.name == b.name && a.type == b.type && a.nullable == b.nullable &&
         a.attributes == b.attributes;
}

// ColumnLayout

size_t ColumnLayout::BufferBytes(BufferRole role, int64_t rows) const {
  const auto count = static_cast<size_t>(rows);
  switch (role) {
    case BufferRole::kValidity:
    case BufferRole::kBits:
      return (count + 7) / 8;
    case BufferRole::kValues:
      return count * value_bytes;
    case BufferRole::kOffsets32:
      return (count + 1) * sizeof(int32_t);
    case BufferRole::kOffsets64:
      return (count + 1) * sizeof(int64_t);
    case BufferRole::kContent:
      return 0;
  }
  return 0;
}

ColumnLayout LayoutOf(const ColumnType& type) {
  constexpr BufferRole kValidity = BufferRole::kValidity;
  const auto values = [](size_t bytes) {
    return ColumnLayout{.buffers = {kValidity, BufferRole::kValues}, .value_bytes = bytes};
  };
  switch (type.kind()) {
    case ColumnType::kNull:
      return {};
    case ColumnType::kBool:
      return {.buffers = {kValidity, BufferRole::kBits}};
    case ColumnType::kText:
    case ColumnType::kBytes:
      return {.buffers = {kValidity, BufferRole::kOffsets32, BufferRole::kContent}};
    case ColumnType::kLargeText:
    case ColumnType::kLargeBytes:
      return {.buffers = {kValidity, BufferRole::kOffsets64, BufferRole::kContent}};
    case ColumnType::kFixedBytes:
      return values(static_cast<size_t>(type.width()));
    case ColumnType::kDate32:
    case ColumnType::kTime32:
      return values(4);
    case ColumnType::kDate64:
    case ColumnType::kTime64:
    case ColumnType::kTimestamp:
    case ColumnType::kDuration:
      return values(8);
    case ColumnType::kInterval:
    case ColumnType::kDecimal128:
      return values(16);
    case ColumnType::kDecimal256:
      return values(32);
    case ColumnType::kList:
      return {.buffers = {kValidity, BufferRole::kOffsets32}};
    case ColumnType::kLargeList:
      return {.buffers = {kValidity, BufferRole::kOffsets64}};
    case ColumnType::kFixedList:
    case ColumnType::kStruct:
      return {.buffers = {kValidity}};
    case ColumnType::kCategorical:
      return values(NumberBytes(type.index_kind()));
    default:
      return values(NumberBytes(type.kind()));
  }
}

bool HasOffsets(const ColumnType& type) {
  const ColumnLayout layout = LayoutOf(type);
  return layout.buffers.size() > 1 && (layout.buffers[1] == BufferRole::kOffsets32 ||
                                       layout.buffers[1] == BufferRole::kOffsets64);
}

}  // namespace slabpipe
