// Binding: how a C++ type enters the registry, and how it comes out.
//
// Codecs are few; C++ types are many. A binding maps a type to the *model* that a codec handles, at
// compile time:
//
//   C++ type                                                  model          codec
//   bool, integers, float, double, std::string, Value, ...    Value          value
//   NdArray<T>, std::vector<T> of numbers                     AnyNdArray     ndarray
//   structs with fields declared (record.h)                   RecordRef      record
//   std::vector<T> of anything else                           SequenceRef    sequence
//   std::optional<T>                                          T's, or a Value of nothing
//   Object                                                    that of the value in it
//   any other T                                               T itself       one of the user's own
//
// and back: session.Call<T> asks the codec for an Object and the binding for a T. What is decoded
// owns its bytes by itself (a number, an array), or it may point into them (a type of the user's
// own): then it comes as Leased<T>.

#ifndef SLABPIPE_CODEC_BINDING_H_
#define SLABPIPE_CODEC_BINDING_H_

#include <concepts>
#include <cstddef>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "slabpipe/codec/ndarray.h"
#include "slabpipe/codec/object.h"
#include "slabpipe/codec/value.h"

namespace slabpipe {

// Is shown a model, which is gone when it returns.
using ModelVisitor = absl::FunctionRef<absl::Status(AnyRef model)>;

// The model of a list: `size` values, shown one by one.
struct SequenceRef {
  size_t size = 0;
  const void* object = nullptr;
  absl::Status (*visit_item)(const void* object, size_t index, ModelVisitor visit) = nullptr;
};

// What a list is decoded to.
struct ObjectList {
  std::vector<Object> items;
};

// "it is ..., wanted ...": INVALID_ARGUMENT.
absl::Status WrongModel(const Object& object, absl::string_view wanted);

// A type of the user's own: its model is itself.
template <typename T>
struct Binding {
  // Whether a decoded T keeps its bytes by itself.
  static constexpr bool kOwnsItsBytes = false;
  // Shows the value's model.
  static absl::Status Visit(const T& value, ModelVisitor visit) { return visit(AnyRef::To(value)); }
  // A T from a decoded object. INVALID_ARGUMENT says what it is and what was wanted.
  static absl::StatusOr<T> Make(const Object& object) {
    if (const T* value = object.get<T>()) return *value;
    return WrongModel(object, TypeId::Of<T>().name());
  }
};

// What decoding for a T gives: T, or Leased<T> if a T does not keep its bytes by itself.
template <typename T>
using Decoded = std::conditional_t<Binding<T>::kOwnsItsBytes, T, Leased<T>>;

template <typename T>
absl::StatusOr<Decoded<T>> FromObject(const Object& object) {
  if constexpr (Binding<T>::kOwnsItsBytes) {
    return Binding<T>::Make(object);
  } else {
    if (object.get<T>() != nullptr) return Leased<T>(object);
    absl::StatusOr<T> value = Binding<T>::Make(object);
    if (!value.ok()) return value.status();
    return Leased<T>(*std::move(value), object);
  }
}

// Implementation details only below this line.

template <typename T>
concept Number = (std::integral<T> || std::floating_point<T>)&&!std::same_as<T, long double>;

// Everything that Value is or holds.
template <typename T>
concept ValueLike = Number<T> || std::same_as<T, std::string> || std::same_as<T, Bytes> ||
    std::same_as<T, ValueList> || std::same_as<T, ValueMap> || std::same_as<T, Value>;

template <ValueLike T>
struct Binding<T> {
  static constexpr bool kOwnsItsBytes = true;
  static absl::Status Visit(const T& value, ModelVisitor visit) {
    if constexpr (std::same_as<T, Value>) {
      return visit(AnyRef::To(value));
    } else {
      return visit(AnyRef::To(Value(value)));
    }
  }
  static absl::StatusOr<T> Make(const Object& object) {
    const Value* value = object.get<Value>();
    if (value == nullptr) return WrongModel(object, WantedName());
    return value->template As<T>();
  }

 private:
  static absl::string_view WantedName() {
    if constexpr (std::same_as<T, Value>) {
      return "a small value";
    } else {
      return ValueKindName(Value(T()).kind());
    }
  }
};

// Texts that are not std::string can be sent, not received.
template <typename T>
requires std::convertible_to<T, absl::string_view> &&(!ValueLike<T>)struct Binding<T> {
  static constexpr bool kOwnsItsBytes = true;
  static absl::Status Visit(const T& text, ModelVisitor visit) {
    return visit(AnyRef::To(Value(absl::string_view(text))));
  }
};

template <>
struct Binding<AnyNdArray> {
  static constexpr bool kOwnsItsBytes = true;
  static absl::Status Visit(const AnyNdArray& array, ModelVisitor visit) {
    return visit(AnyRef::To(array));
  }
  static absl::StatusOr<AnyNdArray> Make(const Object& object) {
    if (const AnyNdArray* array = object.get<AnyNdArray>()) return *array;
    return WrongModel(object, "an array");
  }
};

template <ArrayElement T>
struct Binding<NdArray<T>> {
  static constexpr bool kOwnsItsBytes = true;
  static absl::Status Visit(const NdArray<T>& array, ModelVisitor visit) {
    return visit(AnyRef::To<AnyNdArray>(array));
  }
  static absl::StatusOr<NdArray<T>> Make(const Object& object) {
    static_assert(std::is_const_v<T>,
                  "what arrives may only be read: take it as NdArray<const T>, and Copy() it");
    if (const AnyNdArray* array = object.get<AnyNdArray>()) return NdArray<T>::FromAny(*array);
    return WrongModel(object, absl::StrCat("an array of ", kElementTypeOf<T>.name()));
  }
};

// Numbers in a vector are a one-dimensional array; received, they are copied out.
template <ArrayElement T>
requires(!std::same_as<T, bool>) struct Binding<std::vector<T>> {
  static constexpr bool kOwnsItsBytes = true;
  static absl::Status Visit(const std::vector<T>& elements, ModelVisitor visit) {
    return visit(AnyRef::To<AnyNdArray>(NdArray<const T>::Borrow(elements)));
  }
  static absl::StatusOr<std::vector<T>> Make(const Object& object) {
    absl::StatusOr<NdArray<const T>> array = Binding<NdArray<const T>>::Make(object);
    if (!array.ok()) return array.status();
    if (array->rank() == 1) return array->ToVector();
    return absl::InvalidArgumentError(
        absl::StrCat("it is an array of ", array->Describe(), ", wanted one axis"));
  }
};

// std::vector<bool> has no elements in memory to borrow: they are copied first.
template <>
struct Binding<std::vector<bool>> {
  static constexpr bool kOwnsItsBytes = true;
  static absl::Status Visit(const std::vector<bool>& flags, ModelVisitor visit) {
    return Binding<std::vector<Bool8>>::Visit({flags.begin(), flags.end()}, visit);
  }
  static absl::StatusOr<std::vector<bool>> Make(const Object& object) {
    absl::StatusOr<std::vector<Bool8>> flags = Binding<std::vector<Bool8>>::Make(object);
    if (!flags.ok()) return flags.status();
    return std::vector<bool>(flags->begin(), flags->end());
  }
};

// Any other vector is a sequence.
template <typename T>
requires(!ArrayElement<T> && !std::same_as<T, Value>) struct Binding<std::vector<T>> {
  static constexpr bool kOwnsItsBytes = Binding<T>::kOwnsItsBytes;
  static absl::Status Visit(const std::vector<T>& items, ModelVisitor visit) {
    const SequenceRef sequence = {
        .size = items.size(),
        .object = &items,
        .visit_item = [](const void* object, size_t index, ModelVisitor visit_model) {
          return Binding<T>::Visit((*static_cast<const std::vector<T>*>(object))[index],
                                   visit_model);
        }};
    return visit(AnyRef::To(sequence));
  }
  static absl::StatusOr<std::vector<T>> Make(const Object& object) {
    const ObjectList* list = object.get<ObjectList>();
    if (list == nullptr) return WrongModel(object, "a list");
    std::vector<T> items;
    items.reserve(list->items.size());
    for (size_t i = 0; i < list->items.size(); ++i) {
      absl::StatusOr<T> item = Binding<T>::Make(list->items[i]);
      if (!item.ok()) {
        return absl::Status(item.status().code(),
                            absl::StrCat("item ", i, ": ", item.status().message()));
      }
      items.push_back(*std::move(item));
    }
    return items;
  }
};

template <typename T>
struct Binding<std::optional<T>> {
  static constexpr bool kOwnsItsBytes = Binding<T>::kOwnsItsBytes;
  static absl::Status Visit(const std::optional<T>& value, ModelVisitor visit) {
    return value.has_value() ? Binding<T>::Visit(*value, visit) : visit(AnyRef::To(Value()));
  }
  static absl::StatusOr<std::optional<T>> Make(const Object& object) {
    const Value* value = object.get<Value>();
    if (value != nullptr && value->is_nothing()) return std::optional<T>();
    absl::StatusOr<T> made = Binding<T>::Make(object);
    if (!made.ok()) return made.status();
    return std::optional<T>(*std::move(made));
  }
};

// A decoded value of any type, to be looked at, or to be sent on.
template <>
struct Binding<Object> {
  static constexpr bool kOwnsItsBytes = true;
  static absl::Status Visit(const Object& object, ModelVisitor visit);
  static absl::StatusOr<Object> Make(const Object& object) { return object; }
};

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_BINDING_H_
