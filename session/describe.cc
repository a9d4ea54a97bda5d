#include "slabpipe/session/describe.h"

#include <algorithm>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "slabpipe/codec/text_width.h"
#include "slabpipe/session/suggest.h"
#include "slabpipe/session/target_name.h"

namespace slabpipe {
namespace {

constexpr size_t kLineWidth = 100;
constexpr size_t kShownWidth = 80;

// "bayes::Model" and "bayes.priors" lie in "bayes"; every module lies in itself.
bool LiesIn(absl::string_view scope, absl::string_view outer) {
  if (!absl::ConsumePrefix(&scope, outer)) return false;
  return scope.empty() || scope[0] == '.' || absl::StartsWith(scope, "::");
}

// Each scope once, in the order of the targets.
std::vector<absl::string_view> ScopesOf(absl::Span<const TargetInfo> targets) {
  std::vector<absl::string_view> scopes;
  absl::flat_hash_set<absl::string_view> seen;
  for (const TargetInfo& target : targets) {
    const absl::string_view scope = ScopeOfTarget(target.name);
    if (seen.insert(scope).second) scopes.push_back(scope);
  }
  return scopes;
}

// A long one with a parameter a line.
std::string ShowSignature(const TargetInfo& target, absl::string_view indent) {
  const std::string line = SafeLine(target.Signature());
  if (target.parameters.empty() || indent.size() + TextWidth(line) <= kLineWidth) {
    return absl::StrCat(indent, line, "\n");
  }
  TargetInfo without = target;
  without.parameters.clear();
  const std::string frame = SafeLine(without.Signature());  // "name() -> result"
  const size_t open = target.name.size() + 1;
  std::vector<std::string> parameters;
  for (const TargetInfo::Parameter& parameter : target.parameters) {
    parameters.push_back(absl::StrCat(indent, "        ", SafeLine(parameter.Show())));
  }
  return absl::StrCat(indent, frame.substr(0, open), "\n", absl::StrJoin(parameters, ",\n"),
                      frame.substr(open), "\n");
}

std::string ShowTarget(const TargetInfo& target, absl::string_view indent) {
  std::string text = ShowSignature(target, indent);
  const std::string documentation = SafeText(target.documentation);
  for (absl::string_view line :
       absl::StrSplit(absl::StripAsciiWhitespace(documentation), '\n', absl::AllowEmpty())) {
    line = absl::StripTrailingAsciiWhitespace(line);
    if (documentation.empty()) break;
    absl::StrAppend(&text, line.empty() ? "" : absl::StrCat(indent, "    ", line), "\n");
  }
  return text;
}

// The targets of the scopes that lie in `outer`; all if that is empty.
std::string ShowScopes(absl::Span<const TargetInfo> targets, absl::string_view outer) {
  std::string text;
  for (const absl::string_view scope : ScopesOf(targets)) {
    if (!outer.empty() && !LiesIn(scope, outer)) continue;
    absl::StrAppend(&text, text.empty() ? "" : "\n", SafeLine(scope), "\n");
    for (const TargetInfo& target : targets) {
      if (ScopeOfTarget(target.name) == scope) absl::StrAppend(&text, ShowTarget(target, "  "));
    }
  }
  return text;
}

}  // namespace

std::string DescribeTargets(absl::Span<const TargetInfo> targets) {
  return ShowScopes(targets, "");
}

absl::StatusOr<std::string> DescribeTargets(absl::Span<const TargetInfo> targets,
                                            absl::string_view name) {
  std::vector<absl::string_view> names = ScopesOf(targets);
  for (const TargetInfo& target : targets) {
    if (target.name == name) return ShowTarget(target, "");
    names.push_back(target.name);
  }
  if (FindModule(targets, name).ok()) return ShowScopes(targets, name);
  return NoTarget(name, names);
}

absl::Status FindModule(absl::Span<const TargetInfo> targets, absl::string_view scope) {
  const std::vector<absl::string_view> scopes = ScopesOf(targets);
  const bool found =
      !scope.empty() && std::any_of(scopes.begin(), scopes.end(),
                                    [&](absl::string_view s) { return LiesIn(s, scope); });
  if (found) return absl::OkStatus();
  std::string there = DidYouMean(SuggestNames(scope, scopes));
  if (there.empty()) there = absl::StrCat("; there are ", ListNames(scopes));
  if (scopes.empty()) there = "; it has no targets at all";
  return absl::NotFoundError(
      absl::StrCat("the worker has no module '", PrintableText(scope, kShownWidth), "'", there));
}

}  // namespace slabpipe
