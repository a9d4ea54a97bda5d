// The bindings of values that are not made of others: numbers, texts, arrays, one's own types.
// Include binding.h.

#ifndef SLABPIPE_CODEC_SIMPLE_BINDING_H_
#define SLABPIPE_CODEC_SIMPLE_BINDING_H_

#include <concepts>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "slabpipe/codec/models.h"
#include "slabpipe/codec/ndarray.h"
#include "slabpipe/codec/object.h"
#include "slabpipe/codec/value.h"
#include "slabpipe/transport/kj_boundary.h"

namespace slabpipe {

// Whether a decoded T keeps its bytes by itself, for types with a codec of the user's own. Set it
// for those of which it is so, and they come as T, not as Leased<T>:
//   template <> inline constexpr bool slabpipe::kOwnsItsBytes<Eigen::MatrixXd> = true;
template <typename T>
inline constexpr bool kOwnsItsBytes = false;

template <typename T>
concept Number = (std::integral<T> || std::floating_point<T>)&&!std::same_as<T, long double>;

// Everything that Value is or holds.
template <typename T>
concept ValueLike = Number<T> || std::same_as<T, std::string> || std::same_as<T, Bytes> ||
    std::same_as<T, ValueList> || std::same_as<T, ValueMap> || std::same_as<T, Value>;

// A type of the user's own: its model is itself.
template <typename T>
struct Binding {
  // Whether a decoded T keeps its bytes by itself.
  static constexpr bool kOwnsItsBytes = slabpipe::kOwnsItsBytes<T>;
  // Shows the value's model.
  static absl::Status Visit(const T& value, ModelVisitor visit) { return visit(AnyRef::To(value)); }
  // A T from a decoded object. INVALID_ARGUMENT says what it is and what was wanted.
  static absl::StatusOr<T> Make(const Object& object) {
    if constexpr (std::copy_constructible<T>) {
      if (const T* value = object.get<T>()) return *value;
    }
    return WrongModel(object, TypeId::Of<T>().name());
  }
};

// A type that has a model other than itself, and that may yet have a codec of its own.
template <typename T>
concept Composite = requires {
  requires Binding<T>::kComposite;
};

namespace internal {
template <typename T>
absl::Status VisitBound(const void* value, ModelVisitor visit) {
  return Binding<T>::Visit(*static_cast<const T*>(value), visit);
}
}  // namespace internal

// Shows `value` as a codec may take it: itself where that can be, with its model in reserve.
template <typename T>
absl::Status VisitValue(const T& value, ModelVisitor visit) {
  if constexpr (Composite<T>) {
    return visit(AnyRef::To(value, &internal::VisitBound<T>));
  } else {
    return Binding<T>::Visit(value, visit);
  }
}

// A T from a decoded object, by whichever codec it came. INVALID_ARGUMENT as Binding's Make.
template <typename T>
absl::StatusOr<T> MakeValue(const Object& object) {
  if constexpr (Composite<T>) {
    if (const T* value = object.get<T>()) return *value;
  }
  return Binding<T>::Make(object);
}

// What decoding for a T gives: T, or Leased<T> if a T does not keep its bytes by itself.
template <typename T>
using Decoded = std::conditional_t<Binding<T>::kOwnsItsBytes, T, Leased<T>>;

// RESOURCE_EXHAUSTED without the memory that a copy takes.
template <typename T>
absl::StatusOr<Decoded<T>> FromObject(const Object& object) {
  try {
    if constexpr (Binding<T>::kOwnsItsBytes) {
      return MakeValue<T>(object);
    } else {
      if (object.get<T>() != nullptr) return Leased<T>(object);
      absl::StatusOr<T> value = Binding<T>::Make(object);
      if (!value.ok()) return value.status();
      return Leased<T>(*std::move(value), object);
    }
  } catch (...) {
    return StatusOfException();
  }
}

// An object of any value that can be sent, to be sent: for a std::vector<Object> of values of
// several types, or for UnknownFields.
template <typename T>
Object ToObject(T value) {
  if constexpr (ValueLike<T>) {
    return Object::Make(Value(std::move(value)));
  } else if constexpr (std::derived_from<T, AnyNdArray>) {
    return Object::Make<AnyNdArray>(std::move(value));
  } else {
    return Object::Make(std::move(value), &internal::VisitBound<T>);
  }
}

// The object as a Value: one; or a list, or a map with texts for keys, of what is one.
// INVALID_ARGUMENT says where it is something else.
absl::StatusOr<Value> ValueOf(const Object& object);

// Implementation details only below this line.

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
    if (const Value* value = object.get<Value>()) return value->template As<T>();
    if constexpr (std::same_as<T, Value> || std::same_as<T, ValueList> ||
                  std::same_as<T, ValueMap>) {
      if (object.get<ObjectList>() != nullptr || object.get<DynamicMap>() != nullptr) {
        absl::StatusOr<Value> value = ValueOf(object);
        return value.ok() ? value->template As<T>() : value.status();
      }
    }
    return WrongModel(object, WantedName());
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

// An enum is its number. Which numbers are enumerators, C++ can't tell: check what comes in.
template <typename T>
requires std::is_enum_v<T>
struct Binding<T> {
  static constexpr bool kComposite = true;
  static constexpr bool kOwnsItsBytes = true;
  using Integer = std::underlying_type_t<T>;
  static absl::Status Visit(T value, ModelVisitor visit) {
    return visit(AnyRef::To(Value(static_cast<Integer>(value))));
  }
  static absl::StatusOr<T> Make(const Object& object) {
    absl::StatusOr<Integer> number = Binding<Integer>::Make(object);
    if (!number.ok()) return number.status();
    return static_cast<T>(*number);
  }
};

template <>
struct Binding<std::monostate> {
  static constexpr bool kOwnsItsBytes = true;
  static absl::Status Visit(std::monostate, ModelVisitor visit) {
    return visit(AnyRef::To(Value()));
  }
  static absl::StatusOr<std::monostate> Make(const Object& object) {
    const Value* value = object.get<Value>();
    if (value != nullptr && value->is_nothing()) return std::monostate();
    return WrongModel(object, "nothing");
  }
};

// Texts that are not std::string can be sent, not received. (std::string_view may, or may not, be
// absl::string_view.)
template <typename T>
concept TextView = (std::convertible_to<T, absl::string_view> ||
                    std::same_as<T, std::string_view>)&&!ValueLike<T>;

template <TextView T>
struct Binding<T> {
  static constexpr bool kIsView =
      std::same_as<T, absl::string_view> || std::same_as<T, std::string_view>;
  static constexpr bool kComposite = std::is_class_v<T> && !kIsView;
  static constexpr bool kOwnsItsBytes = true;
  static absl::Status Visit(const T& text, ModelVisitor visit) {
    if constexpr (std::is_pointer_v<T>) {
      if (text == nullptr) return absl::InvalidArgumentError("a null pointer is no text");
    }
    if constexpr (std::same_as<T, std::string_view>) {
      return visit(AnyRef::To(Value(std::string(text))));
    } else {
      return visit(AnyRef::To(Value(absl::string_view(text))));
    }
  }
  // From a codec for T alone.
  static absl::StatusOr<T> Make(const Object& object) requires kComposite {
    return WrongModel(object, TypeId::Of<T>().name());
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

// A decoded value of any type, to be looked at, or to be sent on.
template <>
struct Binding<Object> {
  static constexpr bool kOwnsItsBytes = true;
  static absl::Status Visit(const Object& object, ModelVisitor visit);
  static absl::StatusOr<Object> Make(const Object& object) { return object; }
};

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_SIMPLE_BINDING_H_
