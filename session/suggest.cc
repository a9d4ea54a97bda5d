#include "slabpipe/session/suggest.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "slabpipe/codec/text_width.h"
#include "slabpipe/session/target_name.h"

namespace slabpipe {
namespace {

constexpr size_t kLongest = 64;
constexpr size_t kShownWidth = 80;

using Row = std::array<size_t, kLongest + 1>;

// So many steps are near: a third of the letters, one of a short name.
size_t NearBound(absl::string_view wanted) {
  return std::max<size_t>(1, std::min<size_t>(4, wanted.size() / 3));
}

// Something of the one must be in the other: `x` is one step from `y`, and nothing like it.
bool IsLike(absl::string_view a, absl::string_view b, size_t distance) {
  return distance < std::max(a.size(), b.size()) || absl::EqualsIgnoreCase(a, b);
}

// The distance of optimal string alignment: no part is changed twice. REQUIRES: neither is longer
// than kLongest.
size_t AlignmentDistance(absl::string_view a, absl::string_view b) {
  Row before = {}, last = {}, row = {};
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({replaced, last[j] + 1, row[j - 1] + 1});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before = std::exchange(last, row);
  }
  return last[b.size()];
}

std::vector<std::string> FirstOf(absl::Span<const absl::string_view> names, size_t most) {
  const auto first = names.subspan(0, std::min(most, names.size()));
  return std::vector<std::string>(first.begin(), first.end());
}

// The names of which `part` is the same as of `wanted`.
template <typename Part>
std::vector<std::string> WithTheSame(absl::string_view wanted,
                                     absl::Span<const absl::string_view> names, size_t most,
                                     Part part) {
  std::vector<absl::string_view> same;
  for (const absl::string_view name : names) {
    const absl::string_view its = part(name);
    if (!its.empty() && absl::EqualsIgnoreCase(its, part(wanted))) same.push_back(name);
  }
  return FirstOf(same, most);
}

}  // namespace

size_t EditDistance(absl::string_view a, absl::string_view b, size_t bound) {
  if (a == b) return 0;
  if (std::max(a.size(), b.size()) > kLongest) return bound + 1;
  if (std::max(a.size(), b.size()) - std::min(a.size(), b.size()) > bound) return bound + 1;
  const std::string small_a = absl::AsciiStrToLower(a);
  const std::string small_b = absl::AsciiStrToLower(b);
  const size_t distance = std::max<size_t>(1, AlignmentDistance(small_a, small_b));
  return std::min(distance, bound + 1);
}

std::vector<std::string> SuggestNames(absl::string_view wanted,
                                      absl::Span<const absl::string_view> names, size_t most) {
  const size_t bound = NearBound(wanted);
  std::vector<std::pair<size_t, absl::string_view>> near;
  for (const absl::string_view name : names) {
    const size_t distance = EditDistance(wanted, name, bound);
    if (distance <= bound && IsLike(wanted, name, distance)) near.emplace_back(distance, name);
  }
  std::stable_sort(near.begin(), near.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> suggestions;
  for (const auto& [distance, name] : near) {
    const bool as_near = distance <= near[0].first + 1;
    if (as_near && suggestions.size() < most) suggestions.emplace_back(name);
  }
  return suggestions;
}

std::vector<std::string> SuggestTargets(absl::string_view wanted,
                                        absl::Span<const absl::string_view> names, size_t most) {
  std::vector<std::string> suggestions = SuggestNames(wanted, names, most);
  if (suggestions.empty()) suggestions = WithTheSame(wanted, names, most, FunctionOfTarget);
  if (suggestions.empty()) suggestions = WithTheSame(wanted, names, most, ScopeOfTarget);
  return suggestions;
}

std::string DidYouMean(absl::Span<const std::string> suggestions) {
  if (suggestions.empty()) return "";
  std::string text = "; did you mean ";
  for (size_t i = 0; i < suggestions.size(); ++i) {
    const bool last = i + 1 == suggestions.size();
    absl::StrAppend(&text,
                    i == 0 ? ""
                    : last ? " or "
                           : ", ",
                    "'", PrintableText(suggestions[i], kShownWidth), "'");
  }
  return absl::StrCat(text, "?");
}

std::string ListNames(absl::Span<const absl::string_view> names, size_t most) {
  std::string text;
  for (const absl::string_view name : names.subspan(0, std::min(most, names.size()))) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", PrintableText(name, kShownWidth));
  }
  if (names.size() > most) absl::StrAppend(&text, " and ", names.size() - most, " more");
  return text;
}

absl::Status NoTarget(absl::string_view wanted, absl::Span<const absl::string_view> names) {
  const std::vector<std::string> suggestions = SuggestTargets(wanted, names);
  std::string there = DidYouMean(suggestions);
  if (names.empty()) there = "; it has none at all";
  if (there.empty()) there = absl::StrCat("; there are ", ListNames(names));
  return absl::NotFoundError(
      absl::StrCat("the worker has no target '", PrintableText(wanted, kShownWidth), "'", there));
}

}  // namespace slabpipe
