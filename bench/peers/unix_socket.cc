// A Unix stream socket: a header, then the bytes, both ways.

#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "slabpipe/bench/peers/peer.h"
#include "slabpipe/bench/peers/stream.h"

namespace slabpipe::bench {
namespace {

bool WriteMessage(int socket, const Header& header, const void* bytes, size_t size) {
  iovec pieces[] = {{const_cast<Header*>(&header), sizeof(header)},
                    {const_cast<void*>(bytes), size}};
  return WriteAll(socket, pieces);
}

size_t BytesOf(const Header& header) { return header.elements * sizeof(double); }

class SocketPeer : public Peer {
 public:
  static absl::StatusOr<std::unique_ptr<Peer>> Start() {
    auto sockets = SocketPair();
    if (!sockets.ok()) return sockets.status();
    absl::StatusOr<SpawnedWorker> worker = SpawnedWorker::Spawn({}, sockets->second.get());
    if (!worker.ok()) return worker.status();
    return std::unique_ptr<Peer>(new SocketPeer(*std::move(worker), std::move(sockets->first)));
  }
  pid_t worker_pid() const override { return worker_.pid(); }

  absl::StatusOr<Small> Call(const Small& request) override {
    const Header header = {.op = Op::kSmall, .elements = sizeof(Small) / sizeof(double)};
    Small answer = {};
    if (!WriteMessage(socket(), header, &request, sizeof(request)) || !Answer() ||
        !ReadOne(socket(), answer)) {
      return Broken();
    }
    return answer;
  }

  absl::StatusOr<double> Send(absl::Span<const double> x, bool touched) override {
    if (!SendArray(Op::kSend, x, touched) || !Answer()) return Broken();
    return answer_.value;
  }

  absl::StatusOr<double> Echo(absl::Span<const double> x, bool touched) override {
    if (!SendArray(Op::kEcho, x, touched) || !Answer() || !ReadArray()) return Broken();
    return SameLook(Look(array_, touched), answer_.value);
  }

  absl::StatusOr<double> Fetch(size_t elements, double tag, bool touched) override {
    const Header wanted = {Op::kFetch, touched, elements, tag};
    if (!WriteOne(socket(), wanted) || !Answer() || !ReadArray()) return Broken();
    return Look(array_, touched);
  }

  absl::StatusOr<double> SendMany(const ManyArrays& arrays, bool touched) override {
    const Header header = {Op::kSendMany, touched, kManyArrays * kManyElements, 0};
    std::vector<iovec> pieces = {{const_cast<Header*>(&header), sizeof(header)}};
    for (size_t i = 0; i < kManyArrays; ++i) {
      pieces.push_back({const_cast<double*>(arrays.array(i).data()), kManyElements * 8});
    }
    if (!WriteAll(socket(), absl::MakeSpan(pieces)) || !Answer()) return Broken();
    return answer_.value;
  }

 private:
  SocketPeer(SpawnedWorker worker, UniqueFd socket)
      : worker_(std::move(worker)), socket_(std::move(socket)) {}
  static absl::Status Broken() { return absl::UnavailableError("the socket broke"); }
  int socket() const { return socket_.get(); }
  bool SendArray(Op op, absl::Span<const double> x, bool touched) {
    return WriteMessage(socket(), {op, touched, x.size(), 0}, x.data(), x.size() * sizeof(double));
  }
  bool Answer() { return ReadOne(socket(), answer_); }
  bool ReadArray() {
    array_.resize(answer_.elements);
    return ReadAll(socket(), array_.data(), BytesOf(answer_));
  }

  SpawnedWorker worker_;
  UniqueFd socket_;
  Header answer_;
  std::vector<double> array_;
};

// One request. False at the end.
bool ServeOne(std::vector<double>& array, KeptArray& kept) {
  Header request;
  if (!ReadOne(kWorkerSocket, request)) return false;
  if (request.op == Op::kFetch) {
    const absl::Span<const double> x = kept.WithTag(request.elements, request.value);
    return WriteMessage(kWorkerSocket, request, x.data(), BytesOf(request));
  }
  array.resize(request.elements);
  if (!ReadAll(kWorkerSocket, array.data(), BytesOf(request))) return false;
  Header answer = request;
  switch (request.op) {
    case Op::kSmall: {
      Small small = {};
      std::memcpy(&small, array.data(), sizeof(small));
      small = SmallAnswer(small);
      return WriteMessage(kWorkerSocket, answer, &small, sizeof(small));
    }
    case Op::kEcho:
      answer.value = Look(array, request.touched);
      return WriteMessage(kWorkerSocket, answer, array.data(), BytesOf(answer));
    case Op::kSendMany:
      answer.value = 0;
      for (size_t i = 0; i < array.size(); i += kManyElements) {
        answer.value += Look({&array[i], kManyElements}, request.touched);
      }
      return WriteOne(kWorkerSocket, answer);
    default:
      answer.value = Look(array, request.touched);
      return WriteOne(kWorkerSocket, answer);
  }
}

int Serve(const std::vector<std::string>&) {
  std::vector<double> array;
  KeptArray kept;
  while (ServeOne(array, kept)) {
  }
  return 0;
}

}  // namespace
}  // namespace slabpipe::bench

int main(int argc, char** argv) {
  using namespace slabpipe::bench;
  return PeerMain(argc, argv, {.start = SocketPeer::Start, .serve = Serve});
}
