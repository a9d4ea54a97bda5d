// FindProgram: where a worker's program is.
//
//   absl::StatusOr<std::string> path = FindProgram("stats_worker");
//   if (!path.ok()) return path.status();      // NOT_FOUND, with every place that was looked at
//
// An absolute path is taken as it stands, and one that begins with "./" or "../" as seen from here.
// Any other name is looked for, in this order:
//   1. a name with a '/' in it: from this process's folder
//   2. beside this program's executable
//   3. in the runfiles of Bazel, if there are any, under the name itself, in every workspace of
//      theirs ("examples/quickstart/stats_worker"), and in this program's own package there
//   4. if this program is <prefix>/bin/app: <prefix>/libexec/<name>, <prefix>/libexec/app/<name>,
//      <prefix>/lib/app/<name>
//   5. a name without a '/': in the folders of PATH
// The executable is what /proc/self/exe says, links resolved. Thread-safe.

#ifndef SLABPIPE_SESSION_FIND_PROGRAM_H_
#define SLABPIPE_SESSION_FIND_PROGRAM_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace slabpipe {

// This program itself, as it runs now, even if its file has been replaced or removed since: for
// programs that are main and worker in one (session/single_binary.h).
inline constexpr char kThisProgram[] = "/proc/self/exe";

// What people call it: for kThisProgram the path of the executable, others as they are.
std::string ReadableProgram(absl::string_view program);

// Where names are looked for.
struct ProgramRoots {
  std::string executable = {};             // this program's own; empty if not known
  std::vector<std::string> runfiles = {};  // folders that hold one folder for each workspace
  std::vector<std::string> path = {};      // folders
};
// Those of this process: /proc/self/exe; RUNFILES_DIR, TEST_SRCDIR and <executable>.runfiles; PATH.
ProgramRoots RootsOfThisProcess();

// The places where `program` may be, in order. Looks at the runfiles' folders only.
std::vector<std::string> ProgramPlaces(absl::string_view program, const ProgramRoots& roots);

// The first of these that is an executable file. INVALID_ARGUMENT for no name; NOT_FOUND;
// FAILED_PRECONDITION for kThisProgram in a process that was started as a worker and does not
// serve: it would start itself again and again.
absl::StatusOr<std::string> FindProgram(absl::string_view program);
absl::StatusOr<std::string> FindProgram(absl::string_view program, const ProgramRoots& roots);

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_FIND_PROGRAM_H_
