// Names of types and looks of values, for people: in signatures, descriptions and errors.
//
//   ReadableTypeName<NdArray<const double>>()                      "array of float64"
//   ReadableTypeName<std::map<std::string, std::vector<int>>>()    "map of text to array of int32"
//   ReadableTypeName<Table>()                                      "Table"
//   DescribeObject(object)                                         text "four"
//
// A type of your own has its C++ name. Give it another one where that is noise:
//
//   template <>
//   inline constexpr absl::string_view slabpipe::kTypeName<Eigen::MatrixXd> = "matrix";

#ifndef SLABPIPE_SESSION_TYPE_NAME_H_
#define SLABPIPE_SESSION_TYPE_NAME_H_

#include <array>
#include <concepts>
#include <cstddef>
#include <memory>
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
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "slabpipe/codec/binding.h"
#include "slabpipe/codec/handle.h"
#include "slabpipe/codec/ndarray.h"
#include "slabpipe/codec/object.h"
#include "slabpipe/codec/value.h"

namespace slabpipe {

// A type's name for people, if it is not to be its C++ name.
template <typename T>
inline constexpr absl::string_view kTypeName = "";

// Of a parameter or a result, without const and references. A result that is void, or nothing but a
// status, is "nothing".
template <typename T>
std::string ReadableTypeName();

// A value in one line of at most about `width` places, whatever is in it: 4, "four", [1, 2, ...].
std::string ShowValue(const Value& value, size_t width = 60);

// What an object is and, if that is short, its value: text "four", int 4, array of float64
// (2, 3). Safe to be printed, whatever is in it, and of bounded length.
std::string DescribeObject(const Object& object);

// Implementation details only below this line.

namespace internal {

// A name as the compiler spells it, without this library's namespace and what standard libraries
// add to theirs.
std::string PlainTypeName(absl::string_view name);

std::string JoinTypeNames(absl::string_view separator, std::vector<std::string> names);

template <typename T>
struct NameOfType {
  static std::string Get() { return PlainTypeName(TypeId::Of<T>().name()); }
};

template <Number T>
struct NameOfType<T> {
  static std::string Get() {
    if constexpr (std::same_as<T, bool>) {
      return "bool";
    } else if constexpr (std::floating_point<T>) {
      return sizeof(T) == sizeof(double) ? "double" : "float";
    } else {
      const bool is_int = std::is_signed_v<T> && sizeof(T) == sizeof(int);
      return absl::StrCat(std::is_signed_v<T> ? "" : "u", "int",
                          is_int ? "" : absl::StrCat(8 * sizeof(T)));
    }
  }
};

template <typename T>
requires TextView<T> || std::same_as<T, std::string>
struct NameOfType<T> {
  static std::string Get() { return "text"; }
};

template <typename T>
requires std::is_void_v<T> || std::same_as<T, std::monostate> || std::same_as<T, absl::Status>
struct NameOfType<T> {
  static std::string Get() { return "nothing"; }
};

template <>
struct NameOfType<Bytes> {
  static std::string Get() { return "bytes"; }
};
template <>
struct NameOfType<Value> {
  static std::string Get() { return "small value"; }
};
template <>
struct NameOfType<ValueList> {
  static std::string Get() { return "list of small values"; }
};
template <>
struct NameOfType<ValueMap> {
  static std::string Get() { return "map of text to small value"; }
};
template <>
struct NameOfType<Object> {
  static std::string Get() { return "anything"; }
};
template <>
struct NameOfType<AnyNdArray> {
  static std::string Get() { return "array"; }
};

template <typename T>
struct NameOfType<NdArray<T>> {
  static std::string Get() { return absl::StrCat("array of ", kElementTypeOf<T>.name()); }
};
template <typename T>
struct NameOfType<absl::Span<T>> : NameOfType<NdArray<T>> {};

template <typename T>
requires(!std::same_as<T, Value>) struct NameOfType<std::vector<T>> {
  static std::string Get() {
    if constexpr (ArrayElement<T>) {
      return NameOfType<NdArray<T>>::Get();
    } else {
      return absl::StrCat("list of ", ReadableTypeName<T>());
    }
  }
};
template <typename T, size_t kSize>
struct NameOfType<std::array<T, kSize>> {
  static std::string Get() {
    return absl::StrCat(ReadableTypeName<std::vector<T>>(), " [", kSize, "]");
  }
};

template <typename... T>
struct NameOfType<std::tuple<T...>> {
  static std::string Get() {
    return absl::StrCat("(", JoinTypeNames(", ", {ReadableTypeName<T>()...}), ")");
  }
};
template <typename A, typename B>
struct NameOfType<std::pair<A, B>> : NameOfType<std::tuple<A, B>> {};

template <typename... T>
struct NameOfType<std::variant<T...>> {
  static std::string Get() { return JoinTypeNames(" or ", {ReadableTypeName<T>()...}); }
};
template <typename T>
struct NameOfType<std::optional<T>> : NameOfType<std::variant<T, std::monostate>> {};

template <MapType T>
requires MapKey<typename T::key_type>
struct NameOfType<T> {
  static std::string Get() {
    return absl::StrCat("map of ", ReadableTypeName<typename T::key_type>(), " to ",
                        ReadableTypeName<typename T::mapped_type>());
  }
};

template <typename T>
requires(!std::is_void_v<T>) struct NameOfType<Handle<T>> {
  static std::string Get() { return absl::StrCat("Handle<", ReadableTypeName<T>(), ">"); }
};
template <typename T>
struct NameOfType<std::shared_ptr<T>> : NameOfType<Handle<T>> {};

template <typename T>
struct NameOfType<absl::StatusOr<T>> {
  static std::string Get() { return ReadableTypeName<T>(); }
};
template <typename T>
struct NameOfType<Leased<T>> {
  static std::string Get() { return ReadableTypeName<T>(); }
};

}  // namespace internal

template <typename T>
std::string ReadableTypeName() {
  using Plain = std::remove_cvref_t<T>;
  if constexpr (!kTypeName<Plain>.empty()) {
    return std::string(kTypeName<Plain>);
  } else {
    return internal::NameOfType<Plain>::Get();
  }
}

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_TYPE_NAME_H_
