#include "slabpipe/codec/binding.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace slabpipe {
namespace {

absl::Status VisitListItem(const void* object, size_t index, ModelVisitor visit) {
  return Binding<Object>::Visit(static_cast<const ObjectList*>(object)->items[index], visit);
}

absl::Status VisitMapEntries(const void* object, EntryVisitor visit) {
  for (const auto& [key, value] : static_cast<const DynamicMap*>(object)->entries) {
    const auto visit_value = [&, &key = key](AnyRef model) { return visit(key, model); };
    if (absl::Status s = Binding<Object>::Visit(value, visit_value); !s.ok()) return s;
  }
  return absl::OkStatus();
}

absl::Status VisitVariantValue(const void* object, ModelVisitor visit) {
  return Binding<Object>::Visit(static_cast<const DynamicVariant*>(object)->value, visit);
}

absl::Status VisitRecordField(const void* object, size_t field, ModelVisitor visit) {
  const auto& fields = static_cast<const DynamicRecord*>(object)->fields;
  return Binding<Object>::Visit(fields[field].second, visit);
}

absl::StatusOr<Value> ListValue(const ObjectList& list) {
  ValueList values;
  for (const Object& item : list.items) {
    absl::StatusOr<Value> value = ValueOf(item);
    if (!value.ok()) return InContext(absl::StrCat("item ", values.size()), value.status());
    values.push_back(*std::move(value));
  }
  return Value(std::move(values));
}

absl::StatusOr<Value> MapValue(const DynamicMap& map) {
  std::vector<ValueMap::Entry> entries;
  for (const auto& [key, object] : map.entries) {
    if (key.text() == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("the key ", key.DebugString(), " is no text, as those of a ValueMap are"));
    }
    absl::StatusOr<Value> value = ValueOf(object);
    if (!value.ok()) return InContext(absl::StrCat("at ", key.DebugString()), value.status());
    entries.emplace_back(*key.text(), *std::move(value));
  }
  absl::StatusOr<ValueMap> values = ValueMap::FromEntries(std::move(entries));
  if (!values.ok()) return values.status();
  return Value(*std::move(values));
}

}  // namespace

absl::StatusOr<Value> ValueOf(const Object& object) {
  if (const Value* value = object.get<Value>()) return *value;
  if (const ObjectList* list = object.get<ObjectList>()) return ListValue(*list);
  if (const DynamicMap* map = object.get<DynamicMap>()) return MapValue(*map);
  return WrongModel(object, "a small value");
}

namespace internal {

absl::StatusOr<absl::Span<const Object>> ItemsOf(const Object& object, ObjectList& storage) {
  if (const ObjectList* list = object.get<ObjectList>()) return absl::MakeConstSpan(list->items);
  const Value* value = object.get<Value>();
  if (value == nullptr || value->list() == nullptr) return WrongModel(object, "a list");
  for (const Value& item : *value->list()) storage.items.push_back(Object::Make(item));
  return absl::MakeConstSpan(storage.items);
}

absl::StatusOr<absl::Span<const Object>> ItemsOf(const Object& object, size_t size,
                                                 ObjectList& storage) {
  absl::StatusOr<absl::Span<const Object>> items = ItemsOf(object, storage);
  if (items.ok() && items->size() != size) return WrongSize("a list", items->size(), size);
  return items;
}

absl::StatusOr<const DynamicMap*> EntriesOf(const Object& object, DynamicMap& storage) {
  if (const DynamicMap* map = object.get<DynamicMap>()) return map;
  const Value* value = object.get<Value>();
  if (value == nullptr || value->map() == nullptr) return WrongModel(object, "a map");
  for (const auto& [key, item] : *value->map()) {
    storage.entries.emplace_back(key, Object::Make(item));
  }
  return &storage;
}

absl::Status WrongSize(absl::string_view what, size_t size, size_t wanted) {
  return absl::InvalidArgumentError(
      absl::StrCat("it is ", what, " of ", size, ", wanted one of ", wanted));
}

}  // namespace internal

absl::Status Binding<Object>::Visit(const Object& object, ModelVisitor visit) {
  if (const ObjectList* list = object.get<ObjectList>()) {
    return visit(AnyRef::To(
        SequenceRef{.size = list->items.size(), .object = list, .visit_item = &VisitListItem}));
  }
  if (const DynamicMap* map = object.get<DynamicMap>()) {
    return visit(AnyRef::To(
        MapRef{.size = map->entries.size(), .object = map, .visit_entries = &VisitMapEntries}));
  }
  if (const DynamicVariant* variant = object.get<DynamicVariant>()) {
    return visit(AnyRef::To(VariantRef{.alternative = variant->alternative,
                                       .object = variant,
                                       .visit_value = &VisitVariantValue}));
  }
  if (const DynamicRecord* record = object.get<DynamicRecord>()) {
    std::vector<absl::string_view> names;
    for (const auto& [name, value] : record->fields) names.push_back(name);
    return visit(AnyRef::To(RecordRef{.type_name = record->type_name,
                                      .field_names = names,
                                      .object = record,
                                      .visit_field = &VisitRecordField}));
  }
  if (object.type() == TypeId::Of<void>()) return visit(AnyRef::To(Value()));
  return visit(object.ref());
}

}  // namespace slabpipe
