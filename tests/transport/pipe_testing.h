// What tests of message pipes have in common: messages whose content can be told, and descriptors
// that can.
//
//   ASSERT_THAT(a->Send(*MessageOf(100, 7), {}, {}), IsOk());
//   EXPECT_TRUE(IsMessageOf(*b->Receive({}), 100, 7));

#ifndef SLABPIPE_TESTS_TRANSPORT_PIPE_TESTING_H_
#define SLABPIPE_TESTS_TRANSPORT_PIPE_TESTING_H_

#include <capnp/any.h>
#include <capnp/message.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "slabpipe/transport/message_pipe.h"
#include "slabpipe/transport/unique_fd.h"
#include "slabpipe/transport/wait.h"

namespace slabpipe::tests {

// 0, 1, ..., 255, again and again. Copied and compared in pieces: byte by byte takes sanitizers
// long.
inline constexpr size_t kPeriod = 256, kPieceBytes = 16 * kPeriod;
inline const std::array<unsigned char, kPieceBytes + kPeriod>& Pattern() {
  static const auto pattern = [] {
    std::array<unsigned char, kPieceBytes + kPeriod> bytes;
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<unsigned char>(i);
    return bytes;
  }();
  return pattern;
}
inline const unsigned char* PatternFrom(int seed) {
  return Pattern().data() + static_cast<unsigned>(seed) % kPeriod;
}

// A message whose root is `bytes` bytes, of a pattern that begins with `seed`.
inline std::unique_ptr<capnp::MallocMessageBuilder> MessageOf(size_t bytes, int seed = 0) {
  auto message = std::make_unique<capnp::MallocMessageBuilder>();
  auto data =
      message->getRoot<capnp::AnyPointer>().initAs<capnp::Data>(static_cast<unsigned>(bytes));
  for (size_t i = 0; i < bytes; i += kPieceBytes) {
    memcpy(data.begin() + i, PatternFrom(seed), std::min(kPieceBytes, bytes - i));
  }
  return message;
}

// Whether `message` is what MessageOf made.
inline bool IsMessageOf(const IncomingMessage& message, size_t bytes, int seed = 0) {
  const capnp::Data::Reader data = message.root<capnp::AnyPointer>().getAs<capnp::Data>();
  if (data.size() != bytes) return false;
  for (size_t i = 0; i < bytes; i += kPieceBytes) {
    if (memcmp(data.begin() + i, PatternFrom(seed), std::min(kPieceBytes, bytes - i)) != 0) {
      return false;
    }
  }
  return true;
}

inline size_t SizeOf(const IncomingMessage& message) {
  return message.root<capnp::AnyPointer>().getAs<capnp::Data>().size();
}

inline Wait Briefly() { return {.deadline = Deadline::After(absl::Milliseconds(20))}; }
inline Wait AtOnce() { return {.deadline = Deadline::After(absl::ZeroDuration())}; }

// Descriptors to send, each of which can be told from the others where it arrives.
class Descriptors {
 public:
  explicit Descriptors(size_t count) {
    for (size_t i = 0; i < count; ++i) {
      int ends[2];
      EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
      read_ends_.emplace_back(ends[0]);
      write_ends_.emplace_back(ends[1]);
    }
  }
  // To be sent: borrowed.
  std::vector<int> to_send() const {
    std::vector<int> fds;
    for (const UniqueFd& fd : write_ends_) fds.push_back(fd.get());
    return fds;
  }
  // Whether `received` is the copy of number `i`.
  bool Is(const UniqueFd& received, size_t i) const {
    char sent = static_cast<char>('a' + i), arrived = 0;
    return ::write(received.get(), &sent, 1) == 1 &&
           ::read(read_ends_[i].get(), &arrived, 1) == 1 && sent == arrived;
  }

 private:
  std::vector<UniqueFd> read_ends_, write_ends_;
};

}  // namespace slabpipe::tests

#endif  // SLABPIPE_TESTS_TRANSPORT_PIPE_TESTING_H_
