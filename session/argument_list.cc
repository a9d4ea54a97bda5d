#include "slabpipe/session/argument_list.h"

namespace slabpipe {

ArgumentList ArgumentList::Of(ValueList positional, ValueMap named) {
  ArgumentList arguments;
  for (Value& value : positional) arguments.Add(Object::Make<Value>(std::move(value)));
  for (const auto& [name, value] : named) arguments.Add(name, Object::Make<Value>(value));
  return arguments;
}

ArgumentList& ArgumentList::Add(absl::string_view name, Object value) {
  owned_.push_back({.name = std::string(name), .value = std::move(value)});
  ArgumentRef ref = ToArgumentRef(owned_.back().value);
  ref.name = owned_.back().name;
  return AddBorrowed(ref);
}

ArgumentList& ArgumentList::AddBorrowed(const ArgumentRef& argument) {
  refs_.push_back(argument);
  return *this;
}

}  // namespace slabpipe
