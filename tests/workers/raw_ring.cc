#include "slabpipe/tests/workers/raw_ring.h"

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "slabpipe/schemas/session.capnp.h"
#include "slabpipe/tests/workers/raw_worker.h"

namespace slabpipe::tests {
namespace {

constexpr int kBadRing = 8;
// The kind of a frame whose message is in the socket.
constexpr uint64_t kBySocket = 2;

// The order of the descriptors that come with main's hello; the bells' from 0 in RawRing.
enum Bell { kMainMessage, kMainRoom, kWorkerMessage, kWorkerRoom };

size_t SizeOf(int object) {
  struct stat status = {};
  if (::fstat(object, &status) != 0) ::_exit(kBadRing);
  return static_cast<size_t>(status.st_size);
}

void* Map(int object, size_t bytes, int rights) {
  void* const mapping = ::mmap(nullptr, bytes, rights, MAP_SHARED, object, 0);
  if (mapping == MAP_FAILED) ::_exit(kBadRing);
  return mapping;
}

uint32_t FieldAt(const std::byte* control, size_t at) {
  return __atomic_load_n(reinterpret_cast<const uint32_t*>(control + at), __ATOMIC_SEQ_CST);
}

// The address of what lies at `position` of a ring.
template <typename Byte>
Byte* At(Byte* control, uint64_t position, uint32_t ring_bytes) {
  return control + kControlHeaderBytes + position % ring_bytes;
}

uint64_t FrameBytes(size_t body_bytes) { return (8 + body_bytes + 63) / 64 * 64; }

// Of the sizes that main's has. `mapping`: where it is mapped, writable.
int NewControl(const ControlForgery& forgery, const std::byte* main, size_t main_bytes,
               std::byte** mapping) {
  const size_t bytes = main_bytes - forgery.missing_bytes;
  const int object = ::memfd_create("slabpipe:control", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (::fallocate(object, 0, 0, static_cast<off_t>(bytes)) != 0) ::_exit(kBadRing);
  *mapping = static_cast<std::byte*>(Map(object, bytes, PROT_READ | PROT_WRITE));
  memcpy(*mapping, main, 16);
  memcpy(*mapping, &forgery.magic, 4);
  memcpy(*mapping + 4, &forgery.version, 4);
  if (forgery.sealed) {
    ::fcntl(object, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | 0x10 | F_SEAL_SEAL);
  }
  int pipe_ends[2];
  return forgery.is_memory || ::pipe(pipe_ends) != 0 ? object : pipe_ends[0];
}

}  // namespace

RawRing::RawRing(std::byte* own, const std::byte* main, std::vector<int> bells)
    : own_(own), main_(main), ring_bytes_(FieldAt(main, 8)), bells_(std::move(bells)) {}

RawRing JoinRing(const ControlForgery& forgery) {
  const std::vector<int>& offered = HelloDescriptors();
  if (offered.size() != 5) ::_exit(kBadRing);
  const size_t main_bytes = SizeOf(offered[0]);
  const auto* main = static_cast<const std::byte*>(Map(offered[0], main_bytes, PROT_READ));
  std::byte* own = nullptr;
  const int control = NewControl(forgery, main, main_bytes, &own);
  WelcomeParts welcome;
  welcome.features.push_back("ring");
  welcome.joins_ring = true;
  welcome.descriptors.assign(forgery.copies, control);
  SendWelcome(welcome);
  return RawRing(own, main, {offered.begin() + 1, offered.end()});
}

// No bell is asked for: a worker like this one looks now and then.
uint64_t RawRing::AwaitWord() const {
  const auto* word = reinterpret_cast<const uint64_t*>(At(main_, taken_, ring_bytes_));
  while (true) {
    if (const uint64_t frame = __atomic_load_n(word, __ATOMIC_SEQ_CST); frame != 0) return frame;
    ::usleep(100);
    pollfd gone = {.fd = MainSocket(), .events = POLLRDHUP, .revents = 0};
    if (::poll(&gone, 1, 0) != 0) ::_exit(0);
  }
}

void RawRing::Take(size_t body_bytes) {
  taken_ += FrameBytes(body_bytes);
  __atomic_store_n(reinterpret_cast<uint64_t*>(own_ + kRingTakenAt), taken_, __ATOMIC_SEQ_CST);
  const uint64_t bell = 1;
  if (FieldAt(main_, kWantsRoomAt) != 0 && ::write(bells_[kMainRoom], &bell, 8) < 0) {
    ::_exit(kBadRing);
  }
}

void RawRing::AwaitSocket() {
  const uint64_t frame = AwaitWord();
  if ((frame & 0xff) != kBySocket) ::_exit(kBadRing);
  Take(0);
}

Arrived RawRing::ReceiveAny() {
  const uint64_t frame = AwaitWord();
  const size_t body_bytes = frame >> 32;
  if ((frame & 0xff) == kBySocket) {
    Take(0);
    return tests::ReceiveAny();
  }
  auto body = kj::heapArray<capnp::word>(body_bytes / 8);
  for (size_t i = 0; i < body_bytes; i += 8) {
    memcpy(body.asBytes().begin() + i, At(main_, taken_ + 8 + i, ring_bytes_), 8);
  }
  Take(body_bytes);
  return Look(body.begin(), body_bytes);
}

uint64_t RawRing::ReceiveRequest() {
  while (true) {
    if (const Arrived arrived = ReceiveAny(); arrived.kind == Kind::kRequest) return arrived.id;
  }
}

void RawRing::Send(std::string_view body) {
  PutBody(body);
  PutWord(1, 0, static_cast<uint32_t>(body.size()));
  if (MainSleeps()) RingBell();
}

void RawRing::PutBody(std::string_view body) {
  for (size_t i = 0; i < body.size(); i += 8) {
    memcpy(At(own_, written_ + 8 + i, ring_bytes_), body.data() + i, 8);
  }
}

void RawRing::PutWord(uint8_t kind, uint32_t number_offset, uint32_t body_bytes) {
  auto* word = reinterpret_cast<uint64_t*>(At(own_, written_, ring_bytes_));
  written_ += FrameBytes(body_bytes);
  auto* next = reinterpret_cast<uint64_t*>(At(own_, written_, ring_bytes_));
  __atomic_store_n(next, 0, __ATOMIC_SEQ_CST);
  const uint64_t number = (next_number_++ + number_offset) & 0xffffff;
  __atomic_store_n(word, kind | number << 8 | uint64_t{body_bytes} << 32, __ATOMIC_SEQ_CST);
}

void RawRing::RingBell() const {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(bells_[kMainMessage], &one, sizeof(one));
}

bool RawRing::MainSleeps() const { return FieldAt(main_, kWantsMessageAt) != 0; }

}  // namespace slabpipe::tests
