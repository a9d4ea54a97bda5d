#include "slabpipe/session/find_program.h"

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "slabpipe/session/handshake.h"

namespace slabpipe {
namespace {

namespace fs = std::filesystem;

bool IsProgram(const std::string& path) {
  std::error_code error;
  return ::access(path.c_str(), X_OK) == 0 && fs::is_regular_file(path, error);
}

bool Exists(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

std::vector<std::string> Folders(const char* path) {
  return absl::StrSplit(path == nullptr ? "" : path, ':', absl::SkipEmpty());
}

// The folders in `folder`, sorted.
std::vector<fs::path> FoldersIn(const std::string& folder) {
  std::vector<fs::path> folders;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code unknown;
    if (entry->is_directory(unknown)) folders.push_back(entry->path());
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

// The folder of this program's package in a workspace of the runfiles: of those folders whose
// path's end is the end of the executable's, the one with the longest that holds such a program.
fs::path OwnPackage(const fs::path& executable, const fs::path& workspace) {
  const fs::path folder = executable.parent_path().relative_path();
  for (auto begin = folder.begin(); begin != folder.end(); ++begin) {
    fs::path package = workspace;
    for (auto part = begin; part != folder.end(); ++part) package /= *part;
    if (Exists(package / executable.filename())) return package;
  }
  return Exists(workspace / executable.filename()) ? workspace : fs::path();
}

void AddRunfiles(const std::string& name, const std::string& runfiles, const fs::path& executable,
                 std::vector<fs::path>& places) {
  places.push_back(fs::path(runfiles) / name);
  const std::vector<fs::path> workspaces = FoldersIn(runfiles);
  for (const fs::path& workspace : workspaces) places.push_back(workspace / name);
  for (const fs::path& workspace : workspaces) {
    if (executable.empty()) continue;
    const fs::path package = OwnPackage(executable, workspace);
    if (!package.empty()) places.push_back(package / name);
  }
}

void AddInstalled(const std::string& name, const fs::path& executable,
                  std::vector<fs::path>& places) {
  const fs::path folder = executable.parent_path();
  if (folder.filename() != "bin" && folder.filename() != "sbin") return;
  const fs::path prefix = folder.parent_path();
  const fs::path app = executable.filename();
  places.push_back(prefix / "libexec" / name);
  places.push_back(prefix / "libexec" / app / name);
  places.push_back(prefix / "lib" / app / name);
}

bool IsTakenAsItStands(absl::string_view name) {
  return absl::StartsWith(name, "/") || absl::StartsWith(name, "./") ||
         absl::StartsWith(name, "../");
}

std::string Describe(const std::string& place) {
  std::string text = absl::StrCat("\n  ", place);
  std::error_code error;
  if (place[0] != '/') absl::StrAppend(&text, ", seen from ", fs::current_path(error).string());
  if (Exists(place)) absl::StrAppend(&text, " (is no executable file)");
  return text;
}

}  // namespace

std::string ReadableProgram(absl::string_view program) {
  std::error_code error;
  if (program != kThisProgram) return std::string(program);
  const fs::path executable = fs::read_symlink(kThisProgram, error);
  return error ? kThisProgram : executable.string();
}

ProgramRoots RootsOfThisProcess() {
  ProgramRoots roots;
  std::error_code error;
  const fs::path executable = fs::read_symlink(kThisProgram, error);
  for (const char* variable : {"RUNFILES_DIR", "TEST_SRCDIR"}) {
    const char* folder = ::getenv(variable);
    if (folder != nullptr && *folder != '\0') roots.runfiles.push_back(folder);
  }
  if (!error) {
    roots.executable = executable.string();
    roots.runfiles.push_back(roots.executable + ".runfiles");
  }
  roots.path = Folders(::getenv("PATH"));
  return roots;
}

std::vector<std::string> ProgramPlaces(absl::string_view program, const ProgramRoots& roots) {
  const std::string name(program);
  if (IsTakenAsItStands(name)) return {name};
  const bool is_path = absl::StrContains(name, '/');
  const fs::path executable = roots.executable;
  std::vector<fs::path> places;
  if (is_path) places.push_back(name);
  if (!executable.empty()) places.push_back(executable.parent_path() / name);
  for (const std::string& runfiles : roots.runfiles) {
    AddRunfiles(name, runfiles, executable, places);
  }
  if (!executable.empty()) AddInstalled(name, executable, places);
  for (const std::string& folder : roots.path) {
    if (!is_path) places.push_back(fs::path(folder) / name);
  }
  std::vector<std::string> unique;
  for (const fs::path& place : places) {
    if (std::find(unique.begin(), unique.end(), place.string()) == unique.end()) {
      unique.push_back(place.string());
    }
  }
  return unique;
}

absl::StatusOr<std::string> FindProgram(absl::string_view program) {
  return FindProgram(program, RootsOfThisProcess());
}

absl::StatusOr<std::string> FindProgram(absl::string_view program, const ProgramRoots& roots) {
  if (program.empty()) {
    return absl::InvalidArgumentError("no worker program is named (SessionOptions::program)");
  }
  if (program == kThisProgram && ::getenv(kDescriptorVariable) != nullptr) {
    return absl::FailedPreconditionError(
        "this process was started as a worker, and would start itself once more as one: "
        "slabpipe::ServeIfWorker belongs at the top of its main()");
  }
  std::string looked_at;
  for (std::string& place : ProgramPlaces(program, roots)) {
    if (IsProgram(place)) return std::move(place);
    looked_at += Describe(place);
  }
  return absl::NotFoundError(
      absl::StrCat("the worker program '", program, "' was not found; looked at:", looked_at));
}

}  // namespace slabpipe
