// gRPC: unary calls to a synchronous server over a Unix socket, arrays as bytes.

#include <grpcpp/grpcpp.h>

#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bench/peers/bench.grpc.pb.h"
#include "slabpipe/bench/peers/peer.h"

namespace slabpipe::bench {
namespace {

constexpr size_t kMaxMessageBytes = (size_t{1} << 31) - (1 << 16);

// The bytes of a string of protobuf's are aligned for doubles as long as it is on the heap.
absl::Span<const double> Elements(const std::string& bytes) {
  return {reinterpret_cast<const double*>(bytes.data()), bytes.size() / sizeof(double)};
}

void SetElements(std::string* bytes, absl::Span<const double> x) {
  bytes->assign(reinterpret_cast<const char*>(x.data()), x.size() * sizeof(double));
}

Small SmallIn(const std::string& bytes) {
  Small small = {};
  if (bytes.size() == sizeof(small)) std::memcpy(&small, bytes.data(), sizeof(small));
  return small;
}

void SetSmall(std::string* bytes, const Small& small) {
  bytes->assign(reinterpret_cast<const char*>(&small), sizeof(small));
}

class BenchServer final : public proto::Bench::Service {
 public:
  grpc::Status CallSmall(grpc::ServerContext*, const proto::Small* request,
                         proto::Small* answer) override {
    SetSmall(answer->mutable_data(), SmallAnswer(SmallIn(request->data())));
    return grpc::Status::OK;
  }
  grpc::Status Send(grpc::ServerContext*, const proto::Array* request,
                    proto::Seen* answer) override {
    answer->set_seen(Look(Elements(request->x()), request->touched()));
    return grpc::Status::OK;
  }
  grpc::Status Echo(grpc::ServerContext*, const proto::Array* request,
                    proto::Answer* answer) override {
    answer->set_seen(Look(Elements(request->x()), request->touched()));
    answer->set_x(request->x());
    return grpc::Status::OK;
  }
  grpc::Status Fetch(grpc::ServerContext*, const proto::Wanted* request,
                     proto::Answer* answer) override {
    SetElements(answer->mutable_x(), kept_.WithTag(request->elements(), request->tag()));
    return grpc::Status::OK;
  }
  grpc::Status SendMany(grpc::ServerContext*, const proto::Arrays* request,
                        proto::Seen* answer) override {
    double seen = 0;
    for (const std::string& x : request->x()) seen += Look(Elements(x), request->touched());
    answer->set_seen(seen);
    return grpc::Status::OK;
  }

 private:
  KeptArray kept_;  // main calls once at a time
};

class GrpcPeer : public Peer {
 public:
  static absl::StatusOr<std::unique_ptr<Peer>> Start() {
    auto sockets = SocketPair();
    if (!sockets.ok()) return sockets.status();
    const std::string address = "unix-abstract:" + UniqueName();
    absl::StatusOr<SpawnedWorker> worker = SpawnedWorker::Spawn({address}, sockets->second.get());
    if (!worker.ok()) return worker.status();
    if (!AwaitReady(sockets->first.get())) return absl::UnavailableError("no server");
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(-1);
    arguments.SetMaxSendMessageSize(-1);
    auto channel =
        grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
    return std::unique_ptr<Peer>(new GrpcPeer(*std::move(worker), proto::Bench::NewStub(channel)));
  }
  pid_t worker_pid() const override { return worker_.pid(); }

  absl::StatusOr<Small> Call(const Small& small) override {
    proto::Small request;
    proto::Small answer;
    SetSmall(request.mutable_data(), small);
    grpc::ClientContext context;
    absl::Status status = ToStatus(stub_->CallSmall(&context, request, &answer));
    if (!status.ok()) return status;
    return SmallIn(answer.data());
  }

  absl::StatusOr<double> Send(absl::Span<const double> x, bool touched) override {
    proto::Array request;
    SetElements(request.mutable_x(), x);
    request.set_touched(touched);
    proto::Seen answer;
    grpc::ClientContext context;
    absl::Status status = ToStatus(stub_->Send(&context, request, &answer));
    if (!status.ok()) return status;
    return answer.seen();
  }

  absl::StatusOr<double> Echo(absl::Span<const double> x, bool touched) override {
    proto::Array request;
    SetElements(request.mutable_x(), x);
    request.set_touched(touched);
    proto::Answer answer;
    grpc::ClientContext context;
    absl::Status status = ToStatus(stub_->Echo(&context, request, &answer));
    if (!status.ok()) return status;
    return SameLook(Look(Elements(answer.x()), touched), answer.seen());
  }

  absl::StatusOr<double> Fetch(size_t elements, double tag, bool touched) override {
    proto::Wanted request;
    request.set_elements(elements);
    request.set_tag(tag);
    proto::Answer answer;
    grpc::ClientContext context;
    absl::Status status = ToStatus(stub_->Fetch(&context, request, &answer));
    if (!status.ok()) return status;
    return Look(Elements(answer.x()), touched);
  }

  absl::StatusOr<double> SendMany(const ManyArrays& arrays, bool touched) override {
    proto::Arrays request;
    for (size_t i = 0; i < kManyArrays; ++i) SetElements(request.add_x(), arrays.array(i));
    request.set_touched(touched);
    proto::Seen answer;
    grpc::ClientContext context;
    absl::Status status = ToStatus(stub_->SendMany(&context, request, &answer));
    if (!status.ok()) return status;
    return answer.seen();
  }

 private:
  GrpcPeer(SpawnedWorker worker, std::unique_ptr<proto::Bench::Stub> stub)
      : worker_(std::move(worker)), stub_(std::move(stub)) {}
  static absl::Status ToStatus(const grpc::Status& status) {
    return status.ok() ? absl::OkStatus() : absl::UnavailableError(status.error_message());
  }

  SpawnedWorker worker_;
  std::unique_ptr<proto::Bench::Stub> stub_;
};

int Serve(const std::vector<std::string>& arguments) {
  if (arguments.empty()) return 1;
  BenchServer service;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(arguments[0], grpc::InsecureServerCredentials());
  builder.SetMaxReceiveMessageSize(-1);
  builder.SetMaxSendMessageSize(-1);
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || !SayReady(kWorkerSocket)) return 1;
  server->Wait();
  return 0;
}

}  // namespace
}  // namespace slabpipe::bench

int main(int argc, char** argv) {
  using namespace slabpipe::bench;
  return PeerMain(argc, argv,
                  {.start = GrpcPeer::Start, .serve = Serve, .max_bytes = kMaxMessageBytes});
}
