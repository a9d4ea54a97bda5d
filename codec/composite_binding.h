// The bindings of values that are made of others: vectors, arrays, tuples, maps, variants,
// optionals. Include binding.h.

#ifndef SLABPIPE_CODEC_COMPOSITE_BINDING_H_
#define SLABPIPE_CODEC_COMPOSITE_BINDING_H_

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "slabpipe/codec/models.h"
#include "slabpipe/codec/ndarray.h"
#include "slabpipe/codec/object.h"
#include "slabpipe/codec/simple_binding.h"
#include "slabpipe/codec/value.h"

namespace slabpipe {

// Implementation details only in this file.

namespace internal {

// The items of a list, or, put into `storage`, of a Value that is one. INVALID_ARGUMENT if it is
// neither.
absl::StatusOr<absl::Span<const Object>> ItemsOf(const Object& object, ObjectList& storage);
// The object's map, or, put into `storage`, that of a Value. INVALID_ARGUMENT if it is neither.
absl::StatusOr<const DynamicMap*> EntriesOf(const Object& object, DynamicMap& storage);
absl::Status WrongSize(absl::string_view what, size_t size, size_t wanted);
// The items of a list that has `size` of them. INVALID_ARGUMENT also if it has not.
absl::StatusOr<absl::Span<const Object>> ItemsOf(const Object& object, size_t size,
                                                 ObjectList& storage);

// Of which there are arrays: bools are no such elements, Bool8 are.
template <typename T>
inline constexpr bool kIsPlainElement = ArrayElement<T> && !std::same_as<T, bool>;

// The model of a container whose items have numbers.
template <typename Container>
SequenceRef SequenceOf(const Container& items) {
  return {.size = items.size(),
          .object = &items,
          .visit_item = [](const void* object, size_t index, ModelVisitor visit) {
            return VisitValue((*static_cast<const Container*>(object))[index], visit);
          }};
}
// Bools have no memory to borrow that is an array's.
template <typename Flags>
absl::Status VisitFlags(const Flags& flags, ModelVisitor visit) {
  const std::vector<Bool8> elements(flags.begin(), flags.end());
  return visit(AnyRef::To<AnyNdArray>(NdArray<const Bool8>::Borrow(elements)));
}

template <typename T>
absl::StatusOr<T> MakeItem(const Object& item, size_t index) {
  absl::StatusOr<T> made = MakeValue<T>(item);
  if (!made.ok()) return InContext(absl::StrCat("item ", index), made.status());
  return made;
}

// The numbers of an array with one axis, or of a list of small values.
template <typename T>
absl::StatusOr<std::vector<T>> MakeElements(const Object& object) {
  if (object.get<AnyNdArray>() == nullptr) {
    const Value* value = object.get<Value>();
    if constexpr (Number<T> || std::same_as<T, Bool8>) {
      using Scalar = std::conditional_t<Number<T>, T, bool>;
      if (value != nullptr && value->list() != nullptr) {
        std::vector<T> elements;
        for (const Value& item : *value->list()) {
          absl::StatusOr<Scalar> element = item.As<Scalar>();
          if (!element.ok()) {
            return InContext(absl::StrCat("item ", elements.size()), element.status());
          }
          elements.push_back(*element);
        }
        return elements;
      }
    }
  }
  absl::StatusOr<NdArray<const T>> array = Binding<NdArray<const T>>::Make(object);
  if (!array.ok()) return array.status();
  if (array->rank() == 1) return array->ToVector();
  return absl::InvalidArgumentError(
      absl::StrCat("it is an array of ", array->Describe(), ", wanted one axis"));
}

}  // namespace internal

// Elements in a row are a one-dimensional array; received, they are copied out.
template <typename T>
requires internal::kIsPlainElement<T>
struct Binding<std::vector<T>> {
  static constexpr bool kComposite = true;
  static constexpr bool kOwnsItsBytes = true;
  static absl::Status Visit(const std::vector<T>& elements, ModelVisitor visit) {
    return visit(AnyRef::To<AnyNdArray>(NdArray<const T>::Borrow(elements)));
  }
  static absl::StatusOr<std::vector<T>> Make(const Object& object) {
    return internal::MakeElements<T>(object);
  }
};

template <typename T, size_t kSize>
requires internal::kIsPlainElement<T>
struct Binding<std::array<T, kSize>> {
  static constexpr bool kComposite = true;
  static constexpr bool kOwnsItsBytes = true;
  static absl::Status Visit(const std::array<T, kSize>& elements, ModelVisitor visit) {
    return visit(AnyRef::To<AnyNdArray>(NdArray<const T>::Borrow(elements)));
  }
  static absl::StatusOr<std::array<T, kSize>> Make(const Object& object) {
    absl::StatusOr<std::vector<T>> elements = internal::MakeElements<T>(object);
    if (!elements.ok()) return elements.status();
    if (elements->size() != kSize) return internal::WrongSize("an array", elements->size(), kSize);
    std::array<T, kSize> array;
    std::copy(elements->begin(), elements->end(), array.begin());
    return array;
  }
};

// To be sent only: what is received must own its elements.
template <typename T>
requires internal::kIsPlainElement<std::remove_const_t<T>>
struct Binding<absl::Span<T>> {
  static constexpr bool kOwnsItsBytes = true;
  static absl::Status Visit(absl::Span<T> elements, ModelVisitor visit) {
    return visit(AnyRef::To<AnyNdArray>(NdArray<const T>::Borrow(elements)));
  }
};

template <>
struct Binding<std::vector<bool>> {
  static constexpr bool kComposite = true;
  static constexpr bool kOwnsItsBytes = true;
  static absl::Status Visit(const std::vector<bool>& flags, ModelVisitor visit) {
    return internal::VisitFlags(flags, visit);
  }
  static absl::StatusOr<std::vector<bool>> Make(const Object& object) {
    absl::StatusOr<std::vector<Bool8>> flags = Binding<std::vector<Bool8>>::Make(object);
    if (!flags.ok()) return flags.status();
    return std::vector<bool>(flags->begin(), flags->end());
  }
};

template <size_t kSize>
struct Binding<std::array<bool, kSize>> {
  static constexpr bool kComposite = true;
  static constexpr bool kOwnsItsBytes = true;
  static absl::Status Visit(const std::array<bool, kSize>& flags, ModelVisitor visit) {
    return internal::VisitFlags(flags, visit);
  }
  static absl::StatusOr<std::array<bool, kSize>> Make(const Object& object) {
    auto flags = Binding<std::array<Bool8, kSize>>::Make(object);
    if (!flags.ok()) return flags.status();
    std::array<bool, kSize> array;
    std::copy(flags->begin(), flags->end(), array.begin());
    return array;
  }
};

// Any other vector is a sequence.
template <typename T>
requires(!ArrayElement<T> && !std::same_as<T, Value>) struct Binding<std::vector<T>> {
  static constexpr bool kComposite = true;
  static constexpr bool kOwnsItsBytes = Binding<T>::kOwnsItsBytes;
  static absl::Status Visit(const std::vector<T>& items, ModelVisitor visit) {
    return visit(AnyRef::To(internal::SequenceOf(items)));
  }
  static absl::StatusOr<std::vector<T>> Make(const Object& object) {
    ObjectList storage;
    const absl::StatusOr<absl::Span<const Object>> objects = internal::ItemsOf(object, storage);
    if (!objects.ok()) return objects.status();
    std::vector<T> items;
    items.reserve(objects->size());
    for (const Object& item : *objects) {
      absl::StatusOr<T> made = internal::MakeItem<T>(item, items.size());
      if (!made.ok()) return made.status();
      items.push_back(*std::move(made));
    }
    return items;
  }
};

template <typename T, size_t kSize>
requires(!ArrayElement<T>) struct Binding<std::array<T, kSize>> {
  static constexpr bool kComposite = true;
  static constexpr bool kOwnsItsBytes = Binding<T>::kOwnsItsBytes;
  static absl::Status Visit(const std::array<T, kSize>& items, ModelVisitor visit) {
    return visit(AnyRef::To(internal::SequenceOf(items)));
  }
  static absl::StatusOr<std::array<T, kSize>> Make(const Object& object) {
    ObjectList storage;
    const auto objects = internal::ItemsOf(object, kSize, storage);
    if (!objects.ok()) return objects.status();
    std::array<T, kSize> items;
    for (size_t i = 0; i < kSize; ++i) {
      absl::StatusOr<T> made = internal::MakeItem<T>((*objects)[i], i);
      if (!made.ok()) return made.status();
      items[i] = *std::move(made);
    }
    return items;
  }
};

namespace internal {

template <typename T>
struct IsTupleLike : std::false_type {};
template <typename... T>
struct IsTupleLike<std::tuple<T...>> : std::true_type {
  static constexpr bool kOwnsItsBytes = (Binding<T>::kOwnsItsBytes && ...);
};
template <typename A, typename B>
struct IsTupleLike<std::pair<A, B>> : IsTupleLike<std::tuple<A, B>> {};

}  // namespace internal

template <typename T>
requires internal::IsTupleLike<T>::value struct Binding<T> {
  static constexpr bool kComposite = true;
  static constexpr bool kOwnsItsBytes = internal::IsTupleLike<T>::kOwnsItsBytes;
  static constexpr size_t kSize = std::tuple_size_v<T>;

  static absl::Status Visit(const T& items, ModelVisitor visit) {
    return visit(
        AnyRef::To(SequenceRef{.size = kSize, .object = &items, .visit_item = &VisitItem}));
  }
  static absl::StatusOr<T> Make(const Object& object) {
    ObjectList storage;
    const auto objects = internal::ItemsOf(object, kSize, storage);
    if (!objects.ok()) return objects.status();
    return MakeItems(*objects, std::make_index_sequence<kSize>());
  }

 private:
  template <size_t... kIndex>
  static absl::StatusOr<T> MakeItems(absl::Span<const Object> objects,
                                     std::index_sequence<kIndex...>) {
    static_assert(std::default_initializable<T>, "the items need default constructors");
    T items;
    absl::Status status;
    const auto take = [&](auto& item, size_t index) {
      if (!status.ok()) return;
      auto made =
          internal::MakeItem<std::remove_reference_t<decltype(item)>>(objects[index], index);
      if (made.ok()) item = *std::move(made);
      status = made.status();
    };
    (take(std::get<kIndex>(items), kIndex), ...);
    if (!status.ok()) return status;
    return items;
  }
  static absl::Status VisitItem(const void* object, size_t index, ModelVisitor visit) {
    return VisitItem(*static_cast<const T*>(object), index, visit,
                     std::make_index_sequence<kSize>());
  }
  template <size_t... kIndex>
  static absl::Status VisitItem(const T& items, size_t index, ModelVisitor visit,
                                std::index_sequence<kIndex...>) {
    absl::Status status;
    ((kIndex == index ? status.Update(VisitValue(std::get<kIndex>(items), visit)) : void()), ...);
    return status;
  }
};

namespace internal {
template <typename T>
struct IsOptional : std::false_type {};
template <typename T>
struct IsOptional<std::optional<T>> : std::true_type {};
}  // namespace internal

template <typename T>
struct Binding<std::optional<T>> {
  static_assert(!internal::IsOptional<T>::value && !std::same_as<T, std::monostate>,
                "an optional that holds nothing can't be told from one that is empty");
  static constexpr bool kComposite = true;
  static constexpr bool kOwnsItsBytes = Binding<T>::kOwnsItsBytes;
  static absl::Status Visit(const std::optional<T>& value, ModelVisitor visit) {
    if (!value.has_value()) return visit(AnyRef::To(Value()));
    if constexpr (std::same_as<T, Value>) {
      if (value->is_nothing()) {
        return absl::InvalidArgumentError(
            "an optional holds a Value of nothing, which can't be told from an empty one");
      }
    }
    return VisitValue(*value, visit);
  }
  static absl::StatusOr<std::optional<T>> Make(const Object& object) {
    const Value* value = object.get<Value>();
    if (value != nullptr && value->is_nothing()) return std::optional<T>();
    absl::StatusOr<T> made = MakeValue<T>(object);
    if (!made.ok()) return made.status();
    return std::optional<T>(*std::move(made));
  }
};

namespace internal {

// std::map, std::unordered_map, absl::flat_hash_map, absl::btree_map, ...
template <typename T>
concept MapType = requires(T map, typename T::key_type key, typename T::mapped_type value) {
  { map.emplace(std::move(key), std::move(value)).second } -> std::convertible_to<bool>;
  map.find(key);
};

template <typename K>
concept MapKey =
    std::is_enum_v<K> || std::integral<K> || std::same_as<K, std::string> || std::same_as<K, Bytes>;

}  // namespace internal

// Bools, integers, enums, std::string and Bytes are keys.
template <internal::MapType T>
requires internal::MapKey<typename T::key_type>
struct Binding<T> {
  using Key = typename T::key_type;
  using Mapped = typename T::mapped_type;

  static constexpr bool kComposite = true;
  static constexpr bool kOwnsItsBytes = Binding<Mapped>::kOwnsItsBytes;

  static absl::Status Visit(const T& map, ModelVisitor visit) {
    return visit(
        AnyRef::To(MapRef{.size = map.size(), .object = &map, .visit_entries = &VisitEntries}));
  }
  static absl::StatusOr<T> Make(const Object& object) {
    DynamicMap storage;
    const absl::StatusOr<const DynamicMap*> entries = internal::EntriesOf(object, storage);
    if (!entries.ok()) return entries.status();
    T map;
    for (const auto& [key, value] : (*entries)->entries) {
      absl::StatusOr<Key> made_key = MakeValue<Key>(Object::Make(key));
      if (!made_key.ok()) return InContext("a key of a map", made_key.status());
      absl::StatusOr<Mapped> made = MakeValue<Mapped>(value);
      if (!made.ok()) return InContext(absl::StrCat("at ", key.DebugString()), made.status());
      const auto [entry, added] = map.emplace(*std::move(made_key), *std::move(made));
      if (!added) {
        return absl::InvalidArgumentError(
            absl::StrCat("it has the key ", key.DebugString(), " twice"));
      }
      if (absl::Status status = CheckBucket(map, entry->first, key); !status.ok()) return status;
    }
    return map;
  }

 private:
  static absl::Status VisitEntries(const void* object, EntryVisitor visit) {
    for (const auto& [key, value] : *static_cast<const T*>(object)) {
      absl::Status status = VisitEntry(key, value, visit);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }
  // std::hash is no secret: a peer can choose keys that all fall into one bucket.
  static absl::Status CheckBucket([[maybe_unused]] const T& map, [[maybe_unused]] const Key& key,
                                  [[maybe_unused]] const Value& name) {
    if constexpr (requires { map.bucket_size(map.bucket(key)); }) {
      constexpr size_t kMostInABucket = 64;
      if (map.bucket_size(map.bucket(key)) > kMostInABucket) {
        return absl::InvalidArgumentError(
            absl::StrCat("more than ", kMostInABucket, " of its keys, ", name.DebugString(),
                         " among them, have the same hash: take it as a std::map"));
      }
    }
    return absl::OkStatus();
  }
  static absl::Status VisitEntry(const Key& key, const Mapped& value, EntryVisitor visit) {
    return VisitValue(value, [&](AnyRef model) {
      if constexpr (std::is_enum_v<Key>) {
        return visit(Value(static_cast<std::underlying_type_t<Key>>(key)), model);
      } else {
        return visit(Value(key), model);
      }
    });
  }
};

template <typename... T>
struct Binding<std::variant<T...>> {
  using Variant = std::variant<T...>;
  static constexpr bool kComposite = true;
  static constexpr bool kOwnsItsBytes = (Binding<T>::kOwnsItsBytes && ...);

  static absl::Status Visit(const Variant& variant, ModelVisitor visit) {
    if (variant.valueless_by_exception()) {
      return absl::InvalidArgumentError("it is a variant without a value");
    }
    return visit(AnyRef::To(VariantRef{
        .alternative = variant.index(), .object = &variant, .visit_value = &VisitAlternative}));
  }
  static absl::StatusOr<Variant> Make(const Object& object) {
    const DynamicVariant* variant = object.get<DynamicVariant>();
    if (variant == nullptr) return WrongModel(object, "a variant");
    return MakeAlternative(*variant, std::index_sequence_for<T...>());
  }

 private:
  static absl::Status VisitAlternative(const void* object, ModelVisitor visit) {
    return std::visit([&](const auto& value) { return VisitValue(value, visit); },
                      *static_cast<const Variant*>(object));
  }
  template <size_t... kIndex>
  static absl::StatusOr<Variant> MakeAlternative(const DynamicVariant& from,
                                                 std::index_sequence<kIndex...>) {
    absl::StatusOr<Variant> variant = absl::InvalidArgumentError(
        absl::StrCat("it is alternative ", from.alternative, " of a variant that has ",
                     sizeof...(T), " here: are both sides of the same version?"));
    ((kIndex == from.alternative ? void(variant = MakeIndex<kIndex>(from.value)) : void()), ...);
    return variant;
  }
  template <size_t kIndex>
  static absl::StatusOr<Variant> MakeIndex(const Object& object) {
    using Alternative = std::variant_alternative_t<kIndex, Variant>;
    absl::StatusOr<Alternative> made = MakeValue<Alternative>(object);
    if (!made.ok()) return InContext(absl::StrCat("alternative ", kIndex), made.status());
    return Variant(std::in_place_index<kIndex>, *std::move(made));
  }
};

}  // namespace slabpipe

#endif  // SLABPIPE_CODEC_COMPOSITE_BINDING_H_
