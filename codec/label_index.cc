#include "slabpipe/codec/label_index.h"

#include <algorithm>
#include <cmath>
#include <concepts>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/hash/hash.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "slabpipe/codec/column_copy.h"
#include "slabpipe/codec/fixed_width.h"
#include "slabpipe/codec/float16.h"
#include "slabpipe/codec/variable_text.h"

namespace slabpipe {
namespace {

using Key = LabelIndex::Key;

std::optional<Key> KeyOf(bool truth) { return Key(truth); }
std::optional<Key> KeyOf(Bool8 truth) { return Key(static_cast<bool>(truth)); }
template <std::integral T>
requires(!std::same_as<T, bool>) std::optional<Key> KeyOf(T number) {
  if (std::in_range<int64_t>(number)) return Key(static_cast<int64_t>(number));
  return Key(static_cast<uint64_t>(number));
}
std::optional<Key> KeyOf(double number) {
  if (std::isnan(number)) return std::nullopt;
  constexpr double kTwoTo63 = 9223372036854775808.0;
  const bool integer = std::trunc(number) == number;
  if (integer && number >= -kTwoTo63 && number < kTwoTo63) {
    return Key(static_cast<int64_t>(number));
  }
  if (integer && number > 0 && number < 2 * kTwoTo63) return Key(static_cast<uint64_t>(number));
  return Key(number);
}
std::optional<Key> KeyOf(Float16 number) { return KeyOf(double{static_cast<float>(number)}); }
std::optional<Key> KeyOf(Bfloat16 number) { return KeyOf(double{static_cast<float>(number)}); }
std::optional<Key> KeyOf(absl::string_view text) { return Key(std::string(text)); }
std::optional<Key> KeyOf(absl::Time time) { return Key(time); }
std::optional<Key> KeyOf(absl::Duration duration) { return Key(duration); }
std::optional<Key> KeyOf(absl::CivilDay day) {
  return Key(absl::FromCivil(day, absl::UTCTimeZone()));
}

absl::StatusOr<Key> KeyOf(const Cell& label) {
  const std::optional<Key> key = std::visit(
      [](const auto& content) -> std::optional<Key> {
        using Content = std::decay_t<decltype(content)>;
        if constexpr (std::is_same_v<Content, std::monostate> ||
                      std::is_same_v<Content, absl::Span<const Cell>>) {
          return std::nullopt;
        } else {
          return KeyOf(content);
        }
      },
      label.storage());
  if (key.has_value()) return *key;
  return absl::InvalidArgumentError(absl::StrCat(label.Describe(), " is no label"));
}

// Keys of one class can be compared: numbers, texts, moments, ...
enum class KeyClass { kBool, kNumber, kText, kTime, kDuration };
KeyClass ClassOf(const Key& key) {
  switch (key.index()) {
    case 0:
      return KeyClass::kBool;
    case 4:
      return KeyClass::kText;
    case 5:
      return KeyClass::kTime;
    case 6:
      return KeyClass::kDuration;
    default:
      return KeyClass::kNumber;
  }
}

// Which has all bits of the integers and of a double.
long double NumberOf(const Key& key) {
  if (const int64_t* number = std::get_if<int64_t>(&key)) return static_cast<long double>(*number);
  if (const uint64_t* number = std::get_if<uint64_t>(&key)) {
    return static_cast<long double>(*number);
  }
  return static_cast<long double>(std::get<double>(key));
}

// REQUIRES: they are of one class.
bool IsBelow(const Key& a, const Key& b) {
  return ClassOf(a) == KeyClass::kNumber ? NumberOf(a) < NumberOf(b) : a < b;
}

// Of bytes or text of a fixed width. Nothing where it is no text.
std::optional<Key> FixedKey(const AnyNdArray& labels, int64_t position) {
  const std::byte* element = labels.origin() + position * labels.strides()[0];
  if (labels.element_type().kind() == ElementType::kBytes) {
    return KeyOf(ReadFixedBytes({reinterpret_cast<const char*>(element), labels.element_bytes()}));
  }
  const absl::StatusOr<std::string> text =
      ReadFixedText({reinterpret_cast<const char32_t*>(element), labels.element_bytes() / 4});
  return text.ok() ? KeyOf(absl::string_view(*text)) : std::nullopt;
}

absl::Status NoLabels(absl::string_view type) {
  return absl::InvalidArgumentError(
      absl::StrCat("its coordinate of ", type, " has no labels that can be found: take positions"));
}

template <typename T, typename KeyReader>
bool ReadAs(const AnyNdArray& labels, KeyReader& reader) {
  const absl::StatusOr<NdArray<const T>> typed = NdArray<const T>::FromAny(labels);
  if (!typed.ok()) return false;
  reader = [array = *typed](int64_t position) { return KeyOf(array(position)); };
  return true;
}

template <typename T, typename KeyReader>
bool ReadAs(const Column& labels, KeyReader& reader) {
  absl::StatusOr<ColumnView<T>> view = labels.As<T>();
  if (!view.ok()) return false;
  reader = [view = *std::move(view)](int64_t position) -> std::optional<Key> {
    const std::optional<T> label = view[position];
    return label.has_value() ? KeyOf(*label) : std::nullopt;
  };
  return true;
}

// With the first of the types that these labels are of.
template <typename... T, typename Labels, typename KeyReader>
bool ReadAsOneOf(const Labels& labels, KeyReader& reader) {
  return (ReadAs<T>(labels, reader) || ...);
}

}  // namespace

absl::StatusOr<LabelIndex::KeyReader> LabelIndex::ReaderOf(const AnyNdArray& labels) {
  KeyReader reader;
  if (labels.element_type().has_fixed_width()) {
    return [labels](int64_t position) { return FixedKey(labels, position); };
  }
  if (ReadAsOneOf<bool, int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t,
                  float, double, Float16, Bfloat16>(labels, reader)) {
    return reader;
  }
  return NoLabels(labels.element_type().name());
}

// A key for each category, made once: its text may be long, and many rows have it.
absl::StatusOr<LabelIndex::KeyReader> LabelIndex::ReaderOfCategories(const Column& labels) {
  absl::StatusOr<Column> categories = labels.Categories();
  if (!categories.ok()) return categories.status();
  absl::StatusOr<KeyReader> of_category = ReaderOf(*categories);
  if (!of_category.ok()) return of_category;
  auto keys = std::make_shared<std::vector<std::optional<Key>>>();
  for (int64_t i = 0; i < categories->size(); ++i) keys->push_back((*of_category)(i));
  return [labels, keys](int64_t position) -> std::optional<Key> {
    const int64_t index = labels.CategoryIndex(position);
    return index < 0 ? std::nullopt : (*keys)[static_cast<size_t>(index)];
  };
}

absl::StatusOr<LabelIndex::KeyReader> LabelIndex::ReaderOf(const Column& labels) {
  // SUBTLE: offsets that another process changes could have each label be all of the content.
  const absl::StatusOr<Column> pinned = PinIndices(labels);
  if (!pinned.ok()) return pinned.status();
  if (labels.type().is_categorical()) return ReaderOfCategories(*pinned);
  KeyReader reader;
  // Dates can be read as moments, too.
  if (ReadAsOneOf<absl::string_view, absl::Time, absl::Duration, bool, int8_t, int16_t, int32_t,
                  int64_t, uint8_t, uint16_t, uint32_t, uint64_t, float, double>(*pinned, reader)) {
    return reader;
  }
  if (labels.type().kind() != ColumnType::kFloat16) return NoLabels(labels.type().name());
  const absl::StatusOr<AnyNdArray> numbers = pinned->Storage();
  if (!numbers.ok() || !ReadAs<Float16>(*numbers, reader)) return NoLabels(labels.type().name());
  return [column = *pinned, reader](int64_t position) {
    return column.is_null(position) ? std::nullopt : reader(position);
  };
}

absl::StatusOr<LabelIndex::KeyReader> LabelIndex::ReaderOf(const VariableData& labels) {
  if (const AnyNdArray* array = std::get_if<AnyNdArray>(&labels)) return ReaderOf(*array);
  return ReaderOf(std::get<ShapedColumn>(labels).values);
}

size_t LabelIndex::KeyHash::operator()(const Key& key) const {
  return std::visit([](const auto& content) { return absl::HashOf(content); }, key);
}

int64_t LabelIndex::size() const {
  if (const AnyNdArray* array = std::get_if<AnyNdArray>(&labels_)) return array->size();
  return std::get<ShapedColumn>(labels_).values.size();
}

void LabelIndex::Build() const {
  absl::StatusOr<KeyReader> reader = ReaderOf(labels_);
  status_ = reader.status();
  if (!reader.ok()) return;
  reader_ = *std::move(reader);
  std::optional<Key> previous;
  for (int64_t position = 0; position < size() && ascending_; ++position) {
    std::optional<Key> key = reader_(position);
    ascending_ = key.has_value() && (position == 0 || !IsBelow(*key, *previous));
    previous = std::move(key);
  }
  if (!ascending_) BuildTable();
}

void LabelIndex::BuildTable() const {
  if (size() > kMostUnordered) {
    status_ = absl::ResourceExhaustedError(
        absl::StrCat(size(), " labels in no order, at most ", kMostUnordered,
                     " can be looked up: sort them, or take positions"));
    return;
  }
  for (int64_t position = 0; position < size(); ++position) {
    const std::optional<Key> key = reader_(position);
    if (!key.has_value()) continue;
    const auto [known, fresh] = positions_.emplace(*key, position);
    if (!fresh) known->second = kTwice;
  }
}

absl::Status LabelIndex::Prepare() const {
  std::call_once(once_, [this] { Build(); });
  return status_;
}

// Where the labels that `is_before` holds for end. REQUIRES: they ascend.
int64_t LabelIndex::Boundary(absl::FunctionRef<bool(const Key&)> is_before) const {
  int64_t begin = 0, end = size();
  while (begin < end) {
    const int64_t middle = begin + (end - begin) / 2;
    const std::optional<Key> key = reader_(middle);
    if (key.has_value() && is_before(*key)) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  return begin;
}

bool LabelIndex::CanCompare(const Key& key) const {
  const std::optional<Key> any = size() > 0 ? reader_(0) : std::nullopt;
  return any.has_value() && ClassOf(*any) == ClassOf(key);
}

// kNone, or kTwice.
int64_t LabelIndex::PositionOf(const Key& key) const {
  if (!ascending_) {
    const auto found = positions_.find(key);
    return found == positions_.end() ? kNone : found->second;
  }
  if (!CanCompare(key)) return kNone;
  const auto is_it = [&](int64_t position) {
    if (position >= size()) return false;
    const std::optional<Key> there = reader_(position);
    return there.has_value() && *there == key;
  };
  const int64_t first = Boundary([&](const Key& label) { return IsBelow(label, key); });
  if (!is_it(first)) return kNone;
  return is_it(first + 1) ? kTwice : first;
}

std::string LabelIndex::SomeLabels() const {
  constexpr int64_t kShown = 20;
  std::vector<std::string> some;
  for (int64_t i = 0; i < std::min(size(), kShown); ++i) some.push_back(ElementText(labels_, i));
  if (some.empty()) return "none";
  return absl::StrCat(absl::StrJoin(some, ", "),
                      size() > kShown ? absl::StrCat(", ... (", size(), ")") : "");
}

absl::StatusOr<int64_t> LabelIndex::Find(const Cell& label) const {
  if (absl::Status status = Prepare(); !status.ok()) return status;
  const absl::StatusOr<Key> key = KeyOf(label);
  if (!key.ok()) return key.status();
  const int64_t position = PositionOf(*key);
  if (position >= 0) return position;
  if (position == kNone) {
    return absl::NotFoundError(
        absl::StrCat("there is no label ", label.Describe(), ", but ", SomeLabels()));
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "the label ", label.Describe(), " comes more than once: take one by its position"));
}

absl::StatusOr<LabelRange> LabelIndex::FindRange(const Cell& from, const Cell& to) const {
  if (absl::Status status = Prepare(); !status.ok()) return status;
  const absl::StatusOr<Key> first = KeyOf(from), last = KeyOf(to);
  if (!first.ok()) return first.status();
  if (!last.ok()) return last.status();
  if (size() == 0) return LabelRange{0, 0};
  LabelRange range;
  if (ascending_ && CanCompare(*first) && CanCompare(*last)) {
    range.begin = Boundary([&](const Key& key) { return IsBelow(key, *first); });
    range.end = Boundary([&](const Key& key) { return !IsBelow(*last, key); });
  } else {
    const absl::StatusOr<int64_t> begin = Find(from), end = Find(to);
    if (!begin.ok()) return begin.status();
    if (!end.ok()) return end.status();
    range = {*begin, *end + 1};
  }
  range.end = std::max(range.begin, range.end);
  return range;
}

}  // namespace slabpipe
