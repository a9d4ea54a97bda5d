// SpawnedWorker: this program once more, as a peer's worker.
//
//   auto [mine, its] = *SocketPair();
//   absl::StatusOr<SpawnedWorker> worker = SpawnedWorker::Spawn({"name"}, its.get());   // as its 3

#ifndef SLABPIPE_BENCH_PEERS_SPAWNED_WORKER_H_
#define SLABPIPE_BENCH_PEERS_SPAWNED_WORKER_H_

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "slabpipe/transport/unique_fd.h"

namespace slabpipe::bench {

// The descriptor that a worker finds its socket at.
inline constexpr int kWorkerSocket = 3;

// Owns the process; the destructor kills and reaps it. Workers end with this process in any case.
class SpawnedWorker {
 public:
  // Runs this program with `--worker` and `arguments`; `socket` (borrowed) is its kWorkerSocket.
  static absl::StatusOr<SpawnedWorker> Spawn(const std::vector<std::string>& arguments, int socket);
  SpawnedWorker(SpawnedWorker&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
  SpawnedWorker& operator=(SpawnedWorker&&) = delete;
  ~SpawnedWorker();

  pid_t pid() const { return pid_; }

 private:
  explicit SpawnedWorker(pid_t pid) : pid_(pid) {}
  pid_t pid_;
};

// A pair of stream sockets, closed on exec.
absl::StatusOr<std::pair<UniqueFd, UniqueFd>> SocketPair();

// A name that no other process uses: "slabpipe-bench.PID.NUMBER".
std::string UniqueName();

// One byte over `socket`: the worker says that it is ready.
bool SayReady(int socket);
bool AwaitReady(int socket);

}  // namespace slabpipe::bench

#endif  // SLABPIPE_BENCH_PEERS_SPAWNED_WORKER_H_
