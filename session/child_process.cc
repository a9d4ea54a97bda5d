#include "slabpipe/session/child_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "slabpipe/session/find_program.h"

extern char** environ;

namespace slabpipe {
namespace {

// The numbers below this are free to be given to the child's descriptors.
constexpr int kFirstFreeNumber = 10;

// glibc has these from 2.36 on; by number they work with every C library.
int PidfdOpen(pid_t pid) { return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)); }
constexpr idtype_t kPidfd = static_cast<idtype_t>(3);  // P_PIDFD, waitid(2)

// What posix_spawn needs, destroyed together.
class SpawnAttributes {
 public:
  SpawnAttributes() {
    ::posix_spawnattr_init(&attributes);
    ::posix_spawn_file_actions_init(&actions);
    sigset_t all;
    ::sigfillset(&all);
    sigset_t none;
    ::sigemptyset(&none);
    ::posix_spawnattr_setsigdefault(&attributes, &all);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setpgroup(&attributes, 0);
    ::posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
  }
  ~SpawnAttributes() {
    ::posix_spawnattr_destroy(&attributes);
    ::posix_spawn_file_actions_destroy(&actions);
  }

  posix_spawnattr_t attributes;
  posix_spawn_file_actions_t actions;
};

// The environment of the child as NAME=VALUE.
std::vector<std::string> Environment(const EnvironmentChanges& changes) {
  std::vector<std::string> result;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string line = *entry;
    if (changes.count(line.substr(0, line.find('='))) == 0) result.push_back(line);
  }
  for (const auto& [name, value] : changes) {
    if (value.has_value()) result.push_back(absl::StrCat(name, "=", *value));
  }
  return result;
}

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (std::string& string : strings) pointers.push_back(string.data());
  pointers.push_back(nullptr);
  return pointers;
}

// NOT_FOUND, PERMISSION_DENIED if a process can't start there.
absl::Status CheckFolder(const std::string& folder) {
  std::error_code error;
  if (!std::filesystem::is_directory(folder, error)) {
    return absl::NotFoundError(absl::StrCat("the worker's working directory '", folder,
                                            "' is no folder, seen from ",
                                            std::filesystem::current_path(error).string()));
  }
  if (::access(folder.c_str(), X_OK) == 0) return absl::OkStatus();
  return absl::PermissionDeniedError(
      absl::StrCat("the worker's working directory '", folder, "' may not be entered"));
}

// The program's path as the child sees it, which goes to its working directory first.
std::string PathFromThere(const SpawnOptions& options) {
  std::error_code error;
  if (options.working_directory.empty()) return options.path;
  const std::filesystem::path path = std::filesystem::absolute(options.path, error);
  return error ? options.path : path.string();
}

absl::Status ApplyRestrictions(pid_t process, const SpawnOptions& options) {
  absl::Status status = ApplyLimits(process, options.limits);
  if (status.ok() && options.niceness.has_value()) {
    status = ApplyNiceness(process, *options.niceness);
  }
  return status;
}

absl::Status SpawnError(absl::string_view path, int error_number) {
  const absl::Status cause = absl::ErrnoToStatus(error_number, "");
  absl::StatusCode code = absl::StatusCode::kInternal;
  if (error_number == ENOENT) code = absl::StatusCode::kNotFound;
  if (error_number == EACCES || error_number == EPERM) code = absl::StatusCode::kPermissionDenied;
  if (error_number == EAGAIN || error_number == ENOMEM || error_number == EMFILE) {
    code = absl::StatusCode::kResourceExhausted;
  }
  if (error_number == E2BIG) code = absl::StatusCode::kInvalidArgument;  // arguments, variables
  return absl::Status(code, absl::StrCat("can't run '", path, "'", cause.message()));
}

// Copies of the descriptors at numbers that no target has, so that the order of the moves in the
// child does not matter.
absl::StatusOr<std::vector<UniqueFd>> OutOfTheWay(
    const std::vector<std::pair<int, int>>& descriptors) {
  std::vector<UniqueFd> copies;
  for (const auto& [source, target] : descriptors) {
    copies.emplace_back(::fcntl(source, F_DUPFD_CLOEXEC, kFirstFreeNumber));
    if (!copies.back().valid()) {
      return absl::ResourceExhaustedError("no descriptor left for a worker (see ulimit -n)");
    }
  }
  return copies;
}

}  // namespace

absl::StatusOr<ChildProcess> ChildProcess::Spawn(const SpawnOptions& options) {
  absl::StatusOr<std::vector<UniqueFd>> sources = OutOfTheWay(options.descriptors);
  if (!sources.ok()) return sources.status();
  SpawnAttributes spawn;
  if (!options.working_directory.empty()) {
    absl::Status usable = CheckFolder(options.working_directory);
    if (!usable.ok()) return usable;
    ::posix_spawn_file_actions_addchdir_np(&spawn.actions, options.working_directory.c_str());
  }
  ::posix_spawn_file_actions_addopen(&spawn.actions, 0, "/dev/null", O_RDONLY, 0);
  int highest = 2;
  for (size_t i = 0; i < sources->size(); ++i) {
    const int target = options.descriptors[i].second;
    ::posix_spawn_file_actions_adddup2(&spawn.actions, (*sources)[i].get(), target);
    highest = std::max(highest, target);
  }
  for (int number = 3; number < highest; ++number) {
    const bool wanted = std::any_of(options.descriptors.begin(), options.descriptors.end(),
                                    [&](const auto& pair) { return pair.second == number; });
    if (!wanted) ::posix_spawn_file_actions_addclose(&spawn.actions, number);
  }
  ::posix_spawn_file_actions_addclosefrom_np(&spawn.actions, highest + 1);

  const std::string path = PathFromThere(options);
  std::vector<std::string> arguments = {ReadableProgram(path)};
  arguments.insert(arguments.end(), options.arguments.begin(), options.arguments.end());
  std::vector<std::string> environment = Environment(options.environment);
  pid_t pid = 0;
  const int error_number = ::posix_spawn(&pid, path.c_str(), &spawn.actions, &spawn.attributes,
                                         Pointers(arguments).data(), Pointers(environment).data());
  if (error_number != 0) return SpawnError(options.path, error_number);
  UniqueFd pidfd(PidfdOpen(pid));
  if (!pidfd.valid() && errno == ESRCH) {
    // It has ended already, and another part of this program has taken its status.
    ChildProcess ended(pid, UniqueFd(::eventfd(1, EFD_CLOEXEC)));  // readable, as a pidfd would be
    ended.end_ = EndedUnobserved();
    if (ended.pidfd_.valid()) return ended;
    return absl::ResourceExhaustedError("no descriptor left for a worker (see ulimit -n)");
  }
  ChildProcess child(pid, std::move(pidfd));
  if (!child.pidfd_.valid()) {
    child.Kill();
    return absl::ResourceExhaustedError("no descriptor left for a worker (see ulimit -n)");
  }
  absl::Status restricted = ApplyRestrictions(pid, options);
  if (!restricted.ok()) return restricted;
  return child;
}

ChildProcess::~ChildProcess() {
  if (pidfd_.valid() && !end_.has_value()) Kill();
}

std::optional<WorkerEnd> ChildProcess::Wait(Deadline deadline) {
  if (end_.has_value()) return end_;
  WaitFd ended = {.fd = pidfd_.get(), .events = POLLIN};
  if (!WaitForAny(absl::MakeSpan(&ended, 1), {.deadline = deadline}).ok()) return std::nullopt;
  // Somebody has closed what it could be watched by.
  if ((ended.revents & POLLNVAL) != 0) return Kill();
  return Reap();
}

// Until it is reaped its pid, and so its group's number, can't be anybody else's.
void ChildProcess::Signal(int signal) {
  if (!end_.has_value()) ::kill(-pid_, signal);
}

WorkerEnd ChildProcess::Kill() {
  if (end_.has_value()) return *end_;
  KillAll();
  return Reap();
}

// The group, and the process itself: it may have gone over to another group. Until it is reaped its
// pid is nobody else's.
void ChildProcess::KillAll() {
  ::kill(-pid_, SIGKILL);
  if (pidfd_.valid()) ::syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0);
}

// Blocks until it has ended. Until it is reaped its pid, and so its group's number, can't be
// anybody else's: that is when the rest of the group is killed.
WorkerEnd ChildProcess::Reap() {
  siginfo_t info = {};
  bool by_pidfd = pidfd_.valid();
  const auto wait = [&](int flags) {
    while (::waitid(by_pidfd ? kPidfd : P_PID, static_cast<id_t>(by_pidfd ? pidfd_.get() : pid_),
                    &info, WEXITED | flags) != 0) {
      if (errno == EINTR) continue;
      if (errno == ECHILD || !by_pidfd) return false;
      // Somebody has closed it. This must not wait for a process that goes on.
      by_pidfd = false;
      KillAll();
    }
    return true;
  };
  if (wait(WNOWAIT)) KillAll();
  if (!wait(0)) {
    end_ = EndedUnobserved();
  } else if (info.si_code == CLD_EXITED) {
    end_ = Exited{.code = info.si_status};
  } else {
    end_ = Signalled{.signal = info.si_status, .core_dumped = info.si_code == CLD_DUMPED};
  }
  return *end_;
}

}  // namespace slabpipe
