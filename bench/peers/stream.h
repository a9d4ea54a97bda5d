// Whole messages over a stream socket, for the peers that are made of one.

#ifndef SLABPIPE_BENCH_PEERS_STREAM_H_
#define SLABPIPE_BENCH_PEERS_STREAM_H_

#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstddef>

#include "absl/types/span.h"

namespace slabpipe::bench {

// All of `pieces`, which are used up, by as few system calls as there can be.
inline bool WriteAll(int socket, absl::Span<iovec> pieces) {
  while (!pieces.empty()) {
    msghdr message = {};
    message.msg_iov = pieces.data();
    message.msg_iovlen = std::min<size_t>(pieces.size(), IOV_MAX);
    ssize_t written = ::sendmsg(socket, &message, MSG_NOSIGNAL);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    while (!pieces.empty() && static_cast<size_t>(written) >= pieces[0].iov_len) {
      written -= static_cast<ssize_t>(pieces[0].iov_len);
      pieces.remove_prefix(1);
    }
    if (!pieces.empty()) {
      pieces[0].iov_base = static_cast<std::byte*>(pieces[0].iov_base) + written;
      pieces[0].iov_len -= static_cast<size_t>(written);
    }
  }
  return true;
}

inline bool ReadAll(int socket, void* to, size_t bytes) {
  auto* at = static_cast<std::byte*>(to);
  while (bytes > 0) {
    const ssize_t n = ::recv(socket, at, bytes, MSG_WAITALL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    at += n;
    bytes -= static_cast<size_t>(n);
  }
  return true;
}

template <typename T>
bool WriteOne(int socket, const T& value) {
  iovec piece = {const_cast<T*>(&value), sizeof(value)};
  return WriteAll(socket, absl::MakeSpan(&piece, 1));
}

template <typename T>
bool ReadOne(int socket, T& value) {
  return ReadAll(socket, &value, sizeof(value));
}

}  // namespace slabpipe::bench

#endif  // SLABPIPE_BENCH_PEERS_STREAM_H_
