// Peer: another way to call a function in a worker process, as its own documentation would do it.
//
//   class SocketPeer : public Peer { ... };          // main's side
//   int main(int argc, char** argv) {
//     return PeerMain(argc, argv, {.start = SocketPeer::Start, .serve = ServeSocket});
//   }
//
// One file a peer, main's side and the worker's. What is common to all - cases, loops, clocks,
// checks - is peer_main.cc's. How to add one: README.md.

#ifndef SLABPIPE_BENCH_PEERS_PEER_H_
#define SLABPIPE_BENCH_PEERS_PEER_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "slabpipe/bench/harness/array_work.h"
#include "slabpipe/bench/harness/many.h"
#include "slabpipe/bench/peers/spawned_worker.h"

namespace slabpipe::bench {

// Main's side. The destructor ends the worker. A "look" is what Look() says of an array.
class Peer {
 public:
  virtual ~Peer() = default;
  virtual pid_t worker_pid() const = 0;

  // 64 bytes there, SmallAnswer's 64 bytes back.
  virtual absl::StatusOr<Small> Call(const Small& request) = 0;
  // `x` there; the worker's look at it comes back.
  virtual absl::StatusOr<double> Send(absl::Span<const double> x, bool touched) = 0;
  // `x` there and back: this side's look at what came back, if the worker's was the same.
  virtual absl::StatusOr<double> Echo(absl::Span<const double> x, bool touched) = 0;
  // The worker's KeptArray with `tag` back: this side's look at it.
  virtual absl::StatusOr<double> Fetch(size_t elements, double tag, bool touched) = 0;

  // All arrays in one call; the sum of the worker's looks. Not every peer can.
  virtual absl::StatusOr<double> SendMany(const ManyArrays&, bool) {
    return absl::UnimplementedError("no call with many arrays");
  }
  // An array that lies where the worker sees it, and the call that says so. Not every peer can.
  virtual absl::StatusOr<absl::Span<double>> Reserve(size_t) {
    return absl::UnimplementedError("no memory to be reserved");
  }
  virtual absl::StatusOr<double> SendReserved(absl::Span<double>, bool) {
    return absl::UnimplementedError("no memory to be reserved");
  }
  virtual void Release(absl::Span<double>) {}
};

struct PeerParts {
  // A new worker and what talks to it.
  std::function<absl::StatusOr<std::unique_ptr<Peer>>()> start;
  // The worker: what the program does when it is started with `--worker` and `arguments`.
  std::function<int(const std::vector<std::string>& arguments)> serve;
  // Larger arrays than this can't be sent.
  size_t max_bytes = size_t{1} << 40;
};

// Both programs. Returns the exit code for main().
int PeerMain(int argc, char** argv, const PeerParts& parts);

// What a worker gives to Fetch: an array in its private memory, kept from call to call.
class KeptArray {
 public:
  absl::Span<const double> WithTag(size_t elements, double tag) {
    if (x_.size() != elements) {
      x_ = std::vector<double>();  // the old one goes first
      x_ = PatternArray(elements);
    }
    if (!x_.empty()) x_[0] = tag;
    return x_;
  }

 private:
  std::vector<double> x_;
};

// For peers that send bytes: what goes ahead of an array, both ways.
enum class Op : uint32_t { kSmall, kSend, kEcho, kFetch, kSendMany };
struct Header {
  Op op = Op::kSmall;
  uint32_t touched = 0;
  uint64_t elements = 0;  // of the array that follows, or is wanted
  double value = 0;       // the tag that is wanted, or the worker's look
};

// Echo's result.
inline absl::StatusOr<double> SameLook(double here, double of_worker) {
  if (absl::Status same = CheckLook(of_worker, here); !same.ok()) return same;
  return here;
}

}  // namespace slabpipe::bench

#endif  // SLABPIPE_BENCH_PEERS_PEER_H_
