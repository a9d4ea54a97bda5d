#include "slabpipe/codec/models.h"

#include "absl/strings/str_cat.h"
#include "slabpipe/codec/handle.h"
#include "slabpipe/codec/ndarray.h"

namespace slabpipe {
namespace {

std::string Describe(const Object& object) {
  if (const Value* value = object.get<Value>()) return std::string(ValueKindName(value->kind()));
  if (const AnyNdArray* array = object.get<AnyNdArray>()) {
    return absl::StrCat("an array of ", array->Describe());
  }
  if (const DynamicRecord* record = object.get<DynamicRecord>()) {
    return absl::StrCat("a record '", record->type_name, "'");
  }
  if (const ObjectList* list = object.get<ObjectList>()) {
    return absl::StrCat("a list of ", list->items.size());
  }
  if (const DynamicMap* map = object.get<DynamicMap>()) {
    return absl::StrCat("a map of ", map->entries.size());
  }
  if (const DynamicVariant* variant = object.get<DynamicVariant>()) {
    return absl::StrCat("alternative ", variant->alternative, " of a variant");
  }
  if (const auto* handle = object.get<Handle<>>()) {
    return absl::StrCat("a handle of ", handle->ToString());
  }
  return object.type().name();
}

}  // namespace

const Object* DynamicMap::Find(const Value& key) const {
  for (const auto& [entry_key, value] : entries) {
    if (entry_key == key) return &value;
  }
  return nullptr;
}

const Object* DynamicRecord::Find(absl::string_view name) const {
  for (const auto& [field_name, value] : fields) {
    if (field_name == name) return &value;
  }
  return nullptr;
}

absl::Status WrongModel(const Object& object, absl::string_view wanted) {
  return absl::InvalidArgumentError(absl::StrCat("it is ", Describe(object), ", wanted ", wanted));
}

absl::Status InContext(absl::string_view where, const absl::Status& status) {
  if (status.ok()) return status;
  return absl::Status(status.code(), absl::StrCat(where, ": ", status.message()));
}

absl::Status InField(absl::string_view type_name, absl::string_view field,
                     const absl::Status& status) {
  if (status.ok()) return status;
  return InContext(absl::StrCat("field '", field, "' of '", type_name, "'"), status);
}

}  // namespace slabpipe
