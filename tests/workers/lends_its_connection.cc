// Gives its end of the connection to the process that listens on the abstract socket which its
// argument names: that one plays the worker. Exits when it hangs up, with the code that it sends
// before, if it does.

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>

#include "slabpipe/tests/testing/send_descriptors.h"

namespace {

constexpr int kNobodyListens = 9;

int Connect(const char* name) {
  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  ::strncpy(address.sun_path + 1, name, sizeof(address.sun_path) - 2);
  const size_t bytes = offsetof(sockaddr_un, sun_path) + 1 + ::strlen(address.sun_path + 1);
  const auto* where = reinterpret_cast<const sockaddr*>(&address);
  return ::connect(socket, where, static_cast<socklen_t>(bytes)) == 0 ? socket : -1;
}

}  // namespace

int main(int argc, char** argv) {
  const int connection = ::atoi(::getenv("SLABPIPE_FD"));
  const int socket = argc == 2 ? Connect(argv[1]) : -1;
  if (socket < 0 || !slabpipe::tests::SendWithDescriptors(socket, "x", {connection}))
    return kNobodyListens;
  ::close(connection);
  char code = 0;
  while (::read(socket, &code, 1) > 0) {
  }
  return code;
}
