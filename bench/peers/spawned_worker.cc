#include "slabpipe/bench/peers/spawned_worker.h"

#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace slabpipe::bench {

absl::StatusOr<SpawnedWorker> SpawnedWorker::Spawn(const std::vector<std::string>& arguments,
                                                   int socket) {
  std::vector<std::string> words = {"worker", "--worker"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  if (socket >= 0) ::posix_spawn_file_actions_adddup2(&actions, socket, kWorkerSocket);
  // stdin and stdout are the driver's protocol's.
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", 0, 0);
  ::posix_spawn_file_actions_adddup2(&actions, 2, 1);
  pid_t pid = -1;
  const int error =
      ::posix_spawn(&pid, "/proc/self/exe", &actions, nullptr, pointers.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return absl::InternalError(absl::StrCat("posix_spawn: ", std::strerror(error)));
  return SpawnedWorker(pid);
}

SpawnedWorker::~SpawnedWorker() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

absl::StatusOr<std::pair<UniqueFd, UniqueFd>> SocketPair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return absl::ResourceExhaustedError("socketpair");
  }
  return std::make_pair(UniqueFd(ends[0]), UniqueFd(ends[1]));
}

std::string UniqueName() {
  static int number = 0;
  return absl::StrCat("slabpipe-bench.", ::getpid(), ".", ++number);
}

bool SayReady(int socket) {
  const char byte = 1;
  return ::send(socket, &byte, 1, MSG_NOSIGNAL) == 1;
}

bool AwaitReady(int socket) {
  pollfd readable = {socket, POLLIN, 0};
  char byte;
  return ::poll(&readable, 1, 10000) == 1 && ::read(socket, &byte, 1) == 1;
}

}  // namespace slabpipe::bench
