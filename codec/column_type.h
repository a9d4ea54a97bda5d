// ColumnType: what a table's column holds. TableField: a column's name, type and attributes.
//
//   ColumnType::Of<double>()                                  // float64
//   ColumnType::Text()
//   ColumnType::Timestamp(TimeUnit::kMillisecond, "Europe/Oslo")
//   ColumnType::Categorical(ColumnType::Text(), {.ordered = true})
//   ColumnType::List(ColumnType::Of<float>())
//
// The types are those of the Apache Arrow columnar format (arrow.apache.org/docs/format/
// Columnar.html), and so is the memory of their values: ColumnLayout tells it.

#ifndef SLABPIPE_CODEC_COLUMN_TYPE_H_
#define SLABPIPE_CODEC_COLUMN_TYPE_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "slabpipe/codec/element_type.h"
#include "slabpipe/codec/value.h"

namespace slabpipe {

struct TableField;

// The numbers are those of schemas/codecs.capnp.
enum class TimeUnit : uint8_t { kSecond = 0, kMillisecond = 1, kMicrosecond = 2, kNanosecond = 3 };

// How many of the unit a second has: 1 to 10^9.
int64_t UnitsPerSecond(TimeUnit unit);

// A value type; copies share what is not small. Thread-compatible.
class ColumnType {
 public:
  // The numbers are those of schemas/codecs.capnp.
  enum Kind : uint8_t {
    kNull = 0,  // nothing but missing values
    kBool = 1,  // a bit each
    kInt8 = 2,
    kInt16 = 3,
    kInt32 = 4,
    kInt64 = 5,
    kUint8 = 6,
    kUint16 = 7,
    kUint32 = 8,
    kUint64 = 9,
    kFloat16 = 10,
    kFloat32 = 11,
    kFloat64 = 12,
    kText = 13,        // UTF-8, 32-bit offsets: at most 2 GiB in a column
    kLargeText = 14,   // 64-bit offsets
    kBytes = 15,       // as kText, of any bytes
    kLargeBytes = 16,  // as kLargeText
    kFixedBytes = 17,  // width() bytes each
    kDate32 = 18,      // days since 1970-01-01
    kDate64 = 19,      // the same in milliseconds
    kTime32 = 20,      // of a day, in seconds or milliseconds
    kTime64 = 21,      // of a day, in microseconds or nanoseconds
    kTimestamp = 22,   // unit()s since 1970-01-01 00:00 UTC; without a zone(): of a clock on a wall
    kDuration = 23,    // unit()s
    kInterval = 24,    // months (int32), days (int32), nanoseconds (int64): calendars vary
    kDecimal128 = 25,  // an integer of 128 bits, divided by 10^scale()
    kDecimal256 = 26,  // the same of 256
    kList = 27,        // of item(), 32-bit offsets
    kLargeList = 28,   // 64-bit offsets
    kFixedList = 29,   // width() items each
    kStruct = 30,      // a value of each of fields()
    kCategorical = 31,  // an index into categories, the column's dictionary
  };
  static constexpr int kKindCount = 32;

  // kNull.
  ColumnType() = default;
  // REQUIRES: the kind has no parameters: it is below kFixedBytes, or a date, or kInterval.
  ColumnType(Kind kind) : kind_(kind) {}
  // A number or bool of C++: the kind of the same size.
  template <typename T>
  static ColumnType Of();
  static ColumnType Text() { return kText; }
  static ColumnType LargeText() { return kLargeText; }
  // REQUIRES: width_bytes >= 1.
  static ColumnType FixedBytes(int32_t width_bytes);
  // Time32 or Time64, as the unit asks for.
  static ColumnType TimeOfDay(TimeUnit unit);
  // `zone`: a name of the IANA database, or an offset like "+02:00"; empty: none.
  static ColumnType Timestamp(TimeUnit unit, absl::string_view zone = "");
  static ColumnType Duration(TimeUnit unit);
  // REQUIRES: 1 <= precision <= 76. 128 bits up to 38 digits, 256 above.
  static ColumnType Decimal(int32_t precision, int32_t scale);
  static ColumnType List(ColumnType item);
  static ColumnType LargeList(ColumnType item);
  // REQUIRES: size >= 0.
  static ColumnType FixedList(ColumnType item, int32_t size);
  static ColumnType Struct(std::vector<TableField> fields);
  struct CategoricalOptions {
    Kind index = kInt32;  // an integer kind
    bool ordered = false;
  };
  static ColumnType Categorical(ColumnType categories, CategoricalOptions options);
  static ColumnType Categorical(ColumnType categories) {
    return Categorical(std::move(categories), {});
  }

  // From numbers that came from elsewhere.
  struct Parts;
  // INVALID_ARGUMENT names the part that is wrong.
  static absl::StatusOr<ColumnType> FromParts(Parts parts);

  Kind kind() const { return kind_; }
  // Of times of day, timestamps and durations.
  TimeUnit unit() const { return unit_; }
  // Of a timestamp; empty if it has none, as for all others.
  absl::string_view zone() const;
  // Of kFixedBytes: bytes. Of kFixedList: items.
  int32_t width() const { return width_; }
  // Of decimals: digits, and how many of them are behind the point (below 0: zeros before it).
  int32_t precision() const { return width_; }
  int32_t scale() const { return scale_; }
  // Of a struct. Of a list: one, its item. Otherwise empty.
  const std::vector<TableField>& fields() const;
  // REQUIRES: a list.
  const ColumnType& item() const;
  // Of a categorical.
  Kind index_kind() const { return index_; }
  bool ordered() const { return ordered_; }
  // REQUIRES: a categorical.
  const ColumnType& categories() const;

  bool is_text() const { return kind_ == kText || kind_ == kLargeText; }
  bool is_bytes() const { return kind_ >= kBytes && kind_ <= kFixedBytes; }
  bool is_list() const { return kind_ >= kList && kind_ <= kFixedList; }
  bool is_categorical() const { return kind_ == kCategorical; }

  // "float64", "timestamp[ms, Europe/Oslo]", "categorical[text, ordered]", "list[int64]".
  std::string name() const;

  // The same kind and parameters; names of fields count, their attributes don't.
  friend bool operator==(const ColumnType& a, const ColumnType& b);

 private:
  struct Details;
  explicit ColumnType(Kind kind, Details details);
  const Details& details() const;

  Kind kind_ = kNull;
  TimeUnit unit_ = TimeUnit::kSecond;
  Kind index_ = kInt32;
  bool ordered_ = false;
  int32_t width_ = 0;  // or precision
  int32_t scale_ = 0;
  std::shared_ptr<const Details> details_;
};

// A column of a table, or a field of a struct: what there is to say of it but its values.
struct TableField {
  std::string name;
  ColumnType type = {};
  bool nullable = true;      // whether values may be missing
  ValueMap attributes = {};  // whatever else is to be known

  friend bool operator==(const TableField& a, const TableField& b);
};

// What a type is made of, as numbers. Those that its kind does not have are not looked at.
struct ColumnType::Parts {
  unsigned kind = 0;
  unsigned unit = 0;
  std::string zone = {};
  int32_t width = 0;  // of fixed bytes and lists
  int32_t precision = 0;
  int32_t scale = 0;
  std::vector<TableField> fields = {};  // of a struct; one, the item, of a list
  unsigned index = 0;                   // of a categorical, as the next two
  bool ordered = false;
  std::vector<ColumnType> categories = {};  // one
};

// What a buffer of a column is for.
enum class BufferRole : uint8_t {
  kValidity,   // a bit a row, 0: the value is missing. No bytes: none is missing
  kBits,       // a bit a row
  kValues,     // value_bytes a row
  kOffsets32,  // int32, one a row and one more: where the row's text or list begins
  kOffsets64,  // the same in int64
  kContent,    // the texts, one behind the other
};

// How Arrow lays a column out: its buffers, in order.
struct ColumnLayout {
  absl::InlinedVector<BufferRole, 3> buffers;
  size_t value_bytes = 0;  // of kValues

  // Bytes that a buffer of that role has for so many rows; for kContent 0. REQUIRES: rows < 2^56,
  // value_bytes <= 32, or else nothing overflows.
  size_t BufferBytes(BufferRole role, int64_t rows) const;
};
ColumnLayout LayoutOf(const ColumnType& type);
// Whether offsets lead to its values: text, bytes and lists, but those of a fixed width.
bool HasOffsets(const ColumnType& type);

// Bytes of an integer or floating-point kind; 0 of others.
size_t NumberBytes(ColumnType::Kind kind);
bool IsIntegerKind(ColumnType::Kind kind);

// "s", "ms", "us", "ns".
absl::string_view TimeUnitName(TimeUnit unit);

// Implementation details only below this line.

template <typename T>
ColumnType ColumnType::Of() {
  constexpr ElementType::Kind kKind = kElementTypeOf<T>.kind();
  static_assert(kKind <= ElementType::kFloat64 || kKind == ElementType::kFloat16,
                "columns hold integers, bool, float16, float and double; see ColumnType's makers");
  if constexpr (kKind == ElementType::kBool) return kBool;
  if constexpr (kKind == ElementType::kFloat16) return kFloat16;
  if constexpr (kKind == ElementType::kFloat32) return kFloat32;
  if constexpr (kKind == ElementType::kFloat64) return kFloat64;
  // The integers stand in the same order in both.
  return static_cast<Kind>(kKind - ElementType::kInt8 + kInt8);
}

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_COLUMN_TYPE_H_
