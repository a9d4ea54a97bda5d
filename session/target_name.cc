#include "slabpipe/session/target_name.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "slabpipe/codec/text_width.h"

namespace slabpipe {
namespace {

constexpr size_t kShownWidth = 80;

bool BeginsName(char c) { return absl::ascii_isalpha(c) || c == '_'; }
bool GoesOnName(char c) { return absl::ascii_isalnum(c) || c == '_'; }

// What is wrong with one part of a name; empty if nothing is.
std::string FaultOfPart(absl::string_view part) {
  if (part.empty()) return "an empty part";
  const auto bad = std::find_if_not(part.begin(), part.end(), GoesOnName);
  if (bad != part.end()) {
    return absl::StrCat("'", PrintableText(part.substr(bad - part.begin(), 1), kShownWidth),
                        "' in it");
  }
  if (!BeginsName(part[0])) {
    return absl::StrCat("a part, '", PrintableText(part, kShownWidth),
                        "', that begins with a digit");
  }
  return "";
}

std::string FaultOfParts(const std::vector<absl::string_view>& parts) {
  for (const absl::string_view part : parts) {
    if (std::string fault = FaultOfPart(part); !fault.empty()) return fault;
  }
  return "";
}

std::string FaultOfTarget(absl::string_view name) {
  if (name.size() > kMaxNameBytes) return absl::StrCat("more than ", kMaxNameBytes, " bytes");
  if (name.empty()) return "nothing in it";
  if (!absl::StrContains(name, '.')) return "no module";
  const absl::string_view scope = ScopeOfTarget(name);
  const std::vector<absl::string_view> classes = absl::StrSplit(scope, "::");
  std::vector<absl::string_view> parts = absl::StrSplit(classes[0], '.');
  parts.insert(parts.end(), classes.begin() + 1, classes.end());
  parts.push_back(FunctionOfTarget(name));
  return FaultOfParts(parts);
}

std::string FaultOfParameter(absl::string_view name) {
  if (name.size() > kMaxNameBytes) return absl::StrCat("more than ", kMaxNameBytes, " bytes");
  return FaultOfParts(absl::StrSplit(name, '.'));
}

absl::Status ToStatus(absl::string_view name, absl::string_view what, absl::string_view fault,
                      absl::string_view right) {
  if (fault.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("'", PrintableText(name, kShownWidth),
                                                 "' is no name for a ", what, ": it has ", fault,
                                                 "; ", right));
}

}  // namespace

absl::Status CheckTargetName(absl::string_view name) {
  return ToStatus(name, "target", FaultOfTarget(name),
                  "use module.function or module::Class.method, of letters, digits and '_'");
}

absl::Status CheckParameterName(absl::string_view name) {
  return ToStatus(name, "parameter", FaultOfParameter(name),
                  "use letters, digits and '_', a letter or '_' first");
}

absl::string_view ScopeOfTarget(absl::string_view target) {
  const size_t dot = target.rfind('.');
  return dot == absl::string_view::npos ? absl::string_view() : target.substr(0, dot);
}

absl::string_view FunctionOfTarget(absl::string_view target) {
  const size_t dot = target.rfind('.');
  return dot == absl::string_view::npos ? target : target.substr(dot + 1);
}

}  // namespace slabpipe
