// A tiny program: from posix_spawn to its first byte, and from SIGKILL to the news of its end.

#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <utility>

#include "slabpipe/bench/floors/floors.h"
#include "slabpipe/bench/harness/beside.h"
#include "slabpipe/bench/harness/clock.h"
#include "slabpipe/bench/harness/cpus.h"
#include "slabpipe/transport/unique_fd.h"

namespace slabpipe::bench {
namespace {

constexpr int64_t kUntilItWaitsNs = 5 * kNsPerMs;

// The program, and our end of the socket to it. It ends when that end is closed.
class Tiny {
 public:
  static absl::StatusOr<Tiny> Spawn(const std::string& path) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
      return absl::ResourceExhaustedError("socketpair");
    }
    UniqueFd mine(ends[0]);
    const UniqueFd its(ends[1]);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, its.get(), 3);
    std::string name = path;
    char* const arguments[] = {name.data(), nullptr};
    pid_t pid = -1;
    const int failed = ::posix_spawn(&pid, path.c_str(), &actions, nullptr, arguments, environ);
    ::posix_spawn_file_actions_destroy(&actions);
    if (failed != 0) return absl::NotFoundError("posix_spawn of " + path + " failed");
    return Tiny(pid, std::move(mine));
  }
  Tiny(Tiny&& other) noexcept
      : pid_(std::exchange(other.pid_, -1)), socket_(std::move(other.socket_)) {}
  Tiny& operator=(Tiny&&) = delete;
  ~Tiny() {
    socket_.reset();
    if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
  }

  pid_t pid() const { return pid_; }
  int socket() const { return socket_.get(); }
  bool AwaitByte() const {
    char byte;
    return ::read(socket_.get(), &byte, 1) == 1;
  }

 private:
  Tiny(pid_t pid, UniqueFd socket) : pid_(pid), socket_(std::move(socket)) {}
  pid_t pid_;
  UniqueFd socket_;
};

// One after the other, each program used once; the first does not count.
template <typename Once>
absl::StatusOr<Measurement> RepeatAfresh(const Request& request, Once once) {
  if (absl::Status placed = PlaceSelf(request.mode, 0); !placed.ok()) return placed;
  absl::StatusOr<std::string> path = BesideThisProgram("tiny");
  if (!path.ok()) return path.status();
  Measurement measurement;
  const int64_t end = NowNs() + request.budget_ns;
  for (int64_t i = 0; i <= request.count; ++i) {
    absl::StatusOr<int64_t> ns = once(*path);
    if (!ns.ok()) return ns.status();
    if (i > 0) measurement.samples.Add(*ns);
    if (i > 0 && NowNs() > end) break;
  }
  return measurement;
}

}  // namespace

absl::StatusOr<Measurement> MeasureSpawn(const Request& request) {
  return RepeatAfresh(request, [](const std::string& path) -> absl::StatusOr<int64_t> {
    const int64_t begin = NowNs();
    absl::StatusOr<Tiny> tiny = Tiny::Spawn(path);
    if (!tiny.ok()) return tiny.status();
    if (!tiny->AwaitByte()) return absl::UnavailableError("the tiny program said nothing");
    return NowNs() - begin;
  });
}

// Whichever comes first: its pidfd turns readable, or its socket ends.
absl::StatusOr<Measurement> MeasureKill(const Request& request) {
  return RepeatAfresh(request, [](const std::string& path) -> absl::StatusOr<int64_t> {
    absl::StatusOr<Tiny> tiny = Tiny::Spawn(path);
    if (!tiny.ok()) return tiny.status();
    if (!tiny->AwaitByte()) return absl::UnavailableError("the tiny program said nothing");
    const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, tiny->pid(), 0)));
    if (!pidfd.valid()) return absl::InternalError("pidfd_open failed");
    int64_t killed_at = 0;
    std::thread killer([&killed_at, pid = tiny->pid()] {
      SleepNs(kUntilItWaitsNs);
      killed_at = NowNs();
      ::kill(pid, SIGKILL);
    });
    pollfd fds[] = {{pidfd.get(), POLLIN, 0}, {tiny->socket(), POLLIN, 0}};
    const int ready = ::poll(fds, 2, 5000);
    const int64_t noticed_at = NowNs();
    killer.join();
    if (ready < 1) return absl::InternalError("nobody noticed");
    return noticed_at - killed_at;
  });
}

}  // namespace slabpipe::bench
