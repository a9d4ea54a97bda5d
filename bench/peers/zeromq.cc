// ZeroMQ: REQ and REP sockets over ipc://, a multipart message: header, array. Arrays are handed
// over without a copy (zmq_msg_init_data): a reply means that they have been read.

#include <zmq.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "slabpipe/bench/peers/peer.h"

namespace slabpipe::bench {
namespace {

// A message part that is received into.
class Part {
 public:
  Part() { ::zmq_msg_init(&message_); }
  Part(const Part&) = delete;
  Part& operator=(const Part&) = delete;
  ~Part() { ::zmq_msg_close(&message_); }

  bool Receive(void* socket) { return ::zmq_msg_recv(&message_, socket, 0) >= 0; }
  // What was received goes on as it is, without a copy.
  bool SendOn(void* socket) { return ::zmq_msg_send(&message_, socket, 0) >= 0; }
  bool more() { return ::zmq_msg_more(&message_) != 0; }
  absl::Span<const double> elements() {
    return {static_cast<const double*>(::zmq_msg_data(&message_)),
            ::zmq_msg_size(&message_) / sizeof(double)};
  }

 private:
  zmq_msg_t message_;
};

bool SendPart(void* socket, absl::Span<const double> x, bool more) {
  zmq_msg_t message;
  const auto keep = [](void*, void*) {};  // the memory stays ours
  ::zmq_msg_init_data(&message, const_cast<double*>(x.data()), x.size() * sizeof(double), keep,
                      nullptr);
  if (::zmq_msg_send(&message, socket, more ? ZMQ_SNDMORE : 0) >= 0) return true;
  ::zmq_msg_close(&message);
  return false;
}

bool SendHeader(void* socket, const Header& header, bool more) {
  return ::zmq_send(socket, &header, sizeof(header), more ? ZMQ_SNDMORE : 0) == sizeof(header);
}

bool ReceiveHeader(void* socket, Header& header) {
  return ::zmq_recv(socket, &header, sizeof(header), 0) == sizeof(header);
}

// A context with one socket, bound by main and connected to by the worker.
class Socket {
 public:
  explicit Socket(int type) : context_(::zmq_ctx_new()), socket_(::zmq_socket(context_, type)) {
    const int no_linger = 0;
    ::zmq_setsockopt(socket_, ZMQ_LINGER, &no_linger, sizeof(no_linger));
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() {
    ::zmq_close(socket_);
    ::zmq_ctx_term(context_);
  }
  void* get() const { return socket_; }

 private:
  void* context_;
  void* socket_;
};

class ZeroMqPeer : public Peer {
 public:
  static absl::StatusOr<std::unique_ptr<Peer>> Start() {
    auto socket = std::make_unique<Socket>(ZMQ_REQ);
    const std::string address = "ipc://@" + UniqueName();
    if (::zmq_bind(socket->get(), address.c_str()) != 0) {
      return absl::InternalError(::zmq_strerror(::zmq_errno()));
    }
    absl::StatusOr<SpawnedWorker> worker = SpawnedWorker::Spawn({address}, -1);
    if (!worker.ok()) return worker.status();
    return std::unique_ptr<Peer>(new ZeroMqPeer(*std::move(worker), std::move(socket)));
  }
  pid_t worker_pid() const override { return worker_.pid(); }

  absl::StatusOr<Small> Call(const Small& request) override {
    Small answer = {};
    if (!SendHeader(socket(), {.op = Op::kSmall}, true) ||
        ::zmq_send(socket(), &request, sizeof(request), 0) != sizeof(request) ||
        ::zmq_recv(socket(), &answer, sizeof(answer), 0) != sizeof(answer)) {
      return Broken();
    }
    return answer;
  }

  absl::StatusOr<double> Send(absl::Span<const double> x, bool touched) override {
    if (!SendArray(Op::kSend, x, touched) || !Answer()) return Broken();
    return answer_.value;
  }

  absl::StatusOr<double> Echo(absl::Span<const double> x, bool touched) override {
    Part back;
    if (!SendArray(Op::kEcho, x, touched) || !Answer() || !back.Receive(socket())) return Broken();
    return SameLook(Look(back.elements(), touched), answer_.value);
  }

  absl::StatusOr<double> Fetch(size_t elements, double tag, bool touched) override {
    Part array;
    if (!SendHeader(socket(), {Op::kFetch, touched, elements, tag}, false) || !Answer() ||
        !array.Receive(socket())) {
      return Broken();
    }
    return Look(array.elements(), touched);
  }

  absl::StatusOr<double> SendMany(const ManyArrays& arrays, bool touched) override {
    if (!SendHeader(socket(), {Op::kSendMany, touched, 0, 0}, true)) return Broken();
    for (size_t i = 0; i < kManyArrays; ++i) {
      if (!SendPart(socket(), arrays.array(i), i + 1 < kManyArrays)) return Broken();
    }
    if (!Answer()) return Broken();
    return answer_.value;
  }

 private:
  ZeroMqPeer(SpawnedWorker worker, std::unique_ptr<Socket> socket)
      : worker_(std::move(worker)), socket_(std::move(socket)) {}
  static absl::Status Broken() { return absl::UnavailableError(::zmq_strerror(::zmq_errno())); }
  void* socket() const { return socket_->get(); }
  bool SendArray(Op op, absl::Span<const double> x, bool touched) {
    return SendHeader(socket(), {op, touched, x.size(), 0}, true) && SendPart(socket(), x, false);
  }
  bool Answer() { return ReceiveHeader(socket(), answer_); }

  SpawnedWorker worker_;
  std::unique_ptr<Socket> socket_;
  Header answer_;
};

bool ServeOne(void* socket, KeptArray& kept) {
  Header header;
  if (!ReceiveHeader(socket, header)) return false;
  if (header.op == Op::kSmall) {
    Small small = {};
    if (::zmq_recv(socket, &small, sizeof(small), 0) != sizeof(small)) return false;
    small = SmallAnswer(small);
    return ::zmq_send(socket, &small, sizeof(small), 0) == sizeof(small);
  }
  if (header.op == Op::kFetch) {
    return SendHeader(socket, header, true) &&
           SendPart(socket, kept.WithTag(header.elements, header.value), false);
  }
  Part array;
  header.value = 0;
  do {
    if (!array.Receive(socket)) return false;
    header.value += Look(array.elements(), header.touched);
  } while (array.more());
  if (header.op != Op::kEcho) return SendHeader(socket, header, false);
  return SendHeader(socket, header, true) && array.SendOn(socket);
}

int Serve(const std::vector<std::string>& arguments) {
  Socket socket(ZMQ_REP);
  if (arguments.empty() || ::zmq_connect(socket.get(), arguments[0].c_str()) != 0) return 1;
  KeptArray kept;
  while (ServeOne(socket.get(), kept)) {
  }
  return 0;
}

}  // namespace
}  // namespace slabpipe::bench

int main(int argc, char** argv) {
  using namespace slabpipe::bench;
  return PeerMain(argc, argv, {.start = ZeroMqPeer::Start, .serve = Serve});
}
