// The ring, spoken by hand (docs/wire-format.md), for workers that break its rules. As raw_worker.h
// none of slabpipe's own transport is in it.
//
//   int main() {
//     RawRing ring = JoinRing();
//     const uint64_t id = ring.ReceiveRequest();
//     ring.Send(AnswerBody(id));
//     ring.PutWord(9, 0, 0);  // a frame that is none
//     ring.RingBell();
//     Hang();
//   }

#ifndef SLABPIPE_TESTS_WORKERS_RAW_RING_H_
#define SLABPIPE_TESTS_WORKERS_RAW_RING_H_

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "slabpipe/tests/workers/raw_worker.h"

namespace slabpipe::tests {

// Where things lie in a control block.
inline constexpr size_t kControlHeaderBytes = 320;
inline constexpr size_t kRingTakenAt = 64;
inline constexpr size_t kWantsMessageAt = 128;
inline constexpr size_t kWantsRoomAt = 132;

// The worker's end of both rings.
class RawRing {
 public:
  // `own`, `main`: the control blocks, mapped. `bells`: those of main's offer, in its order.
  RawRing(std::byte* own, const std::byte* main, std::vector<int> bells);

  // The next message, by the ring or the socket. Sleeps meanwhile.
  Arrived ReceiveAny();
  // The next request's id; everything else that main says is passed over.
  uint64_t ReceiveRequest();
  // Waits until the ring says that the next message is in the socket, which is left there.
  void AwaitSocket();
  // A frame, and the bell if main sleeps.
  void Send(std::string_view body);
  // Parts of one. The word is that of the frame which is due, but for its kind and its size.
  void PutBody(std::string_view body);
  void PutWord(uint8_t kind, uint32_t number_offset, uint32_t body_bytes);
  // Rings for main, whether it wants that or not.
  void RingBell() const;

  // This worker's control block, to be spoilt.
  volatile uint64_t* words() const { return reinterpret_cast<volatile uint64_t*>(own_); }
  size_t word_count() const { return (kControlHeaderBytes + ring_bytes_) / 8; }
  uint32_t ring_bytes() const { return ring_bytes_; }
  // Whether main says that it sleeps until there is a message.
  bool MainSleeps() const;

 private:
  uint64_t AwaitWord() const;
  void Take(size_t body_bytes);

  std::byte* const own_;
  const std::byte* const main_;
  const uint32_t ring_bytes_;  // of both
  const std::vector<int> bells_;
  uint64_t written_ = 0, taken_ = 0;
  uint32_t next_number_ = 0;
};

// What a control block may be that is none. One fault at a time.
struct ControlForgery {
  bool sealed = true;
  bool is_memory = true;  // or a pipe
  size_t missing_bytes = 0;
  uint32_t magic = 0x43504c53;
  uint32_t version = 1;
  size_t copies = 1;  // of the descriptor, that come along
};
// Reads main's hello, answers that this worker joins the ring, and sends a control block.
RawRing JoinRing(const ControlForgery& forgery = {});

}  // namespace slabpipe::tests

#endif  // SLABPIPE_TESTS_WORKERS_RAW_RING_H_
