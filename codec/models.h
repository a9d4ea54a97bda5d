// Models: what the built-in codecs for compound values see of them, and what they make of them.
//
//   C++ type (composite_binding.h)              encoded from   decoded to       codec
//   vectors, arrays, tuples of anything         SequenceRef    ObjectList       sequence
//   maps                                        MapRef         DynamicMap       map
//   std::variant                                VariantRef     DynamicVariant   variant
//   structs with declared fields (record.h)     RecordRef      DynamicRecord    record
//
// The left ones are borrowed, and show their parts one by one. The right ones are values, whose
// parts are Objects: of any type, with what keeps their bytes.

#ifndef SLABPIPE_CODEC_MODELS_H_
#define SLABPIPE_CODEC_MODELS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "slabpipe/codec/object.h"
#include "slabpipe/codec/value.h"

namespace slabpipe {

struct SequenceRef {
  size_t size = 0;
  const void* object = nullptr;
  absl::Status (*visit_item)(const void* object, size_t index, ModelVisitor visit) = nullptr;
};
struct ObjectList {
  std::vector<Object> items;
};

// Is shown an entry of a map, which is gone when it returns.
using EntryVisitor = absl::FunctionRef<absl::Status(const Value& key, AnyRef value)>;

struct MapRef {
  size_t size = 0;
  const void* object = nullptr;
  // Shows all entries, in the same order whenever it is called. Stops at the first error.
  absl::Status (*visit_entries)(const void* object, EntryVisitor visit) = nullptr;
};
// Keys are bools, integers, texts or bytes, each of them once.
struct DynamicMap {
  std::vector<std::pair<Value, Object>> entries;

  // nullptr if there is none. Linear.
  const Object* Find(const Value& key) const;
};

struct VariantRef {
  size_t alternative = 0;
  const void* object = nullptr;
  absl::Status (*visit_value)(const void* object, ModelVisitor visit) = nullptr;
};
struct DynamicVariant {
  size_t alternative = 0;
  Object value;
};

struct RecordRef {
  absl::string_view type_name;
  absl::Span<const absl::string_view> field_names;
  const void* object = nullptr;
  absl::Status (*visit_field)(const void* object, size_t field, ModelVisitor visit) = nullptr;
};
struct DynamicRecord {
  std::string type_name;
  std::vector<std::pair<std::string, Object>> fields;

  // nullptr if there is none.
  const Object* Find(absl::string_view name) const;
};

// "it is ..., wanted ...": INVALID_ARGUMENT.
absl::Status WrongModel(const Object& object, absl::string_view wanted);

// The same error, `where` before its message. OK remains OK.
absl::Status InContext(absl::string_view where, const absl::Status& status);
absl::Status InField(absl::string_view type_name, absl::string_view field,
                     const absl::Status& status);

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_MODELS_H_
