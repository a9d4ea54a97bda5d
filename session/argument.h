// Arguments of a call, on main's side.
//
//   session.Call<Dataset>("bayes.fit", table, Named("chains", 4), Named("seed", 7));

#ifndef SLABPIPE_SESSION_ARGUMENT_H_
#define SLABPIPE_SESSION_ARGUMENT_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "slabpipe/codec/binding.h"

namespace slabpipe {

// Any value, borrowed, that a codec may be shown. `name` is empty for one that is given by
// position.
struct ArgumentRef {
  absl::string_view name;
  const void* value = nullptr;
  absl::Status (*visit)(const void* value, ModelVisitor visit) = nullptr;
};

// An argument by name, borrowed: use it in the call itself.
template <typename T>
struct NamedArgument {
  absl::string_view name;
  const T& value;
};

template <typename T>
NamedArgument<T> Named(absl::string_view name, const T& value) {
  return {name, value};
}

// Implementation details only below this line.

namespace internal {

template <typename T>
struct IsStatusOr : std::false_type {};
template <typename T>
struct IsStatusOr<absl::StatusOr<T>> : std::true_type {
  using Value = T;
};

template <typename T>
struct IsUniquePtr : std::false_type {};
template <typename T, typename D>
struct IsUniquePtr<std::unique_ptr<T, D>> : std::true_type {};

template <typename T>
struct IsStdSpan : std::false_type {};
template <typename T, size_t kExtent>
struct IsStdSpan<std::span<T, kExtent>> : std::true_type {};

template <typename T>
struct IsSpan : IsStdSpan<T> {};
template <typename T>
struct IsSpan<absl::Span<T>> : std::true_type {};

// Does not compile for what no codec will be for, and says what would be right. What else has none
// is an error of the call: codecs are registered at run time.
template <typename T>
constexpr bool CanBeSent() {
  static_assert(!IsStatusOr<T>::value, "a StatusOr can't be sent: check that it is ok(); send *x");
  static_assert(!std::is_pointer_v<T> || TextView<T>,
                "a pointer can't be sent: send *p, or numbers as absl::MakeConstSpan(p, count)");
  static_assert(!std::is_null_pointer_v<T> && !std::is_same_v<T, std::nullopt_t>,
                "where there is nothing to be sent, send a slabpipe::Value()");
  static_assert(!IsUniquePtr<T>::value,
                "a std::unique_ptr can't be sent: send *p, or, from a worker, a Handle<T> made of "
                "it: the object stays there");
  static_assert(!std::is_array_v<T> || TextView<T>,
                "an array of C can't be sent: send absl::MakeConstSpan(x), or use a std::array");
  static_assert(!IsStdSpan<T>::value,
                "a std::span can't be sent: send absl::MakeConstSpan(x.data(), x.size())");
  return true;
}

}  // namespace internal

template <typename T>
ArgumentRef ToArgumentRef(const T& value) {
  static_assert(internal::CanBeSent<T>());
  return {.name = "", .value = &value, .visit = [](const void* pointer, ModelVisitor visit) {
            return VisitValue(*static_cast<const T*>(pointer), visit);
          }};
}

template <typename T>
ArgumentRef ToArgumentRef(const NamedArgument<T>& named) {
  ArgumentRef argument = ToArgumentRef(named.value);
  argument.name = named.name;
  return argument;
}

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_ARGUMENT_H_
