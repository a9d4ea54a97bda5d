// SendWithDescriptors: bytes through a Unix socket, and copies of descriptors with them (unix(7)),
// for test programs that don't use the library's own pipes.
//
//   if (!SendWithDescriptors(socket, "x", {fd})) ...

#ifndef SLABPIPE_TESTS_TESTING_SEND_DESCRIPTORS_H_
#define SLABPIPE_TESTS_TESTING_SEND_DESCRIPTORS_H_

#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <string>
#include <string_view>
#include <vector>

namespace slabpipe::tests {

// At most 16 descriptors, which go beside the first byte; there must be one. Whether all of it was
// sent; raises no SIGPIPE.
inline bool SendWithDescriptors(int socket, std::string_view bytes,
                                const std::vector<int>& descriptors) {
  std::string copy(bytes);
  iovec part = {copy.data(), copy.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(16 * sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = CMSG_SPACE(descriptors.size() * sizeof(int));
  cmsghdr* rights = CMSG_FIRSTHDR(&message);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(descriptors.size() * sizeof(int));
  ::memcpy(CMSG_DATA(rights), descriptors.data(), descriptors.size() * sizeof(int));
  return ::sendmsg(socket, &message, MSG_NOSIGNAL) == static_cast<ssize_t>(copy.size());
}

}  // namespace slabpipe::tests

#endif  // SLABPIPE_TESTS_TESTING_SEND_DESCRIPTORS_H_
