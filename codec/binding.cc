#include "slabpipe/codec/binding.h"

#include "slabpipe/codec/record.h"

namespace slabpipe {
namespace {

absl::Status VisitDynamicField(const void* object, size_t field, ModelVisitor visit) {
  const auto& fields = static_cast<const DynamicRecord*>(object)->fields;
  return Binding<Object>::Visit(fields[field].second, visit);
}

absl::Status VisitListItem(const void* object, size_t index, ModelVisitor visit) {
  return Binding<Object>::Visit(static_cast<const ObjectList*>(object)->items[index], visit);
}

}  // namespace

absl::Status WrongModel(const Object& object, absl::string_view wanted) {
  std::string got = object.type().name();
  if (const Value* value = object.get<Value>()) {
    got = std::string(ValueKindName(value->kind()));
  } else if (const AnyNdArray* array = object.get<AnyNdArray>()) {
    got = absl::StrCat("an array of ", array->Describe());
  } else if (const DynamicRecord* record = object.get<DynamicRecord>()) {
    got = absl::StrCat("a record '", record->type_name, "'");
  } else if (const ObjectList* list = object.get<ObjectList>()) {
    got = absl::StrCat("a list of ", list->items.size());
  }
  return absl::InvalidArgumentError(absl::StrCat("it is ", got, ", wanted ", wanted));
}

absl::Status Binding<Object>::Visit(const Object& object, ModelVisitor visit) {
  if (const DynamicRecord* record = object.get<DynamicRecord>()) {
    std::vector<absl::string_view> names;
    for (const auto& [name, value] : record->fields) names.push_back(name);
    return visit(AnyRef::To(RecordRef{.type_name = record->type_name,
                                      .field_names = names,
                                      .object = record,
                                      .visit_field = &VisitDynamicField}));
  }
  if (const ObjectList* list = object.get<ObjectList>()) {
    return visit(AnyRef::To(
        SequenceRef{.size = list->items.size(), .object = list, .visit_item = &VisitListItem}));
  }
  if (object.type() == TypeId::Of<void>()) return visit(AnyRef::To(Value()));
  return visit(object.ref());
}

}  // namespace slabpipe
