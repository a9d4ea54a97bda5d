// Cap'n Proto RPC: a two-party system over a Unix socket pair.

#include <capnp/rpc-twoparty.h>
#include <kj/async-io.h>

#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "slabpipe/bench/peers/bench.capnp.h"
#include "slabpipe/bench/peers/peer.h"

namespace slabpipe::bench {
namespace {

// Arrays are larger than what Cap'n Proto lets one read by default.
constexpr capnp::ReaderOptions kReaderOptions = {.traversalLimitInWords = uint64_t{1} << 40,
                                                 .nestingLimit = 64};
constexpr size_t kMaxDataBytes = (size_t{1} << 29) - 1;

absl::Span<const double> Elements(capnp::Data::Reader data) {
  return {reinterpret_cast<const double*>(data.begin()), data.size() / sizeof(double)};
}

kj::ArrayPtr<const kj::byte> BytesOf(absl::Span<const double> x) {
  return {reinterpret_cast<const kj::byte*>(x.data()), x.size() * sizeof(double)};
}

template <typename T>
kj::ArrayPtr<const kj::byte> BytesOf(const T& value) {
  return {reinterpret_cast<const kj::byte*>(&value), sizeof(value)};
}

// A hint, so that a message is allocated at once.
capnp::MessageSize SizeOf(size_t elements) { return {elements + elements / 100 + 64, 0}; }

Small SmallIn(capnp::Data::Reader data) {
  Small small = {};
  if (data.size() == sizeof(small)) std::memcpy(&small, data.begin(), sizeof(small));
  return small;
}

class BenchServer final : public schemas::Bench::Server {
 public:
  kj::Promise<void> small(SmallContext context) override {
    const Small answer = SmallAnswer(SmallIn(context.getParams().getRequest()));
    context.getResults().setAnswer(BytesOf(answer));
    return kj::READY_NOW;
  }
  kj::Promise<void> send(SendContext context) override {
    const auto params = context.getParams();
    context.getResults().setSeen(Look(Elements(params.getX()), params.getTouched()));
    return kj::READY_NOW;
  }
  kj::Promise<void> echo(EchoContext context) override {
    const auto params = context.getParams();
    auto results = context.getResults();
    results.setSeen(Look(Elements(params.getX()), params.getTouched()));
    results.setX(params.getX());
    return kj::READY_NOW;
  }
  kj::Promise<void> fetch(FetchContext context) override {
    const auto params = context.getParams();
    context.getResults().setX(BytesOf(kept_.WithTag(params.getElements(), params.getTag())));
    return kj::READY_NOW;
  }
  kj::Promise<void> sendMany(SendManyContext context) override {
    const auto params = context.getParams();
    double seen = 0;
    for (capnp::Data::Reader x : params.getArrays()) seen += Look(Elements(x), params.getTouched());
    context.getResults().setSeen(seen);
    return kj::READY_NOW;
  }

 private:
  KeptArray kept_;
};

// An exception of kj's, as a status.
template <typename F>
auto Catch(F f) -> decltype(f()) {
  try {
    return f();
  } catch (const kj::Exception& error) {
    return absl::UnavailableError(error.getDescription().cStr());
  }
}

class CapnpPeer : public Peer {
 public:
  static absl::StatusOr<std::unique_ptr<Peer>> Start() {
    auto sockets = SocketPair();
    if (!sockets.ok()) return sockets.status();
    absl::StatusOr<SpawnedWorker> worker = SpawnedWorker::Spawn({}, sockets->second.get());
    if (!worker.ok()) return worker.status();
    return std::unique_ptr<Peer>(new CapnpPeer(*std::move(worker), std::move(sockets->first)));
  }
  pid_t worker_pid() const override { return worker_.pid(); }

  absl::StatusOr<Small> Call(const Small& small) override {
    return Catch([&]() -> absl::StatusOr<Small> {
      auto request = wire_->bench.smallRequest();
      request.setRequest(BytesOf(small));
      return SmallIn(request.send().wait(scope()).getAnswer());
    });
  }

  absl::StatusOr<double> Send(absl::Span<const double> x, bool touched) override {
    return Catch([&]() -> absl::StatusOr<double> {
      auto request = wire_->bench.sendRequest(SizeOf(x.size()));
      request.setX(BytesOf(x));
      request.setTouched(touched);
      return request.send().wait(scope()).getSeen();
    });
  }

  absl::StatusOr<double> Echo(absl::Span<const double> x, bool touched) override {
    return Catch([&]() -> absl::StatusOr<double> {
      auto request = wire_->bench.echoRequest(SizeOf(x.size()));
      request.setX(BytesOf(x));
      request.setTouched(touched);
      auto answer = request.send().wait(scope());
      return SameLook(Look(Elements(answer.getX()), touched), answer.getSeen());
    });
  }

  absl::StatusOr<double> Fetch(size_t elements, double tag, bool touched) override {
    return Catch([&]() -> absl::StatusOr<double> {
      auto request = wire_->bench.fetchRequest();
      request.setElements(elements);
      request.setTag(tag);
      auto answer = request.send().wait(scope());
      return Look(Elements(answer.getX()), touched);
    });
  }

  absl::StatusOr<double> SendMany(const ManyArrays& arrays, bool touched) override {
    return Catch([&]() -> absl::StatusOr<double> {
      auto request = wire_->bench.sendManyRequest(SizeOf(kManyArrays * kManyElements));
      auto list = request.initArrays(kManyArrays);
      for (unsigned i = 0; i < kManyArrays; ++i) list.set(i, BytesOf(arrays.array(i)));
      request.setTouched(touched);
      return request.send().wait(scope()).getSeen();
    });
  }

 private:
  // All that hangs on the socket. In a struct of its own, as its destructors may throw.
  struct Wire {
    explicit Wire(UniqueFd socket)
        : io(kj::setupAsyncIo()),
          stream(io.lowLevelProvider->wrapSocketFd(
              socket.release(), kj::LowLevelAsyncIoProvider::TAKE_OWNERSHIP |
                                    kj::LowLevelAsyncIoProvider::ALREADY_CLOEXEC)),
          network(*stream, capnp::rpc::twoparty::Side::CLIENT, kReaderOptions),
          system(capnp::makeRpcClient(network)),
          bench(Bootstrap(system)) {}
    static schemas::Bench::Client Bootstrap(capnp::RpcSystem<capnp::rpc::twoparty::VatId>& system) {
      capnp::MallocMessageBuilder message;
      auto id = message.getRoot<capnp::rpc::twoparty::VatId>();
      id.setSide(capnp::rpc::twoparty::Side::SERVER);
      return system.bootstrap(id).castAs<schemas::Bench>();
    }

    kj::AsyncIoContext io;
    kj::Own<kj::AsyncIoStream> stream;
    capnp::TwoPartyVatNetwork network;
    capnp::RpcSystem<capnp::rpc::twoparty::VatId> system;
    schemas::Bench::Client bench;
  };

  CapnpPeer(SpawnedWorker worker, UniqueFd socket)
      : worker_(std::move(worker)), wire_(std::make_unique<Wire>(std::move(socket))) {}
  kj::WaitScope& scope() { return wire_->io.waitScope; }

  SpawnedWorker worker_;
  std::unique_ptr<Wire> wire_;
};

int Serve(const std::vector<std::string>&) {
  kj::AsyncIoContext io = kj::setupAsyncIo();
  auto stream = io.lowLevelProvider->wrapSocketFd(kWorkerSocket);
  capnp::TwoPartyVatNetwork network(*stream, capnp::rpc::twoparty::Side::SERVER, kReaderOptions);
  auto system = capnp::makeRpcServer(network, kj::heap<BenchServer>());
  network.onDisconnect().wait(io.waitScope);
  return 0;
}

}  // namespace
}  // namespace slabpipe::bench

int main(int argc, char** argv) {
  using namespace slabpipe::bench;
  return PeerMain(argc, argv,
                  {.start = CapnpPeer::Start, .serve = Serve, .max_bytes = kMaxDataBytes});
}
