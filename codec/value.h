// Value: small, irregular data: nothing, bool, integers, floating-point numbers, text, bytes, lists
// and maps of these.
//
//   Value settings = ValueMap{{"seed", 7}, {"names", ValueList{"a", "b"}}};
//   absl::StatusOr<int> seed = settings.map()->at("seed").As<int>();
//
// Data only: nothing in a Value is ever executed. It is what attributes are made of, and what
// everything without a codec of its own travels as.

#ifndef SLABPIPE_CODEC_VALUE_H_
#define SLABPIPE_CODEC_VALUE_H_

#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace slabpipe {

class Value;

// Bytes, as opposed to text.
struct Bytes {
  std::string data;
  friend bool operator==(const Bytes&, const Bytes&) = default;
};

using ValueList = std::vector<Value>;

// Text to value; keeps the order of insertion. Look-up is linear: maps here are small.
class ValueMap {
 public:
  using Entry = std::pair<std::string, Value>;

  ValueMap();
  ValueMap(std::initializer_list<Entry> entries);
  ValueMap(const ValueMap&);
  ValueMap(ValueMap&&) noexcept;
  ValueMap& operator=(const ValueMap&);
  ValueMap& operator=(ValueMap&&) noexcept;
  ~ValueMap();

  // From entries in order. INVALID_ARGUMENT if a key comes twice. Takes time in proportion to their
  // number, unlike a series of Set.
  static absl::StatusOr<ValueMap> FromEntries(std::vector<Entry> entries);

  // Replaces the value of a key that is there already.
  void Set(absl::string_view key, Value value);
  // nullptr if there is none; valid until the map changes.
  const Value* Find(absl::string_view key) const;
  // Like Find, with a value of nothing for a key that is not there.
  const Value& at(absl::string_view key) const;

  size_t size() const;
  bool empty() const;
  std::vector<Entry>::const_iterator begin() const;
  std::vector<Entry>::const_iterator end() const;

  // As maps: the same keys with the same values, in any order.
  friend bool operator==(const ValueMap& a, const ValueMap& b);

 private:
  std::vector<Entry> entries_;
};

// A value type; deep copies. Thread-compatible.
class Value {
 public:
  // The order is that of kind().
  using Storage = std::variant<std::monostate, bool, int64_t, uint64_t, double, std::string, Bytes,
                               ValueList, ValueMap>;
  enum class Kind { kNothing, kBool, kSigned, kUnsigned, kReal, kText, kBytes, kList, kMap };

  Value() = default;
  // Integers become signed 64-bit if they fit, unsigned else; so equal numbers are equal values.
  template <std::integral T>
  requires(!std::same_as<T, bool>) Value(T number) : data_(FromInteger(number)) {}
  template <std::same_as<bool> T>
  Value(T truth) : data_(truth) {}
  template <std::floating_point T>
  Value(T number) : data_(static_cast<double>(number)) {}
  Value(const char* text) : data_(std::string(text)) {}
  Value(absl::string_view text) : data_(std::string(text)) {}
  Value(std::string text) : data_(std::move(text)) {}
  Value(Bytes bytes) : data_(std::move(bytes)) {}
  Value(ValueList list) : data_(std::move(list)) {}
  Value(ValueMap map) : data_(std::move(map)) {}

  Kind kind() const { return static_cast<Kind>(data_.index()); }
  const Storage& storage() const { return data_; }
  bool is_nothing() const { return kind() == Kind::kNothing; }
  // nullptr if it is of another kind.
  const std::string* text() const { return std::get_if<std::string>(&data_); }
  const Bytes* bytes() const { return std::get_if<Bytes>(&data_); }
  const ValueList* list() const { return std::get_if<ValueList>(&data_); }
  const ValueMap* map() const { return std::get_if<ValueMap>(&data_); }

  // The value as a T: bool, any integer or floating-point type, std::string, Bytes, ValueList,
  // ValueMap. An integer becomes any integer type that it fits, and a floating-point number;
  // nothing else is converted. INVALID_ARGUMENT says what it is and what was wanted; OUT_OF_RANGE
  // if the number does not fit.
  template <typename T>
  absl::StatusOr<T> As() const;

  // For people: {"seed": 7, "names": ["a", "b"]}.
  std::string DebugString() const;

  // Kind and content. NaN equals nothing, as usual.
  friend bool operator==(const Value&, const Value&) = default;

 private:
  template <typename T>
  static Storage FromInteger(T number) {
    if constexpr (std::unsigned_integral<T>) {
      if (number > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
        return static_cast<uint64_t>(number);
      }
    }
    return static_cast<int64_t>(number);
  }
  template <typename T>
  absl::StatusOr<T> AsInteger() const;
  template <typename T>
  absl::StatusOr<T> AsReal() const;
  absl::Status WrongKind(absl::string_view wanted) const;

  Storage data_;
};

// "text", "list", ...: for messages.
absl::string_view ValueKindName(Value::Kind kind);

// Whether `text` is valid UTF-8 (RFC 3629: no surrogates, no overlong forms, at most U+10FFFF).
bool IsValidUtf8(absl::string_view text);

// Implementation details only below this line.

inline size_t ValueMap::size() const { return entries_.size(); }
inline bool ValueMap::empty() const { return entries_.empty(); }
inline std::vector<ValueMap::Entry>::const_iterator ValueMap::begin() const {
  return entries_.begin();
}
inline std::vector<ValueMap::Entry>::const_iterator ValueMap::end() const { return entries_.end(); }

template <typename T>
absl::StatusOr<T> Value::AsInteger() const {
  // Of the same range; in_range takes no character types.
  using Plain =
      std::conditional_t<std::is_signed_v<T>, std::make_signed_t<T>, std::make_unsigned_t<T>>;
  if (const int64_t* number = std::get_if<int64_t>(&data_)) {
    if (std::in_range<Plain>(*number)) return static_cast<T>(*number);
  } else if (const uint64_t* number = std::get_if<uint64_t>(&data_)) {
    if (std::in_range<Plain>(*number)) return static_cast<T>(*number);
  } else {
    return WrongKind("an integer");
  }
  return absl::OutOfRangeError(
      absl::StrCat(DebugString(), " does not fit an integer of ", 8 * sizeof(T), " bits"));
}

template <typename T>
absl::StatusOr<T> Value::AsReal() const {
  if (const int64_t* number = std::get_if<int64_t>(&data_)) return static_cast<T>(*number);
  if (const uint64_t* number = std::get_if<uint64_t>(&data_)) return static_cast<T>(*number);
  const double* number = std::get_if<double>(&data_);
  if (number == nullptr) return WrongKind("a number");
  // Infinities are numbers of every type.
  if (std::isfinite(*number) && std::abs(*number) > std::numeric_limits<T>::max()) {
    return absl::OutOfRangeError(
        absl::StrCat(DebugString(), " does not fit a real number of ", 8 * sizeof(T), " bits"));
  }
  return static_cast<T>(*number);
}

template <typename T>
absl::StatusOr<T> Value::As() const {
  if constexpr (std::same_as<T, Value>) {
    return *this;
  } else if constexpr (std::integral<T> && !std::same_as<T, bool>) {
    return AsInteger<T>();
  } else if constexpr (std::floating_point<T>) {
    return AsReal<T>();
  } else {
    if (const T* content = std::get_if<T>(&data_)) return *content;
    return WrongKind(ValueKindName(Value(T()).kind()));
  }
}

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_VALUE_H_
