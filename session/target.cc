#include "slabpipe/session/target.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "slabpipe/codec/text_width.h"
#include "slabpipe/session/suggest.h"
#include "slabpipe/session/type_name.h"

namespace slabpipe {
namespace {

constexpr size_t kShownWidth = 80;

std::string Quoted(absl::string_view name) {
  return absl::StrCat("'", PrintableText(name, kShownWidth), "'");
}

TargetInfo::Parameter Describe(const Function& function, size_t index,
                               const std::vector<Param>& params) {
  TargetInfo::Parameter parameter = {.name = "",
                                     .type = CutText(function.parameter_types[index], kShownWidth)};
  if (params.empty()) return parameter;
  parameter.name = params[index].name;
  parameter.optional = params[index].default_value.has_value();
  if (parameter.optional) parameter.default_value = ShowValue(*params[index].default_value);
  return parameter;
}

// The params of a function that takes so many arguments: all are named, and take their defaults.
absl::Status CheckParams(const Function& function, const std::vector<Param>& params) {
  const size_t count = function.parameter_types.size();
  if (params.empty()) return absl::OkStatus();
  if (params.size() != count) {
    return absl::InvalidArgumentError(absl::StrCat("it takes ", count, " arguments, but ",
                                                   params.size(),
                                                   " parameters are named: name all or none"));
  }
  for (size_t i = 0; i < std::min(count, function.parameter_checks.size()); ++i) {
    if (!params[i].default_value.has_value()) continue;
    const Object value = Object::Make<Value>(*params[i].default_value);
    if (absl::Status status = function.parameter_checks[i](value); !status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("the default value of parameter ",
                                                     Quoted(params[i].name), " does not fit: it ",
                                                     status.message()));
    }
  }
  // A name that is left empty would be no mistake of TargetInfo's: such parameters have none.
  const bool nameless =
      std::any_of(params.begin(), params.end(), [](const Param& p) { return p.name.empty(); });
  return nameless ? absl::InvalidArgumentError("a parameter's name is empty") : absl::OkStatus();
}

}  // namespace

Target::Target(TargetInfo info, Function function, std::vector<Param> params)
    : info_(std::move(info)), function_(std::move(function)), params_(std::move(params)) {
  for (const TargetInfo::Parameter& parameter : info_.parameters) names_.push_back(parameter.name);
}

absl::StatusOr<std::vector<Object>> Target::Bind(std::vector<NamedObject> arguments) const {
  std::vector<std::optional<Object>> bound(names_.size());
  absl::Status status;
  for (size_t i = 0; i < arguments.size() && status.ok(); ++i) {
    const absl::StatusOr<size_t> place = PlaceOf(arguments, i);
    if (!place.ok()) {
      status = place.status();
    } else if (bound[*place].has_value()) {
      status = absl::InvalidArgumentError(
          absl::StrCat("parameter ", Quoted(names_[*place]), " is given twice"));
    } else {
      bound[*place] = std::move(arguments[i].value);
    }
  }
  if (status.ok()) status = FillIn(bound);
  if (!status.ok()) {
    return absl::InvalidArgumentError(internal::AndSignature(info_, status.message()));
  }
  std::vector<Object> objects;
  objects.reserve(bound.size());
  for (std::optional<Object>& object : bound) objects.push_back(*std::move(object));
  return objects;
}

absl::StatusOr<size_t> Target::PlaceOf(absl::Span<const NamedObject> arguments,
                                       size_t index) const {
  const std::string& name = arguments[index].name;
  if (!name.empty()) {
    const auto found = std::find(names_.begin(), names_.end(), name);
    if (found == names_.end()) return NoParameter(name);
    return static_cast<size_t>(found - names_.begin());
  }
  if (index > 0 && !arguments[index - 1].name.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("argument ", index + 1,
                                                   " is positional and comes behind a named one, ",
                                                   Quoted(arguments[index - 1].name)));
  }
  if (index < names_.size()) return index;
  return absl::InvalidArgumentError(
      absl::StrCat(arguments.size(), " arguments are too many, it takes ", names_.size()));
}

absl::Status Target::NoParameter(absl::string_view name) const {
  if (params_.empty() && !names_.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("its parameters have no names, and ", Quoted(name), " is given by name"));
  }
  const std::vector<absl::string_view> names(names_.begin(), names_.end());
  return absl::InvalidArgumentError(
      absl::StrCat("there is no parameter ", Quoted(name), DidYouMean(SuggestNames(name, names))));
}

absl::Status Target::FillIn(std::vector<std::optional<Object>>& bound) const {
  std::vector<std::string> missing;
  for (size_t i = 0; i < bound.size(); ++i) {
    if (bound[i].has_value()) continue;
    if (i < params_.size() && params_[i].default_value.has_value()) {
      bound[i] = Object::Make<Value>(*params_[i].default_value);
    } else {
      missing.push_back(internal::InArgument(i, names_));
    }
  }
  if (missing.empty()) return absl::OkStatus();
  const std::vector<absl::string_view> names(missing.begin(), missing.end());
  return absl::InvalidArgumentError(
      absl::StrCat(ListNames(names), names.size() > 1 ? " are" : " is", " missing"));
}

absl::Status TargetTable::Add(std::string name, Function function, std::string documentation,
                              std::vector<Param> params) {
  if (absl::Status status = CheckParams(function, params); !status.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("target ", Quoted(name), ": ", status.message()));
  }
  TargetInfo info = {.name = name,
                     .documentation = std::move(documentation),
                     .parameters = {},
                     .result = CutText(function.result_type, kShownWidth),
                     .item_type = CutText(function.item_type, kShownWidth)};
  for (size_t i = 0; i < function.parameter_types.size(); ++i) {
    info.parameters.push_back(Describe(function, i, params));
  }
  if (absl::Status status = CheckTargetInfo(info); !status.ok()) return status;
  if (by_name_.contains(name)) {
    return absl::AlreadyExistsError(absl::StrCat("there is a target '", name, "' already"));
  }
  text_bytes_ += info.TextBytes();
  if (targets_.size() >= kMaxTargets || text_bytes_ > kMaxTargetsBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("target '", name, "' is too much: a worker has at most ", kMaxTargets,
                     " targets, and ", kMaxTargetsBytes, " bytes of texts about them"));
  }
  targets_.push_back(
      std::make_unique<const Target>(std::move(info), std::move(function), std::move(params)));
  by_name_[std::move(name)] = targets_.back().get();
  return absl::OkStatus();
}

absl::StatusOr<const Target*> TargetTable::Find(absl::string_view name) const {
  const auto found = by_name_.find(name);
  if (found != by_name_.end()) return found->second;
  std::vector<absl::string_view> names;
  for (const auto& target : targets_) names.push_back(target->info().name);
  return NoTarget(name, names);
}

std::vector<const Target*> TargetTable::all() const {
  std::vector<const Target*> all;
  for (const auto& target : targets_) all.push_back(target.get());
  return all;
}

}  // namespace slabpipe
