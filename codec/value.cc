#include "slabpipe/codec/value.h"

#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_join.h"

namespace slabpipe {

ValueMap::ValueMap() = default;
ValueMap::ValueMap(const ValueMap&) = default;
ValueMap::ValueMap(ValueMap&&) noexcept = default;
ValueMap& ValueMap::operator=(const ValueMap&) = default;
ValueMap& ValueMap::operator=(ValueMap&&) noexcept = default;
ValueMap::~ValueMap() = default;

ValueMap::ValueMap(std::initializer_list<Entry> entries) {
  for (const Entry& entry : entries) Set(entry.first, entry.second);
}

absl::StatusOr<ValueMap> ValueMap::FromEntries(std::vector<Entry> entries) {
  absl::flat_hash_set<absl::string_view> keys;
  for (const Entry& entry : entries) {
    if (!keys.insert(entry.first).second) {
      return absl::InvalidArgumentError(absl::StrCat("the key '", entry.first, "' comes twice"));
    }
  }
  ValueMap map;
  map.entries_ = std::move(entries);
  return map;
}

void ValueMap::Set(absl::string_view key, Value value) {
  for (Entry& entry : entries_) {
    if (entry.first == key) {
      entry.second = std::move(value);
      return;
    }
  }
  entries_.emplace_back(std::string(key), std::move(value));
}

const Value* ValueMap::Find(absl::string_view key) const {
  for (const Entry& entry : entries_) {
    if (entry.first == key) return &entry.second;
  }
  return nullptr;
}

const Value& ValueMap::at(absl::string_view key) const {
  static const Value* const kNothing = new Value();
  const Value* found = Find(key);
  return found == nullptr ? *kNothing : *found;
}

bool operator==(const ValueMap& a, const ValueMap& b) {
  if (a.size() != b.size()) return false;
  const auto& theirs = b.entries_;
  // In the same order, as most are, without a search; else by an index, for maps may be large.
  absl::flat_hash_map<absl::string_view, const Value*> index;
  for (size_t i = 0; i < a.size(); ++i) {
    const auto& [key, value] = a.entries_[i];
    const Value* other = theirs[i].first == key ? &theirs[i].second : nullptr;
    if (other == nullptr) {
      if (index.empty()) {
        for (const ValueMap::Entry& entry : theirs) index.emplace(entry.first, &entry.second);
      }
      const auto found = index.find(key);
      if (found == index.end()) return false;
      other = found->second;
    }
    if (!(*other == value)) return false;
  }
  return true;
}

absl::string_view ValueKindName(Value::Kind kind) {
  switch (kind) {
    case Value::Kind::kNothing:
      return "nothing";
    case Value::Kind::kBool:
      return "a bool";
    case Value::Kind::kSigned:
    case Value::Kind::kUnsigned:
      return "an integer";
    case Value::Kind::kReal:
      return "a floating-point number";
    case Value::Kind::kText:
      return "a text";
    case Value::Kind::kBytes:
      return "bytes";
    case Value::Kind::kList:
      return "a list";
    case Value::Kind::kMap:
      return "a map";
  }
  return "unknown";
}

std::string Value::DebugString() const {
  struct Printer {
    std::string operator()(std::monostate) { return "nothing"; }
    std::string operator()(bool truth) { return truth ? "true" : "false"; }
    std::string operator()(int64_t number) { return absl::StrCat(number); }
    std::string operator()(uint64_t number) { return absl::StrCat(number); }
    std::string operator()(double number) { return absl::StrCat(number); }
    std::string operator()(const std::string& text) {
      return absl::StrCat("\"", absl::Utf8SafeCEscape(text), "\"");
    }
    std::string operator()(const Bytes& bytes) {
      return absl::StrCat("<", bytes.data.size(), " bytes>");
    }
    std::string operator()(const ValueList& list) {
      return absl::StrCat("[",
                          absl::StrJoin(list, ", ",
                                        [](std::string* out, const Value& item) {
                                          absl::StrAppend(out, item.DebugString());
                                        }),
                          "]");
    }
    std::string operator()(const ValueMap& map) {
      return absl::StrCat("{",
                          absl::StrJoin(map, ", ",
                                        [this](std::string* out, const ValueMap::Entry& entry) {
                                          absl::StrAppend(out, (*this)(entry.first), ": ",
                                                          entry.second.DebugString());
                                        }),
                          "}");
    }
  };
  return std::visit(Printer(), data_);
}

absl::Status Value::WrongKind(absl::string_view wanted) const {
  return absl::InvalidArgumentError(
      absl::StrCat("it is ", ValueKindName(kind()), ", wanted ", wanted));
}

bool IsValidUtf8(absl::string_view text) {
  size_t i = 0;
  while (i < text.size()) {
    const auto byte = [&](size_t k) { return static_cast<unsigned char>(text[k]); };
    const unsigned char lead = byte(i);
    if (lead < 0x80) {
      ++i;
      continue;
    }
    const size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || i + length > text.size()) return false;
    // The second byte's range is narrower after some leads: overlong forms, surrogates, above
    // U+10FFFF.
    const unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    const unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (byte(i + 1) < low || byte(i + 1) > high) return false;
    for (size_t k = 2; k < length; ++k) {
      if ((byte(i + k) & 0xC0) != 0x80) return false;
    }
    i += length;
  }
  return true;
}

}  // namespace slabpipe
