// Names of targets and of their parameters.
//
//   target = scope "." name           stats.mean, py.signal.filter
//   scope  = name *("." name) ["::" name *("::" name)]
//                                     stats, py.signal, bayes::Model
//   name   = letter or "_", then letters, digits, "_"
//
//   absl::Status status = CheckTargetName("stats.mean");
//   ScopeOfTarget("bayes::Model.fit")       "bayes::Model"
//   FunctionOfTarget("bayes::Model.fit")    "fit"
//
// A parameter's name is a name, in which dots may be, too (na.rm). Letters are those of ASCII; no
// name is longer than kMaxNameBytes.

#ifndef SLABPIPE_SESSION_TARGET_NAME_H_
#define SLABPIPE_SESSION_TARGET_NAME_H_

#include <cstddef>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace slabpipe {

inline constexpr size_t kMaxNameBytes = 255;

// INVALID_ARGUMENT says what is wrong with it, and what would be right.
absl::Status CheckTargetName(absl::string_view name);
absl::Status CheckParameterName(absl::string_view name);

// What stands before and behind the last dot. Without one, the scope is empty. Of any text.
absl::string_view ScopeOfTarget(absl::string_view target);
absl::string_view FunctionOfTarget(absl::string_view target);

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_TARGET_NAME_H_
