// Boost.Interprocess: message queues for what is small, a managed shared memory for arrays, whose
// handles the queues carry. Names are removed as soon as both sides have opened them.

#include <boost/interprocess/ipc/message_queue.hpp>
#include <boost/interprocess/managed_shared_memory.hpp>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "slabpipe/bench/peers/peer.h"

namespace slabpipe::bench {
namespace {

namespace ipc = boost::interprocess;

// Room for the largest array, there and back. Pages count only when they are used.
constexpr size_t kMemoryBytes = size_t{9} << 28;
constexpr size_t kQueueLength = 8;

struct Message {
  Header header;
  Small small = {};
  ipc::managed_shared_memory::handle_t array = 0;
};

// What both sides have open.
struct Shared {
  template <typename How>
  Shared(How how, const std::string& name)
      : requests(how, (name + ".q").c_str(), kQueueLength, sizeof(Message)),
        answers(how, (name + ".a").c_str(), kQueueLength, sizeof(Message)),
        memory(how, (name + ".m").c_str(), kMemoryBytes) {}
  explicit Shared(const std::string& name)
      : requests(ipc::open_only, (name + ".q").c_str()),
        answers(ipc::open_only, (name + ".a").c_str()),
        memory(ipc::open_only, (name + ".m").c_str()) {}

  static void Remove(const std::string& name) {
    ipc::message_queue::remove((name + ".q").c_str());
    ipc::message_queue::remove((name + ".a").c_str());
    ipc::shared_memory_object::remove((name + ".m").c_str());
  }

  // Elements of an array in the memory.
  absl::Span<double> At(const Message& message) {
    return {static_cast<double*>(memory.get_address_from_handle(message.array)),
            message.header.elements};
  }
  // A new array, a copy of `x`.
  void Give(Message& message, absl::Span<const double> x) {
    void* bytes = memory.allocate(x.size() * sizeof(double));
    std::memcpy(bytes, x.data(), x.size() * sizeof(double));
    message.array = memory.get_handle_from_address(bytes);
  }
  void Free(const Message& message) { memory.deallocate(At(message).data()); }

  ipc::message_queue requests;
  ipc::message_queue answers;
  ipc::managed_shared_memory memory;
};

void Receive(ipc::message_queue& queue, Message& message) {
  ipc::message_queue::size_type size = 0;
  unsigned priority = 0;
  queue.receive(&message, sizeof(message), size, priority);
}

// An exception of Boost's, as a status.
template <typename F>
auto Catch(F f) -> decltype(f()) {
  try {
    return f();
  } catch (const ipc::interprocess_exception& error) {
    return absl::ResourceExhaustedError(error.what());
  }
}

class InterprocessPeer : public Peer {
 public:
  static absl::StatusOr<std::unique_ptr<Peer>> Start() {
    return Catch([]() -> absl::StatusOr<std::unique_ptr<Peer>> {
      auto sockets = SocketPair();
      if (!sockets.ok()) return sockets.status();
      const std::string name = UniqueName();
      Shared::Remove(name);
      auto shared = std::make_unique<Shared>(ipc::create_only, name);
      absl::StatusOr<SpawnedWorker> worker = SpawnedWorker::Spawn({name}, sockets->second.get());
      const bool ready = worker.ok() && AwaitReady(sockets->first.get());
      Shared::Remove(name);
      if (!worker.ok()) return worker.status();
      if (!ready) return absl::UnavailableError("no worker");
      return std::unique_ptr<Peer>(new InterprocessPeer(*std::move(worker), std::move(shared)));
    });
  }
  pid_t worker_pid() const override { return worker_.pid(); }

  absl::StatusOr<Small> Call(const Small& request) override {
    return Catch([&]() -> absl::StatusOr<Small> {
      Message message = {.header = {.op = Op::kSmall}, .small = request};
      Exchange(message);
      return message.small;
    });
  }

  absl::StatusOr<double> Send(absl::Span<const double> x, bool touched) override {
    return Catch([&]() -> absl::StatusOr<double> {
      Message message = {.header = {Op::kSend, touched, x.size(), 0}, .small = {}};
      shared_->Give(message, x);
      Exchange(message);
      shared_->Free(message);
      return message.header.value;
    });
  }

  // What comes back is the same array.
  absl::StatusOr<double> Echo(absl::Span<const double> x, bool touched) override {
    return Catch([&]() -> absl::StatusOr<double> {
      Message message = {.header = {Op::kEcho, touched, x.size(), 0}, .small = {}};
      shared_->Give(message, x);
      Exchange(message);
      const double seen = Look(shared_->At(message), touched);
      shared_->Free(message);
      return SameLook(seen, message.header.value);
    });
  }

  absl::StatusOr<double> Fetch(size_t elements, double tag, bool touched) override {
    return Catch([&]() -> absl::StatusOr<double> {
      Message message = {.header = {Op::kFetch, touched, elements, tag}, .small = {}};
      Exchange(message);
      const double seen = Look(shared_->At(message), touched);
      shared_->Free(message);
      return seen;
    });
  }

  absl::StatusOr<absl::Span<double>> Reserve(size_t elements) override {
    return Catch([&]() -> absl::StatusOr<absl::Span<double>> {
      void* bytes = shared_->memory.allocate(elements * sizeof(double));
      return absl::Span<double>(static_cast<double*>(bytes), elements);
    });
  }
  absl::StatusOr<double> SendReserved(absl::Span<double> x, bool touched) override {
    return Catch([&]() -> absl::StatusOr<double> {
      Message message = {.header = {Op::kSend, touched, x.size(), 0}, .small = {}};
      message.array = shared_->memory.get_handle_from_address(x.data());
      Exchange(message);
      return message.header.value;
    });
  }
  void Release(absl::Span<double> x) override { shared_->memory.deallocate(x.data()); }

 private:
  InterprocessPeer(SpawnedWorker worker, std::unique_ptr<Shared> shared)
      : worker_(std::move(worker)), shared_(std::move(shared)) {}
  void Exchange(Message& message) {
    shared_->requests.send(&message, sizeof(message), 0);
    Receive(shared_->answers, message);
  }

  SpawnedWorker worker_;
  std::unique_ptr<Shared> shared_;
};

void ServeAll(Shared& shared) {
  KeptArray kept;
  for (;;) {
    Message message;
    Receive(shared.requests, message);
    if (message.header.op == Op::kSmall) {
      message.small = SmallAnswer(message.small);
    } else if (message.header.op == Op::kFetch) {
      shared.Give(message, kept.WithTag(message.header.elements, message.header.value));
    } else {
      message.header.value = Look(shared.At(message), message.header.touched);
    }
    shared.answers.send(&message, sizeof(message), 0);
  }
}

int Serve(const std::vector<std::string>& arguments) {
  if (arguments.empty()) return 1;
  try {
    Shared shared(arguments[0]);
    if (!SayReady(kWorkerSocket)) return 1;
    ServeAll(shared);
  } catch (const ipc::interprocess_exception&) {
  }
  return 1;
}

}  // namespace
}  // namespace slabpipe::bench

int main(int argc, char** argv) {
  using namespace slabpipe::bench;
  return PeerMain(argc, argv, {.start = InterprocessPeer::Start, .serve = Serve});
}
