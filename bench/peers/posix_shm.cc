// POSIX shared memory, a segment a call: shm_open, ftruncate, mmap, munmap, unlink; a Unix socket
// says what it is called. Small calls go through the socket alone.

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "slabpipe/bench/peers/peer.h"
#include "slabpipe/bench/peers/stream.h"

namespace slabpipe::bench {
namespace {

// A message: what is to be done, and the segment that it is about.
struct Message {
  Header header;
  Small small = {};
  char name[64] = {};
};

// A segment by name, mapped as long as this lives.
class NamedMemory {
 public:
  NamedMemory(const char* name, int flags, size_t bytes) : bytes_(bytes) {
    const UniqueFd fd(::shm_open(name, flags | O_CLOEXEC, 0600));
    if (!fd.valid()) return;
    const bool creates = (flags & O_CREAT) != 0;
    if (creates && ::ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0) return;
    const int access = (flags & O_RDWR) != 0 ? PROT_READ | PROT_WRITE : PROT_READ;
    memory_ = ::mmap(nullptr, bytes, access, MAP_SHARED, fd.get(), 0);
  }
  NamedMemory(const NamedMemory&) = delete;
  NamedMemory& operator=(const NamedMemory&) = delete;
  ~NamedMemory() {
    if (ok()) ::munmap(memory_, bytes_);
  }
  bool ok() const { return memory_ != MAP_FAILED; }
  absl::Span<double> elements() const {
    return {static_cast<double*>(memory_), bytes_ / sizeof(double)};
  }

 private:
  size_t bytes_;
  void* memory_ = MAP_FAILED;
};

void SetName(Message& message, const std::string& name) {
  std::snprintf(message.name, sizeof(message.name), "%s", name.c_str());
}

// A new segment with a copy of `x`.
bool Give(const std::string& name, absl::Span<const double> x) {
  const NamedMemory memory(name.c_str(), O_CREAT | O_EXCL | O_RDWR, x.size() * sizeof(double));
  if (!memory.ok()) return false;
  std::memcpy(memory.elements().data(), x.data(), x.size() * sizeof(double));
  return true;
}

// A look at the segment that `message` names; nothing if it is not there.
absl::StatusOr<double> LookAt(const Message& message) {
  const NamedMemory memory(message.name, O_RDONLY, message.header.elements * sizeof(double));
  if (!memory.ok()) return absl::NotFoundError("there is no such segment");
  return Look(memory.elements(), message.header.touched);
}

class ShmPeer : public Peer {
 public:
  static absl::StatusOr<std::unique_ptr<Peer>> Start() {
    auto sockets = SocketPair();
    if (!sockets.ok()) return sockets.status();
    absl::StatusOr<SpawnedWorker> worker = SpawnedWorker::Spawn({}, sockets->second.get());
    if (!worker.ok()) return worker.status();
    return std::unique_ptr<Peer>(new ShmPeer(*std::move(worker), std::move(sockets->first)));
  }
  pid_t worker_pid() const override { return worker_.pid(); }

  absl::StatusOr<Small> Call(const Small& request) override {
    Message message = {.header = {.op = Op::kSmall}, .small = request};
    if (!Exchange(message)) return Broken();
    return message.small;
  }

  absl::StatusOr<double> Send(absl::Span<const double> x, bool touched) override {
    Message message = {.header = {Op::kSend, touched, x.size(), 0}, .small = {}};
    if (!SendCopy(message, x)) return Broken();
    return message.header.value;
  }

  // What comes back is the same segment.
  absl::StatusOr<double> Echo(absl::Span<const double> x, bool touched) override {
    Message message = {.header = {Op::kEcho, touched, x.size(), 0}, .small = {}};
    const std::string name = "/" + UniqueName();
    SetName(message, name);
    if (!Give(name, x)) return Broken();
    const bool answered = Exchange(message);
    absl::StatusOr<double> seen = LookAt(message);
    ::shm_unlink(name.c_str());
    if (!answered || !seen.ok()) return Broken();
    return SameLook(*seen, message.header.value);
  }

  absl::StatusOr<double> Fetch(size_t elements, double tag, bool touched) override {
    Message message = {.header = {Op::kFetch, touched, elements, tag}, .small = {}};
    if (!Exchange(message)) return Broken();
    absl::StatusOr<double> seen = LookAt(message);
    ::shm_unlink(message.name);
    return seen;
  }

 private:
  ShmPeer(SpawnedWorker worker, UniqueFd socket)
      : worker_(std::move(worker)), socket_(std::move(socket)) {}
  static absl::Status Broken() { return absl::UnavailableError("no segment, or no socket"); }
  bool Exchange(Message& message) {
    return WriteOne(socket_.get(), message) && ReadOne(socket_.get(), message);
  }
  bool SendCopy(Message& message, absl::Span<const double> x) {
    const std::string name = "/" + UniqueName();
    SetName(message, name);
    const bool answered = Give(name, x) && Exchange(message);
    ::shm_unlink(name.c_str());
    return answered;
  }

  SpawnedWorker worker_;
  UniqueFd socket_;
};

int Serve(const std::vector<std::string>&) {
  KeptArray kept;
  Message message;
  while (ReadOne(kWorkerSocket, message)) {
    if (message.header.op == Op::kSmall) {
      message.small = SmallAnswer(message.small);
    } else if (message.header.op == Op::kFetch) {
      const std::string name = "/" + UniqueName();
      SetName(message, name);
      if (!Give(name, kept.WithTag(message.header.elements, message.header.value))) return 1;
    } else {
      absl::StatusOr<double> seen = LookAt(message);
      if (!seen.ok()) return 1;
      message.header.value = *seen;
    }
    if (!WriteOne(kWorkerSocket, message)) return 1;
  }
  return 0;
}

}  // namespace
}  // namespace slabpipe::bench

int main(int argc, char** argv) {
  using namespace slabpipe::bench;
  return PeerMain(argc, argv, {.start = ShmPeer::Start, .serve = Serve});
}
