// Function: a C++ function that a worker offers, whatever its parameters and result are.
//
//   Function f = MakeFunction([](const NdArray<const double>& x, int power) { return ...; });
//
// Parameters are taken by value or as const T&, where T is anything that a codec decodes;
// absl::string_view and std::string_view work, too; T& that is not const is an object which stays
// in the worker, and the argument a handle of it (codec/handle.h). So methods are made: &Line::At,
// a pointer to a member function, is one whose first parameter is Line&. The result is void, T,
// absl::Status, or absl::StatusOr<T>. What arrives may only be read: an array parameter is an
// NdArray<const T>. Two kinds of parameters are no arguments, and may stand anywhere: CallContext&
// (who calls, and whether still) and ResultWriter<T>&, for a function that yields many results (its
// own is void or absl::Status then).

#ifndef SLABPIPE_SESSION_FUNCTION_H_
#define SLABPIPE_SESSION_FUNCTION_H_

#include <array>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "slabpipe/codec/binding.h"
#include "slabpipe/codec/handle.h"
#include "slabpipe/codec/object.h"
#include "slabpipe/session/argument.h"
#include "slabpipe/session/call_context.h"
#include "slabpipe/session/type_name.h"

namespace slabpipe {

// Is given the result while it, and the arguments that it may point into, still live.
using ResultSink = absl::FunctionRef<absl::Status(const ArgumentRef& result)>;

struct Function {
  std::vector<std::string> parameter_types;  // readable names
  // Whether a parameter takes this object: OK, or "wants int, got text "four"".
  std::vector<absl::Status (*)(const Object& object)> parameter_checks = {};
  std::string result_type;
  std::string item_type;  // of a function that yields many results; empty: it yields one
  // Converts one object for each parameter, calls, and passes the result on. INVALID_ARGUMENT for
  // an object that does not fit says which parameter it was, what it wants and what it got;
  // `names` are for that message. Lets exceptions of the function pass.
  std::function<absl::Status(CallContext& context, absl::Span<const Object> arguments,
                             absl::Span<const std::string> names, ResultSink sink)>
      call;
};

// Implementation details only below this line.

namespace internal {

// What a parameter of type P is decoded as.
template <typename P>
struct ParameterOf {
  using Plain = std::remove_cvref_t<P>;
  static constexpr bool kIsText =
      std::is_same_v<Plain, absl::string_view> || std::is_same_v<Plain, std::string_view>;
  using Stored = std::conditional_t<kIsText, std::string, Plain>;
  using Held = Decoded<Stored>;

  static const Stored& Get(const Held& held) {
    if constexpr (std::is_same_v<Held, Stored>) {
      return held;
    } else {
      return *held;
    }
  }
};

// An object that stays in the worker.
template <typename T>
requires(!std::is_const_v<T>) struct ParameterOf<T&> {
  using Stored = Handle<T>;
  using Held = Handle<T>;
  static T& Get(const Held& held) { return *held; }
};

// What a parameter of type P is called: T& is the handle that its callers pass.
template <typename P>
std::string ParameterTypeName() {
  return ReadableTypeName<typename ParameterOf<P>::Stored>();
}

// Parameters that are no arguments.
template <typename P>
struct SpecialParameter : std::false_type {};
template <>
struct SpecialParameter<CallContext&> : std::true_type {
  struct Held {
    CallContext& context;
    CallContext& Get() { return context; }
  };
};
template <typename T>
struct SpecialParameter<ResultWriter<T>&> : std::true_type {
  using Item = T;
  struct Held {
    explicit Held(CallContext& context) : writer(context) {}
    ResultWriter<T> writer;
    ResultWriter<T>& Get() { return writer; }
  };
};

template <typename T>
struct IsResultWriter : std::false_type {};
template <typename T>
struct IsResultWriter<ResultWriter<T>> : std::true_type {};

// Does not compile for what no argument arrives as, and says what would be right.
template <typename P>
constexpr bool CanBeParameter() {
  using Plain = std::remove_cvref_t<P>;
  static_assert(!std::is_rvalue_reference_v<P>, "a parameter is a T or a const T&, not a T&&");
  static_assert(!std::is_pointer_v<Plain> && !std::is_null_pointer_v<Plain>,
                "a parameter can't be a pointer: take an absl::string_view, an NdArray<const T>, "
                "or, of an object that stays in the worker, a T&");
  static_assert(!IsUniquePtr<Plain>::value,
                "a parameter can't be a std::unique_ptr: take a T&, the object that stays in the "
                "worker, or a std::shared_ptr<T>, to keep it");
  static_assert(!IsSpan<Plain>::value,
                "a parameter can't be a span, for an array may have gaps: take an NdArray<const T>,"
                " which has a span(), or a std::vector<T>");
  static_assert(!std::is_same_v<CallContext, Plain> || SpecialParameter<P>::value,
                "a function takes its context as CallContext&");
  static_assert(!IsResultWriter<Plain>::value || SpecialParameter<P>::value,
                "a function takes its writer as ResultWriter<T>&");
  return true;
}

// The readable name of the type of items, if P is a ResultWriter.
template <typename P>
std::string ItemTypeOf() {
  if constexpr (requires { typename SpecialParameter<P>::Item; }) {
    return ReadableTypeName<typename SpecialParameter<P>::Item>();
  } else {
    return "";
  }
}

// "parameter 'chains'", or "argument 2" of one that has no name.
std::string InArgument(size_t index, absl::Span<const std::string> names);

// Why an object was not converted: "wants int, got text \"four\"".
absl::Status WrongArgument(absl::string_view wanted, const Object& got, const absl::Status& why);

template <typename P>
absl::Status CheckParameter(const Object& object) {
  const absl::Status status = FromObject<typename ParameterOf<P>::Stored>(object).status();
  return status.ok() ? status : WrongArgument(ParameterTypeName<P>(), object, status);
}

template <typename P>
absl::StatusOr<typename ParameterOf<P>::Held> ConvertArgument(const Object& object, size_t index,
                                                              absl::Span<const std::string> names) {
  auto converted = FromObject<typename ParameterOf<P>::Stored>(object);
  if (converted.ok()) return converted;
  const absl::Status wrong = WrongArgument(ParameterTypeName<P>(), object, converted.status());
  return absl::Status(wrong.code(), absl::StrCat(InArgument(index, names), " ", wrong.message()));
}

template <typename R>
absl::Status PassResult(const R& result, ResultSink sink) {
  if constexpr (std::is_same_v<R, absl::Status>) {
    return result.ok() ? sink(ToArgumentRef(Value())) : result;
  } else if constexpr (IsStatusOr<R>::value) {
    return result.ok() ? sink(ToArgumentRef(*result)) : result.status();
  } else {
    return sink(ToArgumentRef(result));
  }
}

// What a parameter is given: an argument, converted, or what stands for the call. REQUIRES, for
// Get: status() is OK.
template <typename P, bool is_special = SpecialParameter<P>::value>
class HeldParameter {
 public:
  HeldParameter(CallContext&, absl::Span<const Object> arguments, size_t index,
                absl::Span<const std::string> names)
      : held_(ConvertArgument<P>(arguments[index], index, names)) {}
  absl::Status status() const { return held_.status(); }
  decltype(auto) Get() { return ParameterOf<P>::Get(*held_); }

 private:
  absl::StatusOr<typename ParameterOf<P>::Held> held_;
};
template <typename P>
class HeldParameter<P, true> {
 public:
  HeldParameter(CallContext& context, absl::Span<const Object>, size_t,
                absl::Span<const std::string>)
      : held_{context} {}
  absl::Status status() const { return absl::OkStatus(); }
  decltype(auto) Get() { return held_.Get(); }

 private:
  typename SpecialParameter<P>::Held held_;
};

template <typename R, typename... P>
struct FunctionMaker {
  static constexpr size_t kArguments = (size_t{0} + ... + !SpecialParameter<P>::value);
  static constexpr size_t kWriters =
      (size_t{0} + ... + requires { typename SpecialParameter<P>::Item; });
  static constexpr bool kStreams = kWriters > 0;
  static_assert((true && ... && CanBeParameter<P>()));
  static_assert(kWriters <= 1, "a function has one ResultWriter at most");
  static_assert(!kStreams || std::is_void_v<R> || std::is_same_v<R, absl::Status>,
                "a function with a ResultWriter returns void or absl::Status");

  template <typename F>
  static Function Make(F function) {
    Function made;
    (AddParameter<P>(made), ...);
    (made.item_type.append(ItemTypeOf<P>()), ...);
    made.result_type = ReadableTypeName<R>();
    made.call = [function = std::move(function)](
                    CallContext& context, absl::Span<const Object> arguments,
                    absl::Span<const std::string> names, ResultSink sink) mutable {
      return Call(function, context, arguments, names, sink, std::index_sequence_for<P...>());
    };
    return made;
  }

 private:
  template <typename Parameter>
  static void AddParameter(Function& made) {
    if constexpr (!SpecialParameter<Parameter>::value) {
      made.parameter_types.push_back(ParameterTypeName<Parameter>());
      made.parameter_checks.push_back(&CheckParameter<Parameter>);
    }
  }

  // Which argument each parameter takes: the number of arguments before it.
  static constexpr std::array<size_t, sizeof...(P) + 1> Positions() {
    std::array<size_t, sizeof...(P) + 1> positions = {};
    const std::array<bool, sizeof...(P) + 1> special = {SpecialParameter<P>::value..., true};
    for (size_t i = 0, next = 0; i < sizeof...(P); ++i) {
      positions[i] = next;
      if (!special[i]) ++next;
    }
    return positions;
  }

  template <typename F, size_t... I>
  static absl::Status Call(F& function, [[maybe_unused]] CallContext& context,
                           absl::Span<const Object> arguments,
                           [[maybe_unused]] absl::Span<const std::string> names, ResultSink sink,
                           std::index_sequence<I...>) {
    if (arguments.size() != kArguments) {
      return absl::InternalError("as many arguments as parameters are needed");
    }
    [[maybe_unused]] constexpr auto kPositions = Positions();
    std::tuple<HeldParameter<P>...> held(
        HeldParameter<P>(context, arguments, kPositions[I], names)...);
    absl::Status status;
    (status.Update(std::get<I>(held).status()), ...);
    if (!status.ok()) return status;
    if constexpr (std::is_void_v<R>) {
      function(std::get<I>(held).Get()...);
      return sink(ToArgumentRef(Value()));
    } else {
      return PassResult<std::remove_cvref_t<R>>(function(std::get<I>(held).Get()...), sink);
    }
  }
};

// From a callable's type to its result and parameters.
template <typename F>
struct Signature;
template <typename F>
requires requires { &F::operator(); }
struct Signature<F> : Signature<decltype(&F::operator())> {};
template <typename R, typename... P>
struct Signature<R (*)(P...)> : FunctionMaker<R, P...> {};
template <typename R, typename C, typename... P>
struct Signature<R (C::*)(P...)> : FunctionMaker<R, P...> {};
template <typename R, typename C, typename... P>
struct Signature<R (C::*)(P...) const> : FunctionMaker<R, P...> {};
template <typename R, typename... P>
struct Signature<R (*)(P...) noexcept> : FunctionMaker<R, P...> {};
template <typename R, typename C, typename... P>
struct Signature<R (C::*)(P...) noexcept> : FunctionMaker<R, P...> {};
template <typename R, typename C, typename... P>
struct Signature<R (C::*)(P...) const noexcept> : FunctionMaker<R, P...> {};

// The same of a method, whose object is the first parameter.
template <typename F>
struct Method;
template <typename R, typename C, typename... P>
struct Method<R (C::*)(P...)> : FunctionMaker<R, C&, P...> {};
template <typename R, typename C, typename... P>
struct Method<R (C::*)(P...) const> : FunctionMaker<R, C&, P...> {};
template <typename R, typename C, typename... P>
struct Method<R (C::*)(P...) noexcept> : FunctionMaker<R, C&, P...> {};
template <typename R, typename C, typename... P>
struct Method<R (C::*)(P...) const noexcept> : FunctionMaker<R, C&, P...> {};

template <typename F>
concept HasOneSignature = requires {
  &Signature<F>::template Make<F>;
};

}  // namespace internal

// From a function pointer, a lambda, any object with one operator(), or a pointer to a member
// function.
template <typename F>
Function MakeFunction(F function) {
  static_assert(internal::HasOneSignature<F>,
                "what is registered has one signature: put what is generic, overloaded or bound "
                "into a lambda, [](const T& x) { return f(x); }");
  if constexpr (std::is_member_function_pointer_v<F>) {
    return internal::Method<F>::Make(std::mem_fn(function));
  } else if constexpr (internal::HasOneSignature<F>) {
    return internal::Signature<F>::Make(std::move(function));
  } else {
    return Function();
  }
}

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_FUNCTION_H_
