// ArgumentList: the arguments of a call, put together at run time: for bindings to other languages,
// command lines, forms.
//
//   ArgumentList arguments;
//   arguments.Add(ToObject(table));                       // by position
//   arguments.Add("chains", ToObject(Value(4)));          // by name, after those by position
//   absl::StatusOr<Object> fit = session.CallObject({}, "bayes.fit", arguments.refs());
//
//   // Small values only:
//   session.CallObject({}, "bayes.fit", ArgumentList::Of({"model.json"}, {{"chains", 4}}).refs());
//
// What a target takes, to put them together from: session.targets(). Of an Object that comes back,
// get<AnyNdArray>(), get<Table>(), ... tell what it is; ValueOf(object) is any small value. It can
// be an argument of the next call as it is: what lies in shared memory is not copied.

#ifndef SLABPIPE_SESSION_ARGUMENT_LIST_H_
#define SLABPIPE_SESSION_ARGUMENT_LIST_H_

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "slabpipe/codec/binding.h"
#include "slabpipe/codec/object.h"
#include "slabpipe/codec/value.h"
#include "slabpipe/session/argument.h"

namespace slabpipe {

// Owns its values, but for those of AddBorrowed. Movable; thread-compatible. Which arguments a
// target takes is checked by the worker: positional ones behind named ones are an error there.
class ArgumentList {
 public:
  ArgumentList() = default;
  ArgumentList(ArgumentList&&) = default;
  ArgumentList& operator=(ArgumentList&&) = default;

  // Small values: those of the list by position, those of the map by name.
  static ArgumentList Of(ValueList positional, ValueMap named = {});

  // Any value that has been decoded, or that ToObject makes. Without a name: by position.
  ArgumentList& Add(Object value) { return Add("", std::move(value)); }
  ArgumentList& Add(absl::string_view name, Object value);
  // A value, and the name in it, that outlive the list: ToArgumentRef(x), ToArgumentRef(Named(..)).
  ArgumentList& AddBorrowed(const ArgumentRef& argument);

  size_t size() const { return refs_.size(); }
  // For CallObject. Valid as long as the list, until something is added.
  const std::vector<ArgumentRef>& refs() const { return refs_; }

 private:
  struct Owned {
    std::string name;
    Object value;
  };
  std::deque<Owned> owned_;  // stay where they are, also when the list is moved
  std::vector<ArgumentRef> refs_;
};

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_ARGUMENT_LIST_H_
