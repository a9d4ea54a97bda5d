// TargetTable: the functions that a worker offers, by name, and how arguments find their
// parameters.

#ifndef SLABPIPE_SESSION_TARGET_H_
#define SLABPIPE_SESSION_TARGET_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "slabpipe/codec/object.h"
#include "slabpipe/codec/value.h"
#include "slabpipe/session/function.h"

namespace slabpipe {

// A parameter's name and, if it may be left out, its value then.
struct Param {
  Param(const char* name) : name(name) {}
  Param(const char* name, Value default_value)
      : name(name), default_value(std::move(default_value)) {}

  std::string name;
  std::optional<Value> default_value;
};

// A target as main sees it.
struct TargetInfo {
  struct Parameter {
    std::string name;  // empty: by position only
    std::string type;  // readable
    bool optional = false;
  };
  std::string name;
  std::string documentation;
  std::vector<Parameter> parameters;
  std::string result;          // readable
  std::string item_type = "";  // of one that yields many results; empty: it yields one

  // "stats.mean(x)": name, parameters, "= ..." where there is a default.
  std::string Signature() const;
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
  // that is missing, too many, unknown, or given twice.
  absl::StatusOr<std::vector<Object>> Bind(std::vector<NamedObject> arguments) const;

 private:
  TargetInfo info_;
  Function function_;
  std::vector<Param> params_;
  std::vector<std::string> names_;
};

// Filled first, then used: while nobody adds, thread-safe.
class TargetTable {
 public:
  // INVALID_ARGUMENT for a name that is none ([A-Za-z0-9_.:], as in `module.function` or
  // `module::Class.method`), or params that are not as many as the function's; ALREADY_EXISTS.
  absl::Status Add(std::string name, Function function, std::string documentation,
                   std::vector<Param> params);
  // NOT_FOUND lists the targets there are.
  absl::StatusOr<const Target*> Find(absl::string_view name) const;
  // In the order in which they were added.
  std::vector<const Target*> all() const;

 private:
  std::vector<std::unique_ptr<const Target>> targets_;  // in the order in which they were added
  absl::flat_hash_map<std::string, const Target*> by_name_;
};

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_TARGET_H_
