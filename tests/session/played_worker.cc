#include "slabpipe/tests/session/played_worker.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <thread>
#include <utility>

#include "gtest/gtest.h"
#include "slabpipe/codec/built_in.h"
#include "slabpipe/session/handshake.h"
#include "slabpipe/tests/testing/status_matchers.h"
#include "slabpipe/transport/memfd_segment.h"
#include "slabpipe/transport/socket_pipe.h"

namespace slabpipe::tests {
namespace {

// Listens on an abstract socket whose name the kernel chooses (unix(7)), and says which.
UniqueFd Listen(std::string& name) {
  UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  auto* where = reinterpret_cast<sockaddr*>(&address);
  EXPECT_EQ(::bind(listener.get(), where, sizeof(sa_family_t)), 0);
  socklen_t bytes = sizeof(address);
  EXPECT_EQ(::getsockname(listener.get(), where, &bytes), 0);
  name.assign(address.sun_path + 1, bytes - offsetof(sockaddr_un, sun_path) - 1);
  EXPECT_EQ(::listen(listener.get(), 1), 0);
  return listener;
}

// The descriptor that comes with the next byte.
UniqueFd TakeDescriptor(int socket) {
  char nothing = 0;
  iovec part = {&nothing, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  if (::recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1) return UniqueFd();
  const cmsghdr* rights = CMSG_FIRSTHDR(&message);
  int descriptor = -1;
  if (rights != nullptr) ::memcpy(&descriptor, CMSG_DATA(rights), sizeof(int));
  return UniqueFd(descriptor);
}

}  // namespace

absl::Status PlayedWorker::Start() {
  std::string name;
  listener_ = Listen(name);
  logs_ = *LogQueue::Start(nullptr);
  absl::Status greeted;
  std::thread worker([&] { greeted = ShakeHands(); });
  const auto pool =
      std::make_shared<ShmPool>(ShmPoolOptions(), std::make_shared<MemfdSegmentProvider>());
  std::optional<WorkerEnd> end;
  ConnectionOptions options;
  options.program = "tests/workers/lends_its_connection";
  options.arguments = {name};
  options.hello.main_prefix = "m.";
  options.hello.worker_prefix = "w1.";
  options.pipe.ring_bytes = 0;  // all of it through the socket
  options.start_timeout = absl::Seconds(30);
  options.logs = logs_;
  absl::StatusOr<std::shared_ptr<Connection>> connection =
      Connection::Start(options, pool, std::make_shared<const CodecRegistry>(BuiltInCodecs()), end);
  ::shutdown(listener_.get(), SHUT_RDWR);  // if nobody has come
  worker.join();
  if (!connection.ok()) return connection.status();
  connection_ = *std::move(connection);
  return greeted;
}

absl::Status PlayedWorker::ShakeHands() {
  process_.reset(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  UniqueFd socket = process_.valid() ? TakeDescriptor(process_.get()) : UniqueFd();
  if (!socket.valid()) return absl::UnavailableError("nobody has come");
  auto pipe = std::make_unique<SocketPipe>(std::move(socket));
  absl::StatusOr<IncomingMessage> hello = pipe->Receive({});
  if (!hello.ok()) return hello.status();
  end_ = std::make_unique<ConnectionEnd>(std::move(pipe), "w1.", "m.");
  return end_->channel().Send(
      [](schemas::Message::Builder root) { WriteWelcome(WelcomeInfo(), root.initWelcome()); }, {});
}

uint64_t PlayedWorker::ReceiveRequest() {
  const std::unique_ptr<Received> received = end_->Receive();
  EXPECT_TRUE(received->root.isRequest());
  return received->root.getRequest().getId();
}

void PlayedWorker::Answer(uint64_t id, const Value& value) {
  const auto fill = [&](schemas::Message::Builder root) {
    auto response = root.initResponse();
    response.setId(id);
    return std::vector<schemas::Payload::Builder>{response.initResult()};
  };
  EXPECT_THAT(end_->SendValues(fill, {AnyRef::To(value)}), IsOk());
}

void PlayedWorker::Exit(char code) {
  EXPECT_EQ(::send(process_.get(), &code, 1, MSG_NOSIGNAL), 1);
  process_.reset();
  end_->Leave();
}

}  // namespace slabpipe::tests
