// TargetInfo: a function that a worker offers, as its callers see it.
//
//   for (const TargetInfo& target : session.targets()) std::cout << target.Signature() << "\n";
//   // bayes.fit(data: Table, chains: int = 4, seed: int = 0) -> Dataset
//
// Names of types and values are for people (type_name.h), not to be taken apart.

#ifndef SLABPIPE_SESSION_TARGET_INFO_H_
#define SLABPIPE_SESSION_TARGET_INFO_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace slabpipe {

// What a worker may offer, and main listens to.
inline constexpr size_t kMaxTargets = 4096;
inline constexpr size_t kMaxParameters = 255;                      // of a target
inline constexpr size_t kMaxDocumentationBytes = size_t{1} << 14;  // of a target
inline constexpr size_t kMaxTypeNameBytes = size_t{1} << 10;       // and of a default value's text
inline constexpr size_t kMaxTargetsBytes = size_t{8} << 20;        // all texts of all targets

// A value type.
struct TargetInfo {
  struct Parameter {
    std::string name;  // empty: by position only
    std::string type;
    bool optional = false;
    std::string default_value = {};  // of one that is optional, as people write it

    // "chains: int = 4"; one without a name is its type alone.
    std::string Show() const;
  };
  std::string name;
  std::string documentation;
  std::vector<Parameter> parameters;
  std::string result;
  std::string item_type = {};  // of one that yields many results; empty: it yields one

  // In one line: "stats.mean(x: array of float64) -> double".
  std::string Signature() const;
  // Of all texts in it.
  size_t TextBytes() const;
};

// INVALID_ARGUMENT for names that are none or stand twice, and for what is above the limits.
absl::Status CheckTargetInfo(const TargetInfo& info);

namespace internal {
// "; it is bayes.fit(...) -> Dataset", to stand behind an error. Of bounded length.
std::string AndSignature(const TargetInfo& info, absl::string_view error);
}  // namespace internal

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_TARGET_INFO_H_
