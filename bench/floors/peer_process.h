// PeerProcess: the other process of a floor, forked from this one.
//
//   absl::StatusOr<PeerProcess> peer = PeerProcess::Fork([&] { ... });   // until it is killed

#ifndef SLABPIPE_BENCH_FLOORS_PEER_PROCESS_H_
#define SLABPIPE_BENCH_FLOORS_PEER_PROCESS_H_

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "slabpipe/bench/harness/contestant.h"

namespace slabpipe::bench {

// Owns the process; kills and reaps it at the end. It ends with its parent, however that went.
class PeerProcess {
 public:
  // `run` should not return; if it does, the process ends. REQUIRES: this process has one thread.
  template <typename F>
  static absl::StatusOr<PeerProcess> Fork(F run) {
    const pid_t pid = ::fork();
    if (pid < 0) return absl::ResourceExhaustedError("fork failed");
    if (pid == 0) {
      DieWithParent();
      run();
      ::_exit(0);
    }
    return PeerProcess(pid);
  }
  PeerProcess(PeerProcess&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
  PeerProcess& operator=(PeerProcess&&) = delete;
  ~PeerProcess() {
    if (pid_ < 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

  pid_t pid() const { return pid_; }

 private:
  explicit PeerProcess(pid_t pid) : pid_(pid) {}
  pid_t pid_;
};

// A T that a process shares with those that it forks.
template <typename T>
class SharedWithChildren {
 public:
  SharedWithChildren()
      : memory_(
            ::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {
    if (ok()) new (memory_) T();
  }
  SharedWithChildren(const SharedWithChildren&) = delete;
  SharedWithChildren& operator=(const SharedWithChildren&) = delete;
  ~SharedWithChildren() {
    if (ok()) ::munmap(memory_, sizeof(T));
  }

  bool ok() const { return memory_ != MAP_FAILED; }
  T& operator*() { return *static_cast<T*>(memory_); }
  T* operator->() { return static_cast<T*>(memory_); }

 private:
  void* memory_;
};

}  // namespace slabpipe::bench

#endif  // SLABPIPE_BENCH_FLOORS_PEER_PROCESS_H_
