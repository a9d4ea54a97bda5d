// TargetTable: the functions that a worker offers, by name, and how arguments find their
// parameters.

#ifndef SLABPIPE_SESSION_TARGET_H_
#define SLABPIPE_SESSION_TARGET_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "slabpipe/codec/object.h"
#include "slabpipe/codec/value.h"
#include "slabpipe/session/function.h"
#include "slabpipe/session/target_info.h"

namespace slabpipe {

// A parameter's name and, if it may be left out, its value then.
struct Param {
  Param(const char* name) : name(name) {}
  Param(const char* name, Value default_value)
      : name(name), default_value(std::move(default_value)) {}

  std::string name;
  std::optional<Value> default_value;
};

// An argument as it arrived.
struct NamedObject {
  std::string name;  // empty: by position
  Object value;
};

class Target {
 public:
  Target(TargetInfo info, Function function, std::vector<Param> params);

  const TargetInfo& info() const { return info_; }
  const Function& function() const { return function_; }
  const std::vector<std::string>& parameter_names() const { return names_; }
  // One object for each parameter, in order. INVALID_ARGUMENT, with the signature, for an argument
  // that is missing, too many, unknown (with the name that was meant, if there is one near), given
  // twice, or positional behind a named one.
  absl::StatusOr<std::vector<Object>> Bind(std::vector<NamedObject> arguments) const;

 private:
  // The parameter that argument `index` is for.
  absl::StatusOr<size_t> PlaceOf(absl::Span<const NamedObject> arguments, size_t index) const;
  absl::Status NoParameter(absl::string_view name) const;
  // Takes the defaults of parameters that nothing was given for.
  absl::Status FillIn(std::vector<std::optional<Object>>& bound) const;

  TargetInfo info_;
  Function function_;
  std::vector<Param> params_;
  std::vector<std::string> names_;
};

// Filled first, then used: while nobody adds, thread-safe.
class TargetTable {
 public:
  // INVALID_ARGUMENT for names that are none (target_name.h), params that are not as many as the
  // function's or have one name twice, a default that its parameter does not take, and for what is
  // above the limits of target_info.h; ALREADY_EXISTS.
  absl::Status Add(std::string name, Function function, std::string documentation,
                   std::vector<Param> params);
  // NOT_FOUND says which one may have been meant, or else lists the targets there are.
  absl::StatusOr<const Target*> Find(absl::string_view name) const;
  // In the order in which they were added.
  std::vector<const Target*> all() const;

 private:
  std::vector<std::unique_ptr<const Target>> targets_;  // in the order in which they were added
  absl::flat_hash_map<std::string, const Target*> by_name_;
  size_t text_bytes_ = 0;
};

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_TARGET_H_
