// Arguments of a call, on main's side.
//
//   session.Call<Dataset>("bayes.fit", table, Named("chains", 4), Named("seed", 7));

#ifndef SLABPIPE_SESSION_ARGUMENT_H_
#define SLABPIPE_SESSION_ARGUMENT_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
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

template <typename T>
ArgumentRef ToArgumentRef(const T& value) {
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
