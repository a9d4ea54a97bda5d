// Environment: what a worker runs in, under a name: program, variables, folder, limits.
//
//   Environment r = {.name = "r-4.3",
//                    .program = "r_worker",
//                    .variables = {{"R_HOME", "/opt/R/4.3"}, {"LD_PRELOAD", std::nullopt}},
//                    .limits = {.memory_bytes = uint64_t{8} << 30}};
//   absl::StatusOr<std::string> text = r.ToJson();
//   absl::StatusOr<Environment> again = Environment::FromJson(*text, "r.json");
//
// As JSON, all keys but "name" optional:
//
//   {
//     "name": "r-4.3",
//     "program": "r_worker",
//     "arguments": ["--quiet"],
//     "variables": {"R_HOME": "/opt/R/4.3", "LD_PRELOAD": null},       null: unset
//     "working_directory": "/srv/fits",
//     "start_up_targets": ["stats.warm_up"],
//     "limits": {"memory_bytes": 8589934592, "cpu_time": "1h30m", "open_files": 256,
//                "core_bytes": 0},
//     "niceness": 10
//   }

#ifndef SLABPIPE_SESSION_ENVIRONMENT_H_
#define SLABPIPE_SESSION_ENVIRONMENT_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "slabpipe/session/child_process.h"
#include "slabpipe/session/resource_limits.h"

namespace slabpipe {

// A plain value. What is not set is as the session's options say.
struct Environment {
  std::string name;  // see ValidateEnvironmentName
  std::optional<std::string> program = std::nullopt;
  std::optional<std::vector<std::string>> arguments = std::nullopt;
  // On top of the session's.
  EnvironmentChanges variables = {};
  std::optional<std::string> working_directory = std::nullopt;
  // Called one after the other, without arguments, when the worker has been started, before it is
  // used. An error of one of them is an error of the start.
  std::optional<std::vector<std::string>> start_up_targets = std::nullopt;
  // Each limit by itself.
  ResourceLimits limits = {};
  std::optional<int> niceness = std::nullopt;

  // INVALID_ARGUMENT; the message begins with where it is, as a JSON pointer (RFC 6901), and says
  // what would be right: "/limits/open_files is 0; it is 1 at least, ...".
  absl::Status Validate() const;

  // Validates. INVALID_ARGUMENT as above, also for what is not UTF-8.
  absl::StatusOr<std::string> ToJson() const;
  // `origin` is what errors call the text: a file's name. `name` is what the environment is called;
  // the text need not repeat it, but not contradict it. If it is empty, the text has to say it.
  // INVALID_ARGUMENT, "ORIGIN: /limits/cpu_time is 5; ...", for what is no JSON, for unknown keys,
  // keys that are there twice, wrong types, and what Validate refuses.
  static absl::StatusOr<Environment> FromJson(absl::string_view text, absl::string_view origin,
                                              absl::string_view name = "");

  friend bool operator==(const Environment&, const Environment&) = default;
};

// INVALID_ARGUMENT for names of variables that are none, or slabpipe's own, and for texts that have
// a NUL, which no program would see. The message begins with `where`: "/variables/A=B is no name".
absl::Status ValidateVariables(absl::string_view where, const EnvironmentChanges& variables);
absl::Status ValidateTexts(absl::string_view where, const std::vector<std::string>& texts);

// INVALID_ARGUMENT unless it is a file's name that needs no quoting: 1 to 64 letters, digits, '.',
// '_', '-'; the first of them a letter or a digit.
absl::Status ValidateEnvironmentName(absl::string_view name);

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_ENVIRONMENT_H_
