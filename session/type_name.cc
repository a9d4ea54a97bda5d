#include "slabpipe/session/type_name.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "slabpipe/codec/models.h"
#include "slabpipe/codec/text_width.h"

namespace slabpipe {
namespace {

// Of a list or map, so many items are shown, down to this depth.
constexpr size_t kShownItems = 4;
constexpr int kShownDepth = 3;

std::string Show(const Value& value, size_t width, int depth);

std::string Quoted(absl::string_view text, size_t width) {
  return absl::StrCat("\"", PrintableText(text, width), "\"");
}

// "[a, b, ...]": of `size` items those that `show` gives.
template <typename ShowItem>
std::string ShowItems(absl::string_view brackets, size_t size, int depth, ShowItem show) {
  std::vector<std::string> parts;
  const size_t shown = depth < kShownDepth ? std::min(size, kShownItems) : 0;
  for (size_t i = 0; i < shown; ++i) parts.push_back(show(i));
  if (shown < size) parts.push_back("...");
  return absl::StrCat(brackets.substr(0, 1), absl::StrJoin(parts, ", "), brackets.substr(1));
}

std::string Show(const Value& value, size_t width, int depth) {
  if (const std::string* text = value.text()) return Quoted(*text, width);
  if (const ValueList* list = value.list()) {
    return ShowItems("[]", list->size(), depth,
                     [&](size_t i) { return Show((*list)[i], width, depth + 1); });
  }
  if (const ValueMap* map = value.map()) {
    return ShowItems("{}", map->size(), depth, [&](size_t i) {
      const ValueMap::Entry& entry = *(map->begin() + static_cast<std::ptrdiff_t>(i));
      return absl::StrCat(Quoted(entry.first, width), ": ", Show(entry.second, width, depth + 1));
    });
  }
  return value.DebugString();
}

// "int 4", text "four".
std::string DescribeValue(const Value& value) {
  const auto with = [&](absl::string_view type) {
    return absl::StrCat(type, " ", ShowValue(value, 40));
  };
  switch (value.kind()) {
    case Value::Kind::kNothing:
      return "nothing";
    case Value::Kind::kBool:
      return with("bool");
    case Value::Kind::kSigned:
    case Value::Kind::kUnsigned:
      return with("int");
    case Value::Kind::kReal:
      return with("double");
    case Value::Kind::kText:
      return with("text");
    case Value::Kind::kBytes:
      return absl::StrCat("bytes (", value.bytes()->data.size(), ")");
    case Value::Kind::kList:
      return with("list");
    case Value::Kind::kMap:
      return with("map");
  }
  return "nothing";
}

}  // namespace

std::string ShowValue(const Value& value, size_t width) {
  return CutText(Show(value, width, 0), width + 2);  // quotes take no place of the text's
}

std::string DescribeObject(const Object& object) {
  constexpr size_t kNameWidth = 80;
  if (const Value* value = object.get<Value>()) return DescribeValue(*value);
  if (const AnyNdArray* array = object.get<AnyNdArray>()) {
    return CutText(absl::StrCat("array of ", array->Describe()), kNameWidth);
  }
  if (const DynamicRecord* record = object.get<DynamicRecord>()) {
    return absl::StrCat("record '", PrintableText(record->type_name, kNameWidth), "'");
  }
  if (const ObjectList* list = object.get<ObjectList>()) {
    return absl::StrCat("list of ", list->items.size());
  }
  if (const DynamicMap* map = object.get<DynamicMap>()) {
    return absl::StrCat("map of ", map->entries.size());
  }
  if (const DynamicVariant* variant = object.get<DynamicVariant>()) {
    return absl::StrCat("alternative ", variant->alternative, " of a variant");
  }
  if (object.type() == TypeId::Of<void>()) return "nothing";
  return internal::PlainTypeName(object.type().name());
}

namespace internal {

std::string PlainTypeName(absl::string_view name) {
  return absl::StrReplaceAll(name, {{"slabpipe::", ""},
                                    {"(anonymous namespace)::", ""},
                                    {"{anonymous}::", ""},
                                    {"std::__cxx11::", "std::"},
                                    {"__gnu_cxx::", ""}});
}

std::string JoinTypeNames(absl::string_view separator, std::vector<std::string> names) {
  return absl::StrJoin(names, separator);
}

}  // namespace internal
}  // namespace slabpipe
