#include "slabpipe/session/environment_store.h"

#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "slabpipe/session/atomic_file.h"

namespace slabpipe {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxFileBytes = 1 << 20;
constexpr char kSuffix[] = ".json";

// An absolute path that a variable holds; empty if it holds none.
std::string AbsolutePath(const char* variable) {
  const char* path = ::getenv(variable);
  return path != nullptr && path[0] == '/' ? path : "";
}

absl::StatusOr<std::string> BaseFolder(const char* variable, absl::string_view below_home) {
  if (std::string folder = AbsolutePath(variable); !folder.empty()) return folder;
  const std::string home = AbsolutePath("HOME");
  if (!home.empty()) return absl::StrCat(home, "/", below_home);
  return absl::FailedPreconditionError(absl::StrCat("there is no folder for environments: neither ",
                                                    variable, " nor HOME is an absolute path"));
}

}  // namespace

absl::StatusOr<EnvironmentFolders> EnvironmentFolders::OfUser() {
  absl::StatusOr<std::string> config = BaseFolder("XDG_CONFIG_HOME", ".config");
  if (!config.ok()) return config.status();
  absl::StatusOr<std::string> state = BaseFolder("XDG_STATE_HOME", ".local/state");
  if (!state.ok()) return state.status();
  return EnvironmentFolders{.environments = *config + "/slabpipe/environments",
                            .state = *state + "/slabpipe"};
}

std::string EnvironmentStore::FileOf(absl::string_view name) const {
  return absl::StrCat(folders_.environments, "/", name, kSuffix);
}

std::string EnvironmentStore::ActiveFile() const { return folders_.state + "/active_environment"; }

absl::StatusOr<std::vector<std::string>> EnvironmentStore::List() const {
  std::vector<std::string> names;
  std::error_code error;
  fs::directory_iterator entry(folders_.environments, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    const std::string file = entry->path().filename().string();
    absl::string_view name = file;
    if (absl::ConsumeSuffix(&name, kSuffix) && ValidateEnvironmentName(name).ok()) {
      names.emplace_back(name);
    }
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    return absl::ErrnoToStatus(error.value(), absl::StrCat("can't list ", folders_.environments));
  }
  std::sort(names.begin(), names.end());
  return names;
}

absl::Status EnvironmentStore::NotFound(absl::string_view name) const {
  const std::vector<std::string> names = List().value_or(std::vector<std::string>());
  return absl::NotFoundError(
      absl::StrCat("there is no environment '", name, "' (", FileOf(name), "); there ",
                   names.empty() ? "are none" : absl::StrCat("are: ", absl::StrJoin(names, ", "))));
}

absl::StatusOr<Environment> EnvironmentStore::Load(absl::string_view name) const {
  if (absl::Status valid = ValidateEnvironmentName(name); !valid.ok()) return valid;
  absl::StatusOr<std::string> text = ReadSmallFile(FileOf(name), kMaxFileBytes);
  if (absl::IsNotFound(text.status())) return NotFound(name);
  if (!text.ok()) return text.status();
  return Environment::FromJson(*text, FileOf(name), name);
}

absl::Status EnvironmentStore::Save(const Environment& environment) const {
  absl::StatusOr<std::string> text = environment.ToJson();
  if (!text.ok()) {
    return absl::Status(text.status().code(), absl::StrCat("the environment '", environment.name,
                                                           "': ", text.status().message()));
  }
  if (text->size() > kMaxFileBytes) {
    return absl::InvalidArgumentError(absl::StrCat("the environment '", environment.name,
                                                   "' takes more than ", kMaxFileBytes, " bytes"));
  }
  return WriteFileAtomically(FileOf(environment.name), *text);
}

absl::Status EnvironmentStore::Remove(absl::string_view name) const {
  if (absl::Status valid = ValidateEnvironmentName(name); !valid.ok()) return valid;
  const absl::StatusOr<std::optional<std::string>> active = Active();
  absl::Status removed = RemoveFile(FileOf(name));
  if (absl::IsNotFound(removed)) return NotFound(name);
  if (removed.ok() && active.ok() && *active == name) return Deactivate();
  return removed;
}

absl::Status EnvironmentStore::Activate(absl::string_view name) const {
  if (absl::Status there = Load(name).status(); !there.ok()) return there;
  return WriteFileAtomically(ActiveFile(), absl::StrCat(name, "\n"));
}

absl::Status EnvironmentStore::Deactivate() const {
  absl::Status removed = RemoveFile(ActiveFile());
  return absl::IsNotFound(removed) ? absl::OkStatus() : removed;
}

absl::StatusOr<std::optional<std::string>> EnvironmentStore::Active() const {
  absl::StatusOr<std::string> text = ReadSmallFile(ActiveFile(), kMaxFileBytes);
  if (absl::IsNotFound(text.status())) return std::nullopt;
  if (!text.ok()) return text.status();
  const std::string name(absl::StripSuffix(*text, "\n"));
  if (absl::Status valid = ValidateEnvironmentName(name); !valid.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(ActiveFile(), ": ", valid.message()));
  }
  std::error_code error;
  if (!fs::exists(FileOf(name), error)) return std::nullopt;
  return name;
}

}  // namespace slabpipe
