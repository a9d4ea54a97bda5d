// EnvironmentStore: a user's environments, by name, in files.
//
//   absl::StatusOr<EnvironmentFolders> folders = EnvironmentFolders::OfUser();
//   if (!folders.ok()) return folders.status();
//   const EnvironmentStore store(*folders);
//   absl::Status saved = store.Save({.name = "r-4.3", .program = "r_worker"});
//   absl::StatusOr<Environment> r = store.Load("r-4.3");
//   if (r.ok() && session.Restart(*r).ok()) store.Activate("r-4.3").IgnoreError();
//
// Each environment is a file of JSON (environment.h), which people may write, too:
//   $XDG_CONFIG_HOME/slabpipe/environments/NAME.json       ($HOME/.config/...)
// Which of them was active last is kept in
//   $XDG_STATE_HOME/slabpipe/active_environment            ($HOME/.local/state/...)
//
// Files are replaced as a whole: nobody ever reads half of one, and what can't be written leaves
// the old one as it was. Several threads and processes may use the same folders; of several that
// save one environment at the same time the last wins.

#ifndef SLABPIPE_SESSION_ENVIRONMENT_STORE_H_
#define SLABPIPE_SESSION_ENVIRONMENT_STORE_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "slabpipe/session/environment.h"

namespace slabpipe {

struct EnvironmentFolders {
  std::string environments;  // of the files; made by the first Save
  std::string state;         // of the name of the active one; made by the first Activate

  // As above. Variables that are unset, empty or no absolute path don't count (XDG Base Directory
  // Specification 0.8). FAILED_PRECONDITION if neither they nor HOME say where.
  static absl::StatusOr<EnvironmentFolders> OfUser();
};

// A value: the names of two folders. Thread-safe and process-safe. Every error names the file.
class EnvironmentStore {
 public:
  explicit EnvironmentStore(EnvironmentFolders folders) : folders_(std::move(folders)) {}

  // The names, sorted; whether a file can be read is for Load to say. Files of other names are
  // passed over. Empty if there is no folder yet.
  absl::StatusOr<std::vector<std::string>> List() const;
  // NOT_FOUND, with the names that there are; INVALID_ARGUMENT with the file, the key and what
  // would be right; RESOURCE_EXHAUSTED for a file of more than 1 MiB.
  absl::StatusOr<Environment> Load(absl::string_view name) const;
  // Makes or replaces it. INVALID_ARGUMENT as for Environment::ToJson; RESOURCE_EXHAUSTED if the
  // disk is full; PERMISSION_DENIED. After an error the old one is still there, unless the message
  // says that it is done.
  absl::Status Save(const Environment& environment) const;
  // NOT_FOUND. If it is the active one, none is active then.
  absl::Status Remove(absl::string_view name) const;

  // Remembers that this one was active last. Errors as for Load: it must be there, and be right.
  absl::Status Activate(absl::string_view name) const;
  // None was active last.
  absl::Status Deactivate() const;
  // The one that was active last; nullopt if none was, or if its file has been removed since.
  // INVALID_ARGUMENT if what is kept is no name.
  absl::StatusOr<std::optional<std::string>> Active() const;

  const EnvironmentFolders& folders() const { return folders_; }

 private:
  std::string FileOf(absl::string_view name) const;
  std::string ActiveFile() const;
  absl::Status NotFound(absl::string_view name) const;

  EnvironmentFolders folders_;
};

}  // namespace slabpipe

#endif  // SLABPIPE_SESSION_ENVIRONMENT_STORE_H_
