#include "slabpipe/session/target.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace slabpipe {
namespace {

// How many names an error lists.
constexpr size_t kMostListed = 20;

bool IsTargetName(absl::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_isalnum(c) || c == '_' || c == '.' || c == ':';
  });
}

}  // namespace

std::string TargetInfo::Signature() const {
  std::vector<std::string> parts;
  for (const Parameter& parameter : parameters) {
    const std::string shown = parameter.name.empty() ? parameter.type : parameter.name;
    parts.push_back(absl::StrCat(shown, parameter.optional ? " = ..." : ""));
  }
  return absl::StrCat(name, "(", absl::StrJoin(parts, ", "), ")");
}

Target::Target(TargetInfo info, Function function, std::vector<Param> params)
    : info_(std::move(info)), function_(std::move(function)), params_(std::move(params)) {
  for (const TargetInfo::Parameter& parameter : info_.parameters) names_.push_back(parameter.name);
}

absl::StatusOr<std::vector<Object>> Target::Bind(std::vector<NamedObject> arguments) const {
  const auto bad = [&](const auto&... why) {
    return absl::InvalidArgumentError(absl::StrCat(why..., "; it is ", info_.Signature()));
  };
  std::vector<std::optional<Object>> bound(names_.size());
  for (size_t i = 0; i < arguments.size(); ++i) {
    NamedObject& argument = arguments[i];
    size_t place = i;
    if (argument.name.empty()) {
      if (i >= names_.size()) return bad(arguments.size(), " arguments are too many");
      if (i > 0 && !arguments[i - 1].name.empty()) {
        return bad("argument ", i + 1, " is positional and comes behind a named one");
      }
    } else {
      place = static_cast<size_t>(std::find(names_.begin(), names_.end(), argument.name) -
                                  names_.begin());
      if (place == names_.size()) return bad("there is no parameter '", argument.name, "'");
    }
    if (bound[place].has_value()) return bad("parameter '", names_[place], "' is given twice");
    bound[place] = std::move(argument.value);
  }
  std::vector<Object> objects;
  for (size_t i = 0; i < bound.size(); ++i) {
    const bool has_default = i < params_.size() && params_[i].default_value.has_value();
    if (!bound[i].has_value() && !has_default) {
      return bad(internal::InArgument(i, names_), " is missing");
    }
    objects.push_back(bound[i].has_value() ? *std::move(bound[i])
                                           : Object::Make<Value>(*params_[i].default_value));
  }
  return objects;
}

absl::Status TargetTable::Add(std::string name, Function function, std::string documentation,
                              std::vector<Param> params) {
  if (!IsTargetName(name)) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", name, "' is no name for a target: use module.function"));
  }
  const size_t count = function.parameter_types.size();
  if (!params.empty() && params.size() != count) {
    return absl::InvalidArgumentError(absl::StrCat("target '", name, "' takes ", count,
                                                   " arguments, but ", params.size(),
                                                   " parameters are named"));
  }
  TargetInfo info = {.name = name,
                     .documentation = std::move(documentation),
                     .parameters = {},
                     .result = function.result_type,
                     .item_type = function.item_type};
  for (size_t i = 0; i < count; ++i) {
    const bool named = !params.empty();
    info.parameters.push_back({.name = named ? params[i].name : "",
                               .type = function.parameter_types[i],
                               .optional = named && params[i].default_value.has_value()});
  }
  if (by_name_.contains(name)) {
    return absl::AlreadyExistsError(absl::StrCat("there is a target '", name, "' already"));
  }
  targets_.push_back(
      std::make_unique<const Target>(std::move(info), std::move(function), std::move(params)));
  by_name_[std::move(name)] = targets_.back().get();
  return absl::OkStatus();
}

absl::StatusOr<const Target*> TargetTable::Find(absl::string_view name) const {
  const auto found = by_name_.find(name);
  if (found != by_name_.end()) return found->second;
  std::vector<absl::string_view> listed;
  for (const auto& target : targets_) {
    if (listed.size() < kMostListed) listed.push_back(target->info().name);
  }
  return absl::NotFoundError(absl::StrCat("the worker has no target '", name, "'; there are ",
                                          absl::StrJoin(listed, ", "),
                                          listed.size() < targets_.size() ? ", ..." : ""));
}

std::vector<const Target*> TargetTable::all() const {
  std::vector<const Target*> all;
  for (const auto& target : targets_) all.push_back(target.get());
  return all;
}

}  // namespace slabpipe
