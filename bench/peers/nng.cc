// nng: req0 and rep0 over abstract Unix sockets, nng_msg both ways: a header, then the array.

#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>

#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "slabpipe/bench/peers/peer.h"

namespace slabpipe::bench {
namespace {

// A message: its body is a Header and the bytes behind it.
class Message {
 public:
  Message() = default;
  Message(const Header& header, const void* bytes, size_t size) {
    if (::nng_msg_alloc(&message_, sizeof(header) + size) != 0) return;
    auto* body = static_cast<std::byte*>(::nng_msg_body(message_));
    std::memcpy(body, &header, sizeof(header));
    if (size > 0) std::memcpy(body + sizeof(header), bytes, size);
  }
  Message(const Message&) = delete;
  Message& operator=(const Message&) = delete;
  ~Message() { Free(); }

  bool Receive(nng_socket socket) {
    Free();
    message_ = nullptr;
    return ::nng_recvmsg(socket, &message_, 0) == 0 && ::nng_msg_len(message_) >= sizeof(Header);
  }
  // The message is nng's then.
  bool Send(nng_socket socket) {
    if (message_ == nullptr || ::nng_sendmsg(socket, message_, 0) != 0) return false;
    message_ = nullptr;
    return true;
  }

  Header header() const {
    Header header;
    std::memcpy(&header, ::nng_msg_body(message_), sizeof(header));
    return header;
  }
  void SetHeader(const Header& header) {
    std::memcpy(::nng_msg_body(message_), &header, sizeof(header));
  }
  absl::Span<const double> elements() const {
    const auto* body = static_cast<const std::byte*>(::nng_msg_body(message_));
    return {reinterpret_cast<const double*>(body + sizeof(Header)),
            (::nng_msg_len(message_) - sizeof(Header)) / sizeof(double)};
  }

 private:
  void Free() {
    if (message_ != nullptr) ::nng_msg_free(message_);
  }
  nng_msg* message_ = nullptr;
};

Small SmallIn(const Message& message) {
  Small small = {};
  if (message.elements().size() * sizeof(double) >= sizeof(small)) {
    std::memcpy(&small, message.elements().data(), sizeof(small));
  }
  return small;
}

// Listened on by main, dialed by the worker.
class NngPeer : public Peer {
 public:
  static absl::StatusOr<std::unique_ptr<Peer>> Start() {
    nng_socket socket;
    if (::nng_req0_open(&socket) != 0) return absl::InternalError("nng_req0_open");
    auto peer = std::unique_ptr<NngPeer>(new NngPeer(socket));
    const std::string address = "abstract://" + UniqueName();
    ::nng_socket_set_size(socket, NNG_OPT_RECVMAXSZ, 0);  // no limit
    if (const int error = ::nng_listen(socket, address.c_str(), nullptr, 0); error != 0) {
      return absl::InternalError(::nng_strerror(error));
    }
    absl::StatusOr<SpawnedWorker> worker = SpawnedWorker::Spawn({address}, -1);
    if (!worker.ok()) return worker.status();
    peer->worker_ = std::make_unique<SpawnedWorker>(*std::move(worker));
    return std::unique_ptr<Peer>(std::move(peer));
  }
  ~NngPeer() override { ::nng_close(socket_); }
  pid_t worker_pid() const override { return worker_->pid(); }

  absl::StatusOr<Small> Call(const Small& request) override {
    if (!Exchange({.op = Op::kSmall}, &request, sizeof(request))) return Broken();
    return SmallIn(answer_);
  }

  absl::StatusOr<double> Send(absl::Span<const double> x, bool touched) override {
    if (!SendArray(Op::kSend, x, touched)) return Broken();
    return answer_.header().value;
  }

  absl::StatusOr<double> Echo(absl::Span<const double> x, bool touched) override {
    if (!SendArray(Op::kEcho, x, touched)) return Broken();
    return SameLook(Look(answer_.elements(), touched), answer_.header().value);
  }

  absl::StatusOr<double> Fetch(size_t elements, double tag, bool touched) override {
    if (!Exchange({Op::kFetch, touched, elements, tag}, nullptr, 0)) return Broken();
    return Look(answer_.elements(), touched);
  }

 private:
  explicit NngPeer(nng_socket socket) : socket_(socket) {}
  static absl::Status Broken() { return absl::UnavailableError("nng broke"); }
  bool Exchange(const Header& header, const void* bytes, size_t size) {
    return Message(header, bytes, size).Send(socket_) && answer_.Receive(socket_);
  }
  bool SendArray(Op op, absl::Span<const double> x, bool touched) {
    return Exchange({op, touched, x.size(), 0}, x.data(), x.size() * sizeof(double));
  }

  nng_socket socket_;
  Message answer_;
  std::unique_ptr<SpawnedWorker> worker_;
};

bool ServeOne(nng_socket socket, KeptArray& kept) {
  Message request;
  if (!request.Receive(socket)) return false;
  Header header = request.header();
  if (header.op == Op::kSmall) {
    const Small answer = SmallAnswer(SmallIn(request));
    return Message(header, &answer, sizeof(answer)).Send(socket);
  }
  if (header.op == Op::kFetch) {
    const absl::Span<const double> x = kept.WithTag(header.elements, header.value);
    return Message(header, x.data(), x.size() * sizeof(double)).Send(socket);
  }
  header.value = Look(request.elements(), header.touched);
  if (header.op != Op::kEcho) return Message(header, nullptr, 0).Send(socket);
  request.SetHeader(header);
  return request.Send(socket);
}

int Serve(const std::vector<std::string>& arguments) {
  nng_socket socket;
  if (arguments.empty() || ::nng_rep0_open(&socket) != 0) return 1;
  ::nng_socket_set_size(socket, NNG_OPT_RECVMAXSZ, 0);
  if (::nng_dial(socket, arguments[0].c_str(), nullptr, 0) != 0) return 1;
  KeptArray kept;
  while (ServeOne(socket, kept)) {
  }
  return 0;
}

}  // namespace
}  // namespace slabpipe::bench

int main(int argc, char** argv) {
  using namespace slabpipe::bench;
  return PeerMain(argc, argv, {.start = NngPeer::Start, .serve = Serve});
}
