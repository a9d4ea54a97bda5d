// Which of the names that there are somebody may have meant.
//
//   SuggestNames("chian", {"chains", "seed"})                        {"chains"}
//   DidYouMean(SuggestTargets("stats.maen", names))                 "; did you mean 'stats.mean'?"
//
// Takes time in proportion to the names: long ones are not looked at.

#ifndef SLABPIPE_SESSION_SUGGEST_H_
#define SLABPIPE_SESSION_SUGGEST_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace slabpipe {

// How many letters are to be inserted, left out, replaced, or swapped with their neighbour, to make
// one of the other; at most `bound` + 1. Capital letters instead of small ones, however many, count
// as one.
size_t EditDistance(absl::string_view a, absl::string_view b, size_t bound);

// The names that are near to `wanted`, nearest first, at most `most`, none of them much further
// than the first. None for a name of more than 64 bytes.
std::vector<std::string> SuggestNames(absl::string_view wanted,
                                      absl::Span<const absl::string_view> names, size_t most = 3);

// The same for names of targets: near ones; else the same function in other modules; else the
// functions of the same module.
std::vector<std::string> SuggestTargets(absl::string_view wanted,
                                        absl::Span<const absl::string_view> names, size_t most = 3);

// "; did you mean 'a', 'b' or 'c'?", or nothing if there are none.
std::string DidYouMean(absl::Span<const std::string> suggestions);

// "a, b, c and 17 more": the first `most`, each safe to be printed.
std::string ListNames(absl::Span<const absl::string_view> names, size_t most = 20);

// NOT_FOUND: there is no target of this name among `names`; with what may have been meant, or, if
// nothing is like it, with what there is.
absl::Status NoTarget(absl::string_view wanted, absl::Span<const absl::string_view> names);

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_SUGGEST_H_
